"""How many requests a minute are answered.

Owns    the arithmetic of the ways in which a minute may be counted: a token bucket that holds a minute's worth, the
        last 60 seconds, or the minutes of the clock.
Trusts  a clock that doesn't run backwards.
Never   waits: it says how long the client should.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Bucket:
    def __init__(self, clock_s: Callable[[], float]) -> None:
        self._clock_s = clock_s         # given

        self._per_minute = 0            # used on the event loop only
        self._minute = ""
        self._tokens = 0.0
        self._filled_s = 0.0            # when _tokens was right
        self._passed_s = deque[float]()     # when those passed that count

    def take(self, per_minute: int, minute: str = "bucket") -> float:
        """0 when the request may pass, else the seconds until the next one may. Another rate starts anew. `minute`: see
        Switches.
        """
        now = self._clock_s()
        if (per_minute, minute) != (self._per_minute, self._minute):
            self._per_minute, self._minute, self._tokens, self._filled_s = per_minute, minute, float(per_minute), now
            self._passed_s.clear()
        if per_minute == 0:
            return 0.0
        if minute == "bucket":
            return self._take_token(now, per_minute)
        began_s = now - 60 if minute == "sliding" else now // 60 * 60
        while self._passed_s and (self._passed_s[0] < began_s
                                  or (minute == "sliding" and self._passed_s[0] == began_s)):
            self._passed_s.popleft()
        if len(self._passed_s) < per_minute:
            self._passed_s.append(now)
            return 0.0
        return (self._passed_s[0] if minute == "sliding" else began_s) + 60 - now

    def _take_token(self, now: float, per_minute: int) -> float:
        self._tokens = min(per_minute, self._tokens + (now - self._filled_s) * per_minute / 60)
        self._filled_s = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) * 60 / per_minute
