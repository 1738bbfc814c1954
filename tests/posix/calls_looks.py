"""Words of scripts: looks at what calls have left, and who makes them."""

import ctypes
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tests.mounting import USER
from tests.posix.place import VERBS, Place, verb

KINDS: Final = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link", stat.S_IFIFO: "fifo", stat.S_IFSOCK: "socket"}
STRANGER: Final = USER + 1
PEOPLE: Final = {"owner": USER, "stranger": STRANGER, "root": 0}


@contextmanager
def person(number: int) -> Iterator[None]:
    """The kernel takes this thread for somebody else where files are concerned; only root can let it."""
    libc = ctypes.CDLL(None)
    before = libc.setfsuid(-1)
    libc.setfsgid(number)
    libc.setfsuid(number)
    try:
        yield
    finally:
        libc.setfsuid(before)
        libc.setfsgid(before)


@verb
def _as(here: Place, who: str, word: str, *rest: str) -> object:
    """`as stranger unlink f`."""
    with person(PEOPLE[who]):
        return VERBS[word](here, *rest)


@verb
def size(here: Place, path: str) -> int:
    return os.lstat(here.at(path)).st_size


@verb
def mode(here: Place, path: str) -> str:
    return f"{stat.S_IMODE(os.lstat(here.at(path)).st_mode):o}"


@verb
def nlink(here: Place, path: str) -> int:
    return os.lstat(here.at(path)).st_nlink


@verb
def kind(here: Place, path: str) -> str:
    return KINDS[stat.S_IFMT(os.lstat(here.at(path)).st_mode)]


@verb
def stat_(here: Place, path: str) -> None:
    os.stat(here.at(path))


@verb
def mtime(here: Place, path: str) -> int:
    return os.lstat(here.at(path)).st_mtime_ns


@verb
def when(here: Place, path: str) -> object:
    """The mtime that somebody set, which is below the year 1971; else now."""
    moment_ns = os.lstat(here.at(path)).st_mtime_ns
    return moment_ns if moment_ns < 10**16 else "now"


@verb
def atime(here: Place, path: str) -> int:
    return os.lstat(here.at(path)).st_atime_ns


@verb
def blocks(here: Place, path: str) -> bool:
    """Whether some are taken."""
    return os.lstat(here.at(path)).st_blocks > 0


@verb
def same(here: Place, one: str, other: str) -> bool:
    """Whether two names are one file."""
    return os.path.samestat(os.lstat(here.at(one)), os.lstat(here.at(other)))


@verb
def names(here: Place, path: str) -> list[str]:
    return sorted(os.listdir(here.at(path)))


@verb
def exists(here: Place, path: str) -> bool:
    return os.path.lexists(here.at(path))


@verb
def text(here: Place, path: str) -> bytes:
    """All that is in a file."""
    descriptor = os.open(here.at(path), os.O_RDONLY)
    try:
        return os.read(descriptor, 1 << 20)
    finally:
        os.close(descriptor)


@verb
def keeps(here: Place, path: str, word: str, *rest: str) -> str:
    """What a call changes of a file but its times: `keeps f unlink g` says none, ino, size, mode, nlink."""
    before = os.lstat(here.at(path))
    VERBS[word](here, *rest)
    after = os.lstat(here.at(path))
    return ",".join(name for name in ("ino", "size", "mode", "nlink") if getattr(before, f"st_{name}") != getattr(after, f"st_{name}")) or "none"


@verb
def times(here: Place, paths: str, word: str, *rest: str) -> str:
    """What a call changes of these paths' times: `times d,d/f chmod d/f 600` says -,c: nothing of d, ctime of d/f. m is mtime. A path
    that a rename has moved is given with its new name: `f>g`. What is another file afterwards is `other`.
    """
    pairs = [each.partition(">") for each in paths.split(",")]
    before = [_times(here.at(old)) for old, _, _ in pairs]
    _later(here, max(max(each[1:]) for each in before))
    try:
        VERBS[word](here, *rest)
    finally:
        after = [_times(here.at(new or old)) for old, _, new in pairs]
    return ",".join(_changed(*each) for each in zip(before, after, strict=True))


def _changed(before: tuple[int, int, int], after: tuple[int, int, int]) -> str:
    if before[0] != after[0]:
        return "other"
    return "".join(letter for letter, was, now in zip("mc", before[1:], after[1:], strict=True) if was != now) or "-"


def _times(path: str) -> tuple[int, int, int]:
    shown = os.lstat(path)
    return shown.st_ino, shown.st_mtime_ns, shown.st_ctime_ns


def _later(here: Place, moment_ns: int) -> None:
    """Returns when a change here gets a later time than that one: a disk's clock ticks every few milliseconds."""
    if moment_ns > time.time_ns():
        return              # set by hand, to the future
    probe = f"{here.base}.probe"
    bound = time.monotonic() + 5
    while True:
        os.close(os.open(probe, os.O_WRONLY | os.O_CREAT, 0o600))
        shown = os.stat(probe).st_ctime_ns
        os.unlink(probe)
        if shown > moment_ns:
            return
        assert time.monotonic() < bound, "the clock stands still"
