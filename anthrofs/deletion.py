"""One deletion on the server: of an id that the user doesn't want any more.

Owns    when a deletion that failed is tried again.
Serves  uploader, whose threads call `run`, one at a time for an id.
Trusts  404: an id that isn't there is deleted.
Never   forgets an id that the server still has: what is refused stays queued and visible, and its name stays gone.
"""

import logging
import random
import threading
from typing import Final

from anthrofs.cache import BlockCache
from anthrofs.clock import Clock
from anthrofs.db import Database
from anthrofs.errors import Gone, Offline, RemoteError
from anthrofs.handles import Handles
from anthrofs.mirror import Mirror
from anthrofs.model import FileId
from anthrofs.outbox import Outbox
from anthrofs.remote import RemoteFiles, backoff_s

log = logging.getLogger(__name__)

DISK_S: Final = 5.0           # after a deletion that could not be written down


class Deletion:
    """For all ids of a mount."""

    def __init__(self, db: Database, mirror: Mirror, outbox: Outbox, cache: BlockCache, handles: Handles, remote: RemoteFiles,
                 clock: Clock, chance: random.Random) -> None:
        self._db = db               # given
        self._mirror = mirror       # given
        self._outbox = outbox       # given
        self._cache = cache         # given
        self._handles = handles     # given
        self._remote = remote       # given
        self._clock = clock         # given
        self._chance = chance       # given

        self._lock = threading.Lock()                           # guards the following; a leaf
        self._later: dict[FileId, tuple[float, int]] = {}       # of what failed: when again, how often so far

    def later_s(self) -> dict[FileId, float]:
        """When each is to be tried again; what isn't in here, now."""
        now_s = self._clock.now_s()
        with self._lock:
            return {file_id: at_s for file_id, (at_s, _) in self._later.items() if at_s > now_s}

    def refused(self) -> set[FileId]:
        """Those that failed since the last `retry_now`, and aren't due yet."""
        now_s = self._clock.now_s()
        with self._lock:
            return {file_id for file_id, (at_s, tries) in self._later.items() if tries and at_s > now_s}

    def retry_now(self) -> None:
        """Don't wait for back-offs."""
        with self._lock:
            self._later.clear()

    def run(self, file_id: FileId) -> RemoteError | None:
        """One try. Returns what the network said, if it was no success. `file_id` was reserved for this thread."""
        with self._db.reading() as tx:
            if not self._outbox.begin_deletion(tx, file_id):
                return None             # another thread has done it since the row was read, or the user wants it back
        try:
            return self._run(file_id)
        finally:
            self._outbox.end_deletion(file_id)

    def _run(self, file_id: FileId) -> RemoteError | None:
        try:
            self._remote.delete(file_id)
        except Gone:
            pass
        except RemoteError as exc:
            self._not_deleted(file_id, exc)
            return exc
        try:
            with self._db.transaction() as tx:
                self._outbox.deleted(tx, file_id, self._clock.time_ns())
                self._mirror.forget_kept(tx, file_id)
        except BaseException:
            with self._lock:            # not before: whoever waits for it would take it for refused
                self._later[file_id] = (self._clock.now_s() + DISK_S, 0)
            raise
        if not self._handles.reads_from(file_id):       # else the last release drops it
            self._cache.drop(file_id)
        with self._lock:
            self._later.pop(file_id, None)
        return None

    def _not_deleted(self, file_id: FileId, exc: RemoteError) -> None:
        if not isinstance(exc, Offline):
            log.warning("an id could not be deleted: %s. It stays queued", exc)
        with self._lock:
            tries = self._later.get(file_id, (0.0, 0))[1] + 1
            wait_s = exc.retry_after_s if exc.retry_after_s is not None else 3 * backoff_s(tries, self._chance)
            self._later[file_id] = (0.0 if isinstance(exc, Offline) else self._clock.now_s() + wait_s, tries)
        with self._db.transaction() as tx:
            self._outbox.not_deleted(tx, file_id, str(exc))
