"""What a mount's own zone must show: the model's dictionary, and what is in doubt because a call had no clear answer.

A call that ends without an error has happened. One that is cut by a kill, or ends with an error, has happened or not: as a
whole, which a look at what is shown decides. Until then its paths are in doubt, and nothing else is done to them.

Owns    the model, the doubts, and the paths of which more than that isn't known.
"""

import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from tests.model import Model, above, is_below

Change = Callable[[Model], object]
Shown = dict[str, bytes | None]         # every path of the zone; None: a directory


@dataclass(eq=False)
class Deed:
    """One change that a program makes, while it makes it."""

    paths: tuple[str, ...]
    changes: tuple[Change, ...]     # one after another: a kill may come between
    partial: bool = False           # it may be left half done: a disk refused some of it


@dataclass
class Zone:
    """One mount's."""

    prefix: str
    model: Model = field(default_factory=Model)
    doubts: list[Deed] = field(default_factory=list)
    loose: set[str] = field(default_factory=set)        # paths whose content may be anything

    def mine(self, path: str) -> bool:
        """Whether a path is of this zone."""
        return path.startswith(self.prefix)

    def unsure(self, paths: Iterable[str]) -> bool:
        """Whether something about one of them, or about what is in it or above it, is in doubt."""
        known = [*(path for deed in self.doubts for path in deed.paths), *self.loose]
        return any(one == other or is_below(one, other) or is_below(other, one) for one in paths if one for other in known if other)

    def done(self, deed: Deed) -> None:
        """All of it has happened."""
        for change in deed.changes:
            change(self.model)

    def doubt(self, deed: Deed) -> None:
        """It may have happened."""
        self.doubts.append(deed)

    def resolve(self, shown: Shown) -> None:
        """Decides what is in doubt by what is shown. Raises AssertionError when neither is."""
        for deed in self.doubts:
            if deed.partial or any(path in self.loose for path in deed.paths):
                self.loose |= {path for path in deed.paths if path}
                continue
            seen, could = self._part(shown, deed.paths), [self.model]
            for change in deed.changes:
                could.append(copy.deepcopy(could[-1]))
                change(could[-1])
            fitting = [model for model in could if self._part(shows(model), deed.paths) == seen]
            assert fitting, (f"{deed.paths} show {brief(seen)}, and not what was, nor what was being done: "
                             f"{' or '.join(brief(self._part(shows(model), deed.paths)) for model in could)}")
            self.model = fitting[-1]
        self.doubts = []

    def give_up(self) -> Iterator[str]:
        """The loose paths, of which whoever takes them removes what is there."""
        for path in sorted(self.loose):
            if path in self.model.files:
                self.model.remove(path)
            yield path
        self.loose = set()

    def _part(self, shown: Shown, paths: tuple[str, ...]) -> Shown:
        """What is at those paths and below them; of a loose file, which a renamed directory takes along, that it is there."""
        loose = {path.rpartition("/")[2] for path in self.loose}
        return {path: b"" if path.rpartition("/")[2] in loose and content else content for path, content in shown.items()
                if any(path == each or is_below(path, each) for each in paths if each)}


def shows(model: Model) -> Shown:
    """What a walk would find, without the root."""
    return {**{path: None for path in model.directories if path}, **{path: file.content for path, file in model.files.items()}}


def brief(shown: Shown) -> str:
    """So that a person can read it."""
    return str({path: content if content is None or len(content) < 60 else content[:40] + b"... %d bytes" % len(content)
                for path, content in sorted(shown.items())})


def parents(path: str) -> list[str]:
    """The directories above a path, without the root."""
    found = []
    while path := above(path):
        found.append(path)
    return found
