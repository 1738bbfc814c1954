"""What lies free between things that stay goes back to the system, now and then."""

import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.core.core import Core
from tests.mounting import ROOT

# Blocks below glibc's threshold for mappings of their own, of which each tenth stays; KiB of the process before and after.
SCATTERED: Final = """
from anthrofs.daemon.heap import PAUSE_S, Heap
from anthrofs.daemon.process import prepare
from tests.fakes import FakeClock

def held() -> int:
    with open("/proc/self/statm") as figures:
        return int(figures.read().split()[1]) * 4

def scatter() -> list:
    made = [bytes(100_000) for _ in range(500)]
    return made[::10]

prepare()
clock = FakeClock()
heap = Heap(clock)
stays = [scatter()]
before = held()
heap.trim()
print(before - held())
stays.append(scatter())
before = held()
heap.trim()                     # too soon
print(before - held())
clock.advance(PAUSE_S)
heap.trim()
print(before - held())
"""


def test_what_is_free_between_what_stays_is_given_back_once_a_minute() -> None:
    done = subprocess.run([sys.executable, "-c", SCATTERED], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    first, too_soon, later = map(int, done.stdout.split())
    assert first > 20_000
    assert too_soon < 1_000
    assert later > 20_000


def test_each_refresh_is_followed_by_it(tmp_path: Path) -> None:
    core = Core(tmp_path)
    core.refresh()
    before = len(core.tidied)
    core.refresh()
    assert len(core.tidied) > before
    core.finish()
