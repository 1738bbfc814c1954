"""The fixtures of the tests of sending."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from anthrofs.tree.database import Database
from anthrofs.tree.fsck import problems
from tests.fakes import FakeClock, FakeFiles
from tests.unit.upload.house import House
from tests.unit.upload.queued import Queue


@pytest.fixture
def queue(db: Database) -> Queue:
    return Queue(db)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    clock = FakeClock()
    one = House(tmp_path, clock, FakeFiles(clock))
    yield one
    one.close()
    assert [line for line in problems(tmp_path) if "noted" in line or "missing" in line] == []
