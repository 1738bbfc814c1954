"""The simulated engines of a fleet do all that a mount asks of the real ones."""

import pytest

from anthrofs.fleet.objects import Objects
from anthrofs.fleet.valkey_board import ValkeyBoard
from tests.simulation.fleet import SimulatedBoard, SimulatedObjects


@pytest.mark.parametrize(("real", "simulated"), [(ValkeyBoard, SimulatedBoard), (Objects, SimulatedObjects)])
def test_a_simulated_engine_can_what_the_real_one_can(real: type, simulated: type) -> None:
    assert [name for name in vars(real) if not name.startswith("_") and not hasattr(simulated, name)] == []
