"""The budget of requests, shared by everything that a mount asks.

Owns    the tokens of the minute, the slots for connections, and the queue of those who wait for either.
Serves  every wrapped RemoteFiles; `Paced` is one view of a `Pacer` at one priority.
Trusts  the server's 429 more than its own arithmetic: other programs use the same organization's budget.
Never   waits with a slot in hand, and never lets downloads take the last slots: a save must get through.
"""

import enum
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from anthrofs.clock import Clock
from anthrofs.errors import RateLimited, RemoteError, Stopping
from anthrofs.model import Cursor, FileId, Page, RemoteFile, ServerClock, Workspace
from anthrofs.remote.api import Body, Download, RemoteFiles

SLOTS: Final = 12
DOWNLOAD_SLOTS: Final = 8           # and the uploader has ten threads: neither side can take them all
KEPT_FOR_READERS: Final = 0.1       # of the minute's tokens: somebody waits in read() while a queue drains
SPARE: Final = 0.5                  # of the minute's tokens: below that, nothing is asked for that nobody waits for
AGED_S: Final = 2.0                 # a close must not wait for ever behind a loop of small reads
SLOWEST: Final = 1 / 16             # of the configured pace; 429s halve it down to that
RECOVERY: Final = 1 / 100           # of the configured pace, given back by each answer that isn't a 429


class Priority(enum.IntEnum):
    """Who goes first when tokens or slots are short."""

    READ = 0
    CLOSE = 1
    QUEUED = 2
    DELETE = 3
    REFRESH = 4
    SWEEP = 5


@dataclass(frozen=True, slots=True, order=True)
class _Ticket:
    arrival: int            # first: tickets of one priority are ordered by it
    priority: Priority
    download: bool
    asked_s: float
    tokens: int             # 0: its request is running already


class Pacer:
    """A token bucket whose burst is a whole minute's worth, and slots; first by priority, then by arrival."""

    def __init__(self, per_minute: int, clock: Clock) -> None:
        self._clock = clock                             # given
        self._full = float(per_minute)                  # constant

        self._turn = threading.Condition()              # guards everything below
        self._tokens = self._full
        self._per_s = self._full / 60
        self._stamp_s = clock.now_s()                   # when _tokens was right
        self._blocked_until_s = 0.0
        self._busy = 0
        self._busy_downloads = 0
        self._queue: list[_Ticket] = []
        self._arrivals = 0
        self._stopping = False

    @contextmanager
    def slot(self, priority: Priority, *, download: bool = False) -> Iterator[None]:
        """One token and one slot, held while the block runs. Raises Stopping."""
        self.take(priority, download=download)
        try:
            yield
        finally:
            self.give_back(download=download)

    def take(self, priority: Priority, *, download: bool = False, tokens: int = 1) -> None:
        """Wait for a token and a slot; without a token for one that goes on. Raises Stopping."""
        with self._turn:
            self._arrivals += 1
            ticket = _Ticket(self._arrivals, priority, download, self._clock.now_s(), tokens)
            self._queue.append(ticket)
            try:
                while not self._stopping and self._first_locked() != ticket:
                    self._clock.wait(self._turn, self._refill_wait_s_locked())
            finally:
                self._queue.remove(ticket)
                self._turn.notify_all()
            if self._stopping:
                raise Stopping("the mount is ending")
            self._tokens -= tokens
            self._busy += 1
            self._busy_downloads += download

    def give_back(self, *, download: bool) -> None:
        """The slot is free again; the token is spent."""
        with self._turn:
            self._busy -= 1
            self._busy_downloads -= download
            self._turn.notify_all()

    def answered(self, exc: RemoteError | None) -> None:
        """Learn from an answer: slower after a 429, back to the configured pace with the ones that aren't."""
        with self._turn:
            self._refill_locked()
            if isinstance(exc, RateLimited):
                self._per_s = max(self._per_s / 2, self._full / 60 * SLOWEST)
                self._tokens = 0.0
                wait_s = exc.retry_after_s if exc.retry_after_s is not None else 1.0
                self._blocked_until_s = max(self._blocked_until_s, self._clock.now_s() + wait_s)
            elif exc is None:
                self._per_s = min(self._full / 60, self._per_s + self._full / 60 * RECOVERY)

    def spare(self) -> bool:
        """A download that nobody waits for would be in nobody's way: no queue, a slot beside the last, half of the budget."""
        with self._turn:
            self._refill_locked()
            return (not self._queue and self._clock.now_s() >= self._blocked_until_s and self._tokens >= self._full * SPARE
                    and self._busy < SLOTS - 1 and self._busy_downloads < DOWNLOAD_SLOTS - 1)

    def stop(self) -> None:
        """Everybody who waits, now or later, gets Stopping."""
        with self._turn:
            self._stopping = True
            self._turn.notify_all()

    def _first_locked(self) -> _Ticket | None:
        """Whose turn it is: the first in order who may go now. Who has waited long counts as a waiting reader."""
        self._refill_locked()
        if self._clock.now_s() < self._blocked_until_s or self._busy >= SLOTS:
            return None
        aged_s = self._clock.now_s() - AGED_S
        for priority, ticket in sorted((Priority.READ if ticket.asked_s <= aged_s else ticket.priority, ticket) for ticket in self._queue):
            needed = 1.0 if priority is Priority.READ else min(1.0 + self._full * KEPT_FOR_READERS, self._full)
            if self._per_s < self._full / 60:       # slowed: the bucket hardly fills, a reserve would starve the rest
                needed = 1.0
            if self._tokens >= needed * ticket.tokens and not (ticket.download and self._busy_downloads >= DOWNLOAD_SLOTS):
                return ticket
        return None

    def _refill_locked(self) -> None:
        now_s = self._clock.now_s()
        self._tokens = min(self._full, self._tokens + (now_s - self._stamp_s) * self._per_s)
        self._stamp_s = now_s

    def _refill_wait_s_locked(self) -> float:
        """Until something may change by time alone; slots and arrivals notify."""
        return max(self._blocked_until_s - self._clock.now_s(), 1.0 / self._per_s, 0.01)


