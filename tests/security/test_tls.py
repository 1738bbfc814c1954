"""TLS: who isn't who they say gets no request, and who passes it on sees nothing in it.

Manual, security: 'Certificates are checked, always', and 'For an https base URL a proxy sees the host's name'
"""

import select
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from anthrofs.clock import Clock
from anthrofs.config import Credentials, Service, Timeouts
from anthrofs.errors import Offline
from anthrofs.remote.http import HttpFiles, connect
from tests.security.hostile import BOUND_S, KEY
from tests.unit.remote.serving import recorder


def server_of(tmp_path: Path, name: str) -> ssl.SSLContext:
    """A server's, with a certificate for a host of that name."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=test",
                    "-keyout", tmp_path / "key.pem", "-out", tmp_path / "certificate.pem", "-addext", f"subjectAltName={name}"],
                   check=True, capture_output=True, timeout=30)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
    return tls


@contextmanager
def files_at(url: str, environ: Mapping[str, str]) -> Iterator[HttpFiles]:
    with connect(Service(url, Credentials("x-api-key", KEY)), Timeouts(), environ) as client:
        yield HttpFiles(client, Clock())


def test_a_certificate_that_nobody_vouches_for_gets_no_request(tmp_path: Path) -> None:
    with recorder(server_of(tmp_path, "IP:127.0.0.1")) as said, files_at(said.url, {}) as files:
        with pytest.raises(Offline, match=r"(?i)certificate"):
            files.list(1)
        assert said.targets == []


def test_a_certificate_of_another_host_gets_no_request(tmp_path: Path) -> None:
    trusting = {"SSL_CERT_FILE": str(tmp_path / "certificate.pem")}
    with recorder(server_of(tmp_path, "DNS:other.example")) as said, files_at(said.url, trusting) as files:
        with pytest.raises(Offline, match=r"(?i)mismatch|not valid for"):
            files.list(1)
        assert said.targets == []


@contextmanager
def listening_proxy(heard: bytearray) -> Iterator[str]:
    """Passes one connection on by CONNECT, and writes down all that goes through it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        def passes() -> None:
            with suppress(OSError):
                client, _ = server.accept()
                client.settimeout(BOUND_S)
                heard.extend(client.recv(65536))
                host, _, port = bytes(heard).split()[1].decode().partition(":")
                with client, socket.create_connection((host, int(port)), BOUND_S) as service:
                    client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
                    other = {client: service, service: client}
                    while ready := select.select(list(other), [], [], BOUND_S)[0]:
                        for one in ready:
                            if not (piece := one.recv(65536)):
                                return
                            heard.extend(piece)
                            other[one].sendall(piece)

        thread = threading.Thread(target=passes)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            thread.join(BOUND_S)
            assert not thread.is_alive()


def test_a_proxy_sees_the_hosts_name_and_neither_key_nor_content_of_an_https_service(tmp_path: Path) -> None:
    heard = bytearray()
    with recorder(server_of(tmp_path, "IP:127.0.0.1")) as said, listening_proxy(heard) as proxy:
        environ = {"SSL_CERT_FILE": str(tmp_path / "certificate.pem"), "https_proxy": proxy}
        with files_at(said.url, environ) as files:
            files.list(1)
        assert said.targets == ["/v1/files?beta=true&limit=1"]
    assert heard.startswith(b"CONNECT 127.0.0.1:")
    for secret in (KEY.encode(), b"x-api-key", b"anthropic", b"/v1/files", b"has_more"):
        assert secret not in heard.lower()


def test_the_same_proxy_sees_all_of_a_service_with_http() -> None:
    """So the test above can fail, and so the mount warns of such a base URL."""
    with recorder() as said, socket.create_server(("127.0.0.1", 0)) as server:
        heard = bytearray()

        def hears() -> None:
            client, _ = server.accept()
            with client:
                heard.extend(client.recv(65536))
                client.sendall(b"HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=hears)
        thread.start()
        with files_at(said.url, {"http_proxy": f"http://127.0.0.1:{server.getsockname()[1]}"}) as files, pytest.raises(Exception, match="502"):
            files.list(1)
        thread.join(BOUND_S)
    assert KEY.encode() in heard
