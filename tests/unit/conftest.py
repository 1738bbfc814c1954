"""What tests without a mount share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from anthrofs.tree.database import Database


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    one = Database(tmp_path / "state.db")
    yield one
    one.close()
