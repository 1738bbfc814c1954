"""Connections that tell how far they are: what the other side's TCP has acknowledged, and whether it still lives.

HTTP confirms nothing of an upload before its answer, and a proxy may take a whole body long before it passes it on. So
a patient wait is only right while somebody is there: the other side's TCP acknowledges what we send, and the kernel's
probes when nothing moves.

Trusts  Linux: SIOCOUTQ and TCP_INFO. TCP_USER_TIMEOUT would do the rest in the kernel, but it also ends a connection
        whose other side lives and doesn't read for so long (a gateway that waits for its own line): seen on 6.18.
Never   changes a byte, or waits longer than it was told.
"""

import fcntl
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, Final, TypeVar

import httpcore

from anthrofs.clock import Clock
from anthrofs.remote.api import Carrier

T = TypeVar("T")

DEAD_S: Final = 30.0            # without an acknowledgement of anything, although something is unanswered
LOOK_S: Final = 5.0             # between two looks while nothing moves; what is unanswered at two of them isn't just
                                # under way
KEEPALIVE: Final = ((socket.SO_KEEPALIVE, 1, socket.SOL_SOCKET), (socket.TCP_KEEPIDLE, 10, socket.IPPROTO_TCP),
                    # DEAD_S, when idle
                    (socket.TCP_KEEPINTVL, 10, socket.IPPROTO_TCP), (socket.TCP_KEEPCNT, 2, socket.IPPROTO_TCP))
SIOCOUTQ: Final = 0x5411        # bytes in the send queue that the other side hasn't acknowledged
# struct tcp_info: eight bytes (state, ca_state, retransmits, probes, …), then numbers of four; the 13th is
# last_ack_recv, in ms.
INFO_BYTES: Final = 60
LAST_ACK: Final = 56
HEAD_S: Final = 60.0            # from the first byte of an answer to the end of its headers: they must not trickle
UNSAID_S: Final = 30.0          # where nobody says how long to wait: httpcore doesn't while it talks to a SOCKS proxy
SLICE_BYTES: Final = 2**16      # of what is sent by TLS, where a call returns only when all of it is in the kernel
# A body's bytes are waited for together for so long, once some have come: each return to Python costs as much as 50 KB.
GATHER_S: Final = 0.005
GATHER: Final = struct.pack("ll", 0, int(GATHER_S * 1e6))
OPEN: Final = frozenset({1, 8})     # ESTABLISHED, CLOSE_WAIT: in others the queue may be gone

# Told of the connection that the calling thread's upload goes over, before each piece that it takes; says whether the
# file follows at once. httpx offers no other way to get at it before the answer.
CARRIES: ContextVar[Callable[[Carrier], bool] | None] = ContextVar("CARRIES", default=None)
# When the answer that the calling thread waits for has begun to come, in one entry; None: its headers are there.
_HEAD: ContextVar[list[float] | None] = ContextVar("_HEAD", default=None)


_MADE: ContextVar[list["Line"] | None] = ContextVar("_MADE", default=None)


@contextmanager
def closed_if_failed() -> Iterator[None]:
    """The block makes one request. Connections that were made for it are closed where it fails: httpcore leaves one
    open whose SOCKS proxy says what it doesn't understand.
    """
    made = list[Line]()
    token = _MADE.set(made)
    try:
        yield
    except BaseException:
        for line in made:
            line.close()
        raise
    finally:
        _MADE.reset(token)


@contextmanager
def bounded_head() -> Iterator[None]:
    """The block ends with an answer's headers, and so with httpcore.ReadTimeout if they trickle."""
    token = _HEAD.set([])
    try:
        yield
    finally:
        _HEAD.reset(token)


