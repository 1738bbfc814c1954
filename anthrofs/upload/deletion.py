"""One deletion on the server: of an id that the user doesn't want any more.

Owns    which ids are being deleted, when a deletion that failed is tried again, and how far the look at those that are to be deleted is.
Trusts  the service's own 404: an id that isn't there is deleted. After anybody else's, and after an answer that says nothing, the next
        whole listing decides.
Never   forgets an id that the server still has: what is refused stays queued and visible, and its name stays gone.
"""

import logging
import random
import threading
from collections.abc import Callable, Sequence
from typing import Final

from anthrofs.clock import Clock
from anthrofs.errors import BadAnswer, Closed, Gone, Offline, RemoteError
from anthrofs.model import FileId
from anthrofs.remote.api import RemoteFiles
from anthrofs.remote.gates import OF_THE_WAY
from anthrofs.remote.retry import backoff_s
from anthrofs.store.block_cache import BlockCache
from anthrofs.tree.database import Database
from anthrofs.tree.deletion_queue import FIRST
from anthrofs.tree.mirror import Mirror
from anthrofs.tree.open_table import OpenTable
from anthrofs.tree.transaction import Tx

log = logging.getLogger(__name__)

DOUBTFUL: Final = frozenset({200, 202, 404})    # with a page, or a 404 that isn't the service's own
DISK_S: Final = 5.0           # after a deletion that could not be written down
DOUBT_S: Final = 60.0         # after an answer of somebody else, if the id is still listed; twice as long after each further one
LONGEST_DOUBT_S: Final = 3600.0
LOOKED_AT: Final = 50         # ids at a time: thousands that wait for their replacements aren't looked through for each upload
REST_S: Final = 0.05          # after a look at all of them in vain, for each of its pages: 5 s for 5000 ids, whose page takes half a millisecond
FEW: Final = 50               # ids that may wait for a quiet moment, see `share`


