"""Words of scripts: calls that open, and those that take what is open."""

import ctypes
import fcntl
import mmap
import os
import struct
from typing import Final

from tests.posix.calls_names import LIBC, check
from tests.posix.place import Place, verb

WHENCE: Final = {"SET": os.SEEK_SET, "CUR": os.SEEK_CUR, "END": os.SEEK_END, "DATA": os.SEEK_DATA, "HOLE": os.SEEK_HOLE, "unknown": 99}
FALLOCATE: Final = {"": 0, "KEEP": 1, "PUNCH": 3, "COLLAPSE": 8, "ZERO": 0x10, "INSERT": 0x20, "punch": 2}
LOCKS: Final = {"SH": fcntl.LOCK_SH, "EX": fcntl.LOCK_EX, "UN": fcntl.LOCK_UN}
OFD_SETLK: Final = 37


def flags_of(words: str) -> int:
    """`O_RDWR|O_CREAT`, with or without the O_."""
    return sum(getattr(os, f"O_{word.removeprefix('O_')}") for word in words.split("|"))


@verb
def _open(here: Place, name: str, path: str, flags: str = "RDONLY", mode: str = "644") -> None:
    here.opened(name, os.open(here.at(path), flags_of(flags), int(mode, 8)))


@verb
def openat(here: Place, name: str, directory: str, path: str, flags: str = "RDONLY") -> None:
    here.opened(name, os.open(path, flags_of(flags), 0o644, dir_fd=here.fd(directory)))


@verb
def reopen(here: Place, name: str, old: str, flags: str) -> None:
    """What is open once more, by /proc."""
    here.opened(name, os.open(f"/proc/self/fd/{here.fd(old)}", flags_of(flags)))


@verb
def close(here: Place, name: str) -> None:
    here.close(name)


@verb
def dup(here: Place, name: str, old: str) -> None:
    here.opened(name, os.dup(here.fd(old)))


@verb
def read(here: Place, name: str, count: str) -> bytes:
    return os.read(here.fd(name), int(count))


@verb
def pread(here: Place, name: str, count: str, offset: str) -> bytes:
    return os.pread(here.fd(name), int(count), int(offset))


@verb
def readv(here: Place, name: str, *counts: str) -> bytes:
    buffers = [bytearray(int(each)) for each in counts]
    done = os.readv(here.fd(name), buffers)
    return b"".join(buffers)[:done]


@verb
def preadv(here: Place, name: str, offset: str, *counts: str) -> bytes:
    buffers = [bytearray(int(each)) for each in counts]
    done = os.preadv(here.fd(name), buffers, int(offset))
    return b"".join(buffers)[:done]


@verb
def read_to(here: Place, name: str, address: str, count: str) -> int:
    """Into memory that isn't there, for instance."""
    return check(LIBC.read(here.fd(name), ctypes.c_void_p(int(address)), ctypes.c_size_t(int(count))))


@verb
def write(here: Place, name: str, text: str = "") -> int:
    return os.write(here.fd(name), text.encode())


@verb
def pwrite(here: Place, name: str, text: str, offset: str) -> int:
    return os.pwrite(here.fd(name), text.encode(), int(offset))


@verb
def writev(here: Place, name: str, *texts: str) -> int:
    return os.writev(here.fd(name), [each.encode() for each in texts])


@verb
def pwritev(here: Place, name: str, offset: str, *texts: str) -> int:
    return os.pwritev(here.fd(name), [each.encode() for each in texts], int(offset))


@verb
def lseek(here: Place, name: str, offset: str, whence: str) -> int:
    return os.lseek(here.fd(name), int(offset), WHENCE[whence])


@verb
def ftruncate(here: Place, name: str, size: str) -> None:
    check(LIBC.ftruncate(here.fd(name), ctypes.c_long(int(size))))


@verb
def fsync(here: Place, name: str) -> None:
    os.fsync(here.fd(name))


@verb
def fdatasync(here: Place, name: str) -> None:
    os.fdatasync(here.fd(name))


@verb
def fchmod(here: Place, name: str, mode: str) -> None:
    os.fchmod(here.fd(name), int(mode, 8))


@verb
def fchown(here: Place, name: str, uid: str, gid: str) -> None:
    os.fchown(here.fd(name), int(uid), int(gid))


