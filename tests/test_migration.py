"""A state that an earlier version has written is taken over with all that is in it."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from anthrofs.db import Database
from anthrofs.index import Index
from anthrofs.mirror import Mirror
from anthrofs.model import ROOT, Node, NodeId
from anthrofs.names import Layout
from anthrofs.outbox import FAILED, Outbox
from anthrofs.surprises import Surprises

from .fakes import FakeClock


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    raw = sqlite3.connect(tmp_path / "state.db")
    raw.executescript((Path(__file__).parent / "state_version_1.sql").read_text())
    raw.close()
    found = Database(tmp_path / "state.db")
    try:
        yield found
    finally:
        found.close()


def placed(db: Database, layout: Layout) -> None:
    with db.transaction() as tx:
        Mirror(Surprises(FakeClock(), 10), layout).place_again(tx)


def tree(index: Index, directory: NodeId = ROOT, prefix: str = "") -> dict[str, Node]:
    found: dict[str, Node] = {}
    for name, node_id, is_directory in index.entries(directory):
        if is_directory:
            found |= tree(index, node_id, f"{prefix}{name}/")
        else:
            found[prefix + name] = index.node(node_id)
    return found


def test_names_times_modes_and_what_was_unsent_are_kept(db: Database) -> None:
    placed(db, "tree")
    found = tree(Index(db))
    assert sorted(found) == ["note.txt~", "refused.txt", "reports/may.csv", "sent.txt"]
    may = found["reports/may.csv"]
    assert (may.node_id, may.mode, may.mtime_ns) == (4, 0o600, 7)
    assert found["sent.txt"].kept
    assert (found["note.txt~"].local, found["note.txt~"].stage) == (True, 4)
    [refused] = Outbox(db).every()
    assert (refused.node_id, refused.state, refused.reason) == (found["refused.txt"].node_id, FAILED, "too large")
    assert [file_id for file_id, _, _ in Outbox(db).deletions()] == ["file_3"]


def test_another_layout_moves_files_there_and_back(db: Database) -> None:
    index = Index(db)
    for _ in range(2):
        placed(db, "tree")
        assert "reports/may.csv" in tree(index)
        placed(db, "flat")
        assert sorted(tree(index)) == ["note.txt~", "refused.txt", "reports／may.csv", "sent.txt"]
        assert not any(directory for _, _, directory in index.entries(ROOT))


def test_what_an_old_version_wanted_deleted_is_not_given_back_without_knowing_what_it_was(db: Database) -> None:
    with db.transaction() as tx:
        assert Outbox(db).reprieve(tx, "old.txt") is None
