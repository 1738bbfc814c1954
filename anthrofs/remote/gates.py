"""A gate on the way to the service: its life cycle, when it may be probed, and what each answer says to it. Pure.

    busy ──bad─────────┐
     ▲│                ▼
 busy││good ┌─bad──▶ doubted ──bad, APART_S later──▶ closed
     │▼     │          │                              │
     open ──┘ ◀──good──┴──────────────good────────────┘

A gate that isn't open lets probes pass only: the prober's small listing for all; one upload, one deletion for the
others. No connection closes at once. Where it is busy, others wait, and nobody is told: the service itself says that it
can't now (500, 503, 529), as it does for seconds now and then, so one file asks for all that wait.

What an answer says of the key, the account, or the way there, it says of every request:

    all         401, an organization on hold, its encryption key; a page of something in the way; no connection
    uploads     403 to an upload, a full storage, a page to uploads only
    deletions   403 to a deletion, a page to deletions only
    both        the service's own 5xx: busy

Trusts  its caller: way's lock guards the gates.
"""

import enum
from dataclasses import dataclass
from typing import Final

from anthrofs.errors import (
    AccountRefused,
    AuthFailed,
    Closed,
    InTheWay,
    LimitReached,
    Offline,
    QuotaExceeded,
    RateLimited,
    Refused,
    RemoteError,
    Unavailable,
    UploadCut,
)

APART_S: Final = 1.0                    # bad answers closer than that are one event's
PAUSES_S: Final = (2.0, 3.0, 5.0, 10.0, 30.0)       # before each probe; the last one again and again: 2, 5, 10, 20, 50,
                                                    # 80 s after closing
BUSY_S: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)        # the same while it is busy
OFFLINE_S: Final = 5.0                  # the longest of them while no connection can be made: that is no request
CALM_S: Final = 60.0                    # a gate that closes again sooner than that goes on with the pauses where it was
KNOCK_S: Final = 10.0                   # so long after a probe, somebody who comes gets one at once
CLAIM_S: Final = 10.0                   # so long a doubted gate waits for the one upload or deletion that it lets pass

OPEN: Final = "open"
BUSY: Final = "busy"
DOUBTED: Final = "doubted"
CLOSED: Final = "closed"

# Said once in the log by the gate that they close: nobody else needs to.
OF_THE_WAY: Final = (Offline, Closed, InTheWay, AccountRefused)


class Kind(enum.Enum):
    """The four things that a request may ask for."""

    LIST = enum.auto()
    READ = enum.auto()
    UPLOAD = enum.auto()
    DELETE = enum.auto()


class News(enum.Enum):
    """An answer's word to a gate."""

    GOOD = enum.auto()
    BAD = enum.auto()
    AGAIN = enum.auto()         # bad, and APART_S after the first one
    CUT = enum.auto()           # no connection could be made
    BUSY = enum.auto()          # the service can't now


NEXT: Final = {
    (OPEN, News.GOOD): OPEN,
    (OPEN, News.BAD): DOUBTED,
    (OPEN, News.CUT): CLOSED,
    (OPEN, News.BUSY): BUSY,
    (BUSY, News.GOOD): OPEN,
    (BUSY, News.BAD): DOUBTED,
    (BUSY, News.CUT): CLOSED,
    (BUSY, News.BUSY): BUSY,
    (DOUBTED, News.GOOD): OPEN,
    (DOUBTED, News.BAD): DOUBTED,
    (DOUBTED, News.AGAIN): CLOSED,
    (DOUBTED, News.CUT): CLOSED,
    (DOUBTED, News.BUSY): DOUBTED,
    (CLOSED, News.GOOD): OPEN,
    (CLOSED, News.BAD): CLOSED,
    (CLOSED, News.CUT): CLOSED,
    (CLOSED, News.BUSY): CLOSED,
}


