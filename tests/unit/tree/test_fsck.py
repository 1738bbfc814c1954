"""`anthrofs check` finds each row that is in no state, and says which and why; rows of every version that upgrades are in one."""

import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from anthrofs.model import ROOT, StageId
from anthrofs.tree.database import Database
from anthrofs.tree.fsck import problems

TESTS: Final = Path(__file__).parents[2]


def broken(state_dir: Path, columns: str) -> list[str]:
    """What check says of a file that waits to be sent, whose row was changed so."""
    with closing(Database(state_dir / "state.db")) as db, db.transaction() as tx:
        node_id = tx.nodes.create(ROOT, "a.txt", 0o644, 1, "a.txt")
        tx.nodes.promise(node_id, StageId(1), 3, 1, "a.txt", sealed=False)
    (state_dir / "staging").mkdir()
    (state_dir / "staging" / "1").write_bytes(b"abc")
    assert problems(state_dir) == []
    with closing(sqlite3.connect(state_dir / "state.db")) as raw, raw:
        raw.execute(f"UPDATE node SET {columns} WHERE name = 'a.txt'")
    return problems(state_dir)


@pytest.mark.parametrize(("columns", "said"), [
    ("local = 1", "stage, wanted, local"),
    ("resend = 1", "stage, resend, wanted"),
    ("stage = NULL, sealed = 1", "sealed, wanted"),
    ("parent = 2, local = 1", "stage, wanted, local, hidden"),
    ("directory = 1", "stage, wanted, directory"),
    ("stage = NULL, wanted = NULL", "none"),
])
def test_a_row_in_no_state_is_named_with_its_columns(tmp_path: Path, columns: str, said: str) -> None:
    found = [line for line in broken(tmp_path, columns) if "any state" in line]
    assert found == [f"'a.txt' (row 3) is no file or folder in any state that there is, with these columns set: {said}"]


@pytest.mark.parametrize("version", [1, 2])
def test_rows_that_an_upgrade_takes_over_are_in_a_state(tmp_path: Path, version: int) -> None:
    with closing(sqlite3.connect(tmp_path / "state.db")) as raw:
        raw.executescript((TESTS / f"state_version_{version}.sql").read_text())
    assert [line for line in problems(tmp_path) if "any state" in line] == []


@pytest.mark.parametrize("version", [3, 4])
def test_rows_of_a_whole_state_are_in_a_state(tmp_path: Path, version: int) -> None:
    with tarfile.open(TESTS / "states" / f"version_{version}.tar.xz") as archive:
        if hasattr(tarfile, "data_filter"):     # not in each Python 3.11; later ones warn without
            archive.extraction_filter = tarfile.data_filter
        archive.extractall(tmp_path)
    state = next(tmp_path.rglob("state.db")).parent
    assert [line for line in problems(state) if "any state" in line] == []
