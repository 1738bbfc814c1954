"""One deletion on the server: of an id that the user doesn't want any more.

Trusts  the service's own 404: an id that isn't there is deleted. After anybody else's, and after an answer that says
        nothing, the next whole listing decides.
Never   forgets an id that the server still has: what is refused stays queued and visible, and its name stays gone.
"""

import contextlib
import logging
import random
from collections.abc import Callable
from typing import Final

from anthrofs.clock import Clock
from anthrofs.errors import BadAnswer, Closed, FsError, Gone, Offline, RemoteError
from anthrofs.model import FileId
from anthrofs.remote.api import RemoteFiles
from anthrofs.remote.gates import OF_THE_WAY
from anthrofs.remote.retry import backoff_s
from anthrofs.store.block_cache import BlockCache
from anthrofs.tree.arrivals import NOBODY, Told
from anthrofs.tree.database import Database
from anthrofs.tree.mirror import Mirror
from anthrofs.tree.open_table import OpenTable
from anthrofs.upload.plans import DeletePlan

log = logging.getLogger(__name__)

DOUBTFUL: Final = frozenset({200, 202, 404})    # with a page, or a 404 that isn't the service's own
DOUBT_S: Final = 60.0           # after somebody else's answer, if the id is still listed; doubled after each one
LONGEST_DOUBT_S: Final = 3600.0


class Deletion:
    """The deletions of one mount."""

    def __init__(self, db: Database, mirror: Mirror, cache: BlockCache, handles: OpenTable, remote: RemoteFiles,
                 clock: Clock, chance: random.Random, ask_listing: Callable[[], None], told: Told = NOBODY) -> None:
        self._db = db               # given
        self._mirror = mirror       # given
        self._cache = cache         # given
        self._handles = handles     # given
        self._remote = remote       # given
        self._clock = clock         # given
        self._chance = chance       # given
        self._ask_listing = ask_listing     # given: asks for a refresh, without waiting
        self._told = told           # given

    def run(self, file_id: FileId, plan: DeletePlan) -> None:
        """Tries once. The id was taken for this thread."""
        with self._db.reading() as tx:
            if not tx.deletions.begin(file_id):
                plan.hasten()
                return         # another thread has done it since the row was read, or the user wants it back
            gone = tx.deletions.is_proved_gone(file_id)
        try:
            if self._ask(file_id, plan, gone=gone):
                self._deleted(file_id)
                plan.hasten()
        finally:
            with self._db.reading() as tx:
                tx.deletions.ended(file_id)

    def look_again(self) -> None:
        """Asks for a listing if deletions wait for one: the one that was asked for may have failed, and without
        anybody looking there is no other.
        """
        with contextlib.suppress(FsError):      # our own disk: the uploader's threads say so
            with self._db.reading() as tx:
                doubtful = tx.deletions.is_any_doubtful()
            if doubtful:
                self._ask_listing()

    def _ask(self, file_id: FileId, plan: DeletePlan, *, gone: bool) -> bool:
        """Asks the server to delete it. False: it isn't deleted, as far as one can tell."""
        try:
            if not gone:
                self._remote.delete(file_id)
        except Gone:
            return True
        except RemoteError as exc:
            self._not_deleted(file_id, plan, exc)
            return False
        return True

    def _deleted(self, file_id: FileId) -> None:
        with self._db.transaction() as tx:
            tx.deletions.deleted(file_id, self._clock.time_ns())
            tx.shares.ended(file_id, withdraw=True)
            self._mirror.forget_kept(tx, file_id)
        if not self._handles.reads_from(file_id):       # else the last release drops it
            self._cache.drop(file_id)
        self._told.deleted(file_id)

    def _not_deleted(self, file_id: FileId, plan: DeletePlan, exc: RemoteError) -> None:
        if isinstance(exc, (Offline, Closed)):
            return                      # nothing was asked; the way says when it goes on
        doubtful = _is_doubtful(exc)
        if not isinstance(exc, OF_THE_WAY):
            log.warning("an id could not be deleted: %s. It stays queued%s", exc,
                        ", and a listing will tell" if doubtful else "")
        plan.refused += 1
        wait_s = exc.retry_after_s if exc.retry_after_s is not None else 3 * backoff_s(plan.refused, self._chance)
        if doubtful:
            wait_s = max(wait_s, min(LONGEST_DOUBT_S, DOUBT_S * 2.0 ** min(plan.refused - 1, 10)))
        plan.not_before_s = self._clock.now_s() + wait_s
        with self._db.transaction() as tx:
            if doubtful:
                tx.deletions.doubt(file_id, str(exc))
            else:
                tx.deletions.not_deleted(file_id, str(exc))
        if doubtful:
            self._ask_listing()


def _is_doubtful(exc: RemoteError) -> bool:
    """Whether it may have been deleted: somebody else's 404, or a success that doesn't say that it is one."""
    return isinstance(exc, BadAnswer) or exc.status in DOUBTFUL
