"""What of a state directory the disk has for sure, and what it may be found as once power has gone.

A file's bytes are there as of its last sync; a name, as of the last sync of its directory. All later ones may be there, in any
mixture: of a file's pages each by itself, of names each by itself, but that a rename is done or isn't. That is less than any one
file system leaves (ext4 keeps the order of names), so who can live with it lives with all.

Owns    a descriptor of each file that may be found: so its number isn't given to another one, and its bytes stay readable.
Trusts  nobody to tell of writes, or of new names: it looks. Only a rename must be told.
Never   changes what is below its root, but `sync` of what a failed one has left: see `failed`.
"""

import contextlib
import os
import random
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

Mode = Literal["all", "random", "none"]         # which of what isn't durable is lost

ABSENT: Final = 0           # in the place of a file's number
DIRECTORY: Final = -1       # the same
PAGE_BYTES: Final = 4096
UNITS: Final = (64, 512, PAGE_BYTES)            # a page is lost as a whole, but for the one under the head
DATABASE: Final = frozenset({"state.db", "state.db-wal", "state.db-journal", "state.db-shm"})      # commits.py has these
_READS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK

Entries = dict[str, int]            # of a directory: the number of each name's file


class Inode:
    """One file, by whatever names. Closed by reference counting."""

    def __init__(self, descriptor: int, synced: bytes) -> None:
        self.descriptor = descriptor        # constant
        self.synced = synced                # what is there in any case
        self.stuck: bytes | None = None     # what it was when a sync failed

    def __del__(self) -> None:
        os.close(self.descriptor)

    def content(self) -> bytes:
        """As programs see it now."""
        return os.pread(self.descriptor, os.fstat(self.descriptor).st_size, 0)

    def is_unlinked(self) -> bool:
        """Nobody finds it any more."""
        return os.fstat(self.descriptor).st_nlink == 0