class Paced:
    """A RemoteFiles at one priority of the budget."""

    def __init__(self, inner: RemoteFiles, pacer: Pacer, priority: Priority) -> None:
        self._inner = inner             # given
        self._pacer = pacer             # given
        self._priority = priority       # constant

    def list(self, limit: int, cursor: Cursor | None = None) -> Page:
        """See RemoteFiles."""
        with self._exchange():
            return self._inner.list(limit, cursor)

    def stat(self, file_id: FileId) -> RemoteFile:
        """See RemoteFiles."""
        with self._exchange():
            return self._inner.stat(file_id)

    def upload(self, name: str, mime_type: str, body: Body, expires_s: int | None = None) -> RemoteFile:
        """See RemoteFiles."""
        with self._exchange():
            return self._inner.upload(name, mime_type, body, expires_s)

    def delete(self, file_id: FileId) -> None:
        """See RemoteFiles."""
        with self._exchange():
            self._inner.delete(file_id)

    def download(self, file_id: FileId, first: int = 0, last: int | None = None) -> Download:
        """See RemoteFiles. The slot is held until the download is left."""
        self._pacer.take(self._priority, download=True)
        try:
            with self._noted():
                return _PacedDownload(self._inner.download(file_id, first, last), self._pacer, self._priority)
        except BaseException:
            self._pacer.give_back(download=True)
            raise

    def clock(self) -> ServerClock | None:
        """See RemoteFiles."""
        return self._inner.clock()

    def workspace(self) -> Workspace:
        """See RemoteFiles."""
        return self._inner.workspace()

    @contextmanager
    def _exchange(self) -> Iterator[None]:
        with self._pacer.slot(self._priority), self._noted():
            yield

    @contextmanager
    def _noted(self) -> Iterator[None]:
        try:
            yield
        except RemoteError as exc:
            self._pacer.answered(exc)
            raise
        self._pacer.answered(None)


class _PacedDownload:
    """A Download that gives its slot back when it is left."""

    def __init__(self, inner: Download, pacer: Pacer, priority: Priority) -> None:
        self._inner = inner             # given
        self._pacer = pacer             # given
        self._priority = priority       # constant
        self._held = True               # the slot; its thread only
        self.offset = inner.offset      # constant
        self.ranged = inner.ranged      # constant
        self.sure = inner.sure          # constant
        self.total = inner.total        # constant

    def __enter__(self) -> Self:
        self._inner.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self._inner.__exit__(kind, exc, trace)
        finally:
            if self._held:
                self._pacer.give_back(download=True)

    def park(self) -> None:
        """See Download."""
        self._held = False
        self._pacer.give_back(download=True)
        self._inner.park()

    def resume(self) -> None:
        """See Download. Only who goes on reading waits for a place: one that is to be closed must not."""
        self._pacer.take(self._priority, download=True, tokens=0)
        self._held = True
        self._inner.resume()

    def abort(self) -> None:
        """See Download."""
        self._inner.abort()

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._inner)
