"""One listing for all mounts of a workspace: a page that one of them has asked for lately serves the others.

Who finds none that is young enough takes a lease, looks again, and asks the service; who doesn't get the lease waits
for the page. A mount's first request is its own: before the service has answered it, whose workspace it is isn't known.

Trusts  a lease for nothing but to save requests: two holders cost one.
Never   fails or waits longer for want of a board: then a mount asks for itself.
"""

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from anthrofs.clock import Clock
from anthrofs.errors import BoardAway, Stopping
from anthrofs.fleet.absence import Absence
from anthrofs.fleet.board import Board
from anthrofs.fleet.counts import Counts
from anthrofs.fleet.membership import Membership
from anthrofs.fleet.page_notes import KEPT_S, PageNotes
from anthrofs.model import Cursor, FileId, Page, RemoteFile, ServerClock, Workspace
from anthrofs.remote.api import Body, Download, RemoteFiles

SLOWEST_S: Final = 1.0          # looks for a page that is waited for
LONGER: Final = 1.5
NOW_S: Final = 1.0              # who wants no page that is older has no use for what others are asking for


class Admits(Protocol):
    """Asked whether a page of others is new enough for this mount's tree."""

    def __call__(self, page: Page, *, first: bool) -> bool: ...


@dataclass(frozen=True, slots=True)
class Manner:
    """How a kind of listing shares."""

    lease: str              # for all of its pages; empty: each page has one of its own
    lease_s: float
    look_s: float           # between the first two looks whether the page is there; then ever longer, up to SLOWEST_S
    wait_s: float           # the longest that it is waited for


# A lease lasts over what a request waits for its turn when the budget is short: then all mounts wait for one answer.
NEWS: Final = Manner("", 20.0, 0.05, 20.0)          # somebody looks, and waits for it
SWEEP: Final = Manner("sweep", 30.0, 1.0, 35.0)     # goes on for minutes, a page each few seconds


@dataclass(frozen=True, slots=True)
class Company:
    """Things that all askers of one mount have in common."""

    board: Board
    notes: PageNotes
    membership: Membership
    absence: Absence
    counts: Counts
    clock: Clock
    stopping: threading.Event
    admits: Admits


class SharedListing:
    """One asker's pages, see Listings."""

    def __init__(self, own: RemoteFiles, company: Company, manner: Manner, pause_s: Callable[[float], float],
                 began: Callable[[], None] = lambda: None) -> None:
        """`began`: told when this mount has asked for a listing's first page, and others can have it."""
        self._own = own                 # given
        self._company = company         # given
        self._manner = manner           # constant
        self._pause_s = pause_s         # given
        self._began = began             # given

    def since(self, moment_s: float) -> RemoteFiles:
        """See Listings."""
        return _Since(self, self._own, moment_s)

    def pause_s(self, own_s: float) -> float:
        """See Listings."""
        return self._pause_s(own_s)

    def list(self, limit: int, cursor: Cursor | None, since_s: float) -> Page:
        """Returns a page that was asked for since then, by whomever. Raises RemoteError, Stopping."""
        company = self._company
        if company.membership.scope is None:
            return self._asked(limit, cursor)
        try:
            found = self._awaited(limit, cursor, since_s)
        except BoardAway:
            company.absence.note(away=True)
            return self._asked(limit, cursor)
        company.absence.note(away=False)
        if found is not None:
            company.counts.add("spared")
            return found
        try:
            page = self._asked(limit, cursor)
            self._put(limit, cursor, page)
        finally:
            self._release(limit, cursor)
        return page

    def _awaited(self, limit: int, cursor: Cursor | None, since_s: float) -> Page | None:
        """Waits for a page of others. None: it is this mount's turn to ask. Raises BoardAway, Stopping."""
        company, manner = self._company, self._manner
        began_s, look_s = company.clock.now_s(), manner.look_s
        while True:
            page = self._found(limit, cursor, since_s)
            if self._serves(page, cursor):
                return page
            if since_s > began_s - NOW_S or (page is not None and manner.lease):
                return None         # nobody is about to ask for a newer one
            if company.board.lease(self._lease(limit, cursor), manner.lease_s):
                # Who had it before may have put the page there in this moment.
                page = self._found(limit, cursor, since_s)
                if not self._serves(page, cursor):
                    return None
                self._release(limit, cursor)
                return page
            if company.clock.now_s() >= began_s + manner.wait_s:
                return None
            if company.clock.sleep(company.stopping, look_s):
                raise Stopping("the mount is ending")
            look_s = min(SLOWEST_S, LONGER * look_s)

    def _found(self, limit: int, cursor: Cursor | None, since_s: float) -> Page | None:
        return self._company.notes.find(limit, cursor, min(KEPT_S, self._company.clock.now_s() - since_s))

    def _serves(self, page: Page | None, cursor: Cursor | None) -> bool:
        return page is not None and self._company.admits(page, first=cursor is None)

    def _asked(self, limit: int, cursor: Cursor | None) -> Page:
        self._company.counts.add("lists")
        return self._own.list(limit, cursor)

    def _put(self, limit: int, cursor: Cursor | None, page: Page) -> None:
        company = self._company
        if not company.membership.is_of(self._own.workspace()):
            return          # the key leads to another workspace now: the refresh that gets this page will say so
        try:
            company.notes.put(limit, cursor, page)
        except BoardAway:
            company.absence.note(away=True)
            return
        if cursor is None:
            self._began()

    def _release(self, limit: int, cursor: Cursor | None) -> None:
        if not self._manner.lease:
            with contextlib.suppress(BoardAway):
                self._company.board.release(self._lease(limit, cursor))

    def _lease(self, limit: int, cursor: Cursor | None) -> str:
        return self._manner.lease or f"page:{self._company.notes.name(limit, cursor)}"


class _Since:
    """The service, with pages that were asked for since some moment."""

    def __init__(self, listing: SharedListing, own: RemoteFiles, moment_s: float) -> None:
        self._listing = listing         # given
        self._own = own                 # given
        self._moment_s = moment_s       # constant

    def list(self, limit: int, cursor: Cursor | None = None) -> Page:
        """See RemoteFiles."""
        return self._listing.list(limit, cursor, self._moment_s)

    def stat(self, file_id: FileId) -> RemoteFile:
        """See RemoteFiles."""
        return self._own.stat(file_id)

    def download(self, file_id: FileId, first: int = 0, last: int | None = None) -> Download:
        """See RemoteFiles."""
        return self._own.download(file_id, first, last)

    def upload(self, name: str, mime_type: str, body: Body, expires_s: int | None = None) -> RemoteFile:
        """See RemoteFiles."""
        return self._own.upload(name, mime_type, body, expires_s)

    def delete(self, file_id: FileId) -> None:
        """See RemoteFiles."""
        self._own.delete(file_id)

    def clock(self) -> ServerClock | None:
        """See RemoteFiles."""
        return self._own.clock()

    def workspace(self) -> Workspace:
        """See RemoteFiles."""
        return self._own.workspace()
