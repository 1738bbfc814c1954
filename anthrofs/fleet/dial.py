"""Connections whose every exchange ends within a bound, its last byte as well: a server that sends one byte now and
then is as silent as one that sends none.

Owns    a socket each, and the deadline of its exchange.
Never   waits for a name longer than for a connection: a resolver that hangs is left behind.
"""

import ipaddress
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Final

Address = tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]

LEAST_S: Final = 0.001          # 0 would mean something else to a socket
SILENT_S: Final = 60            # then the kernel asks whether the other side is there


def dial(host: str, port: int, bound_s: float, now_s: Callable[[], float]) -> socket.socket:
    """Returns a connection; its time-out is the bound. Raises OSError."""
    until_s = now_s() + bound_s
    last: OSError | None = None
    for family, kind, protocol, _, address in _addresses(host, port, bound_s):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # Networks forget connections that are silent for some minutes, without a word to their ends.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, SILENT_S)
            sock.settimeout(max(LEAST_S, until_s - now_s()))
            sock.connect(address)
            sock.settimeout(bound_s)
            return sock
        except OSError as exc:
            sock.close()
            last = exc
    raise last or OSError(f"{host} has no address")


def _addresses(host: str, port: int, bound_s: float) -> Sequence[Address]:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    found: list[Sequence[Address]] = []
    failed: list[OSError] = []

    def resolve() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except OSError as exc:
            failed.append(exc)

    thread = threading.Thread(target=resolve, name="resolve", daemon=True)
    try:
        thread.start()
    except RuntimeError as exc:     # the system gives no more threads
        raise OSError(f"no thread to look {host} up: {exc}") from exc
    thread.join(bound_s)
    if failed:
        raise failed[0]
    if not found:
        raise TimeoutError(f"no address of {host} within {bound_s} s")
    return found[0]


class Timed:
    """A socket, plain or of TLS, with a deadline: of its exchange, which `begin` begins."""

    def __init__(self, sock: socket.socket, bound_s: float, now_s: Callable[[], float]) -> None:
        self._sock = sock                       # given
        self._bound_s = bound_s                 # constant
        self._now_s = now_s                     # given
        self._longest_s: float | None = bound_s     # of one call, as its user has set it; its user's thread only
        self._until_s = now_s() + bound_s       # the same

    def begin(self) -> None:
        """A request is about to be sent."""
        self._until_s = self._now_s() + self._bound_s

    def settimeout(self, seconds: float | None) -> None:
        """See socket."""
        self._longest_s = seconds

    def recv(self, size: int) -> bytes:
        """See socket."""
        self._prepare()
        return self._sock.recv(size)

    def sendall(self, data: bytes) -> None:
        """See socket; that is bounded as a whole."""
        self._prepare()
        self._sock.sendall(data)

    def shutdown(self, how: int) -> None:
        """See socket."""
        self._sock.shutdown(how)

    def close(self) -> None:
        """See socket."""
        self._sock.close()

    def _prepare(self) -> None:
        left_s = max(LEAST_S, self._until_s - self._now_s())
        self._sock.settimeout(left_s if self._longest_s is None else min(left_s, self._longest_s))
