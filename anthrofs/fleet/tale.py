"""A mount's tale: what it tells the others of its fleet of itself, and people of itself.

Owns    how many requests this mount had made by the moments at which it was asked.
Never   tells a name of a file, an id, or anything of contents.
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from anthrofs.clock import Clock
from anthrofs.config import Fleet
from anthrofs.fleet.counts import Counts, Name
from anthrofs.fleet.membership import Membership

SHOWN: Final[tuple[Name, ...]] = ("hits", "misses", "wrong", "bytes", "puts", "put_bytes", "spared", "lists",
                                "forged")
MINUTE_S: Final = 60.0


class Tale:
    """One mount's."""

    def __init__(self, fleet: Fleet, membership: Membership, counts: Counts, clock: Clock,
                 requests: Callable[[], int]) -> None:
        """`requests`: how many this mount has made so far."""
        self._fleet = fleet             # given
        self._membership = membership   # given
        self._counts = counts           # given
        self._clock = clock             # given
        self._requests = requests       # given

        self._lock = threading.Lock()   # guards the following; a leaf
        self._made = deque([(clock.now_s(), 0)])        # when, and the requests by then; oldest first

    def told(self) -> dict[str, Any]:
        """Returns it as JSON has it. Whoever asks now and then learns of each minute's requests."""
        return {"label": self._membership.label, "share": self._fleet.share if self._fleet.store_url else None,
                "requests_a_minute": self._a_minute(), "listed_s_ago": self._counts.ago_s("lists"),
                **{name: self._counts.of(name) for name in SHOWN}}

    def _a_minute(self) -> int:
        now_s, made = self._clock.now_s(), self._requests()
        with self._lock:
            # One that is older stays: it says what was made by the minute's beginning.
            while len(self._made) > 1 and self._made[1][0] <= now_s - MINUTE_S:
                self._made.popleft()
            before_s, before = self._made[0]
            if now_s > self._made[-1][0]:
                self._made.append((now_s, made))
        return round((made - before) * MINUTE_S / max(MINUTE_S, now_s - before_s))
