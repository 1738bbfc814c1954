"""The tree of nodes, as the user sees and changes it.

Owns    the table node, but for what the server has: the columns from file_id on, and where display puts files, are
        mirror's.
Trusts  no name: whoever asks has made sure that it is one.
Never   sends anything, and sets a wanted server name only for a user's create or rename.
"""

from collections.abc import Collection
from typing import Any, Final, NamedTuple

from anthrofs.errors import NotFound
from anthrofs.model import HIDDEN, ROOT, FileId, Node, NodeId, RemoteFile, StageId
from anthrofs.names import id_name_of
from anthrofs.tree.gaps import Gap
from anthrofs.tree.rows import Rows

COLUMNS: Final = (
    "SELECT node_id, parent, name, directory, mode, mtime_ns, size_bytes, wanted, local, mime_type, expires_s, stage, "
    "sealed, resend, confirmed, file_id, server_name, server_mime, server_size, created_ns, downloadable, expires_ns, "
    "coalesce(kept.here = 1, 0) AS is_kept, kept.file_id IS NOT NULL AS is_ours, listed_bytes, hidden_from, "
    "coalesce(ctime_ns, mtime_ns) AS changed_ns, EXISTS (SELECT 1 FROM shared WHERE shared.file_id = node.file_id) AS "
    "is_shared FROM node LEFT JOIN kept USING (file_id) ")
def indexed(index: str) -> str:
    """COLUMNS of the few rows that an index has. It is named, or the order by number makes SQLite look at each row:
    0.1 s of a million.
    """
    return COLUMNS.replace("FROM node ", f"FROM node INDEXED BY {index} ")


# Rows that have a name in the tree, and those that Node.is_hidden means.
IN_TREE: Final = f"node.parent != {HIDDEN}"
OUT_OF_TREE: Final = f"node.parent = {HIDDEN}"
_UNSENT_ROWS: Final = indexed("node_unsent") + "WHERE stage IS NOT NULL OR resend ORDER BY node_id"
_DAMAGED_ROWS: Final = indexed("node_listed_bytes") + f"WHERE listed_bytes IS NOT NULL AND {IN_TREE} ORDER BY node_id"


class Entry(NamedTuple):
    """One entry of a directory, with what its row says of the attributes that stat shows. What is open may show others.
    """

    name: str
    node_id: NodeId
    directory: bool
    mode: int
    size_bytes: int
    mtime_ns: int
    ctime_ns: int


