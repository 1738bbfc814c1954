"""Who goes on next, and what time it is: a simulated thread is a greenlet, and all of them share one real thread.

A simulated thread hands over where it waits, and at points of choice: before each lock, around each step of the disk, each
commit, each piece of a request. There the scheduler draws whether somebody else goes first. Time passes when nobody is
ready, up to the first who is due. So a run is the same each time for a seed.

Owns    the tasks, the time, the drawing of turns.
Never   sleeps, or lets another real thread in.
"""

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from greenlet import getcurrent, greenlet

SECOND_NS: Final = 10**9
EPOCH_NS: Final = 1_790_000_000 * SECOND_NS     # some day in 2026
TURN_NS: Final = 1_000          # a turn takes this long: no two things happen at the same moment
FOREVER_S: Final = 10**9


class Killed(BaseException):
    """Raised in a task whose process is killed, wherever it is."""


class Hang(AssertionError):
    """Somebody waits for what will never come."""


@dataclass(frozen=True, slots=True)
class Style:
    """How turns are drawn."""

    handover: float         # probability, at a point of choice
    stays: float            # probability that the last one goes on, when another's turn is drawn
    lines: float = 0.0      # probability, before a line of the package; see lines.py

    @classmethod
    def drawn(cls, chance: random.Random) -> "Style":
        """Returns one of several, from rare changes to one at each point."""
        return cls(chance.choice([0.005, 0.03, 0.1, 0.3, 0.8]), chance.choice([0.0, 0.0, 0.5]), chance.choice([0.0005, 0.003, 0.02]))


