"""Words of scripts: a directory's stream, as C programs read one."""

import ctypes
import os
from typing import Final

from tests.posix.calls_names import LIBC
from tests.posix.place import Place, verb


class Entry(ctypes.Structure):
    """As readdir(3) gives it."""

    _fields_ = (("number", ctypes.c_ulong), ("position", ctypes.c_long), ("bytes", ctypes.c_ushort), ("kind", ctypes.c_ubyte), ("name", ctypes.c_char * 256))


LIBC.opendir.restype = LIBC.fdopendir.restype = ctypes.c_void_p
LIBC.readdir.restype = ctypes.POINTER(Entry)
LIBC.telldir.restype = ctypes.c_long
NAMES: Final = {4: "directory", 8: "file", 0: "unknown"}


class Stream:
    """One directory that is being read."""

    def __init__(self, path: str) -> None:
        self._at = ctypes.c_void_p(LIBC.opendir(os.fsencode(path)))
        if not self._at.value:
            raise OSError(ctypes.get_errno(), path)
        self._marks: dict[str, int] = {}

    def read(self, count: int) -> list[tuple[str, str]]:
        """(name, kind) of so many; fewer at the end."""
        found = list[tuple[str, str]]()
        while len(found) < count and (entry := LIBC.readdir(self._at)):
            found.append((entry.contents.name.decode(), NAMES[entry.contents.kind]))
        return found

    def mark(self, name: str) -> None:
        self._marks[name] = LIBC.telldir(self._at)

    def seek(self, name: str) -> None:
        LIBC.seekdir(self._at, ctypes.c_long(self._marks[name]))

    def rewind(self) -> None:
        LIBC.rewinddir(self._at)

    def close(self) -> None:
        LIBC.closedir(self._at)


@verb
def opendir(here: Place, name: str, path: str) -> None:
    here.streams[name] = made = Stream(here.at(path))
    here.closers.append(made.close)


@verb
def readdir(here: Place, name: str, count: str = "100000") -> int:
    """How many it gave."""
    return len(here.streams[name].read(int(count)))


@verb
def readdir_names(here: Place, name: str) -> list[str]:
    """All that it still gives, but . and .., in order of names."""
    return sorted({each for each, _ in here.streams[name].read(100_000)} - {".", ".."})


@verb
def readdir_kinds(here: Place, name: str) -> list[str]:
    return sorted({kind for each, kind in here.streams[name].read(100_000) if each not in (".", "..")})


@verb
def readdir_dots(here: Place, name: str) -> list[str]:
    return sorted(each for each, _ in here.streams[name].read(100_000) if each in (".", ".."))


@verb
def telldir(here: Place, name: str, mark: str) -> None:
    here.streams[name].mark(mark)


@verb
def seekdir(here: Place, name: str, mark: str) -> None:
    here.streams[name].seek(mark)


@verb
def rewinddir(here: Place, name: str) -> None:
    here.streams[name].rewind()


@verb
def files(here: Place, directory: str, count: str) -> None:
    """So many empty files."""
    for number in range(int(count)):
        os.close(os.open(f"{here.at(directory)}/{number:04}", os.O_WRONLY | os.O_CREAT, 0o644))
