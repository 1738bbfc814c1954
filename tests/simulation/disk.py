"""A disk that forgets what wasn't synced, and that can be full, broken or dead.

Each labelled step is a point of choice: whoever made the disk is told before and after it, and may stop the program there.

Owns    what has become durable below one state directory.
Trusts  memory: nothing is really synced, so its place may as well be /dev/shm.
"""

import errno
import fnmatch
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from anthrofs.store.disk import Disk
from anthrofs.tree.database import Database
from tests.simulation.commits import Commits, Watched
from tests.simulation.durable import DATABASE, Durable, Mode

FREE_BYTES: Final = 10**12          # the same each time, whatever the machine has
NEEDS_ROOM: Final = ("sync", "link", "rename", "commit")


class Dead(BaseException):
    """The machine has no power any more: nothing that the program does changes anything."""


@dataclass
class Fault:
    """Steps that fail."""

    pattern: str
    code: int
    times: int


class ForgetfulDisk(Disk):
    """One machine's disk, for one mount's state."""

    def __init__(self, root: Path, chance: random.Random, turn: Callable[[str], None] = lambda _: None,
                 before: "ForgetfulDisk | None" = None) -> None:
        """All that is below `root` now is durable; but with `before`, the disk that a kill has left (`root` is its last image) or that an end
        has left (`root` is its own), only what was durable there. `turn` is told a label before each step, and the label with a +
        after it.
        """
        self._root = root               # constant
        self._chance = chance           # given
        self._turn = turn               # given
        self._before: Commits | None = None         # of the database, when it is opened
        if before is None:
            self._durable = Durable(root)
        else:
            self._before = before._commits or before._before
            self._durable = before._durable if before._root == root else Durable(root, before._durable)
        self._commits: Commits | None = None        # of the database that is open
        self._watched: Database | None = None
        self._faults: list[Fault] = []
        self.dead = False               # from then on every step raises Dead
        self.full = False               # what needs room says ENOSPC
        self.room_bytes = FREE_BYTES    # that are said to be free, while it isn't full

    # ---- what befalls it

    def watch(self, database: Database) -> None:
        """Its commits are steps, too, from now on. SQLite makes a new database with synchronous = FULL."""
        self._commits, self._before = Commits(self._root / "state.db", self._before), None
        connection = Watched(database._connection, self._commits, self)
        database._connection = database._tx._connection = connection    # type: ignore[assignment]      # all that is asked of it
        self._watched = database

    def unwatch(self) -> None:
        """The database is about to be closed: SQLite brings all of it into its file, durably."""
        if self._watched is not None:
            connection = self._watched._connection
            assert isinstance(connection, Watched)
            self._watched._connection = self._watched._tx._connection = connection.connection
        self._watched = self._commits = None

    def fail(self, pattern: str, code: int, times: int = 1) -> None:
        """The next such steps fail; `pattern` is one of fnmatch: "stage:*"."""
        self._faults.append(Fault(pattern, code, times))

    def mend(self) -> None:
        """From now on the disk works."""
        self._faults.clear()
        self.full = False

    def power_loss(self, target: Path, mode: Mode) -> None:
        """Makes in `target`, which isn't there yet, the state directory as it would be found after losing power now. `mode`: which of
        what isn't durable is lost; "none" is a kill, after which all is as it was.
        """
        self._durable.lose(target, mode, self._chance)
        if self._commits is not None:
            self._commits.lose(target, mode, self._chance)
            return
        for name in sorted(DATABASE):           # nobody has it open
            if (self._root / name).exists():
                (target / name).write_bytes((self._root / name).read_bytes())

    def killed(self, target: Path, mode: Mode) -> "ForgetfulDisk":
        """Returns the disk of the next mount, on what this one has left in `target`; this one is dead."""
        self.power_loss(target, mode)
        self.dead = True
        return ForgetfulDisk(target, self._chance, self._turn, self if mode == "none" else None)

    # ---- Disk

    def write(self, label: str, descriptor: int, data: bytes | memoryview, offset: int) -> int:
        """A full disk takes what is already there to be overwritten."""
        self.before(label, "write")
        room = max(0, os.fstat(descriptor).st_size - offset) if self.full else len(data)
        if data and not room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), label)
        done = super().write(label, descriptor, data[:room], offset)
        self.after(label)
        return done

    def sync(self, label: str, descriptor: int) -> None:
        try:
            self.before(label, "sync")
        except OSError:
            self._durable.failed(descriptor)
            raise
        self._durable.synced(descriptor)
        self.after(label)

    def sync_dir(self, label: str, path: Path) -> None:
        self.before(label, "sync_dir")
        os.stat(path)
        self._durable.synced_dir(path)
        self.after(label)

    def link(self, label: str, source: Path, target: Path) -> None:
        self.before(label, "link")
        self._durable.goes(target)
        super().link(label, source, target)
        self.after(label)

    def rename(self, label: str, source: Path, target: Path) -> None:
        self.before(label, "rename")
        self._durable.goes(source)
        self._durable.goes(target)
        super().rename(label, source, target)
        self._durable.renamed(source, target)
        self.after(label)

    def unlink(self, label: str, path: Path) -> None:
        self.before(label, "unlink")
        self._durable.goes(path)
        super().unlink(label, path)
        self.after(label)

    def free_bytes(self, path: Path) -> int:
        return 0 if self.full else self.room_bytes

    # ---- steps

    def before(self, label: str, kind: str = "commit") -> None:
        """A step is about to be done. Raises OSError where it fails, Dead, and what `turn` does."""
        if not self.dead:           # who is being ended hands over to nobody
            self._turn(label)
        if self.dead:
            raise Dead(label)
        if self.full and kind in NEEDS_ROOM:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), label)
        for fault in self._faults:
            if fault.times and fnmatch.fnmatchcase(label, fault.pattern):
                fault.times -= 1
                raise OSError(fault.code, os.strerror(fault.code), label)

    def after(self, label: str) -> None:
        """A step is done. Raises what `turn` does."""
        self._turn(f"{label}+")
