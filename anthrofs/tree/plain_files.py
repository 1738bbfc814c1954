"""Plain new files of a listing's page: those that nothing stands in the way of are put into the tree all at once.

A first mount of 100,000 files spends most of its time on them: asked for and inserted one by one they take twice as
long. What they become is what Mirror.show would have made of them, in the same order, to the row.

Trusts  no name from a server: a name that isn't plain, a folder that isn't there yet, an id or an entry that is taken,
        are all left to Mirror.show.
Never   moves anything, and never makes a folder.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from anthrofs import names
from anthrofs.errors import BadName
from anthrofs.model import ROOT, NodeId, RemoteFile
from anthrofs.tree.transaction import Tx

FILE: Final = 0o644
_INSERT: Final = ("INSERT INTO node (parent, name, mode, mtime_ns, size_bytes, seen, file_id, server_name, "
                  "server_mime, server_size, created_ns, downloadable, expires_ns) VALUES ")
_ROW: Final = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
# Rows of a statement. Before each SQLite notes what the pages were that it changes: half of the time, with one a row.
_ROWS: Final = 60
_AT_ONCE: Final = 500       # values that are looked up at once
CHANGES: Final = 8

Place = tuple[NodeId, str]


def insert(tx: Tx, files: Sequence[tuple[RemoteFile, Place]], listing: int) -> None:
    """New rows in these places, which are free; counted, and their folders are as old as the newest in them."""
    for start in range(0, len(files), _ROWS):
        some = files[start:start + _ROWS]
        tx.run(_INSERT + ", ".join([_ROW] * len(some)), *(
            value for file, (parent, name) in some for value in (
                parent, name, FILE, file.created_ns, file.size_bytes, listing, file.file_id, file.name, file.mime_type,
                file.size_bytes, file.created_ns, file.downloadable, file.expires_ns)))
    tx.run("UPDATE total SET files = files + ?, used_bytes = used_bytes + ?", len(files),
           sum(file.size_bytes for file, _ in files))
    newest = dict[NodeId, int]()
    for file, (parent, _) in files:
        newest[parent] = max(file.created_ns, newest.get(parent, file.created_ns))
    for parent, created_ns in newest.items():
        tx.run("UPDATE node SET mtime_ns = ?1, ctime_ns = max(ctime_ns, ?1) WHERE node_id = ?2 AND mtime_ns < ?1",
               created_ns, parent)


class PlainFiles:
    """The plain files of one page, in one transaction. Whoever changes the tree in between calls `settle` before and
    `changed` after it.
    """

    def __init__(self, tx: Tx, layout: names.Layout, listing: int, expects: Callable[[int], None],
                 files: Sequence[RemoteFile]) -> None:
        self._tx = tx                       # given
        self._expects = expects             # given: see Mirror
        self._layout = layout               # constant
        self._listing = listing             # constant
        self._waiting: list[tuple[RemoteFile, Place]] = []      # taken, and not in the database yet
        self._places = set[Place]()                             # theirs
        times = Counter(file.file_id for file in files)
        known = _which(tx, "SELECT file_id FROM node WHERE file_id IN", list(times))
        # (folder, name) of those that may be plain
        self._paths = {file.file_id: path for file in files
                       if times[file.file_id] == 1 and file.file_id not in known and (path := self._path(file))}
        self._folders: dict[str, NodeId | None] = {"": ROOT}    # by path, as far as is known; None: there is none
        self._taken: dict[NodeId, set[str]] = {}    # of the page's names, what is taken in a folder, as far as is known
        self._changes = 0                           # so far: that many times what is known was not worth the asking

    def take(self, file: RemoteFile) -> bool:
        """Returns whether the file is shown. False: Mirror.show has to do it."""
        above, name = self._paths.get(file.file_id, ("", ""))
        parent = self._folder(above)
        if not name or parent is None or self._is_taken(parent, above, name):
            return False
        self._places.add((parent, name))
        self._waiting.append((file, (parent, name)))
        if file.expires_ns is not None:
            self._expects(file.expires_ns)
        return True

    def settle(self) -> None:
        """All that were taken are in the database."""
        if self._waiting:
            insert(self._tx, self._waiting, self._listing)
            self._waiting.clear()
            for parent, name in self._places:
                if parent in self._taken:
                    self._taken[parent].add(name)
            self._places.clear()

    def changed(self) -> None:
        """Some name may have become another file's, some folder may be there."""
        self._folders = {"": ROOT}
        self._taken.clear()
        self._changes += 1

    def _path(self, file: RemoteFile) -> tuple[str, str] | None:
        if self._layout == "flat":
            return "", names.entry_name_of(file.name, file.file_id)
        try:
            above, _, name = names.shown_path_of(file.name).rpartition("/")
        except BadName:
            return None
        return above, name

    def _folder(self, path: str) -> NodeId | None:
        if path not in self._folders:
            above, _, name = path.rpartition("/")
            parent = self._folder(above)
            row = parent and self._tx.one("SELECT node_id FROM node WHERE parent = ? AND name = ? AND directory",
                                          parent, name)
            self._folders[path] = NodeId(row[0]) if row else None
        return self._folders[path]

    def _is_taken(self, parent: NodeId, above: str, name: str) -> bool:
        if (parent, name) in self._places:
            return True
        if self._changes > CHANGES:     # of a page with many odd ones: each would have all names looked up again
            return self._tx.one("SELECT 1 FROM node WHERE parent = ? AND name = ?", parent, name) is not None
        if parent not in self._taken:
            self._taken[parent] = _which(self._tx, f"SELECT name FROM node WHERE parent = {int(parent)} AND name IN",
                                         [name for folder, name in self._paths.values() if folder == above])
        return name in self._taken[parent]


def _which(tx: Tx, statement: str, values: Sequence[str]) -> set[str]:
    found = set[str]()
    for start in range(0, len(values), _AT_ONCE):
        some = values[start:start + _AT_ONCE]
        found.update(row[0] for row in tx.each(f"{statement} ({', '.join('?' * len(some))})", *some))
    return found
