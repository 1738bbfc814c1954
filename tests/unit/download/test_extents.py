"""A range that is asked for lies in the file and holds what is wanted, whatever was asked before."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthrofs.download.bodies import WHOLE_BYTES
from anthrofs.download.extents import JUMP_BYTES, OVERTAKE_BYTES, Extents
from anthrofs.store.blocks import BLOCK_BYTES
from tests.fakes import law

MIB = 2**20
places = st.integers(0, 60 * 8).map(lambda number: number * BLOCK_BYTES)


@law
@given(length=st.integers(1, 60 * MIB), offsets=st.lists(places, max_size=40), ranges=st.booleans())
def test_an_extent_has_a_byte_or_more_and_begins_in_the_file_at_the_wanted_place_or_before(length: int, offsets: list[int], ranges: bool) -> None:
    extents = Extents()
    for offset in [each for each in offsets if each < length]:
        first, last = extents.next(length, offset, ranges=ranges)
        assert 0 <= first <= offset
        assert last is None or offset <= last < length
        assert ranges or (first, last) == (0, None)


@law
@given(length=st.integers(WHOLE_BYTES + 1, 60 * MIB), offsets=st.lists(places, max_size=40))
def test_of_what_comes_in_grains_a_jump_asks_for_a_part_of_one_and_a_walk_for_whole_ones(length: int, offsets: list[int]) -> None:
    extents, ends = Extents(), set[int | None]()
    for offset in [each for each in offsets if each < length]:
        first, last = extents.next(length, offset, ranges=True, grain=4 * MIB)
        assert 0 <= first <= offset
        assert last is None or offset <= last < length
        if offset in ends:
            assert first == offset
            assert last is None or (last + 1) % (4 * MIB) == 0
        elif (first, last) != (0, None):
            assert first // (4 * MIB) == offset // (4 * MIB) == (length - 1 if last is None else last) // (4 * MIB)
        ends.add(None if last is None else last + 1)


@pytest.mark.parametrize("length", [300_000, WHOLE_BYTES, WHOLE_BYTES + 1, 50 * MIB])
def test_the_start_that_is_asked_for_twice_is_asked_for_from_the_start(length: int) -> None:
    """The first download failed."""
    extents = Extents()
    assert [extents.next(length, 0, ranges=True) for _ in range(3)] == [(0, None)] * 3


def test_a_jump_is_bounded_and_grows_while_it_is_a_walk() -> None:
    extents = Extents()
    first, last = extents.next(500 * MIB, 100 * MIB, ranges=True)
    assert (first, last) == (100 * MIB - OVERTAKE_BYTES, 100 * MIB - OVERTAKE_BYTES + JUMP_BYTES - 1)
    sizes = []
    while last is not None:
        first, last = extents.next(500 * MIB, last + 1, ranges=True)
        sizes.append(None if last is None else last + 1 - first)
    assert sizes == [4 * MIB, 16 * MIB, None]
