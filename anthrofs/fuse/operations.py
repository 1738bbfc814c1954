"""The border to the kernel: each operation, translated; the errno gate. Which library carries them, binding.py knows.

Owns    nothing but the translation.
Trusts  nothing that the file system raises: only Refusal leaves, for whatever else came to a binding would be told as
        EINVAL, or as garbage.

Operations that have a handle get no path. The others hold libfuse's path locks, so they wait for nothing but, briefly,
what they answer with: opendir 1 s at most for a refresh, open 0.1 s for the kernel's attributes.
"""

import errno
import logging
import os
import stat
from collections.abc import Callable
from typing import Any, Final, Protocol

from anthrofs.config import Config
from anthrofs.errors import (
    Closed,
    EntryTooLong,
    FsError,
    NotReadable,
    NotTheFile,
    Revalidate,
    StagingFull,
    StateLost,
)
from anthrofs.fs.attributes import Attributes
from anthrofs.fs.filesystem import FileSystem
from anthrofs.fs.links import Links
from anthrofs.fs.open_files import OpenFiles
from anthrofs.fs.renames import Renames
from anthrofs.fuse import callers
from anthrofs.model import Attr, Caller, NodeId

log = logging.getLogger(__name__)

UTIME_NOW: Final = 1073741823       # in the nanoseconds; linux/fs.h: (1 << 30) - 1
UTIME_OMIT: Final = 1073741822
LAST_NS: Final = 2**63 - 1          # in the year 2262: what the database holds. As other disks do with times beyond
                                    # what they hold
# What Python's buffered reader, cp and rsync take as the size of their reads.
BLKSIZE: Final = 128 * 1024


# All that is served. Of an operation that isn't, libfuse or the kernel knows what to say.
SERVED: Final = (
    "access", "chmod", "chown", "create", "flush", "fsync", "fsyncdir", "getattr", "getxattr", "init", "link",
    "listxattr", "mkdir", "mknod", "open", "opendir", "read", "readdir", "readlink", "release", "releasedir",
    "removexattr", "rename", "rmdir", "setxattr", "statfs", "symlink", "truncate", "unlink", "utimens", "write")
# What getattr tells; times in nanoseconds.
STAT: Final = ("st_ino", "st_mode", "st_nlink", "st_uid", "st_gid", "st_size", "st_blocks", "st_blksize", "st_atime",
               "st_mtime", "st_ctime")
RENAME_NOREPLACE: Final = 1         # linux/fs.h


class Refusal(OSError):
    """An errno for the kernel."""

    def __init__(self, code: int) -> None:
        super().__init__(code, os.strerror(code))


class Request(Protocol):
    """The request that this thread answers, as its binding knows it."""

    def thread(self) -> int:
        """Returns the number of the thread that asked."""

    def interrupted(self) -> bool:
        """The kernel says that a signal has come for it."""