class Line(httpcore.NetworkStream):
    """One connection, as it is or with TLS in it."""

    def __init__(self, inner: httpcore.NetworkStream, clock: Clock, *, nested: bool = False) -> None:
        """`nested`: TLS in TLS, whose bytes only `inner` knows to write."""
        self._inner = inner             # given
        self._clock = clock             # given
        self._nested = nested           # constant

        # Of the thread whose request it is; others only read the number.
        self._held = b""                # the head of an upload: it goes with the first piece
        self._handed = 0                # bytes of uploads so far
        self._lock = threading.Lock()   # guards the following; a leaf. A descriptor must not be asked that is another
                                        # file's by now
        self._closed = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """See NetworkStream. Also ends when the other side is dead."""
        if self._held:
            self._hand_over(b"", timeout, None)
        data = self._while_alive(timeout, httpcore.ReadTimeout, lambda wait_s: self._inner.read(max_bytes, wait_s))
        if (began := _HEAD.get()) is not None:
            began[:] = began or [self._clock.now_s()]
            if self._clock.now_s() - began[0] > HEAD_S:
                raise httpcore.ReadTimeout("the headers came too slowly to be waited for")
        return data

    @property
    def is_direct(self) -> bool:
        """The bytes can be had by `receive`: all but those of TLS to a proxy with TLS to the service in it."""
        return not self._nested

    def receive(self, view: memoryview, timeout: float | None) -> int:
        """Puts what comes within a moment into the view, which it may fill. Returns how many bytes; 0: the end. Raises
        as `read` does.
        """
        found = self._socket()
        try:
            while (came := self._take_decrypted(found, view) if isinstance(found, ssl.SSLSocket)
                   else self._take(found, view)) is None:
                self._while_alive(timeout, httpcore.ReadTimeout, self._wait_for_bytes)
        except OSError as exc:
            raise httpcore.ReadError(str(exc)) from exc
        return came

    def _take(self, found: socket.socket, view: memoryview) -> int | None:
        """One call of the kernel, which waits until the view is full, or for the moment. None: nothing came in it."""
        # With a time-out of Python's own the kernel would not wait, so the moment is the kernel's.
        found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, GATHER)
        found.settimeout(None)
        try:
            return found.recv_into(view, 0, socket.MSG_WAITALL)
        except BlockingIOError:
            return None

    def _take_decrypted(self, found: ssl.SSLSocket, view: memoryview) -> int | None:
        """Record by record, as TLS has it, until the view is full, or for the moment. None: nothing came in it."""
        found.settimeout(0)
        came, until_s = 0, self._clock.now_s() + GATHER_S
        while came < len(view):
            try:
                some = found.recv_into(view[came:])
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                left_s = until_s - self._clock.now_s()
                if left_s <= 0 or not self._has_bytes(left_s):
                    return came or None
                continue
            if not some:
                break
            came += some
        return came

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """See NetworkStream. Also ends when the other side is dead; an upload, when it has become pointless. The head
        of an upload waits for its first piece, so that a small file is one packet; or for the next read.
        """
        carries = CARRIES.get()
        if carries is not None and carries(self):
            self._held += buffer
        else:
            self._hand_over(buffer, timeout, carries)

    def close(self) -> None:
        """See NetworkStream."""
        with self._lock:
            self._closed = True
            self._inner.close()

    def start_tls(self, ssl_context: Any, server_hostname: str | None = None,
                  timeout: float | None = None) -> httpcore.NetworkStream:
        """See NetworkStream."""
        nested = isinstance(self._inner.get_extra_info("socket"), ssl.SSLSocket)
        return Line(self._inner.start_tls(ssl_context, server_hostname, timeout), self._clock, nested=nested)

    def get_extra_info(self, info: str) -> Any:
        """See NetworkStream."""
        return self._inner.get_extra_info(info)

    def handed(self) -> int:
        """From any thread: see Carrier."""
        return self._handed + len(self._held)

    def unacknowledged(self) -> int | None:
        """From any thread: how many bytes were handed to the kernel that the other side's TCP doesn't have yet. None:
        it can't be told.
        """
        with self._lock, suppress(OSError, ValueError):
            if not self._closed and self._info()[0] in OPEN:
                return int(struct.unpack("i", fcntl.ioctl(self._socket().fileno(), SIOCOUTQ, bytes(4)))[0])
        return None

    def shut_down(self) -> None:
        """From any thread: whoever reads from it gets its end at once. Closing it would wake nobody."""
        with self._lock, suppress(OSError, ValueError):
            if not self._closed:
                # Not the TLS socket's own shutdown: that ends the decryption, and who reads would get the records as
                # they are.
                socket.socket.shutdown(self._socket(), socket.SHUT_RDWR)

    def _while_alive(self, timeout: float | None, over: type[Exception], step: Callable[[float], T]) -> T:
        """The step, given a little time again and again, until it succeeds, the time is over, or the other side is
        dead.
        """
        until_s = self._clock.now_s() + (UNSAID_S if timeout is None else timeout)
        unanswered = False
        while True:
            left_s = until_s - self._clock.now_s()
            try:
                return step(min(LOOK_S, max(0.001, left_s)))        # 0 would mean something else
            except over:
                if left_s <= LOOK_S:
                    raise
            was, unanswered = unanswered, self._is_unanswered()
            if was and unanswered:
                raise httpcore.ReadError(
                    f"the other side of the connection has answered nothing for {DEAD_S:.0f} s") from None

    def _hand_over(self, buffer: bytes, timeout: float | None, carries: Callable[[Carrier], bool] | None) -> None:
        """All of it, and before it what was held."""
        held, self._held = self._held, b""
        left = memoryview(held + buffer if held else buffer)
        while left:
            done = self._some(left, timeout)
            left = left[done:]
            if carries is not None or held:
                self._handed += done
            if carries is not None and left:
                carries(self)

    def _some(self, view: memoryview, timeout: float | None) -> int:
        """As much as the kernel takes. Returns how much that was."""
        found = self._inner.get_extra_info("socket")
        if self._nested or not isinstance(found, socket.socket):
            self._while_alive(timeout, httpcore.WriteTimeout, self._wait_for_room)
            piece = bytes(view[:SLICE_BYTES])
            self._inner.write(piece, UNSAID_S if timeout is None else timeout)
            return len(piece)
        taken = view[:SLICE_BYTES] if isinstance(found, ssl.SSLSocket) else view
        return self._while_alive(timeout, httpcore.WriteTimeout, lambda wait_s: _sent(found, taken, wait_s))

    def _wait_for_bytes(self, wait_s: float) -> None:
        if not self._has_bytes(wait_s):
            raise httpcore.ReadTimeout("timed out")

    def _has_bytes(self, wait_s: float) -> bool:
        poll = select.poll()
        poll.register(self._socket(), select.POLLIN)
        return bool(poll.poll(wait_s * 1000))

    def _wait_for_room(self, wait_s: float) -> None:
        """Then a slice fits without a wait."""
        poll = select.poll()
        poll.register(self._socket(), select.POLLOUT)
        if not poll.poll(wait_s * 1000):
            raise httpcore.WriteTimeout("timed out")

    def _is_unanswered(self) -> bool:
        """Something was sent again, or probed, for so long in vain. A side that lives and reads nothing answers probes.
        """
        with suppress(OSError, ValueError):
            _, _, retransmits, probes, last_ack_ms = self._info()
            return bool(retransmits or probes) and last_ack_ms >= DEAD_S * 1000
        return False

    def _info(self) -> tuple[int, ...]:
        data = self._socket().getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, INFO_BYTES)
        state, ca_state, retransmits, probes = data[:4]
        return state, ca_state, retransmits, probes, struct.unpack_from("=I", data, LAST_ACK)[0]

    def _socket(self) -> socket.socket:
        found = self._inner.get_extra_info("socket")
        if not isinstance(found, socket.socket):
            raise ValueError("not a socket")        # noqa: TRY004 - one of ours, which the callers suppress
        return found


