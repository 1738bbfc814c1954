"""The border to the kernel: fusepy's operations, translated; the errno gate.

Owns    nothing but the translation.
Trusts  nothing that the file system raises: only FuseOSError leaves, for an OSError without an errno breaks fusepy's
        wrapper and returns garbage to the kernel.
Never   has an attribute named like an operation that it doesn't serve: fusepy registers whatever it finds (lock, init,
        …).

With flag_nopath, operations that have a handle get no path. The others hold libfuse's path locks, so they wait for
nothing but, briefly, what they answer with: opendir 1 s at most for a refresh, open 0.1 s for the kernel's attributes.
"""

import errno
import logging
import os
import stat
from collections.abc import Callable
from typing import Any, Final

from anthrofs.config import Config
from anthrofs.errors import (
    Closed,
    EntryTooLong,
    FsError,
    NotReadable,
    NotTheFile,
    Revalidate,
    SetupError,
    StagingFull,
    StateLost,
)
from anthrofs.fs.attributes import Attributes
from anthrofs.fs.filesystem import FileSystem
from anthrofs.fs.links import Links
from anthrofs.fs.open_files import OpenFiles
from anthrofs.fs.renames import Renames
from anthrofs.fuse import callers
from anthrofs.fuse.binding import Binding, fuse
from anthrofs.model import Attr, Caller, NodeId

log = logging.getLogger(__name__)

UTIME_NOW: Final = 1073741823       # in the nanoseconds; linux/fs.h: (1 << 30) - 1
UTIME_OMIT: Final = 1073741822
LAST_NS: Final = 2**63 - 1          # in the year 2262: what the database holds. As other disks do with times beyond
                                    # what they hold
# What Python's buffered reader, cp and rsync take as the size of their reads.
BLKSIZE: Final = 128 * 1024


