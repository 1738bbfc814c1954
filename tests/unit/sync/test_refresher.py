"""When a refresh is due, who waits for it, and what is said of it."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from anthrofs.clock import Clock
from anthrofs.config import Config, Credentials, Service
from anthrofs.errors import FsError, SetupError
from anthrofs.sync.news import News, Taken
from anthrofs.sync.refresher import HASTE_S, LOOK_WAIT_S, Refresher
from anthrofs.sync.scan import SWEEP_S_PER_PAGE
from tests.fakes import FakeClock
from tests.mounting import wait_until
from tests.unit.sync.parts import HOUR_S, State, asked


@pytest.mark.parametrize("poll", [False, True])
def test_refreshing_goes_on_for_two_minutes_after_a_look_and_with_poll_for_ever(state: State, poll: bool) -> None:
    state.poll = poll
    state.remount()
    state.refresher.look()
    began_s = state.clock.now_s()
    state.refresher.start()         # its clock moves when it waits
    until_s = time.monotonic() + 30
    while state.clock.now_s() - began_s < (HOUR_S if poll else 110):
        assert time.monotonic() < until_s
        time.sleep(0.01)
    while not poll and state.refresher.fresh():
        assert time.monotonic() < until_s
        time.sleep(0.01)
    assert state.refresher.stop(10)
    passed_s = state.clock.now_s() - began_s
    assert asked(state, "list") == pytest.approx(min(passed_s, HOUR_S * 100 if poll else 120) / 10, abs=2)


def test_a_listing_out_of_order_makes_every_refresh_a_full_one_but_no_storm(state: State) -> None:
    files = state.files.files
    files.append(files.pop(0))
    state.sweep()
    assert state.meta("unordered") == "1"
    assert state.sweeper.due_s() == float("inf")
    state.files.asked.clear()
    state.refresher.look()
    # Its clock moves when it waits, so two minutes pass at once, until nobody has looked for so long.
    state.refresher.start()
    wait_until(lambda: state.refresher.age_s() is not None and not state.refresher.fresh(), "nobody has looked for so long")
    assert state.refresher.stop(10)
    assert 4 * 6 <= asked(state, "list") <= 4 * (120 / (3 * SWEEP_S_PER_PAGE) + 2)
    files.insert(0, files.pop())
    state.refresh()
    assert state.meta("unordered") is None


# ---- who waits for it, and what is said of it

class Scripted(News):
    """Takes as long, and ends, as the test says."""

    def __init__(self) -> None:
        self.outcomes: list[Exception | int] = []       # of the next refreshes, errors or pages; then of one page
        self.accepted: list[bool] = []
        self.begun = threading.Semaphore(0)
        self.may_end = threading.Event()
        self.may_end.set()
        self.released = threading.Semaphore(0)          # of those that may not end, so many may

    def take(self, *, since_s: float, whole: bool, accept: bool, progress: Callable[[int], None]) -> Taken:
        assert whole == accept
        self.accepted.append(accept)
        self.begun.release()
        until_s = time.monotonic() + 10
        while not self.may_end.wait(0.001) and not self.released.acquire(blocking=False):
            assert time.monotonic() < until_s
        outcome = self.outcomes.pop(0) if self.outcomes else 1
        if isinstance(outcome, Exception):
            raise outcome
        return Taken(outcome, float("inf"))


class Desk:
    """A refresher whose clock moves when somebody waits, or by the real one."""

    def __init__(self, clock: Clock) -> None:
        config = Config(Path("/nowhere"), Path("/nowhere"), Service("http://fake", Credentials("x-api-key", "key")))
        self.news, self.refreshed = Scripted(), 0
        self.refresher = Refresher(self.news, clock, config, self._count)

    def _count(self) -> None:
        self.refreshed += 1


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk(Clock())
    desk.refresher.start()
    yield desk
    desk.news.may_end.set()
    assert desk.refresher.stop(10)


def test_whoever_asks_waits_for_a_refresh_that_began_after_that(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.news.may_end.clear()
    desk.refresher.ask()
    assert desk.news.begun.acquire(timeout=10)
    answers = list[FsError | SetupError | None]()
    asker = threading.Thread(target=lambda: answers.append(desk.refresher.refresh(60)), daemon=True)
    asker.start()
    until_s = time.monotonic() + 10
    while desk.refresher.due_s() > 0:           # until it has asked
        assert time.monotonic() < until_s
        time.sleep(0.001)
    desk.news.outcomes = [FsError("of the one before"), 1]
    desk.news.released.release()
    assert desk.news.begun.acquire(timeout=10)
    asker.join(0.05)
    assert (answers, str(desk.refresher.error())) == ([], "of the one before")
    caplog.clear()
    desk.news.may_end.set()
    asker.join(10)
    assert (answers, len(desk.news.accepted)) == ([None], 2)


def test_whoever_has_waited_long_enough_is_told_that_it_goes_on(desk: Desk) -> None:
    desk.news.may_end.clear()
    assert "it goes on in the background" in str(desk.refresher.refresh(0.01))


def test_only_the_next_refresh_believes_whatever_it_is_told(desk: Desk) -> None:
    assert desk.refresher.refresh(10, accept=True) is None
    assert desk.refresher.refresh(10) is None
    assert desk.news.accepted == [True, False]


def test_what_went_wrong_is_said_once_and_kept_until_it_goes_well(
        desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.news.outcomes = [FsError("no"), FsError("no"), SetupError("another workspace", 1), 1]
    desk.refresher.look()
    assert [str(desk.refresher.refresh(10)) for _ in range(2)] == ["no", "no"]
    assert (str(desk.refresher.error()), desk.refresher.age_s(), desk.refresher.fresh()) == ("no", None, False)
    assert isinstance(desk.refresher.refresh(10), SetupError)
    assert desk.refresher.refresh(10) is None
    assert (desk.refresher.error(), desk.refresher.fresh()) == (None, True)
    assert caplog.messages == [
        "the listing could not be refreshed: no", "the listing could not be refreshed: another workspace"]
    caplog.clear()


def test_a_bug_lets_nobody_wait_and_ends_no_refresher(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.news.outcomes = [ZeroDivisionError("a bug"), 1]
    assert str(desk.refresher.refresh(10)) == "a bug"
    assert desk.refresher.refresh(10) is None
    assert caplog.messages == ["bug in the refresher"]
    caplog.clear()


def test_a_stop_lets_nobody_wait(desk: Desk) -> None:
    desk.news.may_end.clear()
    ended = threading.Event()

    def wait() -> None:
        desk.refresher.refresh(60)
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    assert desk.news.begun.acquire(timeout=10)
    assert not desk.refresher.stop(0)
    assert ended.wait(10)


# ---- when it is due

def test_a_look_brings_a_refresh_every_ten_seconds() -> None:
    clock = FakeClock()
    desk = Desk(clock)
    assert desk.refresher.due_s() == float("inf")
    desk.refresher.look()
    for _ in range(3):
        assert desk.refresher.due_s() <= 0
        desk.refresher.step()
        assert desk.refresher.due_s() == 10.0
        clock.advance(10)


def test_a_listing_of_many_pages_is_refreshed_more_rarely() -> None:
    desk = Desk(FakeClock())
    desk.news.outcomes = [6]
    desk.refresher.look()
    desk.refresher.step()
    assert desk.refresher.due_s() == 5 * SWEEP_S_PER_PAGE


def test_things_that_are_known_to_have_changed_bring_one_refresh_a_second() -> None:
    clock = FakeClock()
    desk = Desk(clock)
    desk.refresher.step()
    for _ in range(3):
        for _ in range(5):
            desk.refresher.hasten()
        assert desk.refresher.due_s() == HASTE_S
        clock.advance(HASTE_S)
        assert desk.refresher.due_s() == 0
        desk.refresher.step()
        assert desk.refresher.due_s() == float("inf")


def test_somebody_who_asks_waits_for_no_pause() -> None:
    desk = Desk(FakeClock())
    desk.refresher.look()
    desk.refresher.step()
    desk.refresher.ask()
    assert desk.refresher.due_s() == 0
    desk.refresher.step()
    assert desk.refresher.due_s() > 0


def test_an_old_tree_is_worth_a_short_wait_and_a_young_or_failing_one_is_not(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()             # moves when somebody waits: the thread hasn't begun, so nobody answers
    desk = Desk(clock)
    desk.refresher.first(lambda _: None)
    desk.refresher.look_closely()
    assert clock.now_s() == 0
    clock.advance(HOUR_S)
    desk.refresher.look_closely()
    assert clock.now_s() == HOUR_S + LOOK_WAIT_S
    desk.news.outcomes = [FsError("no")]
    desk.refresher.step()
    caplog.clear()
    desk.refresher.look_closely()
    assert clock.now_s() == HOUR_S + LOOK_WAIT_S
