"""What tests of the core begin and end with."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import node_watch
from tests.core.core import Core

FAST = Path("/dev/shm")      # a disk all the same, whose fsync costs nothing


@pytest.fixture(autouse=True)
def watched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a test does to nodes, it does by the table of their states."""
    node_watch.watch(monkeypatch)


@pytest.fixture
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=FAST if FAST.is_dir() else None) as base:
        yield Path(base)


@pytest.fixture
def core(place: Path) -> Iterator[Core]:
    one = Core(place)
    yield one
    one.finish()
