"""Whose turn it is to be sent: the order of uploads, and who is at which.

Big files and small ones are two queues, so that neither keeps the other waiting: big ones have a few of the threads, and the
first that is free when none of them is under way. In each, what a close waits for goes first, then what was promised first.

Owns    which attempts are being worked on, and what memory adds to their rows: when to try again, what is held off.
Serves  uploader, whose threads ask and say when they have ended.
Trusts  the rows as of the look; one that another thread has finished since is noticed by the delivery's first transaction.
Never   holds anything off while somebody waits for the queue's end, or of a batch of new files.
"""

import threading
from collections.abc import Collection, Sequence
from itertools import chain, islice
from typing import Final

from anthrofs.clock import Clock
from anthrofs.db import Tx
from anthrofs.delivery import Plan
from anthrofs.model import Attempt, NodeId
from anthrofs.outbox import Outbox, is_big

THREADS: Final = 10             # a small file costs a round trip, not bandwidth: rclone's time for 50 of them needs that many
BIG_THREADS: Final = 3          # of them, for big files: more at a time don't make a line faster
HOLD_S: Final = 1.0             # programs rename or remove their temporary files sooner than that
FEW: Final = 4                  # new files within that time: more of them are a batch, of which nothing is held off


class Turns:
    """Rows say what is to be sent, this says in which order."""

    def __init__(self, outbox: Outbox, clock: Clock, hold_s: float) -> None:
        self._outbox = outbox           # given
        self._clock = clock             # given
        self._hold_s = hold_s           # constant; 0: nothing is held off

        self._lock = threading.Lock()               # guards everything below; a leaf
        self._plans: dict[NodeId, Plan] = {}
        self._busy: dict[NodeId, bool] = {}         # a thread works on its attempt; whether it is a big one
        self._promised_s: dict[NodeId, float] = {}  # when a close handed it over, for as long as that holds it off

    def promised(self, node_id: NodeId) -> None:
        """A close has handed it over now. If the server has nothing of it yet, it may be a temporary file."""
        if self._hold_s:
            with self._lock:
                self._promised_s[node_id] = self._clock.now_s()

    def hurry(self) -> bool:
        """Nothing is held off any longer. True: something was."""
        with self._lock:
            held = bool(self._promised_s)
            self._promised_s.clear()
            return held

    def retry_now(self) -> None:
        """Don't wait for back-offs. What became of a lost answer is asked when it is time."""
        with self._lock:
            for node_id, plan in self._plans.items():
                if node_id not in self._busy and plan.lost_s is None:
                    plan.not_before_s = 0.0

    def look(self, tx: Tx, waited: Collection[NodeId]) -> tuple[list[Attempt], float | None]:
        """(what a thread could do now, best first; seconds until there may be something else, None: at a wake)."""
        now_s = self._clock.now_s()
        with self._lock:
            later_s = {node_id: plan.not_before_s for node_id, plan in self._plans.items() if plan.not_before_s > now_s}
            self._promised_s = {node_id: at_s for node_id, at_s in self._promised_s.items() if now_s - at_s < self._hold_s}
            held_s = {node_id: at_s + self._hold_s for node_id, at_s in self._promised_s.items()}
            busy = dict(self._busy)
        due = self._in_order(tx, later_s.keys() | busy.keys(), sum(busy.values()), waited)
        if held_s and len(held_s) <= FEW:
            held = self._outbox.new_among(tx, held_s)
            later_s.update((attempt.node_id, held_s[attempt.node_id]) for attempt in due if attempt.node_id in held)
            due = [attempt for attempt in due if attempt.node_id not in held]
        return due, min(later_s.values()) - now_s if later_s else None

    def _in_order(self, tx: Tx, not_now: set[NodeId], bigs: int, waited: Collection[NodeId]) -> list[Attempt]:
        """Not all of them: as many as the other threads may take in this moment, and one."""
        def first(count: int, *, big: bool) -> list[Attempt]:
            waited_for = self._outbox.candidates(tx, big=big, among=waited) if waited else ()
            others = (attempt for attempt in self._outbox.candidates(tx, big=big) if attempt.node_id not in waited)
            return list(islice((attempt for attempt in chain(waited_for, others) if attempt.node_id not in not_now), count))

        big, small = first(BIG_THREADS - bigs, big=True), first(THREADS + 1, big=False)
        at_once = 0 if bigs else 1
        return [*big[:at_once], *small, *big[at_once:]]

    def smallest(self, tx: Tx) -> list[Attempt]:
        """The least that could be sent, to find out whether anything can."""
        return self._outbox.smallest(tx, self.not_now())

    def take(self, attempts: Sequence[Attempt]) -> tuple[Attempt, Plan] | None:
        """The first that no other thread has taken since the look is the caller's, until `ended`."""
        with self._lock:
            for attempt in attempts:
                big = is_big(attempt)
                if attempt.node_id not in self._busy and not (big and self._full_locked()):
                    self._busy[attempt.node_id] = big
                    return attempt, self._plans.setdefault(attempt.node_id, Plan())
        return None

    def reserve(self, node_id: NodeId, *, big: bool) -> Plan | None:
        """A node that has no attempt yet is the caller's, until `ended`: a big one's old content may have to be read or fetched whole.
        None: another thread has it, or it is not its time or turn.
        """
        with self._lock:
            plan = self._plans.setdefault(node_id, Plan())
            if node_id in self._busy or plan.not_before_s > self._clock.now_s() or (big and self._full_locked()):
                return None
            self._busy[node_id] = big
            return plan

    def full(self) -> bool:
        """No other big one can be begun now."""
        with self._lock:
            return self._full_locked()

    def _full_locked(self) -> bool:
        return sum(self._busy.values()) >= BIG_THREADS

    def not_now(self) -> set[NodeId]:
        """What is being worked on, or postponed."""
        now_s = self._clock.now_s()
        with self._lock:
            return {*self._busy, *(node_id for node_id, plan in self._plans.items() if plan.not_before_s > now_s)}

    def ended(self, node_id: NodeId, *, done: bool) -> None:
        """Its thread has left it. `done`: there is no attempt any more."""
        with self._lock:
            self._busy.pop(node_id, None)
            if done:
                self._plans.pop(node_id, None)
