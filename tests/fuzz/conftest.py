"""What a long run wants to know of each process."""

from collections.abc import Iterator

import pytest

from tests.fuzz.fuzzing import write_counts


@pytest.fixture(scope="session", autouse=True)
def counted() -> Iterator[None]:
    """The examples, written down at the end."""
    yield
    write_counts()
