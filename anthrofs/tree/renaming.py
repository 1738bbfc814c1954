"""What a user's name for a file means for the server. Only rows change: a rename takes no disk and no network.

An own upload is sent again under its new name, from its kept copy, and then the old id goes. What others made is only named
here: it can't be sent without making it undownloadable for everybody. A name that stays local keeps its server file until
something else has taken that file's place there.

Never   touches the disk: it says which stages nobody needs, and the caller removes them after the commit.
"""

from typing import Final

from anthrofs import names
from anthrofs.errors import BadName, NameTooLong
from anthrofs.model import Node, RemoteFile, StageId
from anthrofs.tree.database import Tx
from anthrofs.tree.mirror import set_remote
from anthrofs.tree.nodes import Index
from anthrofs.tree.outbox import IN_FLIGHT, Outbox

CUT_S: Final = 1.0          # either time that the service tells may be cut to seconds


def want(tx: Tx, index: Index, outbox: Outbox, node: Node, wanted: str | None, *, anew: bool = False) -> set[StageId]:
    """The server is to have the node under that name; None: it stays here. `anew`: sent again, even if it has it under that name.
    Returns the stages that nobody needs any more.
    """
    if node.stage is not None and node.remote is None and node.wanted not in (None, wanted):
        # The server's file of its old name, which it was to replace there, stays until it is sent.
        replaced = outbox.reprieve(tx, node.wanted)
        if replaced is not None:
            set_remote(tx, node.node_id, replaced)
    index.want(tx, node, wanted)
    attempt = outbox.of(tx, node.node_id)
    if attempt is not None and attempt.state in IN_FLIGHT:
        attempt = None                      # what becomes of it is seen at its end
    if node.stage is not None:              # content that the server doesn't have
        if wanted is None:
            if attempt is not None:
                outbox.drop(tx, node.node_id)
        elif node.sealed:
            outbox.attempt(tx, node.node_id, node.stage, node.size_bytes)
        return set()
    resend = (node.kept or node.resend) and wanted is not None and (anew or differs(node, wanted))
    if resend != node.resend:
        index.set_resend(tx, node.node_id, resend)
    if attempt is None:
        return set()
    if resend:
        outbox.attempt(tx, node.node_id, attempt.stage, attempt.size_bytes)
        return set()
    outbox.drop(tx, node.node_id)
    return {attempt.stage}


def saved_as(index: Index, node: Node, layout: names.Layout) -> str | None:
    """The server name that a save under the name which the node is shown by asks for; None: it stays here.

    What only display has named, as a duplicate or because no upload can be called what it is called there, is saved by what is shown:
    as the newest of its old name it would take the plain one in every other mount, and be called after an id that is gone in this one.
    """
    if node.local or (node.wanted is not None and (node.remote is None or node.wanted != node.remote.name)):
        return node.wanted
    try:
        return names.server_name_of(index.path(node), layout)
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
