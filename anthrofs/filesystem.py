"""The file system: POSIX-shaped verbs over the tree and the contents. No FUSE, no HTTP, no threads.

Owns    the order of steps in each verb: what is durable before what is answered.
Serves  fuse_ops, which translates, and tests, which call it directly.
Trusts  the kernel for permissions (default_permissions) and for path lookups along directories.
Never   waits for the network in a verb without a handle: that would freeze the directory.
"""

import contextlib
import logging
import os
import stat
import threading
from typing import Final

from anthrofs import names, unlinking
from anthrofs.clock import Clock
from anthrofs.config import Config
from anthrofs.contents import Contents
from anthrofs.db import Database
from anthrofs.errors import (
    BadHandle,
    Exists,
    FsError,
    IsADirectory,
    NotADirectory,
    NotFound,
    NotPermitted,
    NotReadable,
    NotSupported,
    Revalidate,
)
from anthrofs.handles import Handle, Handles
from anthrofs.index import Index
from anthrofs.model import HIDDEN, ROOT, Attr, Caller, Node, NodeId, Opened, StageId
from anthrofs.outbox import Outbox
from anthrofs.reader import Reader
from anthrofs.refresher import Refresher
from anthrofs.staging import Staging
from anthrofs.surprises import Surprises
from anthrofs.uploader import Uploader

log = logging.getLogger(__name__)

OPEN_TRIES: Final = 5       # a listing can move a name between finding its node and holding it
# For what a verb opens for itself: it is never interrupted.
NOBODY: Final = Caller(0, interrupted=lambda: False, lives=lambda _: True)


