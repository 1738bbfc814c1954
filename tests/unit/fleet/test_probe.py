"""The look at the store when a mount begins: what would never work ends the mount, what works by half is said, and silence keeps nobody."""

import logging
import threading

import pytest

from anthrofs.clock import Clock
from anthrofs.errors import EXIT_AUTH, EXIT_FAILED, EXIT_USAGE, NotStored, SetupError, StoreAway, StoreRefuses
from anthrofs.fleet.keys import SECRET_BYTES, FleetKeys
from anthrofs.fleet.probe import Probe
from tests.fleet.memory_objects import MemoryObjects

KEYS = FleetKeys([b"n" * SECRET_BYTES])


@pytest.fixture
def objects() -> MemoryObjects:
    return MemoryObjects()


def seen(objects: MemoryObjects, caplog: pytest.LogCaptureFixture) -> list[str]:
    """The warnings of a mount that begins."""
    probe = Probe(objects, KEYS, Clock(), writes=True)
    with caplog.at_level(logging.INFO):
        probe.begin()
        probe.end()
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def refuse(objects: MemoryObjects, why: str, *calls: str) -> None:
    def mishap(call: str, _path: str) -> None:
        if call in calls:
            raise StoreRefuses(why)
    objects.mishap = mishap


def test_a_store_that_can_be_used_is_looked_at_with_four_calls_and_nothing_stays(objects: MemoryObjects, caplog: pytest.LogCaptureFixture) -> None:
    assert seen(objects, caplog) == []
    assert objects.asked == {"folders": 1, "put": 1, "get": 1, "remove": 1}
    assert objects.bodies == {}


def test_a_store_that_takes_nothing_is_read_only(objects: MemoryObjects, caplog: pytest.LogCaptureFixture) -> None:
    refuse(objects, "the credentials may not do this", "put")
    (said,) = seen(objects, caplog)
    assert said.startswith("this mount reads from the store, and can't put anything there: the credentials may not do this")


def test_a_member_who_only_reads_puts_nothing(objects: MemoryObjects, caplog: pytest.LogCaptureFixture) -> None:
    refuse(objects, "the credentials may not do this", "put")
    probe = Probe(objects, KEYS, Clock(), writes=False)
    probe.begin()
    probe.end()
    assert objects.asked == {"folders": 1, "get": 1}
    assert caplog.records == []
    refuse(objects, "it doesn't accept the credentials", "get")
    probe = Probe(objects, KEYS, Clock(), writes=False)
    probe.begin()
    with pytest.raises(SetupError, match="doesn't accept the credentials"):
        probe.end()


@pytest.mark.parametrize(("why", "calls", "code"), [
    ("there is no such bucket", ["put"], EXIT_USAGE),
    ("it doesn't accept the credentials", ["put", "get"], EXIT_AUTH),
    ("the bucket is in another region: set AWS_REGION=eu-west-1", ["put", "get"], EXIT_USAGE),
    ("there is no directory /mnt/team", ["put", "get"], EXIT_USAGE),
    ("this machine's clock is wrong, or the store's", ["put", "get"], EXIT_FAILED),
    ("the credentials may not do this", ["get"], EXIT_AUTH),
])
def test_what_would_never_work_ends_the_mount(objects: MemoryObjects, why: str, calls: list[str], code: int) -> None:
    refuse(objects, why, *calls)
    probe = Probe(objects, KEYS, Clock(), writes=True)
    probe.begin()
    with pytest.raises(SetupError) as caught:
        probe.end()
    assert (str(caught.value), caught.value.exit_code) == (f"The store can't be used: {why}.", code)


def test_what_may_neither_list_nor_read_ends_the_mount(objects: MemoryObjects) -> None:
    """Without the right to list, S3 says 403 for what isn't there."""
    refuse(objects, "the credentials may not do this", "folders", "put", "get")
    probe = Probe(objects, KEYS, Clock(), writes=True)
    probe.begin()
    with pytest.raises(SetupError, match="may not do this"):
        probe.end()


def test_what_may_not_list_but_do_the_rest_is_said(objects: MemoryObjects, caplog: pytest.LogCaptureFixture) -> None:
    refuse(objects, "the credentials may not do this", "folders")
    (said,) = seen(objects, caplog)
    assert said.startswith("this mount may not list the store")


def test_a_store_that_gives_back_other_bytes_ends_the_mount(objects: MemoryObjects) -> None:
    def mishap(call: str, path: str) -> None:
        if call == "get":
            objects.bodies[path] = b"?"
    objects.mishap = mishap
    probe = Probe(objects, KEYS, Clock(), writes=True)
    probe.begin()
    with pytest.raises(SetupError, match="other bytes"):
        probe.end()


def test_a_store_that_gives_nothing_back_at_once_is_said_and_the_probe_goes(objects: MemoryObjects, caplog: pytest.LogCaptureFixture) -> None:
    def late(call: str, path: str) -> None:
        if call == "get":
            raise NotStored(path)
    objects.mishap = late
    assert seen(objects, caplog) == ["what was just put into the store can't be read at once"]
    assert objects.bodies == {}


def test_a_store_that_removes_nothing_is_said(objects: MemoryObjects, caplog: pytest.LogCaptureFixture) -> None:
    refuse(objects, "the credentials may not do this", "remove")
    (said,) = seen(objects, caplog)
    assert said.startswith("this mount may not remove anything from the store")


def test_a_wrong_key_is_said(objects: MemoryObjects, caplog: pytest.LogCaptureFixture) -> None:
    objects.bodies["1/0123456789ab/w/f/0"] = b"another fleet's"
    (said,) = seen(objects, caplog)
    assert said.startswith(f"the store has files of the keys 0123456789ab, and none of this mount's ({KEYS.ids[0]})")


def test_a_store_that_is_away_stops_no_mount(objects: MemoryObjects, caplog: pytest.LogCaptureFixture) -> None:
    def away(_call: str, _path: str) -> None:
        raise StoreAway("no answer")
    objects.mishap = away
    assert seen(objects, caplog) == []


def test_a_silent_store_keeps_a_mount_for_a_moment_only(objects: MemoryObjects, monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr("anthrofs.fleet.probe.PATIENCE_S", 0.01)

    def silence(_call: str, _path: str) -> None:
        over.wait(30)
    objects.mishap = silence
    probe = Probe(objects, KEYS, Clock(), writes=True)
    probe.begin()
    probe.end()
    over.set()
