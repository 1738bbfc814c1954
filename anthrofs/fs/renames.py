"""Renames, of files, of whole directories, and libfuse's own; and unlinks. One transaction each; the server is told in
the background.

Owns    which node libfuse has just hidden where. It hides a file that is open: when it is unlinked, and before another
        one is renamed over it. Only what comes next tells which: no lookup comes between the two steps of a
        replacement. The second one undoes the first, and is a rename as any other.
Never   waits for the network or reads content: what has to be sent again is only noted. Content is synced only of a
        file that replaces another one while it is being written.
"""

import threading
from collections import OrderedDict
from typing import Final

from anthrofs import local_names, names
from anthrofs.clock import Clock
from anthrofs.errors import Busy, Exists, IsADirectory, NotADirectory, NotEmpty, NotFound
from anthrofs.fs.contents import Contents
from anthrofs.fs.kernel_cache import PageCache, Surprises
from anthrofs.fs.paths import Paths, Place
from anthrofs.model import Caller, FileId, Node, NodeId
from anthrofs.tree import history, intents
from anthrofs.tree.database import Database
from anthrofs.tree.hidden_nodes import HiddenNodes
from anthrofs.tree.open_table import OpenTable
from anthrofs.tree.transaction import Tx
from anthrofs.upload.uploader import Uploader

NAMES: Final = 1000         # of hidden files that are remembered: longer than a request can be under way


