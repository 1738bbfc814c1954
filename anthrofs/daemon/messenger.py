"""The messenger: tells whoever sits at the desktop what nobody else would. An upload was refused, so a person has to
look; and what waited when the mount began is on the server.

Owns    one thread, and what was told.
Trusts  the rows: a file that is refused is one, whatever brought it there.
Never   is waited for: whoever changes rows wakes it, and goes on.
"""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from anthrofs.clock import Clock
from anthrofs.errors import NotFound
from anthrofs.model import Attempt, NodeId, StageId
from anthrofs.tree.database import Database
from anthrofs.tree.upload_queue import FAILED
from anthrofs.worker import Worker

REST_S: Final = 2.0         # between two looks: a folder whose files are all refused is one message, or a few
TOGETHER_S: Final = 300.0   # what is refused within that is told with what was refused before, in its place
AGAIN_S: Final = 900.0      # after nobody could be told: a mount may begin long before somebody logs in
NAMED: Final = 3            # files that a message names

Key = tuple[NodeId, StageId]


class Desktop(Protocol):
    """A desktop, as notifications.py has it."""

    def show(self, title: str, text: str, *, error: bool, instead_of: int = 0) -> int:
        """Returns the number of what is shown; 0: nothing is."""

    def close(self) -> None:
        """Nothing more is to be shown."""


class Messenger:
    """The messenger of one mount."""

    def __init__(self, db: Database, clock: Clock, desktop: Desktop, mountpoint: Path) -> None:
        self._db = db                       # given
        self._clock = clock                 # given
        self._desktop = desktop             # given
        self._mountpoint = mountpoint       # constant
        self._worker = Worker("messenger", clock, self._due_s, self._step)      # constant

        # Set by any thread, taken by the worker's:
        self._woken = True
        self._doubtful = True               # something may have been refused since

        # Of the worker's thread, after `start`:
        self._looked_s = float("-inf")      # when the rows were looked at
        self._waited = 0                    # files that waited when the mount began
        self._waiting: list[NodeId] = []    # of them, those that may still do
        self._lacking = 0                   # of the others, those that were refused
        self._refused: list[Attempt] = []   # what was, when it was looked at last
        self._known: set[Key] = set()       # of it, what was told
        self._untold = False                # something was refused, and nobody could be told
        self._together: list[str] = []      # the files of the last message about that
        self._number, self._told_s = 0, float("-inf")       # of that message

    def start(self) -> None:
        """Before anything is sent: what waits now has waited since the last mount."""
        with self._db.reading() as tx:
            attempts = [attempt.node_id for attempt in tx.uploads.every() if attempt.state != FAILED]
            renamed = [node.node_id for node in tx.nodes.unsent() if node.resend and node.stage is None]
        self._waiting = list(dict.fromkeys([*attempts, *renamed]))
        self._waited = len(self._waiting)
        self._worker.start()

    def wake(self, sent: bool = False) -> None:
        """Something was `sent`, or a try has ended otherwise: then it may have been refused."""
        if not sent:
            self._doubtful = True           # written only so: another thread's doubt must not be written over
        self._woken = True
        self._worker.wake()

    def stop(self, timeout_s: float) -> bool:
        """Ends the thread. False: it is still telling something, and is left to the process's end."""
        stopped = self._worker.stop(timeout_s)
        if stopped:
            self._desktop.close()
        return stopped

    def _due_s(self) -> float:
        if not (self._woken or self._untold):
            return float("inf")
        return max(0.0, self._looked_s + (REST_S if self._woken else AGAIN_S) - self._clock.now_s())

    def _step(self) -> None:
        # Both before the look: a wake meanwhile counts. A doubt is taken only where there is one, as above.
        if doubtful := self._doubtful:
            self._doubtful = False
        self._woken, self._looked_s = False, self._clock.now_s()
        with self._db.reading() as tx:
            # All of a queue is read for this, so not after each file that was sent.
            if doubtful or self._untold:
                self._refused = tx.uploads.refused()
            refused = self._refused
            failed = {attempt.node_id for attempt in refused}
            while self._waiting and not tx.uploads.waits(self._waiting[-1]):
                self._lacking += self._waiting.pop() in failed
            found = [(attempt, self._path(attempt)) for attempt in refused if _key(attempt) not in self._known]
        self._untold = bool(found) and not self._tell_refused(found)
        refused_now = {_key(attempt) for attempt in refused}
        self._known = self._known & refused_now if self._untold else refused_now
        if self._waited and not self._waiting:
            self._tell_sent()

    def _path(self, attempt: Attempt) -> str:
        node = self._db.nodes.find(attempt.node_id)
        with contextlib.suppress(NotFound):         # removed in this moment
            if node is not None:
                return self._db.nodes.path(node)
        return attempt.name or "a file"

    def _tell_refused(self, found: Sequence[tuple[Attempt, str]]) -> bool:
        """Returns whether somebody was told."""
        now_s = self._clock.now_s()
        if now_s - self._told_s > TOGETHER_S:
            self._together, self._number = [], 0
        self._together += [path for _, path in found if path not in self._together]
        self._told_s = now_s
        count, [(attempt, _), *_] = len(self._together), found
        title = f"{self._together[0]} was refused" if count == 1 else f"{count} files were refused"
        named = "" if count == 1 else f"{_listed(self._together)}. "
        self._number = self._desktop.show(title, (
            f"{named}{(attempt.reason or 'It is not whole').rstrip('.')}. Kept here, and not on the server: see "
            f"anthrofs status {self._mountpoint}"), error=True, instead_of=self._number)
        return self._number > 0

    def _tell_sent(self) -> None:
        count, sent, self._waited = self._waited, self._waited - self._lacking, 0
        if not sent:
            return              # that was told
        files = "1 file" if count == 1 else f"{count} files"
        title = "Everything is sent" if sent == count else f"{sent} of {files} are sent"
        lacking = "" if sent == count else f" {self._lacking} refused, and kept here."
        self._desktop.show(title, f"{files} of {self._mountpoint.name} had waited since the last mount, and none does "
                           f"any more.{lacking}", error=False)


def _key(attempt: Attempt) -> Key:
    return attempt.node_id, attempt.stage


def _listed(paths: Sequence[str]) -> str:
    more = len(paths) - NAMED
    return ", ".join(paths[:NAMED]) + (f" and {more} more" if more > 0 else "")
