"""Finds what is gone from a workspace of several pages: a full listing, one page at a time, while somebody looks.

A refresh reads only what is new, so it never waits for this. How far a sweep has come is written down with each page: ended by an
unmount, the network, or because nobody looks any more, it goes on there. What became of files meanwhile doesn't matter: what is gone
is proved by a single page, or asked for; and what one of its pages, or any refresh since it began, has shown stays.

Owns    one thread, and the fact sweep in the table meta (with listing.py, which ends it).
Trusts  what listing.py trusts, and the refresher's fact one_page; a cursor that the server refuses, or another workspace's page, ends the sweep.
Never   asks while nobody looks, or while the refresher gets no answers: it finds out first.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from anthrofs.clock import Clock
from anthrofs.config import Config
from anthrofs.errors import BadAnswer, FsError, StateLost
from anthrofs.remote.api import RemoteFiles
from anthrofs.remote.gates import OF_THE_WAY
from anthrofs.sync import workspace
from anthrofs.sync.listing import PAGE_FILES, SWEEP_S_PER_PAGE, Listings, Walk, page_after, walk_of
from anthrofs.sync.worker import Worker
from anthrofs.tree.database import Database

log = logging.getLogger(__name__)

FAILED_S: Final = 60.0          # after a page that didn't come


class Sweeper:
    """mount.py starts and stops it."""

    def __init__(self, db: Database, listings: Listings, remote: RemoteFiles, clock: Clock, config: Config,
                 watched: Callable[[], bool]) -> None:
        self._db = db                   # given
        self._listings = listings       # given
        self._remote = remote           # given
        self._clock = clock             # given
        self._config = config           # given
        self._watched = watched         # given: somebody looks, and the service answers
        self._worker = Worker("sweeper", clock, self.due_s, self.step)
        self._next_s = float("-inf")    # the thread's only: no step before that

    def start(self) -> None:
        """Due steps are taken from now on."""
        self._worker.start()

    def wake(self) -> None:
        """Whether somebody looks, or the service answers, may have changed."""
        self._worker.wake()

    def stop(self, timeout_s: float) -> bool:
        """False: a step hangs in a request and was left to the process's end."""
        return self._worker.stop(timeout_s)

    # ---- the steps; called by the thread only, and by tests

    def due_s(self) -> float:
        """Seconds until the next step; infinite while there is nothing to be done."""
        if not self._watched():
            return float("inf")
        with self._db.reading() as tx:
            # Not by what is shown: what has expired stays in the listing for a month.
            if tx.get_meta("one_page") is not None or tx.get_meta("unordered") is not None:
                return float("inf")             # every refresh is a full listing
            going_on, swept_ns = walk_of(tx.get_meta("sweep")) is not None, tx.get_meta("swept_ns")
        now_s = self._clock.now_s()
        if going_on or swept_ns is None:
            return self._next_s - now_s
        age_s = (self._clock.time_ns() - int(swept_ns)) / 1e9
        period_s = max(self._config.sweep_s, SWEEP_S_PER_PAGE * self._db.nodes.totals()[0] / PAGE_FILES)
        # Begun in the future: the wall clock was set back.
        return max(self._next_s - now_s, 0.0 if age_s < 0 else period_s - age_s)

    def step(self) -> None:
        """One page, or the end of a sweep, which may take several. Raises Stopping."""
        began_s = self._clock.now_s()
        self._next_s = began_s + FAILED_S       # also after a bug
        with self._db.transaction() as tx:
            walk = walk_of(tx.get_meta("sweep"))
            if walk is None:
                walk = self._listings.begin(tx)
                tx.set_meta("sweep", walk.as_text())
                tx.set_meta("swept_ns", str(self._clock.time_ns()))
        try:
            if not walk.ended:
                walk = self._read(walk)
            if walk.ended:
                self._listings.conclude(walk, self._remote, accept=False)
            self._next_s = began_s + SWEEP_S_PER_PAGE
        except StateLost:
            self._next_s = self._clock.now_s() + FAILED_S       # that was said
        except FsError as exc:
            self._failed(exc)

    def _read(self, walk: Walk) -> Walk:
        """One page further; or not, if it doesn't count any more. Raises RemoteError."""
        asked_s = self._clock.now_s()
        page = self._remote.list(PAGE_FILES) if walk.following is None else page_after(self._remote, walk.following, walk.last_id)
        if page is None:
            log.info("the listing can't go on where it was left: it begins again")
            with self._db.transaction() as tx:
                tx.set_meta("sweep", None)
            return replace(walk, following=None, pages=0)
        began_ns = walk.began_ns or self._listings.began_ns(self._remote, self._clock.now_s() - asked_s)
        with self._db.transaction() as tx:
            now = walk_of(tx.get_meta("sweep"))
            if now != walk or workspace.match(tx, self._config.service, self._remote.workspace()) is not workspace.Match.SAME:
                # A complete listing came in between, or it is another workspace's: the refresher will say so.
                return replace(walk, following=None, pages=0)
            walk, _ = self._listings.merge(tx, replace(walk, began_ns=began_ns), page, self._remote)
            tx.set_meta("sweep", walk.as_text())
        return walk

    def _failed(self, exc: FsError) -> None:
        """Of a listing that makes no sense the next sweep begins at the beginning; where none came, the same page is asked for again."""
        self._next_s = self._clock.now_s() + FAILED_S
        if not isinstance(exc, OF_THE_WAY):
            log.warning("the full listing was not completed: %s", exc)
        if not isinstance(exc, BadAnswer) or exc.status is not None:
            return
        with self._db.transaction() as tx:
            tx.set_meta("sweep", None)
