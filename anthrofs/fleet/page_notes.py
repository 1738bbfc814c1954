"""Pages of the listing as mounts of one workspace write them on the board for each other.

Trusts  a page that a member has sealed, of this workspace and this place in its listing; that it is as old as board
        and service agree that it is: the seal has the moment by both clocks.
Never   compares the clocks of two machines: ages are differences of one clock, the board's or the service's.
"""

import logging
import threading
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import msgspec

from anthrofs.clock import Clock
from anthrofs.errors import Forged
from anthrofs.fleet.board import Board, Moment
from anthrofs.fleet.counts import Counts
from anthrofs.fleet.keys import FleetKeys, Part
from anthrofs.fleet.membership import Membership
from anthrofs.model import Cursor, Page, RemoteFile, ServerClock

log = logging.getLogger(__name__)

PURPOSE: Final = "page"         # of the seal
KEPT_S: Final = 150.0           # on the board
LARGEST_BYTES: Final = 2**24    # of a page; one of 1,000 files has 300 KB
APART_S: Final = 2.0            # so far two ages of one page may be apart, over what is known of the service's clock
AGAIN_S: Final = 600.0          # between two lines on what is forged


class _Sheet(msgspec.Struct):
    """A page as it is sealed."""

    files: tuple[RemoteFile, ...]
    following: Cursor | None
    skipped: int
    asked: int                      # by the board's clock, µs: not later than it was
    took_s: float                   # until it was answered
    asked_ns: tuple[int, int] | None    # by the service's clock: not before, and not after; None: no answer has told


_SHEETS: Final = msgspec.msgpack.Decoder(_Sheet)


class PageNotes:
    """One mount's."""

    def __init__(self, board: Board, keys: FleetKeys, membership: Membership, counts: Counts, clock: Clock,
                 service_clock: Callable[[], ServerClock | None]) -> None:
        self._board = board                     # given
        self._keys = keys                       # given
        self._membership = membership           # given
        self._counts = counts                   # given
        self._clock = clock                     # given
        self._service_clock = service_clock     # given

        self._lock = threading.Lock()           # guards the following; a leaf
        self._said_s = float("-inf")            # when it was said last that something is forged

    def name(self, limit: int, cursor: Cursor | None) -> str:
        """Returns a page's name on the board, which tells nobody an id."""
        return f"{limit}:first" if cursor is None else f"{limit}:{self._keys.name(*self._about(limit, cursor))}"

    def find(self, limit: int, cursor: Cursor | None, most_s: float = KEPT_S) -> Page | None:
        """Returns the page that is there, if it is not older than `most_s`; None: there is none, or none that is to be
        believed. Raises BoardAway.
        """
        note = self._board.page(self.name(limit, cursor))
        if note is None or note.age_s > most_s:     # so far anybody may have said how old it is
            return None
        read_s, now = self._clock.now_s(), self._board.now()
        try:
            sheet = self._opened(limit, cursor, note.body)
        except Forged as exc:
            self._forged(exc)
            return None
        age_s = (now - sheet.asked) / 1e6
        if not (0 <= age_s <= most_s and sheet.took_s >= 0 and self._agrees(age_s, sheet)):
            return None
        asked_s = read_s - age_s        # not later than it was: the board's clock was read after ours
        return replace(Page(sheet.files, sheet.following, sheet.skipped).between(asked_s, asked_s + sheet.took_s),
                       others=True)

    def put(self, limit: int, cursor: Cursor | None, page: Page) -> None:
        """The service has answered with this page. Raises BoardAway."""
        if page.asked_s is None or page.answered_s is None:
            return
        now, known = self._board.now(), self._service_clock()
        ago_s = self._clock.now_s() - page.asked_s
        asked, asked_ns = Moment(now - round(ago_s * 1e6)), self._clock.time_ns() - round(ago_s * 1e9)
        sheet = _Sheet(page.files, page.following, page.skipped, asked, page.answered_s - page.asked_s,
                       None if known is None else (asked_ns + known.earliest_ns, asked_ns + known.latest_ns))
        body = self._keys.seal(PURPOSE, self._about(limit, cursor), zlib.compress(msgspec.msgpack.encode(sheet), 1))
        self._board.put_page(self.name(limit, cursor), body, asked, KEPT_S)

    def _opened(self, limit: int, cursor: Cursor | None, body: bytes) -> _Sheet:
        """Raises Forged."""
        plain = self._keys.open(PURPOSE, self._about(limit, cursor), body)
        try:
            return _SHEETS.decode(zlib.decompressobj().decompress(plain, LARGEST_BYTES))
        except (zlib.error, msgspec.MsgspecError, ValueError) as exc:
            raise Forged("a page isn't as this version writes it") from exc

    def _agrees(self, age_s: float, sheet: _Sheet) -> bool:
        """Whether the page is as old by the service's clock as by the board's. Else a machine's clock has jumped, or
        the board's has.
        """
        known = self._service_clock()
        if known is None or sheet.asked_ns is None:
            return True
        now_ns, (earliest_ns, latest_ns) = self._clock.time_ns(), sheet.asked_ns
        least_s = (now_ns + known.earliest_ns - latest_ns) / 1e9
        most_s = (now_ns + known.latest_ns - earliest_ns) / 1e9
        return least_s - APART_S <= age_s <= most_s + APART_S

    def _about(self, limit: int, cursor: Cursor | None) -> tuple[Part, ...]:
        scope = self._membership.scope
        place = ("",) if cursor is None else (cursor.parameter, cursor.value)
        return PURPOSE, "" if scope is None else scope.text, limit, *place

    def _forged(self, exc: Forged) -> None:
        self._counts.add("forged")
        now_s = self._clock.now_s()
        with self._lock:
            if now_s < self._said_s + AGAIN_S:
                return
            self._said_s = now_s
        log.warning("a page of the listing on the board is of no member of this fleet, or not of that place (%s): it "
                    "isn't used, and the service is asked", exc)
