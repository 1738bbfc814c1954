"""Transactions commit whole or not at all, and a database that can't be used is refused in a sentence."""

import errno
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from anthrofs.errors import DiskFull, FsError, NotFound, SetupError, StateLost
from anthrofs.model import StageId
from anthrofs.store.state_guard import StateGuard
from anthrofs.tree.database import Database
from anthrofs.tree.schema import VERSION
from tests.mounting import damaged_page

# ---- the database

class Stop(Exception):
    """A test's own."""


def test_a_transaction_that_fails_leaves_nothing_of_it(db: Database) -> None:
    with db.transaction() as tx:
        tx.set_meta("kept", "1")

    def fail() -> None:
        with db.transaction(durable=True) as tx:
            tx.set_meta("kept", "2")
            tx.set_meta("lost", "1")
            raise Stop

    with pytest.raises(Stop):
        fail()

    with db.reading() as tx:
        assert tx.get_meta("kept") == "1"
        assert tx.get_meta("lost") is None
    with db.transaction() as tx:            # and the next one works
        tx.set_meta("kept", None)
        assert tx.get_meta("kept") is None


def test_what_was_committed_is_there_after_a_start(tmp_path: Path) -> None:
    for durable in (False, True):
        with closing(Database(tmp_path / "state.db")) as db, db.transaction(durable=durable) as tx:
            tx.set_meta(f"durable {durable}", "1")

    with closing(Database(tmp_path / "state.db")) as db, db.reading() as tx:
        assert tx.get_meta("durable False") == tx.get_meta("durable True") == "1"


def test_another_thread_never_sees_half_a_transaction(db: Database) -> None:
    seen: list[str | None] = []
    looked = threading.Event()

    def look() -> None:
        with db.reading() as tx:
            seen.append(tx.get_meta("one"))
        looked.set()

    thread = threading.Thread(target=look)

    def fail() -> None:
        with db.transaction() as tx:
            tx.set_meta("one", "1")
            thread.start()
            looked.wait(0.1)        # it can't, so this always takes as long
            raise Stop

    with pytest.raises(Stop):
        fail()
    thread.join()

    assert seen == [None]


def test_a_state_of_another_version_is_refused_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with closing(Database(path)):
        pass
    raw = sqlite3.connect(path)
    raw.execute(f"PRAGMA user_version = {VERSION + 1}")
    raw.close()

    with pytest.raises(SetupError, match=rf"schema {VERSION + 1}, this one knows {VERSION}"):
        Database(path)


