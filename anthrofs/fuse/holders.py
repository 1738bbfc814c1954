"""The programs that have something open in a mount, also in one that was detached: by /proc, as fuser finds them.

Trusts  /proc of this user's processes; others' are not seen, but by root.
Never   asks the mount: the kernel alone says which file system a descriptor is of, so a mount that hangs holds nobody
        up.
"""

import contextlib
import ctypes
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from anthrofs.text import printable

MOST: Final = 5                         # that a sentence names
AT_EMPTY_PATH: Final = 0x1000           # linux/fcntl.h
AT_STATX_DONT_SYNC: Final = 0x4000
STATX_BYTES: Final = 256                # linux/stat.h
STATX_DEVICE: Final = 136               # in it, as two numbers


class Holder(NamedTuple):
    """A process, and one of the things that it has there."""

    pid: int
    name: str
    what: str                           # a file in the mount, "its directory", "a mapped file"


def holders(device: str | None) -> list[Holder]:
    """One of each process that has something on a file system, by the kernel's number of that."""
    if device is None or not hasattr(libc := ctypes.CDLL(None), "statx"):       # a C library of before 2018
        return []
    found = []
    for process in sorted((each for each in Path("/proc").iterdir() if each.name.isdigit()), key=_in_order):
        with contextlib.suppress(OSError):      # another user's, or it has ended
            what = next(_things(process, device, libc), None)
            if what is not None:
                found.append(Holder(int(process.name), (process / "comm").read_text().strip(), what))
    return found


def held_by(device: str | None) -> str:
    """Words about them, for a sentence; "" when none is seen."""
    found = holders(device)
    more = f" and {len(found) - MOST} more" if len(found) > MOST else ""
    return "held by: " + ", ".join(f"{printable(each.name)} (process {each.pid}: {printable(each.what)})"
                                   for each in found[:MOST]) + more if found else ""


def let_go(device: str | None) -> None:
    """Lets this process's descriptors there lead nowhere from now on, but those that it prints to."""
    if device is None or not hasattr(libc := ctypes.CDLL(None), "statx"):
        return
    found = [int(path.name) for path in Path("/proc/self/fd").iterdir() if _is_on(path, device, libc)]
    nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for descriptor in found:
        if descriptor not in (1, 2):
            os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _things(process: Path, device: str, libc: ctypes.CDLL) -> Iterator[str]:
    for name, words in (("cwd", "its directory"), ("root", "its root"), ("exe", "its program")):
        if _is_on(process / name, device, libc):
            yield words
    for path in sorted((process / "fd").iterdir(), key=_in_order):
        if _is_on(path, device, libc):
            yield os.readlink(path)     # noqa: PTH115 - not a path: it may end in " (deleted)"
    for line in os.fsdecode((process / "maps").read_bytes()).split("\n"):
        fields = line.split(None, 5)
        if len(fields) == 6 and _number(fields[3]) == device:
            yield fields[5]


def _in_order(path: Path) -> int:
    return int(path.name)


def _is_on(path: Path, device: str, libc: ctypes.CDLL) -> bool:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        found = ctypes.create_string_buffer(STATX_BYTES)
        # Nothing is asked for, so only the device is told, which the kernel knows by itself.
        if libc.statx(descriptor, b"", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, found):
            return False
        major, minor = struct.unpack_from("=II", found, STATX_DEVICE)
        return f"{major}:{minor}" == device
    finally:
        os.close(descriptor)


def _number(text: str) -> str:
    """As the kernel's list of mounts spells what its lists of maps have in hexadecimal digits."""
    major, _, minor = text.partition(":")
    return f"{int(major, 16)}:{int(minor, 16)}"
