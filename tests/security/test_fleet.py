"""Who holds the store of a fleet, or its board, and lacks the key; and the secrets of a mount that is in one.

Manual, security: 'A fleet's store and board'
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import valkey

from anthrofs.fuse import mountpoint
from tests.fleet.redis_server import RedisServer
from tests.mounting import COMMAND, Mount, wait_until
from tests.security.test_canary import CONTENT, RECORDER, holding

KEY: Final = "8f3c0a6be17d42955b0e9cd1347afe82c6d15e90ab7f23480de16b5ca9f74d03"
PASSWORD: Final = "b0ard-c4n4ry-Lw1Mx2Ny3Oz4Pa5Qb6Rc7Sd8Te9Uf0Vg"
SECRET_KEY: Final = "s3cret-c4n4ry-Fk1Gl2Hm3In4Jo5Kp6Lq7Mr8Ns9Ot0Pu"
SESSION: Final = "s3ssion-c4n4ry-Zv1Yw2Xx3Wy4Vz5Ua6Tb7Sc8Rd9Qe0Pf"
NAME: Final = "n4me-c4n4ry-budget.txt"
SECRETS: Final = (KEY, PASSWORD, SECRET_KEY, SESSION)
BOUND_S: Final = 20.0


def found_in(data: bytes, *more: str) -> list[str]:
    """Secrets in it, in any spelling; a key also as the bytes that it stands for."""
    return holding(data, *SECRETS, *more) + [f"{KEY[:8]}… as bytes" for _ in range(bytes.fromhex(KEY) in data)]


def files_of(*roots: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below those, its path included."""
    for root in roots:
        for path in sorted(root.rglob("*")):
            yield str(path), os.fsencode(path.name)
            if path.is_file() and not path.is_symlink():
                yield str(path), path.read_bytes()


class Home:
    """Machines with one key file, whose mounts are in one fleet; all that their commands say is kept."""

    def __init__(self, base: Path, mount: Mount) -> None:
        self.key = base / "team.key"
        self.key.write_text(f"{KEY}\n")
        self.key.chmod(0o600)
        self.store = base / "store"
        self.store.mkdir()
        self.mount = mount
        self.children = base / "children"
        (base / "bin").mkdir()
        for name in ("fusermount", "fusermount3"):
            real = next((Path(folder) / name for folder in os.environ["PATH"].split(":") if (Path(folder) / name).exists()), None)
            if real is not None:
                (base / "bin" / name).write_text(RECORDER.format(said=self.children, real=real))
                (base / "bin" / name).chmod(0o755)
        mount.environment |= {"PATH": f"{base / 'bin'}:{os.environ['PATH']}", "ANTHROFS_FLEET_KEY_FILE": str(self.key), "ANTHROFS_BOARD_PASSWORD": PASSWORD,
                              "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_SESSION_TOKEN": SESSION,
                              "AWS_REGION": "us-east-1", "AWS_ALLOW_HTTP": "true"}
        self.said = b""

    def runs(self, *arguments: str | Path, **environment: str) -> str:
        done = self.mount.run(*arguments, environment=environment)
        self.said += (done.stdout + done.stderr).encode()
        return done.stdout + done.stderr

    def mounts(self, *options: str, **environment: str) -> str:
        return self.runs("mount", "--state-dir", self.mount.state_dir, *options, self.mount.path, **environment)

    def looks(self) -> None:
        """What people ask of a mount, and what everybody on the machine sees of it."""
        for arguments in (("status",), ("status", "--json", self.mount.path), ("fleet", "status", self.mount.path), ("fleet", "status", "--json"),
                          ("ls", self.mount.path)):
            self.runs(*arguments)
        self.said += json.dumps(self.mount.status()).encode()
        folder = Path(f"/proc/{self.mount.pid()}")
        for name in ("cmdline", "comm", "status", "maps"):
            self.said += (folder / name).read_bytes()

    def found(self) -> list[str]:
        """Secrets in what was said, in what the children were given, and in the state."""
        places = [("what was said", self.said), *files_of(self.mount.state_dir)]
        if self.children.exists():
            places.append(("fusermount", self.children.read_bytes()))
        return [f"{place}: {what}" for place, data in places for what in found_in(data)]


