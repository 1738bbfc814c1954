"""The way to the service as the environment says it: what can't be used is one sentence and exit 2, and no password shows anywhere."""

import contextlib
import os
import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from anthrofs.fuse import mountpoint
from tests.mounting import Mount

PASSWORD: str = "s3cret-in-a-url"

# ---- with a mount

@contextlib.contextmanager
def relay(serve: type[socketserver.BaseRequestHandler]) -> Iterator[tuple[str, list[str]]]:
    """A proxy on loopback: its host and port, and whom it was asked for."""
    asked: list[str] = []

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address, daemon_threads = True, True
        hosts = asked

    server = Server(("127.0.0.1", 0), serve)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _pump(here: socket.socket, there: socket.socket) -> None:
    def one_way(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
    back = threading.Thread(target=one_way, args=(there, here), daemon=True)
    back.start()
    one_way(here, there)
    back.join()


class Socks(socketserver.BaseRequestHandler):
    """SOCKS 5, without authentication (RFC 1928)."""

    def handle(self) -> None:
        wire = self.request
        _, count = wire.recv(2)
        wire.recv(count)
        wire.sendall(b"\x05\x00")
        _, _, _, kind = wire.recv(4)
        host = socket.inet_ntoa(wire.recv(4)) if kind == 1 else wire.recv(wire.recv(1)[0]).decode()
        port = struct.unpack("!H", wire.recv(2))[0]
        self.server.hosts.append(f"{host}:{port}")     # type: ignore[attr-defined]
        with socket.create_connection((host, port)) as there:
            wire.sendall(b"\x05\x00\x00\x01" + bytes(6))
            _pump(wire, there)


class Refusing(socketserver.BaseRequestHandler):
    """An HTTP proxy that nobody may use."""

    def handle(self) -> None:
        self.server.hosts.append(self.request.recv(65536).decode("latin-1"))    # type: ignore[attr-defined]
        self.request.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")


def refused(mount: Mount, says: str, changes: dict[str, str], code: int = 2) -> str:
    done = mount.run("mount", "--state-dir", mount.state_dir, mount.path, environment=changes)
    assert (done.returncode, says in done.stderr) == (code, True), done.stderr
    assert not any(word in done.stderr for word in ("Traceback", "before it was ready", PASSWORD, mount.emulator.key))
    assert not mountpoint.is_mounted(mount.path)
    return done.stderr


@pytest.mark.parametrize("kind", ["socks5", "socks5h"])
def test_a_socks_proxy_works(mount: Mount, kind: str) -> None:
    with relay(Socks) as (place, hosts):
        mount.environment["ALL_PROXY"] = f"{kind}://{place}"
        (mount.mount() / "a.txt").write_text("through it")
        mount.umount()
    assert [file["filename"] for file in mount.emulator.files()] == ["a.txt"]
    assert set(hosts) == {mount.emulator.url.removeprefix("http://")}


def test_what_no_proxy_names_is_reached_without_the_proxy(mount: Mount) -> None:
    mount.environment |= {"HTTP_PROXY": "http://127.0.0.1:1", "NO_PROXY": "10.0.0.0/8,[::1],127.0.0.0/8"}
    (mount.mount() / "a.txt").write_text("directly")
    mount.umount()
    assert [file["filename"] for file in mount.emulator.files()] == ["a.txt"]


@pytest.mark.parametrize(("changes", "says"), [
    ({"HTTP_PROXY": f"gopher://me:{PASSWORD}@127.0.0.1"}, "HTTP_PROXY names a proxy of a kind"),
    ({"HTTP_PROXY": "http://127.0.0.1:1", "NO_PROXY": "[::1"}, "NO_PROXY has an entry"),
    ({"SSL_CERT_FILE": "/nowhere/at-all.pem"}, "SSL_CERT_FILE names a file that can't be read (No such file or directory)"),
    ({"SSL_CERT_FILE": "/etc/hostname"}, "SSL_CERT_FILE names a file that holds no certificate"),
    ({"SSL_CERT_FILE": "/"}, "SSL_CERT_FILE names a file that"),
    ({"SSL_CERT_FILE": "", "SSL_CERT_DIR": "/nowhere/at-all"}, "SSL_CERT_DIR names a directory that isn't there"),
])
def test_an_environment_that_cant_be_used_is_a_sentence_and_exit_2(mount: Mount, changes: dict[str, str], says: str) -> None:
    refused(mount, says, changes)
    assert mount.emulator.requests() == []


def test_a_proxy_that_isnt_there_or_refuses_is_named_without_its_password(mount: Mount) -> None:
    with relay(Refusing) as (place, hosts):
        words = refused(mount, f"through the proxy {place}", {"HTTPS_PROXY": f"http://me:{PASSWORD}@{place}",
                                                              "ANTHROPIC_BASE_URL": "https://files.invalid"}, code=1)
        assert "407" in words
        assert "CONNECT files.invalid:443" in hosts[0]
    refused(mount, f"through the proxy {place}", {"HTTP_PROXY": f"http://me:{PASSWORD}@{place}"}, code=1)
    mount.expects("no connection to")
    assert PASSWORD not in mount.log()


def test_the_demo_never_goes_through_a_proxy(mount: Mount) -> None:
    mount.environment |= {"HTTP_PROXY": "http://127.0.0.1:1", "ALL_PROXY": "nonsense://", "SSL_CERT_FILE": "/nowhere"}
    mount.mount("--demo")
    assert mount.status()["online"]
    assert os.listdir(mount.path)


# ---- a password in the service's URL

def test_a_name_and_password_in_the_base_url_are_sent_and_show_nowhere(mount: Mount, tmp_path: Path) -> None:
    place = mount.emulator.url.removeprefix("http://")
    mount.environment["ANTHROPIC_BASE_URL"] = f"http://us%40er:{PASSWORD}@{place}"
    mount.emulator.generate("a.txt", b"a")
    files = mount.mount()
    shown = [mount.ok("status", files), mount.ok("status", "--json", files), mount.log()]
    shown += [os.fsdecode(os.getxattr(path, name)) for path in (files, files / "a.txt") for name in os.listxattr(path)]
    mount.emulator.fault("list", {"kind": "html", "status": 403}, times=-1)
    mount.expects(".*")
    shown += [mount.run("refresh", files).stderr, mount.log(), mount.ok("status", files)]
    mount.emulator.clear_faults()
    mount.umount()
    stored = b"".join(path.read_bytes() for path in mount.state_dir.rglob("*") if path.is_file())

    assert {request["authorization"] for request in mount.emulator.requests()} == {"basic"}
    assert not any(PASSWORD in text for text in shown)
    assert PASSWORD.encode() not in stored


def test_a_state_that_remembers_a_password_in_the_url_is_known_again_and_forgets_it(mount: Mount) -> None:
    import sqlite3

    from anthrofs.config import Credentials, Service
    from anthrofs.sync.workspace import _key_hash
    mount.emulator.switch(identity_headers=False)       # so that only address and key tell whose it is
    place = mount.emulator.url.removeprefix("http://")
    url = f"http://user:{PASSWORD}@{place}"
    mount.environment["ANTHROPIC_BASE_URL"] = url
    files = mount.mount("--upload", "queue")
    mount.emulator.fault("upload", {"kind": "status", "status": 503}, times=-1)
    (files / "mine.txt").write_text("unsent")
    mount.expects("not on the server yet")
    mount.end_now()
    with sqlite3.connect(mount.state_dir / "state.db") as db:       # as the version before wrote it
        hashed = _key_hash(Service(url, Credentials("x-api-key", mount.emulator.key)), url)
        db.execute("UPDATE meta SET value = ? WHERE name = 'base_url'", (url,))
        db.execute("UPDATE meta SET value = ? WHERE name = 'key_hash'", (hashed,))
    db.close()
    mount.emulator.clear_faults()

    mount.mount()
    mount.umount()

    assert [file["filename"] for file in mount.emulator.files()] == ["mine.txt"]
    with sqlite3.connect(mount.state_dir / "state.db") as db:
        assert db.execute("SELECT value FROM meta WHERE name = 'base_url'").fetchone()[0] == mount.emulator.url
    db.close()
