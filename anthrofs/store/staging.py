"""Content that the server has not seen: plain files on the local disk.

Owns    <state>/staging/<number>. Open ones belong to a node's handles, sealed ones to the uploader.
Trusts  the database for which numbers are promised; the rest is reported by check, never removed on a guess. What has
        another name than a number, or is no plain file, is somebody else's: left alone.
Never   writes to a sealed stage: a new one is made first.
"""

import contextlib
import errno
import fcntl
import itertools
import logging
import os
import re
import shutil
import stat
import threading
from pathlib import Path
from typing import Final

from anthrofs.errors import DiskFull, StagingFull
from anthrofs.model import StageId
from anthrofs.store.disk import FICLONE, Disk
from anthrofs.store.state_guard import StateGuard

log = logging.getLogger(__name__)

ROOM_CHECK_BYTES: Final = 8 * 2**20     # written between two looks at the disk's free space
LEAST_BYTES: Final = 4096               # what a small file takes on most disks
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)     # below 2**63: SQLite's integers end there


def _opened(path: Path, flags: int) -> int:
    """A plain file, and no other that a link leads to; a pipe would wait for its other end. Raises OSError."""
    descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    if not flags & os.O_EXCL and not stat.S_ISREG(os.fstat(descriptor).st_mode):        # what is new is one
        os.close(descriptor)
        raise OSError(errno.EINVAL, "no plain file", path)
    return descriptor


class Stage:
    """One open staging file. Reading and writing are positional: kernel threads share the descriptor."""

    def __init__(self, number: StageId, path: Path, disk: Disk, *, create: bool) -> None:
        self._disk = disk           # given
        self.number = number        # constant
        self.path = path            # constant
        # A sealed one can be read while the disk takes no changes.
        self.descriptor = _opened(path, os.O_RDWR | os.O_CREAT | os.O_EXCL if create else os.O_RDONLY)

    def read(self, size: int, offset: int) -> bytes:
        """Up to size bytes; fewer at the end."""
        return os.pread(self.descriptor, size, offset)

    def write_some(self, data: bytes, offset: int) -> int:
        """As write(2): how much of it the disk took, which is less than all just before it is full."""
        return self._disk.write("stage:write", self.descriptor, data, offset)

    def write(self, data: bytes | memoryview, offset: int) -> None:
        """All of it."""
        view = memoryview(data)
        while view:
            done = self._disk.write("stage:write", self.descriptor, view, offset)
            view, offset = view[done:], offset + done

    def truncate(self, size_bytes: int) -> None:
        """Cut, or grown by a hole."""
        os.ftruncate(self.descriptor, size_bytes)

    def size_bytes(self) -> int:
        """The stage's length now."""
        return os.fstat(self.descriptor).st_size

    def close(self) -> None:
        """No more calls after this."""
        os.close(self.descriptor)


