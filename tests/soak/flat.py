"""Whether a figure is flat: pure arithmetic.

The rule. The first third of a run is left out: caches fill, pools grow, the allocator takes what it keeps. Over the rest the slope is Theil
and Sen's, the median of the slopes between all pairs of samples: up to 29 % of wild samples don't move it, and neither does a sawtooth whose
teeth are short. What such a slope adds over the judged span must be within the figure's bound, which is what the figure may swing by at rest.
So a longer run sees a smaller leak: a bound of 4 MiB is 12 MiB an hour after 30 minutes, and 0.75 MiB an hour after eight hours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median
from typing import Final

MOST: Final = 400       # samples that are compared, each with each; of more, every second one, or fewer
ENOUGH: Final = 6       # samples that can tell that a figure is flat

Point = tuple[float, float]     # seconds, figure


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a run says of one figure."""

    first: float            # medians of the judged span's first and last fifth
    last: float
    slope_an_hour: float
    rise: float             # what the slope adds over the judged span
    bound: float
    judged: int             # how many samples

    @property
    def flat(self) -> bool:
        return self.rise <= self.bound

    @property
    def word(self) -> str:
        """A rise is one however few samples show it; that there is none takes some."""
        return "RISES" if not self.flat else "flat" if self.judged >= ENOUGH else "short"


def verdict(points: Sequence[Point], bound: float) -> Verdict:
    """Of samples in the order of their times; none before the first third counts."""
    judged = later(points)
    if len(judged) < 2:
        last = judged[-1][1] if judged else 0.0
        return Verdict(last, last, 0.0, 0.0, bound, len(judged))
    slope = theil_sen(judged)
    fifth = max(1, len(judged) // 5)
    return Verdict(median(figure for _, figure in judged[:fifth]), median(figure for _, figure in judged[-fifth:]), slope * 3600,
                   slope * (judged[-1][0] - judged[0][0]), bound, len(judged))


def later(points: Sequence[Point]) -> list[Point]:
    """The last two thirds of the time."""
    if not points:
        return []
    from_s = points[0][0] + (points[-1][0] - points[0][0]) / 3
    return [point for point in points if point[0] >= from_s]


def theil_sen(points: Sequence[Point]) -> float:
    """Figure a second."""
    step = -(-len(points) // MOST)
    return median((second[1] - first[1]) / (second[0] - first[0]) for first, second in combinations(points[::step], 2) if second[0] > first[0])
