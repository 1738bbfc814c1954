"""A hostile proxy, or something that is none: nonsense, silence and half a conversation are no connection, and end.

Manual, security: 'One that says nonsense, or nothing, is as good as none'
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from anthrofs.clock import Clock
from anthrofs.config import Credentials, Service, Timeouts
from anthrofs.errors import Offline, RemoteError
from anthrofs.remote import wire
from anthrofs.remote.http import HttpFiles, connect
from tests.fakes import body_of
from tests.security.hostile import BOUND_S, KEY

PASSWORD = "pass-of-the-proxy"
NONSENSE = {"garbage": b"\xff" * 100, "half": b"\x05", "no method": b"\x05\xff", "wants a password": b"\x05\x02\x01\x01", "garbage behind": b"\x05\x02\x01\x00garbage",
            "a page": b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n", "no TLS behind": b"HTTP/1.1 200 OK\r\n\r\nno TLS at all", "interim": b"HTTP/1.1 100 Continue\r\n\r\n" * 9,
            "nothing": b""}


@contextmanager
def through(kind: str, says: bytes | None) -> Iterator[HttpFiles]:
    """The client behind a proxy that says that, whatever it is asked; None: it takes the connection, and is silent."""
    held = list[socket.socket]()
    with socket.create_server(("127.0.0.1", 0)) as server:
        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    held.append(connection)
                    connection.settimeout(BOUND_S)
                    with suppress(OSError):
                        connection.recv(65536)
                        if says is not None:
                            connection.sendall(says)
                            connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        environ = {"https_proxy": f"{kind}://user:{PASSWORD}@127.0.0.1:{server.getsockname()[1]}"}
        try:
            with connect(Service("https://files.example", Credentials("x-api-key", KEY)), Timeouts(read_s=2, connect_s=2), environ) as client:
                yield HttpFiles(client, Clock())
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(BOUND_S)
            assert not thread.is_alive()
            for connection in held:
                connection.close()


@pytest.mark.parametrize("kind", ["http", "socks5", "socks5h"])
@pytest.mark.parametrize("says", NONSENSE.values(), ids=NONSENSE)
def test_a_proxy_that_says_nonsense_is_a_sentence(kind: str, says: bytes) -> None:
    with through(kind, says) as files:
        with pytest.raises(RemoteError) as caught:
            files.list(1)
        assert not caught.value.from_service
        assert PASSWORD not in str(caught.value)
        assert KEY not in str(caught.value)


def test_a_socks_proxy_that_says_nonsense_had_nothing_of_an_upload(tmp_path: Path) -> None:
    with through("socks5", NONSENSE["garbage"]) as files, body_of(tmp_path, b"content") as body, pytest.raises(Offline, match="SOCKS") as caught:
        files.upload("a.txt", "text/plain", body)
    assert not caught.value.maybe_stored


@pytest.mark.parametrize("kind", ["http", "socks5"])
def test_a_proxy_that_takes_a_connection_and_says_nothing_holds_nobody(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "UNSAID_S", 0.5)
    with through(kind, None) as files, pytest.raises(RemoteError):
        files.list(1)
