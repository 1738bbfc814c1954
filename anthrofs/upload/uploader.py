"""Turns the outbox into the server's state: uploads what is promised, deletes what is doomed.

Owns    a few threads that all do the same: take the next piece of work, do it, look again.
Trusts  the rows: what a thread works on was reserved, everything else may have changed.
Never   sends or deletes what the way (remote/way.py) has closed for, but what is to find out whether it is open again.
"""

import contextlib
import enum
import logging
import random
import threading
from collections.abc import Callable
from functools import partial
from typing import Final

from anthrofs.clock import Clock
from anthrofs.download.whole_files import Copies
from anthrofs.errors import FsError, StateLost, Stopping
from anthrofs.model import Attempt, FileId, Node, NodeId, StageId
from anthrofs.remote.api import RemoteFiles
from anthrofs.remote.gates import OF_THE_WAY, Kind
from anthrofs.remote.way import Way
from anthrofs.store.block_cache import BlockCache
from anthrofs.store.staging import Staging
from anthrofs.store.state_guard import Presence
from anthrofs.tree import intents
from anthrofs.tree.database import Database
from anthrofs.tree.kept_copies import Keeping
from anthrofs.tree.mirror import Mirror
from anthrofs.tree.open_table import OpenTable
from anthrofs.tree.upload_queue import BIG_BYTES, QUEUED, Step
from anthrofs.upload.close_waits import CloseWaits
from anthrofs.upload.deletion import Deletion
from anthrofs.upload.delivery import Delivery, Plan
from anthrofs.upload.progress import Progress, Sent
from anthrofs.upload.restaging import Restaging
from anthrofs.upload.schedule import THREADS, Turns
from anthrofs.upload.shares import Shares

log = logging.getLogger(__name__)

SETTLE_S: Final = 0.2           # far longer than libfuse takes between the two steps of a replacement
AGAIN_S: Final = 5.0            # after what failed for a reason of this machine's
LATER_S: Final = 300.0          # the longest, for what can't be had from the server to be sent again: each time is a few downloads
ASK_S: Final = (5.0, 60.0)      # between questions whose files the service's are, while nothing can be sent before: doubled up to

Work = Callable[[], None]


class Task(enum.Enum):
    """Of work, in the order of who goes first when it is equally long ago."""

    SEND = enum.auto()
    PREPARE = enum.auto()           # a renamed file: its content becomes an attempt, which is sent after those that were promised before
    DELETE = enum.auto()


