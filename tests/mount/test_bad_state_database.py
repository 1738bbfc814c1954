"""A database that can't be used is said in a sentence, and nothing of it is changed, whatever is wrong with it."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from anthrofs.errors import DiskFull, SetupError
from anthrofs.tree.database import Database
from anthrofs.tree.fsck import problems
from tests.mounting import Mount


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database with a few hundred files in it, closed."""
    with closing(Database(tmp_path / "state.db")) as db, db.transaction() as tx:
        for number in range(500):
            tx.run("INSERT INTO node (parent, name, mode, mtime_ns, size_bytes) VALUES (1, ?, 420, 0, 0)", f"a file, number {number}.txt")
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


def damaged_page(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(os.urandom(4096))


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


def test_an_empty_database_is_a_new_one(path: Path) -> None:
    os.truncate(path, 0)
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


def test_a_damaged_database_is_said_at_the_mount_and_by_check_before_anything_is_served(mount: Mount) -> None:
    mount.emulator.bulk(300)
    mount.mount("--upload", "queue")
    mount.emulator.fault("upload", {"kind": "status", "status": 503}, times=-1)
    (mount.path / "mine.txt").write_text("not sent yet")
    mount.end_now()
    mount.expects("not on the server yet")
    good = (mount.state_dir / "state.db").read_bytes()
    damaged_page(mount.state_dir / "state.db")

    for command in (("mount", "--foreground", "--state-dir", mount.state_dir, mount.path), ("check", "--state-dir", mount.state_dir)):
        done = mount.run(*command)
        assert done.returncode == 1
        assert "can't be used" in done.stderr
        assert f"content that was not sent yet is in {mount.state_dir / 'staging'}" in done.stderr
        assert "Traceback" not in done.stderr

    assert [one.read_text() for one in (mount.state_dir / "staging").iterdir()] == ["not sent yet"]
    (mount.state_dir / "state.db").write_bytes(good)
    mount.emulator.clear_faults()
    mount.mount()
    mount.sync()
    assert "mine.txt" in [file["filename"] for file in mount.emulator.files()]


def test_without_the_changes_of_the_last_minutes_nothing_in_staging_is_lost(mount: Mount) -> None:
    """A state whose state.db-wal was lost, by a copy that left it out."""
    files = mount.mount("--upload", "queue")
    mount.umount()
    mount.mount("--upload", "queue")
    mount.emulator.fault("upload", {"kind": "status", "status": 503}, times=-1)
    (files / "mine.txt").write_text("not sent yet")
    mount.kill()
    (mount.state_dir / "state.db-wal").unlink()

    mount.mount()

    assert list(files.iterdir()) == []
    assert [one.read_text() for one in (mount.state_dir / "staging").iterdir()] == ["not sent yet"]
    mount.umount()
    assert len(problems(mount.state_dir)) == 1
    mount.leaves("belongs to nothing")
