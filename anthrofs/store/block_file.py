"""One file's blocks on the local disk: the content, sparse, and beside it the map of their checksums and lengths.

Owns    <name> and <name>.map while they are open; the map's truth is in memory from then on.
Trusts  nothing that it reads: what is truncated, flipped or swapped, before or while it is open, is a missing block. A
        link, a pipe or a directory in a file's place is no block file.
Never   closes a descriptor that another thread may be using: the last one to let go of the object closes it.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

from anthrofs.model import FileId
from anthrofs.store.block_map import MOST_BLOCKS, MOST_BYTES, BlockMap
from anthrofs.store.blocks import BLOCK_BYTES

# A pipe would hang the open, a link would lead somewhere else.
_FLAGS: Final = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class _Descriptor:
    """An open regular file. Closed by reference counting: any thread may still be in a pread of it."""

    def __init__(self, path: Path | str, flags: int) -> None:
        """Raises OSError, also for what isn't a regular file, and for one to be written that has a second name
        elsewhere.
        """
        self.number = os.open(path, flags | _FLAGS, 0o600)
        found = os.fstat(self.number)
        if not stat.S_ISREG(found.st_mode) or (flags & os.O_ACCMODE != os.O_RDONLY and found.st_nlink > 1):
            raise OSError(errno.EINVAL, "not a regular file of ours alone")

    def __del__(self) -> None:
        if hasattr(self, "number"):         # else the open failed
            os.close(self.number)


class BlockFile:
    """Blocks by number."""

    def __init__(self, content: _Descriptor, sums: _Descriptor | None, block_map: BlockMap) -> None:
        self._content = content         # constant
        self._sums = sums               # constant: None for a kept copy, which nobody writes to
        self._map = block_map           # constant
        self.removed = False            # guarded by the cache's lock: what is written from now on is lost

    @classmethod
    def of_cache(cls, path: Path, key: bytes, *, create: bool) -> Self | None:
        """Blocks from the server. None if there are none and `create` is False. Raises OSError if it can't be made."""
        try:
            flags = os.O_RDWR | (os.O_CREAT if create else 0)
            content, sums = _Descriptor(path, flags), _Descriptor(f"{path}.map", flags)
            return cls(content, sums, BlockMap.of_cache(_whole(sums), key))
        except OSError:
            if create:
                raise
            return None

    @classmethod
    def of_copy(cls, path: Path) -> Self | None:
        """A whole copy, read only. One whose map has no sums yet, or none for some block, is believed there."""
        try:
            content = _Descriptor(path, os.O_RDONLY)
        except OSError:
            return None
        try:
            raw = _whole(_Descriptor(f"{path}.map", os.O_RDONLY))
        except OSError:
            raw = b""
        return cls(content, None, BlockMap.of_copy(raw, os.fstat(content.number).st_size))

    def read(self, number: int) -> bytes | None:
        """The block if its checksum vouches for it."""
        expected, length = self._map.entry(number)
        try:
            if not expected:
                return None if self._sums else os.pread(self._content.number, BLOCK_BYTES, number * BLOCK_BYTES)
            if length > BLOCK_BYTES:
                return None
            data = os.pread(self._content.number, length, number * BLOCK_BYTES)
        except OSError:
            return None
        return data if self._map.is_sound(number, data) else None

    def has(self, number: int) -> bool:
        """The map vouches for it; only a read tells whether it is right."""
        return self._map.entry(number)[0] != 0 or self._sums is None

    def write(self, number: int, blocks: Sequence[bytes]) -> int:
        """Keep a run of blocks; how many bytes it adds to the file. Raises OSError."""
        assert self._sums is not None, "a kept copy is never written to"
        if number + len(blocks) > MOST_BLOCKS:
            raise OSError(errno.EFBIG, "too far behind in the file to be kept")
        before = sum(self._map.entry(number + step)[1] for step in range(len(blocks)))
        entries, size = self._map.entries(number, blocks), sum(map(len, blocks))
        head = b"" if self._map.has_head else self._map.sums.head
        # The content first: the map must never promise more.
        if (os.pwritev(self._content.number, blocks, number * BLOCK_BYTES) != size
                or (head and os.pwrite(self._sums.number, head, 0) != len(head))
                or os.pwrite(self._sums.number, entries, self._map.sums.place(number)) != len(entries)):
            raise OSError(errno.ENOSPC, "no space left on device")
        self._map.set(number, entries)
        return max(0, size - before)


def sums_of(content: Path) -> bytes:
    """The map of a whole copy, in one pass over it. Raises OSError."""
    made, number = BlockMap.empty(), 0
    source = _Descriptor(content, os.O_RDONLY)
    while data := os.pread(source.number, BLOCK_BYTES, number * BLOCK_BYTES):
        made.set(number, made.entries(number, [data]))
        number += 1
    return bytes(made)


def name_of(file_id: FileId) -> str:
    """Ids are opaque and may hold any character: 32 hexadecimal digits of a hash are a safe file name."""
    return hashlib.blake2b(file_id.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _whole(descriptor: _Descriptor) -> bytes:
    """A map."""
    return os.pread(descriptor.number, min(os.fstat(descriptor.number).st_size, MOST_BYTES), 0)
