"""An attempt comes to its end exactly once, whatever the network says in between."""

import errno
from dataclasses import replace
from pathlib import Path

import pytest

from anthrofs.errors import InTheWay, NoAnswer, QuotaExceeded, Refused, RemoteError, Unavailable
from anthrofs.model import FileId, NodeId, RemoteFile, ServerClock
from anthrofs.tree.upload_queue import FAILED, QUEUED, SENDING, UNKNOWN
from anthrofs.upload.delivery import RESENDS
from anthrofs.upload.inquiries import INQUIRE_S
from tests.fakes import SECOND_NS, FakeClock, FakeFiles
from tests.unit.upload.house import House


def send(house: House, name: str, content: bytes = b"content") -> NodeId:
    """A try, whatever becomes of it."""
    node_id = house.save(name, content)
    house.uploader.hurry()
    assert house.work()
    return node_id


def state(house: House, node_id: NodeId) -> str | None:
    attempt = house.attempt(node_id)
    return None if attempt is None else attempt.state


def stored(house: House) -> list[str]:
    return sorted(file.name for file in house.files.files)


def work_off(house: House) -> None:
    for _ in range(20):
        while house.work():
            pass
        house.clock.advance(30)


def test_what_is_stored_leaves_no_attempt_and_no_stage_and_a_copy_that_can_be_read(house: House) -> None:
    node_id = send(house, "a")
    node = house.index.node(node_id)
    assert (state(house, node_id), node.stage, stored(house)) == (None, None, ["a"])
    assert node.remote is not None
    assert house.cache.kept_path(node.remote.file_id).read_bytes() == b"content"
    assert list((house.root / "staging").iterdir()) == []


@pytest.mark.parametrize("at", range(len(INQUIRE_S)))
def test_a_lost_answer_is_inquired_about_and_what_turned_up_is_not_sent_again(house: House, at: int) -> None:
    house.save("first")
    house.uploader.hurry()
    assert house.work()                                     # the service's clock is known
    house.files.fail("upload", NoAnswer("cut"), after=True, after_s=INQUIRE_S[at] - 0.5)
    node_id = send(house, "a")
    assert state(house, node_id) == UNKNOWN
    work_off(house)
    assert (state(house, node_id), stored(house)) == (None, ["a", "first"])
    assert [operation for operation, name in house.files.asked if name == "a"] == ["upload"]


def test_what_did_not_turn_up_is_sent_again(house: House) -> None:
    house.files.fail("upload", NoAnswer("cut"))
    node_id = send(house, "a")
    assert state(house, node_id) == UNKNOWN
    work_off(house)
    assert (state(house, node_id), stored(house)) == (None, ["a"])
    assert [operation for operation, name in house.files.asked if name == "a"] == ["upload", "upload"]


def test_newer_content_waits_for_one_inquiry_only(house: House) -> None:
    house.files.fail("upload", NoAnswer("cut"))
    node_id = send(house, "a", b"old")
    house.clock.advance(INQUIRE_S[0])
    assert house.work()                                     # nothing has turned up yet
    assert (state(house, node_id), house.work()) == (UNKNOWN, False)
    house.save("a", b"newer")
    house.uploader.hurry()
    assert [house.work(), house.work()] == [True, True]     # it is asked at once, and then sent
    [file] = house.files.files
    assert (state(house, node_id), file.size_bytes) == (None, len(b"newer"))


def test_two_of_one_name_that_may_be_stored_are_never_taken_for_one(house: House) -> None:
    """The listing shows one file that either can be: both are sent again, and none is lost."""
    house.save("first")
    house.uploader.hurry()
    assert house.work()
    house.files.fail("upload", NoAnswer("cut"), after=True)
    send(house, "a")
    house.rename("a", "b")
    house.files.fail("upload", NoAnswer("cut"))
    send(house, "a")
    work_off(house)
    assert {"a", "b", "first"} <= set(stored(house))
    assert {house.index.node(node_id).unsent for node_id in house.nodes().values()} == {False}


def content_of(house: House, name: str) -> bytes:
    """As the server has it."""
    node = house.index.node(house.nodes()[name])
    assert node.remote is not None
    return house.files.contents[node.remote.file_id]


def test_a_file_that_an_older_try_may_have_stored_is_not_taken_for_a_newer_one(house: House) -> None:
    """Same name, same size: the older try's turns up late, just when the newer one is inquired about."""
    house.save("first")
    house.uploader.hurry()
    assert house.work()
    house.files.fail("upload", NoAnswer("cut"), after_s=4.0)
    send(house, "a", b"content")
    house.clock.advance(INQUIRE_S[0])
    assert house.work()                                     # nothing has turned up yet
    house.rename("a", "b")
    house.clock.advance(2.5)
    house.files.fail("upload", NoAnswer("cut"))
    send(house, "a", b"CONTENT")
    house.clock.advance(INQUIRE_S[0])
    work_off(house)
    assert (content_of(house, "a"), content_of(house, "b")) == (b"CONTENT", b"content")


def test_of_two_files_that_may_be_it_none_is_taken(house: House) -> None:
    """One may be somebody else's, and would be deleted by the next save."""
    house.save("first")
    house.uploader.hurry()
    assert house.work()
    house.files.fail("upload", NoAnswer("cut"), after=True)
    node_id = send(house, "a.txt")
    others = house.files.generate("a.txt", b"CONTENT", downloadable=False).file_id
    work_off(house)
    node = house.index.node(node_id)
    assert node.remote is not None
    assert node.remote.file_id != others
    assert content_of(house, "a.txt") == b"content"
    assert stored(house).count("a.txt") == 3                # a duplicate is better than a loss


