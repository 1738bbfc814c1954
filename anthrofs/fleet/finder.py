"""The finder: which uploads that nobody here can read the store has by now.

At the mount one listing of the store tells of all of them, later a look at each new one: at once, and a few more times,
for a listing of the service can be faster than whoever puts the content there.

Owns    one thread, and which ids are looked for, and when.
Trusts  the rows for what is closed: what an announcement has opened meanwhile isn't looked for.
Never   looks for what no listing has brought lately, unless somebody wants to read it.
"""

import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from anthrofs.clock import Clock
from anthrofs.errors import FsError, StateLost, StoreAway, StoreRefuses
from anthrofs.fleet.shelf import Shelf
from anthrofs.model import FileId
from anthrofs.tree.database import Database
from anthrofs.worker import Worker

log = logging.getLogger(__name__)

LOOKS_S: Final = (0.0, 2.0, 10.0, 60.0, 300.0, 900.0)   # after an id has come
MOST_HEADS: Final = 20      # looks at once; of more, one listing tells
WANTED_S: Final = 1.0       # between looks for what somebody tries to read again and again
AWAY_S: Final = 5.0         # after the store didn't answer
LATE_NS: Final = 900 * 10**9        # a listing can show a file so much later than newer ones
MOST: Final = 10_000        # ids that are remembered as looked for


@dataclass
class Look:
    """The looks for one id."""

    came_s: float           # monotonic
    tries: int = 0
    at_s: float = 0.0       # the next one; infinite: there is none
    looked_s: float = float("-inf")     # the last one


class Finder:
    """One mount's."""

    def __init__(self, db: Database, shelf: Shelf, ready: Callable[[], bool], clock: Clock) -> None:
        """`ready`: the service has named the workspace."""
        self._db = db           # given
        self._shelf = shelf     # given
        self._ready = ready     # given
        self._clock = clock     # given
        self._worker = Worker("finder", clock, self.due_s, self.step)

        self._lock = threading.Lock()           # guards everything below; a leaf
        self._newest_ns: int | None = None      # of what was looked for; None: nothing was yet
        self._looks = dict[FileId, Look]()      # of what came lately, oldest first
        self._changed = True                    # a listing may have brought something

    def start(self) -> None:
        """Looks from now on."""
        self._worker.start()

    def stop(self, timeout_s: float) -> bool:
        """Ends the thread. False: it hangs in a request."""
        return self._worker.stop(timeout_s)

    def wake(self) -> None:
        """A listing was merged, or the workspace is known now."""
        with self._lock:
            self._changed = True
        self._worker.wake()

    def want(self, file_id: FileId) -> None:
        """Somebody can't read it: perhaps it is there by now."""
        now_s = self._clock.now_s()
        with self._lock:
            look = self._looks.setdefault(file_id, Look(now_s - LOOKS_S[-1], len(LOOKS_S), now_s))
            look.at_s = min(look.at_s, max(now_s, look.looked_s + WANTED_S))
        self._worker.wake()

    def found(self, file_ids: Sequence[FileId]) -> None:
        """The store has these, as others say, or said a while ago. What this mount owes to it isn't taken for paid by
        that: its copy here would be given up for another's word.
        """
        if file_ids:
            with self._db.transaction() as tx:
                tx.shares.found([file_id for file_id in file_ids if not tx.shares.is_owed(file_id)])

    def missed(self, file_id: FileId) -> bool:
        """The store lacks it. Returns whether it was known to have it."""
        with contextlib.suppress(FsError):      # a hint: whoever reads goes on without it
            with self._db.reading() as tx:
                known = tx.shares.has(file_id)
            if known:
                with self._db.transaction() as tx:
                    tx.shares.missed(file_id)
                return True
        return False

    def facts(self) -> dict[str, Any]:
        """Returns what status tells of it."""
        with self._db.reading() as tx:
            return {"readable": tx.shares.readable(), "unreadable": len(tx.shares.closed())}

    # ---- the steps; called by the thread, and by tests

    def due_s(self) -> float:
        """Returns the seconds until the next step; infinite while there is nothing to look for."""
        if not self._ready():
            return float("inf")
        with self._lock:
            if self._changed:
                return 0.0
            return max(0.0, min((look.at_s for look in self._looks.values()), default=float("inf"))
                       - self._clock.now_s())

    def step(self) -> None:
        """Looks for what is due."""
        try:
            self._collect()
            self._look()
        except StoreAway:           # its rest has said so
            self._later()
        except FsError as exc:
            self._later()
            if not isinstance(exc, StateLost):
                log.warning("the store can't be looked at for others' uploads: %s", exc)

    def _collect(self) -> None:
        """Takes in what the listings have brought."""
        with self._lock:
            changed, self._changed = self._changed, False
            since_ns = None if self._newest_ns is None else self._newest_ns - LATE_NS
        if not changed:
            return
        with self._db.reading() as tx:
            closed = tx.shares.closed(since_ns)
        now_s = self._clock.now_s()
        with self._lock:
            closed.sort(key=lambda each: each[1])
            for place, (file_id, created_ns) in enumerate(closed):
                self._newest_ns = max(self._newest_ns or 0, created_ns)
                # At the first look there may be many, and old: but for the newest, one is enough.
                once = since_ns is None and place < len(closed) - MOST_HEADS
                self._looks.setdefault(file_id, Look(now_s, len(LOOKS_S) - 1 if once else 0, now_s))
            self._newest_ns = self._newest_ns or 0
            for file_id in [each for each, look in self._looks.items() if look.at_s == float("inf")][:-MOST]:
                del self._looks[file_id]

    def _look(self) -> None:
        now_s = self._clock.now_s()
        with self._lock:
            due = [file_id for file_id, look in self._looks.items() if look.at_s <= now_s]
            due.sort(key=lambda file_id: self._looks[file_id].tries >= len(LOOKS_S))    # what somebody wants is last
        with self._db.reading() as tx:
            due = [file_id for file_id in due if not tx.shares.has(file_id)]
        there = self._there(due)
        if there:
            with self._db.transaction() as tx:
                tx.shares.found(there)
        with self._lock:
            for file_id, look in self._looks.items():
                if look.at_s <= now_s:
                    look.tries, look.looked_s = look.tries + 1, now_s
                    look.at_s = (look.came_s + LOOKS_S[look.tries]
                                 if file_id in due and file_id not in there and look.tries < len(LOOKS_S)
                                 else float("inf"))

    def _there(self, due: Sequence[FileId]) -> set[FileId]:
        if len(due) > MOST_HEADS:
            with contextlib.suppress(StoreRefuses):
                return self._shelf.known(due)
        # Of more, this mount may not have a listing: the last ones are worth a look.
        return {file_id for file_id in due[-MOST_HEADS:] if self._shelf.has(file_id)}

    def _later(self) -> None:
        later_s = self._clock.now_s() + AWAY_S
        with self._lock:
            for look in self._looks.values():
                look.at_s = max(look.at_s, later_s)
