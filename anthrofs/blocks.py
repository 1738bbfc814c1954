"""Arithmetic of blocks: where a byte range falls, and what a block's checksum is.

Serves  cache and reader.
Never   does I/O.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

# One kernel read (at most 128 KiB, aligned when sequential) is one block: no joining, no copying, no read amplification.
BLOCK_BYTES: Final = 128 * 1024


@dataclass(frozen=True, slots=True)
class Span:
    """A part of one block: [start, start + length) within block `number`."""

    number: int
    start: int
    length: int


def spans(offset: int, size: int, block_bytes: int = BLOCK_BYTES) -> Iterator[Span]:
    """Cut [offset, offset + size) at block boundaries; yields nothing when size is 0."""
    while size > 0:
        number, start = divmod(offset, block_bytes)
        length = min(size, block_bytes - start)
        yield Span(number, start, length)
        offset += length
        size -= length


def block_count(size_bytes: int, block_bytes: int = BLOCK_BYTES) -> int:
    """How many blocks hold that many bytes."""
    return -(-size_bytes // block_bytes)


def checksum(seed: int, number: int, data: bytes) -> int:
    """crc32 of a block, seeded with its file and place so that swapped blocks and files don't match. Never 0: absent."""
    return zlib.crc32(data, zlib.crc32(number.to_bytes(8, "little"), seed)) or 1
