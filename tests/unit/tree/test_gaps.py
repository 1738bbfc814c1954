"""What a refused write lacks is known to the byte, and of very many places by their bounds."""

import errno

from hypothesis import given
from hypothesis import strategies as st

from anthrofs.tree.gaps import MOST, Gap, widened
from tests.fakes import law

small = st.integers(0, 12)


@law
@given(refusals=st.lists(st.tuples(small, small), min_size=1, max_size=3), steps=st.lists(st.tuples(st.sampled_from(["fill", "cut"]), small, small), max_size=8))
def test_a_gap_lasts_until_each_of_its_bytes_was_written_or_cut(refusals: list[tuple[int, int]], steps: list[tuple[str, int, int]]) -> None:
    gap: Gap | None = None
    lacking = set[int]()
    for start, size in refusals:
        gap, lacking = widened(gap, Gap.of(start, start + size + 1, errno.ENOSPC)), lacking | set(range(start, start + size + 1))
    for what, first, length in steps:
        if gap is None:
            break
        if what == "cut":
            gap, lacking = gap.cut(first), {place for place in lacking if place < first}
        else:
            gap, lacking = gap.filled(first, first + length), lacking - set(range(first, first + length))
        assert lacking == (set() if gap is None else {place for first, last in gap.ranges for place in range(first, last)})


def test_two_gaps_are_one_that_remembers_the_first_refusal() -> None:
    one, other = Gap.of(5, 7, errno.ENOSPC), Gap.of(20, 30, errno.EFBIG)
    assert widened(other, one) == Gap(((5, 7), (20, 30)), errno.EFBIG)
    assert widened(None, other) == widened(other, None) == other
    assert widened(None, None) is None


def test_of_very_many_places_no_more_is_known_than_from_where_to_where() -> None:
    gap: Gap | None = None
    for place in range(0, 4 * MOST, 2):
        gap = widened(gap, Gap.of(place, place + 1, errno.ENOSPC))
    assert gap is not None
    assert len(gap.ranges) <= MOST
    assert all(any(first <= place < last for first, last in gap.ranges) for place in range(0, 4 * MOST, 2))
    split: Gap | None = Gap.of(0, 4 * MOST, errno.ENOSPC)
    for place in range(1, 4 * MOST, 2):
        assert split is not None
        split = split.filled(place, place + 1)
    assert split is not None
    assert len(split.ranges) <= MOST
    assert (split.start, split.end) == (0, 4 * MOST - 1) or split.end == 4 * MOST
