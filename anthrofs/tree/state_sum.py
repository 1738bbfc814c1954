"""The sum of state.db as a mount has left it: SQLite keeps none, so a bit that the disk has changed would be believed.

Owns    <state>/state.db.sum, which is there only between two mounts.
Trusts  it only while the database has the time that it names: whoever has written to the database since has changed
        it, and a log beside it has newer changes. Another length at the same time is damage: a file that was cut in its
        last page SQLite takes for one that ends in zeros.
Never   outlives the beginning of a mount, also not over a loss of power.

All of the file is read, before anything is believed: that is what still grows with the number of files, by 0.1 s for a
million (300 MB that the page cache has; else the disk's own speed is the bound). A sum for each page, checked later,
would save that, and let a mount send what a flipped bit says in the meantime.
"""

import contextlib
import json
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

import xxhash

from anthrofs.store.disk import sync_names

PIECE_BYTES: Final = 2**20
# The database's time is set back by so much: then each later write to it shows, however soon it comes.
BACK_NS: Final = 10**9


class _Sum(Protocol):
    def update(self, data: memoryview, /) -> None: ...
    def intdigest(self) -> int: ...


class _Crc32:
    """The sum of schema 5 and before."""

    def __init__(self) -> None:
        self._found = 0

    def update(self, data: memoryview, /) -> None:
        self._found = zlib.crc32(data, self._found)

    def intdigest(self) -> int:
        return self._found


_KINDS: Final[dict[str, Callable[[], _Sum]]] = {"xxh3": xxhash.xxh3_64, "crc32": _Crc32}


def write_sum(path: Path) -> None:
    """The database at `path` is closed, with all its changes in it. A disk that takes no sum doesn't matter."""
    with contextlib.suppress(OSError):
        if _changes(path):
            return
        found = path.stat()
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns - BACK_NS))
        words = json.dumps({"bytes": found.st_size, "mtime_ns": path.stat().st_mtime_ns,
                            "xxh3": _sum_of(path, xxhash.xxh3_64())})
        _place(path).write_text(words)


def is_as_left(path: Path) -> bool | None:
    """Whether the database is as the last mount has left it. None: nothing vouches for it, or against, or somebody has
    moved it away to begin anew. Raises OSError.
    """
    if not path.exists():
        return None
    try:
        known = json.loads(_place(path).read_text())
        bytes_, mtime_ns = int(known["bytes"]), int(known["mtime_ns"])
        kind = next(kind for kind in _KINDS if kind in known)
        noted = int(known[kind])
    except (OSError, ValueError, TypeError, KeyError, StopIteration, RecursionError, OverflowError):
        return None
    found = path.stat()
    if found.st_mtime_ns != mtime_ns or _changes(path):
        return None
    return found.st_size == bytes_ and _sum_of(path, _KINDS[kind]()) == noted


def forget_sum(path: Path) -> None:
    """Before anything is written to the database. Raises OSError."""
    try:
        _place(path).unlink()
    except FileNotFoundError:
        return
    sync_names(path.parent)


def _place(path: Path) -> Path:
    return path.with_name(f"{path.name}.sum")


def _changes(path: Path) -> bool:
    log = path.with_name(f"{path.name}-wal")
    return log.exists() and log.stat().st_size > 0


def _sum_of(path: Path, found: _Sum) -> int:
    buffer = bytearray(PIECE_BYTES)
    with path.open("rb", buffering=0) as file, memoryview(buffer) as view:
        while size := file.readinto(buffer):
            found.update(view[:size])
    return found.intdigest()
