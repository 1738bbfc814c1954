"""Words of scripts: calls that take paths."""

import ctypes
import os
import stat
from typing import Final

from tests.posix.place import Place, verb

LIBC: Final = ctypes.CDLL(None, use_errno=True)
KINDS: Final = {"file": stat.S_IFREG, "fifo": stat.S_IFIFO, "socket": stat.S_IFSOCK, "char": stat.S_IFCHR, "block": stat.S_IFBLK}
RENAME: Final = {"": 0, "NOREPLACE": 1, "EXCHANGE": 2, "WHITEOUT": 4, "NOREPLACE|EXCHANGE": 3, "unknown": 1 << 20}
AT_FDCWD: Final = -100
AT_SYMLINK_FOLLOW: Final = 0x400
AT_EACCESS: Final = 0x200
NOW, OMIT = (1 << 30) - 1, (1 << 30) - 2


def check(result: int, paths: str = "") -> int:
    """A C function's result. Raises OSError for -1."""
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), paths)
    return result


@verb
def create(here: Place, path: str, content: str = "") -> None:
    """A file with that content, closed again."""
    descriptor = os.open(here.at(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        if content:
            os.write(descriptor, content.encode())
    finally:
        os.close(descriptor)


@verb
def mkdir(here: Place, path: str, mode: str = "755") -> None:
    os.mkdir(here.at(path), int(mode, 8))


@verb
def rmdir(here: Place, path: str) -> None:
    os.rmdir(here.at(path))


@verb
def unlink(here: Place, path: str) -> None:
    os.unlink(here.at(path))


@verb
def rename(here: Place, old: str, new: str) -> None:
    os.rename(here.at(old), here.at(new))


@verb
def renameat2(here: Place, old: str, new: str, flags: str) -> None:
    check(LIBC.renameat2(AT_FDCWD, os.fsencode(here.at(old)), AT_FDCWD, os.fsencode(here.at(new)), RENAME[flags]))


@verb
def link(here: Place, old: str, new: str) -> None:
    os.link(here.at(old), here.at(new))


@verb
def linkat(here: Place, descriptor: str, new: str) -> None:
    """A name for what is open."""
    check(LIBC.linkat(AT_FDCWD, b"/proc/self/fd/%d" % here.fd(descriptor), AT_FDCWD, os.fsencode(here.at(new)), AT_SYMLINK_FOLLOW))


@verb
def symlink(here: Place, target: str, path: str) -> None:
    os.symlink(target, here.at(path))


@verb
def readlink(here: Place, path: str) -> str:
    return os.readlink(here.at(path))


@verb
def mknod(here: Place, path: str, kind: str, mode: str = "644") -> None:
    os.mknod(here.at(path), KINDS[kind] | int(mode, 8), os.makedev(1, 3))


@verb
def mkfifo(here: Place, path: str) -> None:
    os.mkfifo(here.at(path), 0o644)


@verb
def chmod(here: Place, path: str, mode: str) -> None:
    os.chmod(here.at(path), int(mode, 8))


@verb
def chown(here: Place, path: str, uid: str, gid: str) -> None:
    """Numbers, -1, or `own`: what it has."""
    shown = os.stat(here.at(path))
    os.chown(here.at(path), shown.st_uid if uid == "own" else int(uid), shown.st_gid if gid == "own" else int(gid))


@verb
def truncate(here: Place, path: str, size: str) -> None:
    check(LIBC.truncate(os.fsencode(here.at(path)), ctypes.c_long(int(size))))


@verb
def utimens(here: Place, path: str, atime: str, mtime: str) -> None:
    """Nanoseconds, now or omit."""
    check(LIBC.utimensat(AT_FDCWD, os.fsencode(here.at(path)), _times(atime, mtime), 0))


@verb
def futimens(here: Place, descriptor: str, atime: str, mtime: str) -> None:
    check(LIBC.futimens(here.fd(descriptor), _times(atime, mtime)))


class Timespec(ctypes.Structure):
    """As C has it."""

    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


def _times(*times: str) -> ctypes.Array[Timespec]:
    """A number with a slash is seconds and nanoseconds, which may be wrong ones."""
    marks = {"now": (0, NOW), "omit": (0, OMIT)}
    pairs = [marks[each] if each in marks else tuple(map(int, each.split("/"))) if "/" in each else divmod(int(each), 10**9) for each in times]
    return (Timespec * 2)(*(Timespec(*pair) for pair in pairs))


@verb
def access(here: Place, path: str, mode: str = "") -> None:
    """As access(2), for any of r, w and x, by whoever the kernel takes this thread for."""
    wanted = sum({"r": os.R_OK, "w": os.W_OK, "x": os.X_OK}[letter] for letter in mode)
    check(LIBC.faccessat(AT_FDCWD, os.fsencode(here.at(path)), wanted, AT_EACCESS))


@verb
def setxattr(here: Place, path: str, name: str, value: str, flags: str = "") -> None:
    os.setxattr(here.at(path), name, value.encode(), {"": 0, "CREATE": os.XATTR_CREATE, "REPLACE": os.XATTR_REPLACE}[flags])


@verb
def fsetxattr(here: Place, descriptor: str, name: str, value: str) -> None:
    os.setxattr(here.fd(descriptor), name, value.encode())


@verb
def fgetxattr(here: Place, descriptor: str, name: str) -> bytes:
    return os.getxattr(here.fd(descriptor), name)


@verb
def getxattr(here: Place, path: str, name: str) -> bytes:
    return os.getxattr(here.at(path), name)


@verb
def getxattr_of(here: Place, path: str, name: str, room: str) -> int:
    """Into a buffer of that many bytes; the length that was said."""
    return check(LIBC.getxattr(os.fsencode(here.at(path)), name.encode(), ctypes.create_string_buffer(max(1, int(room))), int(room)))


@verb
def listxattr(here: Place, path: str) -> list[str]:
    """But for the mount's own, which a disk can't have."""
    return sorted(name for name in os.listxattr(here.at(path)) if not name.startswith(("user.anthropic.", "user.mime_type")))


@verb
def removexattr(here: Place, path: str, name: str) -> None:
    os.removexattr(here.at(path), name)


@verb
def statvfs(here: Place, path: str, field: str) -> object:
    """A number, or, of those that tell of space, whether there is some."""
    shown = getattr(os.statvfs(here.at(path)), field)
    return shown > 0 if field in ("f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree") else shown
