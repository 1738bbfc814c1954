"""Leases to download a file from the service: of all mounts of a fleet one has it; the others wait, and find the file
in the store.

Owns    nothing: the board has the leases, each for a bounded time.
Never   matters for correctness: two who have the lease cost a request. Never makes anybody wait for a mount that has
        died, or for longer than PATIENCE_S.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Final, Self

from anthrofs.clock import Clock
from anthrofs.errors import FleetAway, Stopping
from anthrofs.fleet.board import Board
from anthrofs.fleet.keys import FleetKeys
from anthrofs.model import FileId
from anthrofs.remote.api import Download, Piece

LEASE_S: Final = 20.0           # of one who downloads, renewed while bytes move
RENEW_S: Final = 5.0
PATIENCE_S: Final = 20.0        # of one who waits
FIRST_LOOK_S: Final = 0.05      # until the board is asked again; doubled each time
LAST_LOOK_S: Final = 0.4


class DownloadLeases:
    """One mount's. In a fleet without a board it has none, and waits for nobody."""

    def __init__(self, board: Board | None, keys: FleetKeys, clock: Clock) -> None:
        self._board = board             # given
        self._keys = keys               # given
        self._clock = clock             # given
        self._stopping = threading.Event()

    def take(self, file_id: FileId) -> bool:
        """Waits for the lease. False: another has it for too long, or there is no board to ask. Raises Stopping."""
        until_s, look_s = self._clock.now_s() + PATIENCE_S, FIRST_LOOK_S
        while (held := self._hold(file_id)) is False:
            if self._clock.now_s() >= until_s:
                return False
            if self._clock.sleep(self._stopping, look_s):
                raise Stopping("the mount is ending")
            look_s = min(LAST_LOOK_S, 2 * look_s)
        return held is True

    def end(self, file_id: FileId) -> None:
        """Ends the lease, if this mount has it: the file is in the store, or won't come."""
        with contextlib.suppress(FleetAway):
            if self._board is not None:
                self._board.release(self._name(file_id))

    def stop(self) -> None:
        """Whoever waits gets Stopping."""
        self._stopping.set()

    def taken(self, file_id: FileId, body: Download) -> "LeasedDownload":
        """A body that is brought while this mount has the lease: it holds on to it, as long as bytes move. After its
        clean end the lease goes on, until it is ended, or for LEASE_S.
        """
        return LeasedDownload(body, self._clock, lambda: self._hold(file_id), lambda: self.end(file_id))

    def _hold(self, file_id: FileId) -> bool | None:
        """Whether this mount has the lease now; None: nobody can say."""
        if self._board is None:
            return None
        try:
            return self._board.lease(self._name(file_id), LEASE_S)
        except FleetAway:
            return None

    def _name(self, file_id: FileId) -> str:
        return f"get:{self._keys.name('get', file_id)}"


class LeasedDownload:
    """A body, and the lease that it is brought in; see Download."""

    def __init__(self, body: Download, clock: Clock, hold: Callable[[], object], end: Callable[[], None]) -> None:
        self._body = body               # given
        self._clock = clock             # given
        self._hold = hold               # given
        self._end = end                 # given
        self.offset, self.ranged, self.total = body.offset, body.ranged, body.total             # constant
        self.mime_type, self.encoding, self.signed = body.mime_type, body.encoding, body.signed     # constant
        self._held_s = clock.now_s()    # of the thread that iterates, as the following
        self._whole = False

    def __enter__(self) -> Self:
        self._body.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._body.__exit__(kind, exc, trace)
        if self._whole:
            self._hold()
        else:
            self._end()

    def take_as_it_is(self) -> None:
        """See Download."""
        self._body.take_as_it_is()

    def abort(self) -> None:
        """See Download."""
        self._body.abort()

    def park(self) -> None:
        """See Download. The lease isn't held on to meanwhile."""
        self._body.park()

    def resume(self) -> None:
        """See Download."""
        self._body.resume()

    def __iter__(self) -> Iterator[Piece]:
        """See Download."""
        for piece in self._body:
            now_s = self._clock.now_s()
            if now_s - self._held_s >= RENEW_S:
                self._held_s = now_s
                self._hold()
            yield piece
        self._whole = True