class Durable:
    """The durable part of everything below a root, but for the database."""

    def __init__(self, root: Path, before: "Durable | None" = None) -> None:
        """`before`: whose image the root is, as a kill has left it: what wasn't durable there isn't here. Without one, all that is there
        now is durable.
        """
        self._root = root                               # constant
        self._inodes: dict[int, Inode] = {}
        self._entries: dict[str, Entries] = {}          # by directory, relative to the root ("" is the root): for sure
        self._ghosts: dict[str, list[tuple[str, int]]] = {}     # made since, and gone again
        self._renames: dict[str, list[tuple[str, str, int]]] = {}       # since: old name, new name, file
        self._many = 64                                 # inodes, before it is looked which of them are over
        self._image = dict[int, int]()                  # numbers in the last image, by those here
        if root.is_dir():
            for directory in self._directories():
                self._entries[directory] = self._look(directory)
        for inode in self._inodes.values():
            inode.synced = inode.content()
        if before is not None:
            self._inherit(before)

    def _inherit(self, before: "Durable") -> None:
        def number_of(number: int) -> int:
            """Files that only a power loss could bring back have numbers below all others."""
            if number in before._image or number in (ABSENT, DIRECTORY):
                return before._image.get(number, number)
            same = number if number < DIRECTORY else DIRECTORY - number
            self._inodes[same] = before._inodes[number]
            return same

        for old, new in before._image.items():
            self._inodes[new].synced, self._inodes[new].stuck = before._inodes[old].synced, before._inodes[old].stuck
        self._entries = {directory: {name: number_of(number) for name, number in entries.items()}
                         for directory, entries in before._entries.items()}
        self._ghosts = {directory: [(name, number_of(number)) for name, number in ghosts] for directory, ghosts in before._ghosts.items()}
        self._renames = {directory: [(old, new, number_of(number)) for old, new, number in renames]
                         for directory, renames in before._renames.items()}

    # ---- steps

    def synced(self, descriptor: int) -> None:
        """The bytes of an open file are durable. After a sync that has failed the kernel takes them for clean, and so they are
        only where they were written anew since (https://lwn.net/Articles/752063/).
        """
        inode = self._inode(descriptor)
        content = inode.content()
        inode.synced = content if inode.stuck is None else _without(inode.stuck, content, inode.synced)

    def failed(self, descriptor: int) -> None:
        """A sync has failed: what was to be written is lost, though programs still see it."""
        inode = self._inode(descriptor)
        inode.stuck = inode.content()

    def synced_dir(self, path: Path) -> None:
        """The names in a directory are durable."""
        directory = self._relative(path)
        self._entries[directory] = self._look(directory)
        self._ghosts.pop(directory, None)
        self._renames.pop(directory, None)
        if len(self._inodes) > self._many:
            self._forget()

    def goes(self, path: Path) -> None:
        """A name is about to be removed, or to become another file's."""
        directory, number = self._relative(path.parent), self._number(path)
        if number != ABSENT and self._entries.get(directory, {}).get(path.name) != number:
            self._track(number, path)
            self._ghosts.setdefault(directory, []).append((path.name, number))

    def renamed(self, source: Path, target: Path) -> None:
        """In one directory, as all of ours are."""
        assert source.parent == target.parent
        directory = self._relative(target.parent)
        self._renames.setdefault(directory, []).append((source.name, target.name, self._number(target)))

    # ---- power is lost

    def lose(self, target: Path, mode: Mode, chance: random.Random) -> None:
        """Makes the directory as it would be found now."""
        found = dict[int, Path]()
        target.mkdir(mode=0o700)
        self._image = {}
        self._fill("", target, mode, chance, found)

    def _fill(self, directory: str, target: Path, mode: Mode, chance: random.Random, found: dict[int, Path]) -> None:
        for name, number in sorted(self._left(directory, mode, chance).items()):
            path = target / name
            if number == DIRECTORY:
                path.mkdir(mode=0o700)
                self._fill(f"{directory}/{name}" if directory else name, path, mode, chance, found)
            elif number in found:
                path.hardlink_to(found[number])
            else:
                found[number] = path
                inode = self._inodes[number]
                content = inode.synced if mode == "all" else inode.content()
                if mode == "random" and content != inode.synced:
                    content = torn(chance, inode.synced, content)
                self._image[number] = _write(path, content, len(found))

    def _left(self, directory: str, mode: Mode, chance: random.Random) -> Entries:
        sure = self._entries.get(directory, {})
        if mode == "all":
            return sure
        now = self._look(directory)
        if mode == "none":
            return now
        maybe: dict[str, list[int]] = {name: [sure.get(name, ABSENT), now.get(name, ABSENT)] for name in {**sure, **now}}
        for name, number in self._ghosts.get(directory, []):
            maybe.setdefault(name, [ABSENT, ABSENT]).append(number)
        left = {name: numbers[0] if len(set(numbers)) == 1 else chance.choice(numbers) for name, numbers in sorted(maybe.items())}
        for old, new, number in reversed(self._renames.get(directory, [])):     # the last one decides
            if left.get(new) == number and left.get(old) == number:
                left[old] = ABSENT
            elif left.get(new) != number and sure.get(old) == number and now.get(new) == number:
                left[old] = number
        return {name: number for name, number in left.items() if number != ABSENT}

    # ---- looking

    def _directories(self) -> Iterator[str]:
        for directory, _, _ in os.walk(self._root):
            yield self._relative(Path(directory))

    def _look(self, directory: str) -> Entries:
        """The names as they are now; their files are held from now on. Neither sockets nor links are anybody's promise."""
        entries: Entries = {}
        with contextlib.suppress(FileNotFoundError), os.scandir(self._root / directory) as found:
            for entry in found:
                if entry.is_dir(follow_symlinks=False):
                    entries[entry.name] = DIRECTORY
                elif entry.is_file(follow_symlinks=False) and (directory or entry.name not in DATABASE):
                    entries[entry.name] = entry.inode()
                    self._track(entry.inode(), entry.path)
        return entries

    def _track(self, number: int, path: Path | str) -> None:
        if number not in self._inodes and number != DIRECTORY:
            self._inodes[number] = Inode(os.open(path, _READS), b"")

    def _inode(self, descriptor: int) -> Inode:
        number = os.fstat(descriptor).st_ino
        if number not in self._inodes:
            self._inodes[number] = Inode(os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC), b"")
        return self._inodes[number]

    @staticmethod
    def _number(path: Path) -> int:
        try:
            found = os.lstat(path)
        except FileNotFoundError:
            return ABSENT
        return DIRECTORY if stat.S_ISDIR(found.st_mode) else found.st_ino

    def _relative(self, path: Path) -> str:
        return str(path)[len(str(self._root)):].strip("/")      # a third of what pathlib takes

    def _forget(self) -> None:
        """Files that no power loss can bring back."""
        named = {number for entries in self._entries.values() for number in entries.values()}
        named |= {number for ghosts in self._ghosts.values() for _, number in ghosts}
        self._inodes = {number: inode for number, inode in self._inodes.items() if number in named or not inode.is_unlinked()}
        self._many = 2 * len(self._inodes) + 64


def torn(chance: random.Random, synced: bytes, content: bytes) -> bytes:
    """Returns what may be found of a file that was changed since its last sync: each page old, new, or, where there was none, a
    hole; and a length between the two.
    """
    unit, ends = chance.choice(UNITS), (len(synced), len(content))
    size = chance.choice((*ends, chance.randint(min(ends), max(ends))))
    pages = bytearray()
    for start in range(0, size, unit):
        old, new = synced[start:start + unit], content[start:start + unit]
        pages += chance.choice((old, new or old)).ljust(unit, b"\0")
    return bytes(pages[:size])


def _without(stuck: bytes, content: bytes, synced: bytes) -> bytes:
    """The content, where a failed sync hasn't lost it."""
    pages = bytearray()
    for start in range(0, len(content), PAGE_BYTES):
        end = min(start + PAGE_BYTES, len(content))
        new = content[start:end]
        pages += synced[start:end].ljust(end - start, b"\0") if stuck[start:end] == new else new
    return bytes(pages)


def _write(path: Path, content: bytes, age: int) -> int:
    """With a time that doesn't depend on when this runs. Returns its number."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, content)
        os.utime(descriptor, ns=(age, age))
        return os.fstat(descriptor).st_ino
    finally:
        os.close(descriptor)
