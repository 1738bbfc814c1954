"""How many requests a minute are answered.

Owns    the arithmetic of one token bucket that holds a minute's worth.
Serves  gate.py.
Trusts  a clock that doesn't run backwards.
Never   waits: it says how long the client should.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Bucket:
    def __init__(self, clock_s: Callable[[], float]) -> None:
        self._clock_s = clock_s         # given

        self._per_minute = 0            # used on the event loop only
        self._tokens = 0.0
        self._filled_s = 0.0            # when _tokens was right

    def take(self, per_minute: int) -> float:
        """0 when the request may pass, else the seconds until the next one may. Another rate starts a full bucket."""
        now = self._clock_s()
        if per_minute != self._per_minute:
            self._per_minute, self._tokens, self._filled_s = per_minute, float(per_minute), now
        if per_minute == 0:
            return 0.0
        self._tokens = min(per_minute, self._tokens + (now - self._filled_s) * per_minute / 60)
        self._filled_s = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) * 60 / per_minute
