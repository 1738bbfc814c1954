"""Whose turn it is to be sent: the order of uploads, and who is at which.

Big files and small ones are two queues, so that neither keeps the other waiting: big ones have a few of the threads, and the
first that is free when none of them is under way. In each, what a close waits for goes first, then what was promised first; but now
and then it is the turn of what was promised first, else many that wait, again and again, would starve what was renamed.

Owns    which attempts are being worked on, and what memory adds to their rows: when to try again, what is held off.
Trusts  the rows as of the look; one that another thread has finished since is noticed by the delivery's first transaction.
Never   holds anything off while somebody waits for it, or for the queue's end, nor a batch of new files (but for the empty ones in it).
"""

import threading
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final

from anthrofs.clock import Clock
from anthrofs.model import Attempt, NodeId
from anthrofs.tree.transaction import Tx
from anthrofs.tree.upload_queue import QUEUED, is_big
from anthrofs.upload.delivery import Plan
from anthrofs.upload.inquiries import INQUIRE_S

THREADS: Final = 10             # a small file costs a round trip, not bandwidth: rclone's time for 50 of them needs that many
BIG_THREADS: Final = 3          # of them, for big files: more at a time don't make a line faster
SAME: Final = 3                 # probes in a row with the same file while uploads are refused, if there are others
AT_MOST: Final = 20             # files that take turns at that
HOLD_S: Final = 1.0             # programs rename or remove their temporary files sooner than that, and fill those that they have emptied
HELD: Final = 50                # of what is held off, a look passes over; what is behind those is nearly always held off, too
FEW: Final = 4                  # new files within that time: more of them are a batch, of which nothing is held off
OVERTAKEN: Final = 3            # times in a row; then it is the turn of what nobody waits for


