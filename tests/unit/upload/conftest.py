"""The fixtures of the tests of sending."""

import pytest

from anthrofs.tree.database import Database
from tests.unit.upload.queued import Queue


@pytest.fixture
def queue(db: Database) -> Queue:
    return Queue(db)
