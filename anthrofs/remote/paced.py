"""The Files API at the pace of the budget: each call takes its place, and tells what was answered.

Never   holds a slot longer than its exchange; a download that is held back gives it to others.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from anthrofs.errors import RemoteError
from anthrofs.model import Cursor, FileId, Page, RemoteFile, ServerClock, Workspace
from anthrofs.remote.api import Body, Download, Piece, RemoteFiles
from anthrofs.remote.pace import Pacer, Priority


class Paced:
    """A RemoteFiles at one priority of the budget."""

    def __init__(self, inner: RemoteFiles, pacer: Pacer, priority: Priority) -> None:
        self._inner = inner             # given
        self._pacer = pacer             # given
        self._priority = priority       # constant

    def list(self, limit: int, cursor: Cursor | None = None) -> Page:
        """See RemoteFiles."""
        with self._exchange():
            return self._inner.list(limit, cursor)

    def stat(self, file_id: FileId) -> RemoteFile:
        """See RemoteFiles."""
        with self._exchange():
            return self._inner.stat(file_id)

    def upload(self, name: str, mime_type: str, body: Body, expires_s: int | None = None) -> RemoteFile:
        """See RemoteFiles."""
        with self._exchange():
            return self._inner.upload(name, mime_type, body, expires_s)

    def delete(self, file_id: FileId) -> None:
        """See RemoteFiles."""
        with self._exchange():
            self._inner.delete(file_id)

    def download(self, file_id: FileId, first: int = 0, last: int | None = None) -> Download:
        """See RemoteFiles. The slot is held until the download is left."""
        self._pacer.take(self._priority, download=True)
        try:
            with self._noted():
                return _PacedDownload(self._inner.download(file_id, first, last), self._pacer, self._priority)
        except BaseException:
            self._pacer.give_back(download=True)
            raise

    def clock(self) -> ServerClock | None:
        """See RemoteFiles."""
        return self._inner.clock()

    def workspace(self) -> Workspace:
        """See RemoteFiles."""
        return self._inner.workspace()

    @contextmanager
    def _exchange(self) -> Iterator[None]:
        with self._pacer.slot(self._priority), self._noted():
            yield

    @contextmanager
    def _noted(self) -> Iterator[None]:
        try:
            yield
        except RemoteError as exc:
            self._pacer.answered(exc)
            raise
        self._pacer.answered(None)


class _PacedDownload:
    """A Download that gives its slot back when it is left."""

    def __init__(self, inner: Download, pacer: Pacer, priority: Priority) -> None:
        self._inner = inner             # given
        self._pacer = pacer             # given
        self._priority = priority       # constant
        self._held = True               # the slot; its thread only
        self.offset = inner.offset      # constant
        self.ranged = inner.ranged      # constant
        self.total = inner.total        # constant
        self.mime_type = inner.mime_type    # constant
        self.encoding = inner.encoding  # constant
        self.signed = inner.signed      # constant

    def __enter__(self) -> Self:
        self._inner.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None,
                 trace: TracebackType | None) -> None:
        try:
            self._inner.__exit__(kind, exc, trace)
        finally:
            if self._held:
                self._pacer.give_back(download=True)

    def park(self) -> None:
        """See Download."""
        self._held = False
        self._pacer.give_back(download=True)
        self._inner.park()

    def resume(self) -> None:
        """See Download. Only who goes on reading waits for a place: one that is to be closed must not."""
        self._pacer.take(self._priority, download=True, begins=False)
        self._held = True
        self._inner.resume()

    def take_as_it_is(self) -> None:
        """See Download."""
        self._inner.take_as_it_is()

    def abort(self) -> None:
        """See Download."""
        self._inner.abort()

    def __iter__(self) -> Iterator[Piece]:
        return iter(self._inner)
