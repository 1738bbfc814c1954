"""The border through libfuse 3 and mfusepy. binding.py imports this once the library is known to be there.

Listings are answered with attributes, in the kernel's own pieces: libfuse takes attributes only of entries that have an
offset, and then comes again for the next piece. An offset is the node's number; by it Listing knows the name, behind
which the next piece begins. (By the name, so that an entry which is replaced meanwhile is shown once.)

Of libfuse's structures only fields are used that lie where they lay in 3.0: in 3.11 to 3.16 others were put between
those that follow.
"""

import ctypes
import itertools
from collections.abc import Callable
from functools import partial
from stat import S_IFDIR
from types import SimpleNamespace
from typing import Any, Final

import mfusepy

from anthrofs.config import Config
from anthrofs.fuse import mountpoint
from anthrofs.fuse.operations import SERVED, Operations
from anthrofs.fuse.served import Stat, answer

NAME: Final = "mfusepy"
_libfuse: Final = mfusepy._libfuse      # noqa: SLF001 - the library that it has loaded
_libfuse.fuse_pkgversion.restype = ctypes.c_char_p
VERSION: Final[str] = _libfuse.fuse_pkgversion().decode()
STAT: Final = Stat(mfusepy.c_stat)

LISTINGS: Final = ("above", "entries", "name_of")       # asked here, for the kernel's readdir
READDIR_PLUS: Final = 1             # fuse.h: the kernel takes attributes
FILL_DIR_PLUS: Final = 2            # fuse.h: and here they are
DOT, DOTDOT, FIRST = 1, 2, 3        # offsets; FIRST is added to a node's number
# fuse_common.h: what the kernel is asked for, and what libfuse asks for by itself and isn't wanted.
ASYNC_READ, ATOMIC_O_TRUNC, AUTO_INVAL_DATA = 1 << 0, 1 << 3, 1 << 12
READDIRPLUS, READDIRPLUS_AUTO, ASYNC_DIO, PARALLEL_DIROPS, HANDLE_KILLPRIV = 1 << 13, 1 << 14, 1 << 15, 1 << 18, 1 << 20
HANDLE_KILLPRIV_V2: Final = 1 << 28
WANTED: Final = ASYNC_READ | READDIRPLUS | PARALLEL_DIROPS
# O_TRUNC comes as a truncate of its own; pages are dropped by what an open says (fs/kernel_cache.py), not by times that
# differ; what a write takes from a mode is the kernel's to take.
UNWANTED: Final = ATOMIC_O_TRUNC | AUTO_INVAL_DATA | READDIRPLUS_AUTO | ASYNC_DIO | HANDLE_KILLPRIV | HANDLE_KILLPRIV_V2
THREADS: Final = 1000               # each stalled reader has one. The default is 10: a lookup waited for the eleventh
IDLE_THREADS: Final = 10
# Entries of one listing that attributes are told of, whoever lists. They cost as much again as the names, and libfuse
# keeps 180 bytes for each until the kernel forgets it (a million: 217 MB instead of 40), also if only names were
# wanted. Behind those it depends on whether the lister asks about each entry as it comes to it: the first one of a
# reply, the scout, is told without attributes, and if nobody has asked for them until the next reply, that has none.
KNOWN: Final = 20_000
# Entries that are read at once: at first, and then as many as the last reply had room for (of 32 KiB, 180 with names of
# 20 bytes), for what is read and has no room is read again. More than that: few at a time.
PIECE, MORE = 200, 32


def thread() -> int:
    """See operations.Request."""
    _, _, asking = mfusepy.fuse_get_context()
    return int(asking)


def interrupted() -> bool:
    """See operations.Request."""
    return bool(_libfuse.fuse_interrupted())


def serve(operations: Operations, config: Config) -> None:
    """Mounts, and returns when it is unmounted. Raises RuntimeError when libfuse refuses."""
    options: dict[str, Any] = {"max_idle_threads": IDLE_THREADS}
    if mfusepy.fuse_version_minor >= 12:        # before, there is no bound
        options["max_threads"] = THREADS
    gate = SimpleNamespace(use_ns=True, **{name: partial(operations, name) for name in (*SERVED, *LISTINGS)})
    Libfuse3(gate, str(config.mountpoint), errors="strict",
             foreground=True,               # libfuse's own fork would lose every thread and client
             fsname=mountpoint.source_of(config.label), subtype="anthrofs", raw_fi=True,
             default_permissions=True,      # else the kernel enforces no modes
             entry_timeout=config.refresh_s, attr_timeout=config.refresh_s, negative_timeout=1,
             allow_other=config.allow_other, noexec=config.noexec, ro=config.read_only, **options)


class Listing:
    """A directory that is open."""

    def __init__(self, node_id: int, path: bytes) -> None:
        self.node_id = node_id                  # constant
        self.below = path.rstrip(b"/") + b"/"   # constant: what its entries' paths begin with
        # Names by offset, of the last two replies: the kernel goes on behind any entry of the last, and a program may
        # go back to where it has just been. The kernel asks for one piece of it at a time.
        self.told = dict[int, str]()
        self.known = 0                          # entries that were told with attributes
        self.piece = PIECE                      # entries to read for the next reply
        self.scout: bytes | None = None         # path of the last one
        self.looked = True                      # somebody has asked for the scout's attributes
        self._told_before = dict[int, str]()

    def name_at(self, offset: int) -> str | None:
        """The name that was told with that offset."""
        return self.told.get(offset) or self._told_before.get(offset)

    def begin(self) -> None:
        """Another reply begins."""
        self._told_before, self.told = self.told, {}


