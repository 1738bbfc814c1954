"""`anthrofs fleet …`, and what is refused before there is a mount, as they are typed."""

import json
import os
import re
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from anthrofs.errors import EXIT_LEFT, EXIT_MISSING, EXIT_USAGE
from anthrofs.fuse import mountpoint
from tests.emulator.process import EmulatorProcess
from tests.fleet.redis_server import RedisServer
from tests.fleet.s3_server import S3Server
from tests.fleet.wires import Wire
from tests.mounting import Mount, wait_until

SECRET = "s3cret-Zq8"


def key_file(mount: Mount, path: Path) -> Path:
    path.write_text(mount.ok("fleet", "key"))
    path.chmod(0o600)
    return path


def fleet_of(mount: Mount, base: Path) -> list[str]:
    """Options: a directory as the store."""
    (base / "store").mkdir(exist_ok=True)
    return ["--store", f"file://{base / 'store'}", "--fleet-key", str(key_file(mount, base / "key"))]


def test_a_mount_of_a_fleet_says_so_and_shows_its_picture(mount: Mount, tmp_path: Path) -> None:
    options = fleet_of(mount, tmp_path)
    mount.mount(*options)
    (mount.path / "a.txt").write_text("hello")
    said = mount.ok("status", mount.path)
    assert f"\n  store file://{tmp_path}/store" in said
    told = json.loads(mount.ok("fleet", "status", "--json", mount.path))
    assert f"of the fleet of key {told['key']}\n" in said
    assert told["store"]["address"] == options[1]
    assert (told["board"], told["seconds"], told["minutes"]) == (None, [], [])
    assert [tale["label"] for tale in told["mounts"].values()] == [f"{socket.gethostname()}:{mount.path}"]
    assert told["tale"]["requests_a_minute"] >= 2       # the first listing, and the upload
    picture = mount.ok("fleet", "status", mount.path)
    assert picture.startswith(f"the fleet of key {told['key']}, as {mount.path} sees it\n")
    assert f"\n  {socket.gethostname()}:{mount.path} " in picture
    assert told["member"] in [fleet["member"] for fleet in json.loads(mount.ok("fleet", "status", "--json"))]


def test_a_mount_for_itself_is_in_no_fleet(mount: Mount) -> None:
    mount.mount()
    for arguments in (("status",), ("share", "--all"), ("gc",)):
        done = mount.run("fleet", *arguments, mount.path)
        assert (done.returncode, done.stdout) == (EXIT_USAGE, "")
        assert done.stderr == f"anthrofs: {mount.path} is in no fleet: mount it with --store or --board.\n"
    assert mount.status()["fleet"] is None
    assert "fleet" not in mount.ok("status", mount.path)


def test_the_picture_says_what_each_mount_has_had_of_the_fleet(emulator: EmulatorProcess, tmp_path: Path) -> None:
    a, b = Mount(tmp_path / "a", emulator), Mount(tmp_path / "b", emulator)
    b.expects("it can't be read")
    with RedisServer(tmp_path / "redis") as redis, ExitStack() as ends:
        options = [*fleet_of(a, tmp_path), "--board", redis.url]
        for one in (a, b):
            ends.callback(one.finish)
            one.mount(*options)
        (a.path / "a.txt").write_text("hello")
        a.ok("sync", a.path)
        wait_until(lambda: (b.path / "a.txt").exists() and os.getxattr(b.path / "a.txt", "user.anthropic.shared") == b"true", "B finds it")
        assert (b.path / "a.txt").read_text() == "hello"

        def told() -> dict[str, Any]:
            picture = json.loads(a.ok("fleet", "status", "--json", a.path))
            return {tale["label"].rpartition(":")[2]: tale for tale in picture["mounts"].values()}

        b.ok("fleet", "status", b.path)         # who is asked tells the others, too, and looks for what they tell
        of_a, of_b = told()[str(a.path)], told()[str(b.path)]
        assert (of_a["puts"], of_a["put_bytes"], of_a["hits"]) == (1, 5, 0)
        assert (of_b["puts"], of_b["hits"], of_b["bytes"], of_b["misses"], of_b["wrong"]) == (0, 1, 5, 0, 0)
        said = a.ok("fleet", "status", a.path)
        assert re.search(r"requests of the last minute  \[#+\.+\] \d+ of 450\n", said)
        assert re.search(r"^    2 mounts, listed last by \S+ \d+ s ago$", said, re.MULTILINE)
        assert re.search(r"^  together ", said, re.MULTILINE)


def test_sync_asks_a_store_that_is_back_at_once_and_names_what_isnt_there_while_it_is_away(mount: Mount, tmp_path: Path) -> None:
    """Else it would wait for the end of a rest, a minute at most, and give up before."""
    key = key_file(mount, tmp_path / "key")
    mount.expects("the store s3://.* (is away|answers again)")
    with S3Server(tmp_path / "s3") as store, Wire("127.0.0.1", store.port) as wire:
        mount.environment |= store.environment(wire.port)
        mount.mount("--store", store.url, "--fleet-key", str(key))
        wire.refuse()
        (mount.path / "a.txt").write_text("hello")
        for _ in range(2):                  # the second one's try makes the rest longer
            done = mount.run("sync", "--timeout", "1", mount.path)
            assert (done.returncode, done.stdout) == (EXIT_LEFT, "")
            assert re.search(r"^  a\.txt: not in the fleet's store yet: .*s3://.*refused$", done.stderr, re.MULTILINE)
        assert re.search(r"^  STORE AWAY, s3://\S+, for \d+ s: .*refused", mount.ok("status", mount.path), re.MULTILINE)
        assert "    1 own files are not there yet, 5 B\n" in mount.ok("status", mount.path)
        wire.mend()
        mount.ok("sync", mount.path)
        assert "AWAY" not in mount.ok("status", mount.path)
        mount.umount()


