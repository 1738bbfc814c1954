"""Manual, promises: what was acknowledged survives a power cut on this machine, in whichever moment that comes."""

from pathlib import Path
from typing import Final

import pytest

from tests.core.moments import Recorder
from tests.core.scenarios import SCENARIOS, Deed, at_random
from tests.core.test_crashes import assert_nothing_is_lost, do
from tests.simulation.durable import Mode

MODES: Final[tuple[Mode, ...]] = ("all", "random")


@pytest.fixture
def recorder(place: Path) -> Recorder:
    return Recorder(place, MODES)


@pytest.mark.parametrize("deeds", SCENARIOS.values(), ids=SCENARIOS)
def test_power_that_is_lost_in_any_moment_takes_nothing_along(recorder: Recorder, deeds: list[Deed]) -> None:
    do(recorder, deeds)
    assert len(recorder.moments) > 5
    for moment in recorder.moments:
        assert_nothing_is_lost(recorder, moment)


@pytest.mark.parametrize("seed", range(6))
def test_power_that_is_lost_in_any_moment_of_a_random_sequence(recorder: Recorder, seed: int) -> None:
    do(recorder, at_random(seed))
    for moment in recorder.moments:
        assert_nothing_is_lost(recorder, moment)
