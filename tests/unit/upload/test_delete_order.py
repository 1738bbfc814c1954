"""The order in which ids are deleted: a new version is there before an old one goes, and what waits hides nothing behind it."""

import pytest

from anthrofs.errors import Unavailable
from anthrofs.model import FileId
from anthrofs.tree.deletion_queue import Place
from anthrofs.tree.transaction import Tx
from anthrofs.tree.upload_queue import Step
from anthrofs.upload.delete_order import READ_AT_ONCE
from anthrofs.upload.work import Pause
from tests.fakes import EPOCH_NS, SECOND_NS
from tests.unit.upload.house import House


def test_of_a_name_that_is_still_to_be_sent_only_the_newest_stays_on_the_server(house: House) -> None:
    house.save("a")
    ids = house.doom("a", "a", "a", "b")
    with house.db.reading() as tx:
        assert tx.deletions.deletable() == [*ids[:2], ids[3]]
        assert tx.deletions.reprieve("a") == house.files._known(ids[2])


def test_of_a_name_that_the_server_has_nothing_stays_of_what_was_there_before(house: House) -> None:
    node_id = house.save("a")
    house.clock.advance(2)
    assert house.work()
    [old] = house.doom("a")
    house.save("a", b"newer")
    with house.db.transaction() as tx:
        assert tx.deletions.deletable() == [old]
        attempt = tx.uploads.of(node_id)
        assert attempt is not None
        for step in (Step.SEND, Step.REFUSED):
            now = tx.uploads.of(node_id)
            assert now is not None
            tx.uploads.step(now, step)
            assert tx.deletions.deletable() == [old]


def searched(house: House, tx: Tx, *, briefly: bool) -> tuple[list[FileId], float | None]:
    """(what may be deleted, seconds until all may be read again)"""
    now_s = house.clock.now_s()
    due, rests_s = house.schedule._due(tx, now_s, 10, briefly=briefly)
    return [each.file_id for each in due], None if rests_s is None else rests_s - now_s


def test_what_waits_for_its_replacement_hides_nothing_and_is_not_read_through_each_time(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3 * READ_AT_ONCE):
        house.save(f"blocked {number}")
    house.doom(*(f"blocked {number}" for number in range(3 * READ_AT_ONCE)))
    [free] = house.doom("free")
    read: list[int] = []
    deletions = house.db._tx.deletions
    after = deletions.after

    def reads(place: Place, limit: int) -> list[tuple[Place, FileId, bool, bool]]:
        page = after(place, limit)
        read.append(len(page))
        return page

    monkeypatch.setattr(deletions, "after", reads)
    with house.db.reading() as tx:
        assert [searched(house, tx, briefly=True)[0] for _ in range(5)] == [[], [], [], [free], [free]]
        assert max(read) <= READ_AT_ONCE
        assert len(read) == 5
        tx.deletions.deleted(free, 1)
        assert searched(house, tx, briefly=False) == ([], None)        # once around, and not for ever
        assert len(read) <= 11
        [another] = doom_in(house, "another")
        assert searched(house, tx, briefly=False)[0] == [another]      # what is new is found at once
        tx.deletions.deleted(another, 1)
        read.clear()
        for _ in range(3):                                                      # not all of them again and again
            found, wait_s = searched(house, tx, briefly=False)
            assert (found, wait_s is not None and 0 < wait_s <= 1) == ([], True)
        assert len(read) == 3
        house.clock.advance(1)
        [freed] = doom_in(house, "blocked 0")
        searched(house, tx, briefly=False)
        assert len(read) > 5
        assert freed not in tx.deletions.deletable()


def doom_in(house: House, name: str) -> list[FileId]:
    file = house.files.generate(name, b"x", downloadable=False)
    house.db._tx.deletions.doom(file)
    return [file.file_id]


def test_refused_deletions_hide_nothing_behind_them_and_are_tried_again(house: House) -> None:
    house.doom(*(f"{number}" for number in range(2 * READ_AT_ONCE)))
    house.files.fail("delete", *[Unavailable("no")] * (2 * READ_AT_ONCE))
    while house.work():
        pass
    assert house.owed() == 2 * READ_AT_ONCE
    [late] = house.doom("late")
    assert house.work()
    assert late not in {file.file_id for file in house.files.files}
    assert not house.work()
    pause = house.schedule.next()
    assert isinstance(pause, Pause)
    assert 0 < (pause.seconds or 0) < 10
    house.clock.advance(10)
    while house.work():
        pass
    assert house.owed() == 0
    assert house.files.files == []


def test_what_is_owed_and_since_when(house: House) -> None:
    with house.db.reading() as tx:
        assert (tx.deletions.count(), tx.deletions.since_ns()) == (0, None)
    house.doom("a")
    house.clock.advance(100)
    house.doom("b", "c")
    with house.db.reading() as tx:
        assert (tx.deletions.count(), tx.deletions.since_ns()) == (3, EPOCH_NS)
    assert house.work()
    with house.db.reading() as tx:
        assert (tx.deletions.count(), tx.deletions.since_ns()) == (2, EPOCH_NS + 100 * SECOND_NS)
