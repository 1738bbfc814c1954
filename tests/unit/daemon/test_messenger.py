"""Manual, desktop: what a person at a desktop is told."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from anthrofs.clock import Clock
from anthrofs.daemon import messenger
from anthrofs.daemon.messenger import Messenger
from anthrofs.model import ROOT, NodeId, StageId
from anthrofs.tree.database import Database
from anthrofs.tree.upload_queue import Step
from tests.mounting import wait_until


class Told:
    """A desktop that keeps what it is told."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str, bool, int]] = []
        self.closed = False
        self.there = True           # somebody can be told

    def show(self, title: str, text: str, *, error: bool, instead_of: int = 0) -> int:
        self.messages.append((title, text, error, instead_of))
        return len(self.messages) if self.there else 0

    def close(self) -> None:
        self.closed = True

    def titles(self) -> list[str]:
        return [title for title, *_ in self.messages]


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def one(db: Database, told: Told, monkeypatch: pytest.MonkeyPatch) -> Iterator[Messenger]:
    monkeypatch.setattr(messenger, "REST_S", 0.01)
    threads = threading.active_count()
    found = Messenger(db, Clock(), told, Path("/home/ada/files"))
    yield found
    assert found.stop(30.0)
    assert told.closed
    assert threading.active_count() == threads


def queued(db: Database, *names: str) -> list[NodeId]:
    """Files whose content waits to be sent."""
    found = []
    with db.transaction() as tx:
        for name in names:
            node_id = tx.nodes.create(ROOT, name, 0o644, 1, name)
            stage = StageId(1000 + node_id)
            tx.nodes.promise(node_id, stage, 5, 1, name, sealed=True)
            tx.uploads.attempt(node_id, stage, 5)
            found.append(node_id)
    return found


def refuse(db: Database, node_id: NodeId, reason: str) -> None:
    with db.transaction() as tx:
        attempt = tx.uploads.of(node_id)
        assert attempt is not None
        tx.uploads.step(attempt, Step.REFUSED, code=5, reason=reason)


def arrive(db: Database, node_id: NodeId) -> None:
    with db.transaction() as tx:
        tx.uploads.drop(node_id)


def test_a_refused_upload_is_told_once_with_its_reason(db: Database, one: Messenger, told: Told) -> None:
    [paper, _] = queued(db, "paper.pdf", "other.pdf")
    one.start()
    refuse(db, paper, "413 too large.")
    one.wake()
    wait_until(lambda: told.messages, "it is told")
    assert told.messages[0] == ("paper.pdf was refused", "413 too large. Kept here, and not on the server: see anthrofs status /home/ada/files", True, 0)
    one.wake()
    refuse(db, queued(db, "third")[0], "no")
    one.wake()
    wait_until(lambda: len(told.messages) > 1, "the next one is told")
    assert told.messages[1:] == [("2 files were refused", "paper.pdf, third. no. Kept here, and not on the server: see anthrofs status /home/ada/files",
                                  True, 1)]


def test_what_was_refused_before_is_told_at_the_next_mount(db: Database, one: Messenger, told: Told) -> None:
    """Nobody may have been there when it was."""
    refuse(db, queued(db, "paper.pdf")[0], "no")
    one.start()
    wait_until(lambda: told.messages, "it is told")
    assert told.titles() == ["paper.pdf was refused"]


def test_what_is_refused_again_is_told_again(db: Database, one: Messenger, told: Told) -> None:
    [paper] = queued(db, "paper.pdf")
    one.start()
    refuse(db, paper, "no")
    one.wake()
    wait_until(lambda: len(told.messages) == 1, "it is told")
    with db.transaction() as tx:
        attempt = tx.uploads.of(paper)
        assert attempt is not None
        tx.uploads.step(attempt, Step.RETRY)
    one.wake()
    wait_until(lambda: not one._known, "it was looked at")
    refuse(db, paper, "no")
    one.wake()
    wait_until(lambda: len(told.messages) == 2, "it is told")


def test_what_nobody_could_be_told_is_told_later(db: Database, one: Messenger, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mount that begins with the machine is there before somebody logs in. What was sent meanwhile isn't told any more."""
    monkeypatch.setattr(messenger, "AGAIN_S", 0.01)
    told.there = False
    paper, other = queued(db, "paper.pdf", "other.pdf")
    refuse(db, paper, "no")
    refuse(db, other, "no")
    one.start()
    wait_until(lambda: len(told.messages) > 2, "it is tried again and again")
    arrive(db, other)
    told.there = True
    wait_until(lambda: not one._untold, "it is told")
    assert told.titles()[0] == "2 files were refused"
    count = len(told.messages)
    one.wake()
    wait_until(lambda: not one._woken, "it was looked at")
    assert len(told.messages) == count


def test_a_folder_of_refused_files_is_one_message(db: Database, one: Messenger, told: Told) -> None:
    for node_id in queued(db, *(f"{number}.pdf" for number in range(9))):
        refuse(db, node_id, "no")
    one.start()
    wait_until(lambda: told.messages, "it is told")
    text = "0.pdf, 1.pdf, 2.pdf and 6 more. no. Kept here, and not on the server: see anthrofs status /home/ada/files"
    assert told.messages == [("9 files were refused", text, True, 0)]


@pytest.mark.parametrize(("names", "said"), [(["a"], "1 file"), (["a", "b", "c"], "3 files")], ids=["one", "some"])
def test_the_end_of_what_waited_is_told(db: Database, one: Messenger, told: Told, names: list[str], said: str) -> None:
    waiting = queued(db, *names)
    one.start()
    later = queued(db, "later")
    one.wake()
    for node_id in waiting:
        assert told.messages == []
        arrive(db, node_id)
        one.wake()
    wait_until(lambda: told.messages, "it is told")
    expected: list[Any] = [("Everything is sent", f"{said} of files had waited since the last mount, and none does any more.", False, 0)]
    assert told.messages == expected
    arrive(db, later[0])
    one.wake()
    wait_until(lambda: not one._woken, "it was looked at")
    assert told.messages == expected


def test_what_was_refused_of_the_old_queue_is_said_beside_its_end(db: Database, one: Messenger, told: Told) -> None:
    paper, other = queued(db, "paper.pdf", "other.pdf")
    one.start()
    refuse(db, paper, "no")
    arrive(db, other)
    one.wake()
    wait_until(lambda: len(told.messages) == 2, "both are told")
    assert told.titles() == ["paper.pdf was refused", "1 of 2 files are sent"]
    assert told.messages[1][1].endswith("1 refused, and kept here.")


def test_without_a_queue_nothing_is_told(db: Database, one: Messenger, told: Told) -> None:
    one.start()
    one.wake()
    wait_until(lambda: not one._woken, "it was looked at")
    assert told.messages == []


class Meanwhile(Messenger):
    """Just behind a look at whether something may have been refused, another thread says that it was."""

    doubt, said = False, False

    @property
    def _doubtful(self) -> bool:
        before, self.doubt, self.said = self.doubt, True, True
        return before

    @_doubtful.setter
    def _doubtful(self, value: bool) -> None:
        self.doubt = value


def test_a_file_that_is_sent_does_not_hide_one_that_is_refused_in_that_moment(db: Database, told: Told) -> None:
    one = Meanwhile(db, Clock(), told, Path("/home/ada/files"))
    one.doubt = False           # the rows were looked at
    one.wake(sent=True)
    assert one.doubt == one.said
    one.wake()
    assert one.doubt