class Turns:
    """Rows say what is to be sent, this says in which order."""

    def __init__(self, clock: Clock, *, holds_new: bool) -> None:
        self._clock = clock             # given
        self._holds_new = holds_new     # constant: new files with content as well, since no close waits for them

        self._lock = threading.Lock()               # guards everything below; a leaf
        self._plans: dict[NodeId, Plan] = {}        # of what a thread works on, and what it will have to know next time
        self._later_s: dict[NodeId, float] = {}     # of those: when to try again; few, for a try costs a request
        self._busy: dict[NodeId, bool] = {}         # a thread works on its attempt; whether it is a big one
        self._overtaken = 0                         # times in a row what a close waits for went before what was promised before that
        self._promised_s: dict[NodeId, float] = {}  # when a close handed it over, for as long as that may hold it off; oldest first

    def promised(self, node_id: NodeId) -> None:
        """A close has handed it over now. If the server has nothing of it yet, it may be a temporary file; if it is empty, its content may
        be about to come. If the answer to older content was lost, one inquiry is enough, as soon as it can tell.
        """
        with self._lock:
            self._promised_s.pop(node_id, None)         # so that the oldest are first
            self._promised_s[node_id] = self._clock.now_s()
            if node_id in self._later_s and (lost_s := self._plans[node_id].lost_s) is not None:
                self._later_s[node_id] = min(self._later_s[node_id], lost_s + INQUIRE_S[0])

    def hurry(self) -> bool:
        """Nothing is held off any longer. True: something was."""
        with self._lock:
            held = bool(self._promised_s)
            self._promised_s.clear()
            return held

    def retry_now(self) -> None:
        """Don't wait for back-offs. What became of a lost answer is asked when it is time."""
        with self._lock:
            for node_id in [node_id for node_id in self._later_s if self._plans[node_id].lost_s is None]:
                del self._later_s[node_id]
                self._plans[node_id].not_before_s = 0.0
                self._keep_locked(node_id, self._clock.now_s())

    def look(self, tx: Tx, waited: Collection[NodeId]) -> tuple[list[Attempt], float | None]:
        """(what a thread could do now, best first; seconds until there may be something else, None: at a wake)."""
        now_s = self._clock.now_s()
        with self._lock:
            for node_id in [node_id for node_id, at_s in self._later_s.items() if at_s <= now_s]:
                del self._later_s[node_id]
                self._keep_locked(node_id, now_s)
            later_s, busy, others_turn = dict(self._later_s), dict(self._busy), self._overtaken >= OVERTAKEN
            while self._promised_s and next(iter(self._promised_s.values())) <= now_s - HOLD_S:
                del self._promised_s[next(iter(self._promised_s))]
            few = list(self._promised_s) if self._holds_new and len(self._promised_s) <= FEW else []
        new = tx.uploads.new_among(few)
        due, held_s = self._in_order(tx, later_s.keys() | busy.keys(), sum(busy.values()), new, () if others_turn else waited)
        moments_s = [*later_s.values(), *held_s]
        return due, min(moments_s) - now_s if moments_s else None

    def _in_order(self, tx: Tx, not_now: set[NodeId], bigs: int, new: set[NodeId],
                  waited: Collection[NodeId]) -> tuple[list[Attempt], list[float]]:
        """Not all of them: as many as the other threads may take in this moment, and one; and the ends of what is held off before them."""
        held_s: list[float] = []

        def first(count: int, *, big: bool) -> list[Attempt]:
            found = list[Attempt](tx.uploads.candidates(big=big, among=waited) if waited else ())
            found = [attempt for attempt in found if attempt.node_id not in not_now][:count]
            for attempt in tx.uploads.candidates(big=big):
                if len(found) >= count or len(held_s) > HELD:
                    break
                if attempt.node_id in not_now or attempt.node_id in waited:
                    continue
                until_s = self._held_until_s(attempt, new)
                if until_s is None:
                    found.append(attempt)
                else:
                    held_s.append(until_s)
            return found

        big, small = first(BIG_THREADS - bigs, big=True), first(THREADS + 1, big=False)
        at_once = 0 if bigs else 1
        return [*big[:at_once], *small, *big[at_once:]], held_s

    def smallest(self, tx: Tx) -> list[Attempt]:
        """The least that could be sent, to find out whether anything can; but not always the same: it may be one that nobody ever takes."""
        found = tx.uploads.smallest(self.not_now(), AT_MOST)
        with self._lock:
            refused = {node_id: plan.refused // SAME for node_id, plan in self._plans.items()}
        return sorted(found, key=lambda attempt: refused.get(attempt.node_id, 0))[:1]

    def _held_until_s(self, attempt: Attempt, new: set[NodeId]) -> float | None:
        """None: it isn't held off."""
        if attempt.state != QUEUED or (attempt.size_bytes and attempt.node_id not in new):
            return None
        with self._lock:
            promised_s = self._promised_s.get(attempt.node_id)
        return None if promised_s is None else promised_s + HOLD_S

    def take(self, attempts: Sequence[Attempt], waited: Collection[NodeId]) -> tuple[Attempt, Plan] | None:
        """The first that no other thread has taken since the look is the caller's, until `ended`."""
        with self._lock:
            for attempt in attempts:
                big = is_big(attempt)
                if attempt.node_id not in {*self._busy, *self._later_s} and not (big and self._full_locked()):
                    self._busy[attempt.node_id] = big
                    self._overtaken = self._overtaken + 1 if attempt.node_id in waited and self._overtaken < OVERTAKEN else 0
                    return attempt, self._plans.setdefault(attempt.node_id, Plan())
        return None

    def reserve(self, node_id: NodeId, *, big: bool) -> Plan | None:
        """A node that has no attempt yet is the caller's, until `ended`: a big one's old content may have to be read or fetched whole.
        None: another thread has it, or it is not its time or turn.
        """
        with self._lock:
            if node_id in self._busy or node_id in self._later_s or (big and self._full_locked()):
                return None
            self._busy[node_id] = big
            return self._plans.setdefault(node_id, Plan())

    def full(self) -> bool:
        """No other big one can be begun now."""
        with self._lock:
            return self._full_locked()

    def _full_locked(self) -> bool:
        return sum(self._busy.values()) >= BIG_THREADS

    def not_now(self) -> set[NodeId]:
        """What is being worked on, or postponed."""
        with self._lock:
            return {*self._busy, *self._later_s}

    def ended(self, node_id: NodeId, *, done: bool) -> None:
        """Its thread has left it. `done`: there is no attempt any more."""
        now_s = self._clock.now_s()
        with self._lock:
            self._busy.pop(node_id, None)
            if done:
                del self._plans[node_id]
            else:
                self._keep_locked(node_id, now_s)

    def _keep_locked(self, node_id: NodeId, now_s: float) -> None:
        """Of a plan only what the next try has to know: the node may end without one, and nobody would tell."""
        plan = self._plans[node_id]
        if plan.not_before_s > now_s:
            self._later_s[node_id] = plan.not_before_s
        elif replace(plan, not_before_s=0.0, over_s=None) == Plan():      # when its last byte went out matters to a lost answer only
            del self._plans[node_id]
