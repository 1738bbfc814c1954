"""fusepy's class, with what comes most often made cheap: the attributes of one path, the names of a directory.

Owns    how attributes and names get into libfuse's structures, and the Python thread states of its workers.
Trusts  libfuse to copy what it is given before a call returns.
Never   decides anything: whatever can fail is done in the operations, behind their gate.
"""

import ctypes
import threading
from collections.abc import Callable
from typing import Any, Final

from anthrofs.errors import EXIT_MISSING, SetupError

try:
    import fuse
except OSError as missing:      # fusepy's EnvironmentError: it looks for libfuse when it is imported
    raise SetupError("libfuse (version 2) is missing. On Debian and Ubuntu: sudo apt-get install fuse3 libfuse2 "
                     "(libfuse2t64 on newer releases).", EXIT_MISSING) from missing

__all__ = ["Binding", "fuse"]

# libfuse keeps ten idle workers, and ends others: what is kept for an ended one stays (20 KB), so the number has a
# bound.
KEPT_STATES: Final = 32
STAT_BYTES: Final = ctypes.sizeof(fuse.c_stat)

_ensure: Final = ctypes.pythonapi.PyGILState_Ensure
_workers: Final = threading.local()
_kept = 0                       # of KEPT_STATES; changed under the GIL only, and a miscount by one does no harm


class Binding(fuse.FUSE):  # type: ignore[misc]     # fusepy has no types
    """Serves until it is unmounted: the constructor returns then."""

    @staticmethod
    def _wrapper(function: Callable[..., int], *args: Any) -> int:
        """Every call of libfuse. Python makes a thread state for each call of a foreign thread, and drops it at its
        end: a mapping and its page faults, 10 of the 50 µs that a lookup took. One reference more, and it stays.
        """
        global _kept        # noqa: PLW0603 - of the process, as the threads are
        if not hasattr(_workers, "kept") and _kept < KEPT_STATES:
            _workers.kept = True
            _kept += 1
            _ensure()
        result: int = fuse.FUSE._wrapper(function, *args)       # noqa: SLF001 - the overridden one
        return result

    def getattr(self, path: bytes, buffer: Any) -> int:
        attributes = self.operations("getattr", path.decode(self.encoding))
        ctypes.memset(buffer, 0, STAT_BYTES)
        stat = buffer.contents
        stat.st_ino, stat.st_mode, stat.st_nlink = attributes["st_ino"], attributes["st_mode"], attributes["st_nlink"]
        stat.st_uid, stat.st_gid, stat.st_size = attributes["st_uid"], attributes["st_gid"], attributes["st_size"]
        stat.st_blocks, stat.st_blksize = attributes["st_blocks"], attributes["st_blksize"]
        for field, name in ((stat.st_atimespec, "st_atime"), (stat.st_mtimespec, "st_mtime"),
                            (stat.st_ctimespec, "st_ctime")):
            field.tv_sec, field.tv_nsec = divmod(attributes[name], 10**9)
        return 0

    def readdir(self, _path: None, buffer: Any, filler: Callable[..., int], _offset: int, info: Any) -> int:
        """One structure for all entries: libfuse copies it."""
        stat = fuse.c_stat()

        def show(name: str, node_id: int, mode: int) -> None:
            stat.st_ino, stat.st_mode = node_id, mode
            filler(buffer, name.encode(self.encoding), stat, 0)

        self.operations("readdir", show, info.contents.fh)
        return 0
