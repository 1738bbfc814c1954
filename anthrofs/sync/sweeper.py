"""Finds what is gone from a workspace of several pages: a full listing, one page at a time, while somebody looks.

A refresh reads only what is new, so it never waits for this. How far a sweep has come is written down with each page:
ended by an unmount, the network, or because nobody looks any more, it goes on there. What became of files meanwhile
doesn't matter: what is gone is proved by a single page, or asked for; and what one of its pages, or any refresh since
it began, has shown stays.

Owns    one thread, and the fact sweep in the table meta (with merge.py, which ends it).
Trusts  what merge.py trusts, and the refresher's fact one_page; a cursor that the server refuses, or another
        workspace's page, ends the sweep.
Never   asks while nobody looks, or while the refresher gets no answers: it finds out first.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from anthrofs.clock import Clock
from anthrofs.config import Config
from anthrofs.errors import BadAnswer, FsError, StateLost
from anthrofs.remote.gates import OF_THE_WAY
from anthrofs.sync import workspace
from anthrofs.sync.listings import Listings
from anthrofs.sync.merge import Merge
from anthrofs.sync.merged import OLDEST_S
from anthrofs.sync.scan import PAGE_FILES, SWEEP_S_PER_PAGE, Scan, page_after, scan_of
from anthrofs.tree.database import Database
from anthrofs.worker import Worker

log = logging.getLogger(__name__)

FAILED_S: Final = 60.0          # after a page that didn't come
JOIN_S: Final = 5.0             # so long after another mount's sweep has begun, its pages are worth an early one


class Sweeper:
    """mount.py starts and stops it."""

    def __init__(self, db: Database, merge: Merge, listings: Listings, clock: Clock, config: Config,
                 watched: Callable[[], bool]) -> None:
        self._db = db                   # given
        self._merge = merge             # given
        self._listings = listings       # given
        self._clock = clock             # given
        self._config = config           # given
        self._watched = watched         # given: somebody looks, and the service answers
        self._worker = Worker("sweeper", clock, self.due_s, self.step)
        self._next_s = float("-inf")    # the thread's only: no step before that
        self._joined_s = float("-inf")  # when another mount has begun one; the thread reads it only

    def start(self) -> None:
        """Steps are done from now on, when they are due."""
        self._worker.start()

    def wake(self) -> None:
        """Whether somebody looks, or the service answers, may have changed."""
        self._worker.wake()

    def join(self) -> None:
        """Another mount has begun a sweep: this one's comes early if it isn't long until its time, for the same pages
        serve both.
        """
        self._joined_s = self._clock.now_s()
        self._worker.wake()

    def stop(self, timeout_s: float) -> bool:
        """Returns False where a step hangs in a request, and is left to the process's end."""
        return self._worker.stop(timeout_s)

    # ---- the steps; called by the thread only, and by tests

    def due_s(self) -> float:
        """Returns the seconds until the next step; infinite while there is nothing to be done."""
        if not self._watched():
            return float("inf")
        with self._db.reading() as tx:
            # Not by what is shown: what has expired stays in the listing for a month.
            if tx.get_meta("one_page") is not None or tx.get_meta("unordered") is not None:
                return float("inf")             # every refresh is a full listing
            going_on, swept_ns = scan_of(tx.get_meta("sweep")) is not None, tx.get_meta("swept_ns")
        now_s = self._clock.now_s()
        period_s = self._listings.pause_s(max(self._config.sweep_s,
                                              SWEEP_S_PER_PAGE * self._db.nodes.totals()[0] / PAGE_FILES))
        if period_s == float("inf"):
            return period_s
        if going_on or swept_ns is None:
            return self._next_s - now_s
        age_s = (self._clock.time_ns() - int(swept_ns)) / 1e9
        if now_s - self._joined_s < JOIN_S and age_s >= period_s / 2:
            return self._next_s - now_s
        # Begun in the future: the wall clock was set back.
        return max(self._next_s - now_s, 0.0 if age_s < 0 else period_s - age_s)

    def step(self) -> None:
        """Takes one page, or the end of a sweep, which may take several steps. Raises Stopping."""
        began_s = self._clock.now_s()
        self._next_s = began_s + FAILED_S       # also after a bug
        scan: Scan | None
        with self._db.transaction() as tx:
            scan = scan_of(tx.get_meta("sweep"))
            if scan is None:
                scan = self._merge.begin(tx)
                tx.set_meta("sweep", scan.as_text())
                tx.set_meta("swept_ns", str(self._clock.time_ns()))
        try:
            if not scan.ended:
                scan = self._go_on(scan)
            if scan is not None and scan.ended:
                self._merge.conclude(scan, self._listings.since(began_s), accept=False)
            self._next_s = began_s + SWEEP_S_PER_PAGE
        except StateLost:
            self._next_s = self._clock.now_s() + FAILED_S       # that was said
        except FsError as exc:
            self._failed(exc)

    def _go_on(self, scan: Scan) -> Scan | None:
        """Takes the next page. Returns None where it doesn't count, or the sweep has to begin again. Raises
        RemoteError.
        """
        asked_s = self._clock.now_s()
        remote = self._listings.since(asked_s - OLDEST_S)
        page = page_after(remote, scan.following, scan.last_id)
        if page is None:
            log.info("the listing can't go on where it was left: it begins again")
            with self._db.transaction() as tx:
                tx.set_meta("sweep", None)
            return None
        if page.asked_s is not None:
            asked_s = min(asked_s, page.asked_s)
        began_ns = scan.began_ns or self._merge.server_ns(remote, self._clock.now_s() - asked_s)
        with self._db.transaction() as tx:
            now = scan_of(tx.get_meta("sweep"))
            whose = workspace.match(tx, self._config.service, remote.workspace())
            if now != scan or whose is not workspace.Match.SAME:
                return None     # a complete listing came in between, or another workspace's: the refresher will say so
            merged = self._merge.page(tx, replace(scan, began_ns=began_ns), page, remote)
            if merged is None:
                return None
            scan, _ = merged
            tx.set_meta("sweep", scan.as_text())
        return scan

    def _failed(self, exc: FsError) -> None:
        """A listing that makes no sense is begun again by the next sweep; where no page came, the same one is asked for
        again.
        """
        self._next_s = self._clock.now_s() + FAILED_S
        if not isinstance(exc, OF_THE_WAY):
            log.warning("the full listing was not completed: %s", exc)
        if not isinstance(exc, BadAnswer) or exc.status is not None:
            return
        with self._db.transaction() as tx:
            tx.set_meta("sweep", None)
