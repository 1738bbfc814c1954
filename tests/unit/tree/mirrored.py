"""Files of the server, and a tree that shows them."""

from typing import Final

from anthrofs.model import ROOT, Attempt, FileId, NodeId, RemoteFile, StageId
from anthrofs.tree.lookups import Lookups
from anthrofs.tree.mirror import Mirror
from anthrofs.tree.transaction import Tx
from anthrofs.tree.upload_queue import SENDING
from tests.fakes import EPOCH_NS, SECOND_NS, entries

NOBODY: Final[frozenset[NodeId]] = frozenset()


def remote(number: int, name: str = "a.txt", *, age_s: float = 1000.0, size_bytes: int = 3, downloadable: bool = True) -> RemoteFile:
    """A file whose id says when it was made: a higher number is newer."""
    return RemoteFile(FileId(f"file_{number}"), name, "text/plain", size_bytes, EPOCH_NS - round(age_s * SECOND_NS) + number, downloadable)


def stored(tx: Tx, mirror: Mirror, node_id: NodeId, file: RemoteFile) -> None:
    """Stage 1 of the node has become this file."""
    mirror.stored(tx, Attempt(node_id, StageId(1), SENDING, file.size_bytes, file.name, file.mime_type, None, None, 1, None, None), file,
                  found=False, copied=True)


def shown(lookups: Lookups) -> dict[str, str | None]:
    """Name → id of everything in the root."""
    nodes = [lookups.node(node_id) for _, node_id, _ in entries(lookups, ROOT)]
    return {node.name: None if node.remote is None else str(node.remote.file_id) for node in nodes}
