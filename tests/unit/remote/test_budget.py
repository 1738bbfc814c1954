"""How many requests may begin in a minute, whatever asks and whoever was mounted before."""

import random
import threading
from bisect import bisect_left
from pathlib import Path

import pytest

from anthrofs.config import Config, Credentials, Service
from anthrofs.emulator.bucket import Bucket
from anthrofs.errors import RateLimited
from anthrofs.remote.budget import HEAD, KEPT, SLOT, WINDOW_S, Moments, Work
from anthrofs.remote.pace import WORK, Pacer, Priority
from tests.fakes import FakeClock
from tests.unit.remote.paced import BOUND_S, PER_MINUTE, moments_s, spend


def allowed(per_minute: int, work: Work) -> int:
    """How many of one kind may begin at once, when none of the others did."""
    return per_minute - sum(per_minute // KEPT[other] for other in Work if other is not work)


def most_within(moments: list[float], seconds: float) -> int:
    """Of moments in their order."""
    assert moments == sorted(moments)
    return max(bisect_left(moments, moment + seconds) - number for number, moment in enumerate(moments))


def test_what_a_minute_has_room_for_goes_at_once_and_the_rest_when_that_is_a_minute_old(pacer: Pacer, clock: FakeClock) -> None:
    at_once = allowed(PER_MINUTE, Work.READS)

    moments = moments_s(pacer, clock, 2 * at_once)

    assert moments == [0.0] * at_once + [WINDOW_S] * at_once


def test_a_folder_of_400_files_goes_at_once(clock: FakeClock, tmp_path: Path) -> None:
    pacer = Pacer(Config(tmp_path, tmp_path, Service("", Credentials("", ""))).requests_per_minute, clock)
    assert moments_s(pacer, clock, 400, Priority.QUEUED) == [0.0] * 400
    assert pacer.waiting() == (0, 0.0)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("per_minute", [1, 7, 60, 450])
def test_no_61_seconds_see_more_requests_than_allowed_whatever_asks_is_refused_or_ends(clock: FakeClock, tmp_path: Path, per_minute: int,
                                                                                      seed: int) -> None:
    """Neither do other windows than those that begin with a request; and remounts within the minute go on where the last one was."""
    clock.advance(1000)                         # since the boot
    chance = random.Random(seed)
    pacer = Pacer(per_minute, clock, Moments(tmp_path / "requests"))
    moments = []
    for _ in range(6 * per_minute + 20):
        happens = chance.random() * max(1.0, per_minute / 40)       # about as often in each minute
        if happens < 0.1:
            clock.advance(chance.choice([0.01, 1, 30, 60, 61, 300]))
        elif happens < 0.15:
            pacer.answered(RateLimited("slow down", retry_after_s=chance.choice([None, 0, 0.5, 20])))
        elif happens < 0.17:
            if chance.random() < 0.5:
                pacer.close()               # else it was killed
            pacer = Pacer(per_minute, clock, Moments(tmp_path / "requests"))
        else:
            pacer.answered(None)
        moments += moments_s(pacer, clock, 1, chance.choice(list(Priority)))

    assert most_within(moments, 61.0) <= per_minute
    # And it isn't slower than it has to be: the window is full whenever somebody waits, but for what is kept and what a 429 costs.
    assert most_within(moments, WINDOW_S) >= per_minute // 2


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("minute", ["bucket", "sliding", "calendar"])
def test_a_service_that_allows_500_a_minute_refuses_nothing_however_it_counts_and_whatever_the_way_adds(clock: FakeClock, minute: str,
                                                                                                       seed: int) -> None:
    """A request may be under way for some time; the next ones overtake it."""
    chance = random.Random(seed)
    clock.advance(1000 + 10 * chance.random())
    pacer = Pacer(450, clock)
    arrivals = []
    for _ in range(3000):
        if chance.random() < 0.01:
            clock.advance(chance.choice([0.5, 5, 61]))
        [moment] = moments_s(pacer, clock, 1, chance.choice(list(Priority)))
        arrivals.append(moment + chance.random() ** 4 * 0.9)
    arrived_s = [0.0]
    bucket = Bucket(lambda: arrived_s[0])
    for arrived_s[0] in sorted(arrivals):
        assert bucket.take(500, minute) == 0


def test_idle_time_saves_up_one_window_and_not_more(pacer: Pacer, clock: FakeClock) -> None:
    at_once = allowed(PER_MINUTE, Work.READS)
    spend(pacer, at_once)
    clock.advance(3600)

    moments = moments_s(pacer, clock, at_once + 1)

    assert moments == [3600.0] * at_once + [3600 + WINDOW_S]


@pytest.mark.parametrize("busy", list(Work))
@pytest.mark.parametrize("other", list(Priority))
def test_a_part_of_the_budget_is_kept_for_each_kind_of_work(clock: FakeClock, busy: Work, other: Priority) -> None:
    """Whatever the others have asked for, and however long they have waited for more."""
    if WORK[other] is busy:
        return
    pacer = Pacer(450, clock)
    asks = next(priority for priority, work in WORK.items() if work is busy)
    for _ in range(3):
        spend(pacer, 450, asks)                 # the last of them have waited, so all that they may have is used
        began_s = clock.now_s()
        kept = 450 // KEPT[WORK[other]]
        assert moments_s(pacer, clock, kept, other) == [began_s] * kept


def test_an_old_mounts_requests_count_for_the_next_one(clock: FakeClock, tmp_path: Path) -> None:
    def mounted(per_minute: int = PER_MINUTE) -> Pacer:
        return Pacer(per_minute, clock, Moments(tmp_path / "requests"))

    clock.advance(1000)
    at_once = allowed(PER_MINUTE, Work.SAVES)
    spend(mounted(), at_once, Priority.QUEUED)          # and is killed
    clock.advance(40)
    for per_minute in (PER_MINUTE, PER_MINUTE, PER_MINUTE // 2, 2 * PER_MINUTE, PER_MINUTE):
        pacer = mounted(per_minute)
        assert pacer._budget.left(clock.now_s()) == max(0, per_minute - at_once)
    assert moments_s(pacer, clock, 1, Priority.QUEUED) == [1000 + WINDOW_S]
    assert moments_s(mounted(), clock, at_once, Priority.QUEUED)[-2:] == [1000 + WINDOW_S, 1040 + 2 * WINDOW_S - 40]
    clock.advance(WINDOW_S)
    assert mounted()._budget.left(clock.now_s()) == PER_MINUTE


@pytest.mark.parametrize("content", [
    b"", b"x" * 1000, HEAD, HEAD[:10], HEAD + b"\xff" * 1000, HEAD + bytes(1000), HEAD + SLOT.pack(float("nan")) + SLOT.pack(float("inf")) + b"abc",
    HEAD + SLOT.pack(-1.0) + SLOT.pack(5000.0)])
def test_a_file_of_moments_that_cannot_be_is_as_none(clock: FakeClock, tmp_path: Path, content: bytes) -> None:
    clock.advance(1000)
    (tmp_path / "requests").write_bytes(content)
    assert Pacer(PER_MINUTE, clock, Moments(tmp_path / "requests"))._budget.left(clock.now_s()) == PER_MINUTE


def test_without_its_file_the_budget_holds_for_one_mount(clock: FakeClock, tmp_path: Path) -> None:
    (tmp_path / "requests").mkdir()
    for path in (tmp_path / "requests", tmp_path / "missing" / "requests"):
        pacer = Pacer(PER_MINUTE, clock, Moments(path))
        spend(pacer, allowed(PER_MINUTE, Work.READS) + 1)
        assert clock.now_s() >= WINDOW_S
        pacer.close()


def test_who_waits_is_told_how_long(pacer: Pacer, clock: FakeClock) -> None:
    assert pacer.waiting() == (0, 0.0)
    spend(pacer, allowed(PER_MINUTE, Work.SAVES), Priority.QUEUED)
    clock.advance(49)
    told: list[tuple[int, float]] = []
    look = clock.wait

    def wait(condition: threading.Condition, timeout_s: float | None) -> None:
        told.append(pacer.waiting())
        look(condition, timeout_s)

    clock.wait = wait       # type: ignore[method-assign]
    spend(pacer, 1, Priority.CLOSE)
    pacer.answered(RateLimited("slow down", retry_after_s=7))
    spend(pacer, 1, Priority.CLOSE)
    assert told[0] == (1, WINDOW_S - 49)
    assert told[-1] == (1, 7)


@pytest.mark.parametrize("per_minute", [1, 2, 9])
@pytest.mark.parametrize("priority", list(Priority))
def test_the_smallest_budget_serves_every_priority(clock: FakeClock, per_minute: int, priority: Priority) -> None:
    assert len(moments_s(Pacer(per_minute, clock), clock, 3, priority)) == 3


def test_more_requests_of_one_call_count_in_the_next_mount_too(clock: FakeClock, tmp_path: Path) -> None:
    clock.advance(1000)                         # since the boot
    pacer = Pacer(PER_MINUTE, clock, Moments(tmp_path / "requests"))
    with pacer.slot(Priority.READ):
        for _ in range(3):
            clock.advance(1)
            pacer.sent()
    assert Moments(tmp_path / "requests").start(PER_MINUTE, clock.now_s()) == [1000.0, 1002.0, 1003.0]


def test_more_requests_of_one_call_count_too(pacer: Pacer, clock: FakeClock) -> None:
    """A redirect, another token, a listing past a cache: each is a request to the service."""
    with pacer.slot(Priority.READ):
        for _ in range(3):
            pacer.sent()
    assert pacer._budget.left(clock.now_s()) == PER_MINUTE - 3
    with pacer.slot(Priority.READ):
        pass                                # it could not even be sent
    with pacer.slot(Priority.READ):
        pacer.sent()
    assert pacer._budget.left(clock.now_s()) == PER_MINUTE - 5
    other = threading.Thread(target=pacer.sent)
    other.start()
    other.join(BOUND_S)
    assert pacer._budget.left(clock.now_s()) == PER_MINUTE - 6
