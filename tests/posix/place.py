"""A directory on one of the two sides, and what the script of a row has open in it.

Owns    the descriptors that a script opens, by their names; nothing of it outlives `closed`.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import mmap
    from collections.abc import Iterable
    from pathlib import Path

    from tests.posix.row import Call

Verb = Callable[..., object]
VERBS: Final[dict[str, Verb]] = {}


def verb(function: Verb) -> Verb:
    """A word of scripts: the function's name, without the underscore that keeps it apart from Python's own."""
    name = function.__name__.strip("_")
    assert name not in VERBS, name
    VERBS[name] = function
    return function


class Place:
    """An empty directory at first."""

    def __init__(self, base: Path, elsewhere: Path) -> None:
        self.base = base                        # constant
        self.elsewhere = elsewhere              # constant: a directory on another file system
        self.open: dict[str, int] = {}          # descriptors that have names,
        self._all: list[int] = []               # and all that are open
        self.maps: dict[str, mmap.mmap] = {}
        self.streams: dict[str, Any] = {}       # calls_directories.Stream
        self.closers: list[Callable[[], object]] = []      # of what isn't a descriptor: maps, directory streams

    def at(self, name: str) -> str:
        """The path of what a script calls by a name; `@x` is elsewhere."""
        if not name:
            return ""
        return f"{self.elsewhere}/{name[1:]}" if name.startswith("@") else f"{self.base}/{name}"

    def fd(self, name: str) -> int:
        """What a script has opened by a name; a number is itself. Raises OSError, as a call does, for what isn't open."""
        if name.lstrip("-").isdigit():
            return int(name)
        if name not in self.open:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF), name)
        return self.open[name]

    def opened(self, name: str, descriptor: int) -> None:
        """Gives a descriptor a name; what had that before stays open until the end."""
        self._all.append(descriptor)
        self.open[name] = descriptor

    def close(self, name: str) -> None:
        """Closes a descriptor. Its number may be anybody's from now on."""
        os.close(self.fd(name))
        closed = self.open.pop(name)
        self._all.remove(closed)

    def run(self, calls: Iterable[Call]) -> str:
        """All answers."""
        return " ".join(self.answer(call) for call in calls)

    def answer(self, call: Call) -> str:
        word, *rest = call
        try:
            return said(VERBS[word](self, *rest))
        except OSError as exc:
            return "EOPNOTSUPP" if exc.errno == errno.EOPNOTSUPP else errno.errorcode.get(exc.errno or 0, f"errno-{exc.errno}")

    def prepare(self, calls: Iterable[Call]) -> None:
        """All of them, and all have to succeed."""
        for word, *rest in calls:
            VERBS[word](self, *rest)

    def closed(self) -> None:
        """Nothing is open."""
        for close in reversed(self.closers):
            close()
        for descriptor in self._all:
            os.close(descriptor)
        self._all.clear()
        self.open.clear()


def removed(base: Path) -> None:
    """Nothing is left, whatever the modes are."""
    for top, folders, _ in os.walk(base):
        for each in folders:
            os.chmod(os.path.join(top, each), 0o700)
    shutil.rmtree(base)


def said(answer: object) -> str:
    """As a table has it: one word."""
    if answer is None:
        return "0"
    if isinstance(answer, bool):
        return "yes" if answer else "no"
    if isinstance(answer, bytes):
        answer = answer.decode("utf-8", "backslashreplace").replace("\0", "_")
    if isinstance(answer, list | tuple | set):
        return ",".join(map(said, sorted(answer) if isinstance(answer, set) else answer)) or "nothing"
    return str(answer) or "nothing"
