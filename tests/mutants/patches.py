"""Planted bugs: each is a patch of one place below anthrofs/, with a head that says what is broken, what that costs a user, and which test
is to find it first.

    Broken:   the map of a block is written before its content.
    Costs:    …
    Found-by: tests/unit/store/test_blocks.py::test_…      (the quickest; a line each)
    --- a/anthrofs/store/block_file.py
    +++ b/anthrofs/store/block_file.py
    @@ -94,7 +94,7 @@
     …

A new one is a head and what `git diff -U2` says of the bug.

Trusts  nothing about line numbers: a patch goes where its lines are, and that must be one place. `patch -p1` and `git apply` read it as well.
"""

import ast
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PATCHES: Final = Path(__file__).parent
ROOT: Final = PATCHES.parents[1]
HEAD: Final = ("Broken:", "Costs:", "Found-by:")


class DoesNotApply(Exception):
    """The sources have changed where the patch is, or it isn't one."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One patch."""

    name: str
    broken: str
    costs: str
    found_by: tuple[str, ...]       # tests, the quickest first
    path: str                       # below the repository
    before: tuple[str, ...]         # lines, with those around
    after: tuple[str, ...]

    @property
    def room(self) -> str:
        """Where it is: the room, or of what lies beside the rooms the module."""
        _, room, *_ = self.path.removesuffix(".py").split("/")
        return room

    @property
    def module(self) -> str:
        """By its dotted name."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def needs_mount(self) -> bool:
        """Only a kernel shows it."""
        return not any(test.startswith(("tests/unit/", "tests/core/", "tests/simulation/")) for test in self.found_by)

    def apply(self, text: str) -> str:
        """The source with the bug in it. Raises DoesNotApply."""
        lines, size = text.splitlines(), len(self.before)
        places = [start for start in range(len(lines) - size + 1) if tuple(lines[start:start + size]) == self.before]
        if len(places) != 1:
            raise DoesNotApply(f"{self.name}: its lines are in {len(places)} places of {self.path}. Make the patch anew, for the same bug")
        start = places[0]
        mutated = "\n".join((*lines[:start], *self.after, *lines[start + size:])) + "\n"
        if ast.dump(ast.parse(mutated)) == _code_of(text):
            raise DoesNotApply(f"{self.name}: it changes no code")
        return mutated


@functools.cache
def _code_of(text: str) -> str:
    """Several bugs are planted in one module."""
    return ast.dump(ast.parse(text))


def every() -> list[Mutant]:
    """All of them, by room and name."""
    found = [read(path) for path in PATCHES.glob("*.patch")]
    return sorted(found, key=lambda mutant: (mutant.room, mutant.name))


def read(path: Path) -> Mutant:
    """Raises DoesNotApply for what has another form."""
    lines = path.read_text().splitlines()
    try:
        start = next(number for number, line in enumerate(lines) if line.startswith("--- a/"))
        old, new, place, *change = lines[start:]
    except (StopIteration, ValueError) as exc:
        raise DoesNotApply(f"{path.name} is no patch") from exc
    said = _head(path, lines[:start])
    below = old.removeprefix("--- a/")
    if new != f"+++ b/{below}" or not place.startswith("@@ -") or any(line[:1] not in (" ", "-", "+") for line in change):
        raise DoesNotApply(f"{path.name} changes more than one place")
    return Mutant(path.stem, " ".join(said["Broken:"]), " ".join(said["Costs:"]), tuple(said["Found-by:"]), below,
                  tuple(line[1:] for line in change if line[0] != "+"), tuple(line[1:] for line in change if line[0] != "-"))


def _head(path: Path, lines: list[str]) -> dict[str, list[str]]:
    """What stands in front of the change, line by line; one that is indented goes on with the one before."""
    said: dict[str, list[str]] = {}
    key = ""
    for line in lines:
        word = line.split(maxsplit=1)[0] if line.split() else ""
        if word in HEAD:
            key, said[word] = word, [line.removeprefix(word).strip()]
        elif line.startswith("  ") and key:
            said[key].append(line.strip())
        elif line.startswith(("diff --git ", "index ")):
            key = ""                # as `git diff` writes them
        else:
            raise DoesNotApply(f"{path.name}: {line!r} is neither its head nor its change")
    if tuple(said) != HEAD or not all(map(all, said.values())):
        raise DoesNotApply(f"{path.name}: its head has to say {' '.join(HEAD)}")
    return said
