"""The body of an answer straight from its connection, past the HTTP parser.

Once the headers are in, a body of known length is so many bytes of the socket. The parser would take it in pieces of
64 KiB and copy each three times: of a cold read's work that was a quarter.

Trusts  h11 for what frames the body: it says that a length does, how many bytes are left, and which of them it has
        already. What isn't framed so (chunked, to the connection's end), isn't HTTP/1.1, or is short, stays with it.
Never   takes a byte beyond the body. At the end the parser is told that all of it has come, so that the connection
        serves the next request.
"""

from collections.abc import Iterator
from typing import Any, Final

import h11
import httpcore
import httpx

from anthrofs.remote.api import Piece
from anthrofs.remote.wire import Line

LEAST_BYTES: Final = 2**20      # left of the body
FIRST_BYTES: Final = 2**18      # of the first piece: somebody waits for it. Each is twice as much as the one before,
MOST_BYTES: Final = 2**20       # up to that
# Where httpx and httpcore have the parser, from the body's stream inwards; neither shows it. A test says so when
# another version of them has it elsewhere: bodies then come through it.
INWARDS: Final = ("_stream", "_httpcore_stream", "_stream", "_connection", "_h11_state")


def direct(response: httpx.Response) -> Iterator[Piece] | None:
    """The pieces of the body, each to be used up before the next; None: the parser has to read it. Raises
    httpx.TransportError.
    """
    line, parser = response.extensions.get("network_stream"), _parser_of(response)
    if not isinstance(line, Line) or not line.is_direct or parser is None:
        return None
    reader = getattr(parser, "_reader", None)
    left = getattr(reader, "_remaining", None)
    if type(reader).__name__ != "ContentLengthReader" or not isinstance(left, int) or left <= LEAST_BYTES:
        return None
    return _pieces(line, parser, response.request.extensions.get("timeout", {}).get("read"))


def _parser_of(response: httpx.Response) -> h11.Connection | None:
    found: Any = response.stream
    for name in INWARDS:
        found = getattr(found, name, None)
    is_ours = isinstance(found, h11.Connection) and found.their_http_version == b"1.1"
    return found if is_ours else None


def _pieces(line: Line, parser: h11.Connection, patience_s: float | None) -> Iterator[Piece]:
    reader: Any = parser._reader        # noqa: SLF001 - see INWARDS
    if parser.trailing_data[0]:         # it has some of the body already
        event = parser.next_event()
        assert isinstance(event, h11.Data)
        yield memoryview(event.data)
    whole, size = reader._remaining, FIRST_BYTES        # noqa: SLF001
    buffer = memoryview(bytearray(MOST_BYTES))
    left = whole
    while left:
        try:
            came = line.receive(buffer[:min(size, left)], patience_s)
        except httpcore.TimeoutException as exc:
            raise httpx.ReadTimeout(str(exc)) from exc
        except httpcore.NetworkError as exc:
            raise httpx.ReadError(str(exc)) from exc
        if not came:
            raise httpx.RemoteProtocolError(f"the connection ended {left} bytes before the body does")
        left -= came
        yield buffer[:came]
        size = min(MOST_BYTES, size * 2)
    reader._remaining = 0               # noqa: SLF001
    parser.next_event()                 # the end of the message: the connection may serve another request
