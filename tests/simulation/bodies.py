"""The bodies of requests and answers on their way, piece by piece.

Never   knows what they mean.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

import httpx

PIECES: Final = 5           # of a download, at most, where nothing is said
PIECE_S: Final = 2.0        # a slow body comes in pieces this far apart
ROUNDED_S: Final = 1e-6     # less is no time: clocks count in steps
LOOK_S: Final = 0.25        # then, and the more seldom the longer it waits, a reader sees whether somebody has ended its wait


class Line:
    """What of a request's body the other side has; see api.Carrier."""

    def __init__(self) -> None:
        self.given = 0      # bytes that were handed over,
        self.left = 0       # and of them what it doesn't have yet

    def handed(self) -> int:
        """See api.Carrier."""
        return self.given

    def unacknowledged(self) -> int | None:
        """See api.Carrier."""
        return self.left

    def shut_down(self) -> None:
        """See api.Carrier. Nobody reads from it before the answer, which has its own."""


@dataclass(slots=True)
class Flow:
    """How an answer's body comes."""

    body: bytes
    limit_s: float | None           # of the reader's patience for each piece
    cut_after: int | None = None    # bytes; None: it comes to its end
    stall_after: int | None = None  # bytes; None: it doesn't
    stall_s: float = 0.0
    bytes_per_s: float = 0.0        # 0: at once


class Way(Protocol):
    """The connection's side of the wire."""

    chance: random.Random
    now_s: Callable[[], float]

    def hop(self, seconds: float = 0.0) -> None: ...


class Stream(httpx.SyncByteStream):
    """An answer's body, and the connection that it comes over."""

    def __init__(self, way: Way, flow: Flow, *, in_pieces: bool) -> None:
        self._way = way                 # given
        self._flow = flow               # given
        self._in_pieces = in_pieces     # else it comes at once, as small ones do
        self._ended = False             # by the reader's side

    def __iter__(self) -> Iterator[bytes]:
        """The pieces; ends as httpx's own does."""
        flow, place = self._flow, 0
        end = len(flow.body) if flow.cut_after is None else min(flow.cut_after, len(flow.body))
        for stop in self._stops(end):
            if flow.stall_after is not None and place >= flow.stall_after:
                flow.stall_after = None
                self._wait(flow.stall_s)
            self._wait((stop - place) / flow.bytes_per_s if flow.bytes_per_s else 0.0)
            yield flow.body[place:stop]
            place = stop
        if flow.stall_after is not None and flow.stall_after >= end:
            self._wait(flow.stall_s)
        if flow.cut_after is not None:
            self._wait(0.0)
            raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")

    def handed(self) -> int:
        """See api.Carrier."""
        return 0

    def unacknowledged(self) -> int | None:
        """See api.Carrier. The request is long there."""
        return 0

    def shut_down(self) -> None:
        """See api.Carrier."""
        self._ended = True

    def _stops(self, end: int) -> Iterator[int]:
        """Where the pieces end."""
        flow, marks = self._flow, {end}
        if flow.bytes_per_s:
            marks.update(range(0, end, max(1, round(flow.bytes_per_s * PIECE_S))))
        elif self._in_pieces and end > 1:
            marks.update(self._way.chance.randrange(1, end) for _ in range(self._way.chance.randrange(PIECES)))
        if flow.stall_after is not None and flow.stall_after < end:
            marks.add(flow.stall_after)
        return iter(sorted(marks - {0}))

    def _wait(self, seconds: float) -> None:
        """Raises httpx's exceptions."""
        limit_s = self._flow.limit_s
        over = limit_s is not None and seconds > limit_s
        if limit_s is not None:
            seconds = min(seconds, limit_s)
        if not seconds:
            if self._in_pieces:
                self._way.hop()
        else:
            until_s, look_s = self._way.now_s() + seconds, LOOK_S
            while not self._ended and (left_s := until_s - self._way.now_s()) > ROUNDED_S:
                self._way.hop(min(left_s, look_s))
                look_s *= 1.25
        if self._ended:
            raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")
        if over:
            raise httpx.ReadTimeout("timed out")
