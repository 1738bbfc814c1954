"""The schedule: what the uploader's threads do next. Three kinds of work have their shares of it, see work.py.

Owns    who is busy with what, what waits for its next try, what closes wait for, what is held off, whose share is next.
Trusts  the rows as of the moment at which it reads them; one that another thread has finished since is noticed by the
        first transaction of whoever works on it.
Never   waits, or reads a row with its lock. Never hands out what the way (remote/way.py) has closed for, except for the
        one request that is to find out whether it is open again.
"""

import contextlib
import threading
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from anthrofs.clock import Clock
from anthrofs.errors import FsError
from anthrofs.model import Attempt, FileId, Node, NodeId
from anthrofs.remote.gates import Kind
from anthrofs.remote.way import Way
from anthrofs.tree.database import Database
from anthrofs.tree.open_table import OpenTable
from anthrofs.tree.transaction import Tx
from anthrofs.tree.upload_queue import BIG_BYTES, QUEUED, is_big
from anthrofs.upload.delete_order import DeleteOrder, Due, search, share_of_deletions
from anthrofs.upload.holdoffs import HoldOffs
from anthrofs.upload.inquiries import INQUIRE_S
from anthrofs.upload.permission import Permission
from anthrofs.upload.plans import DeletePlan, Plans, SendPlan
from anthrofs.upload.send_order import BIG_THREADS, THREADS, Scene, probe, sendable
from anthrofs.upload.turns import Turns
from anthrofs.upload.work import Delete, Item, Pause, Prepare, Send, Task

AGAIN_S: Final = 5.0            # after what another thread is about to find out
OVERTAKEN: Final = 3            # times in a row; then it is the turn of what nobody waits for


@dataclass(frozen=True, slots=True)
class Ready:
    """The work in the rows that a thread could do now, best first."""

    sends: list[Attempt]
    renamed: list[Node]
    due: list[Due]
    waited: Collection[NodeId]      # closes wait for them
    probes_uploads: bool            # the way is closed for uploads: one may go
    probes_deletions: bool
    share_of_deletions: float
    wait_s: float | None            # until there may be something else

    def is_more(self) -> bool:
        """Whether one piece of work leaves others, for now or for a moment that somebody has to wait for."""
        return len(self.sends) + len(self.renamed) + len(self.due) > 1 or self.wait_s is not None

    def tasks(self) -> list[Task]:
        """Returns the kinds of which there is work."""
        return [task for task, found in zip(Task, (self.sends, self.renamed, self.due), strict=True) if found]


