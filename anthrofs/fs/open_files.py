"""Open files: the verbs that have a handle, and those that make one. No FUSE, no HTTP, no threads.

Owns    the order of steps in each verb: what is durable before what is answered.
Trusts  the kernel for permissions (default_permissions), and to release each handle once.
Never   waits for the network but in read, flush, and the first write into a file that is only on the server.
"""

import contextlib
import itertools
import logging
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from anthrofs import local_names
from anthrofs.config import Config
from anthrofs.download.readahead import Readahead
from anthrofs.errors import BadHandle, Exists, FsError, Incomplete, NotFound, NotReadable, Revalidate
from anthrofs.fs.contents import Contents
from anthrofs.fs.glances import ANY
from anthrofs.fs.kernel_cache import PageCache, Surprises
from anthrofs.fs.paths import Paths, Place
from anthrofs.model import Caller, Node, Opened
from anthrofs.sync.lessons import Lessons
from anthrofs.tree.database import Database
from anthrofs.tree.kept_copies import why_closed
from anthrofs.tree.open_table import Handle, OpenTable
from anthrofs.upload.uploader import Uploader

log = logging.getLogger(__name__)

OPEN_TRIES: Final = 5       # a listing can move a name between finding its node and holding it
# For what a verb opens for itself: it is never interrupted.
NOBODY: Final = Caller(0, 0, program=str, interrupted=lambda: False, writes_to=lambda _, __: False)


