"""An id that is to be deleted stays queued until it is known to be gone, whatever the network says."""

import sqlite3

import pytest

from anthrofs.errors import BadAnswer, Gone, Offline, Refused, RemoteError, Unavailable
from anthrofs.upload.deletion import DOUBT_S
from anthrofs.upload.work import Pause
from tests.unit.upload.house import House


def pause_s(house: House) -> float | None:
    pause = house.schedule.next()
    assert isinstance(pause, Pause)
    return pause.seconds


def reasons(house: House) -> list[str | None]:
    with house.db.reading() as tx:
        return [reason for _, _, reason in tx.deletions.every()]


def test_a_deleted_id_is_gone_here_and_there_and_an_id_that_is_not_there_is_deleted(house: House) -> None:
    first, second = house.doom("a", "b")
    house.files.fail("delete", Gone("404", from_service=True, status=404))
    while house.work():
        pass
    with house.db.reading() as tx:
        assert [tx.deletions.is_deleted(file_id) for file_id in (first, second)] == [True, True]
    assert (house.owed(), house.schedule.refused_deletions()) == (0, set())


def test_a_refused_one_stays_with_the_reason_and_waits_longer_each_time(house: House) -> None:
    [file_id] = house.doom("a")
    waits = []
    for _ in range(4):
        house.files.fail("delete", Refused("not now", from_service=True, status=400))
        assert house.work()
        waits.append(pause_s(house) or 0.0)
        assert (house.owed(), reasons(house), house.schedule.refused_deletions()) == (1, ["not now"], {file_id})
        house.clock.advance(waits[-1] + 0.001)
    assert waits[3] > waits[0] > 0
    assert house.work()
    assert (house.owed(), house.asked) == (0, 0)


def test_the_service_says_when_to_come_again(house: House) -> None:
    house.doom("a")
    house.files.fail("delete", Unavailable("busy", from_service=True, status=503, retry_after_s=17.0))
    assert house.work()
    assert pause_s(house) == 17.0


@pytest.mark.parametrize("exc", [BadAnswer("a page", status=200), Unavailable("404 of a proxy", status=404)])
def test_after_an_answer_that_says_nothing_a_listing_decides(house: House, exc: RemoteError) -> None:
    [file_id] = house.doom("a")
    house.files.fail("delete", exc)
    assert house.work()
    assert house.asked == 1
    assert (pause_s(house) or 0) >= DOUBT_S
    with house.db.transaction() as tx:
        tx.run("UPDATE doomed SET doubt = -1 WHERE file_id = ?", file_id)       # it isn't listed any more
    requests = house.files.requests()
    assert house.work()
    assert (house.owed(), house.files.requests()) == (0, requests)


def test_without_a_connection_nothing_was_asked(house: House) -> None:
    house.doom("a")
    house.files.fail("delete", Offline("no route"))
    assert house.work()
    assert (reasons(house), house.schedule.refused_deletions()) == ([None], set())


def test_what_the_user_wants_back_is_not_deleted_and_what_is_being_deleted_is_not_given_back(house: House) -> None:
    house.doom("a")
    item = house.schedule.next()
    with house.db.transaction() as tx:
        back = tx.deletions.reprieve("a")
        assert back is not None
    assert not isinstance(item, Pause)
    house.uploader._do(item)
    assert back in house.files.files
    [going] = house.doom("b")
    with house.db.transaction() as tx:
        assert tx.deletions.begin(going)
        assert tx.deletions.reprieve("b") is None
        tx.deletions.ended(going)
        assert tx.deletions.reprieve("b") is not None


def test_a_deletion_that_cannot_be_written_down_is_no_refused_one_and_is_tried_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.doom("a")
    deletions = house.db._tx.deletions

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("disk full")

    with monkeypatch.context() as broken:
        broken.setattr(deletions, "deleted", full)
        with pytest.raises(Exception, match="full"):
            house.work()
    assert (house.owed(), house.schedule.refused_deletions()) == (1, set())
    wait_s = pause_s(house)
    assert wait_s is not None
    house.clock.advance(wait_s)
    assert house.work()
    assert house.owed() == 0


@pytest.mark.parametrize("read", [False, True])
def test_the_copy_of_what_is_deleted_stays_for_who_reads_it(house: House, read: bool) -> None:
    node_id = house.save("a")
    house.uploader.hurry()
    assert house.work()
    file = house.index.node(node_id).remote
    assert file is not None
    if read:
        house.handles.open(node_id, reads=True, writes=False, process=1).content.remote = file
    house.remove("a")
    while house.work():
        pass
    assert (house.files.files, house.cache.has_kept(file.file_id)) == ([], read)