class Operations(fuse.Operations):  # type: ignore[misc]    # fusepy has no types
    """One method an operation; __call__ is the gate."""

    use_ns = True               # else times are floats, and rsync copies again
    flag_nullpath_ok = True     # both: else a waiting read or flush freezes the directory
    flag_nopath = True
    flag_utime_omit_ok = True   # else utimens is only called with both times given
    ioctl = None                # the base class's throws outside of the gate
    bmap = None

    def __init__(self, filesystem: FileSystem, renames: Renames, links: Links, files: OpenFiles, attributes: Attributes,
                 config: Config, started: Callable[[], None]) -> None:
        self._fs = filesystem           # given
        self._renames = renames         # given
        self._links = links             # given
        self._files = files             # given
        self._attributes = attributes   # given
        self._started = started         # given: told once, when the kernel has the mount
        self._below = f"{config.mountpoint}/"   # constant: what every open file's path begins with
        self._uid = config.uid          # constant
        self._gid = config.gid          # constant

    def __call__(self, op: str, *args: Any) -> Any:
        """Every kernel request enters here; only FuseOSError leaves."""
        try:
            return getattr(self, op)(*args)
        except fuse.FuseOSError:
            raise
        except FsError as exc:
            if exc.code not in QUIET and not isinstance(exc, SAID):
                log.warning("%s: %s", op, exc)
            raise fuse.FuseOSError(exc.code) from exc
        except Exception as exc:
            # Our own machine: only "full" means the same to the caller. A lost stage must not look like "no such file".
            code = LOCAL.get(exc.errno, errno.EIO) if isinstance(exc, OSError) and exc.errno else errno.EIO
            if isinstance(exc, OSError) and exc.errno in BROKEN:
                # No traceback: nothing here is wrong
                log.error("%s: this machine's disk: %s", op, exc)  # noqa: TRY400
            elif code == errno.EIO:
                log.exception("bug in %s", op)
            raise fuse.FuseOSError(code) from exc

    def init(self, _path: str) -> None:
        self._started()

    # ---- by path

    def getattr(self, path: str | None, fi: Any = None) -> dict[str, int]:
        if path is None:        # fgetattr with nopath: by handle
            return self._stat(self._fs.attr_of(fi.fh))
        return self._stat(self._fs.attr(path))

    def access(self, _path: str, _mode: int) -> int:
        return 0                # default_permissions: the kernel has checked

    def opendir(self, path: str) -> int:
        return self._fs.open_directory(path)

    def readdir(self, show: Callable[[str, int, int], None], fh: int) -> None:
        """See Binding.readdir. With type and inode, `find` needs no getattr."""
        show(".", fh, stat.S_IFDIR)
        show("..", self._fs.above(NodeId(fh)), stat.S_IFDIR)
        kinds = {True: stat.S_IFDIR, False: stat.S_IFREG}
        self._fs.each_entry(NodeId(fh), lambda name, node_id, directory: show(name, node_id, kinds[directory]))

    def statfs(self, _path: str) -> dict[str, int]:
        return self._fs.statfs()

    def unlink(self, path: str) -> None:
        self._renames.unlink(path)

    def rename(self, old: str, new: str) -> None:
        self._renames.rename(old, new, self._caller())

    def chmod(self, path: str, mode: int) -> None:
        self._fs.set_mode(path, mode)

    def chown(self, path: str, uid: int, gid: int) -> None:
        self._fs.set_owner(path, uid, gid)

    def utimens(self, path: str, times: tuple[int, int] | None = None) -> None:
        # Both marks come in the nanoseconds of second 0, so they are more than 10^9 here.
        if times is None or times[1] == UTIME_NOW:
            self._fs.set_mtime(path, None)
        elif times[1] == UTIME_OMIT:
            self._fs.set_atime(path)
        else:
            self._fs.set_mtime(path, min(max(times[1], -LAST_NS - 1), LAST_NS))

    def mkdir(self, path: str, mode: int) -> None:
        self._fs.make_directory(path, mode)

    def rmdir(self, path: str) -> None:
        self._fs.remove_directory(path)

    def link(self, target: str, source: str) -> None:
        """`ln source target`."""
        self._links.link(source, target, self._caller())

    def symlink(self, _target: str, _source: str) -> None:
        raise fuse.FuseOSError(errno.EPERM)

    def mknod(self, _path: str, _mode: int, _dev: int) -> None:
        raise fuse.FuseOSError(errno.EPERM)

    def readlink(self, _path: str) -> str:
        raise fuse.FuseOSError(errno.EINVAL)        # nothing here is a link

    def getxattr(self, path: str, name: str, _position: int = 0) -> bytes:
        """Before every write the kernel asks for security.capability: answered in constant time, before any lock."""
        if not name.startswith("user."):
            # As a disk says it: EOPNOTSUPP is final, so it is what the kernel gets for security and access lists
            raise fuse.FuseOSError(errno.ENODATA if name.startswith("trusted.") else errno.EOPNOTSUPP)
        return os.fsencode(self._attributes.value(path, name))

    def listxattr(self, path: str) -> list[str]:
        return self._attributes.names(path)

    def setxattr(self, path: str, name: str, value: bytes, options: int, _position: int = 0) -> None:
        if not name.startswith("user."):
            raise fuse.FuseOSError(errno.EOPNOTSUPP)
        if name == "user.":
            raise fuse.FuseOSError(errno.EINVAL)
        self._attributes.set(path, name, os.fsdecode(value), create=bool(options & os.XATTR_CREATE),
                             replace=bool(options & os.XATTR_REPLACE))

    def removexattr(self, path: str, name: str) -> None:
        if not name.startswith("user."):
            raise fuse.FuseOSError(errno.EOPNOTSUPP)
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
        self._files.truncate(path or "", length, None if fi is None else fi.fh, self._interrupted)

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
        _, _, thread = fuse.fuse_get_context()
        process, parent = callers.process_of(thread)
        return Caller(process, parent, lambda: callers.program_of(process), self._interrupted, self._writes_to)

    def _writes_to(self, process: int, node_id: NodeId) -> bool:
        return callers.writes_to(process, self._below, node_id)

    @staticmethod
    def _interrupted() -> bool:
        """The request that this thread answers should end. The kernel interrupts one at any signal: most are none of
        our business.
        """
        if not fuse._libfuse.fuse_interrupted():            # noqa: SLF001 - the binding has no name of its own for it
            return False
        _, _, thread = fuse.fuse_get_context()
        return callers.is_ending(thread)

    def _stat(self, attr: Attr) -> dict[str, int]:
        return {"st_ino": attr.node_id, "st_mode": attr.mode, "st_nlink": attr.links, "st_uid": self._uid,
                "st_gid": self._gid, "st_size": attr.size_bytes,
                "st_blocks": -(-attr.size_bytes // 512),        # 0 would make tar -S archive zeros
                "st_blksize": BLKSIZE, "st_atime": attr.mtime_ns, "st_mtime": attr.mtime_ns, "st_ctime": attr.ctime_ns}


# What our own disk and process limits say to a caller.
LOCAL: Final = {errno.ENOSPC: errno.ENOSPC, errno.EROFS: errno.EROFS, errno.EDQUOT: errno.ENOSPC,
                errno.EMFILE: errno.ENFILE, errno.ENFILE: errno.ENFILE}
BROKEN: Final = frozenset({errno.EIO, errno.EROFS})
# Errnos that programs ask for all day: no line in the log.
QUIET: Final = frozenset({errno.ENOENT, errno.EEXIST, errno.ENODATA, errno.ENOTDIR, errno.EISDIR, errno.ENOTEMPTY,
                          errno.EINTR, errno.EPERM, errno.EROFS, errno.EOPNOTSUPP})
# What whoever raises it has said, once, or nobody has to know.
SAID: Final = (Revalidate, NotReadable, NotTheFile, StagingFull, StateLost, Closed, EntryTooLong)


def serve(operations: Operations, config: Config) -> None:
    """Mounts, and returns when it is unmounted. Raises SetupError when libfuse refuses."""
    options: dict[str, Any] = {
        "foreground": True,             # libfuse's own fork would lose every thread and client
        "fsname": "anthrofs", "subtype": "anthrofs", "raw_fi": True, "use_ino": True, "big_writes": True,
        "default_permissions": True,    # else the kernel enforces no modes
        "max_background": 2048, "congestion_threshold": 1536,   # 12 is the default: 16 stalled readers then stop all
                                                                # reads
        "entry_timeout": config.refresh_s, "attr_timeout": config.refresh_s, "negative_timeout": 1,
        "allow_other": config.allow_other, "ro": config.read_only,
    }
    logging.getLogger("fuse").addFilter(_expected)
    try:
        Binding(operations, str(config.mountpoint), **options)
    except RuntimeError as exc:
        raise SetupError(f"libfuse could not mount {config.mountpoint} (see the lines above).") from exc


def _expected(record: logging.LogRecord) -> bool:
    """A name that isn't UTF-8 fails in fusepy's decoding, outside of the gate: the caller gets EINVAL, nobody needs a
    traceback.
    """
    return not (record.exc_info and isinstance(record.exc_info[1], UnicodeDecodeError))

