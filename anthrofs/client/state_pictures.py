"""This user's states, each as its mount tells of it, or, where none runs, as it was left.

Never   takes a state's lock, not even for a moment in which a mount could begin, and changes nothing.
"""

import contextlib
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from anthrofs.client import control_client
from anthrofs.client.known_states import last_place
from anthrofs.errors import SetupError
from anthrofs.store import neighbours
from anthrofs.tree.left_state import look

PATIENCE_S: Final = 5.0     # of a mount's answer
LOCKS: Final = Path("/proc/locks")      # the kernel's list


@dataclass(frozen=True, slots=True)
class StatePicture:
    """One state."""

    name: str                   # below the directory of all; of one elsewhere its whole path
    path: str
    mounted_on: str | None      # None: it isn't, or nobody answers
    in_use: bool
    last_mounted_on: str | None
    last_used: float            # seconds since the epoch: when its files were changed last
    service: str | None
    workspace: str | None       # the session's or the workspace's id, if the service named one
    version: int | None         # of the schema; None: it is in use, and so of the mount's
    unsent: int
    helper_files: int
    deletions: int
    copies: int                 # of own uploads: nobody else can read those
    copy_bytes: int
    size_bytes: int             # what it takes on the disk
    readable: bool              # its database makes sense, so the numbers above are right

    @property
    def losses(self) -> int:
        """How many files would be lost with it, or could be read by nobody any more."""
        return self.unsent + self.helper_files + self.copies

    def as_json(self) -> dict[str, Any]:
        """Returns it with names for programs."""
        return asdict(self)


def picture(path: Path, root: Path | None) -> StatePicture:
    """Raises OSError for a directory that can't be read."""
    place = last_place(path)
    known: dict[str, Any] = {
        "name": path.name if path.parent == root else str(path), "path": str(path), "last_used": _last_used(path),
        "last_mounted_on": None if place is None else str(place), "size_bytes": _size_bytes(path)}
    told, silent = _told(path)
    if told is not None:
        return StatePicture(
            **known, mounted_on=told["mountpoint"], in_use=True, service=told["service"],
            workspace=neighbours.workspace_of(path), version=None,
            unsent=len(told["waiting"]) + len(told["failed"]), helper_files=told.get("local_names", 0),
            deletions=len(told["deletions"]), copies=told.get("kept_copies", 0), copy_bytes=told.get("kept_bytes", 0),
            readable=True)      # a mount of an earlier version tells less
    found = look(path)
    return StatePicture(
        **known, mounted_on=None, in_use=silent or _is_locked(path), service=found.service, workspace=found.workspace,
        version=found.version, unsent=found.unsent_files, helper_files=found.local,
        deletions=found.deletions, copies=found.copies, copy_bytes=found.copy_bytes, readable=found.version > 0)


def _told(path: Path) -> tuple[dict[str, Any] | None, bool]:
    """(what the state's mount says; whether there is one that doesn't answer)."""
    try:
        return control_client.only(path, "status", patience_s=PATIENCE_S), False
    except control_client.Silent:
        return None, True
    except SetupError:
        return None, False


def _is_locked(path: Path) -> bool:
    """Whether a process has it that nobody can ask: a mount that begins or ends, or who removes the state."""
    with contextlib.suppress(OSError):
        number = (path / "lock").stat(follow_symlinks=False).st_ino
        # By the file's number alone: that of its file system isn't the one that btrfs, for instance, tells of files.
        return re.search(rf"(?m)^\d+: FLOCK .*:{number} 0 EOF$", LOCKS.read_text()) is not None
    return False


def _last_used(path: Path) -> float:
    times = [path.stat().st_mtime]
    for name in ("lock", "state.db", "state.db-wal", "anthrofs.log"):
        with contextlib.suppress(OSError):
            times.append((path / name).stat(follow_symlinks=False).st_mtime)
    return max(times)


def _size_bytes(path: Path) -> int:
    """Returns what the directory takes; of a file with two names in it, once."""
    total, seen = 0, set[int]()
    for directory, _, names in os.walk(path):
        for name in names:
            with contextlib.suppress(OSError):
                found = os.stat(os.path.join(directory, name), follow_symlinks=False)   # noqa: PTH116, PTH118 - 100,000
                if found.st_nlink == 1 or found.st_ino not in seen:
                    total += found.st_blocks * 512
                    seen.add(found.st_ino)
    return total
