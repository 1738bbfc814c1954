"""Random scripts are answered alike by a disk and by a mount. `scripts/posix --minutes M` goes on with other seeds."""

import pytest

from tests.posix.compared import difference, shortest, told
from tests.posix.scripts import Chance
from tests.posix.sides import Sides

CALLS = 40


@pytest.mark.parametrize("seeds", [range(first, first + 10) for first in range(1, 61, 10)], ids=lambda seeds: f"seeds {seeds.start} to {seeds.stop - 1}")
def test_what_comes_at_random_is_answered_alike(sides: Sides, seeds: range) -> None:
    for seed in seeds:
        script = Chance(seed).script(CALLS)
        assert not difference(sides, script), f"seed {seed}\n{told(shortest(sides, script))}"


def test_what_has_come_to_the_server_meanwhile_is_answered_alike(sides: Sides) -> None:
    for seed in range(1001, 1006):
        script = Chance(seed).script(CALLS, settle=0.1)
        assert not difference(sides, script), f"seed {seed}\n{told(shortest(sides, script))}"


def test_a_difference_is_found_and_told_in_few_calls(sides: Sides) -> None:
    """The test's own test: hard links are one of those on purpose."""
    script = [*Chance(1).script(10), ("create", "f", "x"), ("link", "f", "g"), ("names", ".")]
    assert told(shortest(sides, script)) == "    create f x: 0\n    link f g: 0, but on the mount EPERM"
