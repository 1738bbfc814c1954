"""Arithmetic of blocks: where a byte range falls, and how pieces become blocks.

Never   does I/O.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

# One kernel read (at most 128 KiB, aligned when sequential) is one block: no joining, no copying, no read
# amplification.
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


class Cutter:
    """Pieces of any size in, whole blocks out; each byte is copied once."""

    def __init__(self) -> None:
        self._parts: list[memoryview] = []
        self.held_bytes = 0             # of a block that isn't whole yet

    def push(self, piece: bytes | memoryview) -> Iterator[bytes]:
        """The blocks that this piece completes; to be used up before the next push."""
        view = memoryview(piece)
        while len(view) >= (lacking := BLOCK_BYTES - self.held_bytes):
            block = b"".join((*self._parts, view[:lacking]))
            view = view[lacking:]
            self.clear()
            yield block
        if view:
            self._parts.append(view if view.readonly else memoryview(bytes(view)))      # the next piece may come there
            self.held_bytes += len(view)

    def rest(self) -> bytes:
        """The bytes that are held: the file's last block, if it ended here."""
        return b"".join(self._parts)

    def clear(self) -> None:
        """Forget what is held."""
        self._parts.clear()
        self.held_bytes = 0
