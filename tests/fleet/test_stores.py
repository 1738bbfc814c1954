"""Real object stores: what each does with a fleet's calls, and what a mount and `anthrofs fleet check` say of each that can't be used.

A directory is in every run; Ceph's S3 gateway and Azurite are those of scripts/test fleet.
"""

import json
import os
import random
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest

from anthrofs.clock import Clock
from anthrofs.errors import EXIT_AUTH, EXIT_FAILED, EXIT_USAGE, NotStored, StoreRefuses
from anthrofs.fleet import keys
from anthrofs.fleet.keys import FleetKeys
from anthrofs.fleet.membership import Scope
from anthrofs.fleet.objects import Objects, objects_of
from anthrofs.fleet.seal import CHUNK_BYTES
from anthrofs.fleet.shelf import Shelf
from anthrofs.fuse import mountpoint
from anthrofs.model import FileId
from tests.fleet.azurite_server import Azurite
from tests.fleet.ceph import Ceph
from tests.fleet.redis_server import RedisServer
from tests.mounting import BOUND_S, COMMAND, Mount, wait_until

KINDS: Final = ["file", pytest.param("s3", marks=pytest.mark.fleet), pytest.param("az", marks=pytest.mark.fleet)]
LARGE: Final = random.Random(15).randbytes(3 * CHUNK_BYTES + 17)
EARLY: Final = (b"<LifecycleConfiguration><Rule><ID>early</ID><Prefix></Prefix><Status>Enabled</Status><Expiration><Days>3</Days></Expiration></Rule>"
                b"</LifecycleConfiguration>")
# Another user may look and read, and no more.
READERS: Final = json.dumps({"Version": "2012-10-17", "Statement": [{
    "Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam:::user/reader"]}, "Action": ["s3:GetObject", "s3:ListBucket"],
    "Resource": ["arn:aws:s3:::readable", "arn:aws:s3:::readable/*"]}]}).encode()


class Store:
    """One that a team has: an address, and the environment of whoever may use it."""

    def __init__(self, url: str, environment: Mapping[str, str]) -> None:
        self.url = url
        self.environment = dict(environment)

    def objects(self, monkeypatch: pytest.MonkeyPatch) -> Objects:
        for name, value in self.environment.items():
            monkeypatch.setenv(name, value)
        return objects_of(self.url, Clock())


@pytest.fixture(scope="module")
def ceph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ceph]:
    with Ceph(tmp_path_factory.mktemp("ceph")) as one:
        one.make_bucket("team")
        yield one


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with Azurite(tmp_path_factory.mktemp("azurite")) as one:
        one.make_container("team")
        yield one


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Of each kind, with a place of its own for this test."""
    if request.param == "file":
        (tmp_path / "team").mkdir()
        return Store(f"file://{tmp_path}/team", {})
    server: Ceph | Azurite = request.getfixturevalue("ceph" if request.param == "s3" else "azurite")
    return Store(f"{request.param}://team/{tmp_path.name}", server.environment)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "team.key"
    path.write_text(keys.new_line())
    path.chmod(0o600)
    return path


def checked(store: Store, key: Path, *before: str) -> subprocess.CompletedProcess[str]:
    """`anthrofs fleet check`, by another program that starts it, if need be."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "AZURE_"))}
    return subprocess.run([*before, *COMMAND, "fleet", "check", "--store", store.url, "--fleet-key", str(key)], env={**environment, **store.environment},
                          capture_output=True, text=True, timeout=BOUND_S, check=False)


def refused(mount: Mount, store: Store, key: Path, *, code: int, said: str) -> None:
    """Neither the check nor a mount gets on with it, and both say why in one sentence."""
    mount.environment |= store.environment
    done = mount.run("mount", "--state-dir", mount.state_dir, "--store", store.url, "--fleet-key", key, mount.path)
    assert (done.returncode, done.stderr) == (code, f"anthrofs: The store can't be used: {store.url}: {said}.\n")
    assert not mountpoint.is_mounted(mount.path)
    done = checked(store, key)
    assert (done.returncode, done.stderr) == (code, f"anthrofs: The store can't be used: {store.url}: {said}.\n")
    mount.expects(r"the store \S+ refuses \w+: ", r"The store can't be used: ")


