"""A shared directory beside what obstore does with it: what stands in it is looked at, what was put there outlives a
power cut, and other users' mounts can read it, if its mode lets them. (obstore syncs nothing, follows links, and lists
nothing at all where one name or link is odd; and a mount makes everything for its user only.) A mark tells it from the
empty directory that is there while its disk isn't mounted.

Trusts  the mode of the directory that a person has made: what it lets others do, they may do below.
Never   follows a link below it, opens a pipe, or removes what isn't a member's. What else stands there is passed over:
        it is in the way of one object at most.
"""

import contextlib
import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from anthrofs.errors import StoreRefuses
from anthrofs.fleet.object_store import Listed

READ_WRITE: Final = 0o666
NAME: Final = re.compile(r"[\w.-]+", re.ASCII)       # of a member's: what else there is it can't name, or is its stage
TRIES: Final = 20
MARK: Final = "anthrofs-store"
MARK_WORDS: Final = b"A fleet of anthrofs mounts has its store here. Without this file they take its disk to be away.\n"


def look(root: Path, path: str) -> None:
    """Raises FileNotFoundError where no plain file is: a pipe would hold whoever opens it, a link may lead anywhere."""
    if not _leads(root, PurePosixPath(path).parent) or not stat.S_ISREG((root / path).lstat().st_mode):
        raise FileNotFoundError(path)


def is_marked(root: Path) -> bool:
    """Whether a member has put something there, ever."""
    return os.path.lexists(root / MARK)


def mark(root: Path) -> None:
    """Marks it, durably: else it would be refused after a power cut. Raises OSError."""
    descriptor = os.open(root / MARK, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, MARK_WORDS)
    finally:
        os.close(descriptor)
    _fit(root / MARK, stat.S_IMODE(root.stat().st_mode) & READ_WRITE)
    _sync(root / MARK)
    _sync(root)


def walk(root: Path, prefix: str) -> Iterator[Listed]:
    """All plain files below the prefix. Raises OSError."""
    if not _leads(root, PurePosixPath(prefix)):
        return
    with contextlib.suppress(FileNotFoundError), os.scandir(root / prefix) as entries:
        for entry in entries:
            path = f"{prefix}/{entry.name}"
            if not NAME.fullmatch(entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from walk(root, path)
            elif entry.is_file(follow_symlinks=False):
                with contextlib.suppress(FileNotFoundError):        # it has just gone
                    found = entry.stat(follow_symlinks=False)
                    yield Listed(path, found.st_size, found.st_mtime_ns)


def folders(root: Path, prefix: str) -> list[str]:
    """The names of the folders in that one. Raises OSError."""
    if not _leads(root, PurePosixPath(prefix)):
        return []
    with os.scandir(root / prefix) as entries:
        return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]


def put(root: Path, path: str, call: Callable[[], object]) -> None:
    """Puts an object by `call`, durably, with the root's modes: a mount may give up its own copy next. Raises OSError,
    StoreRefuses when something else stands in its place, and what the call raises.
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
    for stage in target.parent.glob(f"{target.name}#*") if _leads(root, PurePosixPath(path).parent) else ():
        stage.unlink(missing_ok=True)


def _make_folders(root: Path, path: str) -> None:
    mode = stat.S_IMODE(root.stat().st_mode)
    for parent in reversed(PurePosixPath(path).parents[:-1]):
        folder = root / parent
        try:
            folder.mkdir()
        except FileExistsError:
            # One look: by two, a folder that another member removes and makes again would be taken for something else.
            with contextlib.suppress(FileNotFoundError):
                if not stat.S_ISDIR(folder.lstat().st_mode):
                    raise _in_the_way(folder) from None
            continue
        _fit(folder, mode)
        _sync(folder.parent)
    if _is_folder(root / path):
        raise _in_the_way(root / path)


def _settle(root: Path, path: str) -> None:
    mode = stat.S_IMODE(root.stat().st_mode)
    if os.path.lexists((root / path).parent) and not _leads(root, PurePosixPath(path).parent):
        raise _in_the_way((root / path).parent)     # it has come meanwhile
    with contextlib.suppress(FileNotFoundError):        # somebody has removed it already
        _fit(root / path, mode & READ_WRITE)
        for parent in PurePosixPath(path).parents[:-1]:     # obstore makes those that went meanwhile, for its user only
            _fit(root / parent, mode)
        _sync(root / path)
        _sync((root / path).parent)


def _fit(path: Path, mode: int) -> None:
    """Another's is left to that member. A link that has come meanwhile isn't followed: it leads out of the store."""
    if path.lstat().st_uid != os.geteuid():
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if stat.S_IMODE(os.fstat(descriptor).st_mode) != mode:
            os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def _in_the_way(path: Path) -> StoreRefuses:
    refused = StoreRefuses(f"{path} is in the way, and no mount's: remove it")
    refused.of_one = True
    return refused


def _leads(root: Path, path: PurePosixPath) -> bool:
    """Whether a path below the root is of folders only."""
    return all(_is_folder(root / each) for each in reversed([path, *path.parents[:-1]]))


def _is_folder(path: Path) -> bool:
    """Whether it is one itself, and no link to one."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
