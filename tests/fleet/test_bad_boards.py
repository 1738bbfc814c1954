"""A board that can't be used, on real mounts: everything goes on as without one, nothing hangs, one line says what is the matter, and one
when it is over.
"""

import contextlib
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.emulator.process import EmulatorProcess
from tests.fleet.redis_server import RedisServer
from tests.fleet.team import Team, board_of, finish_all
from tests.fleet.wires import Wire
from tests.mounting import Mount, stored, wait_until

PASSWORD = "not-for-the-log"


@pytest.fixture
def team(emulator: EmulatorProcess, tmp_path: Path) -> Iterator[Team]:
    made = Team(tmp_path, emulator, "")
    with contextlib.ExitStack() as stack:
        stack.push(lambda *_: finish_all(made.mounts))
        yield made


def works(mount: Mount, name: str = "file") -> None:
    """It writes, lists, reads what is new, and deletes."""
    generated = mount.emulator.generate(f"{name}-made.txt", b"made")
    (mount.path / f"{name}.txt").write_text("kept")
    assert stored(mount)[f"{name}.txt"] == b"kept"
    assert (mount.path / f"{name}.txt").read_text() == "kept"
    mount.refresh()
    assert (mount.path / f"{name}-made.txt").read_text() == "made", generated
    (mount.path / f"{name}.txt").unlink()
    mount.sync()
    assert f"{name}.txt" not in stored(mount)


def said(mount: Mount, words: str) -> list[str]:
    return [line for line in mount.log().splitlines() if re.search(words, line)]


def is_away(mount: Mount, why: str, known: str = "") -> None:
    """The board is away from the beginning, for that reason, which is said once; the mount works all the same."""
    mount.expects(r"WARNING anthrofs.fleet.rest: the board \S+ is away: ")
    wait_until(lambda: said(mount, "the board .* is away"), "it is said")
    works(mount)
    assert re.search(why, board_of(mount)["why"]), board_of(mount)
    assert len(said(mount, "the board .* is away")) == 1
    assert board_of(mount)["away_since"] > 0
    assert not known or known not in mount.log() + str(mount.status())


# ---- from the beginning

def test_nobody_answers_there(team: Team, tmp_path: Path) -> None:
    server = RedisServer(tmp_path / "redis")        # it isn't started yet
    mount = team.mount(url=server.url)
    is_away(mount, "refused")
    with server:
        mount.expects("the board .* answers again")
        wait_until(lambda: said(mount, "answers again"), "the board is found by itself")
        wait_until(lambda: board_of(mount).get("mounts") == 1, "and used")
        works(mount, "again")
        assert len(said(mount, "the board .* is away")) == len(said(mount, "the board .* answers again")) == 1


def test_no_host_of_that_name(team: Team) -> None:
    mount = team.mount(url="valkey://no-such-host.invalid:6379/0")
    is_away(mount, "Name or service|name resolution|no address|No address")


@pytest.mark.parametrize("password", ["", PASSWORD + "-wrong"], ids=["none", "wrong"])
def test_a_password_that_is_missing_or_wrong(team: Team, tmp_path: Path, password: str) -> None:
    with RedisServer(tmp_path / "redis", "--requirepass", PASSWORD) as redis:
        is_away(team.mount(url=redis.url, password=password), "[Aa]uth|password|NOAUTH", known=PASSWORD)


def test_the_right_password_is_used_and_told_to_nobody(team: Team, tmp_path: Path) -> None:
    with RedisServer(tmp_path / "redis", "--requirepass", PASSWORD) as redis:
        mount = team.mount(url=redis.url, password=PASSWORD)
        wait_until(lambda: board_of(mount).get("mounts") == 1, "it is used")
        works(mount)
        told = mount.log() + str(mount.status()) + Path(f"/proc/{mount.pid()}/cmdline").read_text()
        assert PASSWORD not in told
        mount.umount()


def test_a_user_who_may_not(team: Team, tmp_path: Path) -> None:
    with RedisServer(tmp_path / "redis", "--user", "guest", "on", f">{PASSWORD}", "~anthrofs:*", "+@read") as redis:
        mount = team.mount(url=redis.url.replace("//", "//guest@"), password=PASSWORD)
        is_away(mount, "permission|NOPERM", known=PASSWORD)


