"""Each mishap of the simulated way is what the client has to take it for, and the service has then what it should have."""

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from anthrofs.config import Timeouts
from anthrofs.errors import (
    AccountStopped,
    AuthFailed,
    BadAnswer,
    BodyCut,
    Gone,
    InTheWay,
    LimitReached,
    NoAnswer,
    NotTheFile,
    Offline,
    QuotaExceeded,
    RateLimited,
    Refused,
    RemoteError,
    RemoteTooLarge,
    Unavailable,
    UploadCut,
)
from anthrofs.model import FileId
from anthrofs.remote import wire as line
from anthrofs.remote.api import Download
from tests.simulation.faults import Fault, Faults
from tests.simulation.rig import Rig
from tests.simulation.rules import PAGES


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Rig(tmp_path) as one:
        yield one


@pytest.fixture(autouse=True)
def real_time_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sleeps, waits or starts a thread on this way fails here."""
    def never(*_: object, **__: object) -> None:
        raise AssertionError("real time would pass")
    monkeypatch.setattr(time, "sleep", never)
    monkeypatch.setattr(threading.Thread, "start", never)
    monkeypatch.setattr(threading.Condition, "wait", never)


# ---- on the way there

def test_a_connection_that_is_refused_stores_nothing_and_says_so(rig: Rig) -> None:
    rig.fault("upload", "refuse")
    body = rig.body(b"text")

    with pytest.raises(Offline) as caught:
        rig.files.upload("a.txt", "text/plain", body)

    assert not caught.value.maybe_stored
    assert not body.begun
    assert rig.stored() == []


def test_whoever_cannot_be_reached_costs_the_patience_for_a_connection(rig: Rig) -> None:
    rig.fault("list", "unreachable")
    began_s = rig.clock.now_s()

    with pytest.raises(Offline):
        rig.files.list(10)

    assert rig.clock.now_s() - began_s == pytest.approx(rig.timeouts.connect_s)


@pytest.mark.parametrize("after_bytes", [0, 1, 100, 70_000, 10**9])
def test_an_upload_that_is_cut_before_its_last_byte_is_never_stored(rig: Rig, after_bytes: int) -> None:
    rig.fault("upload", "cut_early", after_bytes=after_bytes)
    body = rig.body(bytes(100_000))

    with pytest.raises(NoAnswer) as caught:
        rig.files.upload("a.txt", "text/plain", body)

    assert caught.value.maybe_stored == (body.over_s is not None)
    assert body.acknowledged() <= min(after_bytes or 10**9, 100_000)
    rig.clock.advance(1000)
    assert rig.stored() == []


@pytest.mark.parametrize(("action", "stored"), [("cut", False), ("lost", True)])
def test_a_whole_request_without_an_answer_may_be_stored(rig: Rig, action: str, stored: bool) -> None:
    rig.fault("upload", action)

    with pytest.raises(NoAnswer) as caught:
        rig.upload()

    assert caught.value.maybe_stored
    assert rig.stored() == [b"text"] * stored


@pytest.mark.parametrize("action", ["cut", "lost"])
def test_a_deletion_without_an_answer_may_be_done(rig: Rig, action: str) -> None:
    file_id = rig.generate()
    rig.fault("delete", action)

    with pytest.raises(NoAnswer):
        rig.files.delete(file_id)

    assert len(rig.stored()) == (action == "cut")


def test_a_dead_other_side_acknowledges_nothing_and_is_given_up_after_half_a_minute(rig: Rig) -> None:
    rig.fault("upload", "dead")
    body = rig.body(bytes(100_000))
    began_s = rig.clock.now_s()

    with pytest.raises(NoAnswer):
        rig.files.upload("a.txt", "text/plain", body)

    assert body.acknowledged() == 0
    assert line.DEAD_S <= rig.clock.now_s() - began_s <= line.DEAD_S + line.LOOK_S + 1
    assert rig.stored() == []


def test_a_slow_upload_is_acknowledged_as_it_goes(rig: Rig) -> None:
    rig.fault("upload", "slow", bytes_per_s=65536)
    body = rig.body(bytes(4 * 65536))
    seen: list[int] = []
    rig.others.extend([lambda: seen.append(body.acknowledged())] * 20)

    took_s = rig.took_s(lambda: rig.files.upload("a.txt", "text/plain", body))

    assert took_s == pytest.approx(4, abs=0.5)
    assert seen == sorted(seen)
    assert {0, 4 * 65536} <= set(seen)
    assert len(set(seen)) >= 4


def test_an_upload_of_which_nothing_is_taken_for_a_while_goes_on(tmp_path: Path) -> None:
    with Rig(tmp_path, timeouts=Timeouts(answer_s=60)) as rig:
        rig.fault("upload", "held", seconds=50, after_bytes=70_000)
        assert rig.took_s(lambda: rig.upload(content=bytes(200_000))) == pytest.approx(50, abs=0.5)
        rig.fault("upload", "held", seconds=70, after_bytes=70_000)
        with pytest.raises(NoAnswer):
            rig.upload(content=bytes(200_000))
        assert len(rig.stored()) == 1


def test_a_line_that_takes_nothing_for_longer_than_the_patience_ends_the_upload(tmp_path: Path) -> None:
    with Rig(tmp_path, timeouts=Timeouts(answer_s=10)) as rig:
        rig.fault("upload", "slow", bytes_per_s=1)
        with pytest.raises(NoAnswer) as caught:
            rig.upload(content=bytes(1000))
        assert not caught.value.maybe_stored
        assert rig.stored() == []


def test_an_upload_that_its_sender_ends_is_not_stored(rig: Rig) -> None:
    over = threading.Event()
    body = rig.body(bytes(200_000), over.is_set)
    rig.fault("upload", "slow", bytes_per_s=100_000)
    rig.others.extend([lambda: None, over.set])

    with pytest.raises(UploadCut):
        rig.files.upload("a.txt", "text/plain", body)

    assert rig.stored() == []


def test_a_wrong_key_may_be_answered_before_the_last_byte_was_sent(tmp_path: Path) -> None:
    whole = set()
    for seed in range(20):
        with Rig(tmp_path, seed=seed, key="sk-wrong") as rig:
            body = rig.body(bytes(200_000))
            with pytest.raises(AuthFailed) as caught:
                rig.files.upload("a.txt", "text/plain", body)
            assert not caught.value.maybe_stored
            assert rig.stored() == []
            whole.add(body.over_s is not None)
    assert whole == {True, False}


# ---- at the service

@pytest.mark.parametrize(("status", "kind"), [(0, NoAnswer), (504, InTheWay)])
def test_what_is_stored_later_is_there_later_and_says_when(rig: Rig, status: int, kind: type[RemoteError]) -> None:
    rig.fault("upload", "later", seconds=60, status=status)

    with pytest.raises(kind) as caught:
        rig.upload()

    assert caught.value.maybe_stored
    sent_s = rig.clock.now_s()
    rig.clock.advance(59)
    assert rig.stored() == []
    assert not rig.service.is_settled()
    rig.clock.advance(100)
    assert rig.stored() == [b"text"]
    assert rig.service.is_settled()
    created_s = (rig.service.files()[0].created_us * 1000 - rig.clock.time_ns()) / 1e9 + rig.clock.now_s()
    assert created_s == pytest.approx(sent_s + 60, abs=0.5)


def test_who_gives_up_before_the_service_is_done_has_it_stored_nevertheless(tmp_path: Path) -> None:
    with Rig(tmp_path, timeouts=Timeouts(answer_s=30)) as rig:
        rig.fault("upload", "queued", seconds=40, times=2)
        with pytest.raises(NoAnswer) as caught:
            rig.upload()
        assert caught.value.maybe_stored
        rig.clock.advance(10)
        assert rig.stored() == [b"text"]

    with Rig(tmp_path, timeouts=Timeouts(answer_s=50)) as rig:
        rig.fault("upload", "queued", seconds=40)
        file = rig.upload()
        assert rig.service.files()[0].file_id == file.file_id


def test_a_gateway_that_sends_twice_leaves_two_files_and_one_answer(rig: Rig) -> None:
    rig.fault("upload", "twice")

    file = rig.upload()

    assert rig.stored() == [b"text"] * 2
    assert rig.service.files()[0].file_id == file.file_id


def test_a_deletion_that_a_gateway_sends_twice_is_gone_already(rig: Rig) -> None:
    file_id = rig.generate()
    rig.fault("delete", "twice")

    with pytest.raises(Gone):
        rig.files.delete(file_id)


def test_a_short_upload_says_so_or_only_the_listing_does(rig: Rig) -> None:
    for honest in (True, False):
        rig.fault("upload", "stored_short", after_bytes=2, honest=honest)
        assert rig.upload().size_bytes == (2 if honest else 4)
    assert rig.stored() == [b"te"] * 2
    assert [file.size_bytes for file in rig.files.list(10).files] == [2, 2]


def test_an_answer_may_say_another_size_than_what_is_stored(rig: Rig) -> None:
    rig.fault("upload", "wrong_size", after_bytes=17)

    assert rig.upload().size_bytes == 17
    assert rig.files.list(1).files[0].size_bytes == 4


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize(("numbers", "kind", "maybe_stored"), [
    ({"action": "status", "status": 429, "retry_after": "7"}, RateLimited, False),
    ({"action": "status", "status": 429, "retry_after_ms": "7000"}, RateLimited, False),
    ({"action": "status", "status": 429, "should_retry": "false"}, LimitReached, False),
    ({"action": "status", "status": 403, "should_retry": "true"}, Unavailable, False),
    ({"action": "status", "status": 503, "should_retry": "false"}, Refused, False),
    ({"action": "status", "status": 408}, Unavailable, True),
    ({"action": "status", "status": 409}, Unavailable, True),
    ({"action": "status", "status": 500}, Unavailable, True),
    ({"action": "status", "status": 503}, Unavailable, False),
    ({"action": "status", "status": 529}, Unavailable, False),
    ({"action": "status", "status": 413}, RemoteTooLarge, False),
    ({"action": "status", "status": 400}, Refused, False),
    ({"action": "page", "status": 502}, InTheWay, True),
    ({"action": "page", "status": 503}, InTheWay, True),
    ({"action": "page", "status": 504}, InTheWay, True),
    ({"action": "page", "status": 403}, InTheWay, True),
    ({"action": "page", "status": 413}, RemoteTooLarge, False),
    ({"action": "page", "status": 200}, InTheWay, True),
    ({"action": "account", "account": "unauthorized"}, AuthFailed, False),
    ({"action": "account", "account": "forbidden"}, AuthFailed, False),
    ({"action": "account", "account": "on_hold"}, AccountStopped, False),
    ({"action": "account", "account": "cmek_disabled"}, AccountStopped, False),
    ({"action": "account", "account": "cmek_blocked"}, AccountStopped, False),
    ({"action": "account", "account": "creator_left"}, AccountStopped, False),
    ({"action": "account", "account": "quota"}, QuotaExceeded, False),
    ({"action": "account", "account": "quota_once"}, QuotaExceeded, False),
    *(({"action": "page", "status": 502, "form": form}, InTheWay, True) for form in PAGES),
    ({"action": "page", "status": 401, "form": "openai"}, InTheWay, False),
    ({"action": "page", "status": 404, "form": "detail"}, Refused, False),
    ({"action": "redirect", "status": 302, "location": "https://login.example.com/"}, InTheWay, True),
    ({"action": "redirect", "status": 307, "location": "http://elsewhere.test{target}"}, InTheWay, False),
    ({"action": "nonsense"}, BadAnswer, True),
    ({"action": "json_cut"}, BadAnswer, True),
], ids=str)
def test_an_answer_in_the_place_of_the_right_one(rig: Rig, numbers: dict[str, Any], kind: type[RemoteError], maybe_stored: bool,
                                                 stored: bool) -> None:
    rig.fault("upload", **numbers, stored=stored)

    with pytest.raises(RemoteError) as caught:
        rig.upload()

    assert type(caught.value) is kind
    assert caught.value.maybe_stored == maybe_stored
    assert rig.stored() == [b"text"] * (stored or numbers["action"] == "json_cut")
    assert caught.value.retry_after_s == (7.0 if "7" in str(numbers.get("retry_after", numbers.get("retry_after_ms", ""))) else None)


def test_a_request_goes_where_it_is_sent_on_to_and_is_done_once(rig: Rig) -> None:
    rig.fault("upload", "redirect", status=307, location="/v1/files?beta=true&again=1")
    file = rig.upload()
    assert [entry.file_id for entry in rig.service.files()] == [file.file_id]
    assert [entry.status for entry in rig.service.requests] == [307, 200]


def test_content_that_lies_elsewhere_comes_from_there_without_the_key(rig: Rig) -> None:
    file_id = rig.generate(CONTENT)
    rig.fault("download", "redirect", status=302, location="http://elsewhere.test{target}")
    assert rig.content(file_id) == CONTENT
    rig.fault("download", "redirect", status=302, location="http://elsewhere.test/v1/files")
    with pytest.raises(Unavailable):
        rig.content(file_id)


def test_another_host_that_sends_on_to_itself_is_not_told_the_key(rig: Rig) -> None:
    """The service of the simulation fails a request that brings it there."""
    file_id = rig.generate(CONTENT)
    rig.fault("download", "redirect", status=302, location="http://elsewhere.test{target}")
    rig.fault("download", "redirect", status=307, location="{target}")
    assert rig.content(file_id) == CONTENT
    assert [entry.status for entry in rig.service.requests] == [302, 307, 200]


@pytest.mark.parametrize("stored", [False, True])
def test_silence_costs_the_patience_and_proves_nothing(tmp_path: Path, stored: bool) -> None:
    with Rig(tmp_path, timeouts=Timeouts(answer_s=100)) as rig:
        rig.fault("upload", "silent", stored=stored)
        began_s = rig.clock.now_s()
        with pytest.raises(NoAnswer) as caught:
            rig.upload()
        assert rig.clock.now_s() - began_s == pytest.approx(100, abs=1)
        assert caught.value.maybe_stored
        assert rig.stored() == [b"text"] * stored


def test_a_late_answer_is_as_right_as_another(tmp_path: Path) -> None:
    with Rig(tmp_path, timeouts=Timeouts(read_s=10)) as rig:
        rig.fault("list", "late", seconds=9)
        assert rig.took_s(lambda: rig.files.list(10)) == pytest.approx(9, abs=0.5)
        rig.fault("list", "late", seconds=11)
        with pytest.raises(NoAnswer):
            rig.files.list(10)


# ---- on the way back

CONTENT: Final = random.Random(5).randbytes(10_000)


def all_of(download: Download) -> tuple[bytes, RemoteError | None]:
    """The bytes that come, and how they end; None: cleanly."""
    came = b""
    try:
        for piece in download:
            came += piece
    except RemoteError as ended:
        return came, ended
    return came, None


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("after_bytes", [0, 1, 5000, 9_999, 10_000])
def test_a_download_that_is_cut_is_an_error_after_the_right_bytes(rig: Rig, after_bytes: int, known: bool) -> None:
    rig.rule(content_length=known)
    file_id = rig.generate(CONTENT)
    rig.fault("download", "body_cut", after_bytes=after_bytes)

    with rig.files.download(file_id) as download:
        assert download.total == (10_000 if known else None)
        came, ended = all_of(download)

    assert type(ended) is BodyCut
    assert came == CONTENT[:after_bytes]
    assert rig.content(file_id) == CONTENT


@pytest.mark.parametrize("honest", [True, False])
def test_a_download_may_end_early_or_late_as_if_that_were_all(rig: Rig, honest: bool) -> None:
    file_id = rig.generate(CONTENT)
    rig.fault("download", "body_short", after_bytes=100, honest=honest)
    rig.fault("download", "body_long", after_bytes=50, honest=honest)

    for length in (100, 10_050):
        with rig.files.download(file_id) as download:
            assert download.total == (length if honest else None)
            came = b"".join(download)
        assert came[:10_000] == CONTENT[:length]
        assert len(came) == length


def test_a_download_that_stalls_for_longer_than_the_patience_is_no_answer(rig: Rig) -> None:
    file_id = rig.generate(CONTENT)
    rig.fault("download", "stall", after_bytes=4000, seconds=rig.timeouts.first_s + 1)
    rig.fault("download", "stall", after_bytes=4000, seconds=rig.timeouts.first_s - 1)
    began_s = rig.clock.now_s()

    with rig.files.download(file_id) as download:
        came, ended = all_of(download)

    assert type(ended) is NoAnswer
    assert came == CONTENT[:4000]
    assert rig.clock.now_s() - began_s == pytest.approx(rig.timeouts.first_s, abs=1)
    assert rig.content(file_id) == CONTENT


def test_a_slow_download_takes_its_time(rig: Rig) -> None:
    file_id = rig.generate(CONTENT)
    rig.fault("download", "slow", bytes_per_s=100)

    assert rig.took_s(lambda: rig.content(file_id)) == pytest.approx(100, rel=0.02)


def test_a_download_that_is_ended_from_outside_ends_at_once(rig: Rig) -> None:
    file_id = rig.generate(CONTENT)
    rig.fault("download", "stall", after_bytes=0, seconds=50)
    with rig.files.download(file_id) as download:
        rig.others.extend([lambda: None, download.abort])
        began_s = rig.clock.now_s()
        with pytest.raises(NoAnswer):
            list(download)
        assert rig.clock.now_s() - began_s < 1


def test_an_encoding_that_was_not_asked_for_is_undone_or_found_to_be_untrue(rig: Rig) -> None:
    file_id = rig.generate(CONTENT)
    rig.fault("download", "encoded", honest=True)
    rig.fault("download", "encoded", honest=False)

    assert rig.content(file_id) == CONTENT
    with pytest.raises(NotTheFile):
        rig.content(file_id)


def test_a_listing_whose_body_is_cut_is_no_answer(rig: Rig) -> None:
    rig.generate()
    rig.fault("list", "body_cut", after_bytes=20)
    with pytest.raises(NoAnswer):
        rig.files.list(10)


def test_a_cached_listing_says_its_age_and_is_asked_for_again(rig: Rig) -> None:
    old = rig.generate(name="old.csv")
    rig.clock.advance(100)
    new = rig.generate(name="new.csv")
    rig.service.vanish(old)
    rig.fault("list", "cached", seconds=50)

    assert [file.file_id for file in rig.files.list(10).files] == [new]
    assert [entry.status for entry in rig.service.requests] == [200, 200]

    rig.fault("list", "cached", seconds=50, times=3)
    assert [file.file_id for file in rig.files.list(10).files] == [old]     # after as many tries as it is worth


# ---- kills

def test_after_a_kill_nobody_connects(rig: Rig) -> None:
    rig.wire.dead = True
    with pytest.raises(Offline):
        rig.files.list(1)
    assert not rig.service.requests


def test_of_what_was_whole_when_the_process_was_killed_some_comes_and_some_does_not(tmp_path: Path) -> None:
    """And nothing of what wasn't. Those that come may come a while after it."""
    outcomes = dict[tuple[bool, int], int]()
    for seed in range(150):
        with Rig(tmp_path, seed=seed) as rig:
            body = rig.body(bytes(100_000))
            rig.others.extend([lambda: None] * (seed % 5) + [lambda rig=rig: setattr(rig.wire, "dead", True)])    # type: ignore[misc]
            with pytest.raises(RemoteError):
                rig.files.upload("a.txt", "text/plain", body)
            at_once = len(rig.stored())
            rig.clock.advance(100)
            assert rig.stored() in ([], [bytes(100_000)])
            whole = body.over_s is not None
            outcomes[whole, len(rig.stored())] = outcomes.get((whole, len(rig.stored())), 0) + 1
            assert at_once <= len(rig.stored())
    assert set(outcomes) == {(False, 0), (True, 0), (True, 1)}


