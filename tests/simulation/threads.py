"""What the package gets in the place of `threading`, in a simulation: locks, conditions and threads that the scheduler knows.

Each lock is a point of choice. Each knows where it was made, so that the order in which locks are taken can be judged: two
orders of one pair are a deadlock that only waits for its moment.

Owns    the order of locks that was seen, for as long as the process lives.
"""

import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType, TracebackType
from typing import Any, Final

from tests.simulation.scheduler import Scheduler, Task

Place = str     # file:line of a lock's making: locks that are made there are of one kind


class Turns:
    """The scheduler of the run that is going on."""

    scheduler: Scheduler

    @classmethod
    def set(cls, scheduler: Scheduler) -> None:
        """From now on."""
        cls.scheduler = scheduler


ORDER: Final = dict[Place, set[Place]]()        # what was taken while this was held


class LockOrder(AssertionError):
    """Two locks are taken in both orders."""


def _made_at() -> Place:
    frame = sys._getframe(2)
    while frame.f_code.co_filename == __file__:
        assert frame.f_back is not None
        frame = frame.f_back
    return f"{frame.f_code.co_filename.rpartition('/anthrofs/')[2]}:{frame.f_lineno}"


class RLock:
    """Reentrant."""

    reentrant = True

    def __init__(self) -> None:
        self.place = _made_at()
        self._owner: Task | None = None
        self._depth = 0
        self._waiters: deque[Task] = deque()

    def __repr__(self) -> str:
        return f"lock of {self.place}" + (f" held by {self._owner}" if self._owner else "")

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """See threading."""
        scheduler = Turns.scheduler
        task = scheduler.current
        if self._owner is task and self.reentrant:
            self._depth += 1
            return True
        scheduler.choice()
        while self._owner is not None:
            if not blocking:
                return False
            self._waiters.append(task)
            scheduler.block(None if timeout < 0 else timeout, repr(self))
            if timeout >= 0 and self._owner is not None:
                return False
        self._owner, self._depth = task, 1
        if task.held:
            self._judge(task)
        task.held.append(self)
        return True

    def release(self) -> None:
        """See threading. A point of choice, too, where nothing else is held."""
        task = Turns.scheduler.current
        if self._owner is not task and task.group.dead:
            return                      # it was killed in a wait
        if self._depth > 1:
            self._depth -= 1
            return
        self.give()
        if not task.held and not task.group.dead:
            Turns.scheduler.choice()

    def give(self) -> int:
        """Let it go, however deep. Returns how deep it was."""
        assert self._owner is not None, f"{self!r} is released by {Turns.scheduler.current}"
        depth, self._depth = self._depth, 0
        self._owner.held.remove(self)
        self._owner = None
        while self._waiters:
            task = self._waiters.popleft()
            if task.waits:
                Turns.scheduler.wake(task)
                break
        return depth

    def take(self, depth: int) -> None:
        """Have it again, as deep as before."""
        self.acquire()
        self._depth = depth

    def mine(self) -> bool:
        """Whether the current task holds it."""
        return self._owner is Turns.scheduler.current

    def locked(self) -> bool:
        """See threading."""
        return self._owner is not None

    def _judge(self, task: Task) -> None:
        for outer in task.held:
            assert isinstance(outer, RLock)
            known = ORDER.setdefault(outer.place, set())
            if self.place in known or self.place == outer.place:
                continue
            if _leads(self.place, outer.place):
                raise LockOrder(f"{self.place} is taken inside {outer.place}; elsewhere it is the other way round")
            known.add(self.place)

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        self.release()


class Lock(RLock):
    """Not reentrant: who takes it twice hangs."""

    reentrant = False


def _leads(inner: Place, outer: Place) -> bool:
    """Whether the one was ever held when the other was taken, directly or by others between."""
    met, todo = set[Place](), [inner]
    while todo:
        place = todo.pop()
        if place == outer:
            return True
        if place not in met:
            met.add(place)
            todo += ORDER.get(place, ())
    return False


