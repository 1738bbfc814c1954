"""A shared directory: what stands in it, and the modes of what it gets. A mount makes everything for its user only, but
other users' mounts are to read the store, if its directory lets them.

Trusts  the mode of the directory that a person has made: what it lets others do, they may do below.
"""

import contextlib
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


def open_to_others(root: Path, path: str) -> None:
    """Gives an object the root's mode, without the right to execute. Raises OSError."""
    mode = stat.S_IMODE(root.stat().st_mode) & READ_WRITE
    with contextlib.suppress(PermissionError, FileNotFoundError):       # another member's by now, or gone
        (root / path).chmod(mode)
