"""A listing means something for the tree with each page, by what it shows, and, once it has ended, by what it lacks.

A page is a moment's truth: a known file whose time is between those of two files on it, and that isn't on it, is gone.
A listing of several pages is not: files come and go between them, and where the server counts in positions, a deletion
on an earlier page makes a later one skip files. So what is lacking where two pages meet is asked for by its id.

Owns    the facts listing, sweep, unordered and unreadable in the table meta.
Trusts  a listing for what it shows; for what it lacks only while it is newest first, and only of ids that were listed
        before it began: what no listing ever showed is asked for by its id.
Never   lets a listing undo what the user did here meanwhile, and holds no more than a page in memory.
"""

import logging
from collections.abc import Callable, Collection, Iterable
from typing import Final

from anthrofs.clock import Clock
from anthrofs.errors import BadAnswer, Gone, Refused
from anthrofs.model import Attempt, FileId, NodeId, Page, RemoteFile
from anthrofs.remote.api import RemoteFiles
from anthrofs.sync.merged import EVER_NS, NEVER_NS, Merged
from anthrofs.sync.scan import Scan, times_of
from anthrofs.tree import lost
from anthrofs.tree.claims import ALONE, Claims, Whose
from anthrofs.tree.database import Database
from anthrofs.tree.mirror import Mirror, Shown
from anthrofs.tree.open_table import OpenTable
from anthrofs.tree.transaction import Tx
from anthrofs.tree.upload_queue import concerns

log = logging.getLogger(__name__)

GUARD_FILES: Final = 20         # from so many known files on, a listing that lacks most of them is not believed
# So long a listing can show a file that is gone; an answer that was wrong hides a file no longer than that.
LAG_NS: Final = 600 * 10**9
DOUBTS: Final = 10              # ids that are asked for at once


def unreadable(tx: Tx) -> int:
    """Counts the entries that made no sense in the last listing that was read to its end, or in a newer one so far."""
    return int(tx.get_meta("unreadable") or 0)