class Group:
    """The tasks of one process."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.dead = False


class Task:
    """One simulated thread."""

    __slots__ = ("due_ns", "greenlet", "group", "held", "ident", "local", "name", "over", "waits", "waits_for", "woken")

    def __init__(self, run: Callable[[], None], name: str, group: Group, ident: int) -> None:
        self.name = name
        self.group = group
        self.ident = ident
        self.greenlet = greenlet(run)
        self.waits = False          # it isn't ready
        self.waits_for = ""         # in words, for whoever looks at a hang
        self.woken = False          # by somebody else, not by time
        self.due_ns = 0             # of the wait that it is in; 0: none
        self.over = False
        self.held: list[object] = []        # locks, outermost first
        self.local: dict[int, dict[str, object]] = {}

    def __repr__(self) -> str:
        return f"{self.group.name}/{self.name}"


class Scheduler:
    """The turns of one run."""

    def __init__(self, chance: random.Random, style: Style | None = None) -> None:
        self._chance = chance                           # given
        self.style = style or Style.drawn(chance)
        self.now_ns = 0
        self.turns = 0
        self.told: Callable[[str], None] | None = None      # of each turn, if somebody wants to know
        self._hub = getcurrent()                        # constant: whoever made it drives it
        self._ready: list[Task] = []
        self._timers: list[tuple[int, int, Task]] = []
        self._numbers = itertools.count(1)
        self._tasks: dict[greenlet, Task] = {}
        self._driver = Task(lambda: None, "driver", Group("driver"), 0)
        self.current = self._driver

    # ---- for whoever drives

    def spawn(self, run: Callable[[], object], name: str, group: Group) -> Task:
        """A new task, ready."""
        task = Task(lambda: self._live(task, run), name, group, next(self._numbers))
        task.greenlet.parent = self._hub
        self._tasks[task.greenlet] = task
        self._ready.append(task)
        return task

    def run(self, turns: int, until_ns: int) -> int:
        """Gives so many turns, and lets time pass up to then. Returns the turns given."""
        given = 0
        while given < turns:
            if not self._ready and not self._pass(until_ns):
                return given
            self._give(self._draw())
            given += 1
        return given

    def run_until(self, done: Callable[[], bool], bound_s: float) -> None:
        """Until that is so. Raises Hang after `bound_s` of simulated time, or when nobody will ever go on."""
        until_ns = self.now_ns + round(bound_s * SECOND_NS)
        while not done():
            if not self._ready and not self._pass(until_ns):
                raise Hang(f"not after {bound_s} s of simulated time; {self.waiting()}")
            self._give(self._draw())

    def pass_s(self, seconds: float) -> None:
        """So much time passes, and everybody does meanwhile what they can."""
        until_ns = self.now_ns + round(seconds * SECOND_NS)
        while self._ready or self._pass(until_ns):
            self._give(self._draw())
        self.now_ns = max(self.now_ns, until_ns)

    def waiting(self) -> str:
        """Who waits, and for what."""
        return "; ".join(f"{task} waits for {task.waits_for or 'something'}" + (f", holding {task.held}" if task.held else "")
                         for task in self._tasks.values())

    def kill(self, group: Group) -> None:
        """Every task that is in that process, wherever it is, gets Killed."""
        group.dead = True
        for task in [task for task in self._tasks.values() if task.group is group]:
            self.throw(task)

    def kill_all(self) -> None:
        """Everybody's end."""
        for group in {id(task.group): task.group for task in self._tasks.values()}.values():
            self.kill(group)

    def throw(self, task: Task) -> None:
        """Killed, now."""
        assert getcurrent() is self._hub
        if task in self._ready:
            self._ready.remove(task)
        task.waits = False
        if not task.greenlet:           # it has not begun: nothing to unwind
            task.over = True
            self._tasks.pop(task.greenlet, None)
            return
        self._give(task, Killed())

    # ---- for tasks

    def choice(self) -> None:
        """A point at which somebody else may go first."""
        if self.current is self._driver:
            return
        if self.current.group.dead:
            raise Killed
        if len(self._ready) and self._chance.random() < self.style.handover:
            self._ready.append(self.current)
            self._hub.switch()

    def line(self) -> None:
        """The same, before a line of the package. Whoever is being killed goes on to its end."""
        task = self.current
        if task is not self._driver and self._ready and not task.group.dead and self._chance.random() < self.style.lines:
            self._ready.append(task)
            self._hub.switch()

    def block(self, timeout_s: float | None, what: str) -> bool:
        """Waits until somebody wakes this task, or the time is over. Returns whether it was woken."""
        task = self.current
        if task is self._driver:
            raise Hang(f"the driver would wait for {what}")
        if task.group.dead:
            raise Killed
        task.waits, task.woken, task.waits_for = True, False, what
        if timeout_s is not None:
            task.due_ns = self.now_ns + max(0, round(timeout_s * SECOND_NS))
            heapq.heappush(self._timers, (task.due_ns, next(self._numbers), task))
        self._hub.switch()
        task.due_ns = 0
        return task.woken

    def wake(self, task: Task) -> None:
        """Ends its wait, if it is in one."""
        if task.waits and not task.over:
            task.waits, task.woken = False, True
            self._ready.append(task)

    # ----

    def _live(self, task: Task, run: Callable[[], object]) -> None:
        group = task.group
        try:
            run()
        except BaseException:
            if not group.dead:          # else whatever it met on its way out
                raise
        finally:
            task.over = True
            self._tasks.pop(task.greenlet, None)

    def _draw(self) -> Task:
        ready = self._ready
        if len(ready) > 1 and not (self.style.stays and self._chance.random() < self.style.stays):
            place = int(self._chance.random() * len(ready))
            ready[place], ready[-1] = ready[-1], ready[place]
        return ready.pop()

    def _give(self, task: Task, exc: BaseException | None = None) -> None:
        self.turns += 1
        self.now_ns += TURN_NS
        if self.told is not None:
            self.told(f"{task} goes on")
        self.current = task
        try:
            if exc is None:
                task.greenlet.switch()
            else:
                task.greenlet.throw(exc)
        finally:
            self.current = self._driver

    def _pass(self, until_ns: int) -> bool:
        """Time passes until somebody is due. False: nobody is before that."""
        while self._timers:
            due_ns, _, task = self._timers[0]
            if not task.waits or task.due_ns != due_ns:
                heapq.heappop(self._timers)         # woken before
                continue
            if due_ns > until_ns:
                return False
            heapq.heappop(self._timers)
            self.now_ns = max(self.now_ns, due_ns)
            task.waits = False
            self._ready.append(task)
            return True
        return False
