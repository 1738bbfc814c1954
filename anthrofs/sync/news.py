"""One refresh: what is new in the server's listing is taken into the tree.

A refresh reads newest first until it meets the watermark, the newest file that a listing has shown before. A workspace
of one page is listed whole by that; what is gone from a bigger one the sweeper finds.

Owns    the facts watermark, listed_ns, one_page and swept_ns in the table meta.
Trusts  what merge.py trusts.
Never   believes a listing before it is known whose files it shows.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from anthrofs.clock import Clock
from anthrofs.config import Config
from anthrofs.errors import SetupError
from anthrofs.model import FileId, Page, RemoteFile
from anthrofs.remote.api import RemoteFiles
from anthrofs.sync import workspace
from anthrofs.sync.listings import Listings
from anthrofs.sync.merge import Merge
from anthrofs.sync.scan import PAGE_FILES, Listing, Scan
from anthrofs.tree.database import Database
from anthrofs.tree.mirror import SETTLED_NS, Mirror

NEWS_FILES: Final = 30          # of the first page, where a refresh needs only what is new: 6 KB


@dataclass(frozen=True, slots=True)
class Watermark:
    """The newest file that a listing has shown before: behind it nothing is new."""

    created_ns: int
    file_id: str

    def is_met(self, page: Page) -> bool:
        """Whether the page comes as far as this file, or where it was before others have deleted it."""
        return any(file.file_id == self.file_id or file.created_ns < self.created_ns for file in page.files)

    def as_text(self) -> str:
        """Returns the line for the table meta."""
        return f"{self.created_ns} {self.file_id}"


def watermark_of(text: str | None) -> Watermark | None:
    """Reads what as_text has written. None: there is nothing, or it is damaged."""
    created_ns, _, file_id = (text or "").partition(" ")
    try:
        return Watermark(int(created_ns), file_id)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Taken:
    """A refresh that has gone well."""

    pages: int
    asked_s: float          # our monotonic clock: when its first page was asked for, by whomever


class News:
    """News of the server's files, for one tree."""

    def __init__(self, db: Database, mirror: Mirror, merge: Merge, listings: Listings, clock: Clock, config: Config,
                 recognized: Callable[[], None], strange: Callable[[], None]) -> None:
        self._db = db                   # given
        self._mirror = mirror           # given
        self._merge = merge             # given
        self._listings = listings       # given
        self._clock = clock             # given
        self._config = config           # given
        self._recognized = recognized   # given: told that the service has answered, and for the workspace of this state
        self._strange = strange         # given: told that the service has answered for another one

        # The server's clock: what was there by then, the last listing has shown. Written by who takes it.
        self._shown_ns = 2**63 - 1

    def take(self, *, since_s: float, whole: bool, accept: bool, progress: Callable[[int], None]) -> Taken:
        """Takes in what is new, or the `whole` listing, by pages that were asked for since that moment; `accept`: a
        person believes it, whatever it lacks. Tells `progress` after each page how many files there were so far. Raises
        FsError, SetupError.
        """
        taken = self._take(self._listings.since(since_s), whole=whole, accept=accept, progress=progress)
        while taken is None:        # one of others' pages was overtaken between its coming and its being merged
            taken = self._take(self._listings.since(float("inf")), whole=whole, accept=accept, progress=progress)
        return taken

    def told(self, stored: Iterable[RemoteFile], gone: Iterable[FileId]) -> None:
        """Other mounts say that the service has stored these files, and that those are gone. Raises FsError."""
        for file_id in gone:
            self._merge.told_gone(file_id)
        self._merge.told(stored, self._shown_ns)

    def _take(self, remote: RemoteFiles, *, whole: bool, accept: bool,
              progress: Callable[[int], None]) -> Taken | None:
        scan, mark = self._begin(whole=whole)
        known = self._db.nodes.totals()[0]
        asked_s = self._clock.now_s()
        first = remote.list(PAGE_FILES if mark is None or known <= PAGE_FILES else NEWS_FILES)
        if first.asked_s is not None:
            asked_s = min(asked_s, first.asked_s)
        scan = replace(scan, began_ns=self._merge.server_ns(remote, self._clock.now_s() - asked_s))
        if self._identify(remote):
            mark = None
        listing = Listing(remote, scan, self._begin_again)
        held = 0
        for page in listing.pages_ahead(first, enough=lambda page: mark is not None and mark.is_met(page)):
            self._merge.sort_out(page)
            with self._db.transaction() as tx:      # while the next page comes: it takes about as long
                merged = self._merge.page(tx, listing.scan, page, remote)
            if merged is None:
                return None
            listing.scan, again = merged
            held += again
            progress(listing.scan.files)
        self._conclude(listing.scan, remote, accept=accept)
        self._note(first, held=held > 0)
        self._shown_ns = listing.scan.began_ns - SETTLED_NS
        return Taken(listing.scan.pages, asked_s)

    def _begin(self, *, whole: bool) -> tuple[Scan, Watermark | None]:
        """Returns the scan at its beginning, and where it may end; None: the listing has to be read to its end."""
        with self._db.transaction() as tx:
            mark = watermark_of(tx.get_meta("watermark"))
            if whole or tx.get_meta("unordered") is not None:
                mark = None
            if tx.get_meta("listed_ns") is None:
                self._merge.merged.forget()
            if mark is None:        # tried: one that can't be completed must not be tried again every time
                tx.set_meta("swept_ns", str(self._clock.time_ns()))
            return self._merge.begin(tx), mark

    def _identify(self, remote: RemoteFiles) -> bool:
        """Returns whether the tree had to begin anew for another workspace. Raises SetupError where it may not."""
        try:
            anew = workspace.identify(self._db, self._mirror, self._config, remote.workspace())
        except SetupError:
            self._strange()
            raise
        self._recognized()
        if anew:
            self._merge.merged.forget()
        return anew

    def _begin_again(self) -> Scan:
        with self._db.transaction() as tx:
            return self._merge.begin(tx)

    def _conclude(self, scan: Scan, remote: RemoteFiles, *, accept: bool) -> None:
        if scan.ended:
            self._merge.conclude(scan, remote, accept=accept)
        elif scan.first_ns is not None and scan.understood:     # else one of those may be what can't be read
            # Files that are newer than the newest on the server: others have deleted them.
            self._merge.ask(scan, remote, scan.first_ns)

    def _note(self, first: Page, *, held: bool) -> None:
        """Writes down how far the next refresh has to read: to the newest file, unless some file has to be shown
        again.
        """
        newest: RemoteFile | None = first.files[0] if first.files else None
        with self._db.transaction() as tx:
            tx.set_meta("listed_ns", str(self._clock.time_ns()))
            tx.set_meta("one_page", "1" if first.following is None else None)
            if newest is not None and not held:
                tx.set_meta("watermark", Watermark(newest.created_ns, newest.file_id).as_text())
