"""A wire that does as it is told: a TCP proxy that passes, refuses, is silent, slow, cut, or changes a byte.

Owns    one listening port of 127.0.0.1, one thread (so that a mount's end may compare threads: begin it before), the connections.
Trusts  clients not to send a request before the last one's answer has come: bytes up behind bytes down are the next request.
Never   looks at what passes, or keeps a port that it didn't begin with: who was refused comes back to the same one.

    with Wire("127.0.0.1", 6379) as wire:
        wire.port, wire.counts.requests
        wire.silence(after_requests=3)      # from the fourth request on nothing passes; connections are still taken
        wire.cut(after_bytes=1000, times=1) # once, a connection is reset when so much of its answers has passed
        wire.slow(64 * 1024)                # bytes a second, of all answers together
        wire.flip(after_bytes=200)          # the byte behind those, of each connection's answers, comes changed
        wire.refuse()                       # no connection; those that are there are reset
        wire.lose()                         # connections neither come about nor are refused: packets are lost
        wire.mend()                         # as if nothing had been
"""

import contextlib
import selectors
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from typing import Final, Self

PIECE_BYTES: Final = 2**16
HELD_BYTES: Final = 2**18           # of one direction: who reads slowly slows the sender
TICK_S: Final = 0.01                # of a slow wire
BOUND_S: Final = 10.0
RESET: Final = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What the wire does from now on. The numbers count from the moment when it was told."""

    refuses: bool = False
    loses: bool = False
    after_requests: int = 0                 # what follows begins behind so many requests of all connections
    after_bytes: int = 0                    # and behind so many bytes of a connection's answers
    silent: bool = False
    cuts: bool = False
    flips: bool = False
    times: int | None = None                # how often it cuts or flips; None: for ever
    bytes_per_s: float | None = None

    @property
    def breaks(self) -> bool:
        """Something happens behind so many bytes."""
        return self.silent or self.cuts or self.flips


@dataclass(slots=True)
class Counts:
    """What has passed since the wire was begun."""

    connections: int = 0
    requests: int = 0
    bytes_up: int = 0
    bytes_down: int = 0


@dataclass(eq=False, slots=True)
class _End:
    """One side of a connection, and what waits to be sent to it."""

    socket: socket.socket
    is_client: bool
    pair: "_Pair"
    waiting: bytearray = field(default_factory=bytearray)
    ended: bool = False                     # nothing more comes from it
    told: bool = False                      # it knows that nothing more comes from the other side


@dataclass(eq=False, slots=True)
class _Pair:
    """Client and server of one connection."""

    ends: "list[_End]" = field(default_factory=list)
    asked: bool = False                     # a request went up, and nothing of its answer came down yet
    down: int = 0                           # bytes of answers since the behaviour was told
    flipped: bool = False


class Wire:
    """A way to one server; a context manager."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)         # constant
        self._listener: socket.socket | None = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = int(self._listener.getsockname()[1])        # constant
        self.counts = Counts()              # its thread changes them
        self._thread = threading.Thread(target=self._run, name="wire", daemon=True)
        self._bell, self._rung = socket.socketpair()

        self._lock = threading.Lock()       # guards the following
        self._told: Behaviour | None = Behaviour()      # what to do next; None: end
        self._heard = threading.Event()

        # Its thread's:
        self._selector = selectors.DefaultSelector()
        self._pairs = set[_Pair]()
        self._crowd: list[socket.socket] = []       # connections that fill the queue of a wire that loses
        self._now = Behaviour()
        self._before = 0                    # requests when that was told
        self._done = 0                      # how often it has cut or flipped
        self._allowance, self._at_s = 0.0, 0.0      # of a slow wire: bytes that may pass, and when that was reckoned

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._tell(None)
        self._thread.join(BOUND_S)
        assert not self._thread.is_alive()
        self._bell.close()
        self._rung.close()

    # ---- what it is told; in force when the call returns

    def mend(self) -> None:
        self._tell(Behaviour())

    def refuse(self) -> None:
        self._tell(Behaviour(refuses=True))

    def lose(self) -> None:
        self._tell(Behaviour(loses=True))

    def silence(self, *, after_requests: int = 0, after_bytes: int = 0) -> None:
        self._tell(Behaviour(silent=True, after_requests=after_requests, after_bytes=after_bytes))

    def cut(self, *, after_requests: int = 0, after_bytes: int = 0, times: int | None = None) -> None:
        self._tell(Behaviour(cuts=True, after_requests=after_requests, after_bytes=after_bytes, times=times))

    def flip(self, *, after_requests: int = 0, after_bytes: int = 0, times: int | None = None) -> None:
        self._tell(Behaviour(flips=True, after_requests=after_requests, after_bytes=after_bytes, times=times))

    def slow(self, bytes_per_s: float) -> None:
        self._tell(Behaviour(bytes_per_s=bytes_per_s))

    def _tell(self, told: Behaviour | None) -> None:
        with self._lock:
            self._told, self._heard = told, threading.Event()
            heard = self._heard
        self._bell.send(b"!")
        assert heard.wait(BOUND_S)

    # ---- the thread

    def _run(self) -> None:
        self._selector.register(self._rung, selectors.EVENT_READ)
        self._listen(self._now)
        going = True
        while going:
            for key, events in self._selector.select(TICK_S if self._now.bytes_per_s else None):
                if key.fileobj is self._rung:
                    going = self._hear()
                elif key.fileobj is self._listener:
                    self._accept()
                elif isinstance(key.data, _End) and key.data.pair in self._pairs:
                    self._serve(key.data, events)
            for pair in list(self._pairs):
                self._watch(pair)
        for pair in list(self._pairs):
            self._drop(pair)
        self._stop_listening()
        self._selector.close()

    def _hear(self) -> bool:
        self._rung.recv(4096)
        with self._lock:
            told, heard = self._told, self._heard
        if told is not None:
            before, self._now = self._now, told
            self._before, self._done = self.counts.requests, 0
            self._allowance, self._at_s = 0.0, time.monotonic()
            for pair in list(self._pairs):
                pair.down, pair.flipped = 0, False
                if told.refuses or told.loses:
                    self._drop(pair)
            if (told.refuses, told.loses) != (before.refuses, before.loses):
                self._stop_listening()
                self._listen(told)
        heard.set()
        return told is not None

    def _listen(self, told: Behaviour) -> None:
        if told.refuses:
            return
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port), backlog=0 if told.loses else 128)
        self._listener.setblocking(False)
        if not told.loses:
            self._selector.register(self._listener, selectors.EVENT_READ)
            return
        for _ in range(4):                  # a full queue: the kernel drops the packets of who comes next
            one = socket.socket()
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                one.connect(("127.0.0.1", self.port))
            self._crowd.append(one)

    def _stop_listening(self) -> None:
        while self._crowd:
            self._crowd.pop().close()
        if self._listener is not None:
            with contextlib.suppress(KeyError):
                self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = None

    def _accept(self) -> None:
        assert self._listener is not None
        with contextlib.suppress(BlockingIOError):
            client, _ = self._listener.accept()
            self.counts.connections += 1
            try:
                server = socket.create_connection(self._target, BOUND_S)
            except OSError:
                client.close()              # the client sees a closed connection, as it would without us
                return
            pair = _Pair()
            pair.ends = [_End(client, True, pair), _End(server, False, pair)]
            for end in pair.ends:
                end.socket.setblocking(False)
                end.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._pairs.add(pair)

    def _serve(self, end: _End, events: int) -> None:
        try:
            if events & selectors.EVENT_READ:
                self._read(end)
            if events & selectors.EVENT_WRITE:
                self._write(end)
            self._pass_ends_on(end.pair)
        except BlockingIOError:
            pass                            # it was ready a moment ago
        except OSError:
            self._drop(end.pair)            # reset by one side: the other learns of it

    def _read(self, end: _End) -> None:
        pair = end.pair
        if self._is_silent(pair):
            return
        size = PIECE_BYTES
        if not end.is_client and self._now.bytes_per_s:
            self._allowance_grows()
            size = min(size, int(self._allowance))
            if not size:
                return
        if not end.is_client and self._now.breaks and pair.down < self._now.after_bytes:
            size = min(size, self._now.after_bytes - pair.down)
        if not end.is_client and self._now.cuts and self._has_begun(pair) and self._may_do():
            self._done += 1
            self._drop(pair)
            return
        piece = bytearray(end.socket.recv(size))
        if not piece:
            end.ended = True
            return
        if end.is_client:
            if not pair.asked:
                pair.asked = True
                self.counts.requests += 1
            self.counts.bytes_up += len(piece)
        else:
            pair.asked = False
            if self._now.flips and self._has_begun(pair) and not pair.flipped and self._may_do():
                piece[0] ^= 1
                pair.flipped = True
                self._done += 1
            pair.down += len(piece)
            self.counts.bytes_down += len(piece)
            self._allowance -= len(piece)
        self._other(end).waiting += piece
        self._write(self._other(end))

    def _write(self, end: _End) -> None:
        with contextlib.suppress(BlockingIOError):
            while end.waiting:
                del end.waiting[:end.socket.send(end.waiting)]

    def _pass_ends_on(self, pair: _Pair) -> None:
        for end in pair.ends:
            other = self._other(end)
            if end.ended and not other.waiting and not other.told:
                other.told = True
                other.socket.shutdown(socket.SHUT_WR)
        if all(end.ended and end.told for end in pair.ends):
            self._drop(pair, reset=False)

    def _is_silent(self, pair: _Pair) -> bool:
        return self._now.silent and self._has_begun(pair)

    def _has_begun(self, pair: _Pair) -> bool:
        now = self._now
        return ((not now.after_requests or self.counts.requests - self._before > now.after_requests)
                and pair.down >= now.after_bytes)

    def _may_do(self) -> bool:
        return self._now.times is None or self._done < self._now.times

    def _watch(self, pair: _Pair) -> None:
        """The selector waits for what this pair may do now."""
        for end in pair.ends:
            reads = not end.ended and not self._is_silent(pair) and len(self._other(end).waiting) < HELD_BYTES
            if reads and not end.is_client and self._now.bytes_per_s:
                self._allowance_grows()
                reads = self._allowance >= 1
            wanted = (selectors.EVENT_READ if reads else 0) | (selectors.EVENT_WRITE if end.waiting else 0)
            known = self._selector.get_map().get(end.socket)
            if known is None and wanted:
                self._selector.register(end.socket, wanted, end)
            elif known is not None and not wanted:
                self._selector.unregister(end.socket)
            elif known is not None and known.events != wanted:
                self._selector.modify(end.socket, wanted, end)

    def _allowance_grows(self) -> None:
        assert self._now.bytes_per_s is not None
        now_s = time.monotonic()
        self._allowance = min(self._allowance + (now_s - self._at_s) * self._now.bytes_per_s, PIECE_BYTES)
        self._at_s = now_s

    def _drop(self, pair: _Pair, *, reset: bool = True) -> None:
        self._pairs.discard(pair)
        for end in pair.ends:
            with contextlib.suppress(KeyError):
                self._selector.unregister(end.socket)
            if reset:
                with contextlib.suppress(OSError):
                    end.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            end.socket.close()

    @staticmethod
    def _other(end: _End) -> _End:
        return end.pair.ends[1 if end is end.pair.ends[0] else 0]
