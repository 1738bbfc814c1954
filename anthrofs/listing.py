"""What a listing means for the index: a page as it comes, and, once all of it has come, what it lacks.

A listing of one page is a moment's truth. One of several pages isn't: files come and go between them, and where the server
counts in positions, a deletion on an earlier page makes a later one skip a file. So what such a listing lacks is gone only if the
service says so when it is asked for that id, or if the complete listing before lacked it, too.

Owns    the facts listing, complete, sweep and unordered in the table meta.
Serves  refresher and sweeper, which ask for the pages.
Trusts  a listing for what it shows; for what it lacks only if all of it was understood, and only of ids that were listed before it
        began: what no listing ever showed is asked for by its id.
Never   lets a listing undo what the user did here meanwhile, and holds no more than a page in memory.
"""

import json
from dataclasses import asdict, dataclass, replace
from typing import Final

from anthrofs.clock import Clock
from anthrofs.db import Database, Tx
from anthrofs.errors import BadAnswer, Gone, Refused
from anthrofs.handles import Handles
from anthrofs.mirror import Mirror, Shown
from anthrofs.model import ROOT, Cursor, FileId, NodeId, Page
from anthrofs.outbox import Outbox
from anthrofs.remote import RemoteFiles

PAGE_FILES: Final = 1000        # the API's limit
GUARD_FILES: Final = 20         # from so many known files on, a listing that lacks most of them is not believed
SWEEP_S_PER_PAGE: Final = 6.0   # a full listing's pages cost at most a tenth of the minute's 100 list requests
REPEATS: Final = "the listing repeats itself: what it shows is taken, what it lacks is not"
STALE_PAGES: Final = 3          # in a row, that bring nothing new to a listing: it repeats itself
DOUBTS: Final = 10              # ids that are asked for after one listing; the next listing decides about the others


@dataclass(frozen=True, slots=True)
class Walk:
    """How far a listing was read. Written down, it can go on after hours and in another mount."""

    number: int                         # of the listing; rows remember the last one that showed them
    began_ns: int = 0                   # server's clock, not after its first request; 0: no page has come yet
    following: Cursor | None = None     # where it goes on; None: at the beginning, or it has ended
    pages: int = 0
    files: int = 0
    understood: bool = True             # every entry so far made sense
    ordered: bool = True                # newest first, so far
    last_ns: int = 2**63 - 1            # created_ns of the oldest end of the last page
    stale_pages: int = 0                # in a row up to here

    @property
    def ended(self) -> bool:
        """Its last page has come."""
        return self.pages > 0 and self.following is None

    @property
    def complete(self) -> bool:
        """It can say what is gone."""
        return self.ended and self.understood

    def after(self, page: Page, fresh: int) -> "Walk":
        """One page further; `fresh` of its files weren't in the pages before. Raises BadAnswer for a listing without an end."""
        stale_pages = 0 if fresh else self.stale_pages + 1
        if page.following is not None and (page.following == self.following or stale_pages >= STALE_PAGES):
            raise BadAnswer(REPEATS)
        ordered, last_ns = self.ordered, self.last_ns
        for file in page.files:
            if file.created_ns:         # 0: the server didn't say
                ordered, last_ns = ordered and file.created_ns <= last_ns, file.created_ns
        return replace(self, following=page.following, pages=self.pages + 1, files=self.files + len(page.files), ordered=ordered,
                       understood=self.understood and not page.skipped, last_ns=last_ns, stale_pages=stale_pages)

    def as_text(self) -> str:
        """For the table meta."""
        return json.dumps(asdict(self))


def walk_of(text: str | None) -> Walk | None:
    """What as_text has made. None: nothing, or of another version of anthrofs."""
    try:
        facts = json.loads(text or "null")
        cursor = facts.pop("following")
        return Walk(**facts, following=None if cursor is None else Cursor(**cursor))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