@verb
def fchdir(here: Place, name: str) -> None:
    back = os.open(".", os.O_RDONLY)
    try:
        os.fchdir(here.fd(name))
        os.fchdir(back)
    finally:
        os.close(back)


@verb
def fsize(here: Place, name: str) -> int:
    return os.fstat(here.fd(name)).st_size


@verb
def fnlink(here: Place, name: str) -> int:
    return os.fstat(here.fd(name)).st_nlink


@verb
def fmtime(here: Place, name: str) -> int:
    return os.fstat(here.fd(name)).st_mtime_ns


@verb
def fnames(here: Place, name: str) -> list[str]:
    return sorted(os.listdir(here.fd(name)))


@verb
def fallocate(here: Place, name: str, mode: str, offset: str, length: str) -> None:
    check(LIBC.fallocate(here.fd(name), FALLOCATE[mode], ctypes.c_long(int(offset)), ctypes.c_long(int(length))))


@verb
def posix_fallocate(here: Place, name: str, offset: str, length: str) -> None:
    os.posix_fallocate(here.fd(name), int(offset), int(length))


@verb
def fadvise(here: Place, name: str) -> None:
    os.posix_fadvise(here.fd(name), 0, 0, os.POSIX_FADV_DONTNEED)


@verb
def fgetfl(here: Place, name: str, flag: str) -> bool:
    return bool(fcntl.fcntl(here.fd(name), fcntl.F_GETFL) & flags_of(flag))


@verb
def fsetfl(here: Place, name: str, flag: str) -> None:
    fcntl.fcntl(here.fd(name), fcntl.F_SETFL, flags_of(flag))


@verb
def flock(here: Place, name: str, kind: str) -> None:
    """Without waiting."""
    fcntl.flock(here.fd(name), LOCKS[kind] | fcntl.LOCK_NB)


@verb
def lock(here: Place, name: str, kind: str, start: str, length: str) -> None:
    """A record, for this open file description, without waiting."""
    kinds = {"SH": fcntl.F_RDLCK, "EX": fcntl.F_WRLCK, "UN": fcntl.F_UNLCK}
    fcntl.fcntl(here.fd(name), OFD_SETLK, struct.pack("hhqqi4x", kinds[kind], os.SEEK_SET, int(start), int(length), 0))


@verb
def copy_range(here: Place, source: str, target: str, count: str, source_at: str = "", target_at: str = "") -> int:
    return os.copy_file_range(here.fd(source), here.fd(target), int(count), int(source_at) if source_at else None, int(target_at) if target_at else None)


@verb
def sendfile(here: Place, target: str, source: str, count: str, offset: str = "0") -> int:
    return os.sendfile(here.fd(target), here.fd(source), int(offset), int(count))


@verb
def splice(here: Place, source: str, target: str, count: str) -> int:
    """Over a pipe, for one of two has to be one."""
    reading, writing = os.pipe()
    try:
        os.splice(here.fd(source), writing, int(count))
        return os.splice(reading, here.fd(target), int(count))
    finally:
        os.close(reading)
        os.close(writing)


@verb
def mapped(here: Place, name: str, descriptor: str, length: str, how: str = "SHARED") -> None:
    """A map, private or shared, to read and write."""
    flags = {"SHARED": mmap.MAP_SHARED, "PRIVATE": mmap.MAP_PRIVATE, "read": mmap.MAP_SHARED}[how]
    prot = mmap.PROT_READ if how == "read" else mmap.PROT_READ | mmap.PROT_WRITE
    here.maps[name] = made = mmap.mmap(here.fd(descriptor), int(length), flags, prot)
    here.closers.append(made.close)


@verb
def poke(here: Place, name: str, offset: str, text: str) -> None:
    """Writes into a map."""
    here.maps[name][int(offset):int(offset) + len(text)] = text.encode()


@verb
def peek(here: Place, name: str, offset: str, count: str) -> bytes:
    return here.maps[name][int(offset):int(offset) + int(count)]


@verb
def store(here: Place, name: str, offset: str, text: str) -> None:
    """Writes into a map, and has it written to the file."""
    poke(here, name, offset, text)
    msync(here, name)


@verb
def msync(here: Place, name: str) -> None:
    here.maps[name].flush()
