"""Places for files of the server: the directory and the entry that each gets, and who steps aside for it.

Trusts  no name from a server: names.py makes it a path, or a safe entry.
Never   takes a name from a node with local changes.
"""

from collections.abc import Callable, Collection
from typing import Final, Protocol

from anthrofs import names
from anthrofs.errors import BadName
from anthrofs.model import ROOT, Node, NodeId, RemoteFile
from anthrofs.tree import history
from anthrofs.tree.nodes import COLUMNS, free_name, node_of
from anthrofs.tree.transaction import Tx

_DIRECTORY: Final = 0o755


class Surprises(Protocol):
    """Somebody who has to know which entries others have changed, before the commit, and which nodes are about to be
    opened again.
    """

    def note(self, entry: tuple[NodeId, str], *, directory: bool = False) -> None: ...
    def expects(self, node_id: NodeId) -> bool: ...


class Places:
    """The newest of a name has the plain one; an older one is called by its id. A folder beats a file."""

    def __init__(self, surprises: Surprises, layout: names.Layout, waits: Callable[[NodeId], object]) -> None:
        self._surprises = surprises         # given
        self._layout = layout               # constant
        self._waits = waits                 # given: told which node in use others' files wait for

    def place(self, tx: Tx, file: RemoteFile, busy: Collection[NodeId], *,
              late: bool = False, again: bool = False) -> tuple[NodeId, str] | None:
        """Returns (directory, entry) for a file; what stands in the way goes to its id name. None: that is in use.
        `again`: neither is new.
        """
        above, parent = list[str](), ROOT
        if self._layout == "flat":
            name = names.entry_name_of(file.name, file.file_id)
        else:
            try:
                *above, name = names.shown_path_of(file.name).split("/")
            except BadName:
                return _safe_place(tx, file)
        for part in above:
            there = _entry(tx, parent, part)
            if there is not None and not there.directory:       # a folder beats a file
                if is_changed(there):
                    return _safe_place(tx, file)
                if not self._step_aside(tx, there, busy):
                    return None
                there = None
            parent = there.node_id if there is not None else _insert_directory(tx, parent, part, file.created_ns)
        held = _entry(tx, parent, name)
        if held is None:
            return parent, name
        if held.directory or late or is_changed(held) or is_newer(held, file):
            return parent, free_name(tx, parent, name, file.file_id)
        path = tx.nodes.path(held)
        if not self._step_aside(tx, held, busy):
            return None
        if not again and held.remote is not None:
            tx.history.began(file.file_id, path, history.OTHERS, held.remote.file_id)
        return parent, name

    def _step_aside(self, tx: Tx, node: Node, busy: Collection[NodeId]) -> bool:
        """Gives a node its id name. False: the node is in use."""
        if node.node_id in busy or self._surprises.expects(node.node_id):
            self._waits(node.node_id)
            return False
        assert node.remote is not None
        tx.run("UPDATE node SET name = ? WHERE node_id = ?", free_name(tx, node.parent, node.name, node.remote.file_id),
               node.node_id)
        self._surprises.note((node.parent, node.name))
        return True


def _safe_place(tx: Tx, file: RemoteFile) -> tuple[NodeId, str]:
    entry = names.safe_entry(file.name, file.file_id)
    return ROOT, entry if _entry(tx, ROOT, entry) is None else free_name(tx, ROOT, entry, file.file_id)


def _entry(tx: Tx, parent: NodeId, name: str) -> Node | None:
    row = tx.one(COLUMNS + "WHERE parent = ? AND name = ?", parent, name)
    return None if row is None else node_of(row, name)


def is_changed(node: Node) -> bool:
    """Says whether the user has given a node its name, or content that isn't sent: others' files never take its name.
    """
    return node.stored is None or node.named_here


def is_newer(node: Node, file: RemoteFile) -> bool:
    """Says whether what the server has of a node was made after a file."""
    return node.remote is not None and (node.remote.created_ns, node.remote.file_id) > (file.created_ns, file.file_id)


def _insert_directory(tx: Tx, parent: NodeId, name: str, mtime_ns: int) -> NodeId:
    return NodeId(tx.insert("INSERT INTO node (parent, name, directory, mode, mtime_ns, size_bytes) "
                            "VALUES (?, ?, 1, ?, ?, 0)",
                            parent, name, _DIRECTORY, mtime_ns))
