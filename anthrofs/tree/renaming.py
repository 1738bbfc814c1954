"""What a user's name for a file means for the server. Only rows change: a rename takes no disk and no network.

An own upload is sent again under its new name, from its kept copy, and then the old id goes. What others made is only named
here: it can't be sent without making it undownloadable for everybody. A name that stays local keeps its server file until
something else has taken that file's place there.

Never   touches the disk.
"""

from typing import Final

from anthrofs import names
from anthrofs.errors import BadName, NameTooLong
from anthrofs.model import Node, RemoteFile
from anthrofs.tree.mirror import set_remote
from anthrofs.tree.transaction import Tx
from anthrofs.tree.upload_queue import IN_FLIGHT

CUT_S: Final = 1.0          # either time that the service tells may be cut to seconds


def want(tx: Tx, node: Node, wanted: str | None, *, anew: bool = False) -> None:
    """The server is to have the node under that name; None: it stays here. `anew`: sent again, even if it has it under that name."""
    if node.stage is not None and node.remote is None and node.wanted not in (None, wanted):
        # The server's file of its old name, which it was to replace there, stays until it is sent.
        replaced = tx.deletions.reprieve(node.wanted)
        if replaced is not None:
            set_remote(tx, node.node_id, replaced)
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
    resend = (node.kept or node.resend) and wanted is not None and (anew or differs(node, wanted))
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

    What only display has named, as a duplicate or because no upload can be called what it is called there, is saved by what is shown:
    as the newest of its old name it would take the plain one in every other mount, and be called after an id that is gone in this one.
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
    return node.remote is not None and (wanted != node.remote.name or node.mime_type not in (None, node.remote.mime_type)
                                        or (node.kept and abs(_lives_s(node.remote) - (node.expires_s or 0)) > CUT_S))


def _lives_s(file: RemoteFile) -> float:
    """From its upload to its expiry; 0: for ever."""
    return 0.0 if file.expires_ns is None else (file.expires_ns - file.created_ns) / 1e9
