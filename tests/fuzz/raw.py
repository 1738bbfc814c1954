"""A server on loopback that speaks no HTTP of its own: what a test has it say, byte for byte, for as long as anybody listens.

Owns    one thread; each connection gets the same bytes, and is closed after them.
"""

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

BOUND_S: Final = 20.0           # of any wait here
PIECE_BYTES: Final = 64 * 1024


@dataclass
class Raw:
    """What it says, and what came of it."""

    says: Callable[[], Iterable[bytes]] = tuple
    url: str = ""
    taken_bytes: int = 0            # by clients' kernels, of all that was said since a test has set it to 0
    heard: list[bytes] = field(default_factory=list)        # the beginning of each request


@contextmanager
def raw_server() -> Iterator[Raw]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        raw = Raw(url=f"http://127.0.0.1:{listening.getsockname()[1]}")
        thread = threading.Thread(target=_serve, args=(listening, raw), name="raw server")
        thread.start()
        try:
            yield raw
        finally:
            with suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)        # wakes accept
            thread.join(BOUND_S)
            assert not thread.is_alive()


def _serve(listening: socket.socket, raw: Raw) -> None:
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        with connection, suppress(OSError):
            connection.settimeout(BOUND_S)
            raw.heard.append(connection.recv(PIECE_BYTES))
            for piece in raw.says():
                connection.sendall(piece)
                raw.taken_bytes += len(piece)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(PIECE_BYTES):
                continue                                # else what is unread would reset what was said
