"""Mounts of a fleet whose board is a real redis-server, in whatever state that is: nothing fails, hangs or is wrong, and what is the matter
is said once.
"""

import contextlib
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.emulator.process import EmulatorProcess
from tests.fleet.redis_server import RedisServer
from tests.mounting import Mount, wait_until


class Team:
    """Mounts with one key file and one board, each with a state of its own, as on machines of their own."""

    def __init__(self, base: Path, emulator: EmulatorProcess, url: str) -> None:
        self._base = base
        base.mkdir(exist_ok=True)
        self._emulator = emulator
        self._url = url
        self.key = new_key(base / "team.key")
        self.mounts: list[Mount] = []
        self._making = threading.Lock()

    def mount(self, *options: str, key: Path | None = None, url: str = "", password: str = "") -> Mount:
        with self._making:      # a test may mount several at once
            one = Mount(self._base / f"machine-{len(self.mounts)}", self._emulator)
            self.mounts.append(one)
        if password:
            one.environment["ANTHROFS_BOARD_PASSWORD"] = password
        one.mount("--board", url or self._url, "--fleet-key", str(key or self.key), *options)
        return one

    def again(self, mount: Mount, *options: str) -> Path:
        """One that is unmounted."""
        return mount.mount("--board", self._url, "--fleet-key", str(self.key), *options)


def new_key(path: Path) -> Path:
    path.write_text(os.urandom(32).hex() + "\n")
    path.chmod(0o600)
    return path


def board_of(mount: Mount) -> dict[str, Any]:
    board: dict[str, Any] = mount.status()["fleet"]["board"]
    return board


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def team(emulator: EmulatorProcess, tmp_path: Path, redis: RedisServer) -> Iterator[Team]:
    made = Team(tmp_path, emulator, redis.url)
    with contextlib.ExitStack() as stack:       # each of them is finished, whatever becomes of the others
        stack.push(lambda *_: finish_all(made.mounts))
        yield made


# ---- the roll

def test_mounts_see_each_other_come_and_go(team: Team) -> None:
    one = team.mount()
    wait_until(lambda: board_of(one).get("mounts") == 1, "the first one sees itself")
    other = team.mount()
    wait_until(lambda: board_of(other).get("mounts") == 2, "the second one sees both")
    told = [json.loads(each.ok("fleet", "status", "--json", each.path)) for each in (one, other)]
    assert sorted(mount["label"].partition(":")[2] for mount in told[1]["mounts"].values()) == [str(one.path), str(other.path)]
    wait_until(lambda: board_of(one).get("mounts") == 2, "the first one sees both")
    one.umount()
    wait_until(lambda: board_of(other).get("mounts") == 1, "the second one sees that it is alone")


def test_mounts_with_another_key_are_told_of_and_not_believed(team: Team, tmp_path: Path) -> None:
    one = team.mount()
    wait_until(lambda: board_of(one).get("mounts") == 1, "the first one is there")
    stranger = team.mount(key=new_key(tmp_path / "other.key"))
    stranger.expects("1 mounts of this workspace with another fleet key")
    one.expects("1 mounts of this workspace with another fleet key")
    wait_until(lambda: "another fleet key" in stranger.log(), "it is said")
    assert board_of(stranger)["mounts"] == 1


def finish_all(mounts: list[Mount]) -> None:
    with contextlib.ExitStack() as stack:
        for mount in mounts:
            stack.callback(mount.finish)
