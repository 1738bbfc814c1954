"""The uploader: threads that bring to the server what is promised, and delete there what nobody wants.

Owns    a few threads that all do the same: take the next piece of work from the schedule, do it, and come again.
Never   keeps a piece of work: whatever happens to it, the schedule gets it back.
"""

import logging
import threading
from collections.abc import Callable
from typing import Final

from anthrofs.clock import Clock
from anthrofs.errors import FleetAway, FsError, StateLost, Stopping
from anthrofs.model import FileId, NodeId, StageId
from anthrofs.remote.gates import OF_THE_WAY
from anthrofs.store.state_guard import StateGuard
from anthrofs.tree.hidden_nodes import HiddenNodes
from anthrofs.upload.close_waits import CloseWaits
from anthrofs.upload.deletion import Deletion
from anthrofs.upload.delivery import Delivery
from anthrofs.upload.permission import Permission
from anthrofs.upload.progress import Progress, Sent
from anthrofs.upload.restaging import Restaging
from anthrofs.upload.schedule import Schedule
from anthrofs.upload.send_order import THREADS
from anthrofs.upload.work import Item, Pause, Prepare, Send

log = logging.getLogger(__name__)

AGAIN_S: Final = 5.0            # after what failed for a reason of this machine's
LATER_S: Final = 300.0          # the longest, for what can't be had from the server to be sent again: each time costs
                                # a few downloads


class Uploader:
    """The uploader of one mount: what others see of this room."""

    def __init__(self, clock: Clock, guard: StateGuard, schedule: Schedule, waits: CloseWaits, progress: Progress,
                 permission: Permission, hidden: HiddenNodes, delivery: Delivery, restaging: Restaging,
                 deletion: Deletion) -> None:
        self._clock = clock             # given
        self._guard = guard             # given
        self._schedule = schedule       # given
        self._waits = waits             # given
        self._progress = progress       # given
        self._permission = permission   # given
        self._hidden = hidden           # given
        self._delivery = delivery       # given
        self._restaging = restaging     # given
        self._deletion = deletion       # given
        self._threads = [threading.Thread(target=self._run, name=f"upload-{n}", daemon=True) for n in range(THREADS)]

        self._ended: Callable[[bool], None] = lambda _: None        # constant after `hear`

        self._changed = threading.Condition()       # guards everything below; a leaf
        self._news = 0                  # counts wakes: none is missed between reading the rows and waiting
        self._stopping = False

    def hear(self, ended: Callable[[bool], None]) -> None:
        """`ended` is called after each try of an upload: True, it was the last one, for the server has the file, or
        nobody wants it any more. Before `start`.
        """
        self._ended = ended

    def start(self) -> None:
        """Begins with what an earlier mount left."""
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Rows have changed."""
        self._call()
        self._waits.wake()

    def _call(self) -> None:
        """One thread asks the schedule. Whoever gets work and leaves some calls the next: not all of them ask for each
        single row.
        """
        with self._changed:
            self._news += 1
            self._changed.notify()

    def promising(self, node_id: NodeId) -> None:
        """A close is about to hand this node over: a thread that is asking must not take it before it is held off."""
        self._schedule.promised(node_id)

    def promised(self, node_id: NodeId) -> None:
        """A close has handed this node over."""
        self._schedule.promised(node_id)
        self.wake()

    def wait(self, node_id: NodeId, stage: StageId, interrupted: Callable[[], bool]) -> None:
        """Waits until the server has this stage; see CloseWaits.wait."""
        self._waits.wait(node_id, stage, interrupted)

    def hurry(self) -> None:
        """Somebody waits until everything is sent: nothing is held off."""
        if self._schedule.hurry():
            self.wake()

    def retry_now(self) -> None:
        """Back-offs end: a person asks, or the network is back."""
        self._deletion.look_again()
        self._schedule.retry_now()
        self.wake()

    def allow(self) -> None:
        """The service answers, and its files are those that this state mirrors."""
        if self._permission.give():
            self.retry_now()

    def reopened(self) -> None:
        """The way is open again, or a probe may go."""
        self._deletion.look_again()
        self._permission.ask_soon()
        self.wake()

    def refused_deletions(self) -> set[FileId]:
        """Returns the ids whose deletion failed since somebody asked for everything, and isn't tried again yet."""
        return self._schedule.refused_deletions()

    def progress(self) -> dict[NodeId, Sent]:
        """Returns how far each upload under way is."""
        return self._progress.now()

    def stop(self, timeout_s: float) -> bool:
        """Finishes the requests in progress. False: one had to be left, and its row says so."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._waits.stop()
        return self._clock.join(self._threads, timeout_s)

    # ---- the threads

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._stopping:
                    return
                news = self._news
            try:
                item, more = self._next()
                if not isinstance(item, Pause):
                    if more:
                        self._call()
                    self._do(item)
                    continue
                wait_s = item.seconds
            except FsError as exc:
                wait_s = AGAIN_S
                if not isinstance(exc, (Stopping, StateLost)):      # our own stop comes next; the loss was said
                    log.warning("nothing can be sent now: %s. It stays queued", exc)
            except Exception:
                log.exception("bug in the uploader; what it worked on stays as it is")
                wait_s = AGAIN_S
            with self._changed:
                if news == self._news and not self._stopping:
                    self._clock.wait(self._changed, wait_s)

    def _next(self) -> tuple[Item | Pause, bool]:
        """Returns what to do, and whether another thread has to look as well."""
        self._guard.check()                      # what was done couldn't be written down
        settle_s = self._hidden.settle()
        item = self._schedule.next()
        if isinstance(item, Pause) and settle_s is not None:
            return Pause(settle_s if item.seconds is None else min(settle_s, item.seconds)), False
        return item, settle_s is not None or not isinstance(item, Send) or item.more

    def _do(self, item: Item) -> None:
        try:
            if isinstance(item, Send):
                self._delivery.run(item.attempt, item.plan)
            elif isinstance(item, Prepare):
                self._prepare(item)
            else:
                self._deletion.run(item.file_id, item.plan)
        except Exception:       # our own disk, or a bug: not again at the wake below
            item.plan.not_before_s = max(item.plan.not_before_s, self._clock.now_s() + AGAIN_S)
            self._call()        # this thread rests
            raise
        finally:
            done = self._schedule.finish(item)
            if isinstance(item, Send):
                self._progress.end(item.attempt.node_id, done=done)
                self._ended(done)
            self._waits.wake()      # what it has made possible this thread sees itself, which asks for work next

    def _prepare(self, item: Prepare) -> None:
        """A renamed file becomes an attempt, whose turn comes at the wake."""
        plan = item.plan
        try:
            self._restaging.prepare(item.node)
        except (FsError, OSError) as exc:
            if not isinstance(exc, (*OF_THE_WAY, FleetAway)):       # those were said
                log.warning("%s can't be sent under its new name now: %s. It stays queued", item.node.name, exc)
            plan.not_before_s = self._clock.now_s() + min(LATER_S, AGAIN_S * 2.0 ** min(plan.uncopied, 10))
            plan.uncopied += 1
