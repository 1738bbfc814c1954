"""The open table: who has what open, one content a node, shared by all its handles.

Owns    the table of open files. It is counted here because libfuse loses track of some.
Never   touches the disk or the database: the table's own lock is taken last and held for a few instructions.
"""

import contextlib
import itertools
import threading
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

from anthrofs.errors import BadHandle
from anthrofs.model import FileId, NodeId, RemoteFile, StageId
from anthrofs.tree.close_answers import CloseAnswers, MapWrites
from anthrofs.tree.gaps import Gap, widened


class OpenStage(Protocol):
    """A staging file, as far as a content needs it; see staging.Stage."""

    number: StageId
    descriptor: int

    def read(self, size: int, offset: int) -> bytes: ...
    def write_some(self, data: bytes, offset: int) -> int: ...
    def write(self, data: bytes, offset: int) -> None: ...
    def truncate(self, size_bytes: int) -> None: ...
    def size_bytes(self) -> int: ...
    def close(self) -> None: ...


class Shown(NamedTuple):
    """The attributes of local content, as stat tells them."""

    size_bytes: int
    mtime_ns: int
    ctime_ns: int           # of its last change; a change of the node's mode or name may be later


class Content:
    """The one content that all handles of a node see. A change by others is applied to the node only after the last
    release.

    Its state is that of fs/contents.py, which holds the lock. Others ask by the methods here.
    """

    def __init__(self, node_id: NodeId) -> None:
        self.node_id = node_id                      # constant
        self.writers = 0                            # handles that write; guarded by the table's lock
        self.promising = threading.RLock()          # one flush, fsync or release at a time makes content durable; no
                                                    # other lock is held while that waits for the disk
        self.lock = threading.RLock()               # guards everything below; first in the lock order
        self.stage: OpenStage | None = None         # local content; None: what the server has
        self.sealed = False                         # the stage is promised: a write makes a new one first
        self.fetched = False                        # the stage is a copy for an edit, and nothing was changed yet
        self.suspect = False                        # a sync of the stage has failed, so no later one is believed
        self.gap: Gap | None = None                 # what the stage lacks: while there is something, it is never sent
        self.early: dict[int, Gap | None] = {}      # by handle: what was refused before anything was changed
        self.maps = MapWrites()                     # pages written from maps
        # Read without the lock, too, for a writer may hold that for a while: each is replaced as a whole, and a moment
        # later it may be another.
        self.dirty = False                          # something is not promised yet
        self.shown: Shown | None = None             # of local content
        # Set once, before the first handle that needs them is given out:
        self.remote: RemoteFile | None = None       # the server's content that the first reader met
        self.length = 0                             # of that, as far as is known
        self.exact = True                           # it is known
        # Guarded by the table's lock, what others have done to it meanwhile; the last release acts on it:
        self.owed = False                           # something
        self.gone = False                           # the service no longer has it

    def reads(self, file_id: FileId) -> bool:
        """Whether its handles have the server's content of that id. No lock is taken."""
        return self.remote is not None and self.remote.file_id == file_id

    def lost(self) -> FileId | None:
        """Returns the id of the server's content that its handles have, if the service no longer has it. No lock is
        taken.
        """
        return self.remote.file_id if self.gone and self.remote is not None else None

    def written(self) -> tuple[bool, int]:
        """Whether something isn't promised yet, and the size of local content."""
        with self.lock:
            return self.dirty, self.shown_bytes_locked()

    def staged(self) -> tuple[StageId, int] | None:
        """Returns the stage of local content, and its size."""
        with self.lock:
            return None if self.stage is None else (self.stage.number, self.stage.size_bytes())

    def set_mtime(self, mtime_ns: int, now_ns: int) -> None:
        """The user set it: it holds for what was written until now."""
        with self.lock:
            if self.shown is not None:
                self.shown = Shown(self.shown.size_bytes, mtime_ns, now_ns)

    def shown_bytes_locked(self) -> int:
        """Returns the size of local content; 0 if there is none."""
        return 0 if self.shown is None else self.shown.size_bytes

    def refused_locked(self, handle: "Handle", gap: Gap) -> None:
        """A write through that handle was refused. While nothing was changed, it is only that handle's next one that
        lacks it.
        """
        if self.stage is None or self.sealed:
            self.early[handle.number] = widened(self.early.get(handle.number), gap)
        else:
            self.gap = widened(self.gap, gap)

    def taken_locked(self, handle: "Handle", start: int, end: int) -> None:
        """A write through that handle was taken."""
        self.gap = widened(self.gap, self.early.pop(handle.number, None))
        if self.gap is not None and start < end:
            self.gap = self.gap.filled(start, end)

    def cut_locked(self, size_bytes: int) -> None:
        """The content was truncated, through whichever handle."""
        self.gap = self.gap and self.gap.cut(size_bytes)
        self.early = {number: gap and gap.cut(size_bytes) for number, gap in self.early.items()}