@dataclass(eq=False)
class Gate:
    """One of the three. Guarded by Way's lock."""

    name: str                                       # constant
    says: str                                       # constant: the beginning of its log line
    state: str = OPEN
    reason: RemoteError | None = None               # the last bad answer; None: it is open
    since_s: float = 0.0                            # of the first one
    since_ns: int = 0                               # the same by the wall clock
    asked_s: float = float("-inf")                  # when a probe went last, or it was closed
    due_s: float = 0.0                              # when the next one may go
    pauses: int = 0                                 # so many of PAUSES_S are behind us
    opened_s: float = float("-inf")
    heard: int = 0                                  # answers since the start

    @property
    def is_cut(self) -> bool:
        """No connection can be made."""
        return self.state == CLOSED and isinstance(self.reason, Offline)

    def hear(self, news: News, exc: RemoteError | None, now_s: float, now_ns: int) -> bool:
        """Take one step. True: the state is another one."""
        if news is News.BAD and self.state == DOUBTED and now_s - self.since_s >= APART_S:
            news = News.AGAIN
        was, self.state = self.state, NEXT[self.state, news]
        self.heard += 1
        if self.state == OPEN:
            self.reason = None
            self.opened_s = now_s if was != OPEN else self.opened_s
            return was != OPEN
        if news is News.BUSY and self.state != BUSY:
            return False                # worse is known
        self.reason = exc or self.reason
        if self.state == BUSY:
            if was == OPEN:
                self.since_s, self.since_ns = now_s, now_ns
                self.pauses = 0         # however soon: between two bad answers there was a good one
                self._asked(now_s)
            return was != BUSY
        if was in (OPEN, BUSY):
            self.since_s, self.since_ns, self.due_s = now_s, now_ns, now_s + APART_S
        if self.state == CLOSED and was != CLOSED:
            self.pauses = 0 if self.since_s - self.opened_s > CALM_S else self.pauses
            self._asked(now_s)
        return was != self.state

    def probe(self, now_s: float) -> None:
        """One goes now."""
        if self.state == DOUBTED:
            self.due_s = now_s + CLAIM_S
        else:
            self._asked(now_s)

    def _asked(self, now_s: float) -> None:
        each_s = BUSY_S if self.state == BUSY else PAUSES_S
        pause_s = each_s[min(self.pauses, len(each_s) - 1)]
        if self.is_cut:
            pause_s = min(pause_s, OFFLINE_S)
        elif self.reason is not None and self.reason.retry_after_s is not None:
            pause_s = max(pause_s, min(self.reason.retry_after_s, PAUSES_S[-1]))
        self.asked_s, self.due_s, self.pauses = now_s, now_s + pause_s, self.pauses + 1

    def knock(self, now_s: float, *, now: bool = True) -> bool:
        """Somebody wants to pass: a probe goes `now`, if the last one is some time ago. True: it does, or soon."""
        if now and self.state in (BUSY, CLOSED) and now_s - self.asked_s >= KNOCK_S:
            self.due_s = min(self.due_s, now_s)
        return self.state != OPEN and self.due_s <= now_s + APART_S

    def error(self) -> Closed:
        """The error that whoever may not pass is told."""
        assert self.reason is not None, "it isn't open"
        return Closed(self.reason)


def lesson(kind: Kind, exc: RemoteError | None) -> tuple[News | None, News | None]:
    """An answer's words to the gate for all, and to the one for its kind. None: it says nothing to that one."""
    if exc is None:
        return News.GOOD, News.GOOD
    if isinstance(exc, Offline):
        return News.CUT, None
    if isinstance(exc, RateLimited):        # of a limiter on the way, too: it lets others pass
        return News.GOOD, None
    if isinstance(exc, InTheWay):
        return News.BAD, News.BAD
    if isinstance(exc, (QuotaExceeded, LimitReached)):
        return (News.GOOD if exc.from_service else None), News.BAD
    if isinstance(exc, AuthFailed) and exc.status == 403:       # a key can be good for some calls only, but without
                                                                # listings nothing goes
        return (News.BAD, None) if kind is Kind.LIST else (None, News.BAD)
    if isinstance(exc, AccountRefused):
        return News.BAD, None
    if not exc.from_service or isinstance(exc, (Closed, UploadCut)):
        return None, None
    if isinstance(exc, Unavailable) and (exc.status or 0) >= 500:
        return News.GOOD, News.BUSY
    return News.GOOD, News.GOOD if isinstance(exc, Refused) else None
