"""Brings what the server lists into the index.

Owns    one thread, and the facts listing, watermark, listed_ns, swept_ns and unordered in the table meta.
Serves  filesystem (look, when somebody looks) and daemon (first, start, stop).
Trusts  a listing for what it shows; for what it lacks only if it was whole, and only of ids that were listed before.
Never   asks while nobody looks, and never lets a listing undo what the user did here meanwhile.
"""

import logging
import threading
from collections.abc import Callable
from typing import Final

from anthrofs import workspace
from anthrofs.clock import Clock
from anthrofs.config import Config
from anthrofs.db import Database
from anthrofs.errors import EXIT_USAGE, BadAnswer, FsError, Refused, SetupError, StateLost, Stopping
from anthrofs.handles import Handles
from anthrofs.index import Index
from anthrofs.mirror import Mirror, Shown
from anthrofs.model import Cursor, FileId, Page
from anthrofs.outbox import Outbox
from anthrofs.remote import RemoteFiles

log = logging.getLogger(__name__)

PAGE_FILES: Final = 1000        # the API's limit
NEWS_FILES: Final = 100         # of the first page, where a refresh needs only what is new
LOOK_WAIT_S: Final = 1.0        # the longest that opendir waits for a refresh
RESTARTS: Final = 3             # of a listing whose cursor was lost
GUARD_FILES: Final = 20         # from so many known files on, a listing that lacks most of them is not believed
SWEEP_S_PER_PAGE: Final = 6.0   # a full listing's pages cost at most a tenth of the minute's 100 list requests


