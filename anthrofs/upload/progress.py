"""How far the uploads under way are, by what the other side's TCP has acknowledged.

Owns    the bodies that are under way, and of each node's content how many bytes were ever acknowledged, in any try.
Trusts  the kernel's count (remote/wire.py): bytes that were handed to it may still be in its buffer, and a proxy may
        have the rest for a while.
Never   takes a byte for progress that was sent and acknowledged before: a resend brings nothing nearer.
"""

import threading
from dataclasses import dataclass

from anthrofs.model import NodeId, StageId
from anthrofs.remote.api import Body


@dataclass(frozen=True, slots=True)
class Sent:
    """How far one upload under way has come."""

    size_bytes: int
    acknowledged: int       # bytes that the other side's TCP has
    handed: int             # bytes that this machine's kernel was given: what isn't acknowledged of them is on its way
    over_ns: int            # wall clock: when the last byte was handed over; 0: not yet

    @property
    def awaits_answer(self) -> bool:
        """Whether the other side has all of it, and says nothing yet."""
        return self.over_ns > 0 and self.acknowledged >= self.size_bytes

    @property
    def percent(self) -> int:
        """The part that has arrived, in words for a person: never all of it, as long as something is still to come."""
        return min(99, 100 * self.acknowledged // max(1, self.size_bytes))


class Progress:
    """The progress of one mount's uploads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()       # guards everything below; a leaf
        self._bodies: dict[NodeId, tuple[StageId, Body, int]] = {}      # the number is its size
        self._most: dict[NodeId, tuple[StageId, int]] = {}              # bytes of that stage ever acknowledged
        self._fresh = 0                     # counts changes of _most, and uploads that are done

    def begin(self, node_id: NodeId, stage: StageId, body: Body) -> None:
        """A try begins. The body says how far it is until `end`."""
        with self._lock:
            self._bodies[node_id] = stage, body, body.size_bytes()
            if node_id not in self._most or self._most[node_id][0] != stage:
                self._most[node_id] = stage, 0

    def end(self, node_id: NodeId, *, done: bool) -> None:
        """The node's try is over. `done`: there won't be another one."""
        self.now()
        with self._lock:
            self._bodies.pop(node_id, None)
            if done:
                self._most.pop(node_id, None)
                self._fresh += 1

    def now(self) -> dict[NodeId, Sent]:
        """Returns how far each is now; without those that still wait for a place in the budget."""
        with self._lock:
            bodies = dict(self._bodies)
        found = {node_id: (stage, Sent(size, body.acknowledged(), body.handed(), body.over_ns))
                 for node_id, (stage, body, size) in bodies.items() if body.begun}
        with self._lock:
            for node_id, (stage, sent) in found.items():
                known = self._most.get(node_id)
                if known is not None and known[0] == stage and sent.acknowledged > known[1]:
                    self._most[node_id] = stage, sent.acknowledged
                    self._fresh += 1
        return {node_id: sent for node_id, (_, sent) in found.items()}

    def is_moving(self, node_id: NodeId) -> bool:
        """Whether a try is under way, and some of it has arrived."""
        with self._lock:
            body = self._bodies.get(node_id)
        return body is not None and body[1].acknowledged() > 0

    def of(self, node_id: NodeId, stage: StageId) -> tuple[int, int]:
        """Returns (bytes of this content ever acknowledged, a number that grows with every byte that is acknowledged
        for the first time, and with every upload that is done).
        """
        self.now()
        with self._lock:
            known = self._most.get(node_id)
            return (known[1] if known is not None and known[0] == stage else 0), self._fresh
