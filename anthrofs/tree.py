"""Paths to nodes, as the kernel names them.

Serves  filesystem, openfiles.
Trusts  the kernel to have asked for each directory on the way.
Never   changes anything.
"""

from dataclasses import dataclass

from anthrofs import names
from anthrofs.config import Config
from anthrofs.errors import IsADirectory, NotADirectory, NotFound, NotPermitted
from anthrofs.index import Index
from anthrofs.model import HIDDEN, ROOT, Node, NodeId


@dataclass(frozen=True, slots=True)
class Place:
    """Where a user's name is, or is to be."""

    parent: NodeId
    name: str
    wanted: str | None      # what the server is to call it; None: it stays on this machine


class Tree:
    """Lookups by path."""

    def __init__(self, config: Config, index: Index) -> None:
        self._config = config       # given
        self._index = index         # given

    def node(self, path: str) -> Node:
        """Raises NotFound, NotADirectory."""
        *above, name = path.split("/")
        if names.is_hidden(name):               # libfuse's name for it, wherever it was
            return self._index.lookup(HIDDEN, name)
        node = None
        for part in [part for part in (*above, name) if part]:
            if node is not None and not node.directory:
                raise NotADirectory(f"{path}: {node.name} is a file")
            node = self._index.lookup(ROOT if node is None else node.node_id, part)
        return self._index.node(ROOT) if node is None else node

    def file(self, path: str) -> Node:
        """Raises NotFound, NotADirectory, IsADirectory."""
        node = self.node(path)
        if node.directory:
            raise IsADirectory(f"{path} is a directory")
        return node

    def directory(self, path: str) -> Node:
        """Raises NotFound, NotADirectory."""
        node = self.node(path)
        if not node.directory:
            raise NotADirectory(f"{path} is a file")
        return node

    def place(self, path: str, maker: str = "") -> Place:
        """For a new entry; see names.maker_of. Raises NotFound, NotADirectory, NotPermitted, BadName, NameTooLong."""
        above, _, name = path.rpartition("/")
        if names.is_trash(name) or names.is_hidden(name) or name == names.BY_ID:
            raise NotPermitted(f"{name} can't be made here")
        return Place(self.directory(above).node_id, name, self.wanted(path, maker))

    def wanted(self, path: str, maker: str = "") -> str | None:
        """The server name that a path stands for; None: it stays on this machine. Raises BadName, NameTooLong."""
        path = path.lstrip("/")
        asked = names.server_name_of(path, self._config.layout)     # of a local one too: its length and its bytes have to be right
        return None if names.stays_local(path, self._config.local_patterns, maker) else asked

    def exists(self, place: Place) -> bool:
        """There is such an entry."""
        try:
            self._index.lookup(place.parent, place.name)
        except NotFound:
            return False
        return True
