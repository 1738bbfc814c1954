"""The budget of requests, shared by everything that a mount asks.

Owns    the budget of the minute, the slots for connections, and the queue of those who wait for either.
Trusts  the server's 429 more than its own arithmetic: other programs use the same organization's budget.
Never   waits with a slot in hand, and never lets downloads take the last slots: a save must get through.
"""

import enum
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from anthrofs.clock import Clock
from anthrofs.errors import RateLimited, RemoteError, Stopping
from anthrofs.remote.budget import WINDOW_S, Budget, Moments, Work
from anthrofs.remote.minutes import MINUTE_S

SLOTS: Final = 12
DOWNLOAD_SLOTS: Final = 8           # and the uploader has ten threads: neither side can take them all
SPARE: Final = 0.5                  # of the budget: when less is left, nothing is asked for that nobody waits for
AGED_S: Final = 2.0                 # who has waited for so long isn't overtaken any more: no kind of work starves
                                    # another
SLOWEST: Final = 1 / 16             # of the configured pace; 429s halve it down to that
RECOVERY: Final = 1 / 100           # of the configured pace, given back by each answer that isn't a 429
SLOT_LOOK_S: Final = 1.0            # while all slots are taken: who gives one back notifies


class Priority(enum.IntEnum):
    """The order in which requests go when they or slots are short."""

    READ = 0
    CLOSE = 1
    QUEUED = 2
    DELETE = 3
    REFRESH = 4
    SWEEP = 5


WORK: Final = {Priority.READ: Work.READS, Priority.CLOSE: Work.SAVES, Priority.QUEUED: Work.SAVES,
               Priority.DELETE: Work.SAVES, Priority.REFRESH: Work.NEWS, Priority.SWEEP: Work.NEWS}


class Common(Protocol):
    """A budget that many mounts share. It is asked after this mount's own, without a lock, by a thread that has a slot:
    each call is short, whatever has become of it, and raises nothing.
    """

    def take(self, priority: Priority, waited_s: float, own: int) -> float:
        """Counts one request and returns 0, or returns the seconds to wait before it is asked for again. `own`: this
        mount's requests in the window.
        """
        ...

    def sent(self) -> None:
        """Counts one that goes in any case."""
        ...

    def block(self, seconds: float) -> None:
        """The service has said that nobody may ask for so long."""
        ...

    def spare(self) -> bool:
        """Whether something may be asked for that nobody waits for."""
        ...


@dataclass(frozen=True, slots=True, order=True)
class _Ticket:
    arrival: int            # first: tickets of one priority are ordered by it
    priority: Priority
    download: bool
    asked_s: float
    begins: bool            # False: its request is running already


