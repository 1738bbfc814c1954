"""A state that an earlier version has written is taken over with all that is in it."""

import hashlib
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from anthrofs.errors import SetupError
from anthrofs.fs.kernel_cache import Surprises
from anthrofs.model import ROOT, FileId, Node, NodeId, StageId
from anthrofs.names import Layout, server_name_of
from anthrofs.tree.database import Database
from anthrofs.tree.fsck import problems
from anthrofs.tree.lookups import Lookups
from anthrofs.tree.mirror import Mirror
from anthrofs.tree.schema import VERSION
from anthrofs.tree.upgrades import STEPS
from anthrofs.tree.upload_queue import FAILED
from tests.fakes import FakeClock, entries


@contextmanager
def taken_over(version: int, directory: Path) -> Iterator[Database]:
    raw = sqlite3.connect(directory / "state.db")
    raw.executescript((Path(__file__).parents[2] / f"state_version_{version}.sql").read_text())
    raw.close()
    found = Database(directory / "state.db")
    try:
        yield found
    finally:
        found.close()


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with taken_over(1, tmp_path) as found:
        yield found


def placed(db: Database, layout: Layout) -> None:
    with db.transaction() as tx:
        Mirror(Surprises(FakeClock(), 10), layout).place_again(tx)


def tree(lookups: Lookups, directory: NodeId = ROOT, prefix: str = "") -> dict[str, Node]:
    found: dict[str, Node] = {}
    for name, node_id, is_directory in entries(lookups, directory):
        if is_directory:
            found |= tree(lookups, node_id, f"{prefix}{name}/")
        else:
            found[prefix + name] = lookups.node(node_id)
    return found


def test_names_times_modes_and_what_was_unsent_are_kept(db: Database) -> None:
    placed(db, "tree")
    found = tree(db.nodes)
    assert sorted(found) == ["note.txt~", "refused.txt", "reports/may.csv", "sent.txt"]
    may = found["reports/may.csv"]
    assert (may.node_id, may.mode, may.mtime_ns) == (4, 0o600, 7)
    assert found["sent.txt"].kept
    assert (found["note.txt~"].local, found["note.txt~"].stage) == (True, 4)
    with db.reading() as tx:
        [refused] = tx.uploads.every()
        assert [file_id for file_id, _, _ in tx.deletions.every()] == ["file_3"]
    assert (refused.node_id, refused.state, refused.reason) == (found["refused.txt"].node_id, FAILED, "too large")


def test_another_layout_moves_files_there_and_back(db: Database) -> None:
    lookups = db.nodes
    for _ in range(2):
        placed(db, "tree")
        assert "reports/may.csv" in tree(lookups)
        placed(db, "flat")
        assert sorted(tree(lookups)) == ["note.txt~", "refused.txt", "reports／may.csv", "sent.txt"]
        assert not any(directory for _, _, directory in entries(lookups, ROOT))


def test_what_an_old_version_wanted_deleted_is_not_given_back_without_knowing_what_it_was(db: Database) -> None:
    with db.transaction() as tx:
        assert tx.deletions.reprieve("old.txt") is None


@pytest.mark.parametrize(("version", "totals"), [(1, (4, 6, 1)), (2, (3, 34, 1))])
def test_what_there_is_is_counted_and_goes_on_being_counted(tmp_path: Path, version: int, totals: tuple[int, int, int]) -> None:
    with taken_over(version, tmp_path) as db:
        lookups = db.nodes
        assert lookups.totals() == totals
        with db.transaction() as tx:
            tx.nodes.create(ROOT, "new.txt", 0o644, 1, "new.txt")
        assert lookups.totals()[0] == totals[0] + 1
    assert "noted" not in str(problems(tmp_path))


def test_what_is_owed_to_the_server_is_counted_from_the_takeover_on(tmp_path: Path) -> None:
    with taken_over(1, tmp_path) as db:
        with db.reading() as tx:
            assert tx.deletions.count() == 1
            assert 0 <= time.time() - (tx.deletions.since_ns() or 0) / 1e9 < 3600
        with db.transaction() as tx:
            tx.deletions.deleted(FileId("file_3"), 1)
            assert (tx.deletions.count(), tx.deletions.since_ns()) == (0, None)


