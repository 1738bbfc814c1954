"""Announcements: what a mount has done, for the others of its fleet to know at once, and not only by the next listing.

    stored      the service has an upload of this mount, as that file
    deleted     it has it no more
    shared      the fleet's store has a file's content
    lacks       it was thought to have it, and hasn't, or not as it should be
    sweep       this mount has begun to read the whole listing, and the others can have its pages
    ends        this mount ends (said for its own thread's sake, which waits for the next announcement)

Owns    two threads: one says, one hears. What is to be said while the board is away isn't said.
Trusts  what members have sealed. One that is heard again, or late, must do no harm: listeners see to that.
Never   keeps those waiting who have something to say.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Literal

import msgspec

from anthrofs.clock import Clock
from anthrofs.errors import BoardAway, Forged, FsError
from anthrofs.fleet.board import Board
from anthrofs.fleet.counts import Counts
from anthrofs.fleet.keys import FleetKeys
from anthrofs.fleet.membership import Membership
from anthrofs.model import FileId, RemoteFile

log = logging.getLogger(__name__)

Kind = Literal["stored", "deleted", "shared", "lacks", "sweep", "ends"]

PURPOSE: Final = "news"         # of the seal
WAIT_S: Final = 3.0             # the longest that one exchange waits for the next announcement
AWAY_S: Final = 1.0             # until the board is asked again; it rests by itself for longer
UNSAID: Final = 10_000          # announcements that may wait to be said


class Announced(msgspec.Struct, frozen=True):
    """One announcement, as it is sealed."""

    kind: str                       # a Kind, or one of a later version, which nobody here listens to
    member: str                     # of the mount that says so
    file_id: FileId | None = None
    file: RemoteFile | None = None  # of what was stored


_ANNOUNCED: Final = msgspec.msgpack.Decoder(Announced)
Listener = Callable[[Sequence[Announced]], None]


class Announcer:
    """One mount's."""

    def __init__(self, board: Board, keys: FleetKeys, membership: Membership, counts: Counts, clock: Clock) -> None:
        self._board = board                     # given
        self._keys = keys                       # given
        self._membership = membership           # given
        self._counts = counts                   # given
        self._clock = clock                     # given
        self._listeners: list[Listener] = []    # constant once the threads have begun
        self._threads = [threading.Thread(target=run, name=name, daemon=True)
                         for run, name in ((self._say_all, "announcer"), (self._hear_all, "announcements"))]

        self._changed = threading.Condition()   # guards everything below; a leaf
        self._unsaid = deque[Announced](maxlen=UNSAID)
        self._stopping = False

    def listen(self, told: Listener) -> None:
        """`told` is called with what other mounts announce, in their order, by a thread that has time."""
        self._listeners.append(told)

    def stored(self, file: RemoteFile) -> None:
        """The service has an upload of this mount."""
        self._say("stored", file.file_id, file)

    def deleted(self, file_id: FileId) -> None:
        """The service has it no more."""
        self._say("deleted", file_id)

    def shared(self, file_id: FileId) -> None:
        """The store has the content."""
        self._say("shared", file_id)

    def lacks(self, file_id: FileId) -> None:
        """The store hasn't got it, whatever was said."""
        self._say("lacks", file_id)

    def sweep(self) -> None:
        """This mount has begun a sweep."""
        self._say("sweep")

    def _say(self, kind: Kind, file_id: FileId | None = None, file: RemoteFile | None = None) -> None:
        with self._changed:
            self._unsaid.append(Announced(kind, self._membership.member, file_id, file))
            self._changed.notify_all()

    # ---- life

    def start(self) -> None:
        """Says and hears from now on."""
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """The workspace is known."""
        with self._changed:
            self._changed.notify_all()

    def stop(self, timeout_s: float) -> bool:
        """Ends the threads; what is unsaid is said before. False: one hangs in an exchange with the board."""
        self._say("ends")
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        return self._clock.join(self._threads, timeout_s)

    # ---- the thread that says

    def _say_all(self) -> None:
        while (said := self._next()) is not None:
            scope = self._membership.scope
            if scope is None:
                continue            # an upload before the workspace is known: there is none
            try:
                self._board.announce(self._keys.seal(PURPOSE, (scope.text,), msgspec.msgpack.encode(said)))
            except BoardAway:
                continue            # the listing will show it
            except Exception:
                log.exception("bug in the announcer")

    def _next(self) -> Announced | None:
        """Waits for something to say. None: the mount ends, and all is said."""
        with self._changed:
            while not self._unsaid and not self._stopping:
                self._clock.wait(self._changed, None)
            return self._unsaid.popleft() if self._unsaid else None

    # ---- the thread that hears

    def _hear_all(self) -> None:
        after: str | None = None
        wait_s = 0.0                    # the call may be the one that finds out whether the board is back
        while self._is_to_go_on():
            try:
                heard = self._board.announced(after, wait_s)
                wait_s = WAIT_S
                if heard:
                    after = heard[-1].number
                    self._tell([found for each in heard if (found := self._opened(each.body)) is not None])
            except BoardAway:
                wait_s = 0.0
                self._rest(AWAY_S)
            except Exception:
                log.exception("bug with what others have announced")
                self._rest(AWAY_S)

    def _is_to_go_on(self) -> bool:
        """Waits until the workspace is known."""
        with self._changed:
            while self._membership.scope is None and not self._stopping:
                self._clock.wait(self._changed, None)
            return not self._stopping

    def _rest(self, seconds: float) -> None:
        with self._changed:
            if not self._stopping:
                self._clock.wait(self._changed, seconds)

    def _tell(self, heard: Sequence[Announced]) -> None:
        others = [each for each in heard if each.member != self._membership.member]
        if not others:
            return
        for told in self._listeners:
            try:
                told(others)
            except FsError as exc:      # our own disk
                log.warning("what other mounts have announced could not be written down: %s", exc)

    def _opened(self, body: bytes) -> Announced | None:
        scope = self._membership.scope
        if scope is None:
            return None
        try:
            return _ANNOUNCED.decode(self._keys.open(PURPOSE, (scope.text,), body))
        except (Forged, msgspec.MsgspecError, ValueError):
            self._counts.add("forged")
            return None