class Condition:
    """See threading."""

    def __init__(self, lock: RLock | None = None) -> None:
        self._lock = RLock() if lock is None else lock
        self._waiters: deque[Task] = deque()
        self.acquire = self._lock.acquire
        self.release = self._lock.release

    def __enter__(self) -> bool:
        return self._lock.acquire()

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        self._lock.release()

    def wait(self, timeout: float | None = None) -> bool:
        """See threading."""
        assert self._lock.mine(), "wait without the lock"
        scheduler = Turns.scheduler
        task = scheduler.current
        self._waiters.append(task)
        depth = self._lock.give()
        try:
            return scheduler.block(timeout, f"condition of {self._lock.place}")
        finally:
            if task in self._waiters:
                self._waiters.remove(task)
            if not task.group.dead:         # else nobody of that process goes on
                self._lock.take(depth)

    def wait_for(self, predicate: Callable[[], bool], timeout: float | None = None) -> bool:
        """See threading."""
        until_ns = None if timeout is None else Turns.scheduler.now_ns + round(timeout * 10**9)
        while not predicate():
            left_s = None if until_ns is None else (until_ns - Turns.scheduler.now_ns) / 10**9
            if left_s is not None and left_s <= 0:
                return predicate()
            self.wait(left_s)
        return True

    def notify(self, n: int = 1) -> None:
        """See threading."""
        assert self._lock.mine(), "notify without the lock"
        for _ in range(min(n, len(self._waiters))):
            Turns.scheduler.wake(self._waiters.popleft())

    def notify_all(self) -> None:
        """See threading."""
        self.notify(len(self._waiters))


class Event:
    """See threading."""

    def __init__(self) -> None:
        self._set = False
        self._waiters: list[Task] = []

    def is_set(self) -> bool:
        """See threading."""
        return self._set

    def set(self) -> None:
        """See threading."""
        self._set = True
        waiters, self._waiters = self._waiters, []
        for task in waiters:
            Turns.scheduler.wake(task)

    def clear(self) -> None:
        """See threading."""
        self._set = False

    def wait(self, timeout: float | None = None) -> bool:
        """See threading."""
        if self._set:
            Turns.scheduler.choice()
        else:
            self._waiters.append(Turns.scheduler.current)
            Turns.scheduler.block(timeout, "an event")
        return self._set


class Thread:
    """See threading. A thread is of the process whose task has made it start."""

    def __init__(self, group: None = None, target: Callable[..., object] | None = None, name: str | None = None,
                 args: tuple[Any, ...] = (), *, daemon: bool | None = None) -> None:
        assert group is None
        assert target is not None
        self._target, self._args = target, args
        self.name, self.daemon = name or "thread", daemon
        self._task: Task | None = None
        self._ended = Event()

    @property
    def ident(self) -> int | None:
        """See threading."""
        return None if self._task is None else self._task.ident

    def start(self) -> None:
        """See threading."""
        scheduler = Turns.scheduler
        self._task = scheduler.spawn(self._run, self.name, scheduler.current.group)
        self._task.local[0] = {"thread": self}
        scheduler.choice()

    def is_alive(self) -> bool:
        """See threading."""
        return self._task is not None and not self._task.over

    def join(self, timeout: float | None = None) -> None:
        """See threading."""
        if self.is_alive():
            self._ended.wait(timeout)

    def _run(self) -> None:
        try:
            self._target(*self._args)
        finally:
            assert self._task is not None
            self._task.over = True
            self._ended.set()


class Local:
    """threading.local."""

    def __getattr__(self, name: str) -> Any:
        try:
            return Turns.scheduler.current.local[id(self)][name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: object) -> None:
        Turns.scheduler.current.local.setdefault(id(self), {})[name] = value


def current_thread() -> Any:
    """See threading."""
    return Turns.scheduler.current.local.get(0, {}).get("thread")


def get_ident() -> int:
    """See threading."""
    return Turns.scheduler.current.ident


STAND_IN: Final = ModuleType("threading")
vars(STAND_IN).update(Lock=Lock, RLock=RLock, Condition=Condition, Event=Event, Thread=Thread, local=Local,
                      current_thread=current_thread, get_ident=get_ident)


@contextmanager
def in_the_package() -> Iterator[None]:
    """All modules of the package that were imported use these while the block runs."""
    users = [module for name, module in sys.modules.items()
             if name.startswith("anthrofs") and not name.startswith("anthrofs.emulator")
             and getattr(module, "threading", None) is threading]
    for module in users:
        module.threading = STAND_IN         # type: ignore[attr-defined]    # a module's own name
    try:
        yield
    finally:
        for module in users:
            module.threading = threading    # type: ignore[attr-defined]    # the same