class Handle:
    """One open file description."""

    def __init__(self, number: int, content: Content, *, reads: bool, writes: bool, process: int) -> None:
        self.number = number            # constant
        self.content = content          # constant
        self.reads = reads              # constant
        self.writes = writes            # constant
        self.process = process          # constant: thread group that opened it; 0: unknown

        self.was_read = False           # one byte, set by any thread
        self.glance = 0                 # bytes of a first read that is a glance at most, see fs/glances; set before the
                                        # handle is given out

        self.answers = CloseAnswers(content.maps)       # guarded by content.lock

    def owes(self) -> bool:
        """Something that isn't empty was written through it, and no close has answered for that."""
        with self.content.lock:
            return self.answers.owed and self.content.shown_bytes_locked() > 0

    def is_answering(self) -> bool:
        """One of its closes is answering in this moment."""
        with self.content.lock:
            return self.answers.in_progress

    @contextlib.contextmanager
    def closing(self) -> Iterator[StageId | None]:
        """One close of it, which answers for what is owed, or leaves that to the next when it raises. Gives the stage
        that it found.
        """
        with self.content.lock:
            answer = self.answers.begin()
            stage = self.content.stage.number if self.content.stage is not None else None
        try:
            yield stage
        except BaseException:
            with self.content.lock:
                self.answers.failed(answer)
            raise
        with self.content.lock:
            self.answers.answered()


class OpenTable:
    """The table; numbers are never used again while the mount lives."""

    def __init__(self) -> None:
        self._lock = threading.Lock()                   # guards everything below; a leaf
        self._numbers = itertools.count(1)
        self._handles: dict[int, Handle] = {}
        self._contents: dict[NodeId, Content] = {}      # of open nodes, and of those whose last release isn't finished
        self._counts: dict[NodeId, int] = {}            # handles of each; absent: 0

    def open(self, node_id: NodeId, *, reads: bool, writes: bool, process: int) -> Handle:
        """A new handle on the node's one content."""
        with self._lock:
            content = self._contents.setdefault(node_id, Content(node_id))
            handle = Handle(next(self._numbers), content, reads=reads, writes=writes, process=process)
            self._handles[handle.number] = handle
            content.writers += writes
            self._counts[node_id] = self._counts.get(node_id, 0) + 1
            return handle

    def get(self, number: int) -> Handle:
        """Raises BadHandle."""
        with self._lock:
            handle = self._handles.get(number)
        if handle is None:
            raise BadHandle(f"handle {number} is not open")
        return handle

    def content_of(self, node_id: NodeId) -> Content | None:
        """The shared content, if the node is open."""
        with self._lock:
            return self._contents.get(node_id)

    def contents_of(self, node_ids: Iterable[NodeId]) -> dict[NodeId, Content]:
        """The same of many at once, for a listing: of those that are open."""
        with self._lock:
            return {node_id: self._contents[node_id] for node_id in node_ids if node_id in self._contents}

    def close(self, handle: Handle) -> bool:
        """Returns whether it was the last of its node. The content stays in the table until `forget`, so that a node
        that is opened again meanwhile still sees it.
        """
        with self._lock:
            if self._handles.pop(handle.number, None) is not None:
                handle.content.writers -= handle.writes
            left = self._counts.get(handle.content.node_id, 1) - 1
            if left:
                self._counts[handle.content.node_id] = left
            else:
                self._counts.pop(handle.content.node_id, None)
            return left == 0

    def undo(self, handle: Handle) -> None:
        """Forgets the first handle of a node that there isn't after all."""
        with self._lock:
            del self._handles[handle.number], self._counts[handle.content.node_id]
            del self._contents[handle.content.node_id]

    def forget(self, content: Content) -> bool:
        """The last release of a content is finished. False: it was opened again meanwhile and goes on, or was changed
        and closed again: then that release is the last one. (Nobody changes what nobody has open, so the flag holds
        still here.)
        """
        with self._lock:
            if content.node_id in self._counts or content.dirty or self._contents.get(content.node_id) is not content:
                return False
            self._contents.pop(content.node_id, None)
            return True

    def unpromised(self) -> list[NodeId]:
        """Nodes whose content has changes that no close has handed over, or whose last release is being finished."""
        with self._lock:
            return [node_id for node_id, content in self._contents.items()
                    if content.dirty or node_id not in self._counts]

    def closed(self) -> list[Content]:
        """Contents whose last release isn't finished: it is being done, or a full disk has stopped it."""
        with self._lock:
            return [content for node_id, content in self._contents.items() if node_id not in self._counts]

    def is_alone(self, handle: Handle) -> bool:
        """Nobody else has the node open."""
        with self._lock:
            return self._counts.get(handle.content.node_id) == 1

    def writes_alone(self, handle: Handle) -> bool:
        """Nobody else has the node open for writing."""
        with self._lock:
            return handle.content.writers == 1

    def is_read(self, file_id: FileId) -> bool:
        """A handle is left on the server's content of that id, by whichever of its names."""
        with self._lock:
            return any(content.reads(file_id) for node_id, content in self._contents.items()
                       if node_id in self._counts)

    def busy(self) -> set[NodeId]:
        """Nodes whose content must not change under somebody."""
        with self._lock:
            return set(self._contents)

    def leans_on(self, node_id: NodeId | None, file_id: FileId) -> bool:
        """Somebody reads the server's content of that id, or has the node open (or is just opening it) without content
        of its own.
        """
        with self._lock:
            opened = None if node_id is None else self._contents.get(node_id)
            return (opened is not None and opened.stage is None) or any(
                content.reads(file_id) for content in self._contents.values())

    def owe(self, node_id: NodeId, *, gone: bool = False) -> bool:
        """Others have changed it, or removed it: its last release will see that. False: nobody has it open any more."""
        with self._lock:
            content = self._contents.get(node_id)
            if content is not None:
                content.owed, content.gone = True, content.gone or gone
            return content is not None

    def reads_from(self, file_id: FileId) -> bool:
        """Somebody has the server's content of that id open."""
        with self._lock:
            return any(content.reads(file_id) for content in self._contents.values())
