"""The map of one file's blocks: the checksum and the length of each, and which sum it is. Pure.

A map that begins with HEAD has xxh3 sums of 64 bits. One that doesn't is of an earlier version, with crc32 sums, and
goes on with them: kept copies are the only readable ones, so their maps stay readable for ever.

xxh3, because it takes 0.01 s a gigabyte and zlib's crc32 0.14, a tenth of the work of a read. 64 bits, because crc32
finds every flip of up to 32 adjacent bits for certain, and a hash only by chance: one of 2**32 damaged blocks would
be believed, one of 2**64 won't be met.

Never   does I/O. Each sum is seeded with the file's key and the block's number, so that swapped blocks and files don't
        match; none is 0, which stands for absent.
"""

import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Self

import xxhash

from anthrofs.store.blocks import BLOCK_BYTES

# In the place of a first crc32 entry it would be one of a block longer than any.
HEAD: Final = b"anthrx64"
# What lies further behind (128 GiB) isn't kept: a map is in memory, and a listing may say any size.
MOST_BLOCKS: Final = 2**20
COPY_KEY: Final = b""           # of kept copies: a second name of one belongs to another file id


@dataclass(frozen=True, slots=True)
class Sums:
    """One kind of map."""

    head: bytes
    entry: struct.Struct                            # checksum (0: absent) and length in bytes of one block
    seed_of: Callable[[bytes], int]                 # of a file's key
    checksum: Callable[[int, int, bytes | memoryview], int]     # of seed, number of the block, and its bytes

    def place(self, number: int) -> int:
        """Where a block's entry is, in the map's bytes."""
        return len(self.head) + number * self.entry.size


def crc32(seed: int, number: int, data: bytes | memoryview) -> int:
    """The sum of earlier versions."""
    return zlib.crc32(data, zlib.crc32(number.to_bytes(8, "little"), seed)) or 1


def xxh3(seed: int, number: int, data: bytes | memoryview) -> int:
    """The sum of maps with a head."""
    return xxhash.xxh3_64_intdigest(data, xxhash.xxh3_64_intdigest(number.to_bytes(8, "little"), seed)) or 1


CRC32: Final = Sums(b"", struct.Struct("<II"), lambda key: zlib.crc32(key) if key else 0, crc32)
XXH3: Final = Sums(HEAD, struct.Struct("<QI"), lambda key: xxhash.xxh3_64_intdigest(key) if key else 0, xxh3)
MOST_BYTES: Final = XXH3.place(MOST_BLOCKS)


class BlockMap:
    """A map in memory."""

    def __init__(self, raw: bytes, sums: Sums, key: bytes) -> None:
        self.sums = sums                    # constant
        self._seed = sums.seed_of(key)      # constant
        self.has_head = bool(raw) or not sums.head      # its file has the first bytes; set once
        # A slice is written in one step, as other threads see it: no lock.
        self._raw = bytearray(raw[:sums.place(MOST_BLOCKS)] or sums.head)

    @classmethod
    def of_cache(cls, raw: bytes, key: bytes) -> Self:
        """The map of blocks which came from the server. Where power loss took the head, each block is a miss."""
        return cls(raw, XXH3 if not raw or raw.startswith(HEAD) else CRC32, key)

    @classmethod
    def of_copy(cls, raw: bytes, size_bytes: int) -> Self:
        """The map of a whole copy of so many bytes. Its own length tells the kind as well: a damaged head must not make
        good blocks look damaged.
        """
        new = raw.startswith(HEAD) or len(raw) == XXH3.place(-(-size_bytes // BLOCK_BYTES))
        return cls(raw, XXH3 if new else CRC32, COPY_KEY)

    @classmethod
    def empty(cls) -> Self:
        """The map of a copy whose sums are about to be made."""
        return cls(b"", XXH3, COPY_KEY)

    def __bytes__(self) -> bytes:
        return bytes(self._raw)

    def entry(self, number: int) -> tuple[int, int]:
        """(checksum, length) of a block; (0, 0): absent."""
        place, entry = self.sums.place(number), self.sums.entry
        return entry.unpack_from(self._raw, place) if place + entry.size <= len(self._raw) else (0, 0)

    def is_sound(self, number: int, data: bytes) -> bool:
        """The block is as it was when its entry was made."""
        return self.entry(number) == (self.sums.checksum(self._seed, number, data), len(data))

    def entries(self, number: int, blocks: Sequence[bytes | memoryview]) -> bytes:
        """Entries of a run of blocks, to be written at its place."""
        pack, checksum, seed = self.sums.entry.pack, self.sums.checksum, self._seed
        return b"".join([pack(checksum(seed, number + step, data), len(data)) for step, data in enumerate(blocks)])

    def take(self, offset: int, piece: bytes) -> None:
        """Enters a piece of a copy. It begins where a block does, and ends so or at the copy's end."""
        view, number = memoryview(piece), offset // BLOCK_BYTES
        self.set(number, self.entries(number, [view[at:at + BLOCK_BYTES] for at in range(0, len(view), BLOCK_BYTES)]))

    def set(self, number: int, entries: bytes) -> None:
        """From now on it says so."""
        start, self.has_head = self.sums.place(number), True
        self._raw.extend(bytes(max(0, start + len(entries) - len(self._raw))))
        self._raw[start:start + len(entries)] = entries
