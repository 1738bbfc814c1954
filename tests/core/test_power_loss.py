"""Manual, promises: what was acknowledged survives a power cut on this machine, in whichever moment that comes."""

import random
from pathlib import Path
from typing import Final

import pytest

from tests.core.core import Core
from tests.core.moments import Recorder
from tests.core.scenarios import SCENARIOS, A, B, Deed, at_random, fsynced, others, remove, rename, sync, write
from tests.core.test_crashes import assert_nothing_is_lost, do
from tests.core.test_model import REPLACED
from tests.model_machine import Deeds
from tests.simulation.disk import ForgetfulDisk
from tests.simulation.durable import Mode

MODES: Final[tuple[Mode, ...]] = ("all", "random")


def ended(deeds: Deeds) -> None:
    deeds.hands.remount()


def killed(deeds: Deeds) -> None:
    deeds.hands.kill()


# Ends and beginnings, whose moments count as others' do.
LIVES: Final[dict[str, list[Deed]]] = {
    "ended": [write("a.txt", A), ended, write("b.txt", B), sync, rename("b.txt", "c.txt"), ended, remove("a.txt"), ended, sync],
    "killed": [write("a.txt", A), killed, sync, rename("a.txt", "b.txt"), killed, remove("b.txt"), killed, sync],
    "killed after an fsync": [fsynced("a.txt", A), killed, sync, killed, sync],
    "killed after a replacement": [write("a.txt", A), sync, write("b.txt", B), rename("b.txt", "a.txt", reading=True), killed, sync, killed],
    "killed with others' files": [others("a.txt", A), rename("a.txt", "b.txt"), killed, write("b.txt", B), killed, sync],
}


@pytest.fixture
def recorder(place: Path) -> Recorder:
    return Recorder(place, MODES)


@pytest.mark.parametrize("deeds", SCENARIOS.values(), ids=SCENARIOS)
def test_power_that_is_lost_in_any_moment_takes_nothing_along(recorder: Recorder, deeds: list[Deed]) -> None:
    do(recorder, deeds)
    assert len(recorder.moments) > 5
    for moment in recorder.moments:
        assert_nothing_is_lost(recorder, moment)


@pytest.mark.parametrize("seed", range(3))
def test_power_that_is_lost_in_any_moment_of_a_random_sequence(recorder: Recorder, seed: int) -> None:
    do(recorder, at_random(seed))
    for moment in recorder.moments:
        assert_nothing_is_lost(recorder, moment)


@pytest.mark.parametrize("deeds", LIVES.values(), ids=LIVES)
def test_power_that_is_lost_while_a_mount_ends_or_begins_takes_nothing_along(recorder: Recorder, deeds: list[Deed]) -> None:
    recorder.core.expects(REPLACED)
    do(recorder, deeds)
    for moment in recorder.moments:
        assert_nothing_is_lost(recorder, moment)


def test_a_copy_that_was_given_up_does_not_come_back_for_good(place: Path) -> None:
    """Power loss undoes its removal, which nobody has synced: `anthrofs free` would have freed nothing."""
    core = Core(place, disk=ForgetfulDisk(place / "state", random.Random(1)), keep_bytes=0)
    core.user.write("a.txt", A)
    core.sync()
    core.user.mkdir("d")                    # durable, and so is what was committed before
    core.kill("all")
    assert list((core.state_dir / "kept").iterdir()) != []
    core.begin()
    assert list((core.state_dir / "kept").iterdir()) == []
    core.finish()
