"""The tree of nodes: what the user wants of each name, and what the server has for it.

Owns    the tables node and kept (see db.SCHEMA).
Serves  filesystem (lookups, the user's changes), uploader (what was stored) and refresher (what a listing shows).
Trusts  no name from a server: names.py makes it a safe entry.
Never   sends anything, and never sets a wanted server name by display: only a user's create does.
"""

import enum
import itertools
from collections.abc import Collection
from typing import Any, Final

from anthrofs.db import LAST_HIDE, Database, Tx
from anthrofs.errors import NotFound
from anthrofs.model import HIDDEN, ROOT, FileId, Node, NodeId, RemoteFile, StageId
from anthrofs.names import entry_name_of, id_name_of
from anthrofs.surprises import Surprises

_COLUMNS: Final = (
    "SELECT node_id, parent, name, directory, mode, mtime_ns, size_bytes, wanted, stage, sealed, confirmed, file_id, server_name, "
    "server_mime, server_size, created_ns, downloadable, expires_ns, kept.file_id IS NOT NULL AS is_kept "
    "FROM node LEFT JOIN kept USING (file_id) ")
_FILE: Final = 0o644
# Listed before and not by this listing; or never listed although old enough. Takes the listing's number and that age.
_MISSING: Final = "file_id IS NOT NULL AND seen < ? AND (seen > 0 OR created_ns < ?)"

# A new upload can be missing from listings for a while: only one that is older than this is taken for deleted by others
# when no listing ever showed it.
LISTING_LAG_NS: Final = 120 * 10**9


class Shown(enum.Enum):
    """What a listed file meant to the tree."""

    KNOWN = enum.auto()
    NEW = enum.auto()
    HELD = enum.auto()      # it would change a name that is in use; it has to be shown again


