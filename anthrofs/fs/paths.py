"""Paths to nodes, as the kernel names them.

Trusts  the kernel to have asked for each directory on the way.
Never   changes anything.
"""

import hashlib
from dataclasses import dataclass, replace

from anthrofs import local_names, names
from anthrofs.config import Config
from anthrofs.errors import EntryTooLong, IsADirectory, NotADirectory, NotFound, NotPermitted
from anthrofs.model import BY_ID, HIDDEN, ROOT, FileId, Node, NodeId
from anthrofs.tree.database import Database
from anthrofs.tree.transaction import Tx


@dataclass(frozen=True, slots=True)
class Place:
    """Where a user's name is, or is to be."""

    parent: NodeId
    name: str
    wanted: str | None      # what the server is to call it; None: it stays on this machine


class Paths:
    """Lookups by path."""

    def __init__(self, config: Config, db: Database) -> None:
        self._config = config       # given
        self._db = db               # given

    def node(self, path: str) -> Node:
        """Returns a path's node; of .by-id/<file id> a view: what the server has under that id, whatever its node
        holds. Raises NotFound, NotADirectory, NameTooLong.
        """
        *above, name = path.split("/")
        if names.is_hidden(name):               # libfuse's name for it, wherever it was
            return self._db.nodes.entry(HIDDEN, name)
        parts = [part for part in (*above, name) if part]
        if parts[:1] == [names.BY_ID]:
            return self._view(parts[1:])
        node = None
        for part in parts:
            if node is not None and not node.directory:
                raise NotADirectory(f"{path}: {node.name} is a file")
            try:
                node = self._db.nodes.entry(ROOT if node is None else node.node_id, part)
            except NotFound as exc:
                if len(part.encode(errors="surrogatepass")) > names.MAX_ENTRY_BYTES:
                    raise EntryTooLong(f"{path}: a part has more than {names.MAX_ENTRY_BYTES} bytes") from exc
                raise
        return self._db.nodes.node(ROOT) if node is None else node

    @staticmethod
    def own(node: Node) -> Node:
        """The node, if it may be changed under the name that it was looked up by. Raises NotPermitted in .by-id."""
        if node.is_view:
            raise NotPermitted(f"{node.name}: by its id a file can only be read and removed. Change it by its name")
        return node

    def file(self, path: str) -> Node:
        """Raises NotFound, NotADirectory, IsADirectory."""
        node = self.node(path)
        if node.directory:
            raise IsADirectory(f"{path} is a directory")
        return node

    def files(self, tx: Tx, path: str) -> tuple[bool, list[tuple[Node, str]]]:
        """(whether it is a single file, it or all files below that directory with their paths). Raises NotFound,
        NotADirectory.
        """
        node = self.node(path)
        if not node.directory:
            return True, [(node, path)]
        prefix = f"{path}/" if path else ""
        return False, [(each, prefix + below) for each, below in tx.nodes.below(node.node_id)]

    def directory(self, path: str) -> Node:
        """Raises NotFound, NotADirectory."""
        node = self.node(path)
        if not node.directory:
            raise NotADirectory(f"{path} is a file")
        return node

    def place(self, path: str, maker: str = "") -> Place:
        """Returns the place of an entry that is to be; see local_names.maker_of. Raises NotFound, NotADirectory,
        NotPermitted, BadName, NameTooLong.
        """
        above, _, name = path.rpartition("/")
        if names.is_trash(name) or names.is_hidden(name) or names.BY_ID in (name, path.lstrip("/").partition("/")[0]):
            raise NotPermitted(f"{name} can't be made here")
        return Place(self.directory(above).node_id, name, self.wanted(path, maker))

    def wanted(self, path: str, maker: str = "") -> str | None:
        """The server name that a path stands for; None: it stays on this machine. Raises BadName, NameTooLong."""
        path = path.lstrip("/")
        # Of a local one too: its length and its bytes have to be right.
        asked = names.server_name_of(path, self._config.layout)
        return None if local_names.stays_local(path, self._config.local_patterns, maker) else asked

    def _view(self, below: list[str]) -> Node:
        if not below:
            # Writable, for what is in it can be removed; `place` and `own` refuse everything else.
            return Node(BY_ID, ROOT, names.BY_ID, directory=True, mode=0o755, mtime_ns=0, size_bytes=0, wanted=None,
                        local=False, mime_type=None, expires_s=None, stage=None, sealed=False, resend=False,
                        confirmed=False, remote=None, kept=False)
        if len(below) > 1:
            raise NotADirectory(f"{names.BY_ID}/{below[0]} is a file")
        node = self._db.nodes.holder(FileId(below[0]))
        assert node.remote is not None
        number = int.from_bytes(hashlib.sha256(below[0].encode()).digest()[:7])
        size_bytes = node.remote.size_bytes if node.stage is not None else node.size_bytes
        return replace(node, node_id=NodeId(BY_ID + 1 + number), parent=BY_ID, name=below[0], mode=0o444,
                       mtime_ns=node.remote.created_ns, ctime_ns=node.remote.created_ns, size_bytes=size_bytes,
                       wanted=None, local=False, stage=None, sealed=False, resend=False)

    def exists(self, place: Place) -> bool:
        """There is such an entry."""
        return self._db.nodes.has(place.parent, place.name)
