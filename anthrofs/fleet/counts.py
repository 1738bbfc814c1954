"""Counts of what a mount has had of its fleet since it began: for status, and for the others of the fleet.

Owns    the counts, and the moment of each one's last.
Never   decides anything.
"""

import threading
from typing import Literal

from anthrofs.clock import Clock

Name = Literal["hits",          # reads that the store answered
               "misses",        # those that it couldn't
               "forged",        # notes on the board that no member has written, or not for that place
               "wrong",         # chunks in it that were changed, cut, or of another place
               "bytes",         # that came from the store
               "puts",          # files that this mount has put there
               "put_bytes",     # theirs
               "spared",        # requests to the service that would have been made without the fleet
               "lists"]         # requests of the listing that this mount has made by itself


class Counts:
    """One mount's."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock             # given

        self._lock = threading.Lock()   # guards the following; a leaf
        self._counts: dict[Name, int] = {}
        self._last_s: dict[Name, float] = {}

    def add(self, name: Name, amount: int = 1) -> None:
        """So much more."""
        now_s = self._clock.now_s()
        with self._lock:
            self._counts[name] = self._counts.get(name, 0) + amount
            self._last_s[name] = now_s

    def of(self, name: Name) -> int:
        """How many by now."""
        with self._lock:
            return self._counts.get(name, 0)

    def ago_s(self, name: Name) -> float | None:
        """Since the last one; None: there was none."""
        with self._lock:
            last_s = self._last_s.get(name)
        return None if last_s is None else self._clock.now_s() - last_s
