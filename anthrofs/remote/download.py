"""The body of one download over HTTP.

Trusts  nothing that is said of it: bodies.py judges.
Never   asks for anything.
"""

import re
import threading
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Final, Self

import httpx

from anthrofs.errors import BadAnswer, BodyCut, NoAnswer, NotTheFile
from anthrofs.remote.api import Carrier, Piece
from anthrofs.remote.direct import direct
from anthrofs.remote.unpacking import unpacked

WORDS_LIMIT: Final = 500        # of what a library says of a connection: it may quote what came
# RFC 9110, 14.4
RANGE: Final = re.compile(r"bytes\s+(?P<first>\d{1,18})-(?P<last>\d{1,18})/(?P<total>\d{1,18}|\*)", re.ASCII)


class HttpDownload:
    """A body that is on its way; see Download."""

    def __init__(self, response: httpx.Response, first: int) -> None:
        self._response = response               # given
        self.ranged = response.status_code == 206       # constant
        self.offset = first if self.ranged else 0       # constant
        self.mime_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()     # constant
        encoding = response.headers.get("content-encoding", "").strip().lower()
        self.encoding = "" if encoding == "identity" else encoding      # constant
        self.signed = "request-id" in response.headers      # constant
        size = response.headers.get("content-length", "")
        length = int(size) if size.isascii() and size.isdecimal() and len(size) < 19 else None
        said = RANGE.fullmatch(response.headers.get("content-range", "")) if self.ranged else None
        self.total = length             # constant
        if self.ranged:
            # Of a part that is encoded on the way its own length tells that it isn't what the range says.
            as_said = said is not None and (not self.encoding or length == int(said["last"]) + 1 - first)
            self.total = int(said["total"]) if said and as_said and said["total"] != "*" else None
        self._most = int(said["last"]) + 1 - first if said else None      # constant: bytes of a range; None: it is none
        self._packed = bool(self.encoding)      # its thread only, before the first piece

        self._lock = threading.Lock()           # guards the following; a leaf
        self._over = False                      # the connection may be another request's by now
        if self.ranged and (said is None or int(said["first"]) != first):
            response.close()
            raise BadAnswer("the server answered another range than it was asked for")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None,
                 trace: TracebackType | None) -> None:
        with self._lock:
            self._over = True
        self._response.close()

    def abort(self) -> None:
        """See Download."""
        carrier = _carrier_of(self._response)
        with self._lock:
            if carrier is not None and not self._over:
                carrier.shut_down()

    def take_as_it_is(self) -> None:
        """See Download."""
        self._packed = False

    def park(self) -> None:
        """See Download. The socket's buffers fill, and the server waits."""

    def resume(self) -> None:
        """See Download. Whatever comes next is read from the same socket."""

    def __iter__(self) -> Iterator[Piece]:
        """See Download. The stream itself: httpx's own iterators give the connection back at the end of the body, and
        an abort that comes a moment later would then cut another request.
        """
        try:
            assert isinstance(self._response.stream, httpx.SyncByteStream)
            came = 0
            pieces: Iterable[Piece] | None = None if self._packed else direct(self._response)
            if pieces is None:
                pieces = unpacked(self._response.stream, self.encoding if self._packed else "")
            for piece in pieces:
                came += len(piece)
                if self._most is not None and came > self._most:
                    raise NotTheFile(f"the answer brings more than its range has, which is {self._most} bytes")
                yield piece
        except httpx.TimeoutException as exc:
            raise NoAnswer("nothing more of the download came in time") from exc
        except httpx.TransportError as exc:
            raise BodyCut(f"the download was cut: {(str(exc) or type(exc).__name__)[:WORDS_LIMIT]}") from exc
        except ValueError as exc:
            raise NotTheFile(f"the answer is said to be encoded ({self.encoding}), which wasn't asked for: "
                             f"{exc}") from exc


def _carrier_of(response: httpx.Response) -> Carrier | None:
    """The connection as wire.py makes it; None: the answer came without one."""
    carrier: Carrier | None = response.extensions.get("network_stream")
    return carrier
