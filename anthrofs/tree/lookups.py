"""Lookups: the tree as it is now, each answer of one moment but for long ones, from the local database, always.

Owns    a few directories' rows, see lookup_cache.py.
Never   changes anything: that is for transactions, whose tables see the same rows.
"""

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol

from anthrofs.errors import NotFound
from anthrofs.model import Attempt, FileId, Node, NodeId
from anthrofs.tree import lookup_cache
from anthrofs.tree.lookup_cache import LookupCache
from anthrofs.tree.nodes import COLUMNS, Entry, node_of
from anthrofs.tree.rows import Rows
from anthrofs.tree.transaction import Tx

PIECE: Final = 1000     # entries that are read at once, in a millisecond; then others may have the database


class Reading(lookup_cache.Reading, Protocol):
    """The database, as far as lookups need it."""

    def reading(self) -> AbstractContextManager[Tx]: ...


class Lookups:
    """See Nodes for what the answers are."""

    def __init__(self, db: Reading) -> None:
        self._db = db                                   # given
        self._batches = LookupCache(db, _entries_from)      # constant

    def entry(self, parent: NodeId, name: str) -> Node:
        """The node of that name in a directory. Raises NotFound."""
        return node_of(self._batches.row(parent, name), name)

    def has(self, parent: NodeId, name: str) -> bool:
        """There is such an entry."""
        try:
            self.entry(parent, name)
        except NotFound:
            return False
        return True

    def node(self, node_id: NodeId) -> Node:
        """See Nodes.node."""
        with self._db.reading() as tx:
            return tx.nodes.node(node_id)

    def find(self, node_id: NodeId) -> Node | None:
        """Returns the node, if it has not ended."""
        try:
            return self.node(node_id)
        except NotFound:
            return None

    def attempt(self, node_id: NodeId) -> Attempt | None:
        """See Uploads.of."""
        with self._db.reading() as tx:
            return tx.uploads.of(node_id)

    def with_attempt(self, node_id: NodeId) -> tuple[Node, Attempt | None]:
        """Returns a node and its attempt. Raises NotFound."""
        with self._db.reading() as tx:
            return tx.nodes.node(node_id), tx.uploads.of(node_id)

    def holder(self, file_id: FileId) -> Node:
        """See Nodes.holder."""
        with self._db.reading() as tx:
            return tx.nodes.holder(file_id)

    def path(self, node: Node) -> str:
        """See Nodes.path. Raises NotFound."""
        with self._db.reading() as tx:
            return tx.nodes.path(node)

    def paths_of(self, file_ids: Collection[FileId]) -> dict[FileId, str]:
        """See Nodes.paths_of."""
        with self._db.reading() as tx:
            return tx.nodes.paths_of(file_ids)

    def each_entry(self, parent: NodeId, show: Callable[[str, NodeId, bool], None]) -> None:
        """`show` is told (name, node, directory) of everything in a directory, by name. See entries_after for what that
        is worth while the directory changes. No list of them all: that of 100,000 files takes 35 MB.
        """
        name = ""
        while found := self.entries_after(parent, name, PIECE):
            for entry in found:
                show(entry.name, entry.node_id, entry.directory)
            name = found[-1].name

    def entries_after(self, parent: NodeId, name: str, limit: int) -> list[Entry]:
        """See Nodes.entries_after."""
        with self._db.reading() as tx:
            return tx.nodes.entries_after(parent, name, limit)

    def following(self, parent: NodeId, name: str, limit: int) -> list[Node]:
        """See Nodes.following."""
        with self._db.reading() as tx:
            return tx.nodes.following(parent, name, limit)

    def totals(self) -> tuple[int, int, int]:
        """See Nodes.totals."""
        with self._db.reading() as tx:
            return tx.nodes.totals()


def _entries_from(rows: Rows, parent: NodeId, name: str, limit: int) -> list[tuple[str, Any]]:
    """See LookupCache."""
    if limit == 1:      # a lookup, twice as fast
        return [(name, row) for row in rows.all(COLUMNS + "WHERE parent = ? AND name = ?", parent, name)]
    return [(row[2], row) for row in rows.all(COLUMNS + "WHERE parent = ? AND name >= ? ORDER BY name LIMIT ?", parent,
                                              name, limit)]
