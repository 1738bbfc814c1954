"""An upload that the server has: its content becomes a kept copy, and the rows say that it is there.

Trusts  the rows of the moment: while it was sent, the file may have been saved again, renamed or removed.
Never   removes a stage before the commit that says that the server has it, nor touches a server file that may be
        somebody else's.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from anthrofs.model import Attempt, FileId, Node, RemoteFile
from anthrofs.store.block_cache import BlockCache
from anthrofs.store.block_map import BlockMap
from anthrofs.store.staging import Staging
from anthrofs.tree import history, lost
from anthrofs.tree.database import Database
from anthrofs.tree.kept_copies import KeptCopies
from anthrofs.tree.mirror import Mirror
from anthrofs.tree.shares import Task
from anthrofs.tree.transaction import Tx
from anthrofs.tree.upload_queue import Step

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Told:
    """Somebody who is told what the server has of ours, and what it has no more, as soon as that is written down here.
    """

    stored: Callable[[RemoteFile], None] = lambda _: None
    deleted: Callable[[FileId], None] = lambda _: None


NOBODY: Final = Told()


class Arrivals:
    """The arrivals of one mount's uploads."""

    def __init__(self, db: Database, mirror: Mirror, staging: Staging, cache: BlockCache, kept_copies: KeptCopies,
                 arrived: Callable[[], None], told: Told = NOBODY, *, shares: bool) -> None:
        """`shares`: what arrives is owed to the store of a fleet."""
        self._db = db                   # given
        self._mirror = mirror           # given
        self._staging = staging         # given
        self._cache = cache             # given
        self._kept_copies = kept_copies # given
        self._arrived = arrived         # given: told at once, when it is committed
        self._told = told               # given
        self._shares = shares           # constant

        self._looked = False            # for backups that an earlier mount has left; guarded by the database's lock

    def take_in(self, attempt: Attempt, file: RemoteFile, step: Step, sums: BlockMap | None, *,
                sure: bool = True) -> list[Node]:
        """The server has the attempt's stage as this file: STORED, it has just said so; FOUND, a listing shows it.
        `sums` were made of it while it was sent; None: it wasn't. `sure`: nobody else can have stored that.
        Returns the backups that have to live on here only, for that name is another file's on the server now.

        The copy first (a second name of the stage), then one transaction, then the stage goes.
        """
        path, going = self._staging.path(attempt.stage), list[FileId]()
        lasts = self._kept_copies.adopt(attempt.name, file.file_id, path)
        copied = lasts is not None
        with self._db.transaction(durable=True) as tx:
            tx.uploads.step(attempt, step)
            if step is Step.STORED:
                lost.learn(tx, file)
            left = self._note(tx, attempt, file, found=step is Step.FOUND, copied=copied, sure=sure)
            if lasts is not None:
                going = self._kept_copies.stored(tx, file.file_id, lasts=lasts)
            namesakes = self._mirror.namesakes(tx, file.name, left=not self._looked)
            self._looked, shown = True, self._mirror.knows(tx, file.file_id)
        self._arrived()
        if shown:
            self._told.stored(file)
        if left:
            log.warning("%r was removed or renamed here before it was known what became of it. The server has such a "
                        "file (%s), stored by us or perhaps by somebody else: it is left there, and shows at the next "
                        "refresh", file.name, file.file_id)
        elif copied and self._shares and not sure:
            log.info("%r was found in the listing (%s), and no board says that nobody else has sent such a file: it "
                     "isn't put into the store, unless it is saved once more", file.name, file.file_id)
        if copied:
            self._staging.remove(attempt.stage)     # who has it open reads on through the descriptor
            if left:
                self._cache.drop(file.file_id)      # it would be taken for what is in that file
            elif file.file_id not in going:
                self._cache.verify(file.file_id, sums)
        self._kept_copies.remove(going)
        return namesakes

    def _note(self, tx: Tx, attempt: Attempt, file: RemoteFile, *, found: bool, copied: bool, sure: bool) -> bool:
        """Writes down that the server has it. Returns True when nothing here wants the file and nothing proves that it
        is ours, so it isn't touched: others' files can have its name, size, type and time, and one that comes back is
        better than a loss.
        """
        node = self._db.nodes.find(attempt.node_id)
        if node is None or not (node.unsent or node.remote is None):
            if sure:
                tx.deletions.doom(file)     # unlinked while it was sent; or renamed, and back again
            return not sure
        self._mirror.stored(tx, attempt, file, found=found, copied=copied)
        self._remember(tx, node, file)
        if copied and self._shares:
            tx.shares.owe(file.file_id, attempt.size_bytes, Task.OWN if sure else Task.DOUBTED)
        if node.remote is not None and node.remote.file_id != file.file_id:
            tx.deletions.doom(node.remote)
        if node.stage != attempt.stage:
            queue_newer(tx, node)
        return False

    def _remember(self, tx: Tx, node: Node, file: RemoteFile) -> None:
        """Notes the path's new id. `node`: as it was; an editor's backup may have what the path had before."""
        if node.is_hidden:
            return
        was = node.remote
        if was is None:
            was = next((backup.remote for backup in self._mirror.namesakes(tx, file.name, left=False)), None)
        if node.stage is not None or was is None:
            why = history.SAVED
        elif was.name != file.name:
            why = history.RENAMED
        else:
            why = history.SET if node.listed_bytes is None else history.AGAIN
        tx.history.began(file.file_id, tx.nodes.path(node), why, None if was is None else was.file_id)


def queue_newer(tx: Tx, node: Node) -> None:
    """The content that a close has promised meanwhile takes its turn; what no close has handed over waits for that."""
    if (stage := node.sendable) is not None:
        tx.uploads.attempt(node.node_id, stage, node.size_bytes)
