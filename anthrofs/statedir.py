"""One state directory: made private, and used by one mount at a time.

Owns    <state>/lock: locked while a mount runs; it says whose.
Serves  daemon, and check, which must not look while rows change.
Trusts  the kernel's lock, which ends with its process, over what the file says.
"""

import fcntl
import json
import os
from pathlib import Path

from anthrofs.errors import EXIT_BUSY, EXIT_FAILED, SetupError


class StateDir:
    """The lock on a directory, held until close or the process's end."""

    def __init__(self, path: Path, mountpoint: str) -> None:
        """Raises SetupError: it is in use (by which process, for which mount point), or can't be used."""
        self.path = path                # constant
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.chmod(0o700)           # unsent files are in here
            self._descriptor = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            raise SetupError(f"The state directory {path} can't be used: {exc.strerror}. Choose another with --state-dir.",
                             EXIT_FAILED) from exc
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            holder = _holder(self._descriptor)
            os.close(self._descriptor)
            raise SetupError(f"The state directory {path} is in use {holder}. Unmount that one first, or give this mount a state "
                             "of its own with --profile NAME.", EXIT_BUSY) from exc
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, json.dumps({"pid": os.getpid(), "mountpoint": mountpoint}).encode(), 0)

    def close(self) -> None:
        """Another mount may use it now."""
        os.close(self._descriptor)


def _holder(descriptor: int) -> str:
    try:
        said = json.loads(os.pread(descriptor, 4096, 0))
        return f"by process {int(said['pid'])}, mounted on {said['mountpoint']}"
    except (ValueError, KeyError, TypeError, OSError):
        return "by another process"
