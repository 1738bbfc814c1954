"""How a node ends whose name is gone and that nobody has open.

Never   touches the disk.
"""

import contextlib
from collections.abc import Collection

from anthrofs import names
from anthrofs.errors import BadName, NameTooLong, NotFound
from anthrofs.model import Node, NodeId, StageId, is_view
from anthrofs.tree.database import Database
from anthrofs.tree.mirror import forget_remote
from anthrofs.tree.open_table import Handles
from anthrofs.tree.transaction import Tx
from anthrofs.tree.upload_queue import IN_FLIGHT


def end(tx: Tx, node: Node, now_ns: int | None = None) -> None:
    """Queues the server's file for deletion and withdraws the unsent content. An upload in flight is left alone: when it ends it finds no
    node, and what it stored is queued for deletion.

    `now_ns`: the user takes it out of its directory; None: that was before.
    """
    tx.unneeded(node.stage)
    if node.remote is not None:
        tx.deletions.doom(node.remote, _saved_as(tx, node))
    attempt = tx.uploads.of(node.node_id)
    if attempt is not None and attempt.state in IN_FLIGHT:
        tx.needed(attempt.stage)
    elif attempt is not None:
        tx.unneeded(attempt.stage)
        tx.uploads.drop(node.node_id)
    tx.nodes.remove(node.node_id, now_ns)


def _saved_as(tx: Tx, node: Node) -> str | None:
    """What a save under the name that it was shown by is called on the server, if that isn't what it is called there; None: it is, or it
    can't be told any more.
    """
    if node.is_hidden or node.local or node.remote is None:
        return None
    with contextlib.suppress(BadName, NameTooLong):
        name = names.server_name_of(tx.nodes.path(node), "flat" if tx.get_meta("layout") == "flat" else "tree")
        return None if name == node.remote.name else name
    return None


def end_id(tx: Tx, node: Node) -> bool:
    """The server's file alone is doomed, if the node holds something newer. False: they are the same, so the node has to end."""
    if node.stage is None or node.remote is None:
        return False
    tx.deletions.doom(node.remote)
    forget_remote(tx, node.node_id)
    return True


def released(db: Database, node_id: NodeId, stage: StageId | None) -> bool:
    """A last release. Whoever unlinks from now on finds the node closed and ends it; what was unlinked before ends here, and nobody needs
    `stage` any more, its open content. False: it goes on.
    """
    if is_view(node_id):
        return False            # a view: its node has handles of its own
    with contextlib.suppress(NotFound), db.reading() as tx:
        node = tx.nodes.node(node_id)
        if not node.is_hidden or node.is_undecided:
            return False        # libfuse unlinks what it has hidden, or gives its name to another and this is hidden again
    with db.transaction(durable=True) as tx:
        tx.unneeded(stage)
        with contextlib.suppress(NotFound):         # it has ended already
            end(tx, tx.nodes.node(node_id))
            if (attempt := tx.uploads.of(node_id)) is not None:
                tx.needed(attempt.stage)
    return True


def settle(db: Database, handles: Handles, node_ids: Collection[NodeId]) -> None:
    """Those that are hidden were unlinked: they end, or do so at their last release."""
    with db.transaction(durable=True) as tx:
        for node in tx.nodes.hidden():
            if node.node_id in node_ids:
                if handles.content_of(node.node_id) is None:
                    end(tx, node)
                else:
                    tx.nodes.settle(node.node_id)
