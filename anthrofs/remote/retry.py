"""Asking again, for the four calls that may be asked twice.

Never   retries what the service refused, or a connection that could not be made: that is said at once.
"""

import random
import threading
from collections.abc import Callable
from typing import Final, TypeVar

from anthrofs.clock import Clock
from anthrofs.errors import Closed, Offline, RateLimited, RemoteError, Stopping
from anthrofs.model import Cursor, FileId, Page, RemoteFile, ServerClock, Workspace
from anthrofs.remote.api import Body, Download, RemoteFiles

TRIES: Final = 4                # a 429 isn't counted: it is waited for
FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 20.0    # of our own back-off, and of what a server may ask before we call it unavailable

T = TypeVar("T")


def backoff_s(tries: int, chance: random.Random) -> float:
    """Exponential, with jitter so that many clients don't come back together."""
    return float(min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(tries, 10)) * (0.75 + chance.random() / 2))


class Retrying:
    """A RemoteFiles that asks again after what may pass."""

    def __init__(self, inner: RemoteFiles, clock: Clock, stopping: threading.Event, chance: random.Random) -> None:
        self._inner = inner             # given
        self._clock = clock             # given
        self._stopping = stopping       # given: set once, when the mount ends
        self._chance = chance           # given

    def list(self, limit: int, cursor: Cursor | None = None) -> Page:
        """See RemoteFiles."""
        return self._again(lambda: self._inner.list(limit, cursor))

    def stat(self, file_id: FileId) -> RemoteFile:
        """See RemoteFiles."""
        return self._again(lambda: self._inner.stat(file_id))

    def download(self, file_id: FileId, first: int = 0, last: int | None = None) -> Download:
        """See RemoteFiles. Only opening is asked again; the reader resumes what broke later."""
        return self._again(lambda: self._inner.download(file_id, first, last))

    def upload(self, name: str, mime_type: str, body: Body, expires_s: int | None = None) -> RemoteFile:
        """See RemoteFiles. Never asked twice here."""
        return self._inner.upload(name, mime_type, body, expires_s)

    def delete(self, file_id: FileId) -> None:
        """See RemoteFiles."""
        self._again(lambda: self._inner.delete(file_id))

    def clock(self) -> ServerClock | None:
        """See RemoteFiles."""
        return self._inner.clock()

    def workspace(self) -> Workspace:
        """See RemoteFiles."""
        return self._inner.workspace()

    def _again(self, call: Callable[[], T]) -> T:
        tries = 0
        answered: RemoteError | None = None
        while True:
            try:
                return call()
            except RateLimited:
                wait_s = 0.0            # the pacer has been told and makes everybody wait
            except Closed as exc:       # not asked again, so what it was told the last time stands
                raise (answered or exc) from None
            except RemoteError as exc:
                answered = exc
                tries += 1
                wait_s = exc.retry_after_s if exc.retry_after_s is not None else backoff_s(tries, self._chance)
                if not exc.transient or isinstance(exc, Offline) or tries >= TRIES or wait_s > LONGEST_WAIT_S:
                    raise
            if self._clock.sleep(self._stopping, wait_s):
                raise Stopping("the mount is ending")
