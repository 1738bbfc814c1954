"""Turns go round among the kinds of work, so that none starves another: each has them by its weight, while there is
some of it.

Stride scheduling: a kind that was served has passed so much further as its weight is small, and the one that has passed
least is next. One that had nothing to do for a while begins beside the others: it has saved up nothing.

Owns    how far each kind has passed.
Trusts  its caller: the schedule holds its lock meanwhile.
Never   waits, and knows no piece of work.
"""

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Turns(Generic[K]):
    """Not threadsafe: its owner has a lock."""

    def __init__(self) -> None:
        self._passed: dict[K, float] = {}
        self._now = 0.0             # how far the last one that was served had passed then: nobody begins behind that

    def order(self, ready: Iterable[K]) -> list[K]:
        """Returns the kinds of which there is work, the next first; of equals the one that is named first."""
        return sorted(ready, key=lambda kind: max(self._now, self._passed.get(kind, 0.0)))

    def served(self, kind: K, weight: float) -> None:
        """Notes that a kind had its turn. `weight`: how often it is, compared with the others."""
        self._now = max(self._now, self._passed.get(kind, 0.0))
        self._passed[kind] = self._now + 1 / weight