class Renames:
    """The renames and unlinks of one mount."""

    def __init__(self, clock: Clock, db: Database, paths: Paths, handles: OpenTable, pages: PageCache,
                 surprises: Surprises, contents: Contents, hidden_nodes: HiddenNodes, uploader: Uploader) -> None:
        self._clock = clock             # given
        self._db = db                   # given
        self._paths = paths             # given
        self._handles = handles         # given
        self._pages = pages             # given
        self._surprises = surprises     # given
        self._contents = contents       # given
        self._hidden_nodes = hidden_nodes       # given
        self._uploader = uploader       # given

        self._lock = threading.Lock()               # guards the following; a leaf
        self._hidden: dict[str, tuple[NodeId, str]] = {}    # path → node that libfuse has just hidden, and as what
        self._names = OrderedDict[str, None]()      # by which it has hidden something lately; it uses none twice

    def rename(self, old: str, new: str, caller: Caller, *, replaces: bool = True) -> None:
        """Both names change in one transaction, and what had the new one is unlinked, unless nothing is to be replaced;
        the server is told in the background. Raises NotFound, BadName, NameTooLong, NotPermitted, NotEmpty,
        IsADirectory, NotADirectory, Exists, DiskFull: then nothing was changed.
        """
        try:
            self._replace(old, new, local_names.maker_of(caller.program(), reads=True), replaces=replaces)
        finally:
            self._uploader.wake()

    def unlink(self, path: str) -> None:
        """The name is gone when this returns; the server is told in the background, or after the last release. By its
        id, a file goes with its name; what the name has that is newer stays.
        """
        if names.is_made_by_libfuse(path.rpartition("/")[2]) and self._replaced_nothing(path):
            return
        with self._db.transaction(durable=True) as tx:
            node = self._paths.file(path)
            by_id = node.is_view
            if by_id:
                node = tx.nodes.holder(FileId(node.name))
            newer_stays = by_id and intents.unlink_id(tx, node)
            if not newer_stays and self._handles.content_of(node.node_id) is None:
                intents.unlink(tx, node, self._clock.time_ns())
            elif not newer_stays and not node.is_hidden:
                intents.ends(tx, node, history.REMOVED)
                tx.nodes.hide(node.node_id, f"#{node.node_id}", self._clock.time_ns(), by_libfuse=False)
        self._pages.forget(path)
        self.forget_replacement(path)
        self._uploader.wake()

    def forget_replacement(self, path: str) -> None:
        """Something else comes for that path: its hiding was an unlink."""
        if self._hidden:                    # without the lock: nearly always empty
            with self._lock:
                self._hidden.pop(path, None)

    def _replace(self, old: str, new: str, maker: str, *, replaces: bool) -> None:
        """Renames. `maker`: who does, see local_names.maker_of."""
        if names.is_made_by_libfuse(new.rpartition("/")[2]):
            self._hide(old, new)
            return
        with self._lock:
            replaced, hidden_name = self._hidden.pop(new, (None, ""))
        if replaced is not None:
            self._hidden_nodes.give_back(replaced)      # syncing the other's content may take long, and fail
        place = self._paths.place(new, maker)
        if self._paths.exists(place):
            if not replaces:
                raise Exists(f"{new} exists")
            self._promise(old)
        self._rename(old, place, new, maker, hidden_name, replaces=replaces)

    def _replaced_nothing(self, path: str) -> bool:
        """libfuse unlinks what it has hidden, also when the replacement has failed that it was hidden for."""
        node = self._paths.file(path)
        if not self._hidden_nodes.is_owed(node.node_id):
            return False
        self._hidden_nodes.give_back(node.node_id)
        return True

    def _promise(self, path: str) -> None:
        """Syncs what replaces a file while it is still being written: else a crash before its close would leave
        neither. Raises DiskFull.
        """
        content = self._handles.content_of(self._paths.node(path).node_id)
        if content is not None:
            self._contents.promise(content, seal=False)

    def _hide(self, old: str, new: str) -> None:
        name = new.rpartition("/")[2]
        with self._db.transaction(durable=True) as tx:
            node = self._paths.file(old)
            if node.is_view:
                node = tx.nodes.holder(FileId(node.name))
                if node.stage is not None:
                    raise Busy(f"{old} is open, and its name has newer content: close it first")
            if not node.is_hidden:
                tx.nodes.hide(node.node_id, name, self._clock.time_ns(), by_libfuse=True)
        self._pages.forget(old, new)
        with self._lock:
            self._hidden[old] = (node.node_id, name)
            self._names[name] = None
            if len(self._names) > NAMES:
                self._names.popitem(last=False)

    def was_hidden(self, path: str) -> bool:
        """Whether libfuse has lately hidden a file by that name."""
        with self._lock:
            return path.rpartition("/")[2] in self._names

    def _rename(self, old: str, place: Place, new: str, maker: str, hidden_name: str, *, replaces: bool) -> None:
        with self._db.transaction(durable=True) as tx:
            node = self._paths.own(self._paths.node(old))
            if not replaces and self._paths.exists(place):
                raise Exists(f"{new} exists")       # others have made it meanwhile
            self._make_room(tx, place, node, hidden_name)
            tx.nodes.move(node.node_id, place.parent, place.name, self._clock.time_ns())
            if node.directory:
                for each, path in tx.nodes.below(node.node_id):
                    wanted = self._paths.wanted(f"{new}/{path}", maker)
                    if each.local and self._paths.wanted(f"{old}/{path}") is not None:
                        wanted = None       # not its name, but who made it has kept it here
                    intents.want(tx, each, wanted)
            else:
                intents.want(tx, node, place.wanted)
        self._surprises.moved((node.parent, node.name), (place.parent, place.name))
        if node.directory:
            self._pages.forget_below(old, new)
        else:
            self._pages.forget(old, new)

    def _make_room(self, tx: Tx, place: Place, node: Node, hidden_name: str) -> None:
        """Takes the name from whatever has it: the same as an unlink or rmdir. `hidden_name`: by which libfuse will ask
        for it, if it is open; or "".
        """
        try:
            there = self._db.nodes.entry(place.parent, place.name)
        except NotFound:
            return
        if there.node_id == node.node_id:
            return
        if there.directory and not node.directory:
            raise IsADirectory(f"{place.name} is a directory")
        if node.directory and not there.directory:
            raise NotADirectory(f"{place.name} is a file")
        if there.directory:
            if not tx.nodes.is_empty(there.node_id):
                raise NotEmpty(f"{place.name} is not empty")
            tx.nodes.remove(there.node_id)
        elif self._handles.content_of(there.node_id) is None:
            intents.unlink(tx, there, why=history.COVERED)
        else:
            intents.ends(tx, there, history.COVERED)
            tx.nodes.hide(there.node_id, hidden_name or f"#{there.node_id}", self._clock.time_ns(), by_libfuse=False)
