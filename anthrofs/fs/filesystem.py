"""The tree's verbs: looking, making and removing directories, setting. POSIX-shaped; no FUSE, no HTTP, no threads.

Owns    the order of steps in each verb: what is durable before what is answered.
Trusts  the kernel for permissions (default_permissions) and for path lookups along directories.
Never   waits for the network: that would freeze the directory.
"""

import stat
from collections.abc import Callable

from anthrofs import names
from anthrofs.clock import Clock
from anthrofs.config import Config
from anthrofs.errors import Exists, NotADirectory, NotEmpty, NotFound, NotPermitted, Revalidate
from anthrofs.fs.kernel_cache import Surprises
from anthrofs.fs.paths import Paths
from anthrofs.fs.renames import Renames
from anthrofs.model import ROOT, Attr, Node, NodeId, is_view
from anthrofs.sync.refresher import Refresher
from anthrofs.tree.database import Database
from anthrofs.tree.nodes import Entry
from anthrofs.tree.open_table import Content, OpenTable


class FileSystem:
    """One mount's files."""

    def __init__(self, config: Config, clock: Clock, db: Database, paths: Paths, handles: OpenTable,
                 refresher: Refresher, surprises: Surprises, renames: Renames) -> None:
        self._config = config           # given
        self._clock = clock             # given
        self._db = db                   # given
        self._paths = paths             # given
        self._handles = handles         # given
        self._refresher = refresher     # given
        self._surprises = surprises     # given
        self._renames = renames         # given: its replacements end with whatever comes between their two steps

    # ---- looking

    def attr(self, path: str) -> Attr:
        """Raises NotFound, Revalidate."""
        self._renames.forget_replacement(path)
        self._refresher.look()
        asked_s = self._clock.now_s()
        try:
            node = self._paths.node(path)
        except NotFound as exc:
            if self._renames.was_hidden(path):
                # Replaced, and closed since: whoever asks has come by the name, and finds the new one there.
                raise Revalidate(f"{path} has gone") from exc
            raise
        self._check_kind(node)
        self._surprises.told((node.parent, node.name), asked_s)
        return self._attr(node)

    def _check_kind(self, node: Node) -> None:
        """Raises Revalidate, once, when others have made a folder of a file, or a file of a folder."""
        if self._surprises.swapped((node.parent, node.name), directory=node.directory):
            raise Revalidate(f"{node.name} is of another kind now")

    def attr_of(self, number: int) -> Attr:
        """Returns the attributes of an open file. Raises NotFound."""
        content = self._handles.get(number).content
        if is_view(content.node_id):
            created_ns = content.remote.created_ns if content.remote is not None else 0
            return Attr(content.node_id, stat.S_IFREG | 0o444 & ~self._config.umask, content.length, created_ns,
                        created_ns, 1)
        return self._attr(self._db.nodes.node(content.node_id))

    def open_directory(self, path: str) -> NodeId:
        """Somebody is about to list it: an old index is worth a short wait. Raises NotFound, NotADirectory,
        Revalidate.
        """
        node = self._paths.node(path)
        self._check_kind(node)
        if not node.directory:
            raise NotADirectory(f"{path} is a file")
        self._refresher.look_closely()
        return node.node_id

    def above(self, directory: NodeId) -> NodeId:
        """The directory around it, the root's being itself."""
        try:
            return self._db.nodes.node(directory).parent or ROOT
        except NotFound:
            return ROOT                 # removed while it is open

    def each_entry(self, directory: NodeId, show: Callable[[str, NodeId, bool], None]) -> None:
        """`show` is told (name, node, directory) of what is in it. It mustn't wait."""
        self._db.nodes.each_entry(directory, show)

    def name_in(self, directory: NodeId, node_id: NodeId) -> str:
        """The name that a node has in a directory. Raises NotFound."""
        node = self._db.nodes.node(node_id)
        if node.parent != directory:
            raise NotFound(f"{node.name} was moved away")
        return node.name

    def entries_after(self, directory: NodeId, name: str, limit: int) -> list[tuple[str, Attr, bool]]:
        """Up to so many entries of a directory behind a name, by name: (name, attributes, whether the kernel may
        believe these). Of an entry that others have just changed it has to ask by the name: only that settles what it
        may have been told before.
        """
        entries = self._db.nodes.entries_after(directory, name, limit)
        # After the rows were read: others' change is noted before it can be seen.
        doubtful = self._surprises.doubted(directory)
        opened = self._handles.contents_of(entry.node_id for entry in entries).get
        attr_of = self._attr_of
        return [(entry.name, attr_of(entry, opened(entry.node_id)), entry.name not in doubtful) for entry in entries]

    def statfs(self) -> dict[str, int]:
        """The quota as a disk: sizes in f_bsize units, as statvfs(3) has them."""
        block = 4096
        files, used_bytes, _ = self._db.nodes.totals()
        blocks = self._config.quota_bytes // block
        free = max(0, blocks - -(-used_bytes // block))
        return {"f_bsize": block, "f_frsize": block, "f_blocks": blocks, "f_bfree": free, "f_bavail": free,
                "f_files": files + 2**31, "f_ffree": 2**31, "f_favail": 2**31, "f_namemax": names.MAX_ENTRY_BYTES}

    # ---- the tree

    def make_directory(self, path: str, mode: int) -> None:
        """The server doesn't know of it until a file is in it. Raises Exists, NotPermitted, BadName, NameTooLong."""
        if self._config.layout == "flat":
            raise NotPermitted("this mount has one flat directory (--layout flat)")
        place = self._paths.place(path)
        with self._db.transaction(durable=True) as tx:
            if self._paths.exists(place):
                raise Exists(f"{path} exists")
            tx.nodes.make_directory(place.parent, place.name, stat.S_IMODE(mode), self._clock.time_ns())

    def remove_directory(self, path: str) -> None:
        """Raises NotFound, NotADirectory, NotEmpty."""
        with self._db.transaction(durable=True) as tx:
            node = self._paths.own(self._paths.directory(path))
            if not tx.nodes.is_empty(node.node_id):
                raise NotEmpty(f"{path} is not empty")
            tx.nodes.remove(node.node_id, self._clock.time_ns())

    def set_mode(self, path: str | None, mode: int, number: int | None = None) -> None:
        """Sets the permission bits, which are kept on this machine. `number`: of an open file, which has no path then;
        this goes for the others here, too.
        """
        node = self._own(path, number)
        with self._db.transaction() as tx:
            tx.nodes.set_mode(node.node_id, stat.S_IMODE(mode), self._clock.time_ns())

    def set_owner(self, path: str | None, uid: int, gid: int, number: int | None = None) -> None:
        """The mount's own owner is accepted, so that `cp -p` goes through. Raises NotPermitted for others."""
        node = self._node(path, number)
        if uid not in (-1, self._config.uid) or gid not in (-1, self._config.gid):
            raise NotPermitted("all files of a mount have its owner: see the mount options uid and gid")
        if not node.is_view:
            self._changed(node)

    def set_mtime(self, path: str | None, mtime_ns: int | None, number: int | None = None) -> None:
        """Sets the time of change; None: now. It is kept on this machine, with the node."""
        node = self._own(path, number)
        now_ns = self._clock.time_ns()
        mtime_ns = now_ns if mtime_ns is None else mtime_ns
        # The content first: a promise of it that is committed after the row takes its time from there.
        content = self._handles.content_of(node.node_id)
        if content is not None:
            content.set_mtime(mtime_ns, now_ns)
        with self._db.transaction() as tx:
            tx.nodes.set_mtime(node.node_id, mtime_ns, now_ns)

    def set_atime(self, path: str | None, number: int | None = None) -> None:
        """Sets the time of access alone, which isn't kept: that it was set changes the file all the same."""
        self._changed(self._own(path, number))

    def _own(self, path: str | None, number: int | None) -> Node:
        return self._paths.own(self._node(path, number))

    def _node(self, path: str | None, number: int | None) -> Node:
        if path is None and number is not None:
            node_id = self._handles.get(number).content.node_id
            if is_view(node_id):
                raise NotPermitted("by its id a file can only be read and removed. Change it by its name")
            return self._db.nodes.node(node_id)
        return self._paths.node(path or "")

    def _changed(self, node: Node) -> None:
        with self._db.transaction() as tx:
            tx.nodes.changed(node.node_id, self._clock.time_ns())

    def _attr(self, node: Node) -> Attr:
        return self._attr_of(node, self._handles.content_of(node.node_id))

    def _attr_of(self, node: Node | Entry, content: Content | None) -> Attr:
        if node.directory:
            # One link, as btrfs has it: how many directories are in it isn't counted.
            return Attr(node.node_id, stat.S_IFDIR | node.mode & ~self._config.umask, 4096, node.mtime_ns,
                        node.ctime_ns, 1)
        shown = content.shown if content is not None else None
        size_bytes, mtime_ns, ctime_ns = shown or (node.size_bytes, node.mtime_ns, node.ctime_ns)
        # Also of what can't be read: without the read bit the kernel would give its owner no attribute, and tools give
        # a file's mode to the one that replaces it.
        return Attr(node.node_id, stat.S_IFREG | node.mode & ~self._config.umask, size_bytes, mtime_ns,
                    max(ctime_ns, node.ctime_ns), 1)