class Merge:
    """Takes the listings of one workspace into its tree. Whoever calls it reads their pages from the network."""

    def __init__(self, db: Database, mirror: Mirror, handles: OpenTable, clock: Clock,
                 decided: Callable[[], None] = lambda: None, claims: Claims = ALONE) -> None:
        self._db = db                   # given
        self._mirror = mirror           # given
        self._handles = handles         # given
        self._clock = clock             # given
        self._decided = decided         # given: told when a listing has shown what is to be deleted
        self._claims = claims           # given: of all mounts
        self.merged = Merged(clock)     # constant

    def begin(self, tx: Tx) -> Scan:
        """Numbers a new listing."""
        number = int(tx.get_meta("listing") or 0) + 1
        tx.set_meta("listing", str(number))
        return Scan(number)

    def server_ns(self, remote: RemoteFiles, ago_s: float = 0.0) -> int:
        """The server's clock so long ago, not later than it was. After an answer only: it tells if one of the clocks
        has jumped.
        """
        clock = remote.clock()
        return self._clock.time_ns() + (clock.earliest_ns if clock else 0) - round(ago_s * 1e9)

    # ---- a page

    def sort_out(self, page: Page) -> None:
        """Nobody wants what tries of ours have left that were given up: it is to be deleted, where nobody else
        can have stored it. Before the page is shown, and not in a transaction: other mounts are asked.
        """
        with self._db.reading() as tx:
            tries = lost.every(tx, self._clock.time_ns())
            left = {file: can for file in page.files if (can := self._can_be(tx, tries, file))} if tries else {}
        ours = [file for file, can in left.items() if sum(each == can for each in left.values()) <= len(can)
                and all(self._claims.whose(each, [file])[file.file_id] is Whose.OURS for each in can)]
        if not ours:
            return
        turned_up = list[tuple[Attempt, RemoteFile]]()
        with self._db.transaction() as tx:
            for file in ours:
                if can := self._can_be(tx, lost.every(tx, self._clock.time_ns()), file):
                    log.info("the server has %r (%s) of a try of ours which was given up: it is deleted there",
                             file.name, file.file_id)
                    tx.deletions.doom_wrong(file, can[0].stage, last=False)
                    lost.turned_up(tx, can[0])
                    turned_up.append((can[0], file))
        self._decided()
        for attempt, file in turned_up:
            self._claims.claim(attempt, file)

    def _can_be(self, tx: Tx, tries: list[Attempt], file: RemoteFile) -> list[Attempt]:
        """Returns which of those tries can have left the file; none while another one is in flight that can be it."""
        said = lost.learnt(tx)      # without that, it may be a generated one
        can = [] if said is None else [each for each in tries if lost.fits(each, file, said)]
        known = can and (self._mirror.knows(tx, file.file_id) or tx.deletions.is_doomed(file.file_id)
                         or any(concerns(attempt, file) for attempt in tx.uploads.in_flight()))
        return [] if known else can

    def page(self, tx: Tx, scan: Scan, page: Page, remote: RemoteFiles) -> tuple[Scan, int] | None:
        """Shows a page's files, and takes away those that it proves to be gone, if the server names the workspace.
        Returns the scan one page further, and how many files have to be shown again later; None for a page of others
        that a newer one has overtaken. Raises BadAnswer for a listing without an end.
        """
        first = scan.pages == 0
        if not self.merged.admits(page, first=first):
            return None
        self.merged.note(page, first=first)
        busy = self._handles.busy()     # in the transaction: whoever opens a node from now on reads it after the commit
        fresh, held = self._show(tx, scan, page, busy, self.server_ns(remote))
        scan = scan.after(page, fresh)
        _count(tx, scan)
        times = times_of(page.files)
        proves = scan.ordered and not page.skipped and scan.number > 1 and tx.get_meta("unordered") is None
        if proves and times and _is_named(remote):
            # After the last file of a last page nothing comes. (An empty one may only be behind the end.)
            above_ns = times[-1] if page.following else NEVER_NS
            self._mirror.sweep(tx, scan.number, scan.began_ns, above_ns, times[0], busy)
        return scan, held

    def _show(self, tx: Tx, scan: Scan, page: Page, busy: Collection[NodeId],
              now_ns: int) -> tuple[list[RemoteFile], int]:
        """Returns the files that this listing shows for the first time, and how many have to be shown again."""
        held, fresh = 0, list[RemoteFile]()
        tx.deletions.forget_old(self._clock.time_ns())
        # Then none of the files can be ours: half of a first listing's time.
        idle = tx.uploads.is_empty() and tx.deletions.is_empty()
        attempts = [] if idle else tx.uploads.in_flight()
        given_up = lost.every(tx, self._clock.time_ns())
        plain = None if attempts or given_up else self._mirror.plain(tx, page.files, scan.number)
        for file in page.files:
            expired = file.expires_ns is not None and file.expires_ns <= now_ns
            doomed = not idle and tx.deletions.is_doomed(file.file_id)
            if doomed:
                tx.deletions.saw(file.file_id, scan.number)
            if expired or doomed:
                if file.created_ns < scan.last_ns:
                    fresh.append(file)
                continue
            if any(concerns(attempt, file) for attempt in attempts) and not self._mirror.knows(tx, file.file_id):
                shown = Shown.HELD
            elif plain is not None and plain.take(file):
                shown = Shown.NEW
            else:
                if plain is not None:
                    plain.settle()
                late = bool(given_up) and lost.is_late(given_up, file)
                shown = self._mirror.show(tx, file, scan.number, busy, late=late)
                if late and shown is Shown.NEW:
                    log.warning("the server has a file %r (%s) that may be of a try of ours which was given up, or of "
                                "somebody else: it is left there, and shows", file.name, file.file_id)
                if plain is not None and shown in (Shown.NEW, Shown.HELD):
                    plain.changed()
            held += shown is Shown.HELD
            if shown in (Shown.NEW, Shown.KNOWN):
                fresh.append(file)
        if plain is not None:
            plain.settle()
        return fresh, held

    # ---- what other mounts say

    def told(self, files: Iterable[RemoteFile], since_ns: int) -> None:
        """Other mounts say that the service has stored these files. An older one than `since_ns`, server's clock, a
        listing has shown, unless it was gone again. Like an own upload, one of these was never listed so far.
        """
        with self._db.transaction() as tx:
            busy, attempts = self._handles.busy(), tx.uploads.in_flight()
            for file in files:
                if file.created_ns >= since_ns and not tx.deletions.is_doomed(file.file_id) and not any(
                        concerns(attempt, file) for attempt in attempts):
                    self._mirror.told(tx, file, busy)

    def told_gone(self, file_id: FileId) -> None:
        """Another mount says that the service has no such id: a page that others have asked for before may still show
        it.
        """
        if not self.gone(file_id):
            now_ns = self._clock.time_ns()
            with self._db.transaction() as tx:
                if not self._mirror.knows(tx, file_id):
                    tx.deletions.bury(file_id, now_ns, now_ns + LAG_NS)

    # ---- the end

    def conclude(self, scan: Scan, remote: RemoteFiles, *, accept: bool) -> bool:
        """The listing has ended: what it should have shown and didn't is gone, or asked for. `accept`: a person
        believes the listing.

        Returns False while there is more to be asked for. Raises BadAnswer for a listing that lacks most files of a
        workspace that the server doesn't name; RemoteError: call this again.
        """
        doubts = 0
        if scan.understood:
            self._guard(scan, remote, accept=accept)
            with self._db.transaction() as tx:
                busy = self._handles.busy()
                if accept or scan.pages == 1:
                    self._mirror.sweep(tx, scan.number, scan.began_ns, NEVER_NS, EVER_NS, busy)
                elif scan.ordered and scan.first_ns is not None:        # before the first file nothing comes
                    self._mirror.sweep(tx, scan.number, scan.began_ns, scan.first_ns, EVER_NS, busy)
            doubts = self.ask(scan, remote, NEVER_NS)
        decided = False
        with self._db.transaction() as tx:
            if doubts < DOUBTS:
                tx.set_meta("sweep", None)      # one that is under way has nothing to add; its next page may be older
            if scan.understood:
                tx.set_meta("unordered", None if scan.ordered else "1")
                decided = tx.deletions.decide(scan.number)
        if decided:
            self._decided()
        return doubts < DOUBTS

    def ask(self, scan: Scan, remote: RemoteFiles, above_ns: int) -> int:
        """Asks by their ids for files that the listing should have shown above that time and didn't, up to DOUBTS.
        Returns how many.
        """
        with self._db.reading() as tx:
            doubtful = self._mirror.doubtful(tx, scan.number, scan.began_ns, above_ns, self._handles.busy(), DOUBTS)
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
                    self._mirror.saw(tx, file_id, scan.number)
        return len(doubtful)

    def gone(self, file_id: FileId) -> bool:
        """The service says that it has no such id: its listings lag behind that, so for a while they don't bring the
        file back. Whoever has it open keeps it until the last release, which says so again. Returns whether it went.
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

    def _guard(self, scan: Scan, remote: RemoteFiles, *, accept: bool) -> None:
        with self._db.reading() as tx:
            gone, known = self._mirror.missing(tx, scan.number)
        if known >= GUARD_FILES and gone > known / 2 and not accept and not _is_named(remote):
            raise BadAnswer(f"the listing lacks {gone} of {known} known files, and the server doesn't say which "
                            "workspace it is: nothing was removed. If they are really gone: anthrofs refresh "
                            "--accept DIR")


def _is_named(remote: RemoteFiles) -> bool:
    return remote.workspace().workspace_id is not None


def _count(tx: Tx, scan: Scan) -> None:
    """Counts the entries that can't be read. A page that shows the newest files only takes nothing back: they may be on
    a later one.
    """
    known = unreadable(tx)
    if scan.skipped > known:
        log.warning("%d entries of the listing can't be read (no usable id, name or size): they are not shown",
                    scan.skipped)
    if scan.skipped > known or (scan.ended and scan.skipped < known):
        tx.set_meta("unreadable", str(scan.skipped) if scan.skipped else None)
