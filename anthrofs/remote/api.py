"""The promises of every implementation and wrapper of the Files API.

Never   says how: no HTTP here.
"""

import errno
import io
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

from anthrofs.clock import Clock
from anthrofs.errors import UploadCut
from anthrofs.model import Cursor, FileId, Page, RemoteFile, ServerClock, Workspace

POINTLESS_S: Final = 0.1        # between two looks whether an upload still has a point
Piece = bytes | memoryview      # of a body


class Download(Protocol):
    """One running download; a context manager, since a connection hangs on it."""

    offset: int                 # of the first byte that comes: the one asked for, or 0 if the server ignores ranges
    ranged: bool                # the server answered 206: it honours ranges
    total: int | None           # bytes that the whole file has on the wire, where the answer says so
    mime_type: str              # of the body, in lower case, without parameters; "": not said
    encoding: str               # that the body is said to have, though none was asked for; "": none
    signed: bool                # it has a request id, as each answer of the service: but gateways drop it

    def __enter__(self) -> Self: ...
    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None,
                 trace: TracebackType | None) -> None: ...

    def take_as_it_is(self) -> None:
        """Before the first piece: the encoding is none, whatever was said."""
        ...

    def abort(self) -> None:
        """From any thread: whoever waits for bytes gets NoAnswer at once."""
        ...

    def park(self) -> None:
        """No bytes are wanted for a while: the connection stays, but others may have its place in the budget."""
        ...

    def resume(self) -> None:
        """Bytes are wanted again. Raises Stopping."""
        ...

    def __iter__(self) -> Iterator[Piece]:
        """The pieces, in order, decoded, until the clean end; each to be used up before the next is asked for, which
        may come in the same place. Raises BodyCut when the connection ends before, NoAnswer when the body stalls,
        NotTheFile when it has not the encoding that was said.
        """
        ...


class Carrier(Protocol):
    """A connection that a body goes over."""

    def handed(self) -> int:
        """Bytes of uploads that it was given so far."""
        ...

    def unacknowledged(self) -> int | None:
        """Bytes that were handed to the kernel and that the other side's TCP doesn't have yet; None: it can't be told.
        """
        ...

    def shut_down(self) -> None:
        """From any thread: whoever reads from it gets its end at once."""
        ...


class Body(io.FileIO):
    """A sealed stage on its way out: says how far it is, and can be ended before its last byte."""

    def __init__(self, path: Path, clock: Clock, pointless: Callable[[], bool],
                 passes: Callable[[int, bytes], None] = lambda _, __: None) -> None:
        """`passes` is told of each piece, and where it begins. Raises FileNotFoundError: a link, a pipe or a directory
        in a stage's place is none.
        """
        super().__init__(path, "rb", opener=_plain)
        self._clock = clock                 # given
        self._pointless = pointless         # given: True ends the upload
        self._passes = passes               # given
        self._size_bytes = os.fstat(self.fileno()).st_size      # constant: nobody writes to a sealed stage

        # The sender's thread writes these; others only read them.
        self.begun = False                  # a place in the budget was had, and a connection
        self._carrier: Carrier | None = None
        self._before = 0                    # bytes that the connection was given before the first one of this body
        self._acknowledged = 0              # of the body, as far as was seen
        self._place = 0                     # where the next piece begins
        self._look_s = float("-inf")        # when to ask again whether it is pointless
        self.over_s: float | None = None    # when the last one was handed over; None: not yet, so the server can't have
                                            # all of it
        self.over_ns = 0                    # the same by the wall clock

    def begin(self, around_bytes: int) -> None:
        """From its beginning; again, if what had all of it has sent us on. So many bytes of the form come first."""
        self.seek(0)
        self._place, self.begun, self.over_s, self.over_ns, self._acknowledged = 0, True, None, 0, 0
        self._before = around_bytes + (0 if self._carrier is None else self._carrier.handed())

    def goes(self, carrier: Carrier) -> bool:
        """Some of the request is about to go over that connection. Returns whether the body follows at once. Raises
        UploadCut: bytes remain that the server would need.
        """
        self._carrier = carrier
        if self.begun and self.over_s is None:      # behind the last byte comes an empty piece, which ends the request
            self._look()
        return not self.begun

    def end(self) -> None:
        """The last byte was handed over."""
        self.over_s, self.over_ns = self._clock.now_s(), self._clock.time_ns()

    def handed(self) -> int:
        """From any thread: how many of its bytes the kernel was given, which may still have them."""
        carrier, before = self._carrier, self._before
        return 0 if carrier is None or not self.begun else max(0, min(self._size_bytes, carrier.handed() - before))

    def acknowledged(self) -> int:
        """From any thread: how many of its bytes the other side's TCP has. HTTP confirms nothing before its answer."""
        carrier, before = self._carrier, self._before
        if carrier is not None and self.begun and (left := carrier.unacknowledged()) is not None:
            # TLS makes more of the bytes that are left: so it is a little less than it is, until all of it is there.
            there = min(self._size_bytes, carrier.handed() - before - left)
            self._acknowledged = max(self._acknowledged, there)
        return self._acknowledged

    def size_bytes(self) -> int:
        """The size of the whole stage."""
        return self._size_bytes

    def head(self, size: int) -> bytes:
        """Returns its first bytes, whatever of it has gone."""
        return os.pread(self.fileno(), size, 0)

    def read(self, size: int | None = -1, /) -> bytes:
        """The next piece. Raises UploadCut."""
        self._look()
        piece = super().read(-1 if size is None else size) or b""
        if piece:
            self._passes(self._place, piece)
            self._place += len(piece)
        return piece

    def _look(self) -> None:
        """Not for each piece: it is a look at the database."""
        now_s = self._clock.now_s()
        if now_s >= self._look_s:
            self._look_s = now_s + POINTLESS_S
            if self._pointless():
                raise UploadCut("the upload was ended: its content was replaced or deleted meanwhile",
                                maybe_stored=False)


def _plain(path: str, flags: int) -> int:
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise FileNotFoundError(errno.ENOENT, "no plain file", path)
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


class RemoteFiles(Protocol):
    """The five calls. Each raises RemoteError's classes only; errors.py says which means what."""

    def list(self, limit: int, cursor: Cursor | None = None) -> Page:
        """One page, at most `limit` (1 … 1000) files."""
        ...

    def stat(self, file_id: FileId) -> RemoteFile:
        """Raises Gone."""
        ...

    def download(self, file_id: FileId, first: int = 0, last: int | None = None) -> Download:
        """Bytes [first, last] (both counted), to the end if last is None. Raises Gone, NotDownloadable, Unavailable."""
        ...

    def upload(self, name: str, mime_type: str, body: Body, expires_s: int | None = None) -> RemoteFile:
        """Sends the whole body once. `expires_s`: seconds, 3600 to 7776000, after which the service deletes it; None:
        never. What an error says of the server's side is in its `maybe_stored`.
        """
        ...

    def delete(self, file_id: FileId) -> None:
        """Raises Gone when it was not there."""
        ...

    def clock(self) -> ServerClock | None:
        """The bounds of the server's clock, as far as answers have told; None before the first answer."""
        ...

    def workspace(self) -> Workspace:
        """As the last answer's headers named it."""
        ...
