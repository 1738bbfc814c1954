"""The server's files, as the tree shows them: where a listed file is placed, what a stored one changes, what is gone.

Owns    of the table node the columns from file_id on, the names that display gives, the directories that are there only
        for others' files; the table kept.
Trusts  no name from a server: names.py makes it a path, or a safe entry.
Never   takes a name from a node with local changes, and never sets a wanted server name: showing something sends
        nothing.
"""

import enum
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Final

from anthrofs import names
from anthrofs.errors import Busy
from anthrofs.model import HIDDEN, Attempt, FileId, Node, NodeId, RemoteFile, StageId
from anthrofs.tree import history
from anthrofs.tree.nodes import COLUMNS, IN_TREE, free_name, indexed, node_of
from anthrofs.tree.places import Places, Surprises, is_changed, is_newer
from anthrofs.tree.plain_files import PlainFiles, insert
from anthrofs.tree.transaction import Tx
from anthrofs.tree.upgrades import DOUBTED

# Listed before and not by this listing. Takes its number.
_MISSING: Final = "file_id IS NOT NULL AND seen > 0 AND seen < ?"
# Never listed, although it was there when this listing began, and not asked for lately. Takes that moment and the
# listing's number.
_UNLISTED: Final = "file_id IS NOT NULL AND seen <= 0 AND created_ns < ? AND (seen = 0 OR seen >= ?)"
_AT_ONCE: Final = 500           # rows in memory
# Bounds of the server's clock are rounded to seconds: an upload that old was there when the listing began. (Listings
# can lag: it isn't taken for deleted, but asked for, and again after so many listings.)
SETTLED_NS: Final = 2 * 10**9
ASK_AGAIN: Final = 6
# An own upload that young and no longer listed is asked for before it is given up: of a service's several listings one
# may show it while another doesn't yet. Forgotten here, it would come back as a second file of its name.
YOUNG_NS: Final = 60 * 10**9


class Shown(enum.Enum):
    """A listed file's meaning for the tree."""

    KNOWN = enum.auto()
    AGAIN = enum.auto()     # known, and shown by this listing already, or by one that began later
    NEW = enum.auto()
    HELD = enum.auto()      # it would change a name that is in use; it has to be shown again


