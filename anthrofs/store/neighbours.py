"""Neighbours: the other states of this user on this machine that are of the same workspace. The service gives an upload
back to nobody; but what one profile has uploaded the others can read here, from the copy that its state keeps.

Owns    <state>/workspace: whose files the state has, in a line that neighbours compare with theirs; which copies of
        neighbours are read from now.
Trusts  directories beside this state's, of this user, which nobody else may write to; of a copy there its sums, as of
        an own one. Ids never change: an id's copy is the same everywhere.
Never   locks, changes or keeps anything there: a neighbour may drop its copies at any time, and then what nobody has
        open can't be read here any more. Never asks the service, and never lends to another workspace's state: what
        can be read in a mount, somebody may send to where that one sends.
"""

import contextlib
import json
import os
import stat
import threading
from pathlib import Path
from typing import Final

from anthrofs.clock import Clock
from anthrofs.model import FileId
from anthrofs.store.block_file import BlockFile, name_of

NAME: Final = "workspace"
LOOK_S: Final = 5.0             # between two looks at which neighbours there are
MOST: Final = 64                # neighbours
_MOST_ENTRIES: Final = 1000     # of the directory around the state: with --state-dir it may be any
_MOST_BYTES: Final = 4096       # of a line
_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class Neighbours:
    """The neighbours of one state."""

    def __init__(self, state_dir: Path | None, clock: Clock) -> None:
        self._state_dir = state_dir         # constant; None: there are no neighbours
        self._clock = clock                 # given

        self._lock = threading.Lock()       # guards the following; a leaf
        self._roots: tuple[Path, ...] = ()  # where their copies are
        self._until_s = float("-inf")
        self._lent = dict[FileId, BlockFile]()      # of what is open

    def has(self, file_id: FileId, size_bytes: int) -> bool:
        """One of them has a whole copy of so many bytes."""
        return self._copy(file_id, size_bytes) is not None

    def borrow(self, file_id: FileId, size_bytes: int) -> bool:
        """The file is about to be open: it can be read from a copy of theirs until `give_back`, also if that is removed
        meanwhile. False: there is none, or it is damaged.
        """
        with self._lock:
            if file_id in self._lent:
                return True
        path = self._copy(file_id, size_bytes)
        copy = None if path is None else BlockFile.of_copy(path)
        if copy is None or (size_bytes and copy.read(0) is None):
            return False
        with self._lock:
            self._lent.setdefault(file_id, copy)        # another thread may have been quicker
        return True

    def block(self, file_id: FileId, number: int) -> bytes | None:
        """A block of what was borrowed, checked; None: it wasn't, or the block is damaged."""
        with self._lock:
            copy = self._lent.get(file_id)
        return None if copy is None else copy.read(number)

    def give_back(self, file_id: FileId) -> None:
        """Nobody has the file open any more."""
        with self._lock:
            self._lent.pop(file_id, None)

    def _copy(self, file_id: FileId, size_bytes: int) -> Path | None:
        """Returns where a neighbour has a whole copy, with its sums. None: nowhere."""
        for root in self._kept_roots():
            path = root / name_of(file_id)
            with contextlib.suppress(OSError):
                found = path.stat(follow_symlinks=False)
                if (stat.S_ISREG(found.st_mode) and found.st_size == size_bytes
                        and path.with_suffix(".map").stat(follow_symlinks=False).st_size):
                    return path
        return None

    def _kept_roots(self) -> tuple[Path, ...]:
        now_s = self._clock.now_s()
        with self._lock:
            if now_s < self._until_s:
                return self._roots
        roots = tuple(self._look())
        with self._lock:
            self._roots, self._until_s = roots, now_s + LOOK_S
        return roots

    def _look(self) -> list[Path]:
        if self._state_dir is None or (ours := _line_of(self._state_dir)) is None:
            return []
        found = list[Path]()
        with contextlib.suppress(OSError), os.scandir(self._state_dir.parent) as entries:
            for _, entry in zip(range(_MOST_ENTRIES), entries, strict=False):
                path = Path(entry.path)
                if entry.name != self._state_dir.name and _is_private(path) and _line_of(path) == ours:
                    found.append(path / "kept")
        return [root for root in sorted(found)[:MOST] if _is_private(root)]


ALONE: Final = Neighbours(None, Clock())


def declare(state_dir: Path, line: str) -> None:
    """Writes down whose files the state has, for its neighbours. Without room it doesn't matter: they lend and borrow
    nothing.
    """
    data = line.encode()
    if _line_of(state_dir) == data:
        return
    made = state_dir / f"{NAME}.new"
    with contextlib.suppress(OSError):
        made.unlink(missing_ok=True)
        descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            whole = os.write(descriptor, data) == len(data)
        finally:
            os.close(descriptor)
        if whole:
            made.replace(state_dir / NAME)


def workspace_of(state_dir: Path) -> str | None:
    """Returns the id of the workspace that a state has files of. None: the service names none, or nobody knows."""
    with contextlib.suppress(ValueError, AttributeError, RecursionError):
        found = json.loads(_line_of(state_dir) or b"{}").get("workspace_id")
        return found if isinstance(found, str) else None
    return None


def _line_of(state_dir: Path) -> bytes | None:
    """Returns a state's line; None: it has none, or one that isn't plainly this user's."""
    try:
        descriptor = os.open(state_dir / NAME, _FLAGS)
    except OSError:
        return None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            return None
        return os.read(descriptor, _MOST_BYTES) or None
    except OSError:
        return None
    finally:
        os.close(descriptor)


def _is_private(path: Path) -> bool:
    """Whether it is a directory of this user, which nobody else may change."""
    try:
        found = path.stat(follow_symlinks=False)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022