def test_a_database_that_it_does_not_have(team: Team, tmp_path: Path) -> None:
    with RedisServer(tmp_path / "redis", "--databases", "2") as redis:
        is_away(team.mount(url=redis.url.removesuffix("0") + "7"), "DB index|[Dd]atabase")


def test_a_replica_that_takes_no_writes(team: Team, tmp_path: Path) -> None:
    with RedisServer(tmp_path / "first") as first, RedisServer(tmp_path / "replica", "--replicaof", f"127.0.0.1 {first.port}") as replica:
        is_away(team.mount(url=replica.url), "read only replica")


def test_a_server_of_something_else(team: Team, emulator: EmulatorProcess) -> None:
    is_away(team.mount(url=f"redis://127.0.0.1:{emulator.client.base_url.port}/0"), ".")


def test_a_server_that_is_full(team: Team, tmp_path: Path) -> None:
    with RedisServer(tmp_path / "redis", "--maxmemory", "1", "--maxmemory-policy", "noeviction") as redis:
        is_away(team.mount(url=redis.url), "maxmemory|OOM")


def test_a_server_that_drops_what_it_likes(team: Team, tmp_path: Path) -> None:
    """Nothing depends on a key that is gone the next moment."""
    with RedisServer(tmp_path / "redis", "--maxmemory", "1500kb", "--maxmemory-policy", "allkeys-random") as redis:
        mounts = [team.mount("--refresh", "1", url=redis.url) for _ in range(2)]
        with redis.client() as client:
            for number in range(20):
                with contextlib.suppress(Exception):       # it is full of this, and drops other things
                    client.set(f"ballast:{number}", os.urandom(200_000))
                client.delete(*(client.keys("anthrofs:*") or ["none"]))
                if number % 5 == 0:
                    works(mounts[number % 2], f"file-{number}")
        for mount in mounts:
            mount.expects(r"the board \S+ is away: .*(maxmemory|OOM)", "the board .* answers again")


# ---- TLS

