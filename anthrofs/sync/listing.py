"""What a listing means for the index: a page as it comes, and, once all of it has come, what it lacks.

A page is a moment's truth: a known file whose time is between those of two files on it, and that isn't on it, is gone. A listing of
several pages is not: files come and go between them, and where the server counts in positions, a deletion on an earlier page makes a
later one skip files. So what is lacking where two pages meet is asked for by its id.

Owns    the facts listing, sweep, unordered and unreadable in the table meta.
Trusts  a listing for what it shows; for what it lacks only while it is newest first, and only of ids that were listed before it
        began: what no listing ever showed is asked for by its id.
Never   lets a listing undo what the user did here meanwhile, and holds no more than a page in memory.
"""

import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from typing import Final

from anthrofs.clock import Clock
from anthrofs.errors import BadAnswer, Gone, Refused
from anthrofs.model import Cursor, FileId, Page, RemoteFile
from anthrofs.remote.api import RemoteFiles
from anthrofs.tree import lost
from anthrofs.tree.database import Database
from anthrofs.tree.mirror import Mirror, Shown
from anthrofs.tree.open_table import OpenTable
from anthrofs.tree.transaction import Tx
from anthrofs.tree.upload_queue import concerns

log = logging.getLogger(__name__)

PAGE_FILES: Final = 1000        # the API's limit
GUARD_FILES: Final = 20         # from so many known files on, a listing that lacks most of them is not believed
SWEEP_S_PER_PAGE: Final = 6.0   # a full listing's pages cost at most a tenth of the minute's 100 list requests
NEVER_NS, EVER_NS = -2**63, 2**63 - 1
REPEATS: Final = "the listing repeats itself: what it shows is taken, what it lacks is not"
STALE_PAGES: Final = 3          # in a row, that bring nothing new to a listing: it repeats itself
LAG_NS: Final = 600 * 10**9     # so long a listing can show what is gone; an answer that was wrong hides a file no longer than that
DOUBTS: Final = 10              # ids that are asked for at once


@dataclass(frozen=True, slots=True)
class Walk:
    """How far a listing was read. Written down, it can go on after hours and in another mount."""

    number: int                         # of the listing; rows remember the last one that showed them
    began_ns: int = 0                   # server's clock, not after its first request; 0: no page has come yet
    following: Cursor | None = None     # where it goes on; None: at the beginning, or it has ended
    pages: int = 0
    files: int = 0
    skipped: int = 0                    # entries so far that made no sense
    ordered: bool = True                # newest first, so far
    first_ns: int | None = None         # created_ns of its first file
    last_ns: int = 2**63 - 1            # and of its last one, so far
    stale_pages: int = 0                # in a row up to here
    last_id: FileId | None = None       # of the last page's last file

    @property
    def understood(self) -> bool:
        """Every entry so far made sense."""
        return not self.skipped

    @property
    def ended(self) -> bool:
        """Its last page has come."""
        return self.pages > 0 and self.following is None

    def after(self, page: Page, fresh: list[RemoteFile]) -> "Walk":
        """One page further; `fresh` of its files weren't in the pages before. Raises BadAnswer for a listing without an end.

        Files that come between two pages can push some of the first onto the second one, too: that is no other order.
        """
        stale_pages = 0 if fresh else self.stale_pages + 1
        if page.following is not None and (page.following == self.following or stale_pages >= STALE_PAGES):
            raise BadAnswer(REPEATS)
        times = _times(page.files)
        ordered = times == sorted(times, reverse=True) and all(time_ns <= self.last_ns for time_ns in _times(fresh))
        return replace(self, following=page.following, pages=self.pages + 1, files=self.files + len(page.files),
                       skipped=self.skipped + page.skipped, ordered=self.ordered and ordered,
                       first_ns=times[0] if self.first_ns is None and times else self.first_ns, last_ns=min([self.last_ns, *times]),
                       stale_pages=stale_pages, last_id=page.files[-1].file_id if page.files else None)

    def as_text(self) -> str:
        """For the table meta."""
        return json.dumps(asdict(self))


