"""A wire with a length, as a program: a TCP proxy that delays connects and answers, limits bandwidth, and counts.

    python -m tests.bench.proxy CONNECT_MS ANSWER_MS HOST:PORT...

Owns    one listening port (a door) for each HOST:PORT, two threads a connection, and the counts of each door.
Speaks  lines of JSON: the first line out is the doors' ports; then each line in ({"bytes_per_s": N} sets the bandwidth of all
        doors together, each way, 0: none; {} changes nothing) is answered by one line with the counts.
Trusts  clients not to pipeline, nor to wait for a "100 Continue": bytes up that follow bytes down are the next request.
Never   holds more than one piece of each direction besides the kernel's buffers, so a slow reader slows the sender; never
        looks at HTTP; never outlives its standard input.

A delayed answer passes ANSWER_MS after its first byte came, so the server's own time is not hidden in the delay, nor is the
time that a request's body takes. The bytes behind it flow at once: it is the distance that is imitated, not the speed.
"""

import fcntl
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

PIECE_BYTES: Final = 2**20              # the most that a pipe takes; few system calls when bytes are plenty
LIMITED_PIECE_BYTES: Final = 2**17      # 1 ms of 1 Gbit/s: smooth, and a thousand wakes a second at most
LATE_S: Final = 0.01                    # of oversleeping that is caught up; any longer pause of the wire is lost
BUFFER_BYTES: Final = 2**18             # of the proxy's own sockets: what passed here is soon at its end


class Bandwidth:
    """One direction of the wire: bytes of all connections, one piece after the other."""

    def __init__(self) -> None:
        self.bytes_per_s = 0.0          # written by the main thread only; 0: unlimited
        self._lock = threading.Lock()   # guards everything below
        self._free_s = 0.0              # when the wire is free again

    @property
    def piece_bytes(self) -> int:
        return LIMITED_PIECE_BYTES if self.bytes_per_s else PIECE_BYTES

    def carry(self, count: int) -> None:
        """Returns when the last of these bytes has had its time on the wire."""
        rate = self.bytes_per_s
        if not rate:
            return
        with self._lock:
            now_s = time.monotonic()
            self._free_s = max(self._free_s, now_s - LATE_S) + count / rate
            wait_s = self._free_s - now_s
        if wait_s > 0:
            time.sleep(wait_s)


class Door:
    """One listening port, where it leads, and what went through."""

    def __init__(self, wire: "Proxy", host: str, port: int) -> None:
        self._wire = wire                                       # given
        self._target = (host, port)                             # constant
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = int(self._listener.getsockname()[1])        # constant

        self._lock = threading.Lock()                           # guards everything below
        self._counts = {"connections": 0, "requests": 0, "bytes_up": 0, "bytes_down": 0}

    def serve(self) -> None:
        """A thread of its own: accepts for ever."""
        while True:
            client, _ = self._listener.accept()
            self.count(connections=1)
            threading.Thread(target=self._connection, args=(client,), daemon=True).start()

    def count(self, **more: int) -> None:
        with self._lock:
            for name, number in more.items():
                self._counts[name] += number

    def counts(self) -> dict[str, int]:
        with self._lock:
            return dict(self._counts)

    def _connection(self, client: socket.socket) -> None:
        time.sleep(self._wire.connect_s)
        with client:
            try:
                server = socket.create_connection(self._target)
            except OSError:
                return                  # the client sees a closed connection, as it would without us
            with server:
                for end in (client, server):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
                turn = _Turn(self._wire, self)
                up = threading.Thread(target=pump, args=(client, server, turn.up, self._wire.up), daemon=True)
                up.start()
                pump(server, client, turn.down, self._wire.down)
                up.join()


class _Turn:
    """Whose turn it is on one connection: a request's first byte is set down before it is passed on, so its answer can't
    come earlier, and no lock is needed.
    """

    def __init__(self, wire: "Proxy", door: Door) -> None:
        self._wire = wire               # given
        self._door = door               # given
        self._asked = False             # a request went up and nothing of its answer came down yet

    def up(self, count: int) -> None:
        if not self._asked:
            self._asked = True
            self._door.count(requests=1)
        self._wire.up.carry(count)
        self._door.count(bytes_up=count)

    def down(self, count: int) -> None:
        if self._asked:
            time.sleep(self._wire.answer_s)
            self._asked = False
        self._wire.down.carry(count)
        self._door.count(bytes_down=count)


class Proxy:
    """All doors, and the one wire behind them."""

    def __init__(self, connect_s: float, answer_s: float, targets: list[str]) -> None:
        self.connect_s = connect_s      # constant
        self.answer_s = answer_s        # constant
        self.up, self.down = Bandwidth(), Bandwidth()
        pairs = [target.rsplit(":", 1) for target in targets]
        self.doors = [Door(self, host, int(port)) for host, port in pairs]      # constant

    def run(self) -> None:
        for door in self.doors:
            threading.Thread(target=door.serve, daemon=True).start()
        print(json.dumps([door.port for door in self.doors]), flush=True)
        for line in sys.stdin:
            asked = json.loads(line)
            if "bytes_per_s" in asked:
                self.up.bytes_per_s = self.down.bytes_per_s = float(asked["bytes_per_s"])
            print(json.dumps([door.counts() for door in self.doors]), flush=True)


def pump(source: socket.socket, sink: socket.socket, passing: Callable[[int], None], width: Bandwidth) -> None:
    """From one socket to the other through a pipe in the kernel: the bytes never come into this process."""
    reader, writer = os.pipe()
    try:
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIECE_BYTES)
        while count := os.splice(source.fileno(), writer, width.piece_bytes):
            passing(count)
            while count:
                count -= os.splice(reader, sink.fileno(), count)
        sink.shutdown(socket.SHUT_WR)       # this end is done; the other direction may go on
    except OSError:
        for end in (source, sink):          # reset by one of them: both, and the other direction's thread, learn of it
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
    finally:
        os.close(reader)
        os.close(writer)


if __name__ == "__main__":
    Proxy(float(sys.argv[1]) / 1000, float(sys.argv[2]) / 1000, sys.argv[3:]).run()
