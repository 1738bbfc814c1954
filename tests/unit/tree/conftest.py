"""The fixtures of the tests of rows."""

import pytest

from anthrofs.clock import Clock
from anthrofs.fs.kernel_cache import Surprises
from anthrofs.tree.database import Database
from anthrofs.tree.lookups import Lookups
from anthrofs.tree.mirror import Mirror


@pytest.fixture
def lookups(db: Database) -> Lookups:
    return db.nodes


@pytest.fixture
def mirror() -> Mirror:
    return Mirror(Surprises(Clock(), 10), "tree")
