"""The campaign finds what it is for, ends a mount where it says, and in its shortest form finds nothing."""

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from anthrofs.fuse import mountpoint
from tests.torture.actors import Caller
from tests.torture.checks import Checks, Findings
from tests.torture.faults import MISHAPS, REQUESTS, script
from tests.torture.host import Host
from tests.torture.outage import Outage
from tests.torture.truth import Truth
from tests.torture.worker import Worker

ROUNDS = 2


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with Host(tmp_path / "host", small=False) as one:
        yield one
    assert not mountpoint.is_mounted(one.files)
    assert not one.alive


@pytest.fixture
def found() -> Findings:
    return Findings()


@pytest.fixture
def caller(host: Host, tmp_path: Path) -> Caller:
    return Caller(host.files, tmp_path / "out", "a", "seed")


@pytest.fixture
def checks(host: Host, caller: Caller, found: Findings) -> Checks:
    return Checks(host, [caller], found)


def save(host: Host, truth: Truth, name: str, content: bytes) -> None:
    ended = truth.begins({f"a/{name}": [content]})
    (host.files / "a" / name).write_bytes(content)
    ended(acknowledged=True)


def begun(host: Host, caller: Caller, *, forgets: bool = False) -> Truth:
    host.start("--upload", "queue", forgets=forgets)
    caller.begin()
    return caller.truth


# ---- what is known

def test_an_acknowledged_deed_leaves_one_state_and_one_that_was_cut_leaves_both() -> None:
    truth = Truth()
    truth.begins({"a": [b"1"]})(acknowledged=True)
    assert truth.may("a") == {b"1"}
    truth.begins({"a": [b"2"]})(acknowledged=False)
    assert truth.may("a") == {b"1", b"2"}
    assert truth.known("a") is None
    truth.begins({"a": [None], "b": truth.may("a")})        # it never ends
    assert truth.may("a") == {b"1", b"2", None}
    assert truth.may("b") == {b"1", b"2", None}


def test_so_many_of_a_hundred_requests_meet_a_mishap() -> None:
    entries = script(random.Random(1), 30)
    for operation in MISHAPS:
        mine = [entry for entry in entries if entry["match"]["operation"] == operation]
        assert 0.2 < len(mine) / REQUESTS < 0.4
        assert [entry["skip"] for entry in mine] == sorted(entry["skip"] for entry in mine)


# ---- the ends

@pytest.mark.parametrize("label", ["", "stage:data", "stage:dir+", "step:SEND"])
def test_a_mount_is_killed_where_it_is_told(host: Host, caller: Caller, checks: Checks, found: Findings, label: str) -> None:
    truth = begun(host, caller)
    save(host, truth, "before.txt", b"before")
    host.mount.sync()
    host.tell(end="kill", label=label, times=1)
    ended = truth.begins({"a/then.txt": [b"then"]})
    try:
        (host.files / "a" / "then.txt").write_bytes(b"then")
    except OSError:
        ended(acknowledged=False)
    assert host.wait_for_end(10)
    assert not host.detach()

    host.start(forgets=False)
    checks.shown_is_true()
    checks.server_is_true()
    assert host.umount() == found.lost == found.wrong == []


@pytest.mark.parametrize("mode", ["all", "random"])
def test_what_was_not_synced_is_lost_with_the_power_and_what_was_promised_is_not(host: Host, caller: Caller, checks: Checks, found: Findings, mode: str) -> None:
    truth = begun(host, caller, forgets=True)
    save(host, truth, "promised.txt", b"promised" * 1000)
    descriptor = os.open(host.files / "a" / "written.txt", os.O_WRONLY | os.O_CREAT)
    os.write(descriptor, b"written")
    host.end_power(mode, None, 1)
    assert host.wait_for_end(10)
    assert host.detach()
    with pytest.raises(OSError, match="not connected"):
        os.close(descriptor)

    host.start(forgets=True)
    checks.shown_is_true()
    assert sorted(os.listdir(host.files / "a")) == ["promised.txt", "x"]
    checks.server_is_true()
    assert host.umount() == found.lost == found.wrong == []


# ---- what the checks find

def test_what_is_lost_is_found(host: Host, caller: Caller, checks: Checks, found: Findings) -> None:
    truth = begun(host, caller)
    save(host, truth, "here.txt", b"here")
    truth.begins({"a/lost.txt": [b"lost"]})(acknowledged=True, waited=True)
    checks.shown_is_true()
    checks.server_has_what_was_waited_for()
    assert [words.split()[0] for words in found.lost] == ["a/lost.txt"]
    truth.begins({"a/lost.txt": [b"lost"]})(acknowledged=True, waited=True)
    checks.server_has_what_was_waited_for()
    assert len(found.lost) == 2
    assert found.wrong == []


def test_what_is_wrong_is_found(host: Host, caller: Caller, checks: Checks, found: Findings) -> None:
    truth = begun(host, caller)
    save(host, truth, "here.txt", b"here")
    (host.files / "a" / "here.txt").write_bytes(b"somebody else's")
    (host.files / "a" / "strange.txt").write_bytes(b"strange")
    checks.shown_is_true()
    assert sorted(words.split()[0] for words in found.wrong) == ["a/here.txt", "a/strange.txt"]
    assert found.lost == []


def test_what_the_server_has_twice_is_counted_and_put_away(host: Host, caller: Caller, checks: Checks, found: Findings) -> None:
    truth = begun(host, caller)
    save(host, truth, "here.txt", b"here")
    host.mount.sync()
    host.emulator.generate("a\uff0fhere.txt", b"here", downloadable=False, created_at="2020-01-01T00:00:00Z")
    checks.server_is_true()
    assert (found.twice, found.lost, found.wrong) == (1, [], [])
    assert [file["filename"] for file in host.emulator.files()] == ["a\uff0fhere.txt"]


# ---- the whole, short

@pytest.mark.timeout(300)       # an answer that was lost is looked for during 20 s
def test_a_few_rounds_lose_nothing(tmp_path: Path) -> None:
    """scripts/torture does it for longer."""
    worker = Worker(tmp_path / "worker", "a test's", small=False)
    worker.run(time.monotonic() + 60, ROUNDS)
    if worker.error is not None:
        raise worker.error
    assert worker.found.lost == worker.found.wrong == []
    assert sum(worker.ends.values()) == ROUNDS


@pytest.mark.root
@pytest.mark.timeout(300)       # the same
def test_a_round_on_a_small_disk_loses_nothing(tmp_path: Path) -> None:
    worker = Worker(tmp_path / "worker", "a test's", small=True)
    worker.run(time.monotonic() + 60, 1)
    if worker.error is not None:
        raise worker.error
    assert worker.found.lost == worker.found.wrong == []


def test_an_outage_is_counted_and_everything_is_there_after_it(tmp_path: Path) -> None:
    outage = Outage(tmp_path / "outage", 2)
    outage.run()
    if outage.error is not None:
        raise outage.error
    assert outage.wrong == []
    assert outage.requests > 0
