"""The steps on the local disk that promises are made of, each with a label, so that a test can stop the program at any
of them, or let it fail.

The syncs of one file that is saved and sent, in their order, what losing power would do without each, and the planted
bug that lacks it (tests/mutants):

    close   stage:data  the file is empty, or full of zeros                                 stage-data-unsynced
            stage:dir   nothing finds its bytes, which have no name                         stage-name-unsynced
            commit      the name shows what it showed before                                promise-not-durable
    upload  commit      nobody knows that it was begun: it is sent again, and there twice   sending-not-durable
    answer  kept:dir    the row says that the only readable copy is here, and it isn't      kept-name-unsynced
            commit      it is promised again, and its stage, which goes next, is gone       arrival-not-durable

Nothing waits for a sync where losing it costs only work: what was made and never promised, a stage's removal, the sums
of a copy, a deletion that the server has confirmed (it is asked again, and says that the id is gone).

Never   hides an error: ENOSPC means the same to a program that writes through us.
"""

import os
import shutil
from pathlib import Path
from typing import Final

# linux/fs.h: share the blocks of another file. Only some file systems can (btrfs, xfs, bcachefs).
FICLONE: Final = 0x40049409


def sync_names(directory: Path) -> None:
    """Names made, renamed or removed in it survive power loss once this returns. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Disk:
    """The machine's disk."""

    def write(self, label: str, descriptor: int, data: bytes | memoryview, offset: int) -> int:
        """As pwrite(2): how much of it was taken. None of it is sure to survive power loss before a sync."""
        return os.pwrite(descriptor, data, offset)

    def sync(self, label: str, descriptor: int) -> None:
        """The data and size of an open file survive power loss once this returns."""
        os.fdatasync(descriptor)

    def sync_dir(self, label: str, path: Path) -> None:
        """Names made, renamed or removed in a directory survive power loss once this returns."""
        sync_names(path)

    def link(self, label: str, source: Path, target: Path) -> None:
        """A second name for the same file; a target left by an earlier crash is replaced."""
        try:
            target.hardlink_to(source)
        except FileExistsError:
            target.unlink()
            target.hardlink_to(source)

    def rename(self, label: str, source: Path, target: Path) -> None:
        """Target becomes source, at once for all who look."""
        source.rename(target)

    def unlink(self, label: str, path: Path) -> None:
        """Gone, if it was there."""
        path.unlink(missing_ok=True)

    def free_bytes(self, path: Path) -> int:
        """The bytes that a program without special rights may still write there."""
        return shutil.disk_usage(path).free