class Nodes:
    """Rows of the table node."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows           # given

    # ---- reading

    def node(self, node_id: NodeId) -> Node:
        """Raises NotFound."""
        return node_of(self._rows.one(COLUMNS + "WHERE node_id = ?", node_id), f"node {node_id}")

    def holder(self, file_id: FileId) -> Node:
        """The node whose content the server has under that id. Raises NotFound."""
        return node_of(self._rows.one(COLUMNS + f"WHERE file_id = ? AND {IN_TREE}", file_id), file_id)

    def path(self, node: Node) -> str:
        """From the mount's root, without a leading slash. Of a hidden node, what it was; raises NotFound once its
        hiding is known to be an unlink.
        """
        parts = [node.name]
        parent: int = node.parent
        if node.is_hidden:
            parts[0], parent = self._rows.one("SELECT hidden_from, hidden_parent FROM node WHERE node_id = ?",
                                              node.node_id)
            if parts[0] is None:
                raise NotFound(f"node {node.node_id} was removed")
        seen = set[int]()           # a damaged tree may go round
        while parent not in (0, ROOT) and parent not in seen:
            seen.add(parent)
            row = self._rows.one("SELECT name, parent FROM node WHERE node_id = ?", parent)
            if row is None:
                break               # a hidden one's directory has gone
            parts.append(row[0])
            parent = row[1]
        return "/".join(reversed(parts))

    def entries_after(self, parent: NodeId, name: str, limit: int) -> list[Entry]:
        """Up to so many entries behind a name, by name; "" is before all. So a listing of any length is read piece by
        piece: what is there from its first piece to its last shows exactly once, whatever else comes and goes.
        """
        # Without the join of COLUMNS, and no Node of each: a fifth of the time.
        return [Entry(entry, NodeId(number), bool(directory), mode, size_bytes, mtime_ns, ctime_ns)
                for entry, number, directory, mode, size_bytes, mtime_ns, ctime_ns in self._rows.each(
                    "SELECT name, node_id, directory, mode, size_bytes, mtime_ns, coalesce(ctime_ns, mtime_ns) FROM "
                    "node WHERE parent = ? AND name > ? ORDER BY name LIMIT ?", parent, name, limit)]

    def below(self, directory: NodeId) -> list[tuple[Node, str]]:
        """(file, path from that directory) of all that is in it, however deep."""
        found, seen = list[tuple[Node, str]](), set[int]()      # a damaged tree may go round
        pending = [(directory, "")]
        while pending:
            number, prefix = pending.pop()
            if number in seen:
                continue
            seen.add(number)
            for row in self._rows.all(COLUMNS + "WHERE parent = ?", number):
                node = node_of(row, "")
                if node.directory:
                    pending.append((node.node_id, f"{prefix}{node.name}/"))
                else:
                    found.append((node, prefix + node.name))
        return found

    def is_empty(self, directory: NodeId) -> bool:
        """Nothing is in it."""
        return self._rows.one("SELECT 1 FROM node WHERE parent = ?", directory) is None

    def following(self, parent: NodeId, name: str, limit: int) -> list[Node]:
        """Up to so many entries that `entries` shows after a name."""
        return [node_of(row, "") for row in self._rows.all(COLUMNS + "WHERE parent = ? AND name > ? ORDER BY name "
                                                           "LIMIT ?", parent, name, limit)]

    def holdings_after(self, number: int, limit: int) -> list[tuple[int, NodeId, FileId | None, int, int]]:
        """Up to so many files with a higher number, in its order: their number, folder, id, size, and what the copy
        takes that makes an own upload readable.
        """
        return self._rows.all("SELECT node_id, parent, file_id, size_bytes, iif(kept.here = 1, kept.bytes, 0) FROM "
                              "node LEFT JOIN kept USING (file_id) WHERE node_id > ? AND NOT directory AND "
                              f"{IN_TREE} ORDER BY node_id LIMIT ?", number, limit)

    def paths_of(self, file_ids: Collection[FileId]) -> dict[FileId, str]:
        """The paths of those that are in the tree."""
        rows = [self._rows.one(COLUMNS + f"WHERE file_id = ? AND {IN_TREE}", each) for each in file_ids]
        nodes = [node_of(row, "") for row in rows if row is not None]
        return {node.remote.file_id: self.path(node) for node in nodes if node.remote is not None}

    def totals(self) -> tuple[int, int, int]:
        """(files shown, bytes on the server, names that stay on this machine)."""
        shown, used, local = self._rows.one("SELECT files, used_bytes, local FROM total")
        return int(shown), int(used), int(local)

    def unsent(self) -> list[Node]:
        """Nodes whose content the server doesn't have, or not as the user wants it."""
        return [node_of(row, "") for row in self._rows.all(_UNSENT_ROWS)]

    def damaged(self) -> list[Node]:
        """Own uploads that the server lists with another size than was sent."""
        return [node for row in self._rows.all(_DAMAGED_ROWS) if (node := node_of(row, "")).damaged]

    def renamed(self, busy: Collection[NodeId], limit: int, *, below_bytes: int | None = None) -> list[Node]:
        """Some of the nodes that are to be sent again as the user wants them, and nothing brings them there yet.
        `below_bytes`: only smaller ones, which others must not hide.
        """
        rows = self._rows.all(COLUMNS + f"WHERE resend AND stage IS NULL AND {IN_TREE} "
                              "AND size_bytes < coalesce(?, 9e18) AND NOT EXISTS (SELECT 1 FROM attempt "
                              "WHERE attempt.node_id = node.node_id) ORDER BY node_id LIMIT ?",
                              below_bytes, limit + len(busy))
        return [node for row in rows if (node := node_of(row, "")).node_id not in busy]

    # ---- the user's changes

    def create(self, parent: NodeId, name: str, mode: int, now_ns: int, wanted: str | None) -> NodeId:
        """A new file that nothing is promised of yet: a crash before its first promise takes it away again. `wanted`
        None: it stays on this machine.
        """
        _touch(self._rows, parent, now_ns)
        return NodeId(self._rows.insert("INSERT INTO node (parent, name, mode, mtime_ns, size_bytes, wanted, local) "
                                        "VALUES (?, ?, ?, ?, 0, ?, ?)",
                                        parent, name, mode, now_ns, wanted, wanted is None))

    def copy(self, node_id: NodeId, parent: NodeId, name: str, now_ns: int, wanted: str | None) -> NodeId:
        """A new file as `create` makes it, with the mode and the settings of another."""
        made = self.create(parent, name, 0, now_ns, wanted)
        self._rows.run("UPDATE node SET (mode, mime_type, expires_s, expires_set) = (SELECT mode, mime_type, "
                       "expires_s, expires_set FROM node WHERE node_id = ?) WHERE node_id = ?", node_id, made)
        return made

    def make_directory(self, parent: NodeId, name: str, mode: int, now_ns: int) -> NodeId:
        """The server doesn't know of it until a file is in it."""
        _touch(self._rows, parent, now_ns)
        return NodeId(self._rows.insert("INSERT INTO node (parent, name, directory, made, mode, mtime_ns, size_bytes) "
                                        "VALUES (?, ?, 1, 1, ?, ?, 0)",
                                        parent, name, mode, now_ns))

    def gap(self, node_id: NodeId) -> Gap | None:
        """The gap in the node's stage."""
        row = self._rows.one("SELECT lacks_from, lacks_to, lacks_code FROM node WHERE node_id = ? "
                             "AND lacks_code IS NOT NULL", node_id)
        return None if row is None else Gap.of(*row)

    def set_gap(self, node_id: NodeId, stage: StageId, gap: Gap | None) -> None:
        """If that stage is the one that is promised."""
        self._rows.run("UPDATE node SET lacks_from = ?, lacks_to = ?, lacks_code = ? WHERE node_id = ? AND stage = ?",
                       *((gap.start, gap.end, gap.code) if gap is not None else (None, None, None)), node_id, stage)

    def promise(self, node_id: NodeId, stage: StageId, size_bytes: int, mtime_ns: int, wanted: str | None, *,
                sealed: bool, ctime_ns: int = 0, expires_s: int | None = None, gap: Gap | None = None) -> None:
        """From this commit on the name shows that content, whatever happens. `ctime_ns`: unless the node was changed
        later. `expires_s`: unless the user has set one.
        """
        self._rows.run("UPDATE node SET stage = ?, size_bytes = ?, mtime_ns = ?, wanted = ?, "
                       "ctime_ns = nullif(max(coalesce(ctime_ns, 0), ?), 0), "
                       "expires_s = iif(expires_set, expires_s, ?), sealed = ?, resend = 0 WHERE node_id = ?",
                       stage, size_bytes, mtime_ns, wanted, ctime_ns, expires_s, sealed, node_id)
        self.set_gap(node_id, stage, gap)

    def set_mode(self, node_id: NodeId, mode: int, now_ns: int) -> None:
        """Kept on this machine: the API has no modes."""
        self._rows.run("UPDATE node SET mode = ?, ctime_ns = ? WHERE node_id = ?", mode, now_ns, node_id)

    def set_mtime(self, node_id: NodeId, mtime_ns: int, now_ns: int) -> None:
        """Kept on this machine, with the node."""
        self._rows.run("UPDATE node SET mtime_ns = ?, ctime_ns = ? WHERE node_id = ?", mtime_ns, now_ns, node_id)

    def changed(self, node_id: NodeId, now_ns: int) -> None:
        """Something of it that has no column was changed: an attribute, an owner."""
        self._rows.run("UPDATE node SET ctime_ns = ? WHERE node_id = ?", now_ns, node_id)

    def set_setting(self, node_id: NodeId, column: str, value: str | int | None) -> None:
        """Sets what the next upload says; column: mime_type or expires_s. None: the default."""
        self._rows.run(f"UPDATE node SET {column} = ? WHERE node_id = ?", value, node_id)
        if column == "expires_s":
            self._rows.run("UPDATE node SET expires_set = ? WHERE node_id = ?", value is not None, node_id)

    def move(self, node_id: NodeId, parent: NodeId, name: str, now_ns: int) -> None:
        """The user gave it another place."""
        _touch(self._rows, NodeId(self._rows.one("SELECT parent FROM node WHERE node_id = ?", node_id)[0]), now_ns)
        _touch(self._rows, parent, now_ns)
        self._rows.run("UPDATE node SET parent = ?, name = ?, hidden_from = NULL, hidden_parent = NULL, "
                       "ctime_ns = ?, made = directory WHERE node_id = ?", parent, name, now_ns, node_id)

    def want(self, node: Node, wanted: str | None) -> None:
        """The server name that the user's name for it stands for; None: that name stays on this machine."""
        self._rows.run("UPDATE node SET wanted = ? WHERE node_id = ?", wanted, node.node_id)
        if node.local != (wanted is None):      # seldom; and even if it stays as it is, setting it makes the totals be
                                                # counted
            self._rows.run("UPDATE node SET local = ? WHERE node_id = ?", wanted is None, node.node_id)

    def keep_here(self, node_id: NodeId) -> None:
        """The service doesn't take what is in it: until it is saved again, nothing is to be sent."""
        self._rows.run("UPDATE node SET wanted = NULL, resend = 0 WHERE node_id = ?", node_id)

    def set_resend(self, node_id: NodeId, resend: bool) -> None:
        """The server is to have the same content anew: under another name, of another type; or not any more."""
        self._rows.run("UPDATE node SET resend = ? WHERE node_id = ?", resend, node_id)

    def hide(self, node_id: NodeId, hidden_name: str, now_ns: int, *, by_libfuse: bool) -> None:
        """The name is free; the node lives on for those who have it open. libfuse's hiding may be half of a
        replacement, so where it was is remembered until `settle`.
        """
        _touch(self._rows, NodeId(self._rows.one("SELECT parent FROM node WHERE node_id = ?", node_id)[0]), now_ns)
        self._rows.run("UPDATE node SET hidden_from = iif(?, name, NULL), hidden_parent = iif(?, parent, NULL), "
                       "parent = ?, name = ?, ctime_ns = ? WHERE node_id = ?",
                       by_libfuse, by_libfuse, HIDDEN, hidden_name, now_ns, node_id)

    def settle(self, node_id: NodeId) -> None:
        """The node's hiding was an unlink."""
        self._rows.run("UPDATE node SET hidden_from = NULL, hidden_parent = NULL WHERE node_id = ?", node_id)

    def unhide(self, node_id: NodeId, suffix: str = "") -> str:
        """The node's hiding wasn't an unlink after all: it goes back to its name, or to one beside it if that is taken.
        Returns it.

        Raises NotFound when it has ended meanwhile, or its hiding was an unlink.
        """
        row = self._rows.one("SELECT hidden_from, hidden_parent FROM node WHERE node_id = ? "
                             f"AND {OUT_OF_TREE} AND hidden_from IS NOT NULL", node_id)
        if row is None:
            raise NotFound(f"node {node_id} has ended")
        was, parent = str(row[0]), NodeId(row[1])
        if self._rows.one("SELECT 1 FROM node WHERE node_id = ? AND directory", parent) is None:
            parent = ROOT               # its directory has gone meanwhile
        name = id_name_of(was, suffix) if suffix else was
        if self._rows.one("SELECT 1 FROM node WHERE parent = ? AND name = ?", parent, name) is not None:
            name = free_name(self._rows, parent, name, f"{suffix or 'kept'}-{node_id}")
        self._rows.run("UPDATE node SET parent = ?, name = ?, hidden_from = NULL, hidden_parent = NULL "
                       "WHERE node_id = ?", parent, name, node_id)
        return name

    def hidden(self) -> list[Node]:
        """Unlinked nodes that are, or were, open."""
        return [node_of(row, "") for row in self._rows.all(COLUMNS + f"WHERE {OUT_OF_TREE}")]

    def remove(self, node_id: NodeId, now_ns: int | None = None) -> None:
        """The node's end. `now_ns`: the user takes it out of its directory now."""
        if now_ns is not None:
            _touch(self._rows, NodeId(self._rows.one("SELECT parent FROM node WHERE node_id = ?", node_id)[0]), now_ns)
        self._rows.run("DELETE FROM node WHERE node_id = ?", node_id)

    # ---- after a start, when nothing is open

    def forget_unpromised(self) -> list[str]:
        """Names of files that were being made, and of which nothing was promised."""
        nothing = "NOT directory AND stage IS NULL AND file_id IS NULL"
        names = [str(row[0]) for row in self._rows.all(f"SELECT name FROM node WHERE {nothing}")]
        self._rows.run(f"DELETE FROM node WHERE {nothing}")
        return names

    def seal(self, node_id: NodeId, size_bytes: int) -> None:
        """Nobody writes to its stage any more; what was written after the last fsync is in it, too."""
        self._rows.run("UPDATE node SET sealed = 1, size_bytes = ? WHERE node_id = ?", size_bytes, node_id)