@pytest.mark.parametrize("content", [b"this is no database at all" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_database_is_refused_with_a_sentence_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(content)

    with pytest.raises(SetupError, match="can't be used"):
        Database(path)

    assert path.read_bytes() == content


def test_a_database_that_cannot_be_made_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="can't be used"):
        Database(tmp_path / "missing" / "state.db")


def test_a_failing_statement_is_an_error_of_ours(db: Database) -> None:
    with pytest.raises(FsError) as caught, db.transaction() as tx:
        tx.run("UPDATE nothing SET x = 1")

    assert caught.value.code == errno.EIO


def test_a_full_disk_under_the_database_is_told_as_such(db: Database) -> None:
    with db.reading() as tx:
        pages = tx.one("PRAGMA page_count")[0]
        tx.all(f"PRAGMA max_page_count = {pages}")

    with pytest.raises(DiskFull), db.transaction() as tx:
        tx.set_meta("much", "x" * 1_000_000)

    with db.reading() as tx:
        assert tx.get_meta("much") is None


# ---- stages that a transaction makes superfluous

def test_a_stage_that_nobody_needs_is_removed_after_the_commit_and_not_before(tmp_path: Path) -> None:
    removed: list[tuple[StageId, bool]] = []
    state: Database = Database(tmp_path / "state.db", discard=lambda stage: removed.append((stage, state.writing)))
    with state.transaction(durable=True) as tx:
        for stage in (3, None, 1, 3, 2):
            tx.unneeded(None if stage is None else StageId(stage))
        tx.needed(StageId(2))
        assert removed == []
    assert removed == [(3, False), (1, False)]
    with state.transaction():
        removed.clear()
    assert removed == []
    state.close()


def test_a_transaction_that_fails_removes_no_stage_and_the_next_one_remembers_none(tmp_path: Path) -> None:
    removed: list[StageId] = []
    db = Database(tmp_path / "state.db", discard=removed.append)

    def fails() -> None:
        with db.transaction(durable=True) as tx:
            tx.unneeded(StageId(1))
            raise NotFound("x")

    with pytest.raises(NotFound):
        fails()
    with db.transaction(durable=True) as tx:
        tx.unneeded(StageId(2))
    assert removed == [2]
    db.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database with a few hundred files in it, closed."""
    with closing(Database(tmp_path / "state.db")) as db, db.transaction() as tx:
        for number in range(500):
            tx.run("INSERT INTO node (parent, name, mode, mtime_ns, size_bytes, wanted) VALUES (1, ?1, 420, 0, 0, ?1)", f"a file, number {number}.txt")
    return tmp_path / "state.db"


def other_program(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as db:
        db.executescript("CREATE TABLE recipe (name TEXT); INSERT INTO recipe VALUES ('soup')")


def same_number(path: Path) -> None:
    other_program(path)
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 1")


def future(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def noise(path: Path) -> None:
    path.write_bytes(os.urandom(9000))


@pytest.mark.parametrize("spoil", [other_program, same_number, future, damaged_page, truncated, noise])
def test_what_is_not_ours_or_damaged_is_left_as_it_is(path: Path, spoil: Callable[[Path], None]) -> None:
    spoil(path)
    before = path.read_bytes()
    with pytest.raises(SetupError, match=r"another version|can't be used.*another --state-dir.*staging"):
        Database(path)
    assert path.read_bytes() == before


def test_an_empty_database_is_a_new_one_where_no_mount_has_ended(path: Path) -> None:
    """A kill while it is made leaves that."""
    os.truncate(path, 0)
    with pytest.raises(SetupError, match="is empty, but this state was used"):
        Database(path)
    path.with_name("state.db.sum").unlink()
    with closing(Database(path)) as db, db.reading() as tx:
        assert tx.one("SELECT count(*) FROM node")[0] == 2          # the two roots


@pytest.mark.parametrize("empty", [True, False])
def test_changes_to_a_database_that_is_gone_are_not_thrown_away(tmp_path: Path, empty: bool) -> None:
    db = Database(tmp_path / "state.db")
    with db.transaction() as tx:
        tx.set_meta("listing", "7")
    killed = tmp_path / "killed"            # what a kill leaves: nobody has closed it
    killed.mkdir()
    shutil.copy(tmp_path / "state.db-wal", killed)
    if empty:
        (killed / "state.db").touch()
    db.close()
    before = (killed / "state.db-wal").read_bytes()

    with pytest.raises(SetupError, match=r"missing or empty, but .*state.db-wal has changes"):
        Database(killed / "state.db")

    assert (killed / "state.db-wal").read_bytes() == before != b""


def test_a_full_disk_is_the_callers_to_know_and_leaves_the_rows_as_they_were(path: Path) -> None:
    with closing(Database(path)) as db:
        with db.reading() as tx:
            pages = tx.one("PRAGMA page_count")[0]
            tx.one(f"PRAGMA max_page_count = {pages}")              # "database or disk is full"
        with pytest.raises(DiskFull), db.transaction() as tx:
            tx.set_meta("long", "x" * 100_000)
        with db.reading() as tx:
            assert tx.get_meta("long") is None
            tx.one("PRAGMA max_page_count = 1000000")
        with db.transaction() as tx:
            tx.set_meta("long", "x" * 100_000)


def test_a_database_that_is_not_in_its_place_takes_no_transaction(tmp_path: Path) -> None:
    guard = StateGuard()
    db = Database(tmp_path / "state.db", guard)
    guard.check()
    (tmp_path / "state.db").rename(tmp_path / "away")
    for durable in (True, False):
        with pytest.raises(StateLost, match="was moved to"), db.transaction(durable=durable):
            raise AssertionError("never reached")
    assert str(tmp_path / "away") in guard.lost()
    with db.reading() as tx:
        assert tx.one("SELECT count(*) FROM node")[0] == 2
    (tmp_path / "away").rename(tmp_path / "state.db")
    with db.transaction() as tx:
        tx.set_meta("fine", "again")
    assert guard.lost() == ""
    db.close()


def test_a_copy_shows_one_moment_and_lets_others_write_meanwhile(db: Database) -> None:
    """Two rows that are always changed together, between which the database has many pages."""
    with db.transaction() as tx:
        tx.set_meta("first", "0")
        for number in range(400):
            tx.set_meta(f"filler {number}", "x" * 20_000)
        tx.set_meta("last", "0")
    over, written = threading.Event(), [0]

    def write() -> None:
        while not over.is_set():
            written[0] += 1
            with db.transaction() as tx:
                tx.set_meta("first", str(written[0]))
                tx.set_meta("last", str(written[0]))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(5):
            before = written[0]
            with db.copied() as tx:
                assert tx.get_meta("first") == tx.get_meta("last")
                assert int(tx.get_meta("first") or 0) >= before - 1
                assert [words for (words,) in tx.all("PRAGMA integrity_check")] == ["ok"]
            assert written[0] > before      # the writer had its turns
    finally:
        over.set()
        writer.join()