def _sent(found: socket.socket, view: memoryview, wait_s: float) -> int:
    """As send(2), with a bound; after it, TLS wants the same bytes again. Raises httpcore's exceptions."""
    try:
        found.settimeout(wait_s)
        return found.send(view)
    except TimeoutError as exc:
        raise httpcore.WriteTimeout("timed out") from exc
    except OSError as exc:
        raise httpcore.WriteError(str(exc)) from exc


class Lines(httpcore.NetworkBackend):
    """Makes them."""

    def __init__(self, inner: httpcore.NetworkBackend, clock: Clock) -> None:
        self._inner = inner             # given
        self._clock = clock             # given

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, local_address: str | None = None,
                    socket_options: Iterable[Any] | None = None) -> httpcore.NetworkStream:
        """See NetworkBackend."""
        stream = self._inner.connect_tcp(host, port, timeout, local_address, socket_options)
        found = stream.get_extra_info("socket")
        if isinstance(found, socket.socket):
            with suppress(OSError):
                for name, value, level in KEEPALIVE:
                    found.setsockopt(level, name, value)
        line = Line(stream, self._clock)
        if (made := _MADE.get()) is not None:
            made.append(line)
        return line

    def connect_unix_socket(self, path: str, timeout: float | None = None,
                            socket_options: Iterable[Any] | None = None) -> httpcore.NetworkStream:
        """See NetworkBackend."""
        return self._inner.connect_unix_socket(path, timeout, socket_options)

    def sleep(self, seconds: float) -> None:
        """See NetworkBackend."""
        self._inner.sleep(seconds)