class Index:
    """Lookups answer from the local database, always; changes are made in the caller's transaction."""

    def __init__(self, db: Database, surprises: Surprises) -> None:
        self._db = db                       # given
        self._surprises = surprises         # given: told, before the commit, which names others have changed

    # ---- reading

    def lookup(self, parent: NodeId, name: str) -> Node:
        """Raises NotFound."""
        with self._db.reading() as tx:
            return _node(tx.one(_COLUMNS + "WHERE parent = ? AND name = ?", parent, name), name)

    def node(self, node_id: NodeId) -> Node:
        """Raises NotFound."""
        with self._db.reading() as tx:
            return _node(tx.one(_COLUMNS + "WHERE node_id = ?", node_id), f"node {node_id}")

    def entries(self, parent: NodeId) -> list[tuple[str, NodeId, bool]]:
        """(name, node, directory) of everything in a directory, by name."""
        with self._db.reading() as tx:
            return [(name, NodeId(number), bool(directory)) for name, number, directory in tx.all(
                "SELECT name, node_id, directory FROM node WHERE parent = ? ORDER BY name", parent)]

    def following(self, parent: NodeId, name: str, limit: int) -> list[Node]:
        """Up to so many entries that `entries` shows after a name."""
        with self._db.reading() as tx:
            return [_node(row, "") for row in tx.all(_COLUMNS + "WHERE parent = ? AND name > ? ORDER BY name LIMIT ?", parent, name, limit)]

    def names_of(self, file_ids: Collection[FileId]) -> dict[FileId, str]:
        """The entries' names of those that are in the tree."""
        with self._db.reading() as tx:
            rows = [(each, tx.one("SELECT name FROM node WHERE file_id = ?", each)) for each in file_ids]
        return {file_id: str(row[0]) for file_id, row in rows if row is not None}

    def totals(self) -> tuple[int, int, int]:
        """(files shown, bytes on the server, names that stay on this machine)."""
        with self._db.reading() as tx:
            shown, used, local = tx.one(
                "SELECT count(*), sum(CASE WHEN file_id IS NOT NULL THEN size_bytes END), "
                "sum(wanted IS NULL AND file_id IS NULL) FROM node WHERE parent = ? AND NOT directory", ROOT)
            return int(shown), int(used or 0), int(local or 0)

    def unsent(self, tx: Tx) -> int:
        """How many nodes hold content that the server doesn't have."""
        return int(tx.one("SELECT count(*) FROM node WHERE stage IS NOT NULL")[0])

    # ---- the user's changes

    def create(self, tx: Tx, name: str, mode: int, now_ns: int, wanted: str | None) -> NodeId:
        """A new file that nothing is promised of yet: a crash before its first promise takes it away again."""
        _touch(tx, now_ns)
        return NodeId(tx.insert("INSERT INTO node (parent, name, mode, mtime_ns, size_bytes, wanted) VALUES (?, ?, ?, ?, 0, ?)",
                                ROOT, name, mode, now_ns, wanted))

    def promise(self, tx: Tx, node_id: NodeId, stage: StageId, size_bytes: int, mtime_ns: int, wanted: str | None, *,
                sealed: bool) -> None:
        """From this commit on the name shows that content, whatever happens."""
        tx.run("UPDATE node SET stage = ?, size_bytes = ?, mtime_ns = ?, wanted = coalesce(wanted, ?), sealed = ? WHERE node_id = ?",
               stage, size_bytes, mtime_ns, wanted, sealed, node_id)

    def set_mode(self, tx: Tx, node_id: NodeId, mode: int) -> None:
        """Kept on this machine: the API has no modes."""
        tx.run("UPDATE node SET mode = ? WHERE node_id = ?", mode, node_id)

    def set_mtime(self, tx: Tx, node_id: NodeId, mtime_ns: int) -> None:
        """Kept on this machine, with the node."""
        tx.run("UPDATE node SET mtime_ns = ? WHERE node_id = ?", mtime_ns, node_id)

    def rename(self, tx: Tx, node_id: NodeId, name: str, wanted: str | None) -> None:
        """The user named it. `wanted` None: the name stays on this machine."""
        tx.run("UPDATE node SET name = ?, wanted = ? WHERE node_id = ?", name, wanted, node_id)

    def restage(self, tx: Tx, node_id: NodeId, stage: StageId | None) -> None:
        """The same content in another place: in staging, to be sent; or None, the server has it."""
        tx.run("UPDATE node SET stage = ?, sealed = ? WHERE node_id = ?", stage, stage is not None, node_id)

    def detach(self, tx: Tx, node_id: NodeId, stage: StageId) -> None:
        """From now on it lives on this machine only."""
        self.restage(tx, node_id, stage)
        _forget_remote(tx, node_id)

    def namesakes(self, tx: Tx, node_id: NodeId, server_name: str) -> list[Node]:
        """Others that the server has under the same name, though nobody asked for that name: duplicates, and names that stay local."""
        return [_node(row, "") for row in tx.all(_COLUMNS + "WHERE server_name = ? AND node_id != ? AND wanted IS NULL AND stage IS NULL "
                                                 "AND parent != ?", server_name, node_id, HIDDEN)]

    def hide(self, tx: Tx, node_id: NodeId, hidden_name: str, now_ns: int, *, by_libfuse: bool) -> None:
        """The name is free; the node lives on for those who have it open. libfuse's hiding may be half of a replacement."""
        _touch(tx, now_ns)
        tx.run("UPDATE node SET parent = ?, hidden_from = name, name = ? WHERE node_id = ?", HIDDEN, hidden_name, node_id)
        if by_libfuse:
            tx.set_meta(LAST_HIDE, str(node_id))

    def unhide(self, tx: Tx, node_id: NodeId, suffix: str = "") -> str:
        """It wasn't an unlink after all: back to its name, or to one beside it if that is taken. Returns it.

        Raises NotFound when it has ended meanwhile.
        """
        row = tx.one("SELECT hidden_from FROM node WHERE node_id = ? AND parent = ?", node_id, HIDDEN)
        if row is None:
            raise NotFound(f"node {node_id} has ended")
        was = str(row[0])
        name = id_name_of(was, suffix) if suffix else was
        if tx.one("SELECT 1 FROM node WHERE parent = ? AND name = ?", ROOT, name) is not None:
            name = _free(tx, name, FileId(f"{suffix or 'kept'}-{node_id}"))
        tx.run("UPDATE node SET parent = ?, name = ?, hidden_from = NULL WHERE node_id = ?", ROOT, name, node_id)
        return str(name)

    def hidden(self, tx: Tx) -> list[Node]:
        """Unlinked nodes that were open when the program ended."""
        return [_node(row, "") for row in tx.all(_COLUMNS + "WHERE parent = ?", HIDDEN)]

    def remove(self, tx: Tx, node_id: NodeId) -> None:
        """The end of a hidden node."""
        tx.run("DELETE FROM node WHERE node_id = ?", node_id)

    # ---- what the server has

    def stored(self, tx: Tx, node_id: NodeId, file: RemoteFile, stage: StageId, *, found: bool, renamed: bool = False) -> None:
        """The server has `stage` as `file`. Newer promised content stays promised, and so does what was renamed meanwhile.

        One that was found in a listing counts as shown: a listing that is under way has held it aside and would sweep it.
        """
        tx.run("INSERT OR IGNORE INTO kept VALUES (?)", file.file_id)
        tx.run("DELETE FROM node WHERE file_id = ? AND node_id != ?", file.file_id, node_id)    # a listing was faster
        _set_remote(tx, node_id, file)
        tx.run("UPDATE node SET seen = ? WHERE node_id = ?", int(tx.get_meta("listing") or 0) if found else 0, node_id)
        if not renamed:
            tx.run("UPDATE node SET stage = NULL, sealed = 0, confirmed = 1 WHERE node_id = ? AND stage = ?", node_id, stage)

    def show(self, tx: Tx, file: RemoteFile, listing: int, busy: Collection[NodeId]) -> Shown:
        """A listing shows this file. The newest of a name has the plain one; a name with local changes is never taken."""
        if tx.run("UPDATE node SET seen = ?, downloadable = ?, expires_ns = ? WHERE file_id = ?",
                  listing, file.downloadable, file.expires_ns, file.file_id):
            return Shown.KNOWN
        name = entry_name_of(file.name, file.file_id)
        holder = tx.one(_COLUMNS + "WHERE parent = ? AND name = ?", ROOT, name)
        if holder is not None:
            held = _node(holder, name)
            theirs = held.remote
            named_here = theirs is not None and held.wanted not in (None, theirs.name)
            if held.stage is not None or theirs is None or named_here or (theirs.created_ns, theirs.file_id) > (file.created_ns, file.file_id):
                name = _free(tx, name, file.file_id)
            elif held.node_id in busy or self._surprises.expects(held.node_id):
                return Shown.HELD
            else:
                tx.run("UPDATE node SET name = ? WHERE node_id = ?", _free(tx, name, theirs.file_id), held.node_id)
                self._surprises.note(name)
        node_id = tx.insert("INSERT INTO node (parent, name, mode, mtime_ns, size_bytes, seen) VALUES (?, ?, ?, ?, ?, ?)",
                            ROOT, name, _FILE, file.created_ns, file.size_bytes, listing)
        _set_remote(tx, NodeId(node_id), file)
        _touch(tx, file.created_ns)
        return Shown.NEW

    def missing(self, tx: Tx, listing: int, began_ns: int) -> tuple[int, int]:
        """(ids that a complete listing should have shown and didn't, ids known)."""
        gone = tx.one(f"SELECT count(*) FROM node WHERE {_MISSING}", listing, began_ns - LISTING_LAG_NS)[0]
        return int(gone), int(tx.one("SELECT count(*) FROM node WHERE file_id IS NOT NULL")[0])

    def sweep(self, tx: Tx, listing: int, began_ns: int, busy: Collection[NodeId]) -> int:
        """A complete listing is in: what it should have shown and didn't is gone. Returns how many; those in use wait."""
        gone = tx.all(f"SELECT node_id, stage FROM node WHERE {_MISSING}", listing, began_ns - LISTING_LAG_NS)
        free = [(NodeId(number), stage) for number, stage in gone
                if number not in busy and not self._surprises.expects(number)]
        for node_id, stage in free:
            self._vanish(tx, node_id, stage)
        return len(free)

    def vanished(self, tx: Tx, file_id: FileId, busy: Collection[NodeId]) -> bool:
        """The service says that it has no such id. False: it is in use and stays until the next look."""
        row = tx.one("SELECT node_id, stage FROM node WHERE file_id = ?", file_id)
        if row is None or row[0] in busy or self._surprises.expects(row[0]):
            return False
        self._vanish(tx, NodeId(row[0]), row[1])
        return True

    def _vanish(self, tx: Tx, node_id: NodeId, stage: int | None) -> None:
        self._surprises.note(tx.one("SELECT name FROM node WHERE node_id = ?", node_id)[0])
        if stage is None:
            tx.run("DELETE FROM node WHERE node_id = ?", node_id)
        else:
            _forget_remote(tx, node_id)         # the user's own unsent content stays

    def set_length(self, tx: Tx, file_id: FileId, size_bytes: int) -> str | None:
        """What a download delivered to its clean end is the truth; size_bytes can differ from it. Returns the entry's
        name if it did.
        """
        row = tx.one("SELECT name FROM node WHERE file_id = ? AND size_bytes != ?", file_id, size_bytes)
        tx.run("UPDATE node SET size_bytes = ?, confirmed = 1 WHERE file_id = ? AND stage IS NULL", size_bytes, file_id)
        return None if row is None else str(row[0])

    def forget_kept(self, tx: Tx, file_id: FileId) -> None:
        """Its kept copy is gone: the user deleted or replaced it, and the server did too."""
        tx.run("DELETE FROM kept WHERE file_id = ?", file_id)

    def knows(self, tx: Tx, file_id: FileId) -> bool:
        """Some node has this id."""
        return tx.one("SELECT 1 FROM node WHERE file_id = ?", file_id) is not None

    def forget_server(self, tx: Tx) -> None:
        """Everything that only mirrors a server: for another workspace. The caller has made sure that nothing is unsent."""
        tx.run("DELETE FROM node WHERE parent != 0")
        tx.run("DELETE FROM kept")

    # ---- after a start, when nothing is open

    def forget_unpromised(self, tx: Tx) -> list[str]:
        """Names of files that were being made, and of which nothing was promised."""
        nothing = "NOT directory AND stage IS NULL AND file_id IS NULL"
        names = [str(row[0]) for row in tx.all(f"SELECT name FROM node WHERE {nothing}")]
        tx.run(f"DELETE FROM node WHERE {nothing}")
        return names

    def seal(self, tx: Tx, node_id: NodeId, size_bytes: int) -> None:
        """Nobody writes to its stage any more; what was written after the last fsync is in it, too."""
        tx.run("UPDATE node SET sealed = 1, size_bytes = ? WHERE node_id = ?", size_bytes, node_id)

    def promised(self, tx: Tx) -> list[Node]:
        """Nodes whose content the server doesn't have."""
        return [_node(row, "") for row in tx.all(_COLUMNS + "WHERE stage IS NOT NULL ORDER BY node_id")]


