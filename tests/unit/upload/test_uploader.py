"""The uploader's threads: whatever happens to a piece of work, it is given back, and its next try comes when it may."""

import logging
import threading

import pytest

from anthrofs.errors import RemoteError, Unavailable
from anthrofs.model import NodeId
from anthrofs.tree.hidden_nodes import SETTLE_S
from anthrofs.tree.upload_queue import QUEUED
from anthrofs.upload.restaging import Restaging
from anthrofs.upload.uploader import AGAIN_S, LATER_S
from anthrofs.upload.work import Item, Pause
from tests.unit.upload.house import House


def pause_s(house: House) -> float | None:
    pause, _ = house.uploader._next()
    assert isinstance(pause, Pause)
    return pause.seconds


def ready(house: House, name: str) -> NodeId:
    """A file whose time has come."""
    node_id = house.save(name)
    house.uploader.hurry()
    return node_id


def test_what_fails_for_a_reason_of_this_machines_is_given_back_for_later(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    node_id = ready(house, "a")

    def broken(*_: object) -> None:
        raise OSError("our disk")

    with monkeypatch.context() as patched:
        patched.setattr(house.uploader._delivery, "run", broken)
        with pytest.raises(OSError, match="our disk"):
            house.work()
    attempt = house.attempt(node_id)
    assert attempt is not None
    assert (attempt.state, pause_s(house)) == (QUEUED, AGAIN_S)
    house.clock.advance(AGAIN_S)
    assert house.work()
    assert house.attempt(node_id) is None
    assert house.schedule._sends.every() == {}


def test_an_old_name_that_cannot_be_changed_now_is_tried_less_and_less_often(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    ready(house, "old")
    assert house.work()
    house.rename("old", "new")
    failures: list[RemoteError] = [Unavailable("503")] * 8

    def prepare(_: Restaging, node: object) -> None:
        raise failures.pop()

    waits = []
    with monkeypatch.context() as patched:
        patched.setattr(Restaging, "prepare", prepare)
        while failures:
            assert house.work()
            waits.append(pause_s(house) or 0.0)
            house.clock.advance(waits[-1] + 0.001)
    assert waits == pytest.approx([min(LATER_S, AGAIN_S * 2 ** number) for number in range(8)])
    while house.work():
        pass
    assert [file.name for file in house.files.files] == ["new"]
    assert house.schedule._sends.every() == {}


def test_hidden_files_are_settled_on_the_way(house: House) -> None:
    assert pause_s(house) is None
    node_id = house.save("a")
    house.clock.advance(60)
    assert house.work()
    with house.db.transaction() as tx:
        tx.nodes.hide(node_id, "hidden", 0, by_libfuse=True)
    assert pause_s(house) == SETTLE_S
    house.clock.advance(SETTLE_S)
    assert not isinstance(house.uploader._next()[0], Pause)        # its id is to be deleted
    assert house.index.find(node_id) is None


def test_its_threads_send_what_comes_and_end_when_they_are_told(house: House) -> None:
    house.uploader.start()
    names = [f"{number}" for number in range(30)]
    for name in names:
        ready(house, name)
    sent = threading.Event()
    for _ in range(1000):
        if sorted(file.name for file in house.files.files) == sorted(names) and not house.uploader.progress():
            sent.set()
            break
        sent.wait(0.01)
    assert sent.is_set()
    assert house.uploader.stop(10)


def test_a_bug_is_said_and_ends_no_thread(house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    run, tries = house.uploader._delivery.run, threading.Semaphore(0)

    def buggy(*arguments: object) -> None:
        tries.release()
        raise ZeroDivisionError

    monkeypatch.setattr(house.uploader._delivery, "run", buggy)
    caplog.set_level(logging.ERROR)
    node_id = ready(house, "a")
    house.uploader.start()
    assert tries.acquire(timeout=10)
    monkeypatch.setattr(house.uploader._delivery, "run", run)
    for _ in range(1000):
        house.clock.advance(AGAIN_S)
        house.uploader.wake()
        if house.attempt(node_id) is None:
            break
        threading.Event().wait(0.01)
    assert house.attempt(node_id) is None
    assert "bug in the uploader" in caplog.text


def test_a_wake_while_a_thread_looks_for_work_is_not_missed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it found is old by then: it looks again instead of waiting until something else happens."""
    did: list[str] = []

    def look() -> Pause:
        did.append("looked")
        if len(did) == 1:
            house.uploader.wake()
        else:
            house.uploader._stopping = True
        return Pause(None)

    monkeypatch.setattr(house.uploader, "_next", look)
    monkeypatch.setattr(house.clock, "wait", lambda *_: did.append("waited"))
    house.uploader._run()
    assert did == ["looked", "looked"]


@pytest.mark.parametrize("names", [["a"], ["a", "b"]], ids=["nothing else", "another one"])
def test_whoever_gets_work_calls_the_next_thread_before_it_begins(house: House, monkeypatch: pytest.MonkeyPatch, names: list[str]) -> None:
    """Ten files that are saved at once go at once; one alone is no reason to ask again."""
    did: list[str] = []
    monkeypatch.setattr(house.uploader._changed, "notify", lambda *_: did.append("called"))
    monkeypatch.setattr(house.uploader._delivery, "run", lambda *_: did.append("sent"))
    for name in names:
        ready(house, name)
    next_item = house.uploader._next

    def once() -> tuple[Item | Pause, bool]:
        item, more = (Pause(None), False) if "sent" in did else next_item()
        house.uploader._stopping = isinstance(item, Pause)
        return item, more

    monkeypatch.setattr(house.uploader, "_next", once)
    did.clear()
    house.uploader._run()
    assert did[:len(names)] == ["called"] * (len(names) - 1) + ["sent"]
