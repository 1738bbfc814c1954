"""A mount's threads as work that whoever waits does meanwhile: no thread is started, so each run is the same as the last.

A worker's loop runs until it would rest; then it is left, and entered again at the next wait of anybody else. Time passes
when nobody has anything to do: until the waiter's bound, or until the first of the workers is due.

Trusts  workers to rest only at the beginning of their loops, on a condition of their own.
Never   lets real time pass, but for downloads and pages ahead, which have threads that end with their request.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final
from unittest import mock

from tests.fakes import FakeClock

SHORT_LIVED: Final = ("download", "listing")        # threads that are real
LEAST_S: Final = 0.001
PATIENCE_S: Final = 5.0                             # real seconds that a short-lived thread may take


class Idle(BaseException):
    """Raised where a worker would rest, so that it is left."""

    def __init__(self, rest_s: float | None) -> None:
        super().__init__()
        self.rest_s = rest_s


class Unstarted(threading.Thread):
    """A thread that never runs; its work is done by `Workers`."""

    def start(self) -> None:
        pass


class Worker:
    """One loop."""

    def __init__(self, run: Callable[[], object], rests_on: threading.Condition) -> None:
        self.run = run              # constant: the thread's target
        self.rests_on = rests_on    # constant
        self.due_s = 0.0


class OneThread(FakeClock):
    """The clock of a mount whose workers have no threads."""

    def __init__(self) -> None:
        super().__init__()
        self._home = threading.get_ident()              # constant
        self._progress: Callable[[], object] = object   # told by whoever employs
        self._stopping = threading.Event()              # the same
        self._pace = threading.Condition()              # the same
        self._workers: list[Worker] = []
        self._at_work: list[Worker] = []                # innermost last: one works while the one before waits
        self._away = 0                                  # real threads that wait; changed under the GIL only

    @contextmanager
    def employing(self) -> Iterator[None]:
        """The threads that are made in this block become workers, of this clock only."""
        made: list[Unstarted] = []

        def make(*arguments: Any, **named: Any) -> Unstarted:
            made.append(Unstarted(*arguments, **named))
            return made[-1]

        with mock.patch("threading.Thread", make):
            yield
        self._workers, self._at_work = [], []
        owners = set[int]()
        for thread in made:
            run = thread._target                        # type: ignore[attr-defined]    # what threading keeps until it runs
            owner = run.__self__
            if id(owner) not in owners:                 # of ten that do the same, one is enough
                owners.add(id(owner))
                self._workers.append(Worker(run, owner._way._changed if hasattr(owner, "_way") and not hasattr(owner, "_changed")
                                            else owner._changed))

    def begin(self, stopping: threading.Event, progress: Callable[[], object], pace: threading.Condition) -> None:
        """`stopping` is what nobody sets while a mount lives; `progress` differs whenever anything was done; at `pace` all queue up, so
        who waits there lets nobody else work: one with less right of way would wait for it, and it for that one.
        """
        self._stopping, self._progress, self._pace = stopping, progress, pace

    def dismiss(self) -> None:
        """Nobody works any more."""
        self._workers = []

    # ---- work

    def turn(self) -> bool:
        """All that can be done now, is done. False: there was nothing."""
        before = self._progress()
        for worker in self._workers:
            if worker not in self._at_work:
                self._work(worker)
        return self._progress() != before

    def pass_s(self, seconds: float) -> None:
        """So much time passes, and what is due meanwhile is done when it is."""
        until_s = self.now_s() + seconds
        while self.turn() or self.now_s() < until_s:
            self._pass_until(until_s)

    def _work(self, worker: Worker) -> None:
        self._at_work.append(worker)
        try:
            worker.run()
            worker.due_s = float("inf")         # it has ended
        except Idle as idle:
            worker.due_s = float("inf") if idle.rest_s is None else self.now_s() + idle.rest_s
        finally:
            self._at_work.pop()

    def _pass_until(self, until_s: float) -> None:
        """Time passes until then, or until somebody else is due."""
        now_s = self.now_s()
        due_s = min([until_s, *(worker.due_s for worker in self._workers if worker not in self._at_work)])
        self.advance(min(max(due_s, now_s + LEAST_S), max(until_s, now_s + LEAST_S)) - now_s)

    # ---- Clock

    def wait(self, condition: threading.Condition, timeout_s: float | None) -> None:
        if threading.get_ident() != self._home:
            self._wait_away(condition)
        elif self._at_work and condition is self._at_work[-1].rests_on:
            raise Idle(timeout_s)
        else:
            until_s = self.now_s() + (float("inf") if timeout_s is None else timeout_s)
            if condition is self._pace or not self.turn():
                self._pass_until(until_s)
                assert self.now_s() < float("inf"), "nobody will ever wake this one"
            if any(thread.name in SHORT_LIVED for thread in threading.enumerate()):
                condition.wait(LEAST_S)         # what is waited for may be theirs to do

    def _wait_away(self, condition: threading.Condition) -> None:
        self._away += 1
        condition.wait(LEAST_S)
        self._away -= 1

    def sleep(self, stopping: threading.Event, seconds: float) -> bool:
        if threading.get_ident() != self._home:
            self.advance(seconds)
            return stopping.is_set()
        if stopping is self._stopping:
            self.pass_s(seconds)
        elif not self._comes(stopping):
            self.turn()
            self.advance(seconds)
        return stopping.is_set()

    def _comes(self, event: threading.Event) -> bool:
        """A short-lived thread will set it, unless it waits for something itself."""
        for _ in range(int(PATIENCE_S / LEAST_S)):
            if event.wait(LEAST_S):
                return True
            if self._away:
                return False
        return False
