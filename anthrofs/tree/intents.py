"""Intents: what a rename or an unlink asks of the server. Only rows change: neither takes disk or network.

A rename: an own upload is sent again under its new name, from its kept copy, and then the old id goes; others' uploads,
too, if the store of a fleet has them. What others made otherwise is only named here: it can't be sent without making it
undownloadable for everybody. A name that stays local keeps its server file until something else has taken that file's
place there.

An unlink: the server's file is to be deleted, what was to be sent isn't any more. Of a file that somebody has open, at
its last release.

Never   touches the disk.
"""

import contextlib
from collections.abc import Collection
from typing import Final

from anthrofs import names
from anthrofs.errors import BadName, NameTooLong, NotFound
from anthrofs.model import Node, NodeId, RemoteFile, StageId, is_view
from anthrofs.tree import history
from anthrofs.tree.database import Database
from anthrofs.tree.mirror import forget_remote, set_remote
from anthrofs.tree.open_table import OpenTable
from anthrofs.tree.transaction import Tx
from anthrofs.tree.upload_queue import IN_FLIGHT

CUT_S: Final = 1.0          # either time that the service tells may be cut to seconds


def want(tx: Tx, node: Node, wanted: str | None, *, anew: bool = False) -> None:
    """The server is to have the node under that name; None: it stays here. `anew`: sent again, even if it has it under
    that name.
    """
    if node.stage is not None and node.remote is None and node.wanted not in (None, wanted):
        # The server's file of its old name, which it was to replace there, stays until it is sent.
        replaced = tx.deletions.reprieve(node.wanted)
        if replaced is not None:
            set_remote(tx, node.node_id, replaced)
            tx.history.began(replaced.file_id, tx.nodes.path(node), history.BACK)
    tx.nodes.want(node, wanted)
    attempt = tx.uploads.of(node.node_id)
    if attempt is not None and attempt.state in IN_FLIGHT:
        attempt = None                      # what becomes of it is seen at its end
    if node.stage is not None:              # content that the server doesn't have
        if wanted is None:
            if attempt is not None:
                tx.uploads.drop(node.node_id)
        elif node.sealed:
            tx.uploads.attempt(node.node_id, node.stage, node.size_bytes)
        return
    resend = (node.resendable or node.resend) and wanted is not None and (anew or differs(node, wanted))
    if resend != node.resend:
        tx.nodes.set_resend(node.node_id, resend)
    if attempt is None:
        return
    if resend:
        tx.uploads.attempt(node.node_id, attempt.stage, attempt.size_bytes)
        return
    tx.uploads.drop(node.node_id)
    tx.unneeded(attempt.stage)


def saved_as(tx: Tx, node: Node, layout: names.Layout) -> str | None:
    """The server name that a save under the name which the node is shown by asks for; None: it stays here.

    What only display has named, as a duplicate or because no upload can be called what it is called there, is saved by
    what is shown: as the newest of its old name it would take the plain one in every other mount, and be called after
    an id that is gone in this one.
    """
    if node.local or (node.wanted is not None and (node.remote is None or node.wanted != node.remote.name)):
        return node.wanted
    try:
        return names.server_name_of(tx.nodes.path(node), layout)
    except (BadName, NameTooLong):
        if node.remote is None:
            raise
        return node.remote.name         # an id made it too long: it keeps the one that it has


def differs(node: Node, wanted: str) -> bool:
    """The server's file has another name or type than the user wants, or, an own upload, another time to live."""
    return node.remote is not None and (wanted != node.remote.name
                                        or node.mime_type not in (None, node.remote.mime_type)
                                        or (node.kept and abs(_lives_s(node.remote) - (node.expires_s or 0)) > CUT_S))


def _lives_s(file: RemoteFile) -> float:
    """Seconds from its upload to its expiry; 0: for ever."""
    return 0.0 if file.expires_ns is None else (file.expires_ns - file.created_ns) / 1e9


def ends(tx: Tx, node: Node, why: str) -> None:
    """Notes that the user takes the node's path from it, and so ends the id that it has."""
    if node.remote is None or (node.is_hidden and not node.is_undecided):       # that was noted before
        return
    path = tx.nodes.path(node)
    if node.local:          # an editor's backup: what is saved under the old name is its successor
        if (event := tx.history.fate(node.remote.file_id)) is not None and not event.is_end:
            return
        with contextlib.suppress(BadName):
            path, why = names.shown_path_of(node.remote.name), history.COVERED
    tx.history.ended(node.remote.file_id, path, why)


def unlink(tx: Tx, node: Node, now_ns: int | None = None, why: str = history.REMOVED) -> None:
    """Queues the server's file for deletion and withdraws the unsent content. An upload in flight is left alone: when
    it ends it finds no node, and what it stored is queued for deletion.

    `now_ns`: the user takes it out of its directory; None: that was before.
    """
    ends(tx, node, why)
    tx.unneeded(node.stage)
    if node.remote is not None:
        tx.deletions.doom(node.remote, _save_would_be(tx, node))
    attempt = tx.uploads.of(node.node_id)
    if attempt is not None and attempt.state in IN_FLIGHT:
        tx.needed(attempt.stage)
    elif attempt is not None:
        tx.unneeded(attempt.stage)
        tx.uploads.drop(node.node_id)
    tx.nodes.remove(node.node_id, now_ns)


def _save_would_be(tx: Tx, node: Node) -> str | None:
    """The name that a save under the shown name would have on the server, if the server's file is called otherwise;
    None: it isn't, or that can't be told any more.
    """
    if node.is_hidden or node.local or node.remote is None:
        return None
    with contextlib.suppress(BadName, NameTooLong):
        name = names.server_name_of(tx.nodes.path(node), "flat" if tx.get_meta("layout") == "flat" else "tree")
        return None if name == node.remote.name else name
    return None


def unlink_id(tx: Tx, node: Node) -> bool:
    """Queues the server's file alone for deletion, if the node holds something newer. False: they are the same, so the
    node has to end.
    """
    if node.stage is None or node.remote is None:
        return False
    ends(tx, node, history.REMOVED)
    tx.deletions.doom(node.remote)
    forget_remote(tx, node.node_id)
    return True


def released(db: Database, node_id: NodeId, stage: StageId | None) -> bool:
    """A node was released for the last time. Whoever unlinks from now on finds the node closed and ends it; what was
    unlinked before ends here, and nobody needs `stage` any more, its open content. False: it goes on.
    """
    if is_view(node_id):
        return False            # a view: its node has handles of its own
    with contextlib.suppress(NotFound), db.reading() as tx:
        node = tx.nodes.node(node_id)
        if not node.is_hidden or node.is_undecided:
            return False        # libfuse unlinks what it has hidden, or gives its name to another: hidden again
    with db.transaction(durable=True) as tx:
        tx.unneeded(stage)
        with contextlib.suppress(NotFound):         # it has ended already
            unlink(tx, tx.nodes.node(node_id))
        if (attempt := tx.uploads.of(node_id)) is not None:
            tx.needed(attempt.stage)                # the uploader removes what it is at
    return True


def unlink_hidden(db: Database, handles: OpenTable, node_ids: Collection[NodeId]) -> None:
    """Nodes that are hidden were unlinked: they end, or do so at their last release."""
    with db.transaction(durable=True) as tx:
        for node in tx.nodes.hidden():
            if node.node_id in node_ids:
                if handles.content_of(node.node_id) is None:
                    unlink(tx, node)
                else:
                    ends(tx, node, history.REMOVED)
                    tx.nodes.settle(node.node_id)
