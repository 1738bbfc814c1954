"""The one content of an open node: handles read it, change it, promise it.

Owns    the stages that are open, and the moment at which content is promised: sealed, synced, and written down.
Trusts  the database for what is promised; a stage that the uploader has removed meanwhile is a kept copy by then.
Never   writes to a sealed stage: the next write makes a new one first. Never waits for the network with a lock held.
"""

import contextlib
import errno
import os
from collections.abc import Callable
from pathlib import Path

from anthrofs.clock import Clock
from anthrofs.config import Config
from anthrofs.download.reader import Reader
from anthrofs.download.whole_files import EditCopies
from anthrofs.errors import Exists, FsError, NotReadable, NotSupported, TooLarge
from anthrofs.fs.glances import Glances
from anthrofs.fs.kernel_cache import Version
from anthrofs.fs.paths import Place
from anthrofs.model import FileId, Node, StageId
from anthrofs.store.block_cache import BlockCache
from anthrofs.store.staging import Staging
from anthrofs.tree import intents
from anthrofs.tree.database import Database
from anthrofs.tree.gaps import Gap
from anthrofs.tree.open_table import Content, Handle, OpenStage, OpenTable, Shown
from anthrofs.tree.promises import Promises


class Contents:
    """The content of open nodes."""

    def __init__(self, db: Database, staging: Staging, cache: BlockCache, handles: OpenTable, reader: Reader,
                 copies: EditCopies, clock: Clock, config: Config) -> None:
        self._db = db               # given
        self._staging = staging     # given
        self._cache = cache         # given
        self._handles = handles     # given
        self._reader = reader       # given
        self._copies = copies       # given
        self._clock = clock         # given
        self._config = config       # given
        self._promises = Promises(db, staging, config)       # constant
        self.glances = Glances(cache, clock, config.glance_bytes)       # constant

    def create(self, place: Place, mode: int, process: int) -> Handle:
        """Returns a handle on a new, empty file, of which nothing is promised. Raises Exists, DiskFull."""
        stage, handle = self._staging.create(), None
        try:
            with self._db.transaction() as tx:
                if self._db.nodes.has(place.parent, place.name):
                    raise Exists(f"{place.name} exists")
                node_id = tx.nodes.create(place.parent, place.name, mode, self._clock.time_ns(), place.wanted)
                handle = self._handles.open(node_id, reads=True, writes=True, process=process)
                # Nobody knows the node before the commit, so no lock is needed; whoever opens it then meets the stage.
                handle.content.stage, handle.content.sealed = stage, False
                self._changed_locked(handle.content)
        except BaseException:
            if handle is not None:      # the commit failed, and the next new node has the same number
                self._handles.undo(handle)
            stage.close()
            self._staging.remove(stage.number)
            raise
        return handle

    def read(self, content: Content, size: int, offset: int, interrupted: Callable[[], bool]) -> bytes:
        """Local content if there is any, else the server's. Raises what Reader.read does, and NotReadable."""
        with content.lock:
            stage = self._current_locked(content)
            if stage is not None:
                return stage.read(size, offset)
            file, length, exact = content.remote, content.length, content.exact
        return b"" if file is None else self._reader.read(file, length, offset, size, interrupted, exact=exact)

    def write(self, handle: Handle, data: bytes, offset: int, interrupted: Callable[[], bool], *, mapped: bool,
              appends: bool) -> int:
        """The first one into a file that is only on the server fetches it. Returns how much was written: where API or
        disk take no more, less than all. What isn't taken, the content lacks from now on. Raises TooLarge, DiskFull,
        NotReadable, and what Reader.read does.
        """
        content, end = handle.content, offset + len(data)
        try:
            self._room(offset)
            self._staging.reserve(len(data))
            self._fetch(content, interrupted)
            with content.lock:
                stage = self._writable_locked(content)
                if appends:
                    offset = stage.size_bytes()     # the kernel has the listing's, which is wrong of some images
                    end = offset + len(data)
                piece = data[:self._room(offset)]
                if mapped:
                    stage.write(piece, offset)      # the kernel believes that all of a page was taken
                    done = len(piece)
                    content.maps.wrote()
                else:
                    done = stage.write_some(piece, offset)
                    handle.answers.wrote()
                self._changed_locked(content)
                content.taken_locked(handle, offset, offset + done)
                if offset + done < end:
                    full = errno.EFBIG if done == len(piece) else errno.ENOSPC
                    content.refused_locked(handle, Gap.of(offset + done, end, full))
        except Exception as exc:
            code = exc.code if isinstance(exc, FsError) else exc.errno if isinstance(exc, OSError) else None
            with content.lock:
                if mapped and content.stage is not None and not content.sealed:
                    self._changed_locked(content)       # a part of the page may be there
                content.refused_locked(handle, Gap.of(offset, end, code or errno.EIO))
            self._note_gap(content)
            raise
        return done

    def truncate(self, content: Content, size_bytes: int, handle: Handle | None,
                 interrupted: Callable[[], bool]) -> None:
        """Cuts it, or lets it grow by a hole; cut to nothing it needs nothing of the old content. Raises as write does;
        without a handle it never waits for the network: NotSupported. A refused growth (cp's last hole) is a gap, too.
        """
        try:
            self._cut(content, size_bytes, handle, interrupted)
        except (FsError, OSError) as exc:
            if handle is not None:
                code = exc.code if isinstance(exc, FsError) else exc.errno or errno.EIO
                with content.lock:
                    if (had := content.stage.size_bytes() if content.stage else content.length) < size_bytes:
                        content.refused_locked(handle, Gap.of(had, size_bytes, code))
                self._note_gap(content)
            raise

    def _cut(self, content: Content, size_bytes: int, handle: Handle | None, interrupted: Callable[[], bool]) -> None:
        if size_bytes:
            self._room(size_bytes - 1)
            if handle is not None:
                self._fetch(content, interrupted)
        with content.lock:
            stage = content.stage
            if size_bytes == 0 and (stage is None or content.sealed):
                if stage is not None and content.gap and self._promises.lacks(content.node_id, stage.number):
                    # Never to be sent, and now given up: the new one may need its room.
                    self._staging.empty(stage.number)
                self._replace_locked(content, self._staging.create())
            else:
                self._writable_locked(content).truncate(size_bytes)
            if handle is not None:
                handle.answers.wrote()
            content.cut_locked(size_bytes)
            self._changed_locked(content)

    def promise(self, content: Content, *, seal: bool) -> StageId | None:
        """Make the content durable and write down that the name shows it; `seal` also hands it to the uploader.

        Nothing is done, and None returned, if nothing is unpromised. Raises DiskFull: then it stays unpromised.
        """
        with content.promising:
            with content.lock:
                if not content.dirty or content.stage is None or content.shown is None:
                    return None
                self._rewrite_locked(content)
                stage, shown = content.stage, content.shown
                content.dirty, gap = not seal, content.gap
                content.sealed = content.sealed or seal
                # Our own: a write that comes after this makes a new stage and closes the sealed one's.
                descriptor = os.dup(stage.descriptor)
            try:
                self._promises.write_down(content, stage.number, descriptor, shown.size_bytes, gap, seal=seal)
            except BaseException as exc:
                with content.lock:
                    content.dirty = True
                    content.suspect = content.suspect or (isinstance(exc, OSError) and content.stage is stage)
                    replaced = content.stage is not stage
                    content.sealed = content.sealed and replaced        # nobody has it: its handles go on writing to it
                if replaced and not self._promises.holds(content.node_id, stage.number):
                    self._staging.remove(stage.number)      # what is newer than it stays, unpromised
                raise
            finally:
                os.close(descriptor)
        with content.lock:
            refused = content.gap != gap    # a write, meanwhile
        if refused:
            self._note_gap(content)
        return stage.number

    def check_whole(self, content: Content) -> None:
        """Raises Incomplete when what was handed over lacks something: then it isn't sent."""
        with content.lock:
            gap = content.gap if content.sealed else None
        if gap is not None:
            self._promises.refuse(content.node_id, gap)

    def _note_gap(self, content: Content) -> None:
        with content.lock:
            stage, gap = content.stage, content.gap
        if stage is not None and gap is not None:
            self._promises.note(content.node_id, stage.number, gap)

    def leave(self, content: Content) -> None:
        """The last handle was released, and the tree knows what its readers met: whoever opened it meanwhile, too."""
        file = content.remote
        if file is not None and not self._handles.is_read(file.file_id):
            self._reader.leave(file.file_id)
            self._cache.neighbours.give_back(file.file_id)

    def borrow(self, node: Node) -> bool:
        """Whether an open node that can't be read otherwise is read from the copy of another state of this user."""
        return node.remote is not None and self._cache.neighbours.borrow(node.remote.file_id, node.size_bytes)

    def finish(self, content: Content) -> bool:
        """The last handle was released: promise what is left, or end an unlinked node. True: there is work for the
        uploader.

        Raises DiskFull and the like: then the content stays open, so that nothing of it is lost.
        """
        with content.promising:             # a second last release, after another open, comes after this one
            promised = self.promise(content, seal=True) is not None
            with content.lock:
                if not self._handles.forget(content):
                    return promised
                stage, content.stage = content.stage, None
                remote, unchanged = content.remote, content.fetched
        if remote is not None:
            self._forget_deleted(remote.file_id)
        ended = intents.released(self._db, content.node_id, None if stage is None else stage.number)
        if stage is not None:
            stage.close()
            if unchanged:
                self._staging.remove(stage.number)      # the write that it was made for failed
        return promised or ended

    def _forget_deleted(self, file_id: FileId) -> None:
        """Drops the bytes that were kept for those who had it open. The uploader looks at the handles after its commit,
        we at the row after ours are gone: one of the two sees that nobody needs them.
        """
        with self._db.reading() as tx:
            deleted = tx.deletions.is_deleted(file_id)
        if deleted:
            self._cache.drop(file_id)

    # ---- under the content's lock

    def _room(self, offset: int) -> int:
        """How many bytes a file may have from there. Raises TooLarge, if none."""
        if offset >= self._config.max_file_bytes:
            raise TooLarge(f"the service takes files up to {self._config.max_file_bytes} bytes")
        return self._config.max_file_bytes - offset

    def _current_locked(self, content: Content) -> OpenStage | None:
        """The stage to read from; None: the server's content is the current one, and pinned until the last release."""
        if content.stage is not None or content.remote is not None:
            return content.stage
        node = self._db.nodes.node(content.node_id)
        if node.stage is not None:
            with contextlib.suppress(FileNotFoundError):
                self._replace_locked(content, self._staging.open(node.stage))
                content.sealed, content.fetched = True, False
                with self._db.reading() as tx:
                    content.gap = tx.nodes.gap(content.node_id)
                return content.stage
            node = self._db.nodes.node(content.node_id)        # sent meanwhile: the kept copy has it
            if node.stage is not None:
                raise FsError(f"the content of {node.name} is missing in this machine's staging")
        self._pin_locked(content, node)
        return None

    def _pin_locked(self, content: Content, node: Node) -> None:
        if content.remote is None:
            content.remote, content.length, content.exact = node.remote, node.size_bytes, node.exact

    @staticmethod
    def version(content: Content) -> Version | None:
        """Returns what its pages hold, for as long as nobody writes; None: they may change."""
        with content.lock:
            if content.stage is not None or content.remote is None or not content.exact:
                return None
            return content.remote.file_id, content.length

    def attach(self, content: Content, node: Node) -> bool:
        """Holds on to the content as it is now, before a handle is given out. Returns whether it is local. `node`: as
        it is, or a view of it.
        """
        with content.lock:
            if node.is_view:
                self._pin_locked(content, node)
            return self._current_locked(content) is not None

    def _writable_locked(self, content: Content) -> OpenStage:
        """An unsealed stage with the current content. A new one goes with the last release, if nothing is changed after
        all.
        """
        current = self._current_locked(content)
        if current is not None and not content.sealed:
            return current
        if current is not None:
            # By descriptor: the uploader may have removed the name already.
            return self._replace_locked(content, self._staging.copy_of(Path(f"/proc/self/fd/{current.descriptor}")))
        file = content.remote
        if file is None or content.length == 0:
            return self._replace_locked(content, self._staging.create())
        if self._cache.has_kept(file.file_id) or self._cache.neighbours.borrow(file.file_id, content.length):
            return self._replace_locked(content, self._copies.of_kept(file.file_id, content.length))
        if not file.fetchable:
            raise NotReadable("the service doesn't give this file's content out, so it can only be replaced as a whole")
        raise NotSupported("a file that is only on the server can't be cut by its path: it has to be fetched first, "
                           "and that would stop the whole directory. Open it, and cut it by its descriptor "
                           "(truncate(1) does)")

    def _fetch(self, content: Content, interrupted: Callable[[], bool]) -> None:
        """Fetches all of the server's content into a stage, before an edit in place. Without the lock, for it waits
        for the network.
        """
        with content.lock:
            current, file, length, exact = self._current_locked(content), content.remote, content.length, content.exact
        if current is not None or file is None or not length or not file.fetchable:
            return
        if self._cache.has_kept(file.file_id):
            return
        stage = self._copies.fetch(file, length, interrupted, exact=exact)
        with content.lock:
            if content.stage is None:
                self._replace_locked(content, stage)
                return
        stage.close()                       # another thread was quicker
        self._staging.remove(stage.number)

    def _rewrite_locked(self, content: Content) -> None:
        """After a sync that failed, a copy goes on in the stage's place: the kernel takes what it could not write for
        clean, so that the next sync would say that all is well. What it still has in memory is right.
        """
        if not content.suspect or content.stage is None:
            return
        failed = content.stage
        made = self._staging.copy_of(Path(f"/proc/self/fd/{failed.descriptor}"), share=False)
        self._replace_locked(content, made)
        content.fetched = False
        if not self._promises.holds(content.node_id, failed.number):
            self._staging.remove(failed.number)

    def _replace_locked(self, content: Content, stage: OpenStage) -> OpenStage:
        if content.stage is not None:
            content.stage.close()
        content.stage, content.sealed, content.fetched, content.suspect = stage, False, True, False
        return stage

    def _changed_locked(self, content: Content) -> None:
        assert content.stage is not None
        content.dirty, content.fetched = True, False
        now_ns = self._clock.time_ns()
        content.shown = Shown(content.stage.size_bytes(), now_ns, now_ns)