@pytest.fixture
def home(mount: Mount, tmp_path: Path) -> Home:
    mount.expects(".*")
    return Home(tmp_path, mount)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path / "redis", "--requirepass", PASSWORD) as server:
        yield server


# ---- whoever reads what is there

def notes_of(url: str) -> bytes:
    """All that the board holds, as it lies there."""
    found = b""
    with valkey.Valkey.from_url(url, password=PASSWORD) as client:
        for name in client.scan_iter():
            found += name + b"\n" + (client.dump(name) or b"") + b"\n"
            kind = client.type(name)
            if kind == b"hash":
                found += b"\n".join(field + b" " + value for field, value in client.hgetall(name).items())
            elif kind == b"stream":
                found += repr(client.xrange(name)).encode()
    return found


def test_who_reads_store_and_board_learns_no_content_no_name_and_no_id(home: Home, redis: RedisServer) -> None:
    """Manual, fleet: 'contents and notes are sealed'"""
    home.mounts("--store", f"file://{home.store}", "--board", redis.url, "--upload", "wait")
    assert mountpoint.is_mounted(home.mount.path)
    made = home.mount.emulator.generate(f"made-{NAME}", CONTENT.encode() * 100)
    home.mount.refresh()
    assert (home.mount.path / f"made-{NAME}").read_bytes() == CONTENT.encode() * 100
    (home.mount.path / NAME).write_text(CONTENT * 100)
    mine = home.mount.ok("id", home.mount.path / NAME).strip()
    home.mount.ok("sync", home.mount.path)
    wait_until(lambda: home.mount.status()["fleet"]["board"].get("mounts"), "it is on the roll")

    stored = list(files_of(home.store))
    assert stored
    hidden = (CONTENT, NAME, made["id"], mine, str(home.mount.path))
    assert [f"{path}: {what}" for path, data in stored for what in found_in(data, *hidden)] == []
    notes = notes_of(redis.url)
    assert b"anthrofs:1:" in notes
    assert found_in(notes, *hidden) == []


# ---- secrets

def test_the_secrets_of_a_fleet_are_nowhere(home: Home, redis: RedisServer) -> None:
    options = ("--store", f"file://{home.store}", "--board", redis.url)
    assert "anthrofs:" in home.mounts("--store", "s3://bucket/p", "--board", f"redis://:{PASSWORD}@127.0.0.1:{redis.port}")
    assert "anthrofs:" in home.mounts(ANTHROFS_STORE=f"s3://id:{SECRET_KEY}@bucket")
    home.runs("fleet", "check", "--store", options[1])
    home.runs("fleet", "check", "--store", f"s3://id:{SECRET_KEY}@bucket")
    home.mounts("--store", f"file://{home.store}", ANTHROFS_BOARD=f"redis://:{PASSWORD}@127.0.0.1:{redis.port}")
    assert mountpoint.is_mounted(home.mount.path)
    (home.mount.path / "mine.txt").write_text("mine")
    wait_until(lambda: home.mount.status()["fleet"]["board"].get("mounts"), "it is on the roll")
    home.looks()
    home.mount.kill()
    home.mounts(*options, "--upload", "queue")
    home.looks()
    home.runs("umount", home.mount.path)
    home.runs("check", "--state-dir", home.mount.state_dir)
    assert home.children.read_bytes()           # it was asked, and what it was given is among what is searched
    assert home.found() == []


ENVIRON: Final = """
import os
from anthrofs.cli import commands
from anthrofs.daemon import mount
mount.Mount.run = lambda self: os.system("env") and 1
commands.main()
"""