def _times(files: Iterable[RemoteFile]) -> list[int]:
    return [file.created_ns for file in files if file.created_ns]      # 0: the server didn't say


def walk_of(text: str | None) -> Walk | None:
    """What as_text has made. None: nothing, or of another version of anthrofs."""
    try:
        facts = json.loads(text or "null")
        cursor = facts.pop("following")
        return Walk(**facts, following=None if cursor is None else Cursor(**cursor))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def unreadable(tx: Tx) -> int:
    """How many entries of the last listing that was read to its end, or of a newer one so far, made no sense."""
    return int(tx.get_meta("unreadable") or 0)


def page_after(remote: RemoteFiles, cursor: Cursor, last: FileId | None) -> Page | None:
    """The page behind a cursor, which the page that ended with the file `last` has given. None: somebody has deleted the file that
    the cursor names, so the listing has to begin anew. Raises RemoteError.
    """
    try:
        page = remote.list(PAGE_FILES, cursor)
        if not page.files and page.following is None and last is not None:
            remote.stat(last)           # an unknown cursor may get an empty page, which must not pass for the end
    except Refused as exc:
        if exc.status in (400, 404):
            return None
        raise
    return page


class Listings:
    """Of one workspace. Reading a page from the network is the callers'."""

    def __init__(self, db: Database, mirror: Mirror, handles: OpenTable, clock: Clock,
                 decided: Callable[[], None] = lambda: None) -> None:
        self._db = db                   # given
        self._mirror = mirror           # given
        self._handles = handles         # given
        self._clock = clock             # given
        self._decided = decided         # given: told when a listing has shown what became of doubtful deletions

    def begin(self, tx: Tx) -> Walk:
        """A new one."""
        number = int(tx.get_meta("listing") or 0) + 1
        tx.set_meta("listing", str(number))
        return Walk(number)

    def merge(self, tx: Tx, walk: Walk, page: Page, remote: RemoteFiles) -> tuple[Walk, int]:
        """Show a page's files, and take away what it proves to be gone, if the server names the workspace. Returns how far the
        listing is read by that, and how many files have to be shown again later. Raises BadAnswer for one without an end.
        """
        held, fresh, now_ns = 0, list[RemoteFile](), self.began_ns(remote, 0.0)
        busy = self._handles.busy()         # inside the transaction: whoever opens a node from now on reads it after this commit
        idle = tx.uploads.is_empty() and tx.deletions.is_empty()    # then none of them can be ours: half of a first listing's time
        attempts = [] if idle else tx.uploads.in_flight()
        given_up = lost.every(tx, self._clock.time_ns())
        for file in page.files:
            expired = file.expires_ns is not None and file.expires_ns <= now_ns
            doomed = not idle and tx.deletions.is_doomed(file.file_id)
            if doomed:
                tx.deletions.saw(file.file_id, walk.number)
            if expired or doomed:
                if file.created_ns < walk.last_ns:
                    fresh.append(file)
                continue
            if any(concerns(attempt, file) for attempt in attempts) and not self._mirror.knows(tx, file.file_id):
                shown = Shown.HELD
            else:
                late = bool(given_up) and lost.is_late(given_up, file)
                shown = self._mirror.show(tx, file, walk.number, busy, late=late)
                if late and shown is Shown.NEW:
                    log.warning("the server has a file %r (%s) that may be of a try of ours which was given up, or of somebody else: it is "
                                "left there, and shows", file.name, file.file_id)
            held += shown is Shown.HELD
            if shown in (Shown.NEW, Shown.KNOWN):
                fresh.append(file)
        times = _times(page.files)
        walk = walk.after(page, fresh)
        self._count(tx, walk)
        named = remote.workspace().workspace_id is not None
        if named and times and walk.ordered and not page.skipped and walk.number > 1 and tx.get_meta("unordered") is None:
            # After the last file of a last page nothing comes. (An empty one may only be behind the end.)
            self._mirror.sweep(tx, walk.number, times[-1] if page.following else NEVER_NS, times[0], busy)
        return walk, held

    def _count(self, tx: Tx, walk: Walk) -> None:
        """A page that shows the newest files only takes nothing back: the entries may be on a later one."""
        known = unreadable(tx)
        if walk.skipped > known:
            log.warning("%d entries of the listing can't be read (no usable id, name or size): they are not shown", walk.skipped)
        if walk.skipped > known or (walk.ended and walk.skipped < known):
            tx.set_meta("unreadable", str(walk.skipped) if walk.skipped else None)

    def began_ns(self, remote: RemoteFiles, passed_s: float) -> int:
        """The server's clock so long ago, not later than it was. After an answer only: it tells if one of the clocks has jumped."""
        clock = remote.clock()
        return self._clock.time_ns() + (clock.earliest_ns if clock else 0) - round(passed_s * 1e9)

    def gone(self, file_id: FileId) -> bool:
        """The service says that it has no such id: its listings lag behind that, so for a while they don't bring it back. Who has it open
        keeps it until the last release, which says so again. True: it went.
        """
        for _ in range(2):
            with self._db.transaction() as tx:
                if self._mirror.vanished(tx, file_id, self._handles.busy()):
                    now_ns = self._clock.time_ns()
                    tx.deletions.bury(file_id, now_ns, now_ns + LAG_NS)
                    return True
                node_id = self._mirror.node_with(tx, file_id)
            if node_id is None or self._handles.owe(node_id, gone=True):
                return False
        return False            # it is about to be opened again

    def conclude(self, walk: Walk, remote: RemoteFiles, *, accept: bool) -> bool:
        """It has ended: what it should have shown and didn't is gone, or asked for. `accept`: a person believes it.

        False: there is more to be asked for. Raises BadAnswer for one that lacks most files of a workspace that the server doesn't
        name; RemoteError: call it again.
        """
        doubts = 0
        if walk.understood:
            self._guard(walk, remote, accept=accept)
            with self._db.transaction() as tx:
                busy = self._handles.busy()
                if accept or walk.pages == 1:
                    self._mirror.sweep(tx, walk.number, NEVER_NS, EVER_NS, busy)
                elif walk.ordered and walk.first_ns is not None:
                    self._mirror.sweep(tx, walk.number, walk.first_ns, EVER_NS, busy)       # before the first file nothing comes
            doubts = self.ask(walk, remote, NEVER_NS)
        decided = False
        with self._db.transaction() as tx:
            if doubts < DOUBTS:
                tx.set_meta("sweep", None)          # one that is under way has nothing to add, and its next page may be older
            if walk.understood:
                tx.set_meta("unordered", None if walk.ordered else "1")
                decided = tx.deletions.decide(walk.number)
        if decided:
            self._decided()
        return doubts < DOUBTS

    def ask(self, walk: Walk, remote: RemoteFiles, above_ns: int) -> int:
        """What the listing should have shown above that time, and didn't, is asked for by its id, up to DOUBTS. Returns how many."""
        with self._db.reading() as tx:
            doubtful = self._mirror.doubtful(tx, walk.number, walk.began_ns, above_ns, self._handles.busy(), DOUBTS)
        for file_id in doubtful:
            gone = False
            try:
                remote.stat(file_id)
            except Refused as exc:
                gone = isinstance(exc, Gone) and exc.from_service
            if gone:
                self.gone(file_id)
            else:
                with self._db.transaction() as tx:
                    self._mirror.saw(tx, file_id, walk.number)
        return len(doubtful)

    def _guard(self, walk: Walk, remote: RemoteFiles, *, accept: bool) -> None:
        with self._db.reading() as tx:
            gone, known = self._mirror.missing(tx, walk.number)
        named = remote.workspace().workspace_id is not None
        if known >= GUARD_FILES and gone > known / 2 and not accept and not named:
            raise BadAnswer(f"the listing lacks {gone} of {known} known files, and the server doesn't say which workspace it "
                            "is: nothing was removed. If they are really gone: anthrofs refresh --accept DIR")
