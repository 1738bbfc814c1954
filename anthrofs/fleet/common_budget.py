"""One budget of requests for all mounts of an organization: the board counts, and says whose turn it is.

Owns    this mount's own requests of the window, and which of them the board may not know of.
Trusts  the board's count of mounts; and its answer, but for a board that lets none of this mount's requests go for a
        whole window, although they are fewer than its share: its clock was set back, or somebody plays with it. While
        it is away: own requests alone, of most / mounts.
Never   waits but for one exchange with the board.
"""

import threading
from collections import Counter, deque
from dataclasses import dataclass
from typing import Final

from anthrofs.clock import Clock
from anthrofs.errors import BoardAway
from anthrofs.fleet.board import LOOK_S, Ask, Board, Spent, Turn
from anthrofs.fleet.mount_count import MountCount
from anthrofs.remote.budget import KEPT, WINDOW_S, Work
from anthrofs.remote.pace import WORK, Priority

SPARE: Final = 0.5          # of the budget: when less was left, nothing is asked for that nobody waits for
FRESH_S: Final = 10.0       # how long that is known after an answer
LEAST_S: Final = 0.01       # that anybody waits


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind of request leaves so much to the more urgent ones, until it has waited so long. So each kind goes on,
    whatever the others want.
    """

    keep: float = 0.0       # of the budget
    patience_s: float = 0.0


RULES: Final = {
    Priority.READ: Rule(),
    Priority.CLOSE: Rule(),
    Priority.QUEUED: Rule(0.1, 5.0),
    Priority.DELETE: Rule(0.1, 5.0),
    Priority.REFRESH: Rule(0.1, 5.0),
    Priority.SWEEP: Rule(0.5, 30.0),
}


@dataclass(slots=True)
class _Own:
    """A request of this mount."""

    number: int
    work: Work
    began_s: float
    told: bool              # the board knows of it, or did before it lost its counts


class CommonBudget:
    """One mount's part of it; see Common."""

    def __init__(self, board: Board, mounts: MountCount, most: int, clock: Clock) -> None:
        """`most`: of the organization's requests in any WINDOW_S."""
        self._board = board                     # given
        self._mounts = mounts                   # given
        self._most = most                       # constant
        self._clock = clock                     # given

        self._lock = threading.Lock()           # guards the following; a leaf
        self._own = deque[_Own]()               # of the window, oldest first
        self._numbers = 0
        self._free: list[int] = []              # numbers that were asked for, and may be counted, but have not begun
        self._until_s: dict[int, float] = {}    # who keeps so much, or more, has to wait: the board isn't asked sooner
        self._starves_s = float("inf")          # since when the board has let none go, with some left in the share
        self._epoch = ""
        self._left, self._left_s = most, float("-inf")  # as the board said last, and when
        self._others = 0                        # what other mounts had of the window then

    def take(self, priority: Priority, waited_s: float, own: int) -> float:
        """See Common."""
        rule, now_s = RULES[priority], self._clock.now_s()
        keep, mounts = 0 if waited_s >= rule.patience_s else int(rule.keep * self._most), self._mounts.get()
        with self._lock:
            until_s = max((until_s for kept, until_s in self._until_s.items() if kept <= keep), default=now_s)
            if until_s > now_s:
                return max(LEAST_S, until_s - now_s)
            number = self._free.pop() if self._free else self._next_locked()
            untold = self._untold_locked(now_s)
            own = self._counted_locked(own, WORK[priority], mounts)
        ask = Ask(number, self._most, keep, own, tuple(Spent(each.number, now_s - each.began_s) for each in untold))
        try:
            turn = self._board.take(ask)
        except BoardAway:
            return self._alone(number, WORK[priority], own)
        self._mounts.note(turn.mounts)
        now_s = self._clock.now_s()
        with self._lock:
            for each in untold:
                each.told = True
            self._left, self._left_s = turn.left, now_s
            wait_s = self._wait_s_locked(turn, own, now_s)
            if wait_s:
                self._until_s[keep] = now_s + wait_s
                self._free.append(number)
            else:
                self._until_s.clear()
                self._own.append(_Own(number, WORK[priority], now_s, told=not turn.wait_s))
            self._others = max(0, self._most - turn.left - len(self._own))
        self._hear(turn.epoch)
        return wait_s

    def sent(self) -> None:
        """See Common. The board hears of it with the next request."""
        now_s = self._clock.now_s()
        with self._lock:
            self._own.append(_Own(self._next_locked(), Work.NEWS, now_s, told=False))

    def block(self, seconds: float) -> None:
        """See Common."""
        try:
            self._board.block(seconds)
        except BoardAway:
            return

    def spare(self) -> bool:
        """See Common."""
        now_s = self._clock.now_s()
        with self._lock:
            return now_s > self._left_s + FRESH_S or self._left >= self._most * SPARE

    def tell(self) -> None:
        """Tells the board what it doesn't know: now and then, for a mount that asks for nothing any more. Raises
        BoardAway.
        """
        now_s = self._clock.now_s()
        with self._lock:
            untold = self._untold_locked(now_s)
        epoch, mounts = self._board.tell([Spent(each.number, now_s - each.began_s) for each in untold])
        with self._lock:
            for each in untold:
                each.told = True
        self._mounts.note(mounts)
        self._hear(epoch)

    def _alone(self, number: int, work: Work, own: int) -> float:
        """The board is away: this mount has its share of the budget, for as many mounts as there were; and of what was
        left when the board answered last, while what the others had had by then leaves the window.
        """
        now_s, mounts = self._clock.now_s(), self._mounts.get()
        with self._lock:
            # Slowly at first: what they have had may have been a burst just before the board went.
            gone = min(1.0, (now_s - self._left_s) / WINDOW_S) ** 2
            since = sum(each.began_s > self._left_s for each in self._own)
            rest = self._most - self._others * (1 - gone) - (len(self._own) - since)
            if own < max(1, self._most // mounts) and since < rest / mounts:
                self._own.append(_Own(number, work, now_s, told=False))
                return 0.0
            self._free.append(number)
            oldest_s = self._own[0].began_s if self._own else now_s
        return max(LEAST_S, min(LOOK_S, oldest_s + WINDOW_S - now_s))

    def _wait_s_locked(self, turn: Turn, own: int, now_s: float) -> float:
        """Returns how long to wait by that answer, within bounds; 0: one may begin."""
        if turn.wait_s and own * turn.mounts < self._most:
            self._starves_s = min(self._starves_s, now_s)
            return max(0.0, min(turn.wait_s, self._starves_s + WINDOW_S - now_s))
        self._starves_s = float("inf")
        if not turn.wait_s:
            return 0.0
        # Its share comes back when its oldest leaves.
        return max(LEAST_S, min(turn.wait_s, WINDOW_S + (self._own[0].began_s - now_s if self._own else 0.0)))

    def _hear(self, epoch: str) -> None:
        """The board has lost its counts if its epoch is another one: it is told again what was this mount's."""
        now_s = self._clock.now_s()
        with self._lock:
            known, self._epoch = self._epoch, epoch
            if known in ("", epoch):
                return
            self._untold_locked(now_s)
            spent = [Spent(each.number, now_s - each.began_s) for each in self._own]
        try:
            self._board.tell(spent)
        except BoardAway:
            with self._lock:
                for each in self._own:
                    each.told = False

    def _counted_locked(self, own: int, work: Work, mounts: int) -> int:
        """This mount's requests, with those that are kept in its share for other work."""
        used, share = Counter(each.work for each in self._own), self._most // mounts
        return own + sum(max(0, -(-share // KEPT[other]) - used[other]) for other in Work if other is not work)

    def _next_locked(self) -> int:
        self._numbers += 1
        return self._numbers

    def _untold_locked(self, now_s: float) -> list[_Own]:
        while self._own and self._own[0].began_s <= now_s - WINDOW_S:
            self._own.popleft()
        return [each for each in self._own if not each.told]
