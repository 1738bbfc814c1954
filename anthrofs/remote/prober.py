"""Finds out whether the way to the service is open again: a listing of one file, when way.py says that it is time.

Owns    one thread.
Never   asks while the way is open, or while nobody was turned away since it asked last.
"""

import logging
import threading

from anthrofs.clock import Clock
from anthrofs.errors import RemoteError, Stopping
from anthrofs.remote.api import RemoteFiles
from anthrofs.remote.way import Way

log = logging.getLogger(__name__)


class Prober:
    """mount.py starts and stops it."""

    def __init__(self, way: Way, remote: RemoteFiles, clock: Clock) -> None:
        self._way = way             # given
        self._remote = remote       # given: its requests pass a closed gate
        self._clock = clock         # given
        self._thread = threading.Thread(target=self._run, name="prober", daemon=True)

    def start(self) -> None:
        """From now on doubts are cleared up."""
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Ends the thread. False: it hangs in a request and was left to the process's end."""
        self._way.stop()
        return self._clock.join([self._thread], timeout_s)

    def _run(self) -> None:
        while self._way.await_probe():
            try:
                self._remote.list(1)
            except RemoteError as exc:
                log.debug("the probe was answered: %s", exc)
            except Stopping:
                return
            except Exception:
                log.exception("bug in the prober")
