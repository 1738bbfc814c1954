"""Content that the server has, as a stage again: because its name there is to change, or because it is to live on here
only.

Trusts  the rows of the moment at which they are written: while a copy was made, the user may have changed his mind.
Never   leaves a stage that nobody needs, and gives none up that a row names.
"""

import logging

from anthrofs.download.whole_files import SealedCopies
from anthrofs.errors import FsError, Gone, NotReadable
from anthrofs.model import Node
from anthrofs.store.staging import Staging
from anthrofs.tree.database import Database
from anthrofs.tree.mirror import Mirror

log = logging.getLogger(__name__)


class Restaging:
    """The restaging of one mount."""

    def __init__(self, db: Database, mirror: Mirror, staging: Staging, copies: SealedCopies) -> None:
        self._db = db               # given
        self._mirror = mirror       # given
        self._staging = staging     # given
        self._copies = copies       # given

    def prepare(self, node: Node) -> None:
        """A node that is to be sent again, as the user wants it now, gets a stage and an attempt. Raises DiskFull,
        RemoteError.
        """
        try:
            stage = self._copies.stage_of(node)
        except (NotReadable, Gone) as exc:
            log.warning("%r keeps its name on the server: %s", node.name, exc)
            with self._db.transaction() as tx:
                tx.nodes.set_resend(node.node_id, False)
            return
        wanted = False
        try:
            with self._db.transaction(durable=True) as tx:
                now = self._db.nodes.find(node.node_id)
                wanted = (now is not None and now.resend and now.stage is None and now.remote == node.remote
                          and tx.uploads.of(node.node_id) is None)
                if wanted:
                    tx.uploads.attempt(node.node_id, stage, node.size_bytes)
        except BaseException:
            wanted = False
            raise
        finally:
            if not wanted:
                self._staging.remove(stage)

    def detach(self, node: Node) -> None:
        """A backup's server file has been replaced there: it lives on here, and that file goes."""
        assert node.remote is not None
        try:
            stage = self._copies.stage_of(node) if node.stage is None else node.stage
        except (OSError, FsError) as exc:
            log.warning("%s could not be fetched (%s): its content stays on the server, under the name %s",
                        node.name, exc, node.remote.name)
            return
        with self._db.transaction(durable=True) as tx:
            now = self._db.nodes.find(node.node_id)
            used = now is not None and (now.stage, now.remote, now.local) == (node.stage, node.remote, True)
            if used:
                self._mirror.detach(tx, node.node_id, stage)
                tx.deletions.doom(node.remote)
        if not used and node.stage is None:
            self._staging.remove(stage)