class Listings:
    """Of one workspace. Reading a page from the network is the callers'."""

    def __init__(self, db: Database, mirror: Mirror, outbox: Outbox, handles: Handles, clock: Clock) -> None:
        self._db = db                   # given
        self._mirror = mirror           # given
        self._outbox = outbox           # given
        self._handles = handles         # given
        self._clock = clock             # given

    def begin(self, tx: Tx) -> Walk:
        """A new one."""
        number = int(tx.get_meta("listing") or 0) + 1
        tx.set_meta("listing", str(number))
        return Walk(number)

    def merge(self, tx: Tx, walk: Walk, page: Page) -> tuple[int, int]:
        """Show a page's files. Returns how many have to be shown again later, and how many the pages before didn't have."""
        held = fresh = 0
        busy = self._handles.busy()         # inside the transaction: whoever opens a node from now on reads it after this commit
        for file in page.files:
            if self._outbox.is_doomed(tx, file.file_id):
                fresh += file.created_ns < walk.last_ns
                continue
            if self._outbox.fits_in_flight(tx, file) and not self._mirror.knows(tx, file.file_id):
                shown = Shown.HELD
            else:
                shown = self._mirror.show(tx, file, walk.number, busy)
            held += shown is Shown.HELD
            fresh += shown in (Shown.NEW, Shown.KNOWN)
        return held, fresh

    def began_ns(self, remote: RemoteFiles, passed_s: float) -> int:
        """The server's clock so long ago, not later than it was. After an answer only: it tells if one of the clocks has jumped."""
        clock = remote.clock()
        return self._clock.time_ns() + (clock.earliest_ns if clock else 0) - round(passed_s * 1e9)

    def gone(self, file_id: FileId) -> None:
        """The service says that it has no such id: its listings lag behind that, so for a while they don't bring it back."""
        with self._db.transaction() as tx:
            if self._mirror.vanished(tx, file_id, self._handles.busy()):
                self._outbox.bury(tx, file_id, self._clock.time_ns())

    def conclude(self, walk: Walk, remote: RemoteFiles, *, accept: bool) -> None:
        """It has ended: what it should have shown and didn't is gone, or asked for. `accept`: a person believes it.

        Raises BadAnswer for one that lacks most files of a workspace that the server doesn't name; RemoteError: call it again.
        """
        if walk.complete:
            self._guard(walk, remote, accept=accept)
            self._remove(walk, remote, at_once=accept or walk.pages == 1)
        with self._db.transaction() as tx:
            tx.set_meta("sweep", None)          # one that is under way has nothing to add, and its next page may be older
            if walk.complete:
                tx.set_meta("complete", str(walk.number))
                tx.set_meta("unordered", None if walk.ordered else "1")

    def _guard(self, walk: Walk, remote: RemoteFiles, *, accept: bool) -> None:
        with self._db.reading() as tx:
            gone, known = self._mirror.missing(tx, walk.number, walk.began_ns)
        named = remote.workspace().workspace_id is not None
        if known >= GUARD_FILES and gone > known / 2 and not accept and not named:
            raise BadAnswer(f"the listing lacks {gone} of {known} known files, and the server doesn't say which workspace it "
                            "is: nothing was removed. If they are really gone: anthrofs refresh --accept DIR")

    def _remove(self, walk: Walk, remote: RemoteFiles, *, at_once: bool) -> None:
        with self._db.reading() as tx:
            before = walk.number if at_once else min(walk.number, int(tx.get_meta("complete") or 0))
        last: NodeId | None = ROOT
        while last is not None:
            with self._db.transaction() as tx:
                last = self._mirror.sweep(tx, before, self._handles.busy(), after=last)
        with self._db.reading() as tx:
            doubtful = self._mirror.doubtful(tx, walk.number, walk.began_ns, self._handles.busy(), DOUBTS)
        for file_id in doubtful:
            try:
                remote.stat(file_id)
            except Refused as exc:
                if isinstance(exc, Gone) and exc.from_service:
                    self.gone(file_id)
                continue
            with self._db.transaction() as tx:
                self._mirror.saw(tx, file_id, walk.number)
