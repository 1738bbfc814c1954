"""What is asked again, how often and after how long; an upload never is."""

import random
import threading
from pathlib import Path

import pytest

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
from anthrofs.remote.pace import Pacer, Priority
from anthrofs.remote.paced import Paced
from anthrofs.remote.retry import FIRST_WAIT_S, LONGEST_WAIT_S, TRIES, Retrying, backoff_s
from tests.fakes import FakeClock, FakeFiles, body_of
from tests.unit.remote.paced import IDEMPOTENT, PER_MINUTE


def retrying(files: RemoteFiles, clock: FakeClock, stopping: threading.Event | None = None) -> Retrying:
    return Retrying(files, clock, stopping or threading.Event(), random.Random(1))


@pytest.mark.parametrize("exc", [NoAnswer("cut"), Unavailable("503"), BadAnswer("html")])
@pytest.mark.parametrize("operation", IDEMPOTENT)
def test_what_may_pass_is_asked_again_so_often_and_then_told(clock: FakeClock, operation: str, exc: RemoteError) -> None:
    files = FakeFiles(clock)
    file_id = files.generate("a", b"x").file_id
    files.fail(operation, *[exc] * (TRIES - 1))
    IDEMPOTENT[operation](retrying(files, clock), file_id)
    assert [asked for asked, _ in files.asked] == [operation] * TRIES

    files.asked.clear()
    files.fail(operation, *[exc] * TRIES)
    with pytest.raises(type(exc)):
        IDEMPOTENT[operation](retrying(files, clock), file_id)
    assert len(files.asked) == TRIES


@pytest.mark.parametrize("exc", [Refused("no"), Gone("no"), AuthFailed("no"), NotDownloadable("no"), Offline("no network")])
@pytest.mark.parametrize("operation", IDEMPOTENT)
def test_what_will_not_pass_is_told_at_once(clock: FakeClock, operation: str, exc: RemoteError) -> None:
    files = FakeFiles(clock)
    files.fail(operation, exc)

    with pytest.raises(type(exc)):
        IDEMPOTENT[operation](retrying(files, clock), FileId("f"))

    assert len(files.asked) == 1
    assert clock.slept_s == []


@pytest.mark.parametrize("exc", [NoAnswer("cut"), Unavailable("503"), RateLimited("429"), BadAnswer("html"), Offline("no network")])
def test_an_upload_is_never_asked_twice(clock: FakeClock, tmp_path: Path, exc: RemoteError) -> None:
    files = FakeFiles(clock)
    files.fail("upload", exc, after=True)

    with body_of(tmp_path, b"text") as body, pytest.raises(type(exc)):
        retrying(files, clock).upload("a", "text/plain", body)

    assert files.asked == [("upload", "a")]
    assert len(files.files) == 1


def test_a_429_is_waited_for_and_never_shown(clock: FakeClock) -> None:
    files, pacer = FakeFiles(clock), Pacer(400, clock)
    files.fail("list", *[RateLimited("slow down", retry_after_s=20)] * (5 * TRIES))

    page = retrying(Paced(files, pacer, Priority.READ), clock).list(10)

    assert page.files == ()
    assert len(files.asked) == 5 * TRIES + 1
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

    assert len(files.asked) == 1


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

    assert len(files.asked) == TRIES
