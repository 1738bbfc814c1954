"""A start puts in order what the last end left, clean or not. Nothing is open yet.

Trusts  the database: rows say which stages are promised. A promised one is sent; what was being written when the
        program was killed was promised to nobody, so its name shows what it showed before, and its bytes stay in
        staging for check to report.
Never   removes bytes that nobody asked to remove.
"""

import contextlib
import logging

from anthrofs.errors import EXIT_FAILED, BadName, NameTooLong, SetupError
from anthrofs.fs.paths import Paths
from anthrofs.model import Node, StageId
from anthrofs.store.block_cache import BlockCache
from anthrofs.store.staging import Staging
from anthrofs.tree import intents
from anthrofs.tree.database import Database
from anthrofs.tree.mirror import Mirror
from anthrofs.tree.transaction import Tx
from anthrofs.tree.upload_queue import IN_FLIGHT

log = logging.getLogger(__name__)


def recover(db: Database, mirror: Mirror, staging: Staging, paths: Paths) -> None:
    """Bring the rows back to what can be served."""
    _publish_open(db, staging)
    with db.transaction(durable=True) as tx:
        tx.uploads.recover()
        tx.deletions.recover()
        for node in tx.nodes.hidden():
            if node.is_undecided:           # perhaps half of a replacement that never happened
                _unhide(tx, paths, node)
            else:
                intents.unlink(tx, node)
        for name in tx.nodes.forget_unpromised():
            log.warning("%r was being written when anthrofs was ended: nothing of it was promised, so it isn't shown",
                        name)
        for node in tx.nodes.unsent():
            if node.stage is not None:
                _queue(tx, staging, node, node.stage)
            else:
                _recopy(tx, staging, node)
        mirror.place_again(tx)
        promised = {node.stage for node in tx.nodes.unsent()} | {attempt.stage for attempt in tx.uploads.every()}
    staging.start({number for number in promised if number is not None})
    for number in staging.adopted() - {number for number in promised if number is not None}:
        staging.remove(number)


def _publish_open(db: Database, staging: Staging) -> None:
    """Syncs what was written after an fsync: it is about to be handed over with the rest, and to become the kept copy.
    """
    with db.reading() as tx:
        unsealed = [(node, node.stage) for node in tx.nodes.unsent() if node.stage is not None and not node.sealed]
    for node, number in unsealed:
        _size_bytes(staging, node, number)      # a plain file, if it is there
        with contextlib.suppress(FileNotFoundError), contextlib.closing(staging.open(number)) as stage:
            staging.publish("stage", stage.descriptor)


def forget_cut(db: Database, mirror: Mirror, cache: BlockCache) -> None:
    """Forgets what the version before had kept of downloads that ended early as if it were the file."""
    with db.reading() as tx:
        doubted = mirror.doubted(tx)
    for file_id in doubted:
        cache.drop_blocks(file_id)
    if doubted:
        log.warning("of %d files an earlier version had taken a part for the whole: they have the size of the listing "
                    "again", len(doubted))
        with db.transaction() as tx:
            mirror.forget_doubted(tx)


def _unhide(tx: Tx, paths: Paths, node: Node) -> None:
    """As if the user had renamed it: what it was called may be another file's name by now, here and on the server."""
    log.warning("%r was being replaced or removed when anthrofs was ended: it is kept",
                tx.nodes.unhide(node.node_id, "recovered"))
    if node.local:
        return
    shown = tx.nodes.node(node.node_id)
    with contextlib.suppress(BadName, NameTooLong):     # on the server it keeps the one it has
        intents.want(tx, shown, paths.wanted(tx.nodes.path(shown)))


def _queue(tx: Tx, staging: Staging, node: Node, stage: StageId) -> None:
    """Nobody writes to it any more, so it can be sent as it is: promised by fsync only, it has no attempt yet."""
    size_bytes = _size_bytes(staging, node, stage)
    tx.nodes.seal(node.node_id, size_bytes)
    attempt = tx.uploads.of(node.node_id)
    if node.wanted is None or (attempt is not None and (attempt.state in IN_FLIGHT or attempt.stage == stage)):
        return
    tx.uploads.attempt(node.node_id, stage, size_bytes)


def _recopy(tx: Tx, staging: Staging, node: Node) -> None:
    """Has content that was fetched to be sent again under another name fetched anew, if it isn't as long as the file:
    sent, it would replace that.
    """
    attempt = tx.uploads.of(node.node_id)
    if attempt is None or node.kept or node.remote is None or node.remote.may_grow:
        return
    if _size_bytes(staging, node, attempt.stage) == node.remote.size_bytes:
        return
    log.warning("%r had not come whole to be sent under its new name: it is fetched again", node.name)
    tx.uploads.drop(node.node_id)
    tx.unneeded(attempt.stage)


def _size_bytes(staging: Staging, node: Node, stage: StageId) -> int:
    """The size of what is in staging now: more may have been written after the last fsync."""
    path = staging.path(stage)
    if path.is_symlink() or (path.exists() and not path.is_file()):     # opening a pipe would wait for ever
        raise SetupError(f"{path} should be the unsent content of {node.name!r}, but is no plain file: somebody else "
                         "put it there. Move it away, put the content back if you have it, and mount again.",
                         EXIT_FAILED)
    try:
        return path.stat().st_size
    except OSError:
        return node.size_bytes              # the uploader says that it is missing
