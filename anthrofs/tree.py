"""Paths to nodes, as the kernel names them.

Serves  filesystem, openfiles.
Trusts  the kernel to have asked for each directory on the way.
Never   changes anything.
"""

from anthrofs import names
from anthrofs.errors import IsADirectory, NotADirectory, NotFound, NotPermitted
from anthrofs.index import Index
from anthrofs.model import HIDDEN, ROOT, Node, NodeId


class Tree:
    """Lookups by path."""

    def __init__(self, index: Index) -> None:
        self._index = index         # given

    def node(self, path: str) -> Node:
        """Raises NotFound, NotADirectory."""
        node = self._index.node(ROOT)
        for part in [part for part in path.split("/") if part]:
            if not node.directory:
                raise NotADirectory(f"{path}: {node.name} is a file")
            node = self._index.lookup(HIDDEN if names.is_hidden(part) else node.node_id, part)
        return node

    def file(self, path: str) -> Node:
        """Raises NotFound, NotADirectory, IsADirectory."""
        node = self.node(path)
        if node.directory:
            raise IsADirectory(f"{path} is a directory")
        return node

    def place(self, path: str) -> tuple[NodeId, str]:
        """(directory, name) for a new entry. Raises NotFound, NotADirectory, NotPermitted."""
        above, _, name = path.rpartition("/")
        if names.is_trash(name) or names.is_hidden(name) or name == names.BY_ID:
            raise NotPermitted(f"{name} can't be made here")
        parent = self.node(above)
        if not parent.directory:
            raise NotADirectory(f"{above} is a file")
        return parent.node_id, name

    def exists(self, parent: NodeId, name: str) -> bool:
        """There is such an entry."""
        try:
            self._index.lookup(parent, name)
        except NotFound:
            return False
        return True
