"""An upload queue on a database, and the schedule of what is in it, by a clock that a test moves."""

import contextlib

from anthrofs.errors import AuthFailed
from anthrofs.model import ROOT, Attempt, NodeId, StageId
from anthrofs.remote.way import Way
from anthrofs.tree.database import Database
from anthrofs.tree.open_table import OpenTable
from anthrofs.tree.transaction import Tx
from anthrofs.tree.upload_queue import BIG_BYTES
from anthrofs.upload.permission import Permission
from anthrofs.upload.schedule import Schedule
from anthrofs.upload.work import Item, Pause, Send
from tests.fakes import FakeClock

SMALL, BIG = 1000, BIG_BYTES


def refused() -> AuthFailed:
    """The service's answer to a key that may not do this."""
    return AuthFailed("not with this key", status=403, from_service=True)


class Queue:
    """An upload queue and its schedule. Content is promised in the order of its stages, whatever the numbers of the nodes."""

    def __init__(self, db: Database, *, holds_new: bool = False) -> None:
        self.clock = FakeClock()
        self.db, self.index = db, db.nodes
        self.asked = 0                                      # times that it was asked whose files the service's are
        self.way, self.permission = Way(self.clock), Permission(self.clock, self._ask)
        self.schedule = Schedule(db, OpenTable(), self.way, self.permission, self.clock, holds_new=holds_new)
        self.permission.give()
        self.taken: dict[str, Send] = {}                    # by name
        self._waiting = contextlib.ExitStack()
        self._stages = 0

    def _ask(self) -> None:
        self.asked += 1

    def add(self, name: str, size_bytes: int = SMALL) -> NodeId:
        self._stages += 1
        with self.db.transaction(durable=True) as tx:
            node_id = tx.nodes.create(ROOT, name, 0o644, 0, name)
            tx.nodes.promise(node_id, StageId(self._stages), size_bytes, 0, name, sealed=True)
            tx.uploads.attempt(node_id, StageId(self._stages), size_bytes)
        self.schedule.promised(node_id)
        return node_id

    def save(self, node_id: NodeId, size_bytes: int = SMALL) -> None:
        self._stages += 1
        with self.db.transaction(durable=True) as tx:
            tx.nodes.promise(node_id, StageId(self._stages), size_bytes, 0, None, sealed=True)
            tx.uploads.attempt(node_id, StageId(self._stages), size_bytes)

    def wait_for(self, *node_ids: NodeId) -> None:
        """Closes wait for these, and for no others."""
        self._waiting.close()
        for node_id in node_ids:
            self._waiting.enter_context(self.schedule.awaited(node_id))

    def pause(self) -> float | None:
        """Nothing can be done now: until when."""
        item = self.schedule.next()
        assert isinstance(item, Pause), item
        return item.seconds

    def take(self) -> str | None:
        """The name of the next attempt that a thread takes; None: there is none."""
        item = self.schedule.next()
        if isinstance(item, Pause):
            return None
        assert isinstance(item, Send)
        name = self.index.node(item.attempt.node_id).name
        self.taken[name] = item
        return name

    def postpone(self, seconds: float) -> Item:
        item = self.schedule.next()
        assert not isinstance(item, Pause)
        item.plan.not_before_s = self.clock.now_s() + seconds
        self.schedule.finish(item)
        return item

    def end(self, name: str) -> None:
        """It is sent."""
        item = self.taken.pop(name)
        with self.db.transaction(durable=True) as tx:
            tx.uploads.drop(item.attempt.node_id)
        assert self.schedule.finish(item)

    def send(self, tx: Tx, node_id: NodeId) -> Attempt:
        attempt = tx.uploads.of(node_id)
        assert attempt is not None
        return tx.uploads.send(attempt, "name", "text/plain", SMALL, None, None)

    def names(self) -> list[str]:
        """The rest of the queue, each sent before the next is taken."""
        found: list[str] = []
        while name := self.take():
            found.append(name)
            self.end(name)
        return found
