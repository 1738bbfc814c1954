"""A right answer is spoilt on its way: it ends early as if that were all, is labelled or packed, loses headers.

Owns    the mangling of one answer.
Trusts  its caller to send the messages in order.
Never   cuts a connection: all that comes out of here is well-formed HTTP. (Cuts, stalls and speed are pace.py's.)
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

Headers = list[tuple[bytes, bytes]]


class Mangle:
    """One answer's; without any wish all passes as it is."""

    def __init__(self) -> None:
        self._ends_after: int | None = None     # bytes of the body; None: at its own end
        self._says_length = False               # and a Content-Length says that this is all
        self._label = ""                        # content-encoding that is claimed; "": none
        self._packer: zlib._Compress | None = None      # the claim is true
        self._passed = 0
        self.over = False                       # the end went out; what comes after it is dropped

    def end_after(self, count: int, *, says_length: bool) -> None:
        """The body ends cleanly after so many bytes."""
        self._ends_after, self._says_length = count, says_length

    def label(self, encoding: str, *, packed: bool) -> None:
        """The body is said to be encoded; `packed`: and it is."""
        self._label, self._packer = encoding, zlib.compressobj(wbits=31) if packed else None

    def start(self, headers: Headers, dropped: Iterable[str] = ()) -> Headers:
        """The headers that go out; `dropped`: names that the way doesn't let through."""
        gone = {name.encode() for name in dropped}
        length = next((int(value) for name, value in headers if name == b"content-length"), None)
        if self._ends_after is not None or self._packer is not None:
            gone.add(b"content-length")
        headers = [(name, value) for name, value in headers if name.lower() not in gone]
        if self._ends_after is not None and self._says_length and length is not None:
            headers.append((b"content-length", str(min(length, self._ends_after)).encode()))
        if self._label:
            headers.append((b"content-encoding", self._label.encode()))
        return headers

    def body(self, data: bytes, *, more: bool) -> tuple[bytes, bool]:
        """The piece that goes out, and whether more follows."""
        if self._ends_after is not None:
            data = data[:max(0, self._ends_after - self._passed)]
            self._passed += len(data)
            more = more and self._passed < self._ends_after
        if self._packer is not None:
            data = self._packer.compress(data) + (b"" if more else self._packer.flush())
        self.over = not more
        return data, more
