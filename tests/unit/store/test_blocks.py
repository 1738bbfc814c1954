"""Arithmetic of blocks by its laws: spans and cuts."""

from hypothesis import given
from hypothesis import strategies as st

from anthrofs.store.blocks import BLOCK_BYTES, Cutter, Span, spans
from tests.fakes import law


@law
@given(offset=st.integers(0, 10**12), size=st.integers(0, 10**6), block_bytes=st.integers(1000, 10**5))
def test_spans_cover_the_range_once_and_in_order(offset: int, size: int, block_bytes: int) -> None:
    position = offset
    for span in spans(offset, size, block_bytes):
        assert span.number * block_bytes + span.start == position
        assert span.length > 0
        assert span.start + span.length <= block_bytes      # within one block
        position += span.length

    assert position == offset + size


@law
@given(offset=st.integers(0, 10**6), size=st.integers(1, 10**5), block_bytes=st.integers(1000, 10**5))
def test_only_the_first_span_starts_within_a_block(offset: int, size: int, block_bytes: int) -> None:
    cut = list(spans(offset, size, block_bytes))

    assert all(span.start == 0 for span in cut[1:])
    assert [span.number for span in cut] == list(range(cut[0].number, cut[0].number + len(cut)))


def test_an_aligned_kernel_read_is_one_block_and_nothing_is_no_block() -> None:
    assert list(spans(3 * BLOCK_BYTES, BLOCK_BYTES)) == [Span(3, 0, BLOCK_BYTES)]
    assert list(spans(BLOCK_BYTES - 1, 2)) == [Span(0, BLOCK_BYTES - 1, 1), Span(1, 0, 1)]
    assert list(spans(5, 0)) == []


@law
@given(sizes=st.lists(st.integers(0, 3 * BLOCK_BYTES) | st.sampled_from([BLOCK_BYTES - 1, BLOCK_BYTES, 2 * BLOCK_BYTES]), max_size=6), seed=st.integers(0, 255))
def test_pieces_of_any_size_become_whole_blocks_and_a_rest(sizes: list[int], seed: int) -> None:
    content = bytes((seed + place * place // 7) % 256 for place in range(2000)) * (sum(sizes) // 2000 + 1)
    cutter, blocks, start = Cutter(), list[bytes](), 0
    for size in sizes:
        blocks += cutter.push(content[start:start + size])
        start += size

    assert all(len(block) == BLOCK_BYTES for block in blocks)
    assert b"".join((*blocks, cutter.rest())) == content[:start]
    assert cutter.held_bytes == len(cutter.rest()) < BLOCK_BYTES
