"""Content of remote files, kept on the local disk.

Owns    <state>/cache/<hash of id> and .map: blocks that came from the server, as many as fit; sparse, evicted by file
        <state>/kept/<hash of id> and .map:  whole copies of our own uploads, the only readable ones: never evicted, and
                                       given up only when tree or whoever knows that the upload has gone says so
Trusts  nothing in cache/: a block whose checksum (seeded with id and place) differs is a miss, so power loss or a
        flipped bit costs a download. A kept block that differs is reported as missing, never returned.
Never   waits for the network, knows a path name, or fails a read: a full disk turns writing to it off, with one log
        line. Third in the lock order: content, database, cache, reader.
"""

import contextlib
import errno
import logging
import os
import threading
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

import cachetools

from anthrofs.model import FileId
from anthrofs.store.block_file import BlockFile, name_of, sums_of
from anthrofs.store.block_map import BlockMap
from anthrofs.store.blocks import spans
from anthrofs.store.disk import Disk
from anthrofs.store.neighbours import ALONE, Neighbours
from anthrofs.store.stock import Stock

log = logging.getLogger(__name__)

# Small reads of one block come back to us again and again; all else the kernel's page cache holds, ours or that of the
# disk.
MEMORY_BYTES: Final = 4 * 2**20
OPEN_FILES: Final = 64                  # whose descriptors and maps are at hand
UNWRITABLE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO})
ROOM_CHECK_BYTES: Final = 16 * 2**20    # written, or not written, between two looks at the disk's free space
_TAG: Final = ("Signature: 8a477f597d28d172789f06886806bc55\n"      # https://bford.info/cachedir/
               "# Blocks of remote files, kept by anthrofs. They can be fetched again: backups may leave them out.\n")


class _Places:
    """Where the disk has blocks of one file."""

    def __init__(self, copy: BlockFile | None, blocks: BlockFile | None) -> None:
        self.copy = copy                # constant
        self.blocks = blocks            # replaced once, when the first block is put


