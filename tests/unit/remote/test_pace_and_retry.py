"""The budget of requests, and what is asked again: by a clock that moves when somebody waits."""

import contextlib
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest

from anthrofs.config import Config, Credentials, Service
from anthrofs.emulator.bucket import Bucket
from anthrofs.errors import (
    AuthFailed,
    BadAnswer,
    Gone,
    NoAnswer,
    NotDownloadable,
    Offline,
    RateLimited,
    Refused,
    RemoteError,
    Stopping,
    Unavailable,
)
from anthrofs.model import FileId
from anthrofs.remote.api import RemoteFiles
from anthrofs.remote.budget import HEAD, KEPT, SLOT, WINDOW_S, Moments, Work
from anthrofs.remote.pace import DOWNLOAD_SLOTS, SLOTS, SLOWEST, WORK, Paced, Pacer, Priority
from anthrofs.remote.retry import FIRST_WAIT_S, LONGEST_WAIT_S, TRIES, Retrying, backoff_s
from tests.fakes import FakeClock, FakeFiles, body_of

PER_MINUTE: Final = 60
BOUND_S: Final = 20     # real seconds, for what should come at once
IDEMPOTENT: Final[dict[str, Callable[[RemoteFiles, FileId], object]]] = {
    "list": lambda remote, _: remote.list(10),
    "metadata": lambda remote, file_id: remote.stat(file_id),
    "download": lambda remote, file_id: remote.download(file_id),
    "delete": lambda remote, file_id: remote.delete(file_id),
}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def pacer(clock: FakeClock) -> Pacer:
    return Pacer(PER_MINUTE, clock)


def spend(pacer: Pacer, count: int, priority: Priority = Priority.READ) -> None:
    for _ in range(count):
        with pacer.slot(priority):
            pass


def moments_s(pacer: Pacer, clock: FakeClock, count: int, priority: Priority = Priority.READ) -> list[float]:
    """When each of so many requests may begin, one after the other."""
    moments = []
    for _ in range(count):
        with pacer.slot(priority):
            moments.append(clock.now_s())
    return moments


# ---- the budget

