"""What the files must be: bytes in memory, and who has which of them open.

Owns    the expected content of every file that has a name or a handle, and the last operations that it met.
"""

import hashlib
import mmap
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any, Final

PATHS: Final = 9
HANDLES: Final = 10
MAPS: Final = 3
MOST_BYTES: Final = 600_000
LAST: Final = 25                # operations that are told of a file that went wrong


@dataclass(eq=False)
class File:
    """One content, whatever its names were. `made`: by others, under that name, and not changed here since. `old_sizes`: of those that others have
    replaced by it, which stat may tell until somebody opens it.
    """

    content: bytearray
    made: str | None = None
    old_sizes: frozenset[int] = frozenset()
    poked: bool = False             # others made it, and only maps have changed it: the kernel may not have told that yet
    last: deque[Any] = field(default_factory=lambda: deque(maxlen=LAST))

    def put(self, offset: int, data: bytes) -> None:
        """Written there; what lies between the old end and that is a hole."""
        self.cut(max(len(self.content), offset + len(data)))
        self.content[offset:offset + len(data)] = data

    def cut(self, size: int) -> None:
        """Cut, or grown by a hole."""
        self.made, self.poked = None, False
        del self.content[size:]
        self.content.extend(bytes(size - len(self.content)))


@dataclass(eq=False)
class Description:
    """An open file as the kernel has it: copies of a descriptor share it."""

    file: File
    reads: bool
    writes: bool
    appends: bool
    position: int = 0


@dataclass(eq=False)
class Handle:
    descriptor: int
    of: Description

    @property
    def file(self) -> File:
        return self.of.file


@dataclass(eq=False)
class Map:
    view: mmap.mmap
    file: File
    writes: bool


class Model:
    """Files by the numbers of their paths, handles and maps by those of their slots."""

    def __init__(self) -> None:
        self.files: dict[int, File] = {}
        self.handles: dict[int, Handle] = {}
        self.maps: dict[int, Map] = {}
        self._names: dict[int, str] = {}        # of paths whose files came from others: new ones, which the kernel doesn't know to be missing

    def held(self, slot: int) -> File | None:
        """The file of a handle."""
        return self.handles[slot].file if slot in self.handles else None

    def is_open(self, file: File) -> bool:
        return any(each.file is file for each in self.handles.values()) or any(each.file is file for each in self.maps.values())

    def at_server(self) -> Counter[tuple[str, str]]:
        """How often each name and SHA-256 is there, when all is sent: an own one under its path, another as its maker named it."""
        return Counter((file.made or self.name(path), hashlib.sha256(file.content).hexdigest()) for path, file in self.files.items())

    def name(self, path: int) -> str:
        """Two of them are in a folder."""
        return self._names.get(path, f"d/{path}.bin" if path >= PATHS - 2 else f"{path}.bin")

    def rename(self, path: int, number: int) -> None:
        """From now on that path is called otherwise; nothing is there."""
        self._names[path] = f"{'d/' if path >= PATHS - 2 else ''}{path} of {number}.bin"
