"""The two sides, one pair for each module of tests."""

from collections.abc import Iterator

import pytest

from tests.posix.sides import Sides, both_sides
from tests.posix.table import REMOTE_NAMES


@pytest.fixture(scope="module")
def sides() -> Iterator[Sides]:
    with both_sides(REMOTE_NAMES) as made:
        yield made
