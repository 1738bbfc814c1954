"""The roll: this mount tells the others of its fleet that it is here, and sees who else is.

Owns    one thread, which asks the board every ATTEND_S once the workspace is known, and what it has heard last.
Trusts  what members have sealed; who has another key is counted, and not believed.
Never   is waited for.
"""

import json
import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from anthrofs.clock import Clock
from anthrofs.errors import BoardAway, Forged
from anthrofs.fleet.board import HERE_S, SECONDS, Board, Note
from anthrofs.fleet.keys import FleetKeys
from anthrofs.fleet.membership import Membership, Scope
from anthrofs.fleet.rest import Away
from anthrofs.worker import Worker

log = logging.getLogger(__name__)

ATTEND_S: Final = HERE_S / 3        # one that is late, or lost, takes nobody from the roll
MINUTES: Final = 30                 # whose requests are remembered
PURPOSE: Final = "roll"             # of the seal

Told = dict[str, Any]


class Roll:
    """One mount's."""

    def __init__(self, board: Board, away: Callable[[], Away | None], keys: FleetKeys, membership: Membership,
                 tale: Callable[[], Mapping[str, Any]], tell: Callable[[], None], clock: Clock, most: int) -> None:
        """`away` says whether the board rests. `tale`: what this mount tells of itself. `tell` tells the board of
        requests that it doesn't know of. `most`: requests of the organization's minute.
        """
        self._board = board                 # given
        self._away = away                   # given
        self._keys = keys                   # given
        self._membership = membership       # given
        self._tale = tale                   # given
        self._tell = tell                   # given
        self._clock = clock                 # given
        self._most = most                   # constant
        self._worker = Worker("roll", clock, self.due_s, self.step)

        self._lock = threading.Lock()       # guards the following; a leaf
        self._next_s = float("-inf")
        self._mounts: dict[str, Told] = {}  # tales of all that are here, by member
        self._seconds: list[int] = []       # the organization's requests, oldest first
        self._minutes = deque[int](maxlen=MINUTES)
        self._minute_s = float("-inf")      # when the last one of those was noted
        self._seen_s = float("-inf")        # when all that was heard
        self._answers_s: float | None = None
        self._strangers = 0                 # mounts with another key, when that was said last

    def start(self) -> None:
        """Attends from now on."""
        self._worker.start()

    def wake(self) -> None:
        """The workspace is known."""
        self._worker.wake()

    def stop(self, timeout_s: float) -> bool:
        """Ends the thread, and tells the others. False: see Worker."""
        ended = self._worker.stop(timeout_s)
        try:
            self._board.leave()
        except BoardAway:
            log.info("the board doesn't hear that this mount has ended: it forgets that within %d s", HERE_S)
        return ended

    def facts(self) -> Told:
        """Returns what status says of the board, from memory."""
        away = self._away()
        with self._lock:
            mounts, ago_s, answers_s = self._mounts, self._clock.now_s() - self._seen_s, self._answers_s
            used = sum(self._seconds)
        if away is not None:
            return {"away_since": away.since_ns / 1e9, "why": away.reason}
        if not mounts:
            return {}
        listed = [(told["listed_s_ago"] + ago_s, str(told.get("label"))) for told in mounts.values()
                  if isinstance(told.get("listed_s_ago"), int | float)]
        listed_s_ago, listed_by = min(listed, default=(None, None))
        return {"answers_s": answers_s, "mounts": len(mounts), "listed_by": listed_by, "listed_s_ago": listed_s_ago,
                "left": max(0, self._most - used), "most": self._most}

    def others(self) -> Told:
        """Returns the tales of the mounts, this one among them, by member; and the organization's requests of each of
        the last seconds, and minutes.
        """
        with self._lock:
            return {"mounts": self._mounts, "seconds": self._seconds, "minutes": list(self._minutes)}

    def due_s(self) -> float:
        """Seconds until the next step."""
        if self._membership.scope is None:
            return float("inf")
        with self._lock:
            return self._next_s - self._clock.now_s()

    def step(self) -> None:
        """Attends once, and looks who else does."""
        scope = self._membership.scope
        if scope is None:
            return
        with self._lock:
            self._next_s = self._clock.now_s() + ATTEND_S
        body = self._keys.seal(PURPOSE, (scope.text, self._membership.member), json.dumps(self._tale()).encode())
        try:
            began_s = self._clock.now_s()
            self._board.attend(body)
            answers_s = self._clock.now_s() - began_s
            self._tell()
            tales = {member: self._opened(scope, member, note) for member, note in self._board.roll().items()}
            seconds = self._board.minutes()
        except BoardAway:
            return
        strangers = sum(told is None for told in tales.values())
        with self._lock:
            now_s = self._seen_s = self._clock.now_s()
            self._mounts = {member: told for member, told in tales.items() if told is not None}
            self._seconds, self._answers_s = seconds, answers_s
            if now_s >= self._minute_s + SECONDS:
                self._minutes.append(sum(seconds))
                self._minute_s = now_s
            said, self._strangers = self._strangers, strangers
        if strangers > said:
            log.warning("on the board are %d mounts of this workspace with another fleet key: neither sees what the "
                        "other shares", strangers)

    def _opened(self, scope: Scope, member: str, note: Note) -> Told | None:
        """A member's tale, with the times in it as they are now; None: it isn't a member's."""
        try:
            told = json.loads(self._keys.open(PURPOSE, (scope.text, member), note.body))
            told["told_s_ago"] = note.age_s
            if told.get("listed_s_ago") is not None:
                told["listed_s_ago"] = float(told["listed_s_ago"]) + note.age_s
        except (Forged, ValueError, TypeError, AttributeError):
            return None
        return dict(told)