class OpenFiles:
    """One mount's handles, from create or open to release."""

    def __init__(self, config: Config, db: Database, paths: Paths, handles: OpenTable, contents: Contents,
                 pages: PageCache, surprises: Surprises, readahead: Readahead, uploader: Uploader,
                 lessons: Lessons) -> None:
        self._config = config           # given
        self._db = db                   # given
        self._paths = paths             # given
        self._handles = handles         # given
        self._contents = contents       # given
        self._pages = pages             # given
        self._surprises = surprises     # given
        self._readahead = readahead     # given
        self._uploader = uploader       # given
        self._lessons = lessons         # given

        self._refused = itertools.count(1)      # opens of what can't be read; each number is taken once

    def create(self, path: str, mode: int, flags: int, caller: Caller) -> int:
        """A new, empty file, open for writing, and for reading if the flags say so. Raises Exists, BadName,
        NameTooLong, NotPermitted, DiskFull; Revalidate, when it exists and would do: the kernel remembers for a moment
        that it didn't.
        """
        reads = flags & os.O_ACCMODE == os.O_RDWR
        program = caller.program()
        place = self._paths.place(path, local_names.maker_of(program, reads=reads))
        if self._is_companion(place, flags, caller, program):
            place = replace(place, wanted=None)
        try:
            handle = self._contents.create(place, stat.S_IMODE(mode), caller.process)
        except Exists as exc:
            raise (Exists if flags & os.O_EXCL else Revalidate)(f"{path} exists") from exc
        self._pages.opened(handle.number, path, None, writes=True)
        return handle.number

    def _is_companion(self, place: Place, flags: int, caller: Caller, program: str) -> bool:
        """A helper file of a file beside it, whose state here it is a part of."""
        for name, held in local_names.candidates(place.name, program, flags):
            with contextlib.suppress(NotFound):
                beside = self._db.nodes.entry(place.parent, name)
                if not beside.directory and (not held or caller.writes_to(caller.process, beside.node_id)):
                    return True
        return False

    def open(self, path: str, flags: int, caller: Caller, *, by_kernel: bool = True) -> Opened:
        """A handle. Raises NotFound, IsADirectory, NotReadable, NotSupported; Revalidate, when it should be asked
        again.
        """
        reads, writes = flags & os.O_ACCMODE != os.O_WRONLY, flags & os.O_ACCMODE != os.O_RDONLY
        for _ in range(OPEN_TRIES):
            found = self._found(path, by_kernel=by_kernel, writes=writes)
            handle = self._handles.open(found.node_id, reads=reads, writes=writes, process=caller.process)
            try:
                # After the handle: from here on no listing changes it.
                now = found if found.is_view else self._db.nodes.node(found.node_id)
                if (now.parent, now.name) == (found.parent, found.name):
                    local = self._contents.attach(handle.content, now)
                    if now.stage is not None and not local:
                        now = self._db.nodes.node(found.node_id)       # sent meanwhile; its copy may not be kept
                    if (not (local or now.readable) and (reads or flags & os.O_APPEND)
                            and not self._contents.borrow(now)):
                        self._count_refused(path, now)
                        if now.remote is not None:
                            self._lessons.closed(now.remote.file_id)
                        raise NotReadable(f"{path} {why_closed(now)}")
                    if by_kernel and self._surprises.recent((now.parent, now.name)):
                        self._surprises.settle((now.parent, now.name))
                        self._surprises.expect(now.node_id)
                        raise Revalidate(f"{path} was changed by others")
                    # What the service gives to nobody is read here from a copy of another state: no download.
                    bounded = now.readable and not (local or writes)
                    handle.glance = self._contents.glances.most(now, flags, caller) if bounded else 0
                    # A writable one goes through the page cache: a shared mmap needs it. One that may be for a glance
                    # doesn't, so that a read comes as long as the program made it.
                    direct_io = not writes and not local and (not now.exact or 0 < handle.glance < ANY)
                    version = None if local or direct_io else self._contents.version(handle.content)
                    keep = self._pages.opened(handle.number, path, version, writes=writes)
                    return Opened(handle.number, direct_io=direct_io, keep_cache=keep)
            except NotFound:
                pass
            except BaseException:
                self.release(handle.number)
                raise
            self.release(handle.number)
        raise NotFound(f"{path} moves about")

    def _found(self, path: str, *, by_kernel: bool, writes: bool) -> Node:
        try:
            node = self._paths.file(path)
            return self._paths.own(node) if writes else node
        except NotFound as exc:
            if by_kernel:       # it remembers what others have removed: asked again, it creates if it was to
                raise Revalidate(f"{path} has gone") from exc
            raise

    def _count_refused(self, path: str, node: Node) -> None:
        """Tells the log of the first, the tenth, the hundredth: a thumbnailer tries every file of a folder."""
        count = next(self._refused)
        if str(count).strip("0") == "1":
            said = "" if count == 1 else f", the {count}th of such opens"
            log.warning("%s %s: it can't be read (`anthrofs ls` tells of each)%s", path, why_closed(node), said)

    def read(self, number: int, size: int, offset: int, interrupted: Callable[[], bool]) -> bytes:
        """Up to size bytes, fewer at the end. Raises Gone, NotReadable, and what else the network does."""
        handle = self._handles.get(number)
        if not handle.reads:
            raise BadHandle("not open for reading")
        if not handle.was_read:
            self._begin_reading(handle, size, offset)
            handle.was_read = True      # twice by two threads: no harm
        return self._contents.read(handle.content, size, offset, interrupted)

    def _begin_reading(self, handle: Handle, size: int, offset: int) -> None:
        """Raises NotReadable for a glance beyond what they have."""
        with contextlib.suppress(NotFound):         # it was removed, and is still open
            if handle.content.remote is not None:
                node = self._db.nodes.node(handle.content.node_id)
                if self._contents.glances.is_one(handle.glance, size, offset, node.size_bytes):
                    self._contents.glances.take(node)
                else:
                    self._readahead.step(node)

    def write(self, number: int, data: bytes, offset: int, interrupted: Callable[[], bool], *, mapped: bool,
              appends: bool) -> int:
        """Returns how much of it was written. `mapped`: it comes from a map of the file, and the handle is any of those
        that write. `appends`: wherever the file ends by then. Raises TooLarge, DiskFull, NotReadable, and what read
        does.
        """
        handle = self._handles.get(number)
        if not handle.writes:
            raise BadHandle("not open for writing")
        return self._contents.write(handle, data, offset, interrupted, mapped=mapped, appends=appends)

    def truncate(self, path: str, size_bytes: int, number: int | None, interrupted: Callable[[], bool]) -> None:
        """Cuts a file, by handle or by path; one that nobody has open is promised at once. Raises as write does."""
        if number is not None:
            handle = self._handles.get(number)
            self._contents.truncate(handle.content, size_bytes, handle, interrupted)
            return
        handle = self._handles.get(self.open(path, os.O_WRONLY, NOBODY, by_kernel=False).number)
        try:
            self._contents.truncate(handle.content, size_bytes, None, interrupted)
            self._uploader.promising(handle.content.node_id)
            if self._handles.is_alone(handle) and self._contents.promise(handle.content, seal=True):
                self._uploader.promised(handle.content.node_id)     # here, not in release: a full disk must be said
        finally:
            self.release(handle.number)

    def flush(self, number: int, caller: Caller) -> None:
        """One close of this handle. What was written through it is promised, and in wait mode the server has it when
        this returns.

        Each close of a dup comes here, and each exit of a child that inherited the descriptor: the one that ends the
        writing counts. Empty content waits for the last release: a shell's `> file` closes a dup before anything is
        written. Raises what Uploader.wait does, DiskFull, and Incomplete when a write was refused.
        """
        handle = self._handles.get(number)
        content = handle.content
        answers = handle.writes and (handle.owes() or self._is_answered(handle, caller))
        if not answers or self._goes_on(handle, caller):
            return
        with handle.closing() as stage:
            self._uploader.promising(content.node_id)
            promised = self._contents.promise(content, seal=True)
            if promised is not None:
                self._uploader.promised(content.node_id)
            self._contents.check_whole(content)
            if stage is not None and self._config.upload == "wait":
                self._uploader.wait(content.node_id, promised or stage, caller.interrupted)

    @staticmethod
    def _is_answered(handle: Handle, caller: Caller) -> bool:
        """Another close of it answers for what was written, in this moment, and this one ends as that does: two threads
        of the opener closed two copies at once. (A child's exit waits for nobody.)
        """
        return handle.is_answering() and caller.process == handle.process

    def _goes_on(self, handle: Handle, caller: Caller) -> bool:
        """After this close a copy of the descriptor is left to write with: the opener, the caller, or the shell that
        the caller was started by has one. While others have the node open for writing their descriptors can't be told
        from copies: then the opener's closes all count.
        """
        alone = self._handles.writes_alone(handle)
        if caller.process == handle.process and not alone:
            return False
        keepers = {handle.process, caller.process, caller.parent} if alone else {handle.process}
        return any(caller.writes_to(process, handle.content.node_id) for process in keepers - {0})

    def fsync(self, number: int) -> None:
        """Bytes and promise survive power loss; the server gets them at close. Raises DiskFull."""
        self._contents.promise(self._handles.get(number).content, seal=False)

    def release(self, number: int) -> None:
        """The handle is gone, and what was written through it is promised, if no close did that; with the last one of a
        node, all that is left.
        """
        handle = self._handles.get(number)
        content = handle.content
        self._pages.released(handle.number, self._contents.version(content))
        last = self._handles.close(handle)
        try:
            if content.dirty:
                self._uploader.promising(content.node_id)
            if last:
                handed_over = self._contents.finish(content)
            else:
                handed_over = handle.owes() and self._contents.promise(content, seal=True) is not None
            if last and content.owed:
                self._lessons.left(content)
            if handed_over:
                self._uploader.promised(content.node_id)
                self._contents.check_whole(content)
        except Incomplete as exc:
            log.warning("release: %s", exc)
        except (FsError, OSError) as exc:
            # The reason is in the words; a traceback would say nothing more.
            log.error(  # noqa: TRY400
                "the content of node %d could not be made durable: %s. It stays in the mount until it is",
                content.node_id, exc)
        finally:
            if last:
                self._contents.leave(content)
