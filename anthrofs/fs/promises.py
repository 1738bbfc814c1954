"""What a name shows from now on, and whether it is to be sent: one transaction.

Owns    the rows of that moment, of the tables node and attempt.
Trusts  its caller to have sealed what is to be sent.
Never   removes a stage: it says which nobody needs, and the caller removes them after the commit.
"""

import contextlib

from anthrofs.config import Config
from anthrofs.errors import FsError, Incomplete, NotFound
from anthrofs.model import HIDDEN, NodeId, StageId
from anthrofs.store.staging import Staging
from anthrofs.tree import renaming
from anthrofs.tree.database import Database
from anthrofs.tree.gaps import Gap
from anthrofs.tree.nodes import Index
from anthrofs.tree.outbox import IN_FLIGHT, Outbox


class Promises:
    """The promises of one mount."""

    def __init__(self, db: Database, index: Index, outbox: Outbox, staging: Staging, config: Config) -> None:
        self._db = db               # given
        self._index = index         # given
        self._outbox = outbox       # given
        self._staging = staging     # given
        self._config = config       # given

    def write_down(self, node_id: NodeId, number: StageId, descriptor: int, shown: tuple[int, int], gap: Gap | None, *, seal: bool) -> set[StageId]:
        """Returns the stages that nobody needs any more. What is unlinked isn't sent; but it may have been hidden by a replacement that fails."""
        size_bytes, mtime_ns = shown
        self._staging.publish("stage", descriptor)
        with self._db.transaction(durable=True) as tx:
            node = self._index.node(node_id)
            hidden = node.parent == HIDDEN
            wanted = node.wanted if hidden else renaming.saved_as(self._index, node, self._config.layout)
            self._index.promise(tx, node_id, number, size_bytes, mtime_ns, wanted, expires_s=self._config.expires_in_s, sealed=seal, gap=gap)
            older = {node.stage}
            attempt = self._outbox.of(tx, node_id)
            if attempt is not None and attempt.state not in IN_FLIGHT and attempt.stage != number:
                older.add(attempt.stage)
                self._outbox.drop(tx, node_id)
            if seal and wanted is not None and not hidden:
                self._outbox.attempt(tx, node_id, number, size_bytes)
            kept = self._outbox.of(tx, node_id)             # the uploader removes what it is at
            return {stage for stage in older if stage not in (None, number) and (kept is None or kept.stage != stage)}

    def holds(self, node_id: NodeId, number: StageId) -> bool:
        """The name shows that stage, whatever happens: an fsync or a close has promised it."""
        try:
            return self._index.node(node_id).stage == number
        except NotFound:
            return False

    def lacks(self, node_id: NodeId, number: StageId) -> bool:
        """The name shows that stage, and it isn't sent, for something is lacking; unless a person has said otherwise."""
        with self._db.reading() as tx:
            return self.holds(node_id, number) and self._index.gap(tx, node_id) is not None

    def note(self, node_id: NodeId, number: StageId, gap: Gap) -> None:
        """A write was refused. What an fsync has promised would be sent after a kill: if it isn't whole, its row says so."""
        if self.holds(node_id, number):
            with contextlib.suppress(FsError), self._db.transaction(durable=True) as tx:
                self._index.set_gap(tx, node_id, number, gap)

    def refuse(self, node_id: NodeId, gap: Gap) -> None:
        """Raises Incomplete, unless the file stays on this machine or is removed: then nothing was to be sent."""
        with contextlib.suppress(NotFound):
            node = self._index.node(node_id)
            if not node.local and node.parent != HIDDEN:
                raise Incomplete(f"{node.name}: {gap.words()}", gap.code)
