"""The form of an upload: multipart/form-data around one file, with its exact length, in big pieces.

Trusts  the body to give all of its bytes, for a sealed stage never changes.
Never   reads the file before it is asked for its pieces, or has more than one of them in memory.
"""

import os
import re
from collections.abc import Iterator
from typing import Final

from anthrofs.remote.api import Body

PIECE_BYTES: Final = 2**20      # 64 KiB cost 0.2 CPU-seconds a GB more: each goes through httpx, httpcore and h11
# As browsers, httpx and the SDKs spell them (https://html.spec.whatwg.org/#multipart-form-data); all else is raw UTF-8.
_SPELLED: Final = {'"': "%22", "\\": "\\\\"} | {chr(code): f"%{code:02X}" for code in range(0x20) if code != 0x1B}
_TO_SPELL: Final = re.compile("|".join(map(re.escape, _SPELLED)))


class Form:
    """The parts of one upload, as bytes; can be iterated again, from the beginning."""

    def __init__(self, name: str, mime_type: str, body: Body, expires_s: int | None) -> None:
        self.name = name            # constant
        self._body = body           # given
        self._size_bytes = body.size_bytes()        # constant, as the following
        self._boundary = os.urandom(16).hex()
        asked = "" if expires_s is None else self._part('name="expires_in_seconds"') + f"{expires_s}\r\n"
        # Sixteen random bytes are in no file.
        self._head = (asked + self._part(f'name="file"; filename="{spelled(name)}"', f"\r\nContent-Type: {mime_type}")
                      ).encode()
        self._tail = f"\r\n--{self._boundary}--\r\n".encode()

    def headers(self) -> dict[str, str]:
        """Returns what the request says of it."""
        return {"content-type": f"multipart/form-data; boundary={self._boundary}",
                "content-length": str(len(self._head) + self._size_bytes + len(self._tail))}

    def __iter__(self) -> Iterator[bytes]:
        """The pieces. A small file is one, with all that is around it: each piece is a step for the service, too."""
        around, left = self._head, self._size_bytes
        self._body.begin(len(self._head))
        while True:
            piece = self._body.read(PIECE_BYTES)
            left -= len(piece)
            last = left <= 0 or not piece
            yield b"".join((around, piece, self._tail)) if last else around + piece if around else piece
            if last:
                self._body.end()        # whoever asks for more has got rid of it
                return
            around = b""

    def _part(self, disposition: str, more: str = "") -> str:
        return f"--{self._boundary}\r\nContent-Disposition: form-data; {disposition}{more}\r\n\r\n"


def spelled(name: str) -> str:
    """Returns a name as it stands between quotes in a form."""
    return _TO_SPELL.sub(lambda found: _SPELLED[found[0]], name)