def test_check_finds_it_fit_and_leaves_nothing(store: Store, key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = checked(store, key)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert len(done.stdout.splitlines()) == 7
    assert list(store.objects(monkeypatch).list("1")) == []


def test_a_file_comes_back_from_it_whole_and_goes_from_it_whole(store: Store, key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf(store.objects(monkeypatch), keys.read(key), lambda: Scope("o", "w"))
    large, empty = FileId("file_large"), FileId("file_empty")
    shelf.put(large, len(LARGE), lambda offset, size: LARGE[offset:offset + size], create=True)
    shelf.put(empty, 0, lambda _offset, _size: b"", create=False)
    assert b"".join(shelf.chunk(large, number).data for number in range(4)) == LARGE
    assert shelf.chunk(empty, 0).size_bytes == 0
    assert shelf.known([large, empty, FileId("file_other")]) == {large, empty}
    shelf.remove(large)
    assert shelf.known([large, empty]) == {empty}
    with pytest.raises(NotStored):
        shelf.chunk(large, 0)


def test_of_many_that_create_one_object_one_does(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = store.objects(monkeypatch)
    with ThreadPoolExecutor(12) as pool:
        for race in range(5):
            created = list(pool.map(lambda number, race=race: objects.put(f"1/race/{race}", b"%d" % number, create=True), range(12)))
            assert created.count(True) == 1
            assert objects.get(f"1/race/{race}") == b"%d" % created.index(True)


def test_a_mount_begins_with_it_and_leaves_no_probe(store: Store, key: Path, mount: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    mount.environment |= store.environment
    mount.mount("--store", store.url, "--fleet-key", str(key))
    assert list(store.objects(monkeypatch).list("1")) == []
    found = mount.status()["fleet"]["store"]
    assert (found["address"], found["away_since"], found["refused"]) == (store.url, None, None)
    assert found["answers_s"] > 0
    for value in store.environment.values():        # nothing of it is in what it said
        assert len(value) < 12 or value not in mount.log()


def test_a_wrong_key_is_said_when_a_mount_begins(store: Store, key: Path, mount: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    other = FleetKeys([b"o" * 32])
    store.objects(monkeypatch).put(f"1/{other.ids[0]}/w/f/0", b"x", create=True)
    mount.environment |= store.environment
    mount.mount("--store", store.url, "--fleet-key", str(key))
    mount.expects(f"the store has files of the keys {other.ids[0]}, and none of this mount's")
    assert "sees nothing of the others'" in mount.log()
    done = checked(store, key)
    assert done.returncode == EXIT_FAILED
    assert f"and of {other.ids[0]}, which isn't known here" in done.stdout


def test_b_reads_from_it_what_a_has_uploaded_and_no_byte_that_was_changed_there(store: Store, key: Path, mount: Mount, tmp_path: Path,
                                                                               monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a board: two refreshes later at most. The service is asked for no content."""
    other = Mount(tmp_path / "b", mount.emulator)
    for one in (mount, other):
        one.environment |= store.environment
        one.mount("--store", store.url, "--fleet-key", str(key))
    objects = store.objects(monkeypatch)

    def share(name: str) -> Path:
        (mount.path / name).write_bytes(LARGE)
        mount.sync()
        other.refresh()
        wait_until((other.path / name).exists, "B shows it")
        wait_until(lambda: os.getxattr(other.path / name, "user.anthropic.shared") == b"true", "B knows that it can be read")
        return other.path / name
    try:
        assert share("large.bin").read_bytes() == LARGE
        before = {each.path for each in objects.list("1")}
        changed = share("changed.bin")
        chunk = next(each.path for each in objects.list("1") if each.path not in before and each.path.endswith("/2"))
        body = bytearray(objects.get(chunk))
        body[len(body) // 2] ^= 1
        objects.put(chunk, bytes(body), create=False)
        with pytest.raises(PermissionError):
            changed.read_bytes()
        assert "isn't right in the store, and that isn't used" in other.log()
        other.expects("isn't right in the store")
        assert mount.emulator.requests("download") == []
    finally:
        other.finish()


# ---- a board

def test_check_finds_a_board_fit(tmp_path: Path, key: Path) -> None:
    with RedisServer(tmp_path / "redis") as redis:
        done = subprocess.run([*COMMAND, "fleet", "check", "--board", redis.url, "--fleet-key", str(key)], capture_output=True, text=True, timeout=BOUND_S,
                              check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert [line[:4] for line in done.stdout.splitlines()] == ["good"] * 3
    done = subprocess.run([*COMMAND, "fleet", "check", "--board", redis.url, "--fleet-key", str(key)], capture_output=True, text=True, timeout=BOUND_S,
                          check=False)
    assert (done.returncode, done.stdout) == (EXIT_FAILED, "")
    assert done.stderr.startswith("anthrofs: The board can't be used: ")
    assert done.stderr.count("\n") == 1


# ---- garbage

def test_gc_removes_what_the_workspace_has_no_more(mount: Mount, tmp_path: Path, key: Path) -> None:
    team = tmp_path / "team"
    team.mkdir()
    mount.mount("--store", f"file://{team}", "--fleet-key", str(key))
    for name in ("a.txt", "b.txt"):
        (mount.path / name).write_text(name)
    mount.sync()
    named = mount.status()["fleet"]["workspace"].split("/")
    shelf = Shelf(objects_of(f"file://{team}", Clock()), keys.read(key), lambda: Scope(*named))

    def leave(*ids: str) -> None:
        """Files of others, deleted when nobody of the fleet was there, eight days ago."""
        for file_id in ids:
            shelf.put(FileId(file_id), 3, lambda _offset, size: bytes(size), create=False)
    leave("file_gone")
    assert mount.ok("fleet", "gc", mount.path) == "3 files in the store, 0 of them of no file of the workspace: 0 removed, 0 B; 1 more are too young\n"
    age(team)
    assert "1 of them of no file of the workspace: they would be removed" in mount.ok("fleet", "gc", "--dry-run", mount.path)
    assert len(list(team.rglob("0"))) == 3
    told = json.loads(mount.ok("fleet", "gc", "--json", mount.path))
    assert (told["files"], told["unknown"], told["removed"]) == (3, 1, 1)
    assert len(list(team.rglob("0"))) == 2
    leave("file_gone_1", "file_gone_2", "file_gone_3")
    age(team)
    done = mount.run("fleet", "gc", mount.path)
    assert (done.returncode, done.stdout) == (EXIT_FAILED, "")
    assert done.stderr.startswith("anthrofs: 3 of the 5 files in the store are of none of the workspace's: that is most of it")
    assert len(list(team.rglob("0"))) == 5
    mount.ok("fleet", "gc", "--accept", mount.path)
    assert len(list(team.rglob("0"))) == 2


def age(team: Path) -> None:
    then_s = time.time() - 8 * 86400
    for path in team.rglob("0"):
        os.utime(path, (then_s, then_s))


def test_gc_needs_a_store(mount: Mount, key: Path) -> None:
    mount.expects("the board redis://127.0.0.1:1 is away")
    mount.mount("--board", "redis://127.0.0.1:1", "--fleet-key", str(key))
    done = mount.run("fleet", "gc", mount.path)
    assert (done.returncode, done.stderr) == (EXIT_FAILED, "anthrofs: this mount's fleet has no store: mount it with --store\n")


# ---- a directory that can't be used

def test_a_directory_that_isnt_there_is_refused(mount: Mount, tmp_path: Path, key: Path) -> None:
    refused(mount, Store(f"file://{tmp_path}/nothere", {}), key, code=EXIT_USAGE, said=f"there is no directory {tmp_path}/nothere")


@pytest.mark.root
def test_a_full_directory_takes_nothing_and_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "team").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(tmp_path / "team")], check=True, timeout=BOUND_S)
    try:
        objects = Store(f"file://{tmp_path}/team", {}).objects(monkeypatch)
        objects.put("1/x", b"here", create=True)
        with pytest.raises(StoreRefuses, match="it is full"):
            objects.put("1/y", bytes(2**20), create=True)
        assert objects.get("1/x") == b"here"
        assert [each.path for each in objects.list("1")] == ["1/x"]
        assert objects.put("1/z", b"fits", create=True)
    finally:
        subprocess.run(["umount", str(tmp_path / "team")], check=True, timeout=BOUND_S)


@pytest.mark.root
def test_a_read_only_directory_is_a_read_only_store(mount: Mount, tmp_path: Path, key: Path) -> None:
    (tmp_path / "team").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(tmp_path / "team")], check=True, timeout=BOUND_S)
    try:
        mount.mount("--store", f"file://{tmp_path}/team", "--fleet-key", str(key))
        assert "this mount reads from the store, and can't put anything there" in mount.log()
        mount.expects("this mount reads from the store, and can't put anything there", "the store .* refuses puts")
        mount.umount()
    finally:
        subprocess.run(["umount", str(tmp_path / "team")], check=True, timeout=BOUND_S)


# ---- a store that doesn't answer

@pytest.mark.parametrize("how", ["refuses", "is silent"])
def test_a_store_that_doesnt_answer_stops_no_mount(mount: Mount, key: Path, how: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        if how == "refuses":
            silent.close()
        mount.environment |= {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "s3cret-Zq8", "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
        mount.emulator.generate("hello.txt", b"hello")
        mount.mount("--store", "s3://team/x", "--fleet-key", str(key))
        mount.expects("the store s3://team/x is away: ")
        assert (mount.path / "hello.txt").read_bytes() == b"hello"
        mount.umount()
        assert "s3cret" not in mount.log()
        assert mount.log().count("is away") <= 1            # the look's end, if it has come to one


# ---- S3 that can't be used

@pytest.mark.fleet
def test_a_bucket_that_isnt_there_is_refused(ceph: Ceph, mount: Mount, key: Path) -> None:
    refused(mount, Store("s3://nothere/x", ceph.environment), key, code=EXIT_USAGE, said="there is no such bucket")


@pytest.mark.fleet
@pytest.mark.parametrize(("name", "said"), [("AWS_SECRET_ACCESS_KEY", "it doesn't accept the credentials"),
                                            ("AWS_ACCESS_KEY_ID", "it doesn't know the credentials")])
def test_wrong_credentials_are_refused(ceph: Ceph, mount: Mount, key: Path, name: str, said: str) -> None:
    refused(mount, Store("s3://team/x", {**ceph.environment, name: "wr0ng-Zq8"}), key, code=EXIT_AUTH, said=said)
    assert "wr0ng" not in mount.log()


@pytest.mark.fleet
def test_somebody_elses_bucket_is_refused(ceph: Ceph, mount: Mount, key: Path) -> None:
    name, secret = ceph.make_user("stranger")
    refused(mount, Store("s3://team/x", {**ceph.environment, "AWS_ACCESS_KEY_ID": name, "AWS_SECRET_ACCESS_KEY": secret}), key, code=EXIT_AUTH,
            said="the credentials may not do this")


@pytest.mark.fleet
def test_a_clock_that_is_off_by_ten_minutes_is_said_and_by_twenty_is_refused(ceph: Ceph, key: Path) -> None:
    done = checked(Store("s3://team/clock", ceph.environment), key, "faketime", "-f", "-10m")
    assert done.returncode == EXIT_FAILED
    assert "BAD   this machine's clock and the store's are 10 minutes apart: S3 refuses from 15 on\n" in done.stdout
    done = checked(Store("s3://team/clock", ceph.environment), key, "faketime", "-f", "-20m")
    assert (done.returncode, done.stderr) == (EXIT_FAILED, "anthrofs: The store can't be used: s3://team/clock: this machine's clock is wrong, or the store's.\n")


@pytest.mark.fleet
def test_a_lifecycle_rule_that_deletes_too_early_is_said(ceph: Ceph, key: Path) -> None:
    ceph.make_bucket("early")
    status, body = ceph.asked("PUT", "/early", query="lifecycle", body=EARLY)
    assert status == 200, body
    done = checked(Store("s3://early/x", ceph.environment), key)
    assert done.returncode == EXIT_FAILED
    (bad,) = [line for line in done.stdout.splitlines() if line.startswith("BAD")]
    assert bad.startswith("BAD   a rule of the store deletes what is put there after ")


@pytest.mark.fleet
def test_a_user_who_may_only_read_has_a_read_only_mount(ceph: Ceph, mount: Mount, key: Path) -> None:
    name, secret = ceph.make_user("reader")
    ceph.make_bucket("readable")
    status, body = ceph.asked("PUT", "/readable", query="policy", body=READERS)
    assert status in (200, 204), body
    mount.environment |= {**ceph.environment, "AWS_ACCESS_KEY_ID": name, "AWS_SECRET_ACCESS_KEY": secret}
    mount.mount("--store", "s3://readable/x", "--fleet-key", str(key))
    mount.expects("this mount reads from the store, and can't put anything there: .*the credentials may not do this", "the store .* refuses puts")
    assert "this mount reads from the store" in mount.log()
    mount.remount("--store", "s3://readable/x", "--fleet-key", str(key), "--share", "none")
    assert mount.log().count("this mount reads from the store") == 1        # it is meant so


@pytest.mark.fleet
def test_a_full_store_takes_nothing_and_gives(ceph: Ceph, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = Store("s3://team/full", ceph.environment).objects(monkeypatch)
    objects.put("1/x", b"here", create=True)
    ceph.set_quota(1)
    try:
        with pytest.raises(StoreRefuses, match="it is full"):
            objects.put("1/y", b"more", create=True)
        assert objects.get("1/x") == b"here"
        assert objects.facts()["refused"] == "it is full"
    finally:
        ceph.set_quota(0)


# ---- Azure that can't be used

@pytest.mark.fleet
def test_a_container_that_isnt_there_is_refused(azurite: Azurite, mount: Mount, key: Path) -> None:
    refused(mount, Store("az://nothere/x", azurite.environment), key, code=EXIT_USAGE, said="there is no such bucket")


@pytest.mark.fleet
def test_a_wrong_account_key_is_refused(azurite: Azurite, mount: Mount, key: Path) -> None:
    refused(mount, Store("az://team/x", {**azurite.environment, "AZURE_STORAGE_ACCOUNT_KEY": "bm9ib2R5cw=="}), key, code=EXIT_AUTH,
            said="it doesn't accept the credentials")