class Deletion:
    """For all ids of a mount."""

    def __init__(self, db: Database, mirror: Mirror, cache: BlockCache, handles: OpenTable, remote: RemoteFiles,
                 clock: Clock, chance: random.Random, ask_listing: Callable[[], None]) -> None:
        self._db = db               # given
        self._mirror = mirror       # given
        self._cache = cache         # given
        self._handles = handles     # given
        self._remote = remote       # given
        self._clock = clock         # given
        self._chance = chance       # given
        self._ask_listing = ask_listing     # given: asks for a refresh, without waiting

        self._lock = threading.Lock()                           # guards the following; a leaf
        self._busy: set[FileId] = set()                         # a thread is at it
        self._later: dict[FileId, tuple[float, int]] = {}       # of what failed: when again, how often so far
        self._place = FIRST                                     # of the order in which ids wait: the next look begins behind that
        self._rest_s = 0.0                                      # until then not all of them are looked at again

    def look(self, tx: Tx, at_most: int, *, briefly: bool) -> tuple[list[FileId], float | None]:
        """(what could be deleted now, longest waiting first; seconds until there may be something else, None: at a wake). `briefly`: there
        is other work, so only a part of those that wait is looked at, another one each time.
        """
        now_s = self._clock.now_s()
        with self._lock:
            later_s = {file_id: at_s for file_id, (at_s, _) in self._later.items() if at_s > now_s}
            busy, began = set(self._busy), self._place
            rests_s = self._rest_s if now_s < self._rest_s and not briefly else None
        found, place, end, around, pages = list[FileId](), began, began, False, 0
        while not found:
            pages += 1
            page = tx.deletions.after(place, LOOKED_AT)
            found = [file_id for _, file_id, free, gone in page
                     if free and file_id not in busy and (gone or file_id not in later_s)][:at_most]
            if not found:
                ended, end = len(page) < LOOKED_AT, max([end, *(row[0] for row in page[-1:])])
                place = FIRST if ended else page[-1][0]
                if briefly or rests_s is not None:
                    break
                if (ended and (around or began == FIRST)) or (around and place >= began):
                    place = end         # all of them were looked at: the next look begins with those that come
                    with self._lock:
                        self._rest_s = now_s + REST_S * (pages - 1)
                    break
                around = around or ended
        with self._lock:
            self._place = place
        moments_s = [*later_s.values(), *([] if found or rests_s is None else [rests_s])]
        return found, min(moments_s) - now_s if moments_s else None

    @staticmethod
    def share(count: int, wanted: int) -> float:
        """Of the uploader's work, where a save has 1. What a save leaves behind is a part of that save's work: as long as saves come, the
        server never has more than twice what is wanted and a hundred. A few may wait until a burst of saves is over.
        """
        return 1 / 4 if count <= FEW else 1 if count <= wanted + FEW else 3

    def take(self, file_ids: Sequence[FileId]) -> FileId | None:
        """The first that no other thread has taken since the look is the caller's, until `run` has ended."""
        with self._lock:
            for file_id in file_ids:
                if file_id not in self._busy:
                    self._busy.add(file_id)
                    return file_id
        return None

    def refused(self) -> set[FileId]:
        """Those that failed since the last `retry_now`, and aren't due yet."""
        now_s = self._clock.now_s()
        with self._lock:
            return {file_id for file_id, (at_s, tries) in self._later.items() if tries and at_s > now_s}

    def retry_now(self) -> None:
        """Don't wait for back-offs."""
        with self._lock:
            self._later.clear()
            self._rest_s = 0.0

    def run(self, file_id: FileId) -> None:
        """One try. `file_id` was taken for this thread."""
        try:
            with self._db.reading() as tx:
                if not tx.deletions.begin(file_id):
                    self._forget(file_id)
                    return         # another thread has done it since the row was read, or the user wants it back
                gone = tx.deletions.is_proved_gone(file_id)
            try:
                self._run(file_id, gone=gone)
            finally:
                with self._db.reading() as tx:
                    tx.deletions.ended(file_id)
        finally:
            with self._lock:
                self._busy.discard(file_id)

    def _run(self, file_id: FileId, *, gone: bool) -> None:
        try:
            if not gone:
                self._remote.delete(file_id)
        except Gone:
            pass
        except RemoteError as exc:
            self._not_deleted(file_id, exc)
            return
        try:
            with self._db.transaction() as tx:
                tx.deletions.deleted(file_id, self._clock.time_ns())
                self._mirror.forget_kept(tx, file_id)
        except BaseException:
            with self._lock:            # not before: whoever waits for it would take it for refused
                self._later[file_id] = (self._clock.now_s() + DISK_S, 0)
            raise
        if not self._handles.reads_from(file_id):       # else the last release drops it
            self._cache.drop(file_id)
        self._forget(file_id)

    def _forget(self, file_id: FileId) -> None:
        with self._lock:
            self._later.pop(file_id, None)

    def _not_deleted(self, file_id: FileId, exc: RemoteError) -> None:
        if isinstance(exc, (Offline, Closed)):
            return                      # nothing was asked; the way says when it goes on
        doubtful = _is_doubtful(exc)
        if not isinstance(exc, OF_THE_WAY):
            log.warning("an id could not be deleted: %s. It stays queued%s", exc, ", and a listing will tell" if doubtful else "")
        with self._lock:
            tries = self._later.get(file_id, (0.0, 0))[1] + 1
            wait_s = exc.retry_after_s if exc.retry_after_s is not None else 3 * backoff_s(tries, self._chance)
            if doubtful:
                wait_s = max(wait_s, min(LONGEST_DOUBT_S, DOUBT_S * 2.0 ** min(tries - 1, 10)))
            self._later[file_id] = (self._clock.now_s() + wait_s, tries)
        with self._db.transaction() as tx:
            if doubtful:
                tx.deletions.doubt(file_id, str(exc))
            else:
                tx.deletions.not_deleted(file_id, str(exc))
        if doubtful:
            self._ask_listing()


def _is_doubtful(exc: RemoteError) -> bool:
    """Somebody else's 404, or a success that doesn't say that it is one: it may have been deleted."""
    return isinstance(exc, BadAnswer) or exc.status in DOUBTFUL
