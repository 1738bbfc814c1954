"""How long the board has been away, as this mount's listings saw it, and how much less each mount asks for until it is
back: nobody knows then what the others ask.

Owns    the moment since when it has been away.
Never   asks the board.
"""

import threading
from collections.abc import Callable
from typing import Final

from anthrofs.clock import Clock

SLOWER: Final = 3               # refreshes, without a board
LEAST_S: Final = 30.0           # between two of those
NO_SWEEP_S: Final = 600.0       # after it went: it may be back soon, and a sweep is the dearest of all


class Absence:
    """The board's, for one mount."""

    def __init__(self, clock: Clock, mounts: Callable[[], int]) -> None:
        """`mounts`: how many the fleet has, as far as this mount knows."""
        self._clock = clock             # given
        self._mounts = mounts           # given

        self._lock = threading.Lock()   # guards the following; a leaf
        self._since_s: float | None = None      # None: it answers, or wasn't asked yet

    def note(self, *, away: bool) -> None:
        """The board was asked."""
        now_s = self._clock.now_s()
        with self._lock:
            self._since_s = (now_s if self._since_s is None else self._since_s) if away else None

    def refresh_s(self, own_s: float) -> float:
        """Returns the pause between two refreshes, see Listings."""
        return own_s if self._for_s() is None else max(SLOWER * own_s, LEAST_S)

    def sweep_s(self, own_s: float) -> float:
        """Returns the pause between two sweeps, see Listings."""
        for_s = self._for_s()
        if for_s is None:
            return own_s
        return float("inf") if for_s < NO_SWEEP_S else own_s * max(1, self._mounts())

    def _for_s(self) -> float | None:
        with self._lock:
            return None if self._since_s is None else self._clock.now_s() - self._since_s
