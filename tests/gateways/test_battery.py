"""README: what the calls promise holds through the gateways that people have. One battery; the gateways are data."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.gateways.battery import Battery
from tests.gateways.gateways import OTHERS, Gateway
from tests.gateways.running import Running
from tests.mounting import Mount

Through = Callable[[Gateway], Running]


def run(battery: Battery, gateway: Gateway) -> None:
    """What the gateway is known to refuse is refused, with that errno; all else is stored once, byte for byte, at the usual cost."""
    battery.run(gateway.name)
    assert battery.refused() == dict(gateway.refuses)
    assert battery.found() == battery.stored
    assert battery.requests == gateway.costs


@pytest.mark.gateways
@pytest.mark.parametrize("gateway", OTHERS, ids=lambda gateway: gateway.name)
def test_the_battery_passes(mount: Mount, battery: Battery, through: Through, gateway: Gateway, tmp_path: Path) -> None:
    running = through(gateway)
    run(battery, gateway)
    battery.unmount()
    assert battery.found() == battery.stored
    running.stop()              # or nothing was proved: there is no way past it
    assert mount.run("mount", "--state-dir", tmp_path / "another", mount.path).returncode == 1