class Libfuse3(mfusepy.FUSE):  # type: ignore[misc]     # mypy is told of no types of it
    """Serves until it is unmounted: the constructor returns then."""

    _wrapper = staticmethod(answer)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._listings = dict[int, Listing]()           # by handle; each step is one of Python's own
        self._numbers = itertools.count(1)
        self._scouts = dict[bytes | None, Listing]()    # by path, likewise
        super().__init__(*arguments, **options)

    def init_fuse_3(self, connection: Any, config: Any) -> None:
        config.contents.nullpath_ok = True      # else a waiting read or flush freezes the whole directory
        config.contents.use_ino = True
        asked = connection.contents
        asked.want = (asked.want | WANTED & asked.capable) & ~UNWANTED
        # 12 is the default: 16 stalled readers then stop all reads
        asked.max_background, asked.congestion_threshold = 2048, 1536
        self.operations.init("/")

    # ---- looking

    def getattr_fuse_3(self, path: bytes | None, buffer: Any, info: Any) -> int:
        if path in self._scouts:
            self._scouts[path].looked = True
        STAT.fill(buffer.contents, [*self.operations.getattr(_text(path), _contents(info)).values()])
        return 0

    def opendir(self, path: bytes, info: Any) -> int:
        listing = Listing(self.operations.opendir(path.decode()), path)
        info.contents.fh = number = next(self._numbers)
        self._listings[number] = listing
        return 0

    def readdir_fuse_3(self, _path: None, buffer: Any, filler: Callable[..., int], offset: int, info: Any,
                       flags: int) -> int:
        """One structure for all entries: libfuse copies it."""
        listing = self._listings[info.contents.fh]
        listing.begin()
        stat = mfusepy.c_stat()
        if offset < DOTDOT:
            stat.st_mode = S_IFDIR
            for dots, node_id, here in ((b".", listing.node_id, DOT),
                                        (b"..", self.operations.above(listing.node_id), DOTDOT)):
                stat.st_ino = node_id
                if offset < here and filler(buffer, dots, stat, here, 0):
                    return 0
        plus = FILL_DIR_PLUS if flags & READDIR_PLUS and listing.looked else 0
        scouts = flags & READDIR_PLUS and listing.known >= KNOWN
        fill, told = STAT.fill, listing.told
        name = "" if offset < FIRST else listing.name_at(offset)
        if name is None:
            name = self.operations.name_of(listing.node_id, offset - FIRST)
        limit = listing.piece
        while found := self.operations.entries(listing.node_id, name, limit):
            for name, values, sure in found:
                if plus:
                    fill(stat, values)
                else:                       # libfuse takes no more of it
                    stat.st_ino, stat.st_mode = values[:2]
                here = values[0] + FIRST
                if filler(buffer, name.encode(), stat, here, plus if sure and not scouts else 0):
                    listing.known += len(told) if plus else 0
                    listing.piece = len(told) + 1
                    return 0
                told[here] = name
                if scouts:
                    scouts = 0
                    self._send_scout(listing, listing.below + name.encode())
            limit = MORE
        return 0

    def _send_scout(self, listing: Listing, path: bytes | None) -> None:
        self._scouts.pop(listing.scout, None)
        listing.scout, listing.looked = path, False
        if path is not None:
            self._scouts[path] = listing

    def releasedir(self, _path: None, info: Any) -> int:
        self._send_scout(self._listings.pop(info.contents.fh), None)
        return 0

    def fsyncdir(self, _path: None, datasync: int, info: Any) -> int:
        return self.operations.fsyncdir(None, datasync, info.contents.fh) or 0

    # ---- what has a handle, perhaps, and flags: mfusepy would drop them

    def rename_fuse_3(self, old: bytes, new: bytes, flags: int) -> int:
        return self.operations.rename(old.decode(), new.decode(), flags) or 0

    def chmod_fuse_3(self, path: bytes | None, mode: int, info: Any) -> int:
        return self.operations.chmod(_text(path), mode, _contents(info)) or 0

    def chown_fuse_3(self, path: bytes | None, uid: int, gid: int, info: Any) -> int:
        return self.operations.chown(_text(path), _signed(uid), _signed(gid), _contents(info)) or 0

    def truncate_fuse_3(self, path: bytes | None, length: int, info: Any) -> int:
        return self.operations.truncate(_text(path), length, _contents(info)) or 0

    def utimens_fuse_3(self, path: bytes | None, times: Any, info: Any) -> int:
        given = None if not times else tuple(
            each.tv_sec * 10**9 + each.tv_nsec for each in (times.contents.actime, times.contents.modtime))
        return self.operations.utimens(_text(path), given, _contents(info)) or 0


def _text(path: bytes | None) -> str | None:
    return None if path is None else path.decode()


def _contents(info: Any) -> Any:
    return info.contents if info else None


def _signed(number: int) -> int:
    """-1 comes as the largest number: it is to stay."""
    return -1 if number == 2**32 - 1 else number
