"""Extended attributes that mean nothing to the service: kept on this machine, with the node, as modes and times are.

Owns    the table attribute.
Never   holds one of the names that the mount itself answers for.
"""

import os
from typing import Final

from anthrofs.errors import DiskFull
from anthrofs.model import NodeId
from anthrofs.tree.rows import Rows

NODE_BYTES: Final = 64 * 1024       # names and values of one node; Linux lists no more


class Xattrs:
    """Values are bytes on the disk, and text with surrogate escapes here."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows           # given

    def all(self, node_id: NodeId) -> dict[str, str]:
        """Returns the attributes of a node by name."""
        return {name: os.fsdecode(value) for name, value in self._rows.all("SELECT name, value FROM attribute WHERE node_id = ?", node_id)}

    def has(self, node_id: NodeId, name: str) -> bool:
        """There is such an attribute."""
        return self._rows.one("SELECT 1 FROM attribute WHERE node_id = ? AND name = ?", node_id, name) is not None

    def copy(self, source: NodeId, target: NodeId) -> None:
        """All of one node's to another, which has none."""
        self._rows.run("INSERT INTO attribute (node_id, name, value) SELECT ?, name, value FROM attribute WHERE node_id = ?", target, source)

    def set(self, node_id: NodeId, name: str, value: str | None) -> None:
        """None removes it. Raises DiskFull when a node has too many."""
        self._rows.run("DELETE FROM attribute WHERE node_id = ? AND name = ?", node_id, name)
        if value is None:
            return
        data = os.fsencode(value)
        used = self._rows.one("SELECT coalesce(sum(length(name) + length(value)), 0) FROM attribute WHERE node_id = ?", node_id)[0]
        if used + len(name.encode(errors="surrogateescape")) + len(data) > NODE_BYTES:
            raise DiskFull(f"a file can have {NODE_BYTES} bytes of extended attributes: {name} was not set")
        self._rows.run("INSERT INTO attribute VALUES (?, ?, ?)", node_id, name, data)