@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a server on this machine, and of one that is called otherwise; each vouches for itself."""
    place = tmp_path_factory.mktemp("certificates")
    for name, alternative in (("right", "IP:127.0.0.1"), ("other", "DNS:another.example")):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.pem", "-days", "2",
                        "-subj", f"/CN={name}", "-addext", f"subjectAltName={alternative}"], cwd=place, check=True, capture_output=True, timeout=60)
    return place


def of_tls(place: Path, certificates: Path, name: str) -> RedisServer:
    server = RedisServer(place, "--tls-cert-file", str(certificates / f"{name}.pem"), "--tls-key-file", str(certificates / f"{name}.key"),
                         "--tls-auth-clients", "no", "--tls-ca-cert-file", str(certificates / f"{name}.pem"))
    return server.of_tls()


def test_a_certificate_that_is_trusted_is_enough(team: Team, tmp_path: Path, certificates: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates / "right.pem"))
    with of_tls(tmp_path / "redis", certificates, "right") as redis:
        mount = team.mount(url=redis.url)
        wait_until(lambda: board_of(mount).get("mounts") == 1, "it is used")
        works(mount)
        mount.umount()


@pytest.mark.parametrize("trusted", ["no", "of another host"])
def test_a_certificate_that_nobody_vouches_for_or_of_another_host(team: Team, tmp_path: Path, certificates: Path, monkeypatch: pytest.MonkeyPatch,
                                                                   trusted: str) -> None:
    name = "right" if trusted == "no" else "other"
    if trusted != "no":
        monkeypatch.setenv("SSL_CERT_FILE", str(certificates / "other.pem"))
    with of_tls(tmp_path / "redis", certificates, name) as redis:
        is_away(team.mount(url=redis.url), "certificate verify failed")


def test_tls_where_there_is_none_and_none_where_it_is_wanted(team: Team, tmp_path: Path, certificates: Path) -> None:
    with RedisServer(tmp_path / "plain") as plain, of_tls(tmp_path / "tls", certificates, "right") as tls:
        is_away(team.mount(url=plain.url.replace("redis://", "rediss://")), ".")
        is_away(team.mount(url=tls.url.replace("rediss://", "redis://")), ".")


# ---- in the middle

@pytest.fixture
def wire(tmp_path: Path) -> Iterator[tuple[Wire, RedisServer]]:
    with RedisServer(tmp_path / "redis") as redis, Wire("127.0.0.1", redis.port) as made:
        yield made, redis


@pytest.mark.parametrize("mishap", ["silent", "cut", "flipped", "slow", "refused", "lost"])
def test_a_way_to_the_board_that_breaks_is_missed_by_nobody_and_mended_by_itself(team: Team, wire: tuple[Wire, RedisServer], mishap: str) -> None:
    way, _ = wire
    mounts = [team.mount("--refresh", "1", url=f"redis://127.0.0.1:{way.port}/0") for _ in range(2)]
    for mount in mounts:
        mount.expects("the board .* is away", "the board .* answers again")
    wait_until(lambda: all(board_of(mount).get("mounts", 0) >= 1 for mount in mounts), "the board is used")
    {"silent": way.silence, "cut": way.cut, "flipped": way.flip, "slow": lambda: way.slow(20), "refused": way.refuse, "lost": way.lose}[mishap]()
    for number, mount in enumerate(mounts):
        works(mount, f"without-{number}")
    way.mend()
    wait_until(lambda: all("away_since" not in board_of(mount) for mount in mounts), "the board is back")
    for number, mount in enumerate(mounts):
        works(mount, f"with-{number}")
        # A flipped byte may make sense: then nobody notices, and nobody is harmed. All others are told of, and once each time.
        assert mishap == "flipped" or said(mount, "the board .* is away")
        assert len(said(mount, "the board .* is away")) == len(said(mount, "the board .* answers again"))


def test_a_server_that_stops_without_a_word_is_missed_by_nobody(team: Team, tmp_path: Path) -> None:
    with RedisServer(tmp_path / "redis") as redis:
        mount = team.mount("--refresh", "1", url=redis.url)
        mount.expects("the board .* is away", "the board .* answers again")
        wait_until(lambda: board_of(mount).get("mounts") == 1, "the board is used")
        redis.signal(signal.SIGSTOP)
        works(mount)
        wait_until(lambda: said(mount, "the board .* is away: .*[Tt]ime"), "it is said")
        redis.signal(signal.SIGCONT)
        wait_until(lambda: said(mount, "answers again"), "the board is found by itself")
        works(mount, "again")


def test_a_server_that_stops_does_not_keep_a_mount_from_ending(team: Team, tmp_path: Path) -> None:
    with RedisServer(tmp_path / "redis") as redis:
        mount = team.mount(url=redis.url)
        mount.expects("the board .* is away")
        wait_until(lambda: board_of(mount).get("mounts") == 1, "the board is used")
        redis.signal(signal.SIGSTOP)
        (mount.path / "last.txt").write_text("kept")
        mount.umount()
        assert stored(mount)["last.txt"] == b"kept"


def test_a_server_that_starts_anew_with_nothing_in_it_costs_nothing(team: Team, tmp_path: Path) -> None:
    with RedisServer(tmp_path / "redis") as redis:
        mounts = [team.mount("--refresh", "1", url=redis.url) for _ in range(2)]
        for mount in mounts:
            mount.expects("the board .* is away", "the board .* answers again")
        for number in range(3):
            for mount in mounts:
                works(mount, f"file-{number}")
            redis.restart()
        wait_until(lambda: all(board_of(mount).get("mounts") == 2 for mount in mounts), "they are there again")


def test_a_server_that_sends_a_byte_now_and_then_is_silent(team: Team, tmp_path: Path) -> None:
    """An answer that never ends holds nobody up: its whole has a bound."""
    with socket.create_server(("127.0.0.1", 0)) as listener, contextlib.ExitStack() as stack:
        port = listener.getsockname()[1]
        child = subprocess.Popen(["python3", "-c", DRIPS, str(listener.fileno())], pass_fds=[listener.fileno()])
        stack.callback(child.wait, 10)
        stack.callback(child.kill)
        is_away(team.mount(url=f"redis://127.0.0.1:{port}/0"), "[Tt]ime")


DRIPS = """
import socket, sys, threading, time
def drip(one):
    try:
        one.recv(1)
        one.sendall(b"$1000000\\r\\n")
        while True:
            time.sleep(0.1)
            one.sendall(b"x")
    except OSError:
        pass
listener = socket.socket(fileno=int(sys.argv[1]))
while True:
    threading.Thread(target=drip, args=(listener.accept()[0],), daemon=True).start()
"""