class FileSystem:
    """One mount's files."""

    def __init__(self, config: Config, clock: Clock, db: Database, index: Index, outbox: Outbox, staging: Staging,
                 handles: Handles, contents: Contents, reader: Reader, uploader: Uploader, refresher: Refresher,
                 surprises: Surprises) -> None:
        self._config = config           # given
        self._clock = clock             # given
        self._db = db                   # given
        self._index = index             # given
        self._outbox = outbox           # given
        self._staging = staging         # given
        self._handles = handles         # given
        self._contents = contents       # given
        self._reader = reader           # given
        self._uploader = uploader       # given
        self._refresher = refresher     # given
        self._surprises = surprises     # given

        self._hidden_lock = threading.Lock()        # guards the following; a leaf
        self._hidden: dict[str, NodeId] = {}        # path → node that libfuse has just hidden there

    # ---- looking

    def attr(self, path: str) -> Attr:
        """Raises NotFound."""
        self._forget_replacement(path)
        self._refresher.look()
        asked_s = self._clock.now_s()
        node = self.node(path)
        self._surprises.told(node.name, asked_s)
        return self._attr(node)

    def attr_of(self, number: int) -> Attr:
        """By handle. Raises NotFound."""
        return self._attr(self._index.node(self._handles.get(number).content.node_id))

    def open_directory(self, path: str) -> NodeId:
        """Somebody is about to list it: an old index is worth a short wait. Raises NotFound, NotADirectory."""
        node = self.node(path)
        if not node.directory:
            raise NotADirectory(f"{path} is a file")
        self._refresher.look_closely()
        return node.node_id

    def entries(self, directory: NodeId) -> list[tuple[str, NodeId, bool]]:
        """(name, node, directory) of what is in it."""
        return self._index.entries(directory)

    def node(self, path: str) -> Node:
        """Raises NotFound, NotADirectory."""
        node = self._index.node(ROOT)
        for part in [part for part in path.split("/") if part]:
            if not node.directory:
                raise NotADirectory(f"{path}: {node.name} is a file")
            node = self._index.lookup(HIDDEN if names.is_hidden(part) else node.node_id, part)
        return node

    def statfs(self) -> dict[str, int]:
        """The quota as a disk: sizes in f_bsize units, as statvfs(3) has them."""
        block = 4096
        files, used_bytes, _ = self._index.totals()
        blocks = self._config.quota_bytes // block
        free = max(0, blocks - -(-used_bytes // block))
        return {"f_bsize": block, "f_frsize": block, "f_blocks": blocks, "f_bfree": free, "f_bavail": free,
                "f_files": files + 2**31, "f_ffree": 2**31, "f_favail": 2**31, "f_namemax": names.MAX_ENTRY_BYTES}

    # ---- open files

    def create(self, path: str, mode: int, caller: Caller) -> int:
        """A new, empty file, open for reading and writing. Raises Exists, BadName, NameTooLong, NotPermitted, DiskFull."""
        parent, name = self._place(path)
        local = names.stays_local(name, self._config.local_patterns)
        wanted = names.server_name_of(name)
        stage = self._staging.create()
        try:
            with self._db.transaction() as tx:
                if self._exists(parent, name):
                    raise Exists(f"{path} exists")
                node_id = self._index.create(tx, name, stat.S_IMODE(mode), self._clock.time_ns(), None if local else wanted)
                handle = self._handles.open(node_id, reads=True, writes=True, process=caller.process)
        except BaseException:
            stage.close()
            self._staging.remove(stage.number)
            raise
        self._contents.begin(handle.content, stage)
        return handle.number

    def open(self, path: str, flags: int, caller: Caller, *, by_kernel: bool = True) -> Opened:
        """A handle. Raises NotFound, IsADirectory, NotReadable, NotSupported; Revalidate, when it should be asked again."""
        reads, writes = flags & os.O_ACCMODE != os.O_WRONLY, flags & os.O_ACCMODE != os.O_RDONLY
        for _ in range(OPEN_TRIES):
            found = self.node(path)
            if found.directory:
                raise IsADirectory(f"{path} is a directory")
            handle = self._handles.open(found.node_id, reads=reads, writes=writes, process=caller.process)
            try:
                now = self._index.node(found.node_id)       # after the handle: from here on no listing changes it
                if (now.parent, now.name) == (found.parent, found.name):
                    local = self._contents.attach(handle.content)
                    if not (local or now.readable) and (reads or flags & os.O_APPEND):
                        raise NotReadable(f"{path} was uploaded elsewhere: the service doesn't give uploads back")
                    if by_kernel and self._surprises.recent(now.name):
                        raise Revalidate(f"{path} was changed by others")
                    # A writable one keeps the page cache: a shared mmap needs it.
                    return Opened(handle.number, direct_io=not writes and not local and self._contents.may_differ(now))
            except NotFound:
                pass
            except BaseException:
                self.release(handle.number)
                raise
            self.release(handle.number)
        raise NotFound(f"{path} moves about")

    def read(self, number: int, size: int, offset: int, caller: Caller) -> bytes:
        """Up to size bytes, fewer at the end. Raises Gone, NotReadable, and what else the network does."""
        handle = self._handles.get(number)
        if not handle.reads:
            raise BadHandle("not open for reading")
        return self._contents.read(handle.content, size, offset, caller.interrupted)

    def write(self, number: int, data: bytes, offset: int) -> int:
        """All of it. Raises TooLarge, DiskFull, NotReadable, NotSupported."""
        handle = self._handles.get(number)
        if not handle.writes:
            raise BadHandle("not open for writing")
        self._contents.write(handle, data, offset)
        return len(data)

    def truncate(self, path: str, size_bytes: int, number: int | None) -> None:
        """By handle or by path; a file that nobody has open is promised at once. Raises as write does."""
        if number is not None:
            handle = self._handles.get(number)
            self._contents.truncate(handle.content, size_bytes, handle)
            return
        handle = self._handles.get(self.open(path, os.O_WRONLY, NOBODY, by_kernel=False).number)
        try:
            self._contents.truncate(handle.content, size_bytes, None)
            if self._handles.is_alone(handle) and self._contents.promise(handle.content, seal=True):
                self._uploader.wake()       # here, not in release: a full disk must be said
        finally:
            self.release(handle.number)

    def flush(self, number: int, caller: Caller) -> None:
        """One close of this handle. Content is promised, and in wait mode the server has it when this returns.

        Each close of a dup comes here, and each exit of a child that inherited the descriptor: the opener's count, and those
        of its heirs once it has closed or ended. Empty content waits for the last release: a shell's `> file` closes a dup
        before anything is written. Raises what Uploader.wait does, and DiskFull.
        """
        handle = self._handles.get(number)
        if not handle.writes or not self._counts(handle, caller):
            return
        content = handle.content
        with content.lock:
            size_bytes = content.shown[0] if content.shown else 0
            wrote, handle.wrote = handle.wrote, False
            stage = content.stage.number if content.stage is not None else None
        if not size_bytes or stage is None:
            return
        if self._contents.promise(content, seal=True):
            self._uploader.wake()
        if wrote and self._config.upload == "wait":
            self._uploader.wait(content.node_id, stage, caller.interrupted)

    def fsync(self, number: int) -> None:
        """Bytes and promise survive power loss; the server gets them at close. Raises DiskFull."""
        self._contents.promise(self._handles.get(number).content, seal=False)

    def release(self, number: int) -> None:
        """The handle is gone; the last one of a node promises what no close did."""
        handle = self._handles.get(number)
        if not self._handles.close(handle):
            return
        content = handle.content
        if content.remote is not None:
            self._reader.leave(content.remote.file_id)
        try:
            if self._contents.finish(content):
                self._uploader.wake()
        except FsError as exc:
            # The reason is in the words; a traceback would say nothing more.
            log.error("the content of node %d could not be made durable: %s. It stays in the mount until it is",  # noqa: TRY400
                      content.node_id, exc)

    def _counts(self, handle: Handle, caller: Caller) -> bool:
        if 0 in (handle.process, caller.process) or caller.process == handle.process:
            with handle.content.lock:
                handle.opener_left = True
            return True
        with handle.content.lock:
            return handle.opener_left or not caller.lives(handle.process)

    # ---- the tree

    def unlink(self, path: str) -> None:
        """The name is gone when this returns; the server is told in the background, or after the last release."""
        node = self._file(path)
        stages: set[StageId] = set()
        with self._db.transaction(durable=True) as tx:
            node = self._index.node(node.node_id)
            if self._handles.content_of(node.node_id) is None:
                stages = unlinking.end(tx, self._index, self._outbox, node)
            elif node.parent != HIDDEN:
                self._index.hide(tx, node.node_id, f"#{node.node_id}", self._clock.time_ns(), by_libfuse=False)
        for number in stages:
            self._staging.remove(number)
        self._forget_replacement(path)
        self._uploader.wake()

    def rename(self, old: str, new: str) -> None:
        """Raises NotSupported, and changes nothing, but for libfuse's own renames.

        libfuse hides a file that is open: when it is unlinked, and before another one is renamed over it. Only what comes next
        tells which: no lookup comes between the two steps of a replacement. When that one is refused, the hiding is undone.
        """
        if names.is_made_by_libfuse(name := new.rpartition("/")[2]):
            node = self._file(old)
            with self._db.transaction(durable=True) as tx:
                self._index.hide(tx, node.node_id, name, self._clock.time_ns(), by_libfuse=True)
            with self._hidden_lock:
                self._hidden[old] = node.node_id
            self._uploader.wake()
            return
        with self._hidden_lock:
            replaced = self._hidden.pop(new, None)
        if replaced is not None:
            with contextlib.suppress(NotFound), self._db.transaction(durable=True) as tx:
                self._index.unhide(tx, replaced)
            self._uploader.wake()
        raise NotSupported(f"{old}: renaming isn't supported yet, nothing was changed. Copy the file to the new name and remove the "
                           "old one")

    def _forget_replacement(self, path: str) -> None:
        if self._hidden:                    # without the lock: nearly always empty
            with self._hidden_lock:
                self._hidden.pop(path, None)

    def _file(self, path: str) -> Node:
        node = self.node(path)
        if node.directory:
            raise IsADirectory(f"{path} is a directory")
        return node

    def set_mode(self, path: str, mode: int) -> None:
        """Kept on this machine."""
        node = self.node(path)
        with self._db.transaction() as tx:
            self._index.set_mode(tx, node.node_id, stat.S_IMODE(mode))

    def set_owner(self, path: str, uid: int, gid: int) -> None:
        """The mount's own owner is accepted, so that `cp -p` goes through. Raises NotPermitted for others."""
        self.node(path)
        if uid not in (-1, self._config.uid) or gid not in (-1, self._config.gid):
            raise NotPermitted("all files of a mount have its owner: see the mount options uid and gid")

    def set_mtime(self, path: str, mtime_ns: int | None) -> None:
        """None: now. Kept on this machine, with the node."""
        node = self.node(path)
        mtime_ns = self._clock.time_ns() if mtime_ns is None else mtime_ns
        with self._db.transaction() as tx:
            self._index.set_mtime(tx, node.node_id, mtime_ns)
        content = self._handles.content_of(node.node_id)
        if content is not None:
            self._contents.set_mtime(content, mtime_ns)

    def _place(self, path: str) -> tuple[NodeId, str]:
        """(directory, name) for a new entry."""
        above, _, name = path.rpartition("/")
        if names.is_trash(name) or names.is_hidden(name) or name == names.BY_ID:
            raise NotPermitted(f"{name} can't be made here")
        parent = self.node(above)
        if not parent.directory:
            raise NotADirectory(f"{above} is a file")
        return parent.node_id, name

    def _exists(self, parent: NodeId, name: str) -> bool:
        try:
            self._index.lookup(parent, name)
        except NotFound:
            return False
        return True

    def _attr(self, node: Node) -> Attr:
        if node.directory:
            return Attr(node.node_id, stat.S_IFDIR | node.mode & ~self._config.umask, 4096, node.mtime_ns, 2)
        content = self._handles.content_of(node.node_id)
        shown = content.shown if content is not None else None
        size_bytes, mtime_ns = shown or (node.size_bytes, node.mtime_ns)
        mode = node.mode & ~self._config.umask
        if shown is None and not node.readable:
            mode &= 0o222
        return Attr(node.node_id, stat.S_IFREG | mode, size_bytes, mtime_ns, 1)
