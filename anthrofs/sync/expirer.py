"""Takes files out of the tree when the service lets them expire, though it goes on listing them for 30 days.

Owns    one thread, which sleeps until the next file's moment; without such files, for ever.
Trusts  the rows for what expires when; for when that is, the server's clock, as answers have shown it, and ours:
        whichever is behind.
Never   asks the server anything, and takes no file from those who have it open: that one goes when they have left.
"""

import logging
import threading
from collections.abc import Callable
from typing import Final

from anthrofs.clock import Clock
from anthrofs.errors import FsError, StateLost
from anthrofs.model import FileId, ServerClock
from anthrofs.store.block_cache import BlockCache
from anthrofs.tree.database import Database
from anthrofs.tree.mirror import Mirror
from anthrofs.tree.open_table import OpenTable
from anthrofs.worker import Worker

log = logging.getLogger(__name__)

LISTED_NS: Final = 31 * 86_400 * 10**9      # after its moment a file can be listed for 30 days
SLEEP_S: Final = 60.0       # the longest sleep while something is to expire: clocks can jump
AGAIN_S: Final = 1.0        # until the next try with a file that somebody has open


class Expirer:
    """mount.py starts and stops it."""

    def __init__(self, db: Database, mirror: Mirror, cache: BlockCache, handles: OpenTable, clock: Clock,
                 server_clock: Callable[[], ServerClock | None]) -> None:
        self._db = db                       # given
        self._mirror = mirror               # given
        self._cache = cache                 # given
        self._handles = handles             # given
        self._clock = clock                 # given
        self._server_clock = server_clock   # given
        self._worker = Worker("expirer", clock, self.due_s, self.step)

        self._lock = threading.Lock()       # guards everything below; no other lock is taken while it is held
        self._next_ns: int | None = 0       # the first moment that is known, server's clock; None: there is none
        self._again_s = float("-inf")       # no step before that

    def start(self) -> None:
        """Returns after the first step: what has expired since the last mount is never shown."""
        self._worker.start(at_once=True)

    def stop(self, timeout_s: float) -> bool:
        """Returns False where a step is left unfinished."""
        return self._worker.stop(timeout_s)

    def expects(self, moment_ns: int) -> None:
        """A file is being put into the tree, or is there, that expires then."""
        with self._lock:
            sooner = self._next_ns is None or moment_ns < self._next_ns
            if sooner:
                self._next_ns = moment_ns
        if sooner:
            self._worker.wake()

    def gone(self, file_id: FileId) -> None:
        """The service says that a file has expired; not all shapes of the API say when. Raises FsError."""
        now_ns = self._now_ns()
        with self._db.transaction() as tx:
            self._mirror.set_expiry(tx, file_id, now_ns)
        self.expects(now_ns)

    # ---- the steps; called by the thread, before it begins by whoever starts it, and by tests

    def due_s(self) -> float:
        """Returns the seconds until the next step; infinite while nothing is known to expire."""
        now_s, now_ns = self._clock.now_s(), self._now_ns()
        with self._lock:
            if self._next_ns is None:
                return float("inf")
            return min(max(self._again_s - now_s, (self._next_ns - now_ns) / 1e9), SLEEP_S)

    def step(self) -> None:
        """Takes away what has expired. A file that somebody has open is tried again after AGAIN_S, and so are all after
        a failure.
        """
        with self._lock:
            self._next_ns = None        # what is put into the tree from now on says so itself
        again = True
        try:
            again = self._take_away()
        except FsError as exc:
            if not isinstance(exc, StateLost):      # that was said
                log.warning("expired files could not be taken away: %s", exc)
        finally:
            if again:
                with self._lock:
                    self._next_ns, self._again_s = 0, self._clock.now_s() + AGAIN_S

    def _take_away(self) -> bool:
        """Returns whether some of the expired files are open, and wait for their last release."""
        removed = []
        with self._db.transaction() as tx:
            now_ns, busy, held = self._now_ns(), self._handles.busy(), False
            for file in self._mirror.expired(tx, now_ns):
                if self._mirror.vanished(tx, file.file_id, busy):
                    tx.deletions.bury(file.file_id, self._clock.time_ns(), now_ns + LISTED_NS)
                    self._mirror.forget_kept(tx, file.file_id)
                    removed.append(file)
                else:
                    held = True
            moment_ns = self._mirror.next_expiry(tx, now_ns)
        for file in removed:
            self._cache.drop(file.file_id)
            log.info("%s has expired (%s)", file.name, file.file_id)
        if moment_ns is not None:
            self.expects(moment_ns)
        return held

    def _now_ns(self) -> int:
        """Returns this moment by the server's clock, or an earlier one: no file goes too early. By ours where that is
        behind: whatever answers on the way may have any date, and with a file goes the only copy of an upload. What has
        expired by then says so when it is read.
        """
        known = self._server_clock()
        return self._clock.time_ns() + (min(0, known.earliest_ns) if known is not None else 0)