class Operations:
    """One method an operation; __call__ is the gate."""

    def __init__(self, filesystem: FileSystem, renames: Renames, links: Links, files: OpenFiles, attributes: Attributes,
                 config: Config, request: Request, started: Callable[[], None]) -> None:
        self._fs = filesystem           # given
        self._renames = renames         # given
        self._links = links             # given
        self._files = files             # given
        self._attributes = attributes   # given
        self._request = request         # given
        self._started = started         # given: told once, when the kernel has the mount
        self._below = f"{config.mountpoint}/"   # constant: what every open file's path begins with
        self._uid = config.uid          # constant
        self._gid = config.gid          # constant

    def __call__(self, op: str, *args: Any) -> Any:
        """Every kernel request enters here; only Refusal leaves."""
        try:
            return getattr(self, op)(*args)
        except Refusal:
            raise
        except FsError as exc:
            if exc.code not in QUIET and not isinstance(exc, SAID):
                log.warning("%s: %s", op, exc)
            raise Refusal(exc.code) from exc
        except Exception as exc:
            # Our own machine: only "full" means the same to the caller. A lost stage must not look like "no such file".
            code = LOCAL.get(exc.errno, errno.EIO) if isinstance(exc, OSError) and exc.errno else errno.EIO
            if isinstance(exc, OSError) and exc.errno in BROKEN:
                # No traceback: nothing here is wrong
                log.error("%s: this machine's disk: %s", op, exc)  # noqa: TRY400
            elif code == errno.EIO:
                log.exception("bug in %s", op)
            raise Refusal(code) from exc

    def init(self, _path: str) -> None:
        self._started()

    # ---- by path

    def getattr(self, path: str | None, fi: Any = None) -> dict[str, int]:
        if path is None:
            return self._stat(self._fs.attr_of(fi.fh))
        return self._stat(self._fs.attr(path))

    def access(self, _path: str, _mode: int) -> int:
        return 0                # default_permissions: the kernel has checked

    def opendir(self, path: str) -> int:
        return self._fs.open_directory(path)

    def readdir(self, show: Callable[[str, int, int], None], fh: int) -> None:
        """`show` is told (name, node, type) of all that is in it. With type and inode, `find` needs no getattr."""
        show(".", fh, stat.S_IFDIR)
        show("..", self.above(fh), stat.S_IFDIR)
        kinds = {True: stat.S_IFDIR, False: stat.S_IFREG}
        self._fs.each_entry(NodeId(fh), lambda name, node_id, directory: show(name, node_id, kinds[directory]))

    def above(self, fh: int) -> int:
        """The directory around an open one."""
        return self._fs.above(NodeId(fh))

    def name_of(self, fh: int, node_id: int) -> str:
        """The name that a node has in a directory."""
        return self._fs.name_in(NodeId(fh), NodeId(node_id))

    def entries(self, fh: int, name: str, limit: int) -> list[tuple[str, tuple[int, ...], bool]]:
        """Up to so many entries behind a name, with the values of STAT, and whether the kernel may be told these."""
        values = self._values
        return [(each, values(attr), sure) for each, attr, sure in self._fs.entries_after(NodeId(fh), name, limit)]

    def statfs(self, _path: str) -> dict[str, int]:
        return self._fs.statfs()

    def unlink(self, path: str) -> None:
        self._renames.unlink(path)

    def rename(self, old: str, new: str, flags: int = 0) -> None:
        if flags & ~RENAME_NOREPLACE:
            raise Refusal(errno.EINVAL)         # as a disk that doesn't know them
        self._renames.rename(old, new, self._caller(), replaces=not flags)

    def chmod(self, path: str | None, mode: int, fi: Any = None) -> None:
        self._fs.set_mode(path, mode, _number(fi))

    def chown(self, path: str | None, uid: int, gid: int, fi: Any = None) -> None:
        self._fs.set_owner(path, uid, gid, _number(fi))

    def utimens(self, path: str | None, times: tuple[int, int] | None = None, fi: Any = None) -> None:
        number = _number(fi)
        # Both marks come in the nanoseconds of second 0, so they are more than 10^9 here.
        if times is None or times[1] == UTIME_NOW:
            self._fs.set_mtime(path, None, number)
        elif times[1] == UTIME_OMIT:
            self._fs.set_atime(path, number)
        else:
            self._fs.set_mtime(path, min(max(times[1], -LAST_NS - 1), LAST_NS), number)

    def mkdir(self, path: str, mode: int) -> None:
        self._fs.make_directory(path, mode)

    def rmdir(self, path: str) -> None:
        self._fs.remove_directory(path)

    def link(self, target: str, source: str) -> None:
        """`ln source target`."""
        self._links.link(source, target, self._caller())

    def symlink(self, _target: str, _source: str) -> None:
        raise Refusal(errno.EPERM)

    def mknod(self, _path: str, _mode: int, _dev: int) -> None:
        raise Refusal(errno.EPERM)

    def readlink(self, _path: str) -> str:
        raise Refusal(errno.EINVAL)        # nothing here is a link

    def getxattr(self, path: str, name: str, _position: int = 0) -> bytes:
        """Before every write the kernel asks for security.capability: answered in constant time, before any lock."""
        if not name.startswith("user."):
            # As a disk says it: EOPNOTSUPP is final, so it is what the kernel gets for security and access lists
            raise Refusal(errno.ENODATA if name.startswith("trusted.") else errno.EOPNOTSUPP)
        return os.fsencode(self._attributes.value(path, name))

    def listxattr(self, path: str) -> list[str]:
        return self._attributes.names(path)

    def setxattr(self, path: str, name: str, value: bytes, options: int, _position: int = 0) -> None:
        if not name.startswith("user."):
            raise Refusal(errno.EOPNOTSUPP)
        if name == "user.":
            raise Refusal(errno.EINVAL)
        self._attributes.set(path, name, os.fsdecode(value), create=bool(options & os.XATTR_CREATE),
                             replace=bool(options & os.XATTR_REPLACE))

    def removexattr(self, path: str, name: str) -> None:
        if not name.startswith("user."):
            raise Refusal(errno.EOPNOTSUPP)
        self._attributes.set(path, name, None, replace=True)

    # ---- by handle

    def create(self, path: str, mode: int, fi: Any) -> int:
        fi.fh = self._files.create(path, mode, fi.flags, self._caller())
        return 0

    def open(self, path: str, fi: Any) -> int:
        opened = self._files.open(path, fi.flags, self._caller())
        fi.fh, fi.direct_io, fi.keep_cache = opened.number, opened.direct_io, opened.keep_cache
        return 0

    def read(self, _path: None, size: int, offset: int, fi: Any) -> bytes:
        return self._files.read(fi.fh, size, offset, self._interrupted)

    def write(self, _path: None, data: bytes, offset: int, fi: Any) -> int:
        mapped = bool(fi.writepage)
        return self._files.write(fi.fh, data, offset, self._interrupted, mapped=mapped,
                                 appends=bool(fi.flags & os.O_APPEND)
                                 and not mapped)

    def truncate(self, path: str | None, length: int, fi: Any = None) -> None:
        self._files.truncate(path or "", length, _number(fi), self._interrupted)

    def flush(self, _path: None, fi: Any) -> None:
        self._files.flush(fi.fh, self._caller())

    def fsync(self, _path: None, _datasync: int, fi: Any) -> None:
        self._files.fsync(fi.fh)

    def release(self, _path: None, fi: Any) -> None:
        self._files.release(fi.fh)

    def fsyncdir(self, _path: None, _datasync: int, _fh: int) -> None:
        """Every change of the tree that was answered is committed already."""

    def releasedir(self, _path: None, _fh: int) -> None:
        """Nothing is held."""

    def _caller(self) -> Caller:
        """The context's pid is a thread's; closes count by process."""
        process, parent = callers.process_of(self._request.thread())
        return Caller(process, parent, lambda: callers.program_of(process), self._interrupted, self._writes_to)

    def _writes_to(self, process: int, node_id: NodeId) -> bool:
        return callers.writes_to(process, self._below, node_id)

    def _interrupted(self) -> bool:
        """The request that this thread answers should end. The kernel interrupts one at any signal: most are none of
        our business.
        """
        return self._request.interrupted() and callers.is_ending(self._request.thread())

    def _stat(self, attr: Attr) -> dict[str, int]:
        return dict(zip(STAT, self._values(attr), strict=True))

    def _values(self, attr: Attr) -> tuple[int, ...]:
        """The values of STAT."""
        node_id, mode, size_bytes, mtime_ns, ctime_ns, links = attr
        blocks = -(-size_bytes // 512)          # 0 would make tar -S archive zeros
        return node_id, mode, links, self._uid, self._gid, size_bytes, blocks, BLKSIZE, mtime_ns, mtime_ns, ctime_ns


# What our own disk and process limits say to a caller.
LOCAL: Final = {errno.ENOSPC: errno.ENOSPC, errno.EROFS: errno.EROFS, errno.EDQUOT: errno.ENOSPC,
                errno.EMFILE: errno.ENFILE, errno.ENFILE: errno.ENFILE}
BROKEN: Final = frozenset({errno.EIO, errno.EROFS})
# Errnos that programs ask for all day: no line in the log.
QUIET: Final = frozenset({errno.ENOENT, errno.EEXIST, errno.ENODATA, errno.ENOTDIR, errno.EISDIR, errno.ENOTEMPTY,
                          errno.EINTR, errno.EPERM, errno.EROFS, errno.EOPNOTSUPP})
# What whoever raises it has said, once, or nobody has to know.
SAID: Final = (Revalidate, NotReadable, NotTheFile, StagingFull, StateLost, Closed, EntryTooLong)


def _number(fi: Any) -> int | None:
    return None if fi is None else fi.fh