class Pacer:
    """A window of a minute that has room for so many requests, and slots; first by priority, then by arrival."""

    def __init__(self, per_minute: int, clock: Clock, moments: Moments | None = None) -> None:
        self._clock = clock                             # given
        self._noted = moments or Moments(None)          # given
        self._most = per_minute                         # constant
        self._own = threading.local()                   # of each thread: the work of its call, and whether `take` has
                                                        # counted its next request

        self._common: Common | None = None              # constant once `share` has set it; None: nobody else's matters

        self._turn = threading.Condition()              # guards everything below
        self._budget = Budget(per_minute, self._noted.start(per_minute, clock.now_s()))
        self._pace = 1.0                                # 1: a whole window's worth may go at once; less: one by one,
                                                        # that part of it
        self._began_s = float("-inf")                   # when the last request began
        self._blocked_until_s = float("-inf")
        self._busy = 0
        self._busy_downloads = 0
        self._queue: list[_Ticket] = []
        self._later_s: dict[_Ticket, float] = {}        # of those in it that the common budget has refused: no sooner
        self._arrivals = 0
        self._stopping = False

    @contextmanager
    def slot(self, priority: Priority, *, download: bool = False) -> Iterator[None]:
        """One request and one slot, held while the block runs. Raises Stopping."""
        self.take(priority, download=download)
        try:
            yield
        finally:
            self.give_back(download=download)

    def share(self, common: Common) -> None:
        """This mount's requests are of that budget, too. Before the first one."""
        self._common = common

    def take(self, priority: Priority, *, download: bool = False, begins: bool = True) -> None:
        """Wait until a request may begin, and for a slot; for one that goes on, only for the slot. Raises Stopping."""
        common = self._common if begins else None
        with self._turn:
            self._arrivals += 1
            ticket = _Ticket(self._arrivals, priority, download, self._clock.now_s(), begins)
            self._await_slot_locked(ticket)
            if common is not None:
                self._budget.hold(WORK[priority])
            elif begins:
                number, now_s = self._begin_locked(priority)
        if common is not None:
            number, now_s = self._begin_with(common, ticket)
        if begins:
            self._own.work, self._own.counted = WORK[priority], True
            self._noted.note(number, now_s)     # before the request goes out: a kill can't lose it

    def _begin_with(self, common: Common, ticket: _Ticket) -> tuple[int, float]:
        """As _begin_locked, once the common budget has counted it, too. Each time it hasn't, the slot is given back."""
        while True:
            with self._turn:
                now_s = self._clock.now_s()
                own = self._budget.begun(now_s)
            wait_s = float("inf")
            try:
                wait_s = common.take(ticket.priority, now_s - ticket.asked_s, own)
            finally:
                with self._turn:
                    self._budget.let_go(WORK[ticket.priority])
                    if wait_s > 0:
                        self._give_back_locked(ticket.download)
            with self._turn:
                if not wait_s:
                    return self._begin_locked(ticket.priority)
                self._later_s[ticket] = self._clock.now_s() + wait_s
                self._await_slot_locked(ticket)
                self._budget.hold(WORK[ticket.priority])

    def _await_slot_locked(self, ticket: _Ticket) -> None:
        self._queue.append(ticket)
        try:
            while not self._stopping and self._first_locked() != ticket:
                self._clock.wait(self._turn, self._look_s_locked())
        finally:
            self._queue.remove(ticket)
            self._later_s.pop(ticket, None)
            self._turn.notify_all()
        if self._stopping:
            raise Stopping("the mount is ending")
        self._busy += 1
        self._busy_downloads += ticket.download

    def _begin_locked(self, priority: Priority) -> tuple[int, float]:
        """One begins now. Returns its number and the moment."""
        now_s = self._clock.now_s()
        self._began_s = now_s
        return self._budget.note(WORK[priority], now_s), now_s

    def sent(self) -> None:
        """This thread is about to send a request. One call may take several, redirected, with another token, or past a
        cache: those count, too, but they don't wait, for this thread has a slot.
        """
        if getattr(self._own, "counted", False):
            self._own.counted = False
            return
        with self._turn:
            now_s = self._clock.now_s()
            number, self._began_s = self._budget.note(getattr(self._own, "work", Work.NEWS), now_s), now_s
        self._noted.note(number, now_s)
        if self._common is not None:
            self._common.sent()

    def give_back(self, *, download: bool) -> None:
        """The slot is free again; the request is spent."""
        with self._turn:
            self._give_back_locked(download)

    def _give_back_locked(self, download: bool) -> None:
        self._busy -= 1
        self._busy_downloads -= download
        self._turn.notify_all()

    def answered(self, exc: RemoteError | None) -> None:
        """Learn from an answer: slower after a 429, back to the configured pace with the ones that aren't."""
        wait_s = 0.0
        with self._turn:
            if isinstance(exc, RateLimited):
                now_s = self._clock.now_s()
                if now_s >= self._blocked_until_s:      # else it is one of several that were under way together
                    self._pace = max(self._pace / 2, SLOWEST)
                wait_s = exc.retry_after_s if exc.retry_after_s is not None else 1.0
                self._blocked_until_s = max(self._blocked_until_s, now_s + wait_s)
            elif exc is None:
                self._pace = min(1.0, self._pace + RECOVERY)
        if wait_s and self._common is not None:
            self._common.block(wait_s)

    def spare(self) -> bool:
        """A download that nobody waits for would be in nobody's way: no queue, a slot beside the last, half of the
        budget.
        """
        if self._common is not None and not self._common.spare():
            return False
        with self._turn:
            now_s = self._clock.now_s()
            return (not self._queue and self._pace == 1.0 and now_s >= self._blocked_until_s
                    and self._budget.left(now_s) >= self._most * SPARE and self._busy < SLOTS - 1
                    and self._busy_downloads < DOWNLOAD_SLOTS - 1)

    def waiting(self) -> tuple[int, float]:
        """(how many requests wait because too many were sent within the minute, or the service said so; seconds until
        the first of them may go).
        """
        with self._turn:
            now_s = self._clock.now_s()
            waits_s = [wait_s for ticket in self._queue if (wait_s := self._wait_s_locked(ticket, now_s)) > 0]
            return len(waits_s), min(waits_s, default=0.0)

    def traffic(self) -> tuple[int, list[dict[str, int]], float]:
        """(how many requests a minute may have; how many each of the last hour's minutes had, by the name of the work,
        the running one last; how many seconds of that one are over).
        """
        with self._turn:
            now_s = self._clock.now_s()
            counts = self._budget.minutes.last(now_s)
        return (self._most, [{work.name.lower(): count[work] for work in Work} for count in counts], now_s % MINUTE_S)

    def close(self) -> None:
        """Nobody asks any more."""
        self._noted.close()

    def stop(self) -> None:
        """Everybody who waits, now or later, gets Stopping."""
        with self._turn:
            self._stopping = True
            self._turn.notify_all()

    def _first_locked(self) -> _Ticket | None:
        """The ticket whose turn it is: the first in order that may go now. Whoever has waited long goes before all who
        came later.
        """
        now_s = self._clock.now_s()
        if now_s < self._blocked_until_s or self._busy >= SLOTS:
            return None
        for _, ticket in sorted((Priority.READ if ticket.asked_s <= now_s - AGED_S else ticket.priority, ticket)
                                for ticket in self._queue if self._later_s.get(ticket, now_s) <= now_s):
            if (self._may_begin_locked(ticket, now_s)
                    and not (ticket.download and self._busy_downloads >= DOWNLOAD_SLOTS)):
                return ticket
        return None

    def _may_begin_locked(self, ticket: _Ticket, now_s: float) -> bool:
        return not ticket.begins or (now_s >= self._began_s + self._gap_s_locked()
                                     and self._budget.allows(WORK[ticket.priority], now_s))

    def _gap_s_locked(self) -> float:
        """Between two requests: none, unless the service has said that they are too many."""
        return 0.0 if self._pace == 1.0 else WINDOW_S / self._most / self._pace

    def _wait_s_locked(self, ticket: _Ticket, now_s: float) -> float:
        """How long the time, and not a slot, keeps it, if none goes before it."""
        if not ticket.begins:
            return max(0.0, self._blocked_until_s - now_s)
        return max(0.0, self._blocked_until_s - now_s, self._began_s + self._gap_s_locked() - now_s,
                   self._budget.wait_s(WORK[ticket.priority], now_s), self._later_s.get(ticket, now_s) - now_s)

    def _look_s_locked(self) -> float:
        """Until something may change by time alone; slots and arrivals notify."""
        now_s = self._clock.now_s()
        if now_s < self._blocked_until_s:
            return self._blocked_until_s - now_s
        if self._busy >= SLOTS:
            return SLOT_LOOK_S
        gap_s = self._began_s + self._gap_s_locked() - now_s
        look_s = gap_s if gap_s > 0 else self._budget.next_s(now_s)
        return max(min([look_s, *(later_s - now_s for later_s in self._later_s.values() if later_s > now_s)]), 0.01)
