"""Extended attributes that mean nothing to the service: kept on this machine, with the node, as modes and times are.

Owns    the table attribute.
Never   holds one of the names that the mount itself answers for.
"""

import os
from typing import Final

from anthrofs.errors import DiskFull
from anthrofs.model import NodeId
from anthrofs.tree.database import Database, Tx

NODE_BYTES: Final = 64 * 1024       # names and values of one node; Linux lists no more


class Xattrs:
    """Values are bytes on the disk, and text with surrogate escapes here."""

    def __init__(self, db: Database) -> None:
        self._db = db                       # given

    def all(self, node_id: NodeId) -> dict[str, str]:
        """By name."""
        with self._db.reading() as tx:
            return {name: os.fsdecode(value) for name, value in tx.all("SELECT name, value FROM attribute WHERE node_id = ?", node_id)}

    def has(self, tx: Tx, node_id: NodeId, name: str) -> bool:
        """There is such an attribute."""
        return tx.one("SELECT 1 FROM attribute WHERE node_id = ? AND name = ?", node_id, name) is not None

    def copy(self, tx: Tx, source: NodeId, target: NodeId) -> None:
        """All of one node's to another, which has none."""
        tx.run("INSERT INTO attribute (node_id, name, value) SELECT ?, name, value FROM attribute WHERE node_id = ?", target, source)

    def set(self, tx: Tx, node_id: NodeId, name: str, value: str | None) -> None:
        """None removes it. Raises DiskFull when a node has too many."""
        tx.run("DELETE FROM attribute WHERE node_id = ? AND name = ?", node_id, name)
        if value is None:
            return
        data = os.fsencode(value)
        used = tx.one("SELECT coalesce(sum(length(name) + length(value)), 0) FROM attribute WHERE node_id = ?", node_id)[0]
        if used + len(name.encode(errors="surrogateescape")) + len(data) > NODE_BYTES:
            raise DiskFull(f"a file can have {NODE_BYTES} bytes of extended attributes: {name} was not set")
        tx.run("INSERT INTO attribute VALUES (?, ?, ?)", node_id, name, data)
