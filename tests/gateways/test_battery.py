"""Manual, promises: what the calls promise holds through the gateways that people have. One battery; the gateways are
data.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.gateways.battery import COPIED, Battery
from tests.gateways.gateways import ANY_SIZE, NGINX_DEFAULT, OTHERS, Gateway
from tests.gateways.running import Running
from tests.mounting import Mount

Through = Callable[[Gateway], Running]


def run(battery: Battery, gateway: Gateway) -> None:
    """What the gateway is known to refuse is refused, with that errno; all else is stored once, byte for byte, at the usual cost."""
    battery.run(gateway.name)
    assert battery.refused() == dict(gateway.refuses)
    assert battery.found() == battery.stored
    assert battery.requests == gateway.costs


def test_a_default_nginx_passes_small_files_and_what_it_refuses_is_kept(mount: Mount, battery: Battery, through: Through) -> None:
    """Its cap of 1 MB is EFBIG with a sentence. Nothing is lost: once the cap is lifted, `anthrofs retry` sends it."""
    mount.expects("was refused: .* takes no body of that size")
    running = through(NGINX_DEFAULT)
    run(battery, NGINX_DEFAULT)
    big = {f"{COPIED[step]}.bin" for step in NGINX_DEFAULT.refuses}
    failed = {entry["path"].lstrip("/"): entry["reason"] for entry in mount.status()["failed"]}
    assert failed.keys() == big
    assert all("413" in reason for reason in failed.values()), failed
    battery.still_readable(big)

    running.restart(LOCATION=ANY_SIZE)
    mount.ok("retry", "--all", mount.path)
    mount.sync()
    battery.keeps(big)
    battery.unmount()
    assert battery.found() == battery.stored


@pytest.mark.gateways
@pytest.mark.parametrize("gateway", OTHERS, ids=lambda gateway: gateway.name)
def test_the_battery_passes(mount: Mount, battery: Battery, through: Through, gateway: Gateway, tmp_path: Path) -> None:
    running = through(gateway)
    run(battery, gateway)
    battery.unmount()
    assert battery.found() == battery.stored
    running.stop()              # or nothing was proved: there is no way past it
    assert mount.run("mount", "--state-dir", tmp_path / "another", mount.path).returncode == 1
