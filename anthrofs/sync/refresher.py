"""Keeps the tree as new as the server's listing while somebody looks: says when a refresh is due, and how the last one
went.

Owns    one thread; how old what is shown is.
Never   asks while nobody looks, unless --poll says so, or somebody wants it now.
"""

import logging
import threading
from collections.abc import Callable
from typing import Final

from anthrofs.clock import Clock
from anthrofs.config import Config
from anthrofs.errors import FsError, SetupError, StateLost, Stopping
from anthrofs.remote.gates import OF_THE_WAY
from anthrofs.sync.merged import OLDEST_S
from anthrofs.sync.news import News, Taken
from anthrofs.sync.scan import SWEEP_S_PER_PAGE
from anthrofs.worker import Worker

log = logging.getLogger(__name__)

LOOK_WAIT_S: Final = 1.0        # the longest that opendir waits for a refresh
HASTE_S: Final = 1.0            # between two refreshes of which each is known to bring something


class Refresher:
    """mount.py starts and stops it."""

    def __init__(self, news: News, clock: Clock, config: Config, refreshed: Callable[[], None],
                 pause_s: Callable[[float], float] = lambda own_s: own_s) -> None:
        self._news = news               # given
        self._clock = clock             # given
        self._config = config           # given
        self._refreshed = refreshed     # given: told that a refresh has ended, well or not
        self._shared_pause_s = pause_s  # given: see Listings
        self._worker = Worker("refresher", clock, self.due_s, self.step)

        self._changed = threading.Condition()       # guards everything below; no other lock is taken while it is held
        self._looked_s = float("-inf")              # when somebody looked
        self._hasty = False                         # something is known to have changed
        self._asked = False                         # somebody wants a refresh now
        self._accept = False                        # and will believe a listing that lacks most files
        self._wanted_s = float("-inf")              # when that was asked for last, or the change became known
        self._done = 0                              # refreshes that have ended, well or not
        self._running = False
        self._listed_s = float("-inf")              # when the last good one began
        self._tried_s = float("-inf")               # when the last one began
        self._from_s = float("-inf")                # and when its listing was asked for, perhaps by others before
        self._pause_s = config.refresh_s            # until the next one, from then on
        self._error: FsError | SetupError | None = None     # of the last one
        self._stopping = False                      # nobody waits for one any longer

    # ---- for those who look

    def look(self) -> None:
        """Somebody looks: from now on what is shown is kept fresh, for a while."""
        with self._changed:
            now_s = self._clock.now_s()
            asleep = now_s - self._looked_s > self._config.idle_s       # then it waits for a wake only
            self._looked_s = now_s
            due = self._due_s_locked() <= 0
        if asleep or due:
            self._worker.wake()

    def look_closely(self) -> None:
        """Somebody opens a directory: an old tree is worth a short wait."""
        self.look()
        with self._changed:
            old = self._clock.now_s() - self._listed_s > max(self._config.stale_s, self._pause_s)
            failing = self._error is not None and self._clock.now_s() - self._tried_s < self._config.stale_s
        if old and not failing:
            self.refresh(LOOK_WAIT_S, age_s=self._config.refresh_s)

    def ask(self) -> None:
        """A refresh is wanted soon; nobody waits for it."""
        with self._changed:
            self._asked, self._wanted_s = True, self._clock.now_s()
        self._worker.wake()

    def hasten(self) -> None:
        """Something is known to have changed there: the next refresh comes soon, but not for each single thing."""
        with self._changed:
            self._hasty, self._wanted_s = True, self._clock.now_s()
        self._worker.wake()

    def refresh(self, timeout_s: float, *, accept: bool = False, age_s: float = 0.0) -> FsError | SetupError | None:
        """Asks now, and waits; others' listing of that age will do. Returns what went wrong, also that it took longer;
        None where the tree is fresh.
        """
        now_s = self._clock.now_s()
        until_s = now_s + timeout_s
        with self._changed:
            # One that is under way began before this was asked: it doesn't count.
            begun = self._done + (self._running and self._worker.is_alive())
            self._asked, self._wanted_s = True, max(self._wanted_s, now_s - age_s)
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
        """Whether somebody looks, and what is shown is kept fresh."""
        with self._changed:
            return self._error is None and self._listed_s > float("-inf") and self._due_s_locked() < float("inf")

    def age_s(self) -> float | None:
        """Returns the age of the last good listing; None where there was none since the mount began."""
        with self._changed:
            return None if self._listed_s == float("-inf") else self._clock.now_s() - self._listed_s

    def error(self) -> FsError | SetupError | None:
        """Returns what went wrong with the last refresh."""
        with self._changed:
            return self._error

    # ---- life

    def first(self, progress: Callable[[int], None]) -> None:
        """Takes in the whole listing, before anything is shown of a workspace that this state doesn't know yet. Raises
        FsError, SetupError.
        """
        self._news.take(since_s=self._clock.now_s() - OLDEST_S, whole=True, accept=True, progress=progress)
        with self._changed:
            self._listed_s = self._tried_s = self._from_s = self._clock.now_s()

    def start(self) -> None:
        """Whoever looks is answered from now on."""
        self._worker.start()

    def stop(self, timeout_s: float) -> bool:
        """Nobody waits for a refresh any longer. Returns False where one hangs in a request, and is left to the
        process's end.
        """
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        return self._worker.stop(timeout_s)

    # ---- the steps; called by the thread only, and by tests

    def due_s(self) -> float:
        """Returns the seconds until the next refresh; infinite while nobody looks."""
        with self._changed:
            return 0.0 if self._asked else self._due_s_locked()

    def step(self) -> None:
        """Does one refresh. Raises Stopping."""
        with self._changed:
            began_s = self._tried_s = self._from_s = self._clock.now_s()
            # Without others' help a listing would be that old when the next one is due.
            since_s = max(self._wanted_s, began_s - self._config.refresh_s)
            self._asked = self._hasty = False
            self._running = True
            accept, self._accept = self._accept, False
        try:
            taken = self._news.take(since_s=since_s, whole=accept, accept=accept, progress=lambda _: None)
        except Stopping:
            raise               # nobody waits for this one any longer
        except (FsError, SetupError) as exc:
            if not isinstance(exc, (StateLost, *OF_THE_WAY)) and str(exc) != str(self._error):      # that was said
                log.warning("the listing could not be refreshed: %s", exc)
            self._note(began_s, None, exc)
        except Exception as exc:
            self._note(began_s, None, FsError(str(exc)))
            raise               # a bug: the worker says it
        else:
            self._note(began_s, taken, None)

    def _note(self, began_s: float, taken: Taken | None, error: FsError | SetupError | None) -> None:
        """Tells whoever waits how the refresh has ended that began then."""
        with self._changed:
            self._error, self._running = error, False
            if taken is not None:
                self._listed_s = self._from_s = min(began_s, taken.asked_s)
                self._pause_s = max(self._config.refresh_s, SWEEP_S_PER_PAGE * (taken.pages - 1))
            self._done += 1
            self._changed.notify_all()
        self._refreshed()

    def _due_s_locked(self) -> float:
        now_s = self._clock.now_s()
        if self._hasty:
            return self._tried_s + min(HASTE_S, self._pause_s) - now_s
        if now_s - self._looked_s > self._config.idle_s and not self._config.poll:
            return float("inf")
        # A page of others' that is taken again and again would be as bad as a storm of requests.
        return max(self._from_s + self._shared_pause_s(self._pause_s),
                   self._tried_s + min(HASTE_S, self._pause_s)) - now_s
