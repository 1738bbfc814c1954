"""How a node ends whose name is gone and that nobody has open.

Never   touches the disk: it says which stages nobody needs, and the caller removes them after the commit.
"""

import contextlib
from collections.abc import Collection

from anthrofs import names
from anthrofs.errors import BadName, NameTooLong, NotFound
from anthrofs.model import BY_ID, HIDDEN, Node, NodeId, StageId
from anthrofs.tree.database import Database, Tx
from anthrofs.tree.mirror import forget_remote
from anthrofs.tree.nodes import Index
from anthrofs.tree.open_table import Handles
from anthrofs.tree.outbox import IN_FLIGHT, Outbox


def end(tx: Tx, index: Index, outbox: Outbox, node: Node, now_ns: int | None = None) -> set[StageId]:
    """The server's file is doomed, what was to be sent isn't. An upload in flight ends by itself: it finds no node then.

    `now_ns`: the user takes it out of its directory; None: that was before. Returns the stages that nobody needs any more.
    """
    stages = set() if node.stage is None else {node.stage}
    if node.remote is not None:
        outbox.doom(tx, node.remote, _saved_as(tx, index, node))
    attempt = outbox.of(tx, node.node_id)
    if attempt is not None and attempt.state in IN_FLIGHT:
        stages.discard(attempt.stage)
    elif attempt is not None:
        stages.add(attempt.stage)
        outbox.drop(tx, node.node_id)
    index.remove(tx, node.node_id, now_ns)
    return stages


def _saved_as(tx: Tx, index: Index, node: Node) -> str | None:
    """What a save under the name that it was shown by is called on the server, if that isn't what it is called there; None: it is, or it
    can't be told any more.
    """
    if node.parent == HIDDEN or node.local or node.remote is None:
        return None
    with contextlib.suppress(BadName, NameTooLong):
        name = names.server_name_of(index.path(node), "flat" if tx.get_meta("layout") == "flat" else "tree")
        return None if name == node.remote.name else name
    return None


def end_id(tx: Tx, outbox: Outbox, node: Node) -> bool:
    """The server's file alone is doomed, if the node holds something newer. False: they are the same, so the node has to end."""
    if node.stage is None or node.remote is None:
        return False
    outbox.doom(tx, node.remote)
    forget_remote(tx, node.node_id)
    return True


def released(db: Database, index: Index, outbox: Outbox, node_id: NodeId, stage: StageId | None) -> set[StageId] | None:
    """A last release. Whoever unlinks from now on finds the node closed and ends it; what was unlinked before ends here. Returns the
    stages that nobody needs any more, `stage` among them; None: it goes on.
    """
    if node_id > BY_ID:
        return None             # a view: its node has handles of its own
    stages = set() if stage is None else {stage}
    with contextlib.suppress(NotFound):
        with db.reading() as tx:
            if index.node(node_id).parent != HIDDEN or node_id in index.doubtful(tx):
                return None     # libfuse unlinks what it has hidden, or gives its name to another and this is hidden again
        with db.transaction(durable=True) as tx:
            stages |= end(tx, index, outbox, index.node(node_id))
            attempt = outbox.of(tx, node_id)
        if attempt is not None:
            stages.discard(attempt.stage)
    return stages


def settle(db: Database, index: Index, outbox: Outbox, handles: Handles, node_ids: Collection[NodeId]) -> set[StageId]:
    """Those that are hidden were unlinked: they end, or do so at their last release. Returns the stages that nobody needs any more."""
    stages = set[StageId]()
    with db.transaction(durable=True) as tx:
        for node in index.hidden(tx):
            if node.node_id in node_ids:
                if handles.content_of(node.node_id) is None:
                    stages |= end(tx, index, outbox, node)
                else:
                    index.settle(tx, node.node_id)
    return stages
