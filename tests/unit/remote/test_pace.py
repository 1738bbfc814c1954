"""Whose turn it is, and what a 429 costs everybody: by a clock that moves when somebody waits."""

import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from anthrofs.errors import NoAnswer, RateLimited, Stopping
from anthrofs.model import FileId
from anthrofs.remote.budget import WINDOW_S
from anthrofs.remote.pace import DOWNLOAD_SLOTS, SLOTS, SLOWEST, Pacer, Priority
from anthrofs.remote.paced import Paced
from tests.fakes import FakeClock, FakeFiles, body_of
from tests.unit.remote.paced import BOUND_S, IDEMPOTENT, PER_MINUTE, Request, moments_s, spend

# ---- slots and turns

@contextmanager
def waiting(pacer: Pacer, *asked: tuple[Priority, bool]) -> Iterator[list[Priority]]:
    """Threads that ask for a slot in this order; yields, once all of them wait, whose turn it was so far."""
    turns: list[Priority] = []
    before = len(pacer._queue)

    def ask(priority: Priority, download: bool) -> None:
        with suppress(Stopping):
            pacer.take(priority, download=download)
            turns.append(priority)
            pacer.give_back(download=download)

    threads = []
    for number, (priority, download) in enumerate(asked):
        thread = threading.Thread(target=ask, args=(priority, download), daemon=True)
        thread.start()
        threads.append(thread)
        with pacer._turn:
            assert pacer._turn.wait_for(lambda: len(pacer._queue) > before + number or _polled(pacer), BOUND_S)  # noqa: B023
    try:
        yield turns
        for thread in threads:
            thread.join(BOUND_S)
            assert not thread.is_alive()
    finally:
        pacer.stop()


def _polled(pacer: Pacer) -> bool:
    """Arrivals notify nobody: look again soon."""
    pacer._turn.wait(0.001)
    return False