class Refresher:
    """daemon.py starts and stops it."""

    def __init__(self, db: Database, index: Index, mirror: Mirror, outbox: Outbox, handles: Handles, remote: RemoteFiles, clock: Clock,
                 config: Config, answered: Callable[[], None], silent: Callable[[FsError | SetupError], None]) -> None:
        self._db = db                   # given
        self._index = index             # given
        self._mirror = mirror           # given
        self._outbox = outbox           # given
        self._handles = handles         # given
        self._remote = remote           # given
        self._clock = clock             # given
        self._config = config           # given
        self._answered = answered       # given: told that the service answers, and for the workspace of this state
        self._silent = silent           # given: told why it doesn't
        self._thread = threading.Thread(target=self._run, name="refresher", daemon=True)

        self._changed = threading.Condition()       # guards everything below; no other lock is taken while it is held
        self._looked_s = float("-inf")              # when somebody looked
        self._asked = False                         # somebody wants a refresh now
        self._accept = False                        # and will believe a listing that lacks most files
        self._done = 0                              # refreshes that have ended, well or not
        self._running = False
        self._listed_s = float("-inf")              # when the last good one began
        self._tried_s = float("-inf")               # when the last one began
        self._error: FsError | SetupError | None = None     # of the last one
        self._stopping = False

    # ---- for those who look

    def look(self) -> None:
        """Somebody looks: from now on what is shown is kept fresh, for a while."""
        with self._changed:
            now_s = self._clock.now_s()
            asleep = now_s - self._looked_s > self._config.idle_s       # nobody looked for long: it waits for a notify only
            self._looked_s = now_s
            if asleep or self._due_s_locked() <= 0:
                self._changed.notify_all()

    def look_closely(self) -> None:
        """Somebody opens a directory: an old index is worth a short wait."""
        self.look()
        with self._changed:
            old = self._clock.now_s() - self._listed_s > self._config.stale_s
            failing = self._error is not None and self._clock.now_s() - self._tried_s < self._config.stale_s
        if old and not failing:
            self.refresh(LOOK_WAIT_S)

    def ask(self) -> None:
        """A refresh is wanted soon; nobody waits for it."""
        with self._changed:
            self._asked = True
            self._changed.notify_all()

    def refresh(self, timeout_s: float, *, accept: bool = False) -> FsError | SetupError | None:
        """Ask now. Returns what went wrong, also that it took longer; None: the index is fresh."""
        until_s = self._clock.now_s() + timeout_s
        with self._changed:
            # One that is under way began before this was asked: it doesn't count.
            begun = self._done + (self._running and self._thread.is_alive())
            self._asked = True
            self._accept = self._accept or accept
            self._changed.notify_all()
            while self._done <= begun and not self._stopping:
                left_s = until_s - self._clock.now_s()
                if left_s <= 0:
                    return FsError("the listing takes long; it goes on in the background")
                self._clock.wait(self._changed, left_s)
            return self._error

    def age_s(self) -> float | None:
        """Since the last good listing; None: none since the mount began."""
        with self._changed:
            return None if self._listed_s == float("-inf") else self._clock.now_s() - self._listed_s

    def error(self) -> FsError | SetupError | None:
        """Of the last refresh."""
        with self._changed:
            return self._error

    # ---- life

    def first(self, progress: Callable[[int], None]) -> None:
        """The whole listing, before anything is shown of a workspace that this state doesn't know yet. Raises FsError."""
        self._refresh(whole=True, accept=True, progress=progress)
        with self._changed:
            self._listed_s = self._tried_s = self._clock.now_s()

    def start(self) -> None:
        """From now on looks are answered."""
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """False: it hangs in a request and was left to the process's end."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._stopping and not self._asked and (due_s := self._due_s_locked()) > 0:
                    self._clock.wait(self._changed, None if due_s == float("inf") else due_s)
                if self._stopping:
                    return
                began_s = self._tried_s = self._clock.now_s()
                self._asked, self._running = False, True
                accept, self._accept = self._accept, False
            error: FsError | SetupError | None = None
            try:
                self._refresh(whole=accept, accept=accept, progress=lambda _: None)
            except Stopping:
                return
            except (FsError, SetupError) as exc:
                error = exc
                self._silent(exc)
                if not isinstance(exc, StateLost):      # that was said
                    log.warning("the listing could not be refreshed: %s", exc)
            except Exception as exc:
                error = FsError(str(exc))
                log.exception("bug in the refresher")
            with self._changed:
                self._error, self._running = error, False
                if error is None:
                    self._listed_s = began_s
                self._done += 1
                self._changed.notify_all()

    def _due_s_locked(self) -> float:
        """Seconds until a refresh is due; infinite while nobody looks."""
        now_s = self._clock.now_s()
        if now_s - self._looked_s > self._config.idle_s:
            return float("inf")
        return self._tried_s + self._config.refresh_s - now_s

    # ---- one refresh

    def _refresh(self, *, whole: bool, accept: bool, progress: Callable[[int], None]) -> None:
        known_clock = self._remote.clock()
        began_ns = self._clock.time_ns() + (known_clock.earliest_ns if known_clock else 0)
        with self._db.transaction() as tx:
            listing = int(tx.get_meta("listing") or 0) + 1
            tx.set_meta("listing", str(listing))
            watermark = _watermark(tx.get_meta("watermark"))
            whole = whole or watermark is None or tx.get_meta("unordered") is not None or self._sweep_due(tx.get_meta("swept_ns"))
            if whole:       # tried: one that can't be completed must not be tried again at every look
                tx.set_meta("swept_ns", str(self._clock.time_ns()))
        known = self._index.totals()[0]
        page = self._remote.list(PAGE_FILES if whole or known <= PAGE_FILES else NEWS_FILES)
        whole = self._identify() or whole
        self._answered()

        newest = page.files[0] if page.files else None
        asked: set[Cursor] = set()
        previous_ns, held, skipped, ordered, count, restarts = 2**63, 0, 0, True, 0, 0
        while True:
            held += self._merge(page, listing)
            skipped += page.skipped
            for file in page.files:
                if file.created_ns:         # 0: the server didn't say
                    ordered, previous_ns = ordered and file.created_ns <= previous_ns, file.created_ns
            count += len(page.files)
            progress(count)
            if page.following is None:
                break
            if not whole and watermark is not None and any(
                    f.file_id == watermark[1] or f.created_ns < watermark[0] for f in page.files):
                break
            if page.following in asked or not page.files:
                raise BadAnswer("the listing repeats itself: what it shows is taken, what it lacks is not")
            asked.add(page.following)
            following = self._following(page.following, page.files[-1].file_id)
            if following is None:
                restarts += 1
                if restarts > RESTARTS:
                    raise BadAnswer("the files that the listing was to go on from were deleted meanwhile, again and again")
                asked.clear()
                previous_ns = 2**63
            page = self._remote.list(PAGE_FILES) if following is None else following
        complete = page.following is None and not skipped
        self._conclude(listing, began_ns, complete=complete, accept=accept)
        with self._db.transaction() as tx:
            tx.set_meta("listed_ns", str(self._clock.time_ns()))
            if newest is not None and not held:
                tx.set_meta("watermark", f"{newest.created_ns} {newest.file_id}")
            if complete:
                tx.set_meta("unordered", None if ordered else "1")

    def _following(self, cursor: Cursor, last: FileId) -> Page | None:
        """The next page. None: somebody has deleted the file that the cursor names, so that the listing has to begin anew."""
        try:
            page = self._remote.list(PAGE_FILES, cursor)
            if not page.files:
                self._remote.stat(last)         # an unknown cursor may get an empty page, which must not pass for the end
        except Refused as exc:
            if exc.status in (400, 404):
                return None
            raise
        return page

    def _merge(self, page: Page, listing: int) -> int:
        """Show a page's files. Returns how many have to be shown again later."""
        held = 0
        with self._db.transaction() as tx:
            busy = self._handles.busy()         # inside: whoever opens a node from now on reads it after this commit
            for file in page.files:
                if self._outbox.is_doomed(tx, file.file_id):
                    continue
                if not self._mirror.knows(tx, file.file_id) and self._outbox.fits_in_flight(tx, file):
                    held += 1
                else:
                    held += self._mirror.show(tx, file, listing, busy) is Shown.HELD
        return held

    def _conclude(self, listing: int, began_ns: int, *, complete: bool, accept: bool) -> None:
        if not complete:
            return
        with self._db.transaction() as tx:
            gone, known = self._mirror.missing(tx, listing, began_ns)
            named = self._remote.workspace().workspace_id is not None
            if known >= GUARD_FILES and gone > known / 2 and not accept and not named:
                raise BadAnswer(f"the listing lacks {gone} of {known} known files, and the server doesn't say which workspace it "
                                "is: nothing was removed. If they are really gone: anthrofs refresh --accept DIR")
            self._mirror.sweep(tx, listing, began_ns, self._handles.busy())

    def _sweep_due(self, swept_ns: str | None) -> bool:
        if swept_ns is None:
            return True
        pages = self._index.totals()[0] / PAGE_FILES
        return self._clock.time_ns() - int(swept_ns) > max(self._config.sweep_s, SWEEP_S_PER_PAGE * pages) * 1e9

    def _identify(self) -> bool:
        """Whose listing it is, before it is believed. True: another one's than before, the index is empty now.

        Raises SetupError for another workspace's while files for the old one are unsent here.
        """
        service, named = self._config.service, self._remote.workspace()
        with self._db.transaction(durable=True) as tx:
            found = workspace.match(tx, service, named)
            if found is workspace.Match.OTHER:
                unsent = len(self._index.unsent(tx))
                if unsent:
                    raise SetupError(f"The state in {self._config.state_dir} belongs to another workspace and holds {unsent} files "
                                     "that were not sent to it. Mount that one again to send them, or use --profile or "
                                     "--state-dir for this one.", EXIT_USAGE)
                log.warning("the key belongs to another workspace than before: the index begins anew")
                self._mirror.forget_server(tx)
                self._outbox.forget_server(tx)
                workspace.forget(tx)
            workspace.remember(tx, service, named)
            return found is workspace.Match.OTHER


def _watermark(text: str | None) -> tuple[int, str] | None:
    if text is None:
        return None
    created_ns, _, file_id = text.partition(" ")
    return int(created_ns), file_id