class BlockCache:
    """Blocks by (file, number): memory in front, disk behind."""

    def __init__(self, state_dir: Path, disk: Disk, limit_bytes: int = 0, spare_bytes: int = 0,
                 neighbours: Neighbours = ALONE) -> None:
        self._disk = disk                               # given
        self.neighbours = neighbours                    # given
        self._root = state_dir / "cache"                # constant
        self._kept_root = state_dir / "kept"            # constant
        self._stock = Stock(self._root)                 # constant
        self._limit_bytes = limit_bytes                 # constant
        self._spare_bytes = spare_bytes                 # constant

        self._lock = threading.Lock()                   # guards everything below
        self._memory: cachetools.LRUCache[tuple[FileId, int], bytes] = cachetools.LRUCache(MEMORY_BYTES, getsizeof=len)
        self._open: cachetools.LRUCache[FileId, _Places] = cachetools.LRUCache(OPEN_FILES)
        self._unchecked_bytes = ROOM_CHECK_BYTES        # since the last look at the free space
        self._off = 0                                   # errno that turned writing off; 0: it is on

    def start(self) -> None:
        """Make the directories; take stock of what an earlier mount left. Raises OSError."""
        for root in (self._root, self._kept_root):
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._disk.sync_dir("state:dir", self._root.parent)
        # there, or no room: no harm
        with contextlib.suppress(OSError), (self._root / "CACHEDIR.TAG").open("x") as tag:
            tag.write(_TAG)
        self._stock.start()

    # ---- blocks

    def get(self, file_id: FileId, number: int) -> bytes | None:
        """The block, checked; None if it isn't here."""
        with self._lock:
            data: bytes | None = self._memory.get((file_id, number))
        if data is not None:
            return data
        places = self._places(file_id)
        if places.copy is not None:
            data = places.copy.read(number)
        if data is None and places.blocks is not None:
            data = places.blocks.read(number)
            if data is not None:
                self._stock.note(name_of(file_id))
        data = self.neighbours.block(file_id, number) if data is None else data
        if data is not None:
            with self._lock:
                self._memory[file_id, number] = data
        return data

    def has(self, file_id: FileId, number: int) -> bool:
        """Whether the block seems to be here, without a look at its bytes."""
        with self._lock:
            if (file_id, number) in self._memory:
                return True
        places = self._places(file_id)
        return any(place is not None and place.has(number) for place in (places.copy, places.blocks))

    def is_whole(self, file_id: FileId, size_bytes: int) -> bool:
        """All of it seems to be on the disk, without a look at its bytes."""
        places = self._places(file_id)
        return all(any(place is not None and place.has(span.number) for place in (places.copy, places.blocks))
                   for span in spans(0, size_bytes))

    def piece(self, file_id: FileId, offset: int, size: int) -> bytes:
        """Returns that range as the disk has it, each block checked, and not through memory; less where a block is
        lacking.
        """
        places, pieces = self._places(file_id), list[bytes]()
        for span in spans(offset, size):
            data = None if places.copy is None else places.copy.read(span.number)
            if data is None and places.blocks is not None:
                data = places.blocks.read(span.number)
            pieces.append((data or b"")[span.start:span.start + span.length])
            if len(pieces[-1]) < span.length:
                break
        return b"".join(pieces)

    def may_keep(self, size_bytes: int) -> bool:
        """So much of one file can have room, if all else gives way."""
        with self._lock:
            return size_bytes <= self._limit_bytes

    def put(self, file_id: FileId, number: int, blocks: Sequence[bytes], pinned: Collection[FileId] = ()) -> bool:
        """Keep a run of blocks that came from the server: in memory, and on the disk if there is room, for which files
        give way that aren't `pinned`. False: there was none, so that they won't stay for long.
        """
        name, size = name_of(file_id), sum(map(len, blocks))
        with self._lock:
            for step, data in enumerate(blocks):
                self._memory[file_id, number + step] = data
            off, self._unchecked_bytes = self._off, self._unchecked_bytes + size
            look = self._unchecked_bytes >= ROOM_CHECK_BYTES
            self._unchecked_bytes = 0 if look else self._unchecked_bytes
        # Twice the spare bytes: the cache gives way long before a write is refused.
        lacking = 2 * self._spare_bytes - self._free_bytes() if look else 0
        if off in (errno.ENOSPC, errno.EDQUOT) and look and lacking <= 0:
            off = self._turn(0)
        most = min(self._limit_bytes, self._stock.used_bytes - lacking if lacking > 0 else self._limit_bytes)
        if not self._made_room(most, 0 if off else size, {file_id, *pinned}) or off:
            return False
        try:
            added = self._write(file_id, name, number, blocks)
        except OSError as exc:
            if exc.errno in UNWRITABLE:             # else this file only: somebody put a directory in its place
                self._turn(exc.errno or errno.EIO)
            return False
        if added:
            self._stock.note(name, added)
        return True

    def _write(self, file_id: FileId, name: str, number: int, blocks: Sequence[bytes]) -> int:
        """How many bytes it adds; 0 for a file that was removed meanwhile. Raises OSError."""
        places = self._places(file_id)
        try:
            file = places.blocks or BlockFile.of_cache(self._root / name, _key(file_id), create=True)
        except FileNotFoundError:                   # somebody removed the cache, as its tag invites one to do
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = BlockFile.of_cache(self._root / name, _key(file_id), create=True)
        with self._lock:
            file = places.blocks = places.blocks or file        # another thread may have been quicker
        assert file is not None
        added = file.write(number, blocks)
        return 0 if file.removed else added

    def _free_bytes(self) -> int:
        try:
            return self._disk.free_bytes(self._root.parent)
        except OSError:
            return 0                # the state itself has gone: nothing more is written

    def _turn(self, off: int) -> int:
        """Off, with the errno of the write that failed, or on again (0). Returns what it is now."""
        with self._lock:
            changed, self._off = self._off != off, off
        if changed and off:
            log.warning("the cache in %s can't be written (%s): reads go on without it", self._root, os.strerror(off))
            self._made_room(self._stock.used_bytes // 2, 0, ())         # others need the room, too
        elif changed:
            log.info("the cache in %s is written again", self._root)
        return off

    def _places(self, file_id: FileId) -> _Places:
        with self._lock:
            places: _Places | None = self._open.get(file_id)
        if places is None:
            name = name_of(file_id)
            found = _Places(BlockFile.of_copy(self._kept_root / name),
                            BlockFile.of_cache(self._root / name, _key(file_id), create=False))
            with self._lock:
                places = self._open.setdefault(file_id, found)      # another thread may have been quicker
        return places

    # ---- kept copies

    def adopt(self, file_id: FileId, stage: Path) -> None:
        """A second name for the sealed content that the server has just taken. Raises OSError: the caller keeps the
        stage.
        """
        target = self._kept_root / name_of(file_id)
        target.with_suffix(".map").unlink(missing_ok=True)
        try:
            self._disk.link("kept:link", stage, target)
        except FileNotFoundError:               # somebody removed the directory
            self._kept_root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._disk.link("kept:link", stage, target)
        self._close(file_id)
        self._disk.sync_dir("kept:dir", self._kept_root)

    def verify(self, file_id: FileId, sums: BlockMap | None = None) -> None:
        """Write a kept copy's checksums, so that a bit that flips later is seen. Until then it is read unchecked, and
        again if power is lost before the disk has them: a map that is empty, short or zero says nothing. `sums`: made
        while it was sent; None: all of it is read.
        """
        path = self._kept_root / name_of(file_id)
        try:
            made = path.with_suffix(".new")
            content = sums_of(path) if sums is None else bytes(sums)
            try:
                new = made.open("xb", buffering=0)
            except FileExistsError:             # left by a kill
                self._disk.unlink("kept:new", made)
                new = made.open("xb", buffering=0)
            with new:
                new.write(content)
            self._disk.rename("kept:map", made, path.with_suffix(".map"))
            if not path.exists():
                self._disk.unlink("kept:new", path.with_suffix(".map"))
        except FileNotFoundError:
            # dropped meanwhile: replaced or renamed again, and deleted
            self._disk.unlink("kept:new", path.with_suffix(".new"))
        except OSError as exc:
            log.warning("no checksums could be written for a kept copy (%s): it is read unchecked", exc.strerror)
        self._close(file_id)

    def kept_path(self, file_id: FileId) -> Path:
        """Where a whole copy is, if there is one."""
        return self._kept_root / name_of(file_id)

    def has_kept(self, file_id: FileId) -> bool:
        """There is a whole copy."""
        return BlockFile.of_copy(self._kept_root / name_of(file_id)) is not None

    def is_sound(self, file_id: FileId, size_bytes: int) -> bool:
        """There is a whole copy, and every block of it is as it was: all of it is read."""
        copy = BlockFile.of_copy(self._kept_root / name_of(file_id))
        return copy is not None and all(len(copy.read(span.number) or b"") == span.length
                                        for span in spans(0, size_bytes))

    def used_bytes(self) -> int:
        """How much of the disk the blocks take that can be fetched again."""
        return self._stock.used_bytes

    def blocks_bytes(self, file_id: FileId) -> int:
        """How much of the disk those of one file take."""
        return self._stock.size_bytes(name_of(file_id))

    def is_shared(self, file_id: FileId) -> bool:
        """The copy of what was just sent has the same bytes as another copy: that of the name before."""
        with contextlib.suppress(OSError):
            return self.kept_path(file_id).stat().st_nlink > 2      # its own, and that of the stage, which goes
        return False

    def give_way(self, lacking_bytes: int) -> None:
        """Others need room on the disk: least recently used files go, as far as there are any."""
        self._made_room(max(0, self._stock.used_bytes - lacking_bytes), 0, ())

    def drop(self, file_id: FileId) -> int:
        """Nothing of it is needed here any more: the server has deleted it, or the user gives up what is here of it.
        Returns the bytes that it took on the disk.
        """
        name, freed = name_of(file_id), 0
        for path in (self._root / name, self._kept_root / name):
            with contextlib.suppress(OSError):
                found = path.stat(follow_symlinks=False)
                freed += found.st_blocks * 512 if found.st_nlink == 1 else 0        # else another name keeps the bytes
        self.drop_blocks(file_id)
        self._remove(self._kept_root / name)
        return freed

    def drop_blocks(self, file_id: FileId) -> None:
        """Forgets what came from the server: it isn't the file's, or isn't needed. A kept copy stays."""
        name = name_of(file_id)
        with self._lock:
            for key in [key for key in self._memory if key[0] == file_id]:
                del self._memory[key]
            self._forget_locked(name)
        self._stock.forget(name)
        self._remove(self._root / name)

    def _close(self, file_id: FileId) -> None:
        with self._lock:
            self._open.pop(file_id, None)

    def _forget_locked(self, name: str) -> None:
        """The name's files are about to be removed: whoever still writes to them writes to nothing."""
        for file_id in [file_id for file_id in self._open if name_of(file_id) == name]:
            blocks = self._open.pop(file_id).blocks
            if blocks is not None:
                blocks.removed = True

    def _made_room(self, most_bytes: int, size: int, pinned: Collection[FileId]) -> bool:
        """Least recently used files go, until so many bytes more are within the bound. False: those that may go aren't
        enough.
        """
        if self._stock.used_bytes + size <= most_bytes:
            return True
        # hashes: not for each run of blocks, nearly all of which find room
        victims = self._stock.oldest(most_bytes - size, set(map(name_of, pinned)))
        with self._lock:
            for name in victims:
                self._forget_locked(name)
        for name in victims:
            self._remove(self._root / name)
        return self._stock.used_bytes + size <= most_bytes

    def _remove(self, path: Path) -> None:
        # The map first: content without a map is absent, a map without content must not be.
        for label, each in (("cache:map", path.with_suffix(".map")), ("cache:data", path)):
            try:
                self._disk.unlink(label, each)
            except IsADirectoryError:
                pass                    # somebody else's: it stays
            except OSError as exc:
                log.warning("%s can't be removed (%s): the space stays taken until it is deleted by hand", each,
                            exc.strerror)


def _key(file_id: FileId) -> bytes:
    # The number changes when blocks that an older version has written can't be trusted: they are misses then.
    return b"2 " + file_id.encode("utf-8", "surrogatepass")