class Staging:
    """Makes, copies and removes stages, keeps some of the disk free, and unsent content within its bound."""

    def __init__(self, root: Path, disk: Disk, spare_bytes: int, most_bytes: int = 0,
                 guard: StateGuard | None = None) -> None:
        self._disk = disk                       # given
        self._guard = guard or StateGuard()         # given
        self._root = root                       # constant
        self._spare_bytes = spare_bytes         # constant
        self._most_bytes = most_bytes           # constant; 0: no bound but the disk's
        self.first = 1                          # of this mount's numbers; set once, before anything has a stage

        self._lock = threading.Lock()           # guards everything below
        self._numbers = itertools.count(1)
        self._unchecked_bytes = ROOM_CHECK_BYTES        # written since the last look at the free space
        self._surely_bytes = 0                  # that still fit below the bound, whatever was removed since the last
                                                # count
        self._said = False                      # that the bound is reached

    def start(self, promised: set[StageId]) -> None:
        """Never uses a number again that is on the disk or promised."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._disk.sync_dir("state:dir", self._root.parent)
        self._guard.watch(self._root)
        self.first = max((*self.numbers(), *promised), default=0) + 1
        with self._lock:
            self._numbers = itertools.count(self.first)

    def create(self) -> Stage:
        """A new, empty one. Raises DiskFull."""
        self.reserve(0)
        self._keep_below_bound(LEAST_BYTES)
        while True:
            with self._lock:
                number = StageId(next(self._numbers))
            with contextlib.suppress(FileExistsError):      # somebody else's
                return Stage(number, self.path(number), self._disk, create=True)

    def open(self, number: StageId) -> Stage:
        """A sealed one, for reading."""
        return Stage(number, self.path(number), self._disk, create=False)

    def copy_of(self, source: Path, *, share: bool = True) -> Stage:
        """A new one with the same content: sharing its blocks where the disk can and `share` allows it, else copied.
        Raises DiskFull.
        """
        self.reserve(source.stat().st_size)
        stage = self.create()
        try:
            with source.open("rb") as original:
                if not share or not _shares(stage.descriptor, original.fileno()):
                    with os.fdopen(os.dup(stage.descriptor), "wb") as target:
                        shutil.copyfileobj(original, target, 2**20)
        except BaseException:
            stage.close()
            self.remove(stage.number)
            raise
        return stage

    def link_of(self, source: Path, label: str = "rename") -> StageId:
        """A new, sealed one that is a second name for a kept copy, or another sealed one: nobody writes to either.
        Raises OSError, StateLost.
        """
        self._guard.check()
        with self._lock:
            number = StageId(next(self._numbers))
        self._disk.link(f"{label}:link", source, self.path(number))
        self._disk.sync_dir(f"{label}:dir", self._root)
        return number

    def reserve(self, size_bytes: int) -> None:
        """So many bytes are about to be written. Raises DiskFull while the last of the disk is still free, StagingFull,
        StateLost.
        """
        self._guard.check()
        self._keep_below_bound(size_bytes)
        with self._lock:
            self._unchecked_bytes += size_bytes
            if self._unchecked_bytes < ROOM_CHECK_BYTES and size_bytes < ROOM_CHECK_BYTES:
                return
            self._unchecked_bytes = 0
        if self._disk.free_bytes(self._root) - size_bytes < self._spare_bytes:
            with self._lock:
                self._unchecked_bytes = ROOM_CHECK_BYTES        # the next one looks again
            raise DiskFull(f"less than {self._spare_bytes} bytes would stay free on the disk of {self._root}")

    def _keep_below_bound(self, size_bytes: int) -> None:
        """The disk is asked only when what was written since the last count may have reached the bound: overwritten and
        removed bytes count until then. Writes that are under way at a count are missed by it, so the bound may be
        passed by their size.
        """
        most_bytes = self._most_bytes
        if not most_bytes:
            return
        with self._lock:
            self._surely_bytes -= size_bytes
            if self._surely_bytes >= 0:
                return
        used = self.used_bytes()
        with self._lock:
            self._surely_bytes = most_bytes - used - size_bytes
            full = self._surely_bytes < 0
            say = full and not self._said
            self._said = full or (self._said and used > most_bytes * 0.9)       # not once for each of a thousand files
        if say:
            log.warning("unsent content takes %d bytes on this machine's disk, and --staging-size allows %d: nothing "
                        "more can be written until some of it is sent. `anthrofs status` names it: wait, send again or "
                        "remove what was refused, remove what stays local, or mount with a bigger --staging-size", used,
                        most_bytes)
        if full:
            raise StagingFull(f"--staging-size allows {most_bytes} bytes of unsent content, and {used} are there")

    def used_bytes(self) -> int:
        """The bytes that unsent content takes on the disk: no holes, and nothing that is only a second name of a kept
        copy.
        """
        used, names = 0, dict[int, int]()       # of those that have several names, how many are here
        with contextlib.suppress(FileNotFoundError):
            for entry in os.scandir(self._root):
                with contextlib.suppress(FileNotFoundError):        # sent meanwhile
                    found = entry.stat(follow_symlinks=False)
                    names[found.st_ino] = names.get(found.st_ino, 0) + 1
                    used += found.st_blocks * 512 if found.st_nlink == names[found.st_ino] else 0
        return used

    def path(self, number: StageId) -> Path:
        """Where its bytes are."""
        return self._root / str(number)

    def publish(self, label: str, descriptor: int) -> None:
        """A stage's bytes and its name survive power loss once this returns. Raises StateLost."""
        self._guard.check()
        self._disk.sync(f"{label}:data", descriptor)
        self._disk.sync_dir(f"{label}:dir", self._root)

    def empty(self, number: StageId) -> None:
        """Gives up a stage's bytes, while its row goes on until another content is promised."""
        with contextlib.suppress(FileNotFoundError):
            descriptor = _opened(self.path(number), os.O_WRONLY)
            try:
                os.ftruncate(descriptor, 0)
            finally:
                os.close(descriptor)

    def remove(self, number: StageId) -> None:
        """Nobody promised it, or the server has it. That it can't be removed is no reason to fail: what made it
        superfluous is done.
        """
        try:
            self._disk.unlink("staging:remove", self.path(number))
        except OSError as exc:
            log.warning("%s can't be removed (%s), and nobody needs it: the space stays taken until it is deleted by "
                        "hand", self.path(number), exc.strerror)

    def adopted(self) -> set[StageId]:
        """The stages for which the cache has a second name: the server has them, and only their removal was cut."""
        return {number for number in self.numbers() if self.path(number).stat().st_nlink > 1}

    def numbers(self) -> set[StageId]:
        """The numbers of the stages on the disk."""
        with contextlib.suppress(FileNotFoundError):
            return {StageId(int(entry.name)) for entry in os.scandir(self._root)
                    if _NUMBER.fullmatch(entry.name) and entry.is_file(follow_symlinks=False)}
        return set()


def _shares(descriptor: int, source: int) -> bool:
    """Gives an empty file the blocks of another one. False: this disk can't."""
    try:
        fcntl.ioctl(descriptor, FICLONE, source)
    except OSError:
        return False
    return True
