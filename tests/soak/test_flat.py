"""The rule finds a leak, and is fooled neither by teeth nor by wild samples."""

import random

import pytest

from tests.soak import flat
from tests.soak.flat import Point, verdict


def line(count: int, base: float, slope: float, noise: float = 0.0) -> list[Point]:
    chance = random.Random(5)
    return [(10.0 * number, base + slope * 10 * number + chance.uniform(-noise, noise)) for number in range(count)]


@pytest.mark.parametrize(("points", "is_flat"), [
    (line(60, 50, 0), True),
    (line(60, 50, 0, noise=5), True),
    (line(60, 50, 0.02), False),                    # 8 in 400 s
    (line(60, 50, 0.02, noise=2), False),
    (line(60, 50, -0.02), True),                    # what shrinks is no leak
    ([(at, 0.5 * at if at < 150 else 75) for at, _ in line(60, 0, 0)], True),               # it fills, then it stays
    ([(at, 100 if at in (300, 310, 590) else 5) for at, _ in line(60, 0, 0)], True),        # wild samples
    ([(at, at % 40) for at, _ in line(60, 0, 0)], True),                                    # teeth
    ([(at, at % 40 + at / 50) for at, _ in line(60, 0, 0)], False),                         # teeth on a slope
    (line(1, 5, 0), True),
    ([], True),
])  # fmt: skip
def test_the_rule(points: list[Point], is_flat: bool) -> None:
    assert verdict(points, bound=4).flat is is_flat


def test_a_longer_run_sees_a_smaller_leak() -> None:
    assert verdict(line(60, 50, 0.004), bound=4).flat
    assert not verdict(line(600, 50, 0.004), bound=4).flat


def test_few_samples_can_show_a_rise_but_not_that_there_is_none() -> None:
    assert (verdict(line(4, 50, 0), bound=4).word, verdict(line(4, 50, 1), bound=4).word) == ("short", "RISES")
    assert verdict(line(60, 50, 0), bound=4).word == "flat"


def test_a_verdict_says_what_was_seen() -> None:
    found = verdict(line(60, 50, 0.02), bound=4)
    assert (round(found.slope_an_hour), round(found.rise, 1), found.judged) == (72, 7.8, 40)
    assert found.first < found.last


def test_many_samples_are_thinned() -> None:
    assert flat.theil_sen(line(5000, 50, 0.25)) == pytest.approx(0.25)