def test_the_program_that_libfuse_starts_gets_no_secret_of_a_fleet(home: Home) -> None:
    environment = {**home.mount.environment, "ANTHROFS_STORE": f"file://{home.store}", "ANTHROFS_BOARD": f"redis://:{PASSWORD}@127.0.0.1:1",
                   "AZURE_STORAGE_ACCOUNT_KEY": SECRET_KEY, "GOOGLE_SERVICE_ACCOUNT_KEY": SECRET_KEY}
    done = subprocess.run([sys.executable, "-c", ENVIRON, "mount", "--foreground", "--state-dir", str(home.mount.state_dir), str(home.mount.path)],
                          env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert f"PATH={environment['PATH']}\n" in done.stdout
    assert found_in(done.stdout.encode()) == []


def test_the_command_that_checks_a_fleet_leaves_no_core(home: Home) -> None:
    held = threading.Event()

    def hold(_connection: socket.socket) -> None:
        held.wait(BOUND_S)

    with server(hold) as port:
        environment = {**home.mount.environment, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
        with subprocess.Popen(["prlimit", "--core=unlimited", "--", *COMMAND, "fleet", "check", "--store", "s3://bucket/p"], env=environment,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as asking:
            wait_until(lambda: any(line.startswith("Max core") and line.split()[4:6] == ["0", "0"]
                                   for line in Path(f"/proc/{asking.pid}/limits").read_text().splitlines()), "it may leave no core")
            held.set()
            assert asking.wait(60) != 0


def test_a_wrong_password_is_said_and_not_quoted(home: Home, redis: RedisServer) -> None:
    wrong = f"{PASSWORD}wrong"
    home.mounts("--board", redis.url, ANTHROFS_BOARD_PASSWORD=wrong)
    assert mountpoint.is_mounted(home.mount.path)
    wait_until(lambda: home.mount.status()["fleet"]["board"].get("away_since"), "it is known to be away")
    home.looks()
    assert "BOARD AWAY" in home.runs("status", home.mount.path)
    assert home.found() == []


# ---- engines that repeat what they were sent

@contextlib.contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """Yields the port of one that answers each connection so."""
    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                connection.settimeout(BOUND_S)
                with connection, contextlib.suppress(OSError):
                    answer(connection)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(BOUND_S)
            assert not thread.is_alive()


def quoting_board(connection: socket.socket) -> None:
    while sent := connection.recv(65536):
        words = sent.decode(errors="replace").replace("\r\n", " ")
        connection.sendall(f"-ERR what is this: {words}\r\n".encode() * max(1, sent.count(b"*")))


def quoting_store(connection: socket.socket) -> None:
    head = b""
    while b"\r\n\r\n" not in head and (sent := connection.recv(65536)):
        head += sent
    body = f"<Error><Code>AccessDenied</Code><Message>{head.decode(errors='replace')} {SECRET_KEY}</Message></Error>".encode()
    connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/xml\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def test_a_board_that_repeats_the_password_makes_nobody_write_it_down(home: Home) -> None:
    with server(quoting_board) as port:
        home.mounts("--board", f"redis://127.0.0.1:{port}")
        assert mountpoint.is_mounted(home.mount.path)
        wait_until(lambda: home.mount.status()["fleet"]["board"].get("away_since"), "it is known to be away")
        home.looks()
        home.runs("umount", home.mount.path)
    assert home.found() == []


def test_a_store_that_repeats_the_credentials_makes_nobody_write_them_down(home: Home) -> None:
    with server(quoting_store) as port:
        address: dict[str, Any] = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
        assert "anthrofs:" in home.runs("fleet", "check", "--store", "s3://bucket/p", **address)
        home.mounts("--store", "s3://bucket/p", **address)
        if mountpoint.is_mounted(home.mount.path):
            (home.mount.path / "mine.txt").write_text("mine")
            home.looks()
            home.runs("umount", home.mount.path)
    assert home.found() == []
