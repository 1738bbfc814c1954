"""Hold-offs: files that wait a moment after their close, for they may be temporary, or their content may be about to
come.

New files are held off, unless they come as a batch; and empty ones, always. Programs rename or remove their temporary
files sooner than that, and fill those that they have emptied.

Trusts  its owner, the schedule, to hold its lock.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from anthrofs.model import Attempt, NodeId
from anthrofs.tree.upload_queue import QUEUED

HOLD_S: Final = 1.0
FEW: Final = 4          # new files within that time: more of them are a batch, of which nothing is held off


@dataclass(frozen=True, slots=True)
class Held:
    """The hold-offs of a moment."""

    promised_s: Mapping[NodeId, float]
    few: Collection[NodeId]         # of those that may be held off as new files

    def until_s(self, attempt: Attempt, new: Collection[NodeId]) -> float | None:
        """Returns the end of an attempt's hold-off; None: it isn't held off. `new`: of `few`, those that are new."""
        promised_s = self.promised_s.get(attempt.node_id)
        if promised_s is None or attempt.state != QUEUED or (attempt.size_bytes and attempt.node_id not in new):
            return None
        return promised_s + HOLD_S


class HoldOffs:
    """The hold-offs of one mount. Not threadsafe: its owner has a lock."""

    def __init__(self, *, holds_new: bool) -> None:
        self._holds_new = holds_new         # constant: new files with content as well, since no close waits for them
        self._promised_s: dict[NodeId, float] = {}      # closes of the last moment; oldest first

    def promised(self, node_id: NodeId, now_s: float) -> None:
        """A close hands this node over."""
        self._promised_s.pop(node_id, None)         # so that the oldest are first
        self._promised_s[node_id] = now_s

    def end(self) -> bool:
        """Nothing is held off any longer. Returns whether something was."""
        held = bool(self._promised_s)
        self._promised_s.clear()
        return held

    def held(self, now_s: float) -> Held:
        """Returns what is held off now."""
        while self._promised_s and next(iter(self._promised_s.values())) <= now_s - HOLD_S:
            del self._promised_s[next(iter(self._promised_s))]
        few = list(self._promised_s) if self._holds_new and len(self._promised_s) <= FEW else []
        return Held(dict(self._promised_s), few)
