"""The tests' own systemd: a machine in a box, which leaves nothing of this machine changed, also when the test is killed midway."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.mounting import ROOT, wait_until
from tests.systemd import CGROUPS, Systemd

pytestmark = [pytest.mark.root, pytest.mark.services]
BOOT: Final = """
import sys, time
from pathlib import Path
from tests.systemd import Systemd
with Systemd(Path(sys.argv[1]), system=sys.argv[2] == "system") as one:
    print(one._first, flush=True)
    time.sleep(600)
"""


def groups() -> set[Path]:
    return {each for hierarchy in ("systemd", "unified", ".") for each in (CGROUPS / hierarchy).glob("*") if each.is_dir()}


@pytest.mark.parametrize("kind", ["system", "user"])
def test_a_test_that_is_killed_midway_leaves_no_process_and_no_group(kind: str, tmp_path: Path) -> None:
    before = groups()
    child = subprocess.Popen([sys.executable, "-c", BOOT, tmp_path / "s", kind], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert child.stdout is not None
    first = child.stdout.readline().strip()
    assert first, child.communicate()[1]
    child.kill()
    child.communicate()
    wait_until(lambda: not Path(f"/proc/{first}").exists(), "its first process has ended")
    mine = {each for each in groups() - before if f"-{child.pid}-" in each.name}
    wait_until(lambda: not any(each.exists() for each in mine), "its groups have gone")


@pytest.mark.parametrize("system", [True, False])
def test_it_has_no_group_of_the_machine_and_can_write_nothing_but_its_folder(system: bool, tmp_path: Path) -> None:
    with Systemd(tmp_path / "s", system=system) as one:
        number = one._first
        seen = Path(f"/proc/{number}/cgroup").read_text().splitlines()
        assert [line for line in seen if line.endswith("init.scope") and f"/anthrofs-test-{os.getpid()}-s/" not in line] == []
        lists = one.ok("sh", "-c", f"ls {CGROUPS}/systemd {CGROUPS}/unified 2>/dev/null || true")
        assert "anthrofs-test" not in lists
        writable = one.ok("sh", "-c", "findmnt -rn -o TARGET,OPTIONS").splitlines()
        rw = [line.split()[0] for line in writable if line.split()[1].startswith("rw")]
        own = (str(tmp_path / "s"), "/run", "/dev", "/proc", str(CGROUPS), *(["/etc", "/usr/sbin"] if system else []))
        assert [place for place in rw if not place.startswith(own) and place != "/root"] == []
