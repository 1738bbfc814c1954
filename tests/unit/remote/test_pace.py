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
from anthrofs.remote.pace import DOWNLOAD_SLOTS, SLOTS, SLOWEST, Paced, Pacer, Priority
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
