"""One state directory: made private, and used by one mount at a time.

Owns    <state>/lock: locked while a mount runs; it says whose.
Trusts  the kernel's lock, which ends with its process, over what the file says.
Never   takes a directory that holds others' files and no state, or is another user's; overwrites a lock file that it
        didn't write; goes through a link, or writes to a file that has a second name elsewhere.
"""

import contextlib
import errno
import fcntl
import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from anthrofs.errors import EXIT_BUSY, EXIT_FAILED, EXIT_USAGE, FsError, SetupError
from anthrofs.store.disk import Disk

_SIGNED: Final = re.compile(rb'\{"pid": \d|\0|\Z')       # how a lock file begins that is nobody else's
OURS: Final = frozenset({"state.db", "lock", "staging", "kept", "cache"})       # one of them: it is, or was, a state
# made before the state, and not only by us
HARMLESS: Final = frozenset({"anthrofs.log", "emulator", "lost+found"})
DIRECTORIES: Final = frozenset({"staging", "kept", "cache"})
FILES: Final = re.compile(r"state\.db(-wal|-shm|-journal|\.\d+(\.part)?)?|lock|workspace(\.new)?", re.ASCII)


class StateDir:
    """The lock on a directory, held until close or the process's end."""

    def __init__(self, path: Path, mountpoint: str, disk: Disk | None = None, *, passing: bool = False) -> None:
        """One that passes leaves the name of the last mount behind. Raises SetupError: it is in use (by which process,
        for which mount point), or can't be used.
        """
        self.path = path                # constant
        self._last = b""                # constant: what its end leaves in the lock file
        _keep_apart(Path(os.path.realpath(path)), Path(mountpoint))
        with usable(path):
            _make(path, disk or Disk())
            _look_through(path)
            # Neither through a link into somebody's file nor waiting for the other end of a pipe.
            self._descriptor = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
                                       | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as exc:
                holder = _holder(self._descriptor) or "by another process"
                os.close(self._descriptor)
                if not isinstance(exc, BlockingIOError):
                    raise               # a file system without locks
                raise SetupError(f"The state directory {path} is in use {holder}. Unmount that one first, or give this "
                                 "mount a state of its own with --profile NAME.", EXIT_BUSY) from exc
        if passing:
            with contextlib.suppress(OSError):
                self._last = os.pread(self._descriptor, 4096, 0)
        self._sign(json.dumps({"pid": os.getpid(), "mountpoint": mountpoint}).encode())

    def _sign(self, words: bytes) -> None:
        """Only a help for who finds it locked: a full disk doesn't matter, and what others wrote there stays. Ours may
        be found cut, or in part a hole, once power was lost.
        """
        with contextlib.suppress(OSError):
            if _SIGNED.match(os.pread(self._descriptor, 4096, 0)):
                os.pwrite(self._descriptor, words, 0)       # in place: that needs no room
                os.ftruncate(self._descriptor, len(words))

    def close(self) -> None:
        """Another mount may use it now."""
        if self._last:
            self._sign(self._last)
        os.close(self._descriptor)


@contextlib.contextmanager
def usable(path: Path) -> Iterator[None]:
    """Makes a sentence of what the disk of a state directory refuses before there is a mount. Raises SetupError."""
    try:
        yield
    except (OSError, FsError) as exc:
        where = f" ({os.fsdecode(exc.filename)})" if isinstance(exc, OSError) and exc.filename else ""
        words = exc.strerror if isinstance(exc, OSError) else str(exc)
        raise SetupError(f"The state directory {path} can't be used: {words}{where}. Nothing in it was removed. Mend "
                         "that and mount again, or choose another with --state-dir.", EXIT_FAILED) from exc


def log_path(path: Path) -> Path:
    """Where a state's log is. Raises SetupError."""
    log = path / "anthrofs.log"
    with usable(path):
        # Opening a pipe would wait for ever, and a link would lead into somebody's file.
        if os.path.lexists(log) and (log.is_symlink() or not log.is_file()):
            raise FileExistsError(errno.EEXIST, "it is no plain file, move it away", log)
    return log


def _keep_apart(path: Path, mountpoint: Path) -> None:
    """A mount that waits for its own files waits for ever."""
    if mountpoint in (path, *path.parents) or path in mountpoint.parents:
        raise SetupError(f"The state directory {path} and the mount point {mountpoint} are one inside the other. "
                         "Choose another --state-dir, or mount elsewhere.", EXIT_USAGE)


def _make(path: Path, disk: Disk) -> None:
    made = [each for each in path.parents if not each.exists()]
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError as exc:
        raise SetupError(f"{path} is a file, or a link to nothing: a state needs a directory. Choose another with "
                         "--state-dir.",
                         EXIT_USAGE) from exc
    if path.stat().st_uid != os.geteuid():
        raise SetupError(f"The state directory {path} belongs to another user, who could read what isn't sent yet, and "
                         "change it. Choose another with --state-dir, or make it yours: chown.", EXIT_FAILED)
    found = {entry.name for entry in path.iterdir()}
    if not found & OURS and found - HARMLESS:
        raise SetupError(f"{path} holds other files and no state of anthrofs. Choose a new or an empty directory with "
                         "--state-dir.",
                         EXIT_USAGE)
    path.chmod(0o700)                   # unsent files are in here
    for each in (path, *made):          # whatever is synced in there, power loss would take all of it along
        with contextlib.suppress(OSError):      # somebody else's, who has made it
            disk.sync_dir("state:above", each.parent)


def _look_through(path: Path) -> None:
    """Our own files' places: what was put there for us to write to, or to read, is refused, and nothing of ours can be
    read by others. Raises OSError.
    """
    with os.scandir(path) as found:
        entries = list(found)
    for entry in entries:
        directory = entry.name in DIRECTORIES
        if not (directory or FILES.fullmatch(entry.name)):
            continue
        now = entry.stat(follow_symlinks=False)
        if not (stat.S_ISDIR if directory else stat.S_ISREG)(now.st_mode):
            raise FileExistsError(errno.EEXIST, f"it is no plain {'directory' if directory else 'file'}, move it away",
                                  entry.path)
        if now.st_uid != os.geteuid():
            raise PermissionError(errno.EPERM, "it belongs to another user, move it away", entry.path)
        if now.st_nlink > 1 and not directory:
            raise FileExistsError(errno.EEXIST, "it has a second name (a hard link), which would be written to as "
                                  "well: put a copy in its place", entry.path)
        if now.st_mode & 0o077:
            descriptor = os.open(entry.path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                Path(f"/proc/self/fd/{descriptor}").chmod(stat.S_IMODE(now.st_mode) & 0o700)
            finally:
                os.close(descriptor)


def _holder(descriptor: int) -> str | None:
    """The words about who has it, as we wrote them; None: we didn't write this."""
    try:
        said = json.loads(os.pread(descriptor, 4096, 0))
        return f"by process {int(said['pid'])}, mounted on {said['mountpoint']}"
    except (ValueError, KeyError, TypeError, RecursionError, OSError):
        return None
