"""The service manager's watchdog hears from the mount, as long as a program gets an answer from it.

Owns    one thread, and a small child that looks at the mount: one at a time.
Trusts  the manager for the bound: while the child hangs nothing is told, and so the mount is ended and started again.
Never   looks by a thread of its own. The kernel lets nobody end a thread that waits for the mount's answer, and while
        it waits, /dev/fuse stays open and no answer ever comes: not even SIGKILL would end such a mount.
        Blames the mount for what hangs before it: the child first looks at the directory above.
"""

import contextlib
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Final

from anthrofs.clock import Clock
from anthrofs.daemon.notify import Notify

log = logging.getLogger(__name__)

LOOKS: Final = 4            # in the manager's time
GONE_S: Final = 1.0         # for a child that was killed
# The kernel keeps no answer to statfs: the mount is asked, and looks into its index. By a name that isn't there, or by
# whatever else goes wrong, the child ends all the same.
LOOK: Final = "import os, sys; os.stat(sys.argv[1]); os.write(1, b'.'); os.statvfs(sys.argv[2])"


class Watchdog:
    """mount.py starts and stops it, if a manager asks for it."""

    def __init__(self, path: Path, every_s: float, notify: Notify, clock: Clock) -> None:
        """`every_s`: the manager's time."""
        self._path = path                       # given
        self._pause_s = every_s / LOOKS         # constant
        self._notify = notify                   # given
        self._clock = clock                     # given
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
        self._child: subprocess.Popen[bytes] | None = None      # the thread's own; `stop` kills it
        self._above = False                                     # the same: it has come as far as the mount

    def start(self) -> None:
        """From now on the manager hears from us."""
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Ends the thread. False: its child hangs, and was left to the mount's end."""
        self._stopping.set()
        return self._clock.join([self._thread], timeout_s)

    def _run(self) -> None:
        self._notify.alive()
        while not self._clock.sleep(self._stopping, self._pause_s):
            if self._answers():
                self._notify.alive()
        if self._child is not None:
            self._child.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.communicate(timeout=GONE_S)

    def _answers(self) -> bool:
        """The child that was sent before has come back, or hangs before it has come to the mount; another one goes."""
        if self._child is not None and self._child.poll() is None:
            assert self._child.stdout is not None
            self._above = self._above or bool(self._child.stdout.read(1))       # doesn't wait
            return not self._above
        if self._child is not None:
            self._child.communicate()
        self._child, self._above = None, False
        try:
            # Of our environment, which may hold a key, it needs nothing. -I and -S: it loads nothing but the language.
            self._child = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", LOOK, self._path.parent, self._path], stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd="/", env={}, bufsize=0)
            os.set_blocking(self._child.stdout.fileno(), False)     # type: ignore[union-attr]  # it is a pipe
        except OSError as exc:          # no process or no memory is left, or Python is just being upgraded
            log.warning("whether the mount answers can't be looked at: %s", exc.strerror)
        return True
