"""An upload queue on a database, and the order of sending, by a clock that a test moves."""

from anthrofs.model import ROOT, Attempt, NodeId, StageId
from anthrofs.tree.database import Database
from anthrofs.tree.transaction import Tx
from anthrofs.tree.upload_queue import BIG_BYTES
from anthrofs.upload.schedule import Turns
from tests.fakes import FakeClock

SMALL, BIG = 1000, BIG_BYTES


class Queue:
    """An upload queue and the turns in it. Content is promised in the order of its stages, whatever the numbers of the nodes."""

    def __init__(self, db: Database, *, holds_new: bool = False) -> None:
        self.clock = FakeClock()
        self.db, self.index = db, db.nodes
        self.turns = Turns(self.clock, holds_new=holds_new)
        self.waited: set[NodeId] = set()
        self._stages = 0

    def add(self, name: str, size_bytes: int = SMALL) -> NodeId:
        self._stages += 1
        with self.db.transaction() as tx:
            node_id = tx.nodes.create(ROOT, name, 0o644, 0, name)
            tx.nodes.promise(node_id, StageId(self._stages), size_bytes, 0, name, sealed=True)
            tx.uploads.attempt(node_id, StageId(self._stages), size_bytes)
        self.turns.promised(node_id)
        return node_id

    def save(self, node_id: NodeId, size_bytes: int = SMALL) -> None:
        self._stages += 1
        with self.db.transaction() as tx:
            tx.nodes.promise(node_id, StageId(self._stages), size_bytes, 0, None, sealed=True)
            tx.uploads.attempt(node_id, StageId(self._stages), size_bytes)

    def look(self) -> tuple[list[Attempt], float | None]:
        with self.db.reading() as tx:
            return self.turns.look(tx, self.waited)

    def take(self) -> Attempt | None:
        """What a thread does."""
        taken = self.turns.take(self.look()[0], self.waited)
        return None if taken is None else taken[0]

    def postpone(self, seconds: float) -> None:
        taken = self.turns.take(self.look()[0], self.waited)
        assert taken is not None
        taken[1].not_before_s = self.clock.now_s() + seconds
        self.turns.ended(taken[0].node_id, done=False)

    def end(self, attempt: Attempt) -> None:
        with self.db.transaction() as tx:
            tx.uploads.drop(attempt.node_id)
        self.turns.ended(attempt.node_id, done=True)

    def send(self, tx: Tx, node_id: NodeId) -> Attempt:
        attempt = tx.uploads.of(node_id)
        assert attempt is not None
        return tx.uploads.send(attempt, "name", "text/plain", SMALL, None, None)

    def name(self, attempt: Attempt) -> str:
        return self.index.node(attempt.node_id).name

    def names(self) -> list[str]:
        """The rest of the queue, each sent before the next is taken."""
        found: list[str] = []
        while attempt := self.take():
            found.append(self.name(attempt))
            self.end(attempt)
        return found