class Schedule:
    """The schedule of one mount."""

    def __init__(self, db: Database, handles: OpenTable, way: Way, permission: Permission, clock: Clock, *,
                 holds_new: bool) -> None:
        self._db = db                   # given
        self._handles = handles         # given
        self._way = way                 # given
        self._permission = permission   # given
        self._clock = clock             # given

        self._lock = threading.Lock()   # guards everything below; a leaf
        self._sends = Plans[NodeId, SendPlan](SendPlan)         # of attempts, and of renamed files
        self._deletes = Plans[FileId, DeletePlan](DeletePlan)
        self._holdoffs = HoldOffs(holds_new=holds_new)
        self._delete_order = DeleteOrder()
        self._turns = Turns[Task]()
        self._waited: Counter[NodeId] = Counter()   # closes that wait for each
        self._overtaken = 0             # times in a row that what a close waits for went before earlier promises

    # ---- told from outside

    def promised(self, node_id: NodeId) -> None:
        """A close hands this node over. If the answer to older content was lost, one inquiry is enough, as soon as it
        can tell; but one that failed is made again when it is time.
        """
        now_s = self._clock.now_s()
        with self._lock:
            self._holdoffs.promised(node_id, now_s)
            plan = self._sends.waiting().get(node_id)
            if plan is not None and plan.lost_s is not None and plan.failed_s is None:
                self._sends.sooner(node_id, plan.lost_s + INQUIRE_S[0])

    @contextlib.contextmanager
    def awaited(self, node_id: NodeId) -> Iterator[None]:
        """A close waits for this node: it goes first."""
        with self._lock:
            self._waited[node_id] += 1
        try:
            yield
        finally:
            with self._lock:
                self._waited[node_id] -= 1
                if not self._waited[node_id]:
                    del self._waited[node_id]

    def hurry(self) -> bool:
        """Somebody waits until everything is sent: nothing is held off. Returns whether something was."""
        with self._lock:
            return self._holdoffs.end()

    def retry_now(self) -> None:
        """Back-offs end: a person asks, or the network is back."""
        now_s = self._clock.now_s()
        with self._lock:
            self._sends.hasten(now_s)
            self._deletes.hasten(now_s)
            self._delete_order.hasten()
        self._way.hurry()

    def refused_deletions(self) -> set[FileId]:
        """Returns the ids whose deletion failed since the last `retry_now`, and isn't tried again yet."""
        now_s = self._clock.now_s()
        with self._lock:
            return {file_id for file_id, plan in self._deletes.waiting().items()
                    if plan.refused and plan.not_before_s > now_s}

    # ---- for the uploader's threads

    def next(self) -> Item | Pause:
        """Returns the next piece of work, which is the caller's until `finish`; or how long to wait for one."""
        ready = self._read()
        tasks = ready.tasks()
        if not tasks:
            return Pause(ready.wait_s)
        if (probe_s := self._way.want()) is not None:
            return Pause(probe_s)
        if (asked_s := self._permission.awaited_s()) is not None:
            return Pause(asked_s)
        weights = {Task.SEND: 1.0, Task.PREPARE: 1 / 4, Task.DELETE: ready.share_of_deletions}
        with self._lock:
            order = self._turns.order(tasks)
        for task in order:
            item = self._take(task, ready)
            if item is not None:
                with self._lock:
                    self._turns.served(task, weights[task])
                return item
        if ready.probes_uploads or ready.probes_deletions:
            return Pause(AGAIN_S)       # another thread has claimed the probe, and wakes us
        # Others have taken what was read: once more.
        return Pause(0.0 if ready.sends or ready.renamed else ready.wait_s)

    def finish(self, item: Item) -> bool:
        """The thread has done what it could; the plan says when to go on. Returns whether an attempt is at its end."""
        done, now_s = False, self._clock.now_s()
        if isinstance(item, Send):
            with contextlib.suppress(FsError):      # it is given back, whatever the disk does
                done = self._db.nodes.attempt(item.attempt.node_id) is None
        with self._lock:
            if isinstance(item, Send):
                self._sends.give_back(item.attempt.node_id, now_s, done=done)
            elif isinstance(item, Prepare):
                self._sends.give_back(item.node.node_id, now_s, done=False)
            else:
                self._deletes.give_back(item.file_id, now_s, done=False)
        return done

    # ---- what could be done

    def _read(self) -> Ready:
        upload_s, delete_s = self._way.turn_s(Kind.UPLOAD), self._way.turn_s(Kind.DELETE)     # None: all may go
        now_s = self._clock.now_s()
        with self._db.reading() as tx:
            # In here, so that a file whose row can be seen is held off.
            with self._lock:
                self._sends.recall(now_s)
                self._deletes.recall(now_s)
                waited = set(self._waited)
                scene = Scene(self._sends.not_now(), self._sends.bigs(),
                              waited if self._overtaken < OVERTAKEN else (), *self._holdoffs.held(now_s))
                moments_s = [*self._sends.moments_s(), *self._deletes.moments_s()]
            sends, held_s = sendable(tx, scene)
            if upload_s is not None:    # lost answers are asked about in listings; of the rest one goes as a probe
                sends = [attempt for attempt in sends if attempt.state != QUEUED] or self._probe(tx, sends, upload_s)
            # While uploads are refused one becomes an attempt if nothing else could go as the probe.
            renamed = (self._renamed(tx, scene) if upload_s is None
                       else self._renamed(tx, scene)[:1] if not upload_s and not sends else [])
            due, rests_s, share = list[Due](), None, 0.0
            if not delete_s:
                at_most = THREADS if delete_s is None else 1
                due, rests_s = self._due(tx, now_s, at_most, briefly=bool(sends or renamed))
            if due:
                share = share_of_deletions(tx.deletions.count(), self._db.nodes.totals()[0])
        moments_s += [*held_s, *([] if rests_s is None else [rests_s]),
                      *(now_s + seconds for seconds in (upload_s, delete_s) if seconds)]
        wait_s = max(0.0, min(moments_s) - now_s) if moments_s else None
        return Ready(sends, renamed, due, waited, upload_s is not None, delete_s is not None, share, wait_s)

    def _probe(self, tx: Tx, sends: list[Attempt], upload_s: float) -> list[Attempt]:
        """Returns what goes while uploads are refused, when it is time for that."""
        if upload_s:
            return []
        if self._way.closed(Kind.UPLOAD) is None:
            return sends[:1]            # it isn't sure yet that they are
        with self._lock:
            not_now = self._sends.not_now()
            refused = {node_id: plan.refused for node_id, plan in self._sends.every().items()}
        return probe(tx, not_now, refused)

    def _renamed(self, tx: Tx, scene: Scene) -> list[Node]:
        """Returns renamed files that nothing brings to their new names yet. One that is being written is sent at its
        close: its old content need not be sent before.
        """
        below_bytes = BIG_BYTES if scene.bigs >= BIG_THREADS else None
        if not tx.nodes.renamed(scene.not_now, 1, below_bytes=below_bytes):
            return []                   # as nearly always: who is writing what needn't be known
        return tx.nodes.renamed({*scene.not_now, *self._handles.unpromised()}, THREADS, below_bytes=below_bytes)

    def _due(self, tx: Tx, now_s: float, at_most: int, *, briefly: bool) -> tuple[list[Due], float | None]:
        """Returns ids that may be deleted; and if none was found in a part of the queue, when all may be read again."""
        with self._lock:
            began, rests_s = self._delete_order.begin(now_s)
            busy, later = self._deletes.busy(), set(self._deletes.waiting())
        found = search(tx, began, busy, later, at_most, briefly=briefly or rests_s is not None)
        with self._lock:
            self._delete_order.end(found, now_s)
        return found.due, None if found.due or briefly else rests_s

    # ---- taking it

    def _take(self, task: Task, ready: Ready) -> Item | None:
        """Returns the first of a kind that no other thread has taken since the rows were read."""
        if task is Task.SEND:
            return self._take_send(ready)
        return self._take_renamed(ready) if task is Task.PREPARE else self._take_due(ready)

    def _take_send(self, ready: Ready) -> Send | None:
        if ready.probes_uploads and ready.sends[0].state == QUEUED and not self._way.claim(Kind.UPLOAD):
            return None
        with self._lock:
            for attempt in ready.sends:
                plan = self._take_node_locked(attempt.node_id, big=is_big(attempt))
                if plan is not None:
                    overtakes = attempt.node_id in ready.waited and self._overtaken < OVERTAKEN
                    self._overtaken = self._overtaken + 1 if overtakes else 0
                    return Send(attempt, plan, more=ready.is_more())
        return None

    def _take_renamed(self, ready: Ready) -> Prepare | None:
        with self._lock:
            for node in ready.renamed:      # a big one's content may have to be read or fetched whole
                plan = self._take_node_locked(node.node_id, big=node.size_bytes >= BIG_BYTES)
                if plan is not None:
                    return Prepare(node, plan)
        return None

    def _take_node_locked(self, node_id: NodeId, *, big: bool) -> SendPlan | None:
        if big and self._sends.bigs() >= BIG_THREADS:
            return None
        return self._sends.take(node_id, big=big)

    def _take_due(self, ready: Ready) -> Delete | None:
        if ready.probes_deletions and not self._way.claim(Kind.DELETE):
            return None
        with self._lock:
            for due in ready.due:
                plan = self._deletes.take(due.file_id, early=due.gone)
                if plan is not None:
                    return Delete(due.file_id, plan)
        return None
