"""Content of remote files, kept on the local disk.

Owns    <state>/cache/<hash of id> and .map: blocks that came from the server, as many as fit; sparse, evicted by file
        <state>/kept/<hash of id> and .map:  whole copies of our own uploads, the only readable ones: never evicted
Serves  reader (get, put), uploader (adopt, verify, drop). Nobody else touches these files.
Trusts  nothing in cache/: a block whose checksum (seeded with id and place) differs is a miss, so power loss or a flipped
        bit costs a download. A kept block that differs is reported as missing, never returned.
Never   waits for the network, knows a path name, or fails a read: a full disk turns writing to it off, with one log line.
        Third in the lock order: content, database, cache, reader.
"""

import errno
import hashlib
import logging
import os
import struct
import threading
import zlib
from collections import OrderedDict
from pathlib import Path
from typing import Final

import cachetools

from anthrofs.blocks import BLOCK_BYTES, checksum
from anthrofs.disk import Disk
from anthrofs.model import FileId

log = logging.getLogger(__name__)

MEMORY_BYTES: Final = 64 * 2**20
LIMIT_BYTES: Final = 10 * 10**9
UNWRITABLE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO})
ROOM_CHECK_BYTES: Final = 16 * 2**20    # written between two looks at the disk's free space
_ENTRY: Final = struct.Struct("<II")        # of a map: checksum (0: absent) and length in bytes of one block
_TAG: Final = ("Signature: 8a477f597d28d172789f06886806bc55\n"      # https://bford.info/cachedir/
               "# Blocks of remote files, kept by anthrofs. They can be fetched again: backups may leave them out.\n")