def free_name(rows: Rows, parent: NodeId, name: str, mark: str) -> str:
    """The id name of a duplicate; a file that really has that name makes it count on. (Adding the id once more would
    end nowhere: a name of full length, cut for its id, stays the same.)
    """
    entry, number = id_name_of(name, mark), 2
    while rows.one("SELECT 1 FROM node WHERE parent = ? AND name = ?", parent, entry) is not None:
        entry, number = id_name_of(name, f"{mark}-{number}"), number + 1
    return entry


def node_of(row: Any, name: str) -> Node:
    """A row of COLUMNS. Raises NotFound for none, naming what was looked for."""
    if row is None:
        raise NotFound(f"no such file: {name}")
    (node_id, parent, entry, directory, mode, mtime_ns, size_bytes, wanted, local, user_mime, expires_s, stage, sealed,
     resend, confirmed, file_id, server_name, mime_type, server_size, created_ns, downloadable, expires_ns, kept, ours,
     listed_bytes, hidden_from, ctime_ns, shared) = row
    remote = None if file_id is None else RemoteFile(
        FileId(file_id), server_name, mime_type, server_size, created_ns, bool(downloadable), expires_ns,
        bool(shared))
    return Node(NodeId(node_id), NodeId(parent), entry, bool(directory), mode, mtime_ns, size_bytes, wanted,
                bool(local), user_mime, expires_s, None if stage is None else StageId(stage), bool(sealed),
                bool(resend), bool(confirmed), remote, bool(kept), bool(ours), listed_bytes, hidden_from, ctime_ns)


def _touch(rows: Rows, directory: NodeId, now_ns: int) -> None:
    """The user changes what is in it: from now on it stays when it is empty. Raises NotFound, if it went with others'
    last file.
    """
    if not rows.run("UPDATE node SET mtime_ns = ?1, ctime_ns = ?1, made = 1 WHERE node_id = ?2", now_ns, directory):
        raise NotFound("the directory has gone")
