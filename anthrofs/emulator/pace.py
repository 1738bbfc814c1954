"""How a body moves: its speed, where it stalls, where it is cut.

Owns    the arithmetic of one body in one direction.
Trusts  its caller to report what passed.
Never   sleeps or sends.
"""

from __future__ import annotations

from dataclasses import dataclass

STEP_S = 0.05       # a slow body comes in pieces this far apart, so that it trickles instead of arriving in gulps


@dataclass(slots=True)
class Pace:
    bytes_per_s: float = 0.0            # 0: unlimited
    cut_after: int | None = None        # bytes; None: never
    stall_after: int | None = None      # bytes; None: never, or it is over
    stall_s: float = 0.0
    passed: int = 0
    charged: int = 0                    # of the bytes that passed: those that due_s accounts for
    due_s: float = 0.0                  # when they should have passed, on the caller's clock

    @property
    def severed(self) -> bool:
        return self.cut_after is not None and self.passed >= self.cut_after

    def limit(self, bytes_per_s: float) -> None:
        """The slower of two limits counts; 0 is none."""
        limits = [each for each in (self.bytes_per_s, bytes_per_s) if each > 0]
        self.bytes_per_s = min(limits, default=0.0)

    def stall(self) -> float:
        """Seconds to wait before the next byte, once."""
        if self.stall_after is None or self.passed < self.stall_after:
            return 0.0
        self.stall_after = None
        return self.stall_s

    def room(self, available: int) -> int:
        """How many of the available bytes may pass as one piece: up to the next event, at least 1 if there are any."""
        room = available
        for event in (self.cut_after, self.stall_after):
            if event is not None and event > self.passed:
                room = min(room, event - self.passed)
        if self.bytes_per_s > 0:
            room = min(room, max(1, int(self.bytes_per_s * STEP_S)))
        return room

    def pass_by(self, count: int, now_s: float) -> float:
        """`count` bytes pass; seconds it takes them. A limit that came late is charged for what passed before it."""
        self.passed += count
        if self.bytes_per_s <= 0:
            return 0.0
        self.due_s = max(self.due_s, now_s) + (self.passed - self.charged) / self.bytes_per_s
        self.charged = self.passed
        return self.due_s - now_s
