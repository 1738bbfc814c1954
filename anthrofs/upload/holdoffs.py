"""Hold-offs: files that wait a moment after their close, for they may be temporary, or their content may be about to
come.

New files are held off, unless they come as a batch; and empty ones, always. Programs rename or remove their temporary
files sooner than that, and fill those that they have emptied.

Trusts  its owner, the schedule, to hold its lock.
"""

from typing import Final

from anthrofs.model import NodeId

HOLD_S: Final = 1.0
FEW: Final = 4          # new files within that time: more of them are a batch, of which nothing is held off


class HoldOffs:
    """The hold-offs of one mount. Not threadsafe: its owner has a lock."""

    def __init__(self, *, holds_new: bool) -> None:
        self._holds_new = holds_new         # constant: new files with content as well, since no close waits for them
        self._until_s: dict[NodeId, float] = {}         # of what was closed in the last moment; oldest first

    def promised(self, node_id: NodeId, now_s: float) -> None:
        """A close hands this node over."""
        self._until_s.pop(node_id, None)            # so that the oldest are first
        self._until_s[node_id] = now_s + HOLD_S

    def end(self) -> bool:
        """Nothing is held off any longer. Returns whether something was."""
        held = bool(self._until_s)
        self._until_s.clear()
        return held

    def held(self, now_s: float) -> tuple[dict[NodeId, float], bool]:
        """Returns (until when these are held off, whether they are so with content as well, if they are new)."""
        while self._until_s and next(iter(self._until_s.values())) <= now_s:
            del self._until_s[next(iter(self._until_s))]
        return dict(self._until_s), self._holds_new and len(self._until_s) <= FEW
