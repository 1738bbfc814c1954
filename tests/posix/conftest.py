"""The two sides, one pair for each module of tests."""

import re
from collections.abc import Iterator

import pytest

from tests.posix.sides import Sides, both_sides
from tests.posix.table import ROWS


@pytest.fixture(scope="module")
def sides() -> Iterator[Sides]:
    remote = re.findall(r"\.\./remote/(\w+)", " ".join(row.script for row in ROWS))
    with both_sides(dict.fromkeys(remote)) as made:
        yield made