class Mirror:
    """All in the caller's transaction."""

    def __init__(self, surprises: Surprises, layout: names.Layout, expects: Callable[[int], None] = lambda _: None,
                 waits: Callable[[NodeId], object] = lambda _: None) -> None:
        self._surprises = surprises         # given: told, before the commit, which entries others have changed
        self._expects = expects             # given: told, before the commit, when something in the tree expires
        self._waits = waits                 # given: told of what is in use, and others have changed
        self._layout = layout               # constant
        self._places = Places(surprises, layout, waits)

    # ---- what a listing shows

    def show(self, tx: Tx, file: RemoteFile, listing: int, busy: Collection[NodeId], *, late: bool = False) -> Shown:
        """The newest of a name has the plain one; a name with local changes is never taken. `late`: it may be what a
        try of ours has left that was given up, so it takes no name from what was saved since.
        """
        if file.expires_ns is not None:
            self._expects(file.expires_ns)
        # Not all shapes of the API tell an expiry: what is known of it stays.
        if tx.run("UPDATE node SET seen = ?, downloadable = ?, expires_ns = coalesce(?, expires_ns), listed_bytes = "
                  "nullif(?, server_size) WHERE file_id = ? AND seen < ?", listing, file.downloadable, file.expires_ns,
                  file.size_bytes, file.file_id, listing):
            return Shown.KNOWN
        if self.knows(tx, file.file_id):
            return Shown.AGAIN
        place = self._places.place(tx, file, busy, late=late)
        if place is None:
            return Shown.HELD
        insert(tx, [(file, place)], listing)
        return Shown.NEW

    def told(self, tx: Tx, file: RemoteFile, busy: Collection[NodeId]) -> None:
        """Another mount says that the server has it. Like an own upload, it was never listed so far."""
        if not self.knows(tx, file.file_id) and self.show(tx, file, 1, busy) is Shown.NEW:
            tx.run("UPDATE node SET seen = 0 WHERE file_id = ?", file.file_id)

    def plain(self, tx: Tx, files: Sequence[RemoteFile], listing: int) -> PlainFiles:
        """Returns who puts those of a page's files there all at once that `show` would only put there."""
        return PlainFiles(tx, self._layout, listing, self._expects, files)

    def place_again(self, tx: Tx) -> None:
        """Nothing is open yet. If the layout is another one than last time, each file that the server has under the
        name that it has here goes where that layout has it.
        """
        if tx.get_meta("layout") == self._layout:
            return
        moved = [node_of(row, "") for row in tx.all(COLUMNS + "WHERE file_id IS NOT NULL AND stage IS NULL AND NOT "
                                                    f"local AND {IN_TREE} AND (wanted IS NULL OR wanted = server_name) "
                                                    "ORDER BY created_ns")]
        for node in moved:
            tx.run("UPDATE node SET parent = ?, name = ? WHERE node_id = ?", HIDDEN, f"#{node.node_id}", node.node_id)
        for node in moved:
            assert node.remote is not None
            place = self._places.place(tx, node.remote, (), again=True)
            assert place is not None, "nothing is in use"
            tx.run("UPDATE node SET parent = ?, name = ? WHERE node_id = ?", *place, node.node_id)
        for (directory,) in tx.all("SELECT node_id FROM node WHERE directory AND parent != 0 ORDER BY node_id DESC"):
            self._prune(tx, directory)
        tx.set_meta("layout", self._layout)

    # ---- what it doesn't show

    def missing(self, tx: Tx, listing: int) -> tuple[int, int]:
        """(ids that a complete listing should have shown and didn't, ids known)."""
        gone = tx.one(f"SELECT count(*) FROM node WHERE {_MISSING}", listing)[0]
        return int(gone), int(tx.one("SELECT count(*) FROM node WHERE file_id IS NOT NULL")[0])

    def sweep(self, tx: Tx, listing: int, began_ns: int, above_ns: int, below_ns: int,
              busy: Collection[NodeId]) -> None:
        """A file that earlier listings have shown, and neither this one nor a later, is gone if its time is between
        those; those in use wait, and young ones of ours are asked for first. `began_ns`: of the listing.
        """
        after = above_ns, 2**63 - 1
        while True:
            rows = tx.all(indexed("node_created") + f"WHERE {_MISSING} AND (created_ns, node_id) > (?, ?) AND "
                          "created_ns < ? AND NOT (is_ours AND created_ns > ?) ORDER BY created_ns, node_id LIMIT ?",
                          listing, *after, below_ns, began_ns - YOUNG_NS, _AT_ONCE)
            for node in (node_of(row, "") for row in rows):
                if node.node_id not in busy and not self._surprises.expects(node.node_id):
                    self._vanish(tx, node)
                else:
                    self._waits(node.node_id)
                assert node.remote is not None, "it has a time"
                after = node.remote.created_ns, node.node_id
            if len(rows) < _AT_ONCE:
                return

    def doubtful(self, tx: Tx, listing: int, began_ns: int, above_ns: int, busy: Collection[NodeId],
                 limit: int) -> list[FileId]:
        """Some of the ids that a listing should have shown above that time and didn't, and that nobody has open."""
        rows = tx.all(f"SELECT file_id, node_id FROM node INDEXED BY node_created WHERE ({_MISSING} OR {_UNLISTED}) "
                      "AND created_ns > ? AND NOT resend ORDER BY node_id LIMIT ?", listing, began_ns - SETTLED_NS,
                      ASK_AGAIN - listing, above_ns, limit + len(busy))
        return [FileId(file_id) for file_id, node_id in rows if node_id not in busy][:limit]

    def saw(self, tx: Tx, file_id: FileId, listing: int) -> None:
        """The service has it, though that listing didn't show it. One that none ever showed stays such a one."""
        tx.run("UPDATE node SET seen = CASE WHEN seen > 0 THEN max(seen, ?) ELSE ? END WHERE file_id = ?", listing,
               -listing, file_id)

    def vanished(self, tx: Tx, file_id: FileId, busy: Collection[NodeId]) -> bool:
        """The service says that it has no such id. False: it is in use and stays until the next look."""
        row = tx.one(COLUMNS + "WHERE file_id = ?", file_id)
        if row is None or row[0] in busy or self._surprises.expects(row[0]):
            return False
        self._vanish(tx, node_of(row, ""))
        return True

    def set_expiry(self, tx: Tx, file_id: FileId, expires_ns: int) -> None:
        """The service has said so."""
        tx.run("UPDATE node SET expires_ns = ? WHERE file_id = ?", expires_ns, file_id)

    def expired(self, tx: Tx, now_ns: int) -> list[RemoteFile]:
        """The files that the service doesn't give out any more, but for what is to be sent again from its copy.
        Somebody may have it open.
        """
        nodes = [node_of(row, "") for row in tx.all(COLUMNS + "WHERE expires_ns <= ? AND NOT resend", now_ns)]
        return [node.remote for node in nodes if node.remote is not None]

    def next_expiry(self, tx: Tx, now_ns: int) -> int | None:
        """The first moment after now at which something expires."""
        moment_ns: int | None = tx.one("SELECT min(expires_ns) FROM node WHERE expires_ns > ?", now_ns)[0]
        return moment_ns

    def _vanish(self, tx: Tx, node: Node) -> None:
        if node.resend:
            return                              # the user wants it under another name: it is sent from its copy
        self._surprises.note((node.parent, node.name))
        if node.remote is not None:
            if not node.is_hidden:
                tx.history.lost(node.remote, tx.nodes.path(node))
            tx.shares.ended(node.remote.file_id, withdraw=node.ours)    # else it is whoever has deleted it that does
        if node.ours and not node.kept and node.remote is not None:
            self.forget_kept(tx, node.remote.file_id)       # without a copy there is nothing to know of it any more
        if node.stage is not None:
            forget_remote(tx, node.node_id)    # the user's own unsent content stays
            return
        tx.run("DELETE FROM node WHERE node_id = ?", node.node_id)
        self._prune(tx, node.parent)

    def _prune(self, tx: Tx, directory: int) -> None:
        """A directory that is there only for others' files goes with the last of them, and then perhaps the one around
        it.
        """
        while (row := tx.one("SELECT parent, name FROM node WHERE node_id = ? AND directory AND NOT made "
                             "AND NOT EXISTS (SELECT 1 FROM node AS entry WHERE entry.parent = node.node_id)",
                             directory)) is not None:
            self._surprises.note((NodeId(row[0]), row[1]), directory=True)
            tx.run("DELETE FROM node WHERE node_id = ?", directory)
            directory = row[0]

    # ---- what was stored, read and deleted

    def stored(self, tx: Tx, attempt: Attempt, file: RemoteFile, *, found: bool, copied: bool) -> None:
        """The server has the attempt's stage as `file`. Newer promised content stays promised, and what the user has
        renamed or set otherwise since is sent again.

        `found`: in a listing; it counts as shown, for a listing that is under way has held it aside and would sweep it.
        `copied`: there is a kept copy.
        """
        if file.expires_ns is None and attempt.expires_s:      # the shape of the API doesn't tell
            file = replace(file, expires_ns=file.created_ns + attempt.expires_s * 10**9)
        if file.expires_ns is not None:
            self._expects(file.expires_ns)
        tx.run("INSERT INTO kept (file_id, here, bytes) VALUES (?, ?, ?) ON CONFLICT (file_id) DO UPDATE "
               "SET here = excluded.here",
               file.file_id, copied, attempt.size_bytes)
        # a listing was faster
        tx.run("DELETE FROM node WHERE file_id = ? AND node_id != ?", file.file_id, attempt.node_id)
        set_remote(tx, attempt.node_id, file)
        tx.run("UPDATE node SET seen = ? WHERE node_id = ?", int(tx.get_meta("listing") or 0) if found else 0,
               attempt.node_id)
        tx.run("UPDATE node SET stage = NULL, sealed = 0, lacks_code = NULL WHERE node_id = ? AND stage = ?",
               attempt.node_id, attempt.stage)
        # IS and IS NOT compare NULLs, too.
        tx.run("UPDATE node SET size_bytes = ?, confirmed = 1, resend = ? AND wanted IS NOT NULL AND (wanted != ? "
               "OR coalesce(mime_type, ?) != ? OR expires_s IS NOT ?) WHERE node_id = ? AND stage IS NULL",
               attempt.size_bytes, copied, attempt.name, attempt.mime_type,
               attempt.mime_type, attempt.expires_s, attempt.node_id)

    def namesakes(self, tx: Tx, server_name: str, *, left: bool) -> list[Node]:
        """Backups: local nodes that the server has under a name which another node has there, too. Asked after a node
        was stored under it: that one has taken the name, or it has become a backup while it was sent, and another one
        was quicker. `left`: and those of which a newer upload of ours has the name, whichever it is: an earlier mount
        was killed before they had made way.
        """
        backups = [node_of(row, "") for row in tx.all(COLUMNS + f"WHERE local AND server_name = ? AND {IN_TREE}",
                                                      server_name)]
        taken = f"SELECT 1 FROM node WHERE server_name = ? AND NOT local AND {IN_TREE}"
        found = backups if backups and tx.one(taken, server_name) else []
        if not left:
            return found
        newer = ("SELECT 1 FROM kept CROSS JOIN node USING (file_id) WHERE server_name = ? AND created_ns > ? "
                 f"AND NOT local AND {IN_TREE}")
        others = [node_of(row, "") for row in tx.all(COLUMNS + f"WHERE local AND server_name != ? AND {IN_TREE}",
                                                     server_name)]
        return found + [node for node in others if node.remote
                        and tx.one(newer, node.remote.name, node.remote.created_ns)]

    def detach(self, tx: Tx, node_id: NodeId, stage: StageId) -> None:
        """From now on it lives on this machine only. A stage of its own stays as it is: somebody may be writing to it.
        """
        tx.run("UPDATE node SET stage = ?1, sealed = iif(stage IS ?1, sealed, 1) WHERE node_id = ?2", stage, node_id)
        forget_remote(tx, node_id)

    def give_back(self, tx: Tx, node: Node, file: RemoteFile | None, busy: Collection[NodeId], now_ns: int) -> None:
        """The user gives up what is unsent here: the node shows the server's file again, or is gone when there is none.
        What others have uploaded under its name meanwhile is newer, so the name is its, unless that name is only shown
        here. Raises Busy when that is open.
        """
        if file is None:
            tx.run("DELETE FROM node WHERE node_id = ?", node.node_id)
            return
        newer = [node_of(row, "") for row in tx.all(COLUMNS + "WHERE parent = ? AND server_name = ? AND node_id != ? "
                                                    "ORDER BY created_ns, file_id",
                                                    node.parent, file.name, node.node_id)][-1:]
        if newer and node.wanted in (None, file.name) and not is_changed(newer[0]) and is_newer(newer[0], file):
            if newer[0].node_id in busy:
                raise Busy(f"{newer[0].name} is open, which gets the name: close it first")
            tx.run("UPDATE node SET name = ? WHERE node_id = ?", free_name(tx, node.parent, node.name, file.file_id),
                   node.node_id)
            tx.run("UPDATE node SET name = ? WHERE node_id = ?", node.name, newer[0].node_id)
            self._surprises.note((node.parent, newer[0].name))
        set_remote(tx, node.node_id, file)
        if node.remote != file:
            tx.history.began(file.file_id, tx.nodes.path(node), history.BACK)
        tx.run("UPDATE node SET stage = NULL, sealed = 0, lacks_code = NULL, resend = 0, confirmed = 0, "
               "size_bytes = ?, mtime_ns = ?, ctime_ns = ? WHERE node_id = ?",
               file.size_bytes, file.created_ns, now_ns, node.node_id)

    def set_length(self, tx: Tx, file_id: FileId, size_bytes: int) -> tuple[NodeId, str] | None:
        """A download that came to its end has shown the length of a file that may be longer than listed. Returns the
        entry if it shows another one so far. Of all else the listing's is the length, to the byte, and for less there
        is no reason.
        """
        row = tx.one(COLUMNS + "WHERE file_id = ? AND stage IS NULL", file_id)
        node = None if row is None else node_of(row, "")
        if node is None or node.remote is None or not node.remote.may_grow or size_bytes < node.remote.size_bytes:
            return None
        tx.run("UPDATE node SET size_bytes = ?, confirmed = 1 WHERE node_id = ?", size_bytes, node.node_id)
        return None if node.size_bytes == size_bytes else (node.parent, node.name)

    def doubted(self, tx: Tx) -> list[FileId]:
        """Files of which the cache of the version before has what is perhaps not theirs; see upgrades.py."""
        rows = tx.all("SELECT name FROM meta WHERE substr(name, 1, ?) = ?", len(DOUBTED), DOUBTED)
        return [FileId(name.removeprefix(DOUBTED)) for (name,) in rows]

    def forget_doubted(self, tx: Tx) -> None:
        """The cache has let go of it."""
        tx.run("DELETE FROM meta WHERE substr(name, 1, ?) = ?", len(DOUBTED), DOUBTED)

    def forget_kept(self, tx: Tx, file_id: FileId) -> None:
        """The file's kept copy is gone: the user deleted or replaced it, and the server did too."""
        tx.run("DELETE FROM kept WHERE file_id = ?", file_id)

    def node_with(self, tx: Tx, file_id: FileId) -> NodeId | None:
        """The node that has this id."""
        row = tx.one("SELECT node_id FROM node WHERE file_id = ?", file_id)
        return None if row is None else NodeId(row[0])

    def knows(self, tx: Tx, file_id: FileId) -> bool:
        """Some node has this id."""
        return self.node_with(tx, file_id) is not None

    def forget_server(self, tx: Tx) -> None:
        """Everything that only mirrors a server: for another workspace. The caller has made sure that nothing is
        unsent.

        What is kept stays known: ids are unique across workspaces, and when this state is the old one's again, nothing
        but these rows leads to the copies of uploads that the service gives to nobody.
        """
        tx.run("DELETE FROM node WHERE parent != 0")
        tx.history.forget_all()


def set_remote(tx: Tx, node_id: NodeId, file: RemoteFile) -> None:
    """From now on this file is what the server has of the node."""
    tx.run("UPDATE node SET file_id = ?, server_name = ?, server_mime = ?, server_size = ?, created_ns = ?, "
           "downloadable = ?, expires_ns = ?, listed_bytes = NULL WHERE node_id = ?", file.file_id, file.name,
           file.mime_type, file.size_bytes, file.created_ns, file.downloadable, file.expires_ns, node_id)


def forget_remote(tx: Tx, node_id: NodeId) -> None:
    """The server has nothing of the node any more."""
    tx.run("UPDATE node SET file_id = NULL, server_name = NULL, server_mime = NULL, server_size = NULL, created_ns = "
           "NULL, downloadable = NULL, expires_ns = NULL, listed_bytes = NULL, seen = 0, resend = 0 WHERE node_id = ?",
           node_id)
