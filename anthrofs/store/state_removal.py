"""The removal of a state that nobody needs any more.

Owns    nothing.
Trusts  its caller to have asked the user.
Never   removes a state that is in use or another user's, or a file that isn't anthrofs's: that is named, and stays.
        Never follows a link in it. One that was cut is done again: what says that it is a state goes last.
"""

import contextlib
import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from anthrofs.errors import EXIT_BUSY, EXIT_FAILED, SetupError
from anthrofs.store.state_dir import DIRECTORIES, FILES

_OTHERS: Final = r"state\.db\.sum|requests|mounts|control\.sock|anthrofs\.log(\.\d)?|emulator"
_OURS: Final = re.compile("|".join([FILES.pattern, *DIRECTORIES, _OTHERS]), re.ASCII)

_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@contextlib.contextmanager
def held(state_dir: Path) -> Iterator[None]:
    """No mount can begin on it until the block ends. Raises SetupError: it is in use, or another user's; OSError."""
    if state_dir.stat().st_uid != os.geteuid():
        raise SetupError(f"The state directory {state_dir} belongs to another user, and stays.", EXIT_FAILED)
    descriptor = os.open(state_dir / "lock", _FLAGS, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise SetupError(f"The state {state_dir} is in use: unmount it first.", EXIT_BUSY) from exc
        yield
    finally:
        os.close(descriptor)


def remove(state_dir: Path) -> list[str]:
    """Removes a held state. Returns the names in it that aren't anthrofs's, which stay. Raises OSError: the rest is
    there, and can be removed again.
    """
    with os.scandir(state_dir) as found:
        entries = sorted(found, key=lambda entry: entry.name == "state.db")
    strange = [entry.name for entry in entries if not _OURS.fullmatch(entry.name)]
    for entry in entries:
        if entry.name in ("lock", *strange):
            continue
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            Path(entry.path).unlink()
    (state_dir / "lock").unlink()
    if not strange:
        Path(os.path.realpath(state_dir)).rmdir()
        if state_dir.is_symlink():      # a person has moved it to another disk
            state_dir.unlink()
    return strange
