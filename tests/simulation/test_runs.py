"""Manual, promises: whole mounts, with everything that can go wrong, on a simulated machine. scripts/simulate does millions of steps.

Each script below `scripts` is what a failing seed was shrunk to, and its head says what was wrong.
"""

import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.runs import SCRIPTS
from tests.simulation.scheduler import Group, Hang, Scheduler, Style
from tests.simulation.steps import Step, script_of, stamped, steps_of
from tests.simulation.threads import Condition, Lock, LockOrder, Turns

SEEDS = int(os.environ.get("ANTHROFS_SIMULATION_SEEDS", "6"))


def simulated(*arguments: object) -> str:
    """In a process of its own: the order of sets is else another one each time, and with it the turns."""
    command = [sys.executable, "-m", "tests.simulation", *map(str, arguments)]
    ended = subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": "0"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                           timeout=110)
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


@pytest.mark.parametrize("script", sorted(SCRIPTS.glob("*.jsonl")), ids=lambda path: path.stem)
def test_what_once_failed_is_right(script: Path) -> None:
    simulated("--replay", script)


@pytest.mark.parametrize("first", range(1, SEEDS + 1, 2))
def test_whole_mounts_lose_nothing_show_nothing_wrong_and_leave_nothing_twice(first: int) -> None:
    said = simulated("--seed", first, "--seeds", 2, "--processes", 1, "--no-row")
    assert re.search(r"quiet points +[1-9]", said)


def test_a_seed_is_the_same_run_each_time() -> None:
    """Within a process it is compared line by line, see __main__.replay; here between two."""
    assert simulated("--replay", 3, "--replay-steps", 80) == simulated("--replay", 3, "--replay-steps", 80) != ""


# ---- what the runs stand on

def test_a_script_is_read_as_it_was_written() -> None:
    steps = [Step("write", 1, 2, "m1-ü", size=40, stamp=7, turns=3), Step("quiet"), Step("pass", seconds=0.2)]
    assert steps_of(script_of(steps)) == steps


@pytest.mark.parametrize("size", [0, 1, 3, 40, 9000])
def test_no_two_stamps_have_the_same_bytes(size: int) -> None:
    contents = [stamped(stamp, size) for stamp in range(1, 200)]
    assert len(set(contents)) == (len(contents) if size else 1)
    assert all(len(content) >= size for content in contents)


def scheduled(*work: object) -> Scheduler:
    scheduler = Scheduler(random.Random(1), Style(0.5, 0.0))
    Turns.set(scheduler)
    for number, each in enumerate(work):
        assert callable(each)
        scheduler.spawn(each, str(number), Group("test"))
    return scheduler


def test_two_orders_of_one_pair_of_locks_are_told_though_nobody_waits() -> None:
    def made() -> tuple[Lock, Lock]:
        one = Lock()
        return one, Lock()

    one, other = made()

    def there() -> None:
        with one, other:
            pass

    def back() -> None:
        with other, one:
            pass

    with pytest.raises(LockOrder):
        scheduled(there, back).pass_s(1)


def test_who_waits_for_what_never_comes_hangs() -> None:
    condition = Condition()

    def waits() -> None:
        with condition:
            condition.wait()

    scheduler = scheduled(waits)
    with pytest.raises(Hang, match="waits for condition"):
        scheduler.run_until(lambda: False, 10)


def test_a_lock_that_is_taken_twice_hangs() -> None:
    lock = Lock()

    def twice() -> None:
        with lock, lock:
            pass

    with pytest.raises(Hang):
        scheduled(twice).run_until(lambda: False, 10)


def test_time_passes_to_the_first_who_is_due_and_a_wake_comes_before_it() -> None:
    condition, woken = Condition(), list[bool]()

    def waits() -> None:
        with condition:
            woken.append(condition.wait(5.0))
            woken.append(condition.wait(2.0))

    def wakes() -> None:
        Turns.scheduler.block(1.0, "a second")
        with condition:
            condition.notify_all()

    scheduler = scheduled(waits, wakes)
    scheduler.pass_s(10)
    assert woken == [True, False]
