"""The states that this user's mounts have made on this machine: those below one directory, and those elsewhere
(--state-dir), to which a mount leaves a link there.

Owns    <states>/.elsewhere/: links, each with a name made of what it leads to.
Trusts  nothing: what isn't a state, or has gone, isn't told.
Never   opens a state, or takes its lock.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

ELSEWHERE: Final = ".elsewhere"
LOCK_BYTES: Final = 4096        # of what a lock file says


def note(root: Path | None, state_dir: Path) -> None:
    """A mount is about to use that state. A disk that takes no link doesn't matter: then it isn't found by itself."""
    if root is None or state_dir.parent == root:
        return
    import hashlib  # noqa: PLC0415 - for a mount only

    link = root / ELSEWHERE / hashlib.sha256(os.fsencode(state_dir)).hexdigest()[:16]
    with contextlib.suppress(OSError):
        link.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        link.symlink_to(state_dir)


def known_states(root: Path | None) -> Iterator[Path]:
    """The directory of each, in the order of their names. Links to what has gone are removed."""
    if root is None:
        return
    for path in _entries(root):
        if path.name != ELSEWHERE and _is_state(path):
            yield path
    for link in _entries(root / ELSEWHERE):
        with contextlib.suppress(OSError):
            path = link.readlink()
            if _is_state(path):
                yield path
            elif not os.path.lexists(path):
                link.unlink()


def last_place(state_dir: Path) -> Path | None:
    """Where the last mount of a state was, as its lock file says."""
    try:
        return Path(_signed(state_dir)["mountpoint"])
    except (TypeError, KeyError):
        return None


def last_process(state_dir: Path) -> int | None:
    """The number of that mount's process."""
    try:
        return int(_signed(state_dir)["pid"])
    except (TypeError, KeyError, ValueError):
        return None


def _signed(state_dir: Path) -> Any:
    try:
        # A pipe in its place isn't waited for.
        descriptor = os.open(state_dir / "lock", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            return json.loads(file.read(LOCK_BYTES))
    except (OSError, ValueError, RecursionError):
        return None


def _entries(directory: Path) -> list[Path]:
    try:
        return sorted(directory.iterdir())
    except OSError:
        return []


def _is_state(path: Path) -> bool:
    try:
        return (path / "lock").is_file() or (path / "state.db").is_file()
    except OSError:             # another user's
        return False
