"""Amounts as a person reads them: bytes, times, how fast something goes on, and how long it will take.

Pure: no clock; whoever asks says what time it is.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

WINDOW_S: Final = 10.0      # of the rate: what was before says little of what comes
SURE_S: Final = 1.0         # of samples, from which a rate can be told
STILL_S: Final = 10.0       # without a change: that is worth saying


class Rate:
    """How fast something goes on, by what was done at some moments."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, float]] = deque()     # time, and what was done by then
        self._moved_s: float | None = None                      # when that changed last

    def add(self, now_s: float, done: float) -> None:
        """So much is done by now. With less than before it begins anew."""
        last = self._samples[-1][1] if self._samples else None
        if last is None or done != last:
            self._moved_s = now_s
        if last is not None and done < last:
            self._samples.clear()
        self._samples.append((now_s, done))
        while len(self._samples) > 2 and self._samples[1][0] <= now_s - WINDOW_S:
            self._samples.popleft()

    def per_s(self) -> float | None:
        """So much is done in a second, lately. None: it can't be told yet."""
        if not self._samples or self._samples[-1][0] - self._samples[0][0] < SURE_S:
            return None
        (first_s, first), (last_s, last) = self._samples[0], self._samples[-1]
        return (last - first) / (last_s - first_s)

    def left_s(self, of: float) -> float | None:
        """The time until all is done. None: it can't be told."""
        rate = self.per_s()
        return max(0.0, of - self._samples[-1][1]) / rate if rate else None

    def still_s(self) -> float:
        """The seconds since the last change."""
        return self._samples[-1][0] - self._moved_s if self._samples and self._moved_s is not None else 0.0


def shown_progress(done: float, of: float | None, rate: Rate, shown: Callable[[float], str]) -> str:
    """4.0 MB of 10.0 MB, 1.2 MB/s, 5 s left"""
    per_s, left_s, parts = rate.per_s(), None, [shown(done)]
    if of is not None:
        parts, left_s = [f"{shown(min(done, of))} of {shown(of)}"], rate.left_s(of)
    if rate.still_s() >= STILL_S:
        return f"{parts[0]}, nothing has moved for {shown_time(rate.still_s())}"
    if per_s:
        parts.append(f"{shown(per_s)}/s")
        parts += [] if left_s is None or not left_s else [f"{shown_time(max(1.0, left_s))} left"]
    return ", ".join(parts)


def shown_briefly(done: float, of: float | None, rate: Rate, shown: Callable[[float], str]) -> str:
    """40%, 5 s left: where there is little room."""
    if of is None:
        return shown(done)
    left_s = rate.left_s(of)
    return f"{100 * min(done, of) // max(1, of):.0f}%" + (f", {shown_time(max(1.0, left_s))} left" if left_s else "")


def shown_time(seconds: float) -> str:
    """90 s, 5 min, 3 h, 7 days"""
    return (f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min" if seconds < 7200
            else f"{seconds / 3600:.0f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.0f} days")


def shown_bytes(count: float) -> str:
    """1.5 MB"""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def shown_count(count: float, one: str = "file") -> str:
    """12 files"""
    return f"{count:.0f} {one}{'' if round(count) == 1 else 's'}"
