"""Every request goes by the way's word, and every answer teaches it: two wrappers, one on each side of the pace.

    Retrying(Guarded(Paced(Taught(HttpFiles))))

`Guarded` is outside the pace, so that nobody holds a slot while a doubt is cleared up. `Taught` is inside: what waited
for its turn while the way was closed isn't asked, and what was asked is told as it came.

Trusts  way for what may pass.
Never   holds a slot while it waits, or changes what an answer says.
"""

from collections.abc import Callable
from typing import TypeVar

from anthrofs.errors import RemoteError
from anthrofs.model import Cursor, FileId, Page, RemoteFile, ServerClock, Workspace
from anthrofs.remote.api import Body, Download, RemoteFiles
from anthrofs.remote.gates import Kind
from anthrofs.remote.way import Way

T = TypeVar("T")


class Guarded:
    """A RemoteFiles that asks nothing while the way is closed for all."""

    def __init__(self, inner: RemoteFiles, way: Way) -> None:
        self._inner = inner         # given
        self._way = way             # given

    def list(self, limit: int, cursor: Cursor | None = None) -> Page:
        """See RemoteFiles."""
        self._way.enter(Kind.LIST)
        return self._inner.list(limit, cursor)

    def stat(self, file_id: FileId) -> RemoteFile:
        """See RemoteFiles."""
        self._way.enter(Kind.READ)
        return self._inner.stat(file_id)

    def download(self, file_id: FileId, first: int = 0, last: int | None = None) -> Download:
        """See RemoteFiles."""
        self._way.enter(Kind.READ)
        return self._inner.download(file_id, first, last)

    def upload(self, name: str, mime_type: str, body: Body, expires_s: int | None = None) -> RemoteFile:
        """See RemoteFiles."""
        self._way.enter(Kind.UPLOAD)
        return self._inner.upload(name, mime_type, body, expires_s)

    def delete(self, file_id: FileId) -> None:
        """See RemoteFiles."""
        self._way.enter(Kind.DELETE)
        self._inner.delete(file_id)

    def clock(self) -> ServerClock | None:
        """See RemoteFiles."""
        return self._inner.clock()

    def workspace(self) -> Workspace:
        """See RemoteFiles."""
        return self._inner.workspace()


class Taught:
    """A RemoteFiles that tells the way what came of each request. `probe`: its requests are to find out, and always go.
    """

    def __init__(self, inner: RemoteFiles, way: Way, *, probe: bool = False) -> None:
        self._inner = inner         # given
        self._way = way             # given
        self._probe = probe         # constant

    def list(self, limit: int, cursor: Cursor | None = None) -> Page:
        """See RemoteFiles."""
        return self._told(Kind.LIST, lambda: self._inner.list(limit, cursor))

    def stat(self, file_id: FileId) -> RemoteFile:
        """See RemoteFiles."""
        return self._told(Kind.READ, lambda: self._inner.stat(file_id))

    def download(self, file_id: FileId, first: int = 0, last: int | None = None) -> Download:
        """See RemoteFiles. What becomes of its body says nothing of the way."""
        return self._told(Kind.READ, lambda: self._inner.download(file_id, first, last))

    def upload(self, name: str, mime_type: str, body: Body, expires_s: int | None = None) -> RemoteFile:
        """See RemoteFiles."""
        return self._told(Kind.UPLOAD, lambda: self._inner.upload(name, mime_type, body, expires_s))

    def delete(self, file_id: FileId) -> None:
        """See RemoteFiles."""
        self._told(Kind.DELETE, lambda: self._inner.delete(file_id))

    def clock(self) -> ServerClock | None:
        """See RemoteFiles."""
        return self._inner.clock()

    def workspace(self) -> Workspace:
        """See RemoteFiles."""
        return self._inner.workspace()

    def _told(self, kind: Kind, call: Callable[[], T]) -> T:
        if not self._probe:
            self._way.check(kind)
        try:
            answer = call()
        except RemoteError as exc:
            self._way.hear(kind, exc, probe=self._probe)
            raise
        self._way.hear(kind, None)
        return answer
