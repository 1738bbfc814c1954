"""Operations as data, so that a run can be repeated, cut and kept; and their choice by a seed.

Owns    one generator of random numbers. The choice looks at the model, so that most operations can be done; one that can't be (when others
        were cut out of the run) is left out by whoever does them.
"""

import os
import random
from dataclasses import asdict, dataclass
from typing import Any, Final

from tests.exerciser.model import HANDLES, MAPS, MOST_BYTES, PATHS, Model

# How often each is chosen, of about a thousand.
WEIGHTS: Final = {
    "read": 270, "write": 200, "truncate": 30, "punch": 25, "map_read": 40, "map_write": 30,
    "map_hold": 8, "map_poke": 60, "map_look": 60, "map_drop": 4,
    "open": 60, "close": 50, "dup": 12, "copy": 35, "send": 15, "fsync": 8, "fdatasync": 8, "stat": 60,
    "rename": 8, "unlink": 7, "read_all": 15, "truncate_path": 7, "appends": 2, "stripes": 2,
}
# Those that need a server behind the directory.
AROUND: Final = {"make": 6, "replace": 2, "replace_read": 1, "free": 3, "slow": 2, "settle": 0.3, "remount": 0.1}
# The last one is more than is fetched as a whole.
MADE: Final = (1, 100, 4096, 5000, 70_000, 131_072, 131_073, 131_072, 300_000, 300_000, 600_000, 2**23 + 100_001)
WRITING: Final = frozenset({"write", "truncate", "punch", "map_write"})

AT_POSITION: Final = -1         # as an offset: where the descriptor stands
FORGET: Final = 1               # as flags of a read: the kernel forgets its pages first
SYNC: Final = 1                 # as flags of a write to a map: msync
EDGES: Final = (4096, 65536, 131072)        # a page, and the sizes in which kernel and cache cut


@dataclass(frozen=True, slots=True)
class Op:
    """One operation; what a kind doesn't use stays 0."""

    number: int             # from 1; stamps have it
    kind: str
    handle: int = 0         # a slot of the model's
    other: int = 0          # another
    path: int = 0
    to: int = 0
    offset: int = 0
    length: int = 0
    flags: int = 0

    def __str__(self) -> str:
        given = {name: value for name, value in asdict(self).items() if value and name not in ("number", "kind")}
        return f"{self.number} {self.kind} " + " ".join(f"{name}={value}" for name, value in given.items())

    def as_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value}


class Chooser:
    """Chooses operations, all from one seed."""

    def __init__(self, seed: str, *, around: bool) -> None:
        weights = {**WEIGHTS, **AROUND} if around else WEIGHTS
        self._chance = random.Random(seed)
        self._kinds = list(weights)
        self._weights = list(weights.values())
        # Some disks want O_DIRECT aligned; a mount doesn't.
        self._modes = [0, 0, 0, os.O_APPEND, os.O_TRUNC, os.O_CREAT, os.O_CREAT | os.O_EXCL, os.O_CREAT | os.O_TRUNC, os.O_CREAT | os.O_APPEND, os.O_SYNC,
                       *([os.O_DIRECT] if around else [])]

    def choose(self, number: int, model: Model) -> Op:
        """The next one."""
        chance = self._chance
        kind = chance.choices(self._kinds, self._weights)[0]
        if not model.handles and kind not in ("map_poke", "map_look", "map_drop", *AROUND):
            kind = "open"
        handle, other = self._one(model, writes=kind in WRITING), self._one(model, writes=True)
        if kind == "dup":
            other = chance.randrange(HANDLES)
        if kind == "open":
            handle = chance.randrange(HANDLES)
        if kind in ("map_hold", "map_poke", "map_look", "map_drop"):
            other = chance.randrange(MAPS)
        file = model.held(handle) if kind not in ("map_poke", "map_look") else model.maps[other].file if other in model.maps else None
        size = len(file.content) if file is not None else 0
        path, to = chance.randrange(PATHS), chance.randrange(PATHS)
        made = [each for each, file in model.files.items() if file.made] if kind in ("replace", "replace_read", "free") else []
        if made:
            path = chance.choice(made)
        offset, length = self._place(size, grows=kind in ("write", "truncate", "truncate_path", "copy", "stripes")), self._length()
        if kind in ("read", "write") and chance.random() < 0.2:
            offset = AT_POSITION
        if kind in ("make", "replace", "replace_read"):
            length = chance.choice(MADE)
        return Op(number, kind, handle, other, path, to, offset, length, self._flags(kind))

    def _one(self, model: Model, *, writes: bool) -> int:
        """A handle that is open, for writing if there is one."""
        slots = [slot for slot, handle in model.handles.items() if handle.of.writes] if writes else []
        slots = slots or list(model.handles)
        return self._chance.choice(slots) if slots else 0

    def _flags(self, kind: str) -> int:
        chance = self._chance
        if kind == "open":
            return chance.choice((os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_RDWR)) | chance.choice(self._modes)
        return chance.randrange(2) if kind in ("read", "read_all", "map_write", "map_poke") else 0

    def _place(self, size: int, *, grows: bool) -> int:
        """Anywhere in the file, or beside where something ends: the file, a page, a block."""
        chance = self._chance
        which = chance.random()
        if which < 0.45:
            place = chance.randrange(size + 1)
        elif which < 0.6:
            place = size + chance.randint(-9, 9)
        else:
            edge = chance.choice(EDGES)
            place = edge * chance.randrange((size if not grows else MOST_BYTES // 2) // edge + 2) + chance.randint(-3, 3)
        if grows and which > 0.97:
            place += chance.randrange(100_000)
        return min(max(0, place), MOST_BYTES - 1)

    def _length(self) -> int:
        """From a byte to a block and more; small ones are as likely as big ones."""
        chance = self._chance
        return chance.choice(EDGES) + chance.randint(-2, 2) if chance.random() < 0.1 else int(2 ** (chance.random() * 17.2))
