"""The end of an id that nobody wants any more: the server is told, then its tombstone stays and its copies go.

Owns    when a deletion that failed is tried again.
Serves  uploader, whose threads call `run`, one at a time for an id.
Trusts  a 404: it means that the id is gone.
Never   gives up: what the service refuses to delete stays queued, with its reason, and its name stays gone.
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

AGAIN_S: Final = 5.0            # should our own disk fail just when the server has deleted it


class Deletion:
    """Of one mount's doomed ids."""

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

        self._lock = threading.Lock()       # guards the following; a leaf
        self._later: dict[FileId, tuple[float, int]] = {}       # failed: when again (monotonic seconds), how often so far

    def due_s(self, file_id: FileId) -> float:
        """When it may be tried; 0: now."""
        with self._lock:
            return self._later.get(file_id, (0.0, 0))[0]

    def retry_now(self) -> None:
        """Don't wait for back-offs."""
        with self._lock:
            self._later.clear()

    def run(self, file_id: FileId) -> RemoteError | None:
        """Returns what the network said, if it was no success. Another thread may have finished it since the row was read."""
        with self._db.reading() as tx:
            if not self._outbox.is_waiting(tx, file_id):
                return None
        try:
            self._remote.delete(file_id)
        except Gone:
            pass
        except RemoteError as exc:
            self._failed(file_id, exc)
            return exc
        with self._lock:
            self._later[file_id] = (self._clock.now_s() + AGAIN_S, 0)
        with self._db.transaction() as tx:
            self._outbox.deleted(tx, file_id, self._clock.time_ns())
            self._mirror.forget_kept(tx, file_id)
        if not self._handles.reads_from(file_id):       # else the last release drops it
            self._cache.drop(file_id)
        with self._lock:
            self._later.pop(file_id, None)
        return None

    def _failed(self, file_id: FileId, exc: RemoteError) -> None:
        if not isinstance(exc, Offline):
            log.warning("an id could not be deleted: %s. It stays queued", exc)
        with self._lock:
            tries = self._later.get(file_id, (0.0, 0))[1] + 1
            wait_s = exc.retry_after_s if exc.retry_after_s is not None else 3 * backoff_s(tries, self._chance)
            self._later[file_id] = (0.0 if isinstance(exc, Offline) else self._clock.now_s() + wait_s, tries)
        with self._db.transaction() as tx:
            self._outbox.not_deleted(tx, file_id, str(exc))
