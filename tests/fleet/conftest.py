"""A board, and mounts of a fleet on it, for all tests of fleets; a file that wants others has fixtures of its own."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.emulator.process import EmulatorProcess
from tests.fleet.redis_server import RedisServer
from tests.fleet.team import Team, finish_all


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
