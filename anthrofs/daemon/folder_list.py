"""Files as `anthrofs ls`, `anthrofs path` and `anthrofs log` show them.

Never   changes anything.
"""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any, Final

from anthrofs.daemon import past
from anthrofs.errors import NotFound
from anthrofs.fs.attributes import Attributes, moment
from anthrofs.fs.paths import Paths
from anthrofs.model import FileId, Node, NodeId
from anthrofs.tree.database import Database
from anthrofs.tree.open_table import OpenTable

ENTRIES: Final = 500        # of a folder, told at once


class FolderList:
    """Lists what a path is, and finds the path that an id has."""

    def __init__(self, db: Database, paths: Paths, handles: OpenTable, attributes: Attributes) -> None:
        self._db = db                       # given
        self._paths = paths                 # given
        self._handles = handles             # given
        self._attributes = attributes       # given

    def paths_of(self, file_ids: Iterable[str]) -> dict[str, str]:
        """Returns the paths of the ids that are in the tree."""
        found: dict[str, str] = {}
        for file_id in file_ids:
            with contextlib.suppress(NotFound), self._db.reading() as tx:
                found[file_id] = tx.nodes.path(tx.nodes.holder(FileId(file_id)))
        return found

    def past_of(self, file_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Returns what became of those of the ids that aren't in the tree, and were."""
        with self._db.reading() as tx:
            found = {file_id: past.fate(tx, FileId(file_id)) for file_id in file_ids}
        return {file_id: told for file_id, told in found.items() if told is not None}

    def log(self, path: str) -> dict[str, Any]:
        """Returns the ids that a file has had. Raises NotFound for a path that never had one, IsADirectory."""
        node: Node | None = None
        with contextlib.suppress(NotFound):
            node = self._paths.file(path)
        with self._db.reading() as tx:
            told = past.log(tx, path, node)
        if node is None and not told["events"]:
            raise NotFound(f"{path}: there is no such file, and none is known to have been there")
        return told

    def entries(self, path: str, *, recursive: bool = False) -> Iterator[list[dict[str, Any]]]:
        """Yields what is told of what is in a folder, by name and some at a time; of a file, its own. `recursive`: also
        of what is in its folders, whose names are paths then. Raises NotFound, NotADirectory.
        """
        node = self._paths.node(path)
        if not node.directory:
            yield [self._entry(node, node.name)]
            return
        folders = [(node.node_id, "")]
        while folders:
            folder, prefix = folders.pop()
            inner, last = list[tuple[NodeId, str]](), ""
            while found := self._db.nodes.following(folder, last, ENTRIES):
                yield [self._entry(each, prefix + each.name) for each in found]
                inner += [(each.node_id, f"{prefix}{each.name}/") for each in found if recursive and each.directory]
                last = found[-1].name
            folders += reversed(inner)

    def _entry(self, node: Node, name: str) -> dict[str, Any]:
        if node.directory:
            return {"name": name, "state": "folder", "id": None, "size": None, "downloadable": False, "readable": True,
                    "created": None, "expires": None}
        content = self._handles.content_of(node.node_id)
        shown = None if content is None else content.shown
        size_bytes = node.size_bytes if shown is None else shown.size_bytes
        with self._db.reading() as tx:
            attempt = tx.uploads.of(node.node_id) if node.unsent else None
        remote = node.remote
        return {"name": name, "state": self._attributes.state(node, attempt), "size": size_bytes,
                "id": None if remote is None else remote.file_id,
                "downloadable": remote is not None and remote.downloadable, "readable": node.readable,
                "created": None if remote is None else moment(remote.created_ns),
                "expires": None if remote is None or remote.expires_ns is None else moment(remote.expires_ns)}
