"""Whether the files that promises are kept in are still where the next start will look for them.

Open files outlive their names: SQLite goes on happily in a database that somebody has deleted or moved, and what it is
told then is lost. So whoever promises something asks here first. That costs one stat a file.

Owns    a descriptor of each watched file, so that its number isn't given to another one.
Trusts  nothing but the names: what was moved away is lost to the next start as well, until it is back.
Never   opens a file for reading: closing it again would drop SQLite's locks (fcntl(2)). O_PATH doesn't.
"""

import contextlib
import logging
import os
import threading
from pathlib import Path

from anthrofs.errors import StateLost

log = logging.getLogger(__name__)


class StateGuard:
    """The files of one state."""

    def __init__(self) -> None:
        self._lock = threading.Lock()               # guards everything below; a leaf
        # with a descriptor and what it showed; replaced as
        self._watched: tuple[tuple[Path, int, os.stat_result], ...] = ()
                                                    # a whole, so that a check reads it without the lock
        self._lost = ""

    def watch(self, *paths: Path) -> None:
        """As they are now. Raises OSError."""
        for path in paths:
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
            with self._lock:
                self._watched = (*self._watched, (path, descriptor, os.fstat(descriptor)))

    def check(self) -> None:
        """Raises StateLost, as long as one of them isn't in its place."""
        lost = next((words for path, descriptor, was in self._watched if (words := _missing(path, descriptor, was))),
                    "")
        with self._lock:
            before, self._lost = self._lost, lost
        if lost and not before:
            log.error("%s. Nothing can be changed or sent until it is back in its place: what would be written now, a "
                      "restart would not find. What can still be read in the mount can be copied out", lost)
        elif before and not lost:
            log.warning("the state's files are back in their place: the mount goes on")
        if lost:
            raise StateLost(lost)

    def lost(self) -> str:
        """Words about what isn't in its place; "" when all is well. Looks now."""
        with contextlib.suppress(StateLost):
            self.check()
        with self._lock:
            return self._lost

    def close(self) -> None:
        """No more calls after this."""
        with self._lock:
            watched, self._watched = self._watched, ()
        for _, descriptor, _ in watched:
            os.close(descriptor)


def _missing(path: Path, descriptor: int, was: os.stat_result) -> str:
    try:
        if os.path.samestat(os.stat(path), was):    # noqa: PTH116 - on the way of every write
            return ""
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError:
        return ""           # a broken disk: what is done next will say it
    now = os.readlink(f"/proc/self/fd/{descriptor}")        # noqa: PTH115 - not a path: it may end in " (deleted)"
    return (f"{path} was removed under the mount" if now.endswith(" (deleted)")
            else f"{path} was moved to {now} under the mount")
