"""How many mounts share the organization's budget, as this one has heard last: it outlives the board, and this process.

Owns    <state>/mounts, one number. Without it, or with another's bytes in it, this mount takes itself for the only one.
Never   fails: where the file can't be used, it goes on without.
"""

import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

MOST: Final = 10_000        # nobody has so many


class MountCount:
    """One mount's."""

    def __init__(self, path: Path) -> None:
        self._path = path               # constant

        self._lock = threading.Lock()   # guards the following; a leaf
        self._count: int | None = None  # None: not read yet

    def get(self) -> int:
        """Returns the number: 1 or more."""
        with self._lock:
            count = self._count
        if count is None:
            count = self._read()
            with self._lock:
                if self._count is None:
                    self._count = count
                count = self._count
        return count

    def note(self, count: int) -> None:
        """The board has told how many there are."""
        with self._lock:
            known, self._count = self._count, count
        if count != known:
            with suppress(OSError):
                descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
                try:
                    # In one write, of one length: a kill leaves the old number or the new one.
                    os.pwrite(descriptor, b"%5d\n" % min(count, MOST), 0)
                finally:
                    os.close(descriptor)

    def _read(self) -> int:
        with suppress(OSError, ValueError):
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                return min(MOST, max(1, int(os.pread(descriptor, 6, 0))))
            finally:
                os.close(descriptor)
        return 1