class Uploader:
    """mount.py starts and stops it."""

    def __init__(self, db: Database, mirror: Mirror, staging: Staging, cache: BlockCache,
                 keeping: Keeping, handles: OpenTable, uploads: RemoteFiles, deletions: RemoteFiles, clock: Clock, chance: random.Random,
                 presence: Presence, way: Way, ask_whose: Callable[[], None], close_timeout_s: float, *, holds_new: bool) -> None:
        self._db = db                               # given
        self._handles = handles                     # given
        self._staging = staging                     # given
        self._clock = clock                         # given
        self._presence = presence                   # given
        self._way = way                             # given
        self._ask_whose = ask_whose                 # given: asks for a refresh, without waiting
        self._progress = Progress()
        self._waits = CloseWaits(db, clock, self._progress, way, close_timeout_s)
        self._turns = Turns(clock, holds_new=holds_new)
        self._restaging = Restaging(db, mirror, staging, Copies(staging, cache, deletions, clock))
        self._delivery = Delivery(db, mirror, staging, cache, keeping, uploads, deletions, clock, chance, self._progress,
                                  self._waits.wake, self._restaging)
        self._deletion = Deletion(db, mirror, cache, handles, deletions, clock, chance, ask_whose)
        self._threads = [threading.Thread(target=self._run, name=f"upload-{n}", daemon=True) for n in range(THREADS)]

        self._changed = threading.Condition()       # guards everything below; no other lock is taken while it is held
        self._shares = Shares[Task]()               # whose turn it is
        self._hidden_s: dict[NodeId, float] = {}    # hidden nodes that have to be settled or ended: since when that is known
        self._allowed = False                       # this mount has seen whose files the service's are
        self._ask_s = 0.0                           # when to ask for that again
        self._asks = 0                              # how often it was asked in vain
        self._news = 0                              # counts wakes, so that none is missed between looking and waiting
        self._stopping = False

    def start(self) -> None:
        """Begin with what an earlier mount left."""
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Rows have changed."""
        self._call()
        self._waits.wake()

    def _call(self) -> None:
        """One thread has a look. Whoever finds work calls the next one: not all of them look for each single row."""
        with self._changed:
            self._news += 1
            self._changed.notify()

    def promising(self, node_id: NodeId) -> None:
        """A close is about to hand this node over: else a thread that is looking could take it before `promised` holds it off."""
        self._turns.promised(node_id)

    def promised(self, node_id: NodeId) -> None:
        """A close has handed this node over."""
        self._turns.promised(node_id)
        self.wake()

    def hurry(self) -> None:
        """Somebody waits until everything is sent: nothing is held off."""
        if self._turns.hurry():
            self.wake()

    def retry_now(self) -> None:
        """Don't wait for back-offs: a person asks, or the network is back."""
        self._turns.retry_now()
        self._deletion.retry_now()
        self._way.hurry()
        self.wake()

    def allow(self) -> None:
        """The service answers, and its files are those that this state mirrors."""
        with self._changed:
            news, self._allowed, self._asks = not self._allowed, True, 0
        if news:
            self.retry_now()

    def forbid(self) -> None:
        """The service's files are somebody else's: nothing is sent until they are ours again."""
        with self._changed:
            self._allowed = False

    def reopened(self) -> None:
        """The way is open again, or a probe may go: nothing waits for the end of a back-off any longer."""
        with self._changed:
            self._ask_s, self._asks = 0.0, 0
        self.wake()

    def retry_failed(self, attempts: list[Attempt]) -> None:
        """Send again what was refused."""
        with self._db.transaction() as tx:
            for attempt in attempts:
                if tx.uploads.of(attempt.node_id) == attempt:
                    tx.uploads.step(attempt, Step.RETRY)
        self.retry_now()

    def stop(self, timeout_s: float) -> bool:
        """Finish the requests in progress. False: one had to be left, and its row says so."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._waits.stop()
        return self._clock.join(self._threads, timeout_s)

    def refused_deletions(self) -> set[FileId]:
        """Those that failed since somebody asked for everything, and aren't due yet."""
        return self._deletion.refused()

    def progress(self) -> dict[NodeId, Sent]:
        """How far each upload under way is."""
        return self._progress.now()

    def wait(self, node_id: NodeId, stage: StageId, interrupted: Callable[[], bool]) -> None:
        """See CloseWaits."""
        self._waits.wait(node_id, stage, interrupted)

    # ---- the threads

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._stopping:
                    return
                news = self._news
            try:
                work, wait_s = self._take()
                if work is not None:
                    self._call()
                    work()
                    continue
            except FsError as exc:
                wait_s = AGAIN_S
                if not isinstance(exc, (Stopping, StateLost)):      # the pacer is shutting down: our own stop comes next; it was said
                    log.warning("nothing can be sent now: %s. It stays queued", exc)
            except Exception:
                log.exception("bug in the uploader; what it worked on stays as it is")
                wait_s = AGAIN_S
            with self._changed:
                if news == self._news and not self._stopping:
                    self._clock.wait(self._changed, wait_s)

    def _take(self) -> tuple[Work | None, float | None]:
        """The next piece of work, reserved for the caller; or None and how long to wait for one (None: for a wake)."""
        self._presence.check()                          # what was done couldn't be written down
        settle_s = self.end_unlinked()
        upload_s, delete_s = self._way.turn_s(Kind.UPLOAD), self._way.turn_s(Kind.DELETE)     # None: all may go
        waited = self._waits.nodes()
        doomed, doomed_s = list[FileId](), None
        with self._db.reading() as tx:
            attempts, turn_s = self._turns.look(tx, waited)
            renamed = list[Node]()
            if upload_s is None:
                # What is being written is sent at its close: its old content need not be sent before.
                renamed = tx.nodes.renamed({*self._turns.not_now(), *self._handles.unpromised()}, THREADS,
                                           below_bytes=BIG_BYTES if self._turns.full() else None)
            else:       # lost answers are looked for in listings; of the rest one goes as a probe, when it is time
                probes = [] if upload_s else self._turns.smallest(tx) if self._way.closed(Kind.UPLOAD) else attempts[:1]
                attempts = [attempt for attempt in attempts if attempt.state != QUEUED] or probes
            if not delete_s:
                doomed, doomed_s = self._deletion.look(tx, THREADS if delete_s is None else 1, briefly=bool(attempts or renamed))
            debts = tx.deletions.count() if doomed else 0
        now_s = self._clock.now_s()
        moments_s = (settle_s, turn_s, doomed_s, upload_s or None, delete_s or None)
        wait_s = min((max(0.0, moment_s) for moment_s in moments_s if moment_s is not None), default=None)
        if not (attempts or renamed or doomed):
            return None, wait_s
        if (probe_s := self._way.want()) is not None:
            return None, probe_s
        if (ask_s := self._ask(now_s)) is not None:
            return None, ask_s
        shares = {Task.SEND: 1.0, Task.PREPARE: 1 / 4, Task.DELETE: self._deletion.share(debts, self._db.nodes.totals()[0])}
        with self._changed:
            order = self._shares.order(task for task, found in zip(Task, (attempts, renamed, doomed), strict=True) if found)
        for task in order:
            work = (self._sending(attempts, waited, probes=upload_s is not None) if task is Task.SEND
                    else self._preparing(renamed) if task is Task.PREPARE else self._deleting(doomed, probes=delete_s is not None))
            if work is not None:
                with self._changed:
                    self._shares.served(task, shares[task])
                return work, None
        if upload_s is not None or delete_s is not None:
            return None, AGAIN_S                                # another thread has claimed the probe, and wakes us
        return None, 0.0 if attempts or renamed else wait_s     # others have taken those: look again

    def _sending(self, attempts: list[Attempt], waited: set[NodeId], *, probes: bool) -> Work | None:
        if probes and attempts[0].state == QUEUED and not self._way.claim(Kind.UPLOAD):
            return None
        taken = self._turns.take(attempts, waited)
        return None if taken is None else partial(self._deliver, *taken)

    def _preparing(self, renamed: list[Node]) -> Work | None:
        for node in renamed:
            plan = self._turns.reserve(node.node_id, big=node.size_bytes >= BIG_BYTES)
            if plan is not None:
                return partial(self._prepare, node, plan)
        return None

    def _deleting(self, doomed: list[FileId], *, probes: bool) -> Work | None:
        if probes and not self._way.claim(Kind.DELETE):
            return None
        file_id = self._deletion.take(doomed)
        return None if file_id is None else partial(self._delete, file_id)

    def _ask(self, now_s: float) -> float | None:
        """Seconds to wait until this mount may have seen whose files the service's are; None: it has. Asks for that, less and less often."""
        with self._changed:
            if self._allowed:
                return None
            if now_s < self._ask_s:
                return self._ask_s - now_s
            wait_s = min(ASK_S[1], ASK_S[0] * 2.0 ** min(self._asks, 10))
            self._ask_s, self._asks = now_s + wait_s, self._asks + 1
        self._ask_whose()
        return wait_s

    def end_unlinked(self, settle_s: float = SETTLE_S) -> float | None:
        """Nodes that libfuse has hidden end here if nobody has them open: it never unlinks some of those whose last release was quicker.

        Not at once: the hiding may be half of a replacement, whose other half comes within the same request. Returns the
        seconds until this has to be looked at again; None: nothing to wait for.
        """
        with self._db.reading() as tx:
            hidden = [node.node_id for node in tx.nodes.hidden()
                      if node.is_undecided or self._handles.content_of(node.node_id) is None]
        now_s = self._clock.now_s()
        with self._changed:
            self._hidden_s = {node_id: self._hidden_s.get(node_id, now_s) for node_id in hidden}
            ripe = {node_id for node_id, since_s in self._hidden_s.items() if now_s - since_s >= settle_s}
        if ripe:
            intents.unlink_hidden(self._db, self._handles, ripe)
        return settle_s if len(ripe) < len(hidden) else None

    def _prepare(self, node: Node, plan: Plan) -> None:
        """A renamed file becomes an attempt, whose turn comes at the wake."""
        try:
            self._restaging.prepare(node)
        except (FsError, OSError) as exc:
            if not isinstance(exc, OF_THE_WAY):
                log.warning("%s can't be sent under its new name now: %s. It stays queued", node.name, exc)
            plan.not_before_s = self._clock.now_s() + min(LATER_S, AGAIN_S * 2.0 ** min(plan.uncopied, 10))
            plan.uncopied += 1
        finally:
            self._turns.ended(node.node_id, done=False)
            self.wake()

    def _deliver(self, attempt: Attempt, plan: Plan) -> None:
        """A row that another thread has finished since it was read is noticed by the delivery's first transaction."""
        try:
            self._delivery.run(attempt, plan)
        except Exception:
            plan.not_before_s = self._clock.now_s() + AGAIN_S       # our own disk, or a bug: not again at the wake below
            raise
        finally:
            done = False
            with contextlib.suppress(FsError), self._db.reading() as tx:        # it has to be given back, whatever the disk does
                done = tx.uploads.of(attempt.node_id) is None
            self._turns.ended(attempt.node_id, done=done)
            self._progress.end(attempt.node_id, done=done)
            self.wake()

    def _delete(self, file_id: FileId) -> None:
        try:
            self._deletion.run(file_id)
        finally:
            self.wake()
