"""Commands that clear dead mounts, one at a time.

Owns    a lock on the directory that the mount point is in.
Never   fails for that lock: it only keeps two apart that come in the same moment.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PAUSE_S: Final = 0.05


@contextlib.contextmanager
def alone(directory: Path, wait_s: float) -> Iterator[None]:
    """Only one of our commands clears mounts in a directory at a time. A lock that can't be had isn't waited for
    for long: it only keeps two that come in the same moment apart.
    """
    import fcntl  # noqa: PLC0415 - only what clears a mount needs it

    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:         # it can be passed through, and not be read
        yield
        return
    try:
        until_s = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() < until_s:
                    time.sleep(PAUSE_S)
                    continue
            except OSError:     # a file system without locks
                pass
            break
        yield
    finally:
        os.close(descriptor)
