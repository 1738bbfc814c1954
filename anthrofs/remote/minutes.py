"""How many requests began in each minute of the last hour, and what kind of work asked for them.

Trusts  its caller: pace holds its lock meanwhile.
Never   holds more than an hour's counts, however long a mount lives.
"""

from collections import Counter, deque
from collections.abc import Hashable
from typing import Final

MINUTES: Final = 60
MINUTE_S: Final = 60.0


class Minutes:
    """Counts by minutes of a clock that only goes forward. Not threadsafe: its owner has a lock."""

    def __init__(self) -> None:
        self._counts = deque[tuple[int, Counter[Hashable]]](maxlen=MINUTES)     # of minutes that had any, oldest first

    def note(self, kind: Hashable, now_s: float) -> None:
        """One begins now."""
        minute = int(now_s // MINUTE_S)
        if not self._counts or self._counts[-1][0] < minute:
            self._counts.append((minute, Counter()))
        self._counts[-1][1][kind] += 1

    def last(self, now_s: float) -> list[Counter[Hashable]]:
        """Returns a count for each of the last MINUTES, oldest first; the last one is of the minute that runs."""
        known, newest = dict(self._counts), int(now_s // MINUTE_S)
        return [known.get(minute, Counter()) for minute in range(newest - MINUTES + 1, newest + 1)]