def test_a_service_that_drops_what_its_sender_left_has_none_of_it(tmp_path: Path) -> None:
    for seed in range(30):
        with Rig(tmp_path, seed=seed) as rig:
            rig.rule(abandoned_uploads="drop")
            rig.others.extend([lambda: None] * 2 + [lambda rig=rig: setattr(rig.wire, "dead", True)])    # type: ignore[misc]
            with pytest.raises(RemoteError):
                rig.upload()
            rig.clock.advance(100)
            assert rig.stored() == []


# ---- the script

def test_a_fault_meets_whom_it_is_meant_for_as_often_as_it_says() -> None:
    faults = Faults([Fault("upload", "cut", times=2, skip=1), Fault("any", "lost", subject="b.txt"), Fault("list", "silent", times=0)])

    took = [faults.take(*asked) for asked in (
        ("upload", "a.txt"), ("upload", "a.txt"), ("download", "b.txt"), ("download", "b.txt"), ("upload", "a.txt"), ("upload", "a.txt"))]

    assert [fault and fault.action for fault in took] == [None, "cut", "lost", None, "cut", None]
    standing = faults.left()
    assert [faults.take("list") for _ in range(5)] == standing * 5
    faults.remove(standing[0])
    assert faults.take("list") is None


@pytest.mark.parametrize("wrong", [{"action": "melt"}, {"operation": "rename"}, {"action": "account", "account": "happy"},
                                   {"action": "status", "status": 99}, {"action": "slow"}])
def test_a_fault_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^no|^nobody"):
        Fault(**{"operation": "any", "action": "cut", **wrong})


def test_every_request_is_remembered_with_what_its_sender_was_told(rig: Rig) -> None:
    file = rig.upload("a.txt")
    rig.fault("metadata", "lost")
    with pytest.raises(NoAnswer):
        rig.files.stat(file.file_id)
    with pytest.raises(Gone):
        rig.files.delete(FileId("file_nobody"))

    assert [(entry.who, entry.operation, entry.subject, entry.status) for entry in rig.service.requests] == [
        ("client", "upload", "a.txt", 200), ("client", "metadata", file.file_id, 0), ("client", "delete", "file_nobody", 404)]
