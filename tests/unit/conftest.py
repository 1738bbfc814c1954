"""What tests without a mount share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from anthrofs.tree.database import Database
from tests import node_watch


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    one = Database(tmp_path / "state.db")
    yield one
    one.close()


@pytest.fixture(autouse=True)
def watched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a test does to nodes, it does by the table of their states."""
    node_watch.watch(monkeypatch)
