"""What a rename means for the server: the outbox's share of it.

An own upload is sent again under its new name, from its kept copy, and then the old id goes. What others made is only named
here: it can't be sent without making it undownloadable for everybody. A name that stays local keeps its server file until
something else has taken that file's place there.

Serves  filesystem (rename), delivery (what was renamed while it was under way).
Never   touches the disk: stages are made before the transaction and removed after it, by the caller.
"""

from dataclasses import dataclass

from anthrofs.db import Tx
from anthrofs.index import Index
from anthrofs.model import Node, StageId
from anthrofs.outbox import IN_FLIGHT, Outbox


@dataclass(frozen=True, slots=True)
class Content:
    """What could be sent of a node: made before the transaction, and for the node as it was then."""

    seen: Node
    copy: StageId | None        # a second name for its kept copy, if it has to be sent and isn't staged
    is_remote: bool             # its stage has the very content that the server has
    mime_type: str              # by the new name


def needs_copy(node: Node, wanted: str | None) -> bool:
    """It is an own upload that the server has under another name."""
    return node.stage is None and node.kept and node.remote is not None and wanted is not None and wanted != node.remote.name


def renamed(tx: Tx, index: Index, outbox: Outbox, content: Content, name: str, wanted: str | None) -> set[StageId]:
    """The node has its new name. Returns the stages that nobody needs any more."""
    node = content.seen
    index.rename(tx, node.node_id, name, wanted)
    attempt = outbox.of(tx, node.node_id)
    under_way = attempt is not None and attempt.state in IN_FLIGHT
    unneeded: set[StageId] = set()
    stage = node.stage if content.copy is None else content.copy
    if node.stage is not None and content.is_remote and node.remote is not None and wanted in (None, node.remote.name):
        stage = None                    # back before it was sent: the server has it as it is
        unneeded.add(node.stage)
    if stage != node.stage:
        index.restage(tx, node.node_id, stage)
    if stage is None or wanted is None or not (node.sealed or content.copy is not None):
        if attempt is not None and not under_way:
            outbox.drop(tx, node.node_id)
    else:
        outbox.attempt(tx, node.node_id, stage, wanted, content.mime_type, node.size_bytes)
    if under_way and attempt is not None:
        unneeded.discard(attempt.stage)         # its end removes it
    return unneeded