def _set_remote(tx: Tx, node_id: NodeId, file: RemoteFile) -> None:
    tx.run("UPDATE node SET file_id = ?, server_name = ?, server_mime = ?, server_size = ?, created_ns = ?, downloadable = ?, "
           "expires_ns = ? WHERE node_id = ?", file.file_id, file.name, file.mime_type, file.size_bytes, file.created_ns,
           file.downloadable, file.expires_ns, node_id)


def _forget_remote(tx: Tx, node_id: NodeId) -> None:
    tx.run("UPDATE node SET file_id = NULL, server_name = NULL, server_mime = NULL, server_size = NULL, created_ns = NULL, "
           "downloadable = NULL, expires_ns = NULL, seen = 0 WHERE node_id = ?", node_id)


def _free(tx: Tx, name: str, file_id: FileId) -> str:
    """The id name of a duplicate; a file that really has that name makes it count on. (Adding the id once more would end
    nowhere: a name of full length, cut for its id, stays the same.)
    """
    entry = id_name_of(name, file_id)
    for number in itertools.count(2):
        if tx.one("SELECT 1 FROM node WHERE parent = ? AND name = ?", ROOT, entry) is None:
            break
        entry = id_name_of(name, f"{file_id}-{number}")
    return entry


def _touch(tx: Tx, now_ns: int) -> None:
    tx.run("UPDATE node SET mtime_ns = max(mtime_ns, ?) WHERE node_id = ?", now_ns, ROOT)


def _node(row: Any, name: str) -> Node:
    if row is None:
        raise NotFound(f"no such file: {name}")
    (node_id, parent, entry, directory, mode, mtime_ns, size_bytes, wanted, stage, sealed, confirmed, file_id, server_name, mime_type,
     server_size, created_ns, downloadable, expires_ns, kept) = row
    remote = None if file_id is None else RemoteFile(
        FileId(file_id), server_name, mime_type, server_size, created_ns, bool(downloadable), expires_ns)
    return Node(NodeId(node_id), NodeId(parent), entry, bool(directory), mode, mtime_ns, size_bytes, wanted,
                None if stage is None else StageId(stage), bool(sealed), bool(confirmed), remote, bool(kept))
