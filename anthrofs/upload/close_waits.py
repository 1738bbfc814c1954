"""Closes that wait for an upload.

Trusts  the rows for how an upload ended: a wake only says that they may have changed.
Never   keeps anybody longer than until the end, a signal, or the bound without progress.
"""

import errno
import threading
from collections.abc import Callable
from typing import Final

from anthrofs.clock import Clock
from anthrofs.errors import Closed, FsError, Interrupted, NotFound, Stopping, TimedOut
from anthrofs.model import NodeId, StageId
from anthrofs.remote.gates import Kind
from anthrofs.remote.way import Way
from anthrofs.tree.database import Database
from anthrofs.tree.upload_queue import FAILED
from anthrofs.upload.progress import Progress
from anthrofs.upload.schedule import Schedule

LEAVE_S: Final = 2.0            # for those who wait to be told that the mount is ending
POLL_S: Final = 0.1             # how soon a waiting close sees that its program got a signal
CLOSED_WAIT_S: Final = 2.0      # closes fail that soon while the way is closed, until a probe gets through


class CloseWaits:
    """The closes of one mount that wait."""

    def __init__(self, db: Database, clock: Clock, schedule: Schedule, progress: Progress, way: Way,
                 timeout_s: float) -> None:
        self._db = db                   # given
        self._clock = clock             # given
        self._schedule = schedule       # given: sends first what somebody waits for
        self._progress = progress       # given
        self._way = way                 # given
        self._timeout_s = timeout_s     # constant

        self._changed = threading.Condition()       # guards everything below; a leaf
        self._inside = 0                            # so many wait
        self._news = 0                              # counts wakes: none is missed between reading the rows and waiting
        self._stopping = False

    def wake(self) -> None:
        """Rows have changed."""
        with self._changed:
            self._news += 1
            self._changed.notify_all()

    def stop(self) -> None:
        """The mount is ending: nobody waits any longer. Returns when all have gone, for the process's end would take
        their answers along.
        """
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
            until_s = self._clock.now_s() + LEAVE_S
            while self._inside and (left_s := until_s - self._clock.now_s()) > 0:
                self._clock.wait(self._changed, left_s)

    def wait(self, node_id: NodeId, stage: StageId, interrupted: Callable[[], bool]) -> None:
        """Waits until the server has this stage, or newer content has replaced it, or its name is gone.

        Raises what refused it, Interrupted, TimedOut, Closed, Stopping. Whatever it raises, the bytes are kept: queued,
        or failed when refused.
        """
        with self._changed:
            self._inside += 1
        try:
            with self._schedule.awaited(node_id):
                self._wait(node_id, stage, interrupted)
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    def _wait(self, node_id: NodeId, stage: StageId, interrupted: Callable[[], bool]) -> None:
        began_s = moved_s = self._clock.now_s()
        self._way.knock(Kind.UPLOAD)
        moved: object = None
        while True:
            with self._changed:
                news = self._news
            settled, untried = self._read(node_id, stage)
            if settled:
                return
            closed = self._way.closed(Kind.UPLOAD)
            sent, fresh = self._progress.of(node_id, stage)
            moving = self._progress.is_moving(node_id)
            now_s = self._clock.now_s()
            with self._changed:
                if self._stopping:
                    raise Stopping("the mount is ending; the file is kept and will be sent after the next mount")
                if closed is not None and not moving and now_s - began_s >= CLOSED_WAIT_S:
                    raise Closed(closed, "; the file is kept and stays queued")
                # As long as its turn hasn't come, it gets nearer with all that the others send.
                seen = (sent, fresh if untried else None)
                if seen != moved:
                    moved, moved_s = seen, now_s
                if now_s - moved_s > self._timeout_s:
                    raise TimedOut(f"no progress for {self._timeout_s:.0f} s; the file is kept and stays queued")
                if news == self._news:
                    self._clock.wait(self._changed, POLL_S)
            if interrupted():
                raise Interrupted("a signal came while the file was sent; it is kept and stays queued")

    def _read(self, node_id: NodeId, stage: StageId) -> tuple[bool, bool]:
        """Returns (whether there is nothing more to wait for, whether its turn hasn't come yet). Raises what refused
        it.
        """
        try:
            node, attempt = self._db.nodes.with_attempt(node_id)
        except NotFound:
            return True, False              # unlinked
        if node.stage != stage or node.is_hidden or node.wanted is None:
            return True, False              # sent, superseded, unlinked, or local
        if attempt is not None and attempt.state == FAILED:
            exc = FsError(f"{node.name} was refused: {attempt.reason}; it is kept, see `anthrofs status`")
            exc.code = attempt.code or errno.EIO
            raise exc
        return False, attempt is None or not attempt.tries
