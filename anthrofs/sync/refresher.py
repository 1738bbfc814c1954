"""Brings what is new in the server's listing into the index, again and again while somebody looks.

Reads newest first until it meets the watermark, the newest file that a listing has shown before. A workspace of one page is
listed whole by that; what is gone from a bigger one the sweeper finds.

Owns    one thread, and the facts watermark, listed_ns, one_page and swept_ns in the table meta.
Trusts  what listing.py trusts.
Never   asks while nobody looks, unless --poll says so.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from anthrofs.clock import Clock
from anthrofs.config import Config
from anthrofs.errors import EXIT_USAGE, BadAnswer, FsError, SetupError, StateLost, Stopping
from anthrofs.remote.api import RemoteFiles
from anthrofs.remote.gates import OF_THE_WAY
from anthrofs.sync import workspace
from anthrofs.sync.coming import Coming
from anthrofs.sync.listing import PAGE_FILES, REPEATS, SWEEP_S_PER_PAGE, Listings, page_after
from anthrofs.sync.worker import Worker
from anthrofs.tree.database import Database
from anthrofs.tree.mirror import Mirror

if TYPE_CHECKING:
    from anthrofs.model import Cursor

log = logging.getLogger(__name__)

NEWS_FILES: Final = 30          # of the first page, where a refresh needs only what is new: 6 KB
LOOK_WAIT_S: Final = 1.0        # the longest that opendir waits for a refresh
HASTE_S: Final = 1.0            # between two refreshes of which each is known to bring something
RESTARTS: Final = 3             # of a listing whose cursor was lost


class Refresher:
    """mount.py starts and stops it."""

    def __init__(self, db: Database, mirror: Mirror, listings: Listings, remote: RemoteFiles, clock: Clock,
                 config: Config, answered: Callable[[], None], silent: Callable[[FsError | SetupError], None],
                 ended: Callable[[], None]) -> None:
        self._db = db                   # given
        self._mirror = mirror           # given
        self._listings = listings       # given
        self._remote = remote           # given
        self._clock = clock             # given
        self._config = config           # given
        self._answered = answered       # given: told that the service answers, and for the workspace of this state
        self._silent = silent           # given: told why it doesn't
        self._ended = ended             # given: told that a refresh has ended, well or not
        self._worker = Worker("refresher", clock, self._due_s, self._step)

        self._changed = threading.Condition()       # guards everything below; no other lock is taken while it is held
        self._looked_s = float("-inf")              # when somebody looked
        self._hasty = False                         # something is known to have changed
        self._asked = False                         # somebody wants a refresh now
        self._accept = False                        # and will believe a listing that lacks most files
        self._done = 0                              # refreshes that have ended, well or not
        self._running = False
        self._listed_s = float("-inf")              # when the last good one began
        self._tried_s = float("-inf")               # when the last one began
        self._pause_s = config.refresh_s            # until the next one, from then on
        self._error: FsError | SetupError | None = None     # of the last one
        self._stopping = False                      # nobody waits for one any longer

    # ---- for those who look

    def look(self) -> None:
        """Somebody looks: from now on what is shown is kept fresh, for a while."""
        with self._changed:
            now_s = self._clock.now_s()
            asleep = now_s - self._looked_s > self._config.idle_s       # nobody looked for long: it waits for a wake only
            self._looked_s = now_s
            due = self._due_s_locked() <= 0
        if asleep or due:
            self._worker.wake()

    def look_closely(self) -> None:
        """Somebody opens a directory: an old index is worth a short wait."""
        self.look()
        with self._changed:
            old = self._clock.now_s() - self._listed_s > max(self._config.stale_s, self._pause_s)
            failing = self._error is not None and self._clock.now_s() - self._tried_s < self._config.stale_s
        if old and not failing:
            self.refresh(LOOK_WAIT_S)

    def ask(self) -> None:
        """A refresh is wanted soon; nobody waits for it."""
        with self._changed:
            self._asked = True
        self._worker.wake()

    def hasten(self) -> None:
        """Something is known to have changed there: the next refresh comes soon, but not for each single thing."""
        with self._changed:
            self._hasty = True
        self._worker.wake()

    def refresh(self, timeout_s: float, *, accept: bool = False) -> FsError | SetupError | None:
        """Ask now. Returns what went wrong, also that it took longer; None: the index is fresh."""
        until_s = self._clock.now_s() + timeout_s
        with self._changed:
            # One that is under way began before this was asked: it doesn't count.
            begun = self._done + (self._running and self._worker.is_alive())
            self._asked = True
            self._accept = self._accept or accept
        self._worker.wake()
        with self._changed:
            while self._done <= begun and not self._stopping:
                left_s = until_s - self._clock.now_s()
                if left_s <= 0:
                    return FsError("the listing takes long; it goes on in the background")
                self._clock.wait(self._changed, left_s)
            return self._error

    def fresh(self) -> bool:
        """Somebody looks, and what is shown is kept fresh."""
        with self._changed:
            return self._error is None and self._listed_s > float("-inf") and self._due_s_locked() < float("inf")

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
        self._worker.start()

    def stop(self, timeout_s: float) -> bool:
        """False: it hangs in a request and was left to the process's end."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        return self._worker.stop(timeout_s)

    def _step(self) -> None:
        with self._changed:
            began_s = self._tried_s = self._clock.now_s()
            self._asked = self._hasty = False
            self._running = True
            accept, self._accept = self._accept, False
        try:
            pages = self._refresh(whole=accept, accept=accept, progress=lambda _: None)
        except Stopping:
            raise
        except (FsError, SetupError) as exc:
            self._silent(exc)
            if not isinstance(exc, (StateLost, *OF_THE_WAY)) and str(exc) != str(self._error):      # that was said
                log.warning("the listing could not be refreshed: %s", exc)
            self._end(exc)
        except Exception as exc:
            self._end(FsError(str(exc)))
            raise
        else:
            with self._changed:
                self._listed_s = began_s
                self._pause_s = max(self._config.refresh_s, SWEEP_S_PER_PAGE * (pages - 1))
            self._end(None)

    def _end(self, error: FsError | SetupError | None) -> None:
        with self._changed:
            self._error, self._running = error, False
            self._done += 1
            self._changed.notify_all()
        self._ended()

    def _due_s(self) -> float:
        with self._changed:
            return 0.0 if self._asked else self._due_s_locked()

    def _due_s_locked(self) -> float:
        """Seconds until a refresh is due; infinite while nobody looks."""
        now_s = self._clock.now_s()
        if self._hasty:
            return self._tried_s + min(HASTE_S, self._pause_s) - now_s
        if now_s - self._looked_s > self._config.idle_s and not self._config.poll:
            return float("inf")
        return self._tried_s + self._pause_s - now_s

    # ---- one refresh

    def _refresh(self, *, whole: bool, accept: bool, progress: Callable[[int], None]) -> int:
        """Returns how many pages it took."""
        with self._db.transaction() as tx:
            walk = self._listings.begin(tx)
            watermark = _watermark(tx.get_meta("watermark"))
            whole = whole or watermark is None or tx.get_meta("unordered") is not None
            if whole:       # tried: one that can't be completed must not be tried again at every look
                tx.set_meta("swept_ns", str(self._clock.time_ns()))
        known = self._db.nodes.totals()[0]
        asked_s = self._clock.now_s()
        page = self._remote.list(PAGE_FILES if whole or known <= PAGE_FILES else NEWS_FILES)
        walk = replace(walk, began_ns=self._listings.began_ns(self._remote, self._clock.now_s() - asked_s))
        whole = self._identify() or whole
        self._answered()

        newest, one_page = page.files[0] if page.files else None, page.following is None
        asked: set[Cursor] = set()
        held, restarts = 0, 0
        while True:
            met = not whole and watermark is not None and any(
                f.file_id == watermark[1] or f.created_ns < watermark[0] for f in page.files)
            coming = None
            if page.following is not None and page.following not in asked and not met:
                last_id = page.files[-1].file_id if page.files else walk.last_id
                coming = Coming(partial(page_after, self._remote, page.following, last_id))
            with self._db.transaction() as tx:      # while the next page comes: it takes about as long
                walk, again = self._listings.merge(tx, walk, page, self._remote)
            held += again
            progress(walk.files)
            if walk.following is None or met:
                break
            if coming is None:
                raise BadAnswer(REPEATS)
            asked.add(walk.following)
            following = coming.page()
            if following is None:
                restarts += 1
                if restarts > RESTARTS:
                    raise BadAnswer("the files that the listing was to go on from were deleted meanwhile, again and again")
                asked.clear()
                with self._db.transaction() as tx:
                    walk = replace(self._listings.begin(tx), began_ns=walk.began_ns)
            page = self._remote.list(PAGE_FILES) if following is None else following
        if walk.ended:
            self._listings.conclude(walk, self._remote, accept=accept)
        elif walk.first_ns is not None and walk.understood:     # else one of those may be what can't be read
            self._listings.ask(walk, self._remote, walk.first_ns)       # newer ones, and the newest isn't there: others deleted them
        with self._db.transaction() as tx:
            tx.set_meta("listed_ns", str(self._clock.time_ns()))
            tx.set_meta("one_page", "1" if one_page else None)
            if newest is not None and not held:
                tx.set_meta("watermark", f"{newest.created_ns} {newest.file_id}")
        return walk.pages

    def _identify(self) -> bool:
        """Whose listing it is, before it is believed. True: another one's than before, the index is empty now.

        Raises SetupError for another workspace's while files for the old one are unsent here, or where nobody has asked for another.
        """
        service, named = self._config.service, self._remote.workspace()
        with self._db.transaction(durable=True) as tx:
            found = workspace.match(tx, service, named)
            if found is workspace.Match.OTHER and workspace.is_the_ignored_one(tx, service):
                raise SetupError(f"The state in {self._config.state_dir} is of the workspace {service.ignored_workspace_id}, which "
                                 "ANTHROPIC_WORKSPACE_ID names; with a key or token that variable isn't used (the official SDKs ignore it, too), so "
                                 "another workspace would be shown. To go on with this one, mount with --workspace "
                                 f"{service.ignored_workspace_id} --state-dir {self._config.state_dir}; for the key's own, unset the variable and "
                                 "choose another state with --profile or --state-dir.", EXIT_USAGE)
            if found is workspace.Match.OTHER:
                unsent = len(tx.nodes.unsent())
                if unsent:
                    raise SetupError(f"The state in {self._config.state_dir} belongs to another workspace and holds {unsent} files "
                                     "that were not sent to it. Mount that one again to send them, or use --profile or "
                                     "--state-dir for this one.", EXIT_USAGE)
                log.warning("the key belongs to another workspace than before: the index begins anew")
                self._mirror.forget_server(tx)
                tx.uploads.forget_all()
                tx.deletions.forget_all()
                workspace.forget(tx)
            workspace.remember(tx, service, named)
            return found is workspace.Match.OTHER


def _watermark(text: str | None) -> tuple[int, str] | None:
    if text is None:
        return None
    created_ns, _, file_id = text.partition(" ")
    return int(created_ns), file_id
