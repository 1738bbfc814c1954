"""The board's promises: what mounts of one workspace write for each other. valkey_board.py keeps them with Valkey or
Redis.

Trusts  nothing that it reads: what matters is sealed by the fleet's key, by those who call this.
Never   matters for correctness: all of it can be lost, or away, at any moment. Compares no time of two machines: a
        Moment is the board's own clock, and an age is the difference of two of those.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NewType, Protocol

from anthrofs.remote.budget import WINDOW_S

Moment = NewType("Moment", int)         # microseconds of the board's clock

SECONDS: Final = round(WINDOW_S)        # that `minutes` tells of
HERE_S: Final = 30.0                    # a mount that attends is here for so long
INTENT_S: Final = 3600.0                # an intent stands for so long
NEWS_S: Final = 3600.0                  # the stream has so much,
NEWS_AT_ONCE: Final = 500               # of which an exchange brings no more: an hour's would outlast its bound
YOUNG_S: Final = 12.0                   # a board that has lost its counts: until all mounts have told theirs again,
BURST: Final = 100                      # no more than so many requests are let go
LOOK_S: Final = 2.0                     # who waits asks again at least that often,
GRACE_S: Final = 1.0                    # and is out of the queue when it hasn't so much later
TENTH: Final = 10                       # one of so many is left to mounts that have had less than their share


@dataclass(frozen=True, slots=True)
class Note:
    """Something that was written on the board, and how old it is."""

    body: bytes
    age_s: float


@dataclass(frozen=True, slots=True)
class Announcement:
    """One of the stream of announcements."""

    number: str                         # of the stream: announcements after it are newer
    body: bytes


@dataclass(frozen=True, slots=True)
class Spent:
    """A request of this mount that the board may not know of."""

    number: int                         # of this mount's requests
    age_s: float


@dataclass(frozen=True, slots=True)
class Ask:
    """A request that wants to begin. A mount asks for the one that is next in its own order."""

    number: int                         # of this mount's requests; the same one is asked for until it may begin
    most: int                           # of the organization's requests in any WINDOW_S
    keep: int                           # of those, left to more urgent requests
    own: int                            # this mount's requests in the window
    spent: Sequence[Spent] = ()         # what the board may not know of, to be counted before


@dataclass(frozen=True, slots=True)
class Turn:
    """An answer to that."""

    wait_s: float                       # before it is asked again; 0: it may begin, and is counted
    left: int                           # requests that the window has room for
    mounts: int                         # of the organization, at least this one
    epoch: str                          # another one: the board has lost its counts since


class Board(Protocol):
    """One workspace's part of a board. Every call is one exchange, within a bound (0.5 s), and raises BoardAway, also
    while the board rests after a failure and before the workspace is known. Names are of letters, digits and :/-.
    """

    def now(self) -> Moment:
        """The board's clock."""
        ...

    # ---- the organization's budget of requests

    def take(self, ask: Ask) -> Turn:
        """Counts one request of the organization's minute, or says how long to wait. A mount that waits has a place in
        a queue: those that have had less than their share (most / mounts) before the others, each of them by arrival.
        So all that wait have the same in the end, and none less than its share.
        """
        ...

    def tell(self, spent: Sequence[Spent]) -> tuple[str, int]:
        """Counts requests that went in any case. Returns the epoch, and how many mounts the organization has."""
        ...

    def block(self, seconds: float) -> None:
        """The service has said 429: nobody asks for so long."""
        ...

    def minutes(self) -> list[int]:
        """Requests of the organization in each of the last SECONDS seconds, oldest first."""
        ...

    # ---- pages of the listing

    def page(self, name: str) -> Note | None:
        """A page that a mount has asked for; its age is since that was asked."""
        ...

    def put_page(self, name: str, body: bytes, asked: Moment, ttl_s: float) -> None:
        """Puts it, unless one is there that was asked for later."""
        ...

    # ---- leases: who has one does the work for all; they protect nothing, two holders cost a request

    def lease(self, name: str, ttl_s: float) -> bool:
        """Whether this mount holds it now: it was free, or held by this mount already."""
        ...

    def release(self, name: str) -> None:
        """Ends a lease of this mount; another's stays."""
        ...

    # ---- announcements, one stream

    def announce(self, body: bytes) -> None:
        """Appends it; the stream keeps an hour's."""
        ...

    def announced(self, after: str | None, wait_s: float) -> list[Announcement]:
        """The announcements after that number, None: from the stream's first on; the next NEWS_AT_ONCE of them at most.
        Waits for the first one at most so long. Over a connection of its own: one thread only.
        """
        ...

    # ---- intents: uploads under way, and what has become of them; an hour at most

    def intend(self, about: str, name: str, body: bytes) -> None:
        """Puts an intent of this mount, over its one of that name. `about`: what all those have in common that are read
        together.
        """
        ...

    def settle(self, about: str, name: str) -> None:
        """Removes it."""
        ...

    def intents(self, about: str) -> dict[str, Note]:
        """All mounts' intents about that, by member:name."""
        ...

    # ---- the roll of mounts

    def attend(self, body: bytes) -> int:
        """This mount is here, for HERE_S; the body tells of it. Returns how many of the workspace's mounts are."""
        ...

    def roll(self) -> dict[str, Note]:
        """The mounts that are here, by member."""
        ...

    def leave(self) -> None:
        """This mount ends."""
        ...