class BlockCache:
    """Blocks by (file, number): memory in front, disk behind."""

    def __init__(self, state_dir: Path, disk: Disk, limit_bytes: int = LIMIT_BYTES, spare_bytes: int = 0) -> None:
        self._disk = disk                               # given
        self._root = state_dir / "cache"                # constant
        self._kept_root = state_dir / "kept"            # constant
        self._limit_bytes = limit_bytes                 # constant
        self._spare_bytes = spare_bytes                 # constant

        self._lock = threading.Lock()                   # guards everything below
        self._memory: cachetools.LRUCache[tuple[FileId, int], bytes] = cachetools.LRUCache(MEMORY_BYTES, getsizeof=len)
        self._files: OrderedDict[str, int] = OrderedDict()      # disk bytes by name, least recently used first
        self._used_bytes = 0                            # == sum of _files
        self._unchecked_bytes = 0                       # written since the last look at the free space
        self._writable = True                           # False after the disk was full

    def start(self) -> None:
        """Make the directories; take stock of what an earlier mount left."""
        for root in (self._root, self._kept_root):
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._disk.sync_dir("state:dir", self._root.parent)
        (self._root / "CACHEDIR.TAG").write_text(_TAG)
        with os.scandir(self._root) as entries:
            found = [(entry.stat(), entry.name) for entry in entries if len(entry.name) == 32]
        with self._lock:
            self._files = OrderedDict((name, stat.st_blocks * 512) for stat, name in sorted(found, key=lambda f: f[0].st_mtime_ns))
            self._used_bytes = sum(self._files.values())

    # ---- blocks

    def get(self, file_id: FileId, number: int) -> bytes | None:
        """The block, checked; None if it isn't here."""
        with self._lock:
            data: bytes | None = self._memory.get((file_id, number))
            if data is not None:
                return data
        name = _name(file_id)
        data = _read(self._kept_root / name, number, 0, checked=False)
        if data is None:
            data = _read(self._root / name, number, _seed(file_id), checked=True)
        if data is not None:
            with self._lock:
                self._remember_locked(file_id, number, data)
                if name in self._files:
                    self._files.move_to_end(name)
        return data

    def put(self, file_id: FileId, number: int, data: bytes) -> None:
        """Keep a block that came from the server."""
        with self._lock:
            self._remember_locked(file_id, number, data)
            writable = self._writable
        if not writable:
            return
        name = _name(file_id)
        try:
            _write(self._root / name, number, data, checksum(_seed(file_id), number, data))
        except OSError as exc:
            if exc.errno not in UNWRITABLE:
                return                  # this file only: somebody put a directory in its place
            with self._lock:
                self._writable = False
                victims = self._choose_victims_locked(self._limit_bytes // 2, name)      # others need the room, too
            for victim in victims:
                self._remove(self._root / victim)
            log.warning("the cache in %s can't be written (%s): reads go on without it", self._root, exc.strerror)
            return
        with self._lock:
            self._files[name] = self._files.get(name, 0) + len(data)
            self._files.move_to_end(name)
            self._used_bytes += len(data)
            self._unchecked_bytes += len(data)
            look = self._unchecked_bytes >= ROOM_CHECK_BYTES
            self._unchecked_bytes = 0 if look else self._unchecked_bytes
        # Twice the spare bytes: the cache gives way long before a write is refused.
        lacking = 2 * self._spare_bytes - self._disk.free_bytes(self._root) if look else 0
        with self._lock:
            victims = self._choose_victims_locked(min(self._limit_bytes, self._used_bytes - lacking), name)
        for victim in victims:
            self._remove(self._root / victim)

    # ---- kept copies

    def adopt(self, file_id: FileId, stage: Path) -> None:
        """A second name for the sealed content that the server has just taken. Raises OSError: the caller keeps the stage."""
        self._kept_root.mkdir(mode=0o700, parents=True, exist_ok=True)
        target = self._kept_root / _name(file_id)
        target.with_suffix(".map").unlink(missing_ok=True)
        self._disk.link("kept:link", stage, target)
        self._disk.sync_dir("kept:dir", self._kept_root)

    def verify(self, file_id: FileId) -> None:
        """Write a kept copy's checksums, so that a bit that flips later is seen. Until then it is read unchecked."""
        path = self._kept_root / _name(file_id)
        sums = bytearray()
        try:
            with path.open("rb", buffering=0) as content:
                while data := content.read(BLOCK_BYTES):
                    sums += _ENTRY.pack(checksum(0, len(sums) // _ENTRY.size, data), len(data))
            made = path.with_suffix(".new")
            with made.open("wb", buffering=0) as new:
                new.write(sums)
                # Else it could be empty after power loss, and an empty map says that nothing is there.
                self._disk.sync("kept:sums", new.fileno())
            self._disk.rename("kept:map", made, path.with_suffix(".map"))
        except OSError as exc:
            log.warning("no checksums could be written for a kept copy (%s): it is read unchecked", exc.strerror)

    def has_kept(self, file_id: FileId) -> bool:
        """There is a whole copy."""
        return (self._kept_root / _name(file_id)).exists()

    def kept_totals(self) -> tuple[int, int]:
        """(copies, bytes) that are kept."""
        sizes = [entry.stat().st_size for entry in os.scandir(self._kept_root) if len(entry.name) == 32]
        return len(sizes), sum(sizes)

    def drop(self, file_id: FileId) -> None:
        """The user deleted it, and so did the server: nothing of it is needed any more."""
        name = _name(file_id)
        with self._lock:
            for key in [key for key in self._memory if key[0] == file_id]:
                del self._memory[key]
            self._used_bytes -= self._files.pop(name, 0)
        self._remove(self._root / name)
        self._remove(self._kept_root / name)

    def _remember_locked(self, file_id: FileId, number: int, data: bytes) -> None:
        if len(data) <= MEMORY_BYTES:           # LRUCache raises ValueError for more
            self._memory[(file_id, number)] = data

    def _choose_victims_locked(self, limit_bytes: int, but: str) -> list[str]:
        victims = []
        while self._used_bytes > limit_bytes and (name := next((n for n in self._files if n != but), None)):
            self._used_bytes -= self._files.pop(name)
            victims.append(name)
        return victims

    def _remove(self, path: Path) -> None:
        # The map first: content without a map is absent, a map without content must not be.
        self._disk.unlink("cache:map", path.with_suffix(".map"))
        self._disk.unlink("cache:data", path)


def _name(file_id: FileId) -> str:
    """Ids are opaque and may hold any character: 32 hexadecimal digits of a hash are a safe file name."""
    return hashlib.blake2b(file_id.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _seed(file_id: FileId) -> int:
    return zlib.crc32(file_id.encode("utf-8", "surrogatepass"))


def _read(path: Path, number: int, seed: int, *, checked: bool) -> bytes | None:
    """The block if its map vouches for it. `checked` False: a file without a map counts as whole (a fresh kept copy)."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        entry = _entry(path, number)
        if entry is None:
            return None if checked else os.pread(descriptor, BLOCK_BYTES, number * BLOCK_BYTES)
        expected, length = entry
        if not expected and not checked:
            return os.pread(descriptor, BLOCK_BYTES, number * BLOCK_BYTES)      # a map of nothing: as if there were none
        if not expected or length > BLOCK_BYTES:
            return None
        data = os.pread(descriptor, length, number * BLOCK_BYTES)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return data if len(data) == length and checksum(seed, number, data) == expected else None


def _entry(path: Path, number: int) -> tuple[int, int] | None:
    """(checksum, length) of a block, (0, 0) if the map lacks it; None if there is no map."""
    try:
        descriptor = os.open(path.with_suffix(".map"), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        raw = os.pread(descriptor, _ENTRY.size, number * _ENTRY.size)
    finally:
        os.close(descriptor)
    return _ENTRY.unpack(raw) if len(raw) == _ENTRY.size else (0, 0)


def _write(path: Path, number: int, data: bytes, crc: int) -> None:
    # The content first: the map must never promise more.
    for target, offset, raw in ((path, number * BLOCK_BYTES, data),
                                (path.with_suffix(".map"), number * _ENTRY.size, _ENTRY.pack(crc, len(data)))):
        descriptor = os.open(target, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            written = os.pwrite(descriptor, raw, offset)
            if written != len(raw):
                raise OSError(errno.ENOSPC, "no space left on device")
        finally:
            os.close(descriptor)
