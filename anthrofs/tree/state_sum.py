"""The sum of state.db as a mount has left it: SQLite keeps none, so a bit that the disk has changed would be believed.

Owns    <state>/state.db.sum, which is there only between two mounts.
Trusts  it only while the database has the length and the time that it names: whoever has written to the database since
        has changed both, and a log beside it has newer changes.
Never   outlives the beginning of a mount, also not over a loss of power.
"""

import contextlib
import json
import os
import zlib
from pathlib import Path
from typing import Final

PIECE_BYTES: Final = 2**20
# The database's time is set back by so much: then each later write to it shows, however soon it comes.
BACK_NS: Final = 10**9


def write_sum(path: Path) -> None:
    """The database at `path` is closed, with all its changes in it. A disk that takes no sum doesn't matter."""
    with contextlib.suppress(OSError):
        if _changes(path):
            return
        found = path.stat()
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns - BACK_NS))
        words = json.dumps({"bytes": found.st_size, "mtime_ns": path.stat().st_mtime_ns, "crc32": _sum_of(path)})
        _place(path).write_text(words)


def is_as_left(path: Path) -> bool | None:
    """Whether the database is as the last mount has left it. None: nothing vouches for it, or against, or somebody has
    moved it away to begin anew. Raises OSError.
    """
    if not path.exists():
        return None
    try:
        known = json.loads(_place(path).read_text())
        bytes_, mtime_ns, crc32 = int(known["bytes"]), int(known["mtime_ns"]), int(known["crc32"])
    except (OSError, ValueError, TypeError, KeyError, RecursionError, OverflowError):
        return None
    found = path.stat()
    if (found.st_size, found.st_mtime_ns) != (bytes_, mtime_ns) or _changes(path):
        return None
    return _sum_of(path) == crc32


def forget_sum(path: Path) -> None:
    """Before anything is written to the database. Raises OSError."""
    try:
        _place(path).unlink()
    except FileNotFoundError:
        return
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _place(path: Path) -> Path:
    return path.with_name(f"{path.name}.sum")


def _changes(path: Path) -> bool:
    log = path.with_name(f"{path.name}-wal")
    return log.exists() and log.stat().st_size > 0


def _sum_of(path: Path) -> int:
    found = 0
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            found = zlib.crc32(piece, found)
    return found