@pytest.mark.parametrize(("text", "mode", "says"), [("", 0o600, "is empty"), ("00" * 32 + "\n", 0o644, "chmod 600"), ("00" * 31 + "\n", 0o600, "no key on line 1"),
                                                    (f"{'00' * 32}\n{SECRET}\n", 0o600, "no key on line 2"), (None, 0, "No such file")])
def test_a_key_file_that_cant_be_used_is_a_sentence_and_nothing_is_mounted(mount: Mount, tmp_path: Path, text: str | None, mode: int, says: str) -> None:
    (tmp_path / "store").mkdir()
    if text is not None:
        (tmp_path / "key").write_text(text)
        (tmp_path / "key").chmod(mode)
    done = mount.run("mount", "--state-dir", mount.state_dir, "--store", f"file://{tmp_path}/store", "--fleet-key", tmp_path / "key", mount.path)
    assert (done.returncode, done.stdout) == (EXIT_USAGE, "")
    assert says in done.stderr
    assert done.stderr.removeprefix("mounting\n").count("\n") == 1      # on a busy machine it says so first
    assert SECRET not in done.stderr
    assert not mountpoint.is_mounted(mount.path)


@pytest.mark.parametrize(("options", "environment", "says"), [
    (["--board", f"redis://:{SECRET}@127.0.0.1:1"], {}, "ANTHROFS_BOARD_PASSWORD"), (["--store", f"s3://id:{SECRET}@bucket"], {}, "--store has a name or a password"),
    ([], {"ANTHROFS_STORE": f"s3://id:{SECRET}@bucket"}, "--store has a name or a password"), (["--store", "http://bucket"], {}, "--store takes s3://"),
    (["--share", "none"], {}, "--share is of no use"),
])
def test_an_address_with_a_secret_or_without_sense_is_a_sentence(mount: Mount, tmp_path: Path, options: list[str], environment: dict[str, str], says: str) -> None:
    key = key_file(mount, tmp_path / "key")
    done = mount.run("mount", "--state-dir", mount.state_dir, *options, mount.path, environment={"ANTHROFS_FLEET_KEY_FILE": str(key), **environment})
    assert (done.returncode, done.stdout) == (EXIT_USAGE, "")
    assert says in done.stderr
    assert done.stderr.removeprefix("mounting\n").count("\n") == 1      # on a busy machine it says so first
    assert SECRET not in done.stderr
    assert not mountpoint.is_mounted(mount.path)


@pytest.mark.parametrize("below", ["", "/store", "/../files/x"])
def test_a_store_in_the_mount_itself_is_refused(mount: Mount, tmp_path: Path, below: str) -> None:
    """It would ask itself, and wait for ever."""
    key = key_file(mount, tmp_path / "key")
    done = mount.run("mount", "--state-dir", mount.state_dir, "--store", f"file://{mount.path}{below}", "--fleet-key", key, mount.path)
    assert (done.returncode, done.stderr) == (EXIT_USAGE, f"anthrofs: --store is in the mount point {mount.path}: a store has to be somewhere else.\n")
    assert not mountpoint.is_mounted(mount.path)


def test_a_store_in_another_mount_is_refused(mount: Mount, tmp_path: Path) -> None:
    key = key_file(mount, tmp_path / "key")
    mount.mount()
    (tmp_path / "other").mkdir()
    done = mount.run("mount", "--state-dir", tmp_path / "state-2", "--store", f"file://{mount.path}/folder", "--fleet-key", key, tmp_path / "other")
    assert (done.returncode, done.stderr) == (EXIT_USAGE, f"anthrofs: --store is in the mount point {mount.path}: a store has to be somewhere else.\n")


@pytest.mark.parametrize(("library", "options"), [("cryptography", ["--store", "s3://b"]), ("obstore", ["--store", "s3://b"]), ("valkey", ["--board", "redis://127.0.0.1:1"])])
def test_a_library_that_is_not_installed_is_said_with_what_to_do(mount: Mount, tmp_path: Path, library: str, options: list[str]) -> None:
    key = key_file(mount, tmp_path / "key")
    hides = ("import sys; from importlib.machinery import PathFinder; find = PathFinder.find_spec\n"
             f"PathFinder.find_spec = classmethod(lambda cls, name, *rest: None if name.split('.')[0] == {library!r} else find(name, *rest))\n")
    (tmp_path / "hiding").mkdir()
    (tmp_path / "hiding" / "sitecustomize.py").write_text(hides)
    environment = {"PYTHONPATH": f"{tmp_path / 'hiding'}:{mount.environment['PYTHONPATH']}"}
    done = mount.run("mount", "--state-dir", mount.state_dir, *options, "--fleet-key", key, mount.path, environment=environment)
    assert (done.returncode, done.stderr) == (EXIT_MISSING, f"anthrofs: A fleet needs {library}: pip install 'anthrofs[fleet]'\n")
    assert not mountpoint.is_mounted(mount.path)
    if library == "cryptography":
        done = mount.run("fleet", "key", environment=environment)
        assert (done.returncode, done.stdout) == (EXIT_MISSING, "")
        assert "pip install 'anthrofs[fleet]'" in done.stderr
