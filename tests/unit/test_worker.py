"""A worker does its steps when they are due, is woken and stopped at any time, and no bug ends it."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from anthrofs.clock import Clock
from anthrofs.errors import Stopping
from anthrofs.worker import BUG_S, Worker
from tests.fakes import FakeClock


class Owner:
    """Says when a step is due, and counts the steps."""

    def __init__(self, clock: Clock, act: Callable[[], None] = lambda: None) -> None:
        self.due = float("inf")
        self.asked = threading.Event()
        self.done = threading.Semaphore(0)
        self.questions = self.steps = 0
        self._act = act
        self.worker = Worker("worker", clock, self.due_s, self.step)

    def due_s(self) -> float:
        self.questions += 1
        self.asked.set()
        return self.due

    def step(self) -> None:
        self.steps += 1
        self.due = float("inf")
        self.done.release()
        self._act()


@pytest.fixture
def owner() -> Iterator[Owner]:
    owner = Owner(Clock())
    yield owner
    assert owner.worker.stop(10)


def test_a_step_is_done_when_it_is_due_and_not_before(owner: Owner) -> None:
    owner.due = 0.2
    owner.worker.start()
    assert not owner.done.acquire(timeout=0.05)
    owner.due = 0.0
    assert owner.done.acquire(timeout=10)
    assert not owner.done.acquire(timeout=0.05)


def test_whoever_waits_for_ever_is_woken(owner: Owner) -> None:
    owner.worker.start()
    assert owner.asked.wait(10)
    owner.due = 0.0
    owner.worker.wake()
    assert owner.done.acquire(timeout=10)


def test_a_wake_without_anything_due_does_no_step(owner: Owner) -> None:
    owner.worker.start()
    for _ in range(10):
        owner.asked.clear()
        owner.worker.wake()
        assert owner.asked.wait(10)
    assert owner.steps == 0


def test_a_wake_while_it_asks_when_the_next_step_is_due_is_not_missed() -> None:
    """What it was told is old by then: it asks again instead of waiting for ever."""
    answers = iter([float("inf"), 0.0])
    done = threading.Event()

    def due_s() -> float:
        answer = next(answers, float("inf"))
        if answer == float("inf") and not done.is_set():
            worker.wake()
        return answer

    worker = Worker("worker", Clock(), due_s, done.set)
    worker.start()
    assert done.wait(10)
    assert worker.stop(10)


def test_a_step_that_is_not_due_any_more_when_the_thread_is_woken_is_not_done() -> None:
    """Nobody looks any longer: that was said while the thread still thought that somebody does."""
    asked = threading.Semaphore(0)
    answers = iter([0.0])

    def due_s() -> float:
        answer = next(answers, float("inf"))
        if answer == 0.0:
            worker.wake()
        else:
            asked.release()
        return answer

    steps = threading.Event()
    worker = Worker("worker", Clock(), due_s, steps.set)
    worker.start()
    assert asked.acquire(timeout=10)
    assert worker.stop(10)
    assert not steps.is_set()


def test_a_wake_is_answered_and_then_the_thread_waits_again(owner: Owner) -> None:
    owner.worker.start()
    owner.worker.wake()
    assert owner.asked.wait(10)
    time.sleep(0.05)
    assert owner.questions <= 3


def test_the_first_step_may_be_done_before_start_returns(owner: Owner) -> None:
    owner.worker.start(at_once=True)
    assert owner.steps == 1


def test_a_stop_ends_a_wait_and_does_no_step_any_more() -> None:
    owner = Owner(Clock())
    assert not owner.worker.is_alive()
    owner.worker.start()
    assert owner.asked.wait(10)
    assert owner.worker.is_alive()
    assert owner.worker.stop(10)
    owner.due = 0.0
    owner.worker.wake()
    assert (owner.steps, owner.worker.is_alive()) == (0, False)


def test_a_stop_says_that_a_step_hangs() -> None:
    going_on = threading.Event()

    def hang() -> None:
        assert going_on.wait(10)

    owner = Owner(Clock(), hang)
    owner.due = 0.0
    owner.worker.start()
    assert owner.done.acquire(timeout=10)
    assert not owner.worker.stop(0.01)
    going_on.set()
    assert owner.worker.stop(10)


def test_one_that_was_never_started_is_stopped_at_once() -> None:
    assert Owner(Clock()).worker.stop(0)


def test_a_step_that_says_that_the_mount_ends_ends_the_thread() -> None:
    def act() -> None:
        raise Stopping("the mount ends")

    owner = Owner(Clock(), act)
    owner.due = 0.0
    owner.worker.start()
    assert owner.done.acquire(timeout=10)
    until_s = time.monotonic() + 10
    while owner.worker.is_alive():
        assert time.monotonic() < until_s
        time.sleep(0.001)


@pytest.mark.parametrize("at_once", [False, True])
def test_after_a_bug_it_rests_and_goes_on(caplog: pytest.LogCaptureFixture, at_once: bool) -> None:
    clock = FakeClock()         # moves when the thread waits

    def act() -> None:
        if mad.steps < 3:
            mad.due = 0.0
            raise ZeroDivisionError

    mad = Owner(clock, act)
    mad.due = 0.0
    mad.worker.start(at_once=at_once)
    for _ in range(3):
        assert mad.done.acquire(timeout=10)
    assert mad.worker.stop(10)
    assert clock.now_s() == BUG_S * (2 - at_once)
    assert caplog.messages == ["bug in the worker"] * 2
    caplog.clear()


def test_a_wake_ends_the_rest_after_a_bug(caplog: pytest.LogCaptureFixture) -> None:
    def act() -> None:
        if mad.steps == 1:
            mad.due = 0.0
            raise ZeroDivisionError

    mad = Owner(Clock(), act)
    mad.due = 0.0
    mad.worker.start()
    assert mad.done.acquire(timeout=10)
    mad.worker.wake()
    assert mad.done.acquire(timeout=10)
    assert mad.worker.stop(10)
    caplog.clear()


def test_a_bug_in_the_question_when_a_step_is_due_does_not_end_it(caplog: pytest.LogCaptureFixture) -> None:
    answers: Iterator[float] = iter([0.0])
    done = threading.Event()
    asked = [0]

    def due_s() -> float:
        asked[0] += 1
        if asked[0] == 1:
            raise ZeroDivisionError
        return next(answers, float("inf"))

    worker = Worker("worker", FakeClock(), due_s, done.set)
    worker.start()
    assert done.wait(10)
    assert worker.stop(10)
    assert "bug in the worker" in caplog.text
    caplog.clear()

