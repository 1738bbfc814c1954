"""A server that sends whatever bytes it likes, when it likes: what no library would let one send.

Owns    a listening socket on loopback, and a thread for each connection.
Never   waits longer than a test's bound.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from anthrofs.clock import Clock
from anthrofs.config import Credentials, Service, Timeouts
from anthrofs.remote.http import HttpFiles, connect

BOUND_S: Final = 30.0
KEY: Final = "sk-ant-test-key-of-the-hostile-server"

Answer = Callable[[socket.socket], None]


@contextmanager
def hostile(answer: Answer) -> Iterator[str]:
    """Its URL. `answer` is called for each request, once its head is here, and ends with the connection."""
    threads = list[threading.Thread]()
    with socket.create_server(("127.0.0.1", 0)) as server:
        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    threads.append(threading.Thread(target=talk, args=(connection,)))
                    threads[-1].start()

        def talk(connection: socket.socket) -> None:
            connection.settimeout(BOUND_S)
            with suppress(OSError), connection:
                while b"\r\n\r\n" not in connection.recv(65536, socket.MSG_PEEK):
                    connection.recv(0)
                connection.recv(65536)
                answer(connection)

        threads.append(threading.Thread(target=serve))
        threads[0].start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            server.shutdown(socket.SHUT_RDWR)
    for thread in threads:
        thread.join(BOUND_S)
        assert not thread.is_alive()


@contextmanager
def asked(answer: Answer, timeouts: Timeouts = Timeouts(), clock: Clock | None = None) -> Iterator[HttpFiles]:     # noqa: B008 - frozen
    """The client of such a server."""
    with hostile(answer) as url, connect(Service(url, Credentials("x-api-key", KEY), direct=True), timeouts) as client:
        yield HttpFiles(client, clock or Clock())