def test_who_has_waited_long_goes_before_a_new_reader(pacer: Pacer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anthrofs.remote.pace.AGED_S", 0.0)
    for _ in range(SLOTS):
        pacer.take(Priority.READ)

    with waiting(pacer, (Priority.CLOSE, False), (Priority.READ, False)) as turns:
        pacer.give_back(download=False)

    assert turns == [Priority.CLOSE, Priority.READ]


def test_a_reader_overtakes_what_is_queued_and_equals_come_in_order_of_arrival(
        pacer: Pacer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anthrofs.remote.pace.AGED_S", 10.0**9)      # a fake clock's waits are long
    for _ in range(SLOTS):
        pacer.take(Priority.READ)

    with waiting(pacer, (Priority.REFRESH, True), (Priority.QUEUED, False), (Priority.DELETE, False), (Priority.QUEUED, False),
                 (Priority.REFRESH, False), (Priority.CLOSE, False), (Priority.READ, True)) as turns:
        assert turns == []                      # all slots are taken
        pacer.give_back(download=False)

    assert turns == sorted(turns)
    assert turns[0] is Priority.READ


def test_no_more_than_the_slots_are_taken_at_once(pacer: Pacer) -> None:
    for _ in range(SLOTS):
        pacer.take(Priority.READ)

    with waiting(pacer, (Priority.READ, False)) as turns:
        assert turns == []
        pacer.give_back(download=False)

    assert turns == [Priority.READ]


def test_whoever_waits_for_a_slot_is_told_when_one_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """And doesn't have to look."""
    clock, told = FakeClock(), list[bool]()
    monkeypatch.setattr(clock, "wait", lambda condition, _: told.append(condition.wait(5)))
    pacer = Pacer(1000, clock)
    for _ in range(SLOTS):
        pacer.take(Priority.READ)
    with waiting(pacer, (Priority.READ, False)) as turns:
        pacer.give_back(download=False)
    assert (turns, all(told)) == ([Priority.READ], True)


def test_downloads_leave_two_slots_for_saves(pacer: Pacer) -> None:
    for _ in range(DOWNLOAD_SLOTS):
        pacer.take(Priority.READ, download=True)

    with waiting(pacer, (Priority.READ, True)) as turns:
        for _ in range(SLOTS - DOWNLOAD_SLOTS):
            pacer.take(Priority.QUEUED)         # though somebody of a higher priority waits
        assert turns == []
        pacer.give_back(download=True)
        pacer.give_back(download=False)

    assert turns == [Priority.READ]


def test_stop_releases_everybody_who_waits_now_or_later(pacer: Pacer) -> None:
    for _ in range(SLOTS):
        pacer.take(Priority.READ)

    with waiting(pacer, (Priority.READ, True), (Priority.QUEUED, False)) as turns:
        pacer.stop()

    assert turns == []
    with pytest.raises(Stopping):
        pacer.take(Priority.READ)


def test_a_failed_call_gives_its_slot_back(clock: FakeClock, tmp_path: Path) -> None:
    files, pacer = FakeFiles(clock), Pacer(1000, clock)
    remote = Paced(files, pacer, Priority.READ)
    body = body_of(tmp_path, b"")
    calls: list[Request] = [*IDEMPOTENT.values(), lambda remote, _: remote.upload("a", "text/plain", body)]

    with body:
        for call in calls * 2 * SLOTS:
            files.fail("any", NoAnswer("cut"))
            with pytest.raises(NoAnswer):
                call(remote, FileId("f"))

    assert pacer._busy == pacer._busy_downloads == 0


def test_a_download_holds_its_slot_until_it_is_left(clock: FakeClock) -> None:
    files, pacer = FakeFiles(clock), Pacer(1000, clock)
    file_id = files.generate("a", b"content").file_id

    with Paced(files, pacer, Priority.READ).download(file_id) as download:
        assert (pacer._busy, pacer._busy_downloads) == (1, 1)
        assert b"".join(download) == b"content"

    assert (pacer._busy, pacer._busy_downloads) == (0, 0)


def test_a_download_that_is_held_back_gives_its_slot_to_others(clock: FakeClock) -> None:
    files, pacer = FakeFiles(clock), Pacer(1000, clock)
    paced = Paced(files, pacer, Priority.READ)
    file_id = files.generate("a", b"content").file_id

    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(paced.download(file_id)) for _ in range(DOWNLOAD_SLOTS)]
        held[0].park()
        with paced.download(file_id) as another:
            assert b"".join(another) == b"content"
        held[0].resume()
        assert pacer._busy_downloads == DOWNLOAD_SLOTS
    assert (pacer._busy, pacer._busy_downloads) == (0, 0)
    assert pacer._budget.left(clock.now_s()) == 1000 - DOWNLOAD_SLOTS - 1           # going on costs no request


def test_a_download_that_ends_while_it_is_held_back_gives_its_slot_back_once(clock: FakeClock) -> None:
    files, pacer = FakeFiles(clock), Pacer(1000, clock)
    file_id = files.generate("a", b"content").file_id

    with Paced(files, pacer, Priority.READ).download(file_id) as download:
        download.park()
        pacer.stop()
        with pytest.raises(Stopping):
            download.resume()
    assert (pacer._busy, pacer._busy_downloads) == (0, 0)


def test_a_download_that_is_closed_while_it_is_held_back_waits_for_no_slot(clock: FakeClock) -> None:
    files, pacer = FakeFiles(clock), Pacer(1000, clock)
    file_id = files.generate("a", b"content").file_id
    with Paced(files, pacer, Priority.READ).download(file_id) as download:
        download.park()
        for _ in range(DOWNLOAD_SLOTS):
            pacer.take(Priority.READ, download=True)
    assert pacer._busy_downloads == DOWNLOAD_SLOTS


# ---- 429

def test_a_429_makes_everybody_wait_as_long_as_the_server_says(pacer: Pacer, clock: FakeClock) -> None:
    pacer.answered(RateLimited("slow down", retry_after_s=30))

    assert moments_s(pacer, clock, 1)[0] == pytest.approx(30, abs=3)
    assert clock.now_s() >= 30


def test_a_shorter_wait_does_not_end_a_longer_one(pacer: Pacer, clock: FakeClock) -> None:
    pacer.answered(RateLimited("slow down", retry_after_s=30))
    pacer.answered(RateLimited("slow down", retry_after_s=1))

    assert moments_s(pacer, clock, 1)[0] >= 30


def test_each_429_halves_the_pace_down_to_a_floor_and_answers_bring_it_back(pacer: Pacer, clock: FakeClock) -> None:
    full_s = WINDOW_S / PER_MINUTE
    for number in range(1, 10):
        pacer.answered(RateLimited("slow down", retry_after_s=0))
        slowed = moments_s(pacer, clock, 3)
        assert slowed[2] - slowed[1] == pytest.approx(full_s * min(2.0 ** number, 1 / SLOWEST), rel=0.01)

    pacer.answered(NoAnswer("cut"))             # says nothing of the budget
    assert pacer._pace == SLOWEST
    for _ in range(100):
        pacer.answered(None)
    clock.advance(WINDOW_S)

    assert len(set(moments_s(pacer, clock, PER_MINUTE // 2))) == 1


def test_several_429s_to_requests_that_were_under_way_together_count_once(pacer: Pacer, clock: FakeClock) -> None:
    for _ in range(SLOTS):
        pacer.answered(RateLimited("slow down", retry_after_s=5))
    assert pacer._pace == 0.5
    assert moments_s(pacer, clock, 1)[0] == pytest.approx(5)
    for _ in range(SLOTS):
        pacer.answered(RateLimited("slow down"))        # without a word when
    assert pacer._pace == 0.25
    assert moments_s(pacer, clock, 1)[0] == pytest.approx(5 + 4 * WINDOW_S / PER_MINUTE)


def test_a_slowed_budget_still_serves_what_is_queued(pacer: Pacer, clock: FakeClock) -> None:
    pacer.answered(RateLimited("slow down"))

    moments = moments_s(pacer, clock, 5, Priority.REFRESH)

    assert moments == pytest.approx([1 + 2 * WINDOW_S / PER_MINUTE * number for number in range(5)], abs=0.1)


def test_a_slowed_budget_never_looks_again_and_again_at_a_full_window(clock: FakeClock) -> None:
    pacer = Pacer(4, clock)
    spend(pacer, 4)
    pacer.answered(RateLimited("slow down", retry_after_s=40))
    waits: list[float | None] = []
    look = clock.wait

    def wait(condition: threading.Condition, timeout_s: float | None) -> None:
        waits.append(timeout_s)
        look(condition, timeout_s)

    clock.wait = wait       # type: ignore[method-assign]
    assert moments_s(pacer, clock, 1) == [WINDOW_S]
    assert len(waits) <= 3


def test_there_is_something_to_spare_only_while_nobody_would_notice(pacer: Pacer, clock: FakeClock) -> None:
    assert pacer.spare()
    for _ in range(DOWNLOAD_SLOTS - 1):
        assert pacer.spare()
        pacer.take(Priority.READ, download=True)
    assert not pacer.spare()                    # the last place is a waiting reader's
    for _ in range(DOWNLOAD_SLOTS - 1):
        pacer.give_back(download=True)
    assert pacer.spare()

    spend(pacer, PER_MINUTE // 2)
    assert not pacer.spare()                    # what is left is for those who wait
    clock.advance(WINDOW_S)
    assert pacer.spare()

    pacer.answered(RateLimited("slow down"))
    assert not pacer.spare()


# ---- a budget that others share

class Others:
    """A common budget that answers as a test says, and notes what it was asked."""

    def __init__(self) -> None:
        self.waits_s: list[float] = []          # the next answers; 0 behind them
        self.asked: list[tuple[Priority, float, int]] = []
        self.went = 0
        self.blocked_s: list[float] = []
        self.has_spare = True
        self.busy: list[int] = []               # slots that were taken when it was asked
        self.pacer: Pacer | None = None

    def take(self, priority: Priority, waited_s: float, own: int) -> float:
        self.asked.append((priority, waited_s, own))
        if self.pacer is not None:
            assert self.pacer._turn.acquire(blocking=False), "nobody is asked under a lock"
            self.pacer._turn.release()
            self.busy.append(self.pacer._busy)
        return self.waits_s.pop(0) if self.waits_s else 0.0

    def sent(self) -> None:
        self.went += 1

    def block(self, seconds: float) -> None:
        self.blocked_s.append(seconds)

    def spare(self) -> bool:
        return self.has_spare


@pytest.fixture
def others(pacer: Pacer) -> Others:
    common = Others()
    pacer.share(common)
    return common


def test_a_request_begins_when_the_common_budget_lets_it_and_knows_how_long_it_waits(pacer: Pacer, clock: FakeClock, others: Others) -> None:
    others.waits_s = [3.0, 0.5]
    assert moments_s(pacer, clock, 2) == pytest.approx([3.5, 3.5])
    assert [priority for priority, _, _ in others.asked] == [Priority.READ] * 4
    assert [waited_s for _, waited_s, _ in others.asked] == pytest.approx([0.0, 3.0, 3.5, 0.0])
    assert [own for _, _, own in others.asked] == [0, 0, 0, 1]


def test_who_waits_for_the_common_budget_has_no_slot_and_no_place_in_the_own_one(pacer: Pacer, clock: FakeClock, others: Others) -> None:
    others.pacer, others.waits_s = pacer, [1.0] * 5
    spend(pacer, 1)
    assert others.busy == [1] * 6
    assert pacer._budget.left(clock.now_s()) == PER_MINUTE - 1
    assert pacer._budget._held.total() == 0
    assert (pacer._busy, pacer._queue, pacer._later_s) == (0, [], {})


def test_who_waits_for_the_common_budget_is_in_nobodys_way(pacer: Pacer, others: Others) -> None:
    others.waits_s = [float("inf")]
    with waiting(pacer, (Priority.SWEEP, False)) as turns:
        with pacer._turn:
            assert pacer._turn.wait_for(lambda: pacer._later_s or _polled(pacer), BOUND_S)
        spend(pacer, 3)
        assert turns == []
        assert pacer.waiting() == (1, float("inf"))
        pacer.stop()


def test_a_budget_that_breaks_costs_no_slot(pacer: Pacer, clock: FakeClock, others: Others, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> float:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(others, "take", broken)
        for _ in range(2 * SLOTS):
            with pytest.raises(ZeroDivisionError):
                pacer.take(Priority.READ)
    assert len(moments_s(pacer, clock, SLOTS)) == SLOTS


def test_a_429_and_requests_that_nobody_asked_for_are_told_to_the_others(pacer: Pacer, others: Others) -> None:
    pacer.answered(RateLimited("slow down", retry_after_s=5))
    pacer.answered(None)
    assert others.blocked_s == [5]
    with pacer.slot(Priority.READ):
        pacer.sent()
        assert others.went == 0
        pacer.sent()
        assert others.went == 1


def test_a_download_that_goes_on_is_no_request_of_the_common_budget(pacer: Pacer, others: Others) -> None:
    pacer.take(Priority.READ, download=True, begins=False)
    assert others.asked == []


def test_nothing_is_to_spare_while_the_others_have_nothing(pacer: Pacer, others: Others) -> None:
    assert pacer.spare()
    others.has_spare = False
    assert not pacer.spare()