@pytest.mark.parametrize("exc", [
    Unavailable("503", from_service=True, status=503, maybe_stored=False), QuotaExceeded("full", from_service=True, status=403, maybe_stored=False),
    InTheWay("429", status=429, maybe_stored=False)])
def test_what_is_surely_not_stored_is_tried_again_later(house: House, exc: RemoteError) -> None:
    house.files.fail("upload", exc)
    node_id = send(house, "a")
    assert (state(house, node_id), stored(house)) == (QUEUED, [])
    work_off(house)
    assert (state(house, node_id), stored(house)) == (None, ["a"])


def test_what_is_refused_is_kept_until_somebody_asks_for_it_again(house: House) -> None:
    house.files.fail("upload", Refused("that name", from_service=True, status=400, maybe_stored=False))
    node_id = send(house, "a")
    attempt = house.attempt(node_id)
    assert attempt is not None
    assert (attempt.state, attempt.reason) == (FAILED, "that name")
    assert house.staging.path(attempt.stage).read_bytes() == b"content"
    work_off(house)
    assert (state(house, node_id), stored(house)) == (FAILED, [])


def test_what_was_stored_and_could_not_be_written_down_is_looked_for_and_not_sent_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own disk was full in that moment."""
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    house.save("first")
    house.uploader.hurry()
    assert house.work()                                     # the service's clock is known
    node_id = house.save("a")
    house.uploader.hurry()
    with monkeypatch.context() as patched:
        patched.setattr(house.uploader._delivery._arrivals, "take_in", full)
        with pytest.raises(OSError, match="No space"):
            house.work()
    assert state(house, node_id) == SENDING
    work_off(house)
    assert (state(house, node_id), stored(house)) == (None, ["a", "first"])


def test_an_empty_file_that_the_service_refuses_stays_here(house: House) -> None:
    house.files.fail("upload", Refused("empty", from_service=True, status=400, maybe_stored=False))
    node_id = send(house, "a", b"")
    node = house.index.node(node_id)
    assert (state(house, node_id), node.is_withheld) == (None, True)


def test_what_arrives_cut_again_and_again_is_refused_and_the_cut_ones_go(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    generate = FakeFiles.generate
    monkeypatch.setattr(FakeFiles, "generate", lambda self, name, content, *rest, **named: generate(self, name, content[:-1], *rest, **named))
    node_id = send(house, "a")
    assert state(house, node_id) == QUEUED
    work_off(house)
    attempt = house.attempt(node_id)
    assert attempt is not None
    assert (attempt.state, attempt.code) == (FAILED, errno.EIO)
    assert len([operation for operation, name in house.files.asked if operation == "upload"]) == RESENDS + 1
    assert house.files.files == []


def test_what_was_unlinked_while_it_was_sent_is_deleted_again(house: House) -> None:
    node_id = house.save("a")
    house.uploader.hurry()
    item = house.schedule.next()
    upload = house.files.upload

    def uploads(*arguments: object, **named: object) -> object:
        answer = upload(*arguments, **named)    # type: ignore[arg-type]
        house.remove("a")
        return answer

    house.files.upload = uploads                # type: ignore[method-assign, assignment]
    house.uploader._do(item)                    # type: ignore[arg-type]
    assert (state(house, node_id), house.index.find(node_id)) == (None, None)
    [file] = house.files.files
    with house.db.reading() as tx:
        assert tx.deletions.is_doomed(FileId(file.file_id))
    work_off(house)
    assert house.files.files == []


# ---- what is there after all, and what is gone

class ToTheSecond(FakeFiles):
    """Its times are cut, and its clock is known to be ours."""

    def generate(self, name: str, content: bytes, mime_type: str = "text/plain", *, downloadable: bool = True) -> RemoteFile:
        file = super().generate(name, content, mime_type, downloadable=downloadable)
        self.files[0] = replace(file, created_ns=file.created_ns // SECOND_NS * SECOND_NS)
        return self.files[0]

    def clock(self) -> ServerClock | None:
        return ServerClock(0, SECOND_NS)


def test_what_was_stored_in_a_second_that_began_before_the_try_is_found_behind_many_newer_ones(tmp_path: Path) -> None:
    clock = FakeClock()
    files = ToTheSecond(clock)
    house = House(tmp_path, clock, files)
    clock.advance(10.9)
    node_id = house.save("a.txt")
    clock.advance(1.0)
    files.fail("upload", NoAnswer("cut"), after=True)
    assert house.work()
    clock.advance(0.2)
    for number in range(300):
        files.generate(f"{number}.txt", b"somebody else's")
    clock.advance(INQUIRE_S[-1])
    assert house.work()
    with house.db.reading() as tx:
        assert tx.uploads.of(node_id) is None
    house.close()


def test_a_stage_that_is_gone_before_its_first_try_fails_its_file_once(tmp_path: Path) -> None:
    clock = FakeClock()
    house = House(tmp_path, clock, FakeFiles(clock))
    node_id = house.save("a.txt")
    for stage in (tmp_path / "staging").iterdir():
        stage.unlink()
    clock.advance(60)
    assert [house.work(), house.work()] == [True, False]
    with house.db.reading() as tx:
        attempt = tx.uploads.of(node_id)
    assert attempt is not None
    assert (attempt.state, attempt.code) == (FAILED, errno.EIO)
    house.close()
