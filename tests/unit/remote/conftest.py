"""The fixtures of the tests of the way to the service."""

import pytest

from anthrofs.remote.pace import Pacer
from tests.fakes import FakeClock
from tests.unit.remote.paced import PER_MINUTE


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def pacer(clock: FakeClock) -> Pacer:
    return Pacer(PER_MINUTE, clock)