def test_an_expiry_that_an_old_version_was_told_is_no_mounts_default(tmp_path: Path) -> None:
    with taken_over(2, tmp_path) as db:
        lookups = db.nodes
        node = tree(lookups)["sent.txt"]
        with db.transaction() as tx:
            tx.nodes.promise(node.node_id, StageId(9), 4, 5, "sent.txt", sealed=True, expires_s=604800)
        assert lookups.node(node.node_id).expires_s == 7200


def test_a_new_state_and_one_that_was_taken_over_have_the_same_tables_and_indexes(tmp_path: Path) -> None:
    def tables(db: Database) -> dict[str, list[str]]:
        with db.reading() as tx:
            names = [name for (name,) in tx.all("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY name")]
            return {name: sorted(row[1] for row in tx.all(f"PRAGMA table_info({name})")) for name in names}

    found = []
    for version in (1, 2):
        (tmp_path / str(version)).mkdir()
        with taken_over(version, tmp_path / str(version)) as db:
            found.append(tables(db))
    new = Database(tmp_path / "state.db")
    assert found == 2 * [tables(new)]
    new.close()


def test_what_could_not_be_sent_under_its_name_is_sent_as_names_are_sent_since(tmp_path: Path) -> None:
    raw = sqlite3.connect(tmp_path / "state.db")
    raw.executescript((Path(__file__).parents[2] / "state_version_2.sql").read_text())
    names = {"a%22b.txt": "a\uff0522b.txt", "cr%0d%0A": "cr\uff050d\uff050A", "100%": "100%", "%2222": "\uff052222"}
    for name in names:
        raw.execute("INSERT INTO node (parent, name, mode, mtime_ns, size_bytes, wanted, stage, sealed) VALUES (1, ?1, 420, 0, 1, ?1, 99, 1)", (name,))
    raw.execute("INSERT INTO node (parent, name, mode, mtime_ns, size_bytes, wanted, file_id, server_name) VALUES (1, 'has%22', 420, 0, 1, 'has%22', "
                "'file_percent', 'has%22')")      # it went through as it is
    raw.commit()
    raw.close()
    db = Database(tmp_path / "state.db")
    with db.reading() as tx:
        found = dict(tx.all("SELECT name, wanted FROM node WHERE stage = 99 OR file_id = 'file_percent'"))
    db.close()
    assert found == {**names, "has%22": "has%22"}
    assert all(server_name_of(name) == wanted for name, wanted in names.items())


def test_a_state_of_a_newer_version_is_refused_by_a_sentence_that_names_the_copy(tmp_path: Path) -> None:
    Database(tmp_path / "state.db").close()
    raw = sqlite3.connect(tmp_path / "state.db")
    raw.execute(f"PRAGMA user_version = {VERSION + 1}")
    raw.close()
    with pytest.raises(SetupError, match="written by another version") as refused:
        Database(tmp_path / "state.db")
    assert "copy" not in str(refused.value)
    (tmp_path / f"state.db.{VERSION}").write_bytes((tmp_path / "state.db").read_bytes())
    with pytest.raises(SetupError, match=rf"state\.db\.{VERSION} is the index as it was before .* move .* away"):
        Database(tmp_path / "state.db")


@pytest.mark.parametrize(("version", "statements"), [(1, "8e5709bf374090b4"), (2, "cd5dbbdeaccacb56"), (3, "232e689f98ec9a85"),
                                                        (4, "aa25799df01f426e"), (5, "bf0860280f74ffe3"), (6, "bd3694b3dbc240b7")])
def test_a_step_that_was_ever_used_stays_as_it_was(version: int, statements: str) -> None:
    """Steps are put together from words that schema.py goes on changing: whoever changes those gives the step a copy of the old ones."""
    text = " ".join(re.sub(r"--.*", "", STEPS[version]).split())
    assert hashlib.sha256(text.encode()).hexdigest().startswith(statements)
    assert max(STEPS) == VERSION - 1
