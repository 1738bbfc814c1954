"""A shared directory beside what obstore does with it: what stands in it is looked at, what was put there outlives a
power cut, and other users' mounts can read it, if its mode lets them. (obstore syncs nothing, and a mount makes
everything for its user only.)

Trusts  the mode of the directory that a person has made: what it lets others do, they may do below.
"""

import contextlib
import os
import stat
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Final

READ_WRITE: Final = 0o666
TRIES: Final = 20


def look(root: Path, path: str) -> None:
    """Raises FileNotFoundError where no plain file is: a pipe would hold whoever opens it, a link may lead anywhere."""
    if not stat.S_ISREG((root / path).lstat().st_mode):
        raise FileNotFoundError(path)


def put(root: Path, path: str, call: Callable[[], object]) -> None:
    """Puts an object by `call`, durably, with the root's modes: a mount may give up its own copy next. Raises OSError,
    and what the call raises.
    """
    for left in reversed(range(TRIES)):
        try:
            _make_folders(root, path)
            call()
            _settle(root, path)
            return
        except FileNotFoundError:       # another member has removed the last object of a folder, and the folder
            if not left or not root.is_dir():
                raise


def remove_stages(root: Path, path: str) -> None:
    """Removes what a member has left there that was killed while it put the object. (obstore writes to NAME#1, and
    lists no such thing.) Raises OSError.
    """
    target = root / path
    for stage in target.parent.glob(f"{target.name}#*") if target.parent.is_dir() else ():
        stage.unlink(missing_ok=True)


def _make_folders(root: Path, path: str) -> None:
    mode = stat.S_IMODE(root.stat().st_mode)
    for parent in reversed(PurePosixPath(path).parents[:-1]):
        folder = root / parent
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
            folder.chmod(mode)
            _sync(folder.parent)


def _settle(root: Path, path: str) -> None:
    mode = stat.S_IMODE(root.stat().st_mode)
    with contextlib.suppress(FileNotFoundError):        # somebody has removed it already
        _fit(root / path, mode & READ_WRITE)
        for parent in PurePosixPath(path).parents[:-1]:     # obstore makes those that went meanwhile, for its user only
            _fit(root / parent, mode)
        _sync(root / path)
        _sync((root / path).parent)


def _fit(path: Path, mode: int) -> None:
    status = path.stat()
    if stat.S_IMODE(status.st_mode) != mode and status.st_uid == os.geteuid():      # else another member does the same
        path.chmod(mode)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
