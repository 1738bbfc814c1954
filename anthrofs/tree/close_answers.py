"""Answers of a close: it answers for all that was written through its handle and that no close has answered for yet.

A close that fails gives back what it was to answer for: the next one does it all again. Several closes of one handle
may run at once, for each copy of a descriptor has its own.

A write from a map of the file may be any handle's, for the kernel doesn't say: each handle that writes answers for it.

Trusts  its caller to hold the lock of the handle's content.
Never   waits, and knows nothing of how a close is answered.
"""

from dataclasses import dataclass


class MapWrites:
    """Writes from maps of one content, whichever handle's they are."""

    def __init__(self) -> None:
        self.count = 0

    def wrote(self) -> None:
        """One more was taken."""
        self.count += 1


@dataclass(frozen=True, slots=True)
class Answer:
    """A close's: how it was before, for one that fails."""

    wrote: bool
    mapped: int | None      # None: of maps it has nothing to answer for


class CloseAnswers:
    """Writing through one handle, and the closes that answer for it."""

    def __init__(self, maps: MapWrites) -> None:
        self._maps = maps               # given

        # Guarded by the content's lock:
        self._wrote = False             # since the last close began
        self._mapped = maps.count       # as the last close began: another count by now may be this handle's writing
        self._running = 0               # closes that are answering

    def wrote(self) -> None:
        """Something was written through the handle."""
        self._wrote = True

    @property
    def owed(self) -> bool:
        """Something was written that no close has answered for, and none is answering for."""
        return self._wrote or self._mapped != self._maps.count

    @property
    def in_progress(self) -> bool:
        """A close is answering in this moment."""
        return self._running > 0

    def begin(self) -> Answer:
        """A close begins: what is owed is its to answer for."""
        answer = Answer(self._wrote, self._mapped if self._mapped != self._maps.count else None)
        self._wrote, self._mapped = False, self._maps.count
        self._running += 1
        return answer

    def answered(self) -> None:
        """That close has succeeded."""
        self._running -= 1

    def failed(self, answer: Answer) -> None:
        """That close has failed: what it was to answer for is owed again."""
        self._wrote = self._wrote or answer.wrote
        if answer.mapped is not None:
            self._mapped = min(self._mapped, answer.mapped)
        self._running -= 1
