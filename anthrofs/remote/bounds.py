"""Bodies of answers, read up to a bound of bytes and of time: a service, or a proxy, may send one without an end.

Never   unpacks anything.
"""

from collections.abc import Iterable
from typing import Final

from anthrofs.clock import Clock
from anthrofs.errors import NoAnswer

ERROR_BYTES: Final = 64 * 1024          # of an error's body that is read: a proxy may send a page of any size
ANSWER_BYTES: Final = 8 * 2**20         # of a success that is read: 1000 files with the longest names, all of it
                                        # escaped, have half of that
GRACE_S: Final = 60.0                   # an answer may take so long in any case, and longer
SLOW_BYTES: Final = 1000                # for each so many bytes a second: one that trickles isn't waited for


def begin_of(pieces: Iterable[bytes], clock: Clock, limit_bytes: int) -> bytes:
    """A body as it came, up to a limit. Raises NoAnswer for one that trickles."""
    body, began_s = bytearray(), clock.now_s()
    for piece in pieces:
        body += piece
        if len(body) >= limit_bytes:
            break
        if clock.now_s() - began_s > GRACE_S + len(body) / SLOW_BYTES:
            raise NoAnswer("the answer came too slowly to be waited for")
    return bytes(memoryview(body)[:limit_bytes])
