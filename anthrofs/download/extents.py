"""Extents: which part of an open file is asked for. All of it, or a bounded part after a jump, which grows while the
jump turns out to be a walk.

Trusts  the reader's lock, which guards each. Pure: no thread, no network, no disk.
Never   asks for a byte before the file's first, nor for a part without a byte.
"""

from typing import Final

from anthrofs.download.bodies import WHOLE_BYTES
from anthrofs.download.running_download import WINDOW_MOST_BYTES
from anthrofs.store.blocks import BLOCK_BYTES

# The kernel's readahead comes through several threads, so neighbours overtake each other: a request begins a little
# before the place of the first read that asks for it.
OVERTAKE_BYTES: Final = 2 * BLOCK_BYTES
START_BYTES: Final = 2**20              # so near to the start, a first read is taken for a reader of the whole file
JUMP_BYTES: Final = 2**20               # of the first request after a jump; four times as much if the next follows it
JUMPERS: Final = 8                      # walkers in one file that are told apart


class Extents:
    """The parts that were asked for of one file since somebody opened it."""

    def __init__(self) -> None:
        self._whole = False                 # all of it was
        self._sizes: dict[int, int] = {}    # end of each of the last bounded parts → its bytes

    def next(self, length: int, offset: int, *, ranges: bool, grain: int = 1) -> tuple[int, int | None]:
        """(first, last) byte to ask for, for a reader at `offset`; last None: to the end. `ranges`: the server honours
        them. `grain`: the bytes in which the file comes, so that a jump gets one of these, and a walk whole ones.
        """
        walked = self._sizes.pop(offset, 0)
        if not ranges or (not walked and offset < START_BYTES) or (length <= WHOLE_BYTES and not self._whole):
            self._whole = True
            return 0, None
        size = walked * 4 or JUMP_BYTES
        if walked:
            first, end = offset, -(-(offset + size) // grain) * grain
        else:
            here = offset - offset % grain if grain > 1 else 0
            first = max(here, offset - OVERTAKE_BYTES)
            end = min(first + size, here + grain) if grain > 1 else first + size
        # A small file that is asked for again was fetched whole, and evicted while it was read, or its download broke.
        if length <= WHOLE_BYTES or size > WINDOW_MOST_BYTES or end >= length:
            return first, None
        self._sizes[end] = size
        if len(self._sizes) > JUMPERS:
            del self._sizes[next(iter(self._sizes))]
        return first, end - 1
