"""A promise: what a name shows from now on, and whether it is to be sent, in one transaction.

Owns    the rows of that moment, of the tables node and attempt.
Trusts  its caller to have sealed what is to be sent.
"""

import contextlib

from anthrofs.config import Config
from anthrofs.errors import FsError, Incomplete, NotFound
from anthrofs.model import NodeId, StageId
from anthrofs.store.staging import Staging
from anthrofs.tree import intents
from anthrofs.tree.database import Database
from anthrofs.tree.gaps import Gap
from anthrofs.tree.open_table import Content
from anthrofs.tree.upload_queue import IN_FLIGHT


class Promises:
    """The promises of one mount."""

    def __init__(self, db: Database, staging: Staging, config: Config) -> None:
        self._db = db               # given
        self._staging = staging     # given
        self._config = config       # given

    def write_down(self, content: Content, number: StageId, descriptor: int, size_bytes: int, gap: Gap | None, *,
                   seal: bool) -> None:
        """Commits that the name shows a stage. What is unlinked isn't sent; but it may have been hidden by a
        replacement that fails.
        """
        node_id = content.node_id
        self._staging.publish("stage", descriptor)
        with self._db.transaction(durable=True) as tx:
            node = tx.nodes.node(node_id)
            # As they are now: the sync takes its time, and a time that the user sets meanwhile is in the row already.
            shown = content.shown
            assert shown is not None, "it has a stage"
            wanted = node.wanted if node.is_hidden else intents.saved_as(tx, node, self._config.layout)
            tx.nodes.promise(node_id, number, size_bytes, shown.mtime_ns, wanted, ctime_ns=shown.ctime_ns,
                             expires_s=self._config.expires_in_s, sealed=seal, gap=gap)
            tx.unneeded(node.stage)
            attempt = tx.uploads.of(node_id)
            if attempt is not None and attempt.state not in IN_FLIGHT and attempt.stage != number:
                tx.unneeded(attempt.stage)
                tx.uploads.drop(node_id)
            if seal and wanted is not None and not node.is_hidden:
                tx.uploads.attempt(node_id, number, size_bytes)
            tx.needed(number)
            if (kept := tx.uploads.of(node_id)) is not None:
                tx.needed(kept.stage)           # the uploader removes what it is at

    def holds(self, node_id: NodeId, number: StageId) -> bool:
        """The name shows that stage, whatever happens: an fsync or a close has promised it."""
        try:
            return self._db.nodes.node(node_id).stage == number
        except NotFound:
            return False

    def lacks(self, node_id: NodeId, number: StageId) -> bool:
        """The name shows that stage, and it isn't sent, for something is lacking; unless a person has said
        otherwise.
        """
        with self._db.reading() as tx:
            return self.holds(node_id, number) and tx.nodes.gap(node_id) is not None

    def note(self, node_id: NodeId, number: StageId, gap: Gap) -> None:
        """A write was refused. What an fsync has promised would be sent after a kill: if it isn't whole, its row says
        so.
        """
        if self.holds(node_id, number):
            with contextlib.suppress(FsError), self._db.transaction(durable=True) as tx:
                tx.nodes.set_gap(node_id, number, gap)

    def refuse(self, node_id: NodeId, gap: Gap) -> None:
        """Raises Incomplete, unless the file stays on this machine or is removed: then nothing was to be sent."""
        with contextlib.suppress(NotFound):
            node = self._db.nodes.node(node_id)
            if not node.local and not node.is_hidden:
                raise Incomplete(f"{node.name}: {gap.words()}", gap.code)