def allowed(per_minute: int, work: Work) -> int:
    """How many of one kind may begin at once, when none of the others did."""
    return per_minute - sum(per_minute // KEPT[other] for other in Work if other is not work)


def most_within(moments: list[float], seconds: float) -> int:
    return max(sum(1 for other in moments[number:] if other < moment + seconds) for number, moment in enumerate(moments))


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

    assert most_within(moments, WINDOW_S) <= per_minute
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
    calls: list[Callable[[RemoteFiles, FileId], object]] = [
        *IDEMPOTENT.values(), lambda remote, _: remote.upload("a", "text/plain", body)]

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


# ---- asking again

def retrying(files: RemoteFiles, clock: FakeClock, stopping: threading.Event | None = None) -> Retrying:
    return Retrying(files, clock, stopping or threading.Event(), random.Random(1))


@pytest.mark.parametrize("exc", [NoAnswer("cut"), Unavailable("503"), BadAnswer("html")])
@pytest.mark.parametrize("operation", IDEMPOTENT)
def test_what_may_pass_is_asked_again_so_often_and_then_told(clock: FakeClock, operation: str, exc: RemoteError) -> None:
    files = FakeFiles(clock)
    file_id = files.generate("a", b"x").file_id
    files.fail(operation, *[exc] * (TRIES - 1))
    IDEMPOTENT[operation](retrying(files, clock), file_id)
    assert [asked for asked, _ in files.requests] == [operation] * TRIES

    files.requests.clear()
    files.fail(operation, *[exc] * TRIES)
    with pytest.raises(type(exc)):
        IDEMPOTENT[operation](retrying(files, clock), file_id)
    assert len(files.requests) == TRIES


@pytest.mark.parametrize("exc", [Refused("no"), Gone("no"), AuthFailed("no"), NotDownloadable("no"), Offline("no network")])
@pytest.mark.parametrize("operation", IDEMPOTENT)
def test_what_will_not_pass_is_told_at_once(clock: FakeClock, operation: str, exc: RemoteError) -> None:
    files = FakeFiles(clock)
    files.fail(operation, exc)

    with pytest.raises(type(exc)):
        IDEMPOTENT[operation](retrying(files, clock), FileId("f"))

    assert len(files.requests) == 1
    assert clock.slept_s == []


@pytest.mark.parametrize("exc", [NoAnswer("cut"), Unavailable("503"), RateLimited("429"), BadAnswer("html"), Offline("no network")])
def test_an_upload_is_never_asked_twice(clock: FakeClock, tmp_path: Path, exc: RemoteError) -> None:
    files = FakeFiles(clock)
    files.fail("upload", exc, after=True)

    with body_of(tmp_path, b"text") as body, pytest.raises(type(exc)):
        retrying(files, clock).upload("a", "text/plain", body)

    assert files.requests == [("upload", "a")]
    assert len(files.files) == 1


def test_a_429_is_waited_for_and_never_shown(clock: FakeClock) -> None:
    files, pacer = FakeFiles(clock), Pacer(400, clock)
    files.fail("list", *[RateLimited("slow down", retry_after_s=20)] * (5 * TRIES))

    page = retrying(Paced(files, pacer, Priority.READ), clock).list(10)

    assert page.files == ()
    assert len(files.requests) == 5 * TRIES + 1
    assert clock.now_s() >= 5 * TRIES * 20


def test_every_try_counts(clock: FakeClock) -> None:
    files, pacer = FakeFiles(clock), Pacer(PER_MINUTE, clock)
    files.fail("list", *[Unavailable("503", retry_after_s=0)] * (TRIES - 1))

    retrying(Paced(files, pacer, Priority.READ), clock).list(10)

    assert pacer._budget.left(clock.now_s()) == PER_MINUTE - TRIES


def test_what_the_server_asks_to_wait_is_waited(clock: FakeClock) -> None:
    files = FakeFiles(clock)
    files.fail("list", Unavailable("503", retry_after_s=0.25), Unavailable("503", retry_after_s=19), Unavailable("503", retry_after_s=0))

    retrying(files, clock).list(10)

    assert clock.slept_s == [0.25, 19, 0]


def test_a_server_that_asks_to_wait_long_is_unavailable_now(clock: FakeClock) -> None:
    files = FakeFiles(clock)
    files.fail("list", Unavailable("503", retry_after_s=LONGEST_WAIT_S + 1))

    with pytest.raises(Unavailable):
        retrying(files, clock).list(10)

    assert clock.slept_s == []


def test_a_deletion_whose_answer_was_lost_ends_as_gone(clock: FakeClock) -> None:
    files = FakeFiles(clock)
    file_id = files.generate("a", b"x").file_id
    files.fail("delete", NoAnswer("cut"), after=True)

    with pytest.raises(Gone):
        retrying(files, clock).delete(file_id)


def test_the_end_of_the_mount_ends_the_asking(clock: FakeClock) -> None:
    files, stopping = FakeFiles(clock), threading.Event()
    files.fail("list", Unavailable("503"))
    stopping.set()

    with pytest.raises(Stopping):
        retrying(files, clock, stopping).list(10)

    assert len(files.requests) == 1


@pytest.mark.parametrize("seed", range(20))
def test_the_back_off_doubles_is_jittered_and_is_bounded(seed: int) -> None:
    chance = random.Random(seed)
    waits_s = [backoff_s(tries, chance) for tries in range(40)]

    for tries, wait_s in enumerate(waits_s):
        middle_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** tries)
        assert 0.75 * middle_s <= wait_s <= 1.25 * middle_s
    assert waits_s[6:] != [waits_s[6]] * 34     # not all clients come back together


def test_tries_wait_longer_and_longer(clock: FakeClock) -> None:
    files = FakeFiles(clock)
    files.fail("list", *[Unavailable("503")] * TRIES)

    with pytest.raises(Unavailable):
        retrying(files, clock).list(10)

    assert len(clock.slept_s) == TRIES - 1
    assert clock.slept_s == sorted(clock.slept_s)
    assert clock.slept_s[0] > 0


def test_no_back_off_asks_to_wait_longer_than_is_allowed() -> None:
    class Late(random.Random):
        def random(self) -> float:
            return 1.0

    files, clock = FakeFiles(FakeClock()), FakeClock()
    files.fail("list", *[Unavailable("503")] * (TRIES - 1))

    Retrying(files, clock, threading.Event(), Late()).list(10)     # else a long back-off of our own would look like the server's

    assert len(files.requests) == TRIES
