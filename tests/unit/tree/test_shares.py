"""What the store of a fleet has, and what is owed to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from anthrofs.model import FileId
from anthrofs.tree.database import Database
from anthrofs.tree.shares import WITHDRAW_NS
from tests.fakes import FakeClock

ONE = FileId("file_1")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def db(tmp_path: Path, clock: FakeClock) -> Iterator[Database]:
    db = Database(tmp_path / "state.db", clock=clock)
    yield db
    db.close()


def rows(db: Database) -> list[tuple[str, str, int, int]]:
    with db.reading() as tx:
        return tx.all("SELECT file_id, task, size_bytes, due_ns FROM share")


def test_an_upload_that_ends_before_the_store_has_all_of_it_is_withdrawn_after_a_while(db: Database, clock: FakeClock) -> None:
    with db.transaction() as tx:
        tx.shares.owe(ONE, 7)
    assert rows(db) == [(ONE, "own", 7, 0)]
    with db.transaction() as tx:
        tx.shares.ended(ONE, withdraw=True)
    assert rows(db) == [(ONE, "withdraw", 0, clock.time_ns() + WITHDRAW_NS)]


def test_what_the_store_never_had_to_do_with_leaves_nothing_to_withdraw(db: Database) -> None:
    with db.transaction() as tx:
        tx.shares.ended(ONE, withdraw=True)
    assert rows(db) == []


def test_what_somebody_else_has_deleted_is_theirs_to_withdraw(db: Database) -> None:
    with db.transaction() as tx:
        tx.shares.owe(ONE, 7)
        tx.shares.ended(ONE, withdraw=False)
    assert rows(db) == []


def test_what_is_to_be_put_is_claimed_and_what_is_to_be_withdrawn_isnt(db: Database) -> None:
    """Garbage in the store is what nobody claims."""
    two = FileId("file_2")
    with db.transaction() as tx:
        tx.shares.owe(ONE, 7)
        tx.shares.owe(two, 7)
        tx.shares.ended(two, withdraw=True)
    with db.reading() as tx:
        assert tx.shares.claimed() == {ONE}
