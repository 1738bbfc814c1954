"""The ids that paths have had: what is known of one that is nowhere any more, and that the rows stay few."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from anthrofs.model import FileId, RemoteFile
from anthrofs.tree import history
from anthrofs.tree.database import Database
from anthrofs.tree.history import A_PATH, MOST
from tests.fakes import FakeClock

ONE, TWO, THREE, FOUR = (FileId(f"file_{number}") for number in range(1, 5))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def db(tmp_path: Path, clock: FakeClock) -> Iterator[Database]:
    db = Database(tmp_path / "state.db", clock=clock)
    yield db
    db.close()


def count(db: Database) -> int:
    with db.reading() as tx:
        return int(tx.one("SELECT count(*) FROM history")[0])


def test_an_id_leads_over_all_that_came_between_to_the_last(db: Database) -> None:
    with db.transaction() as tx:
        tx.history.began(ONE, "a", history.SAVED)
        tx.history.began(TWO, "a", history.SAVED, ONE)
        tx.history.began(THREE, "b", history.RENAMED, TWO)
        assert (tx.history.last(ONE), tx.history.last(THREE)) == ((THREE, None), (THREE, None))
        tx.history.ended(THREE, "b", history.REMOVED)
        last, end = tx.history.last(ONE)
        fate = tx.history.fate(ONE)
    assert (last, end is not None and end.why, fate is not None and (fate.file_id, fate.path, fate.why)) == (THREE, "removed", (TWO, "a", "saved"))


def test_ids_that_go_round_end_somewhere(db: Database) -> None:
    with db.transaction() as tx:
        tx.history.began(TWO, "a", history.SAVED, ONE)
        tx.history.began(ONE, "a", history.SAVED, TWO)
        tx.history.began(THREE, "a", history.SAVED, THREE)
        assert tx.history.last(ONE)[0] in (ONE, TWO)
        assert tx.history.last(THREE) == (THREE, None)
        assert len(tx.history.of_path("a", ONE)) == 3


def test_a_save_takes_the_place_of_what_it_was_renamed_over_and_not_of_what_was_removed_before(db: Database) -> None:
    with db.transaction() as tx:
        tx.history.ended(ONE, "a", history.COVERED)
        tx.history.began(TWO, "a", history.SAVED)
        tx.history.ended(TWO, "a", history.REMOVED)
        tx.history.began(THREE, "a", history.SAVED)
        assert [event.was for event in tx.history.of_path("a", THREE)] == [None, None, ONE, None]


def test_a_path_tells_where_its_last_id_went_and_not_what_became_of_that_later(db: Database) -> None:
    with db.transaction() as tx:
        tx.history.began(ONE, "a", history.SAVED)
        tx.history.began(TWO, "b", history.RENAMED, ONE)
        tx.history.began(THREE, "b", history.SAVED, TWO)
        assert [event.file_id for event in tx.history.of_path("a", None)] == [TWO, ONE]
        assert [event.file_id for event in tx.history.of_path("b", THREE)] == [THREE, TWO, ONE]
        assert tx.history.of_path("c", None) == []


@pytest.mark.parametrize(("ahead_ns", "why"), [pytest.param(None, "gone", id="never"), pytest.param(-5, "expired", id="over"),
                                               pytest.param(50, "gone", id="later")])
def test_what_the_server_has_no_more_has_expired_or_was_removed_by_others(db: Database, clock: FakeClock, ahead_ns: int | None, why: str) -> None:
    expires_ns = None if ahead_ns is None else clock.time_ns() + ahead_ns
    with db.transaction() as tx:
        tx.history.lost(RemoteFile(ONE, "a", "text/plain", 1, 0, downloadable=False, expires_ns=expires_ns), "a")
        assert [event.why for event in tx.history.of_path("a", None)] == [why]


def test_a_path_that_is_saved_each_minute_pushes_out_its_own_rows_only(db: Database) -> None:
    with db.transaction() as tx:
        tx.history.began(ONE, "rare", history.SAVED)
        for number in range(3 * A_PATH):
            tx.history.began(FileId(f"file_log_{number}"), "log", history.SAVED)
        assert len(tx.history.of_path("log", None)) == A_PATH
        assert tx.history.of_path("log", None)[0].file_id == f"file_log_{3 * A_PATH - 1}"
        assert len(tx.history.of_path("rare", None)) == 1


def test_rows_are_bounded_also_within_one_transaction(db: Database) -> None:
    with db.transaction() as tx:
        for number in range(MOST + 3000):
            tx.history.ended(FileId(f"file_{number}"), f"{number}", history.GONE)
    assert MOST <= count(db) <= MOST + 1024
    with db.transaction() as tx:
        tx.history.trim()
        assert tx.history.fate(FileId(f"file_{MOST + 2999}")) is not None
        assert tx.history.fate(FileId("file_0")) is None
    assert count(db) == MOST


def test_another_workspace_begins_with_none(db: Database) -> None:
    with db.transaction() as tx:
        tx.history.began(ONE, "a", history.SAVED)
        tx.history.forget_all()
    assert count(db) == 0
