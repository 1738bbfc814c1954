"""The cache's stock: how much of the disk its files take, and which of them goes first when others need the room.

Owns    the sum, the names that were used last, and a few names that go next. What was used before those is known by the
        directory alone: by the times of the files. A name that is recent no more gets the next nanosecond after all
        times that were there at the start: so they are in order, whatever the clock does.
Trusts  the directory for what is there; whoever writes or removes a file there says so.
Never   holds more than RECENT and NEXT names, however many files there are.
"""

import contextlib
import heapq
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

RECENT: Final = 4096        # names whose order is known without a look at the directory
NEXT: Final = 16_384        # names that a look through the directory finds to be the oldest: so that one is rare
PAGE_BYTES: Final = 4096    # what the smallest file takes on most disks
OURS: Final = re.compile("[0-9a-f]{32}", re.ASCII)


class Stock:
    """The stock of one directory's files."""

    def __init__(self, root: Path, recent: int = RECENT) -> None:
        self._root = root                               # constant
        self._most_recent = recent                      # constant

        self._choosing = threading.Lock()               # one at a time looks through the directory; before the next
        self._lock = threading.Lock()                   # guards everything below; a leaf
        self._recent: OrderedDict[str, int] = OrderedDict()     # what each takes, least recently used first
        self._next: dict[str, int] = {}                 # the oldest others, in order, and what they take
        self._others = 0                                # about how many files aren't in _recent
        self._used_bytes = 0
        self._stamp_ns = 0                              # no file that isn't recent has a later time

    def start(self) -> None:
        """Take stock of what an earlier mount left. Raises OSError."""
        count = used_bytes = last_ns = 0
        for at_ns, _, size_bytes in self._files():
            count, used_bytes, last_ns = count + 1, used_bytes + size_bytes, max(last_ns, at_ns)
        with self._lock:
            self._others, self._used_bytes, self._stamp_ns = count, used_bytes, last_ns

    @property
    def used_bytes(self) -> int:
        """How many bytes of the disk all of them take."""
        with self._lock:
            return self._used_bytes

    def note(self, name: str, added_bytes: int = 0) -> None:
        """The file was used, or so much was written to it."""
        if not added_bytes:
            with self._lock:
                if name in self._recent:        # as nearly always
                    self._recent.move_to_end(name)
                    return
        size_bytes = _size_bytes(self._root / name)
        fallen: str | None = None
        with self._lock:
            self._next.pop(name, None)
            known_bytes = self._recent.get(name)
            if known_bytes is None:
                # what was there before the write
                known_bytes = max(0, size_bytes - -(-added_bytes // PAGE_BYTES) * PAGE_BYTES)
                if known_bytes:
                    self._others = max(0, self._others - 1)
                if len(self._recent) >= self._most_recent:
                    fallen, _ = self._recent.popitem(last=False)
                    self._others += 1
                    self._stamp_ns += 1
            stamp_ns = self._stamp_ns
            # Some file systems tell a moment later what a file takes.
            self._recent[name] = max(size_bytes, known_bytes + added_bytes)
            self._recent.move_to_end(name)
            self._used_bytes += self._recent[name] - known_bytes
        if fallen is not None:
            with contextlib.suppress(OSError):          # removed meanwhile
                os.utime(self._root / fallen, ns=(stamp_ns, stamp_ns), follow_symlinks=False)

    def size_bytes(self, name: str) -> int:
        """How many bytes of the disk one file takes; 0: it isn't there."""
        return _size_bytes(self._root / name) if self.used_bytes else 0

    def forget(self, name: str) -> None:
        """The file is about to be removed."""
        size_bytes = _size_bytes(self._root / name)
        with self._lock:
            self._next.pop(name, None)
            if name in self._recent:
                size_bytes = self._recent.pop(name)
            elif size_bytes:
                self._others = max(0, self._others - 1)
            self._used_bytes = max(0, self._used_bytes - size_bytes)

    def oldest(self, most_bytes: int, keep: Collection[str]) -> list[str]:
        """The least recently used files but for those to `keep`, as many as have to go so that no more than that is
        used. They don't count any more: the caller removes them.
        """
        victims, may_look, counted = dict[str, None](), True, False
        with self._choosing:
            while self.used_bytes > most_bytes:
                name = self._next_other(keep)
                if name is None and may_look and self._has_others():
                    self._look(victims)
                    name = self._next_other(keep)
                    may_look = name is not None         # else they are all to be kept
                name = name or self._next_recent(keep)
                if name is not None:
                    victims[name] = None
                elif counted:
                    break
                else:           # a file that was written to while it was removed may still be in the sum
                    self._look(victims)
                    counted = True
        return list(victims)

    def _has_others(self) -> bool:
        with self._lock:
            return self._others > 0

    def _next_other(self, keep: Collection[str]) -> str | None:
        with self._lock:
            name = next((name for name in self._next if name not in keep), None)
            if name is not None:
                self._others = max(0, self._others - 1)
                self._used_bytes = max(0, self._used_bytes - self._next.pop(name))
        return name

    def _look(self, gone: Collection[str]) -> None:
        """Finds the oldest files that aren't among the recent ones, and counts all anew, but for those that are about
        to go.
        """
        with self._lock:
            recent = dict.fromkeys(self._recent, 0)
        count = others_bytes = 0

        def others() -> Iterator[tuple[int, str, int]]:
            nonlocal count, others_bytes
            for at_ns, name, size_bytes in self._files():
                if name in recent:
                    recent[name] = size_bytes
                elif name not in gone:
                    count, others_bytes = count + 1, others_bytes + size_bytes
                    yield at_ns, name, size_bytes

        try:
            found = heapq.nsmallest(NEXT, others())
        except OSError:
            return                          # somebody removed the cache, as its tag invites one to do
        with self._lock:
            self._next = {name: size_bytes for _, name, size_bytes in found if name not in self._recent}
            self._recent.update((name, size_bytes) for name, size_bytes in recent.items() if name in self._recent)
            self._others, self._used_bytes = count, others_bytes + sum(self._recent.values())

    def _next_recent(self, keep: Collection[str]) -> str | None:
        with self._lock:
            name = next((name for name in self._recent if name not in keep), None)
        if name is not None:
            self.forget(name)
        return name

    def _files(self) -> Iterator[tuple[int, str, int]]:
        """Yields (time of last use, name, what it takes) of each. Raises OSError."""
        with os.scandir(self._root) as entries:
            for entry in entries:
                if is_ours(entry):
                    with contextlib.suppress(FileNotFoundError):        # removed in this moment
                        found = entry.stat(follow_symlinks=False)
                        yield found.st_mtime_ns, entry.name, found.st_blocks * 512


def is_ours(entry: os.DirEntry[str]) -> bool:
    """Whether it is content of a file; its map, and whatever else lies there, aren't counted and stay."""
    return OURS.fullmatch(entry.name) is not None and entry.is_file(follow_symlinks=False)


def _size_bytes(path: Path) -> int:
    """How much of the disk it takes; 0: it isn't there."""
    try:
        return path.stat(follow_symlinks=False).st_blocks * 512
    except OSError:
        return 0
