"""A shared directory beside what obstore does with it: what stands in it is looked at, what was put there outlives a
power cut, and other users' mounts can read it, if its mode lets them. (obstore syncs nothing, and a mount makes
everything for its user only.)

Trusts  the mode of the directory that a person has made: what it lets others do, they may do below.
"""

import contextlib
import os
import stat
from pathlib import Path, PurePosixPath
from typing import Final

READ_WRITE: Final = 0o666


def look(root: Path, path: str) -> None:
    """Raises FileNotFoundError where no plain file is: a pipe would hold whoever opens it, a link may lead anywhere."""
    if not stat.S_ISREG((root / path).lstat().st_mode):
        raise FileNotFoundError(path)


def make_folders(root: Path, path: str) -> None:
    """Makes what is missing between the root and an object, with the root's mode. Raises OSError."""
    mode = stat.S_IMODE(root.stat().st_mode)
    for parent in reversed(PurePosixPath(path).parents[:-1]):
        folder = root / parent
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
            folder.chmod(mode)
            _sync(folder.parent)


def settle(root: Path, path: str) -> None:
    """Gives an object the root's mode, without the right to execute, and makes it durable: a mount may give up its own
    copy next. Raises OSError.
    """
    mode = stat.S_IMODE(root.stat().st_mode) & READ_WRITE
    with contextlib.suppress(FileNotFoundError):        # somebody has removed it already
        with contextlib.suppress(PermissionError):      # it is another member's by now, who does the same
            (root / path).chmod(mode)
        _sync(root / path)
        _sync((root / path).parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
