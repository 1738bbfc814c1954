"""The parts of the listing that were merged, and as of when: a page that another mount has asked for must not be older.

Else what is gone would come back for a moment, and what is new would go.

Owns    the spans that were merged lately, in memory.
Trusts  our monotonic clock only.
Never   refuses a page that this mount has asked for itself.
"""

import threading
from dataclasses import dataclass
from typing import Final

from anthrofs.clock import Clock
from anthrofs.model import Page
from anthrofs.sync.scan import times_of

OLDEST_S: Final = 150.0         # no older page of others is taken
NEVER_NS, EVER_NS = -2**63, 2**63 - 1


@dataclass(frozen=True, slots=True)
class _Span:
    """All files of these times, as they were at some moment not after that one of our clock."""

    low_ns: int
    high_ns: int
    as_of_s: float

    def meets(self, other: "_Span") -> bool:
        return self.low_ns <= other.high_ns and other.low_ns <= self.high_ns


class Merged:
    """One tree's."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock             # given

        self._lock = threading.Lock()   # guards the following; a leaf
        self._spans: list[_Span] = []
        self._floor_s = clock.now_s()   # what was merged before, an earlier mount has done

    def forget(self) -> None:
        """Nothing was ever merged into this tree: there is nothing that could come back, or go."""
        with self._lock:
            self._spans.clear()
            self._floor_s = float("-inf")

    def admits(self, page: Page, *, first: bool) -> bool:
        """Whether a page, of a listing's beginning if it is the `first`, is as new as all that was merged of its
        span.
        """
        if not page.others:
            return True
        now_s = self._clock.now_s()
        span, asked_s = _span_of(page, now_s, first=first), now_s if page.asked_s is None else page.asked_s
        with self._lock:
            return asked_s >= max(self._floor_s, now_s - OLDEST_S) and all(
                asked_s >= each.as_of_s for each in self._spans if each.meets(span))

    def note(self, page: Page, *, first: bool) -> None:
        """The page is merged with this transaction."""
        now_s = self._clock.now_s()
        span = _span_of(page, now_s, first=first)
        with self._lock:
            # None is asked for a page that is older than what is left out here.
            self._spans = [*(each for each in self._spans if each.as_of_s > now_s - OLDEST_S), span]


def _span_of(page: Page, now_s: float, *, first: bool) -> _Span:
    """Before the first page nothing comes, and nothing behind the last."""
    times = times_of(page.files)
    low_ns = NEVER_NS if page.following is None else min(times, default=EVER_NS)
    high_ns = EVER_NS if first else max(times, default=NEVER_NS)
    return _Span(low_ns, high_ns, now_s if page.answered_s is None else page.answered_s)
