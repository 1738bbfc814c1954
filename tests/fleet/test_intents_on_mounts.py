"""Two mounts of a fleet save files that nothing tells apart but their bytes, and answers to their uploads are lost: both contents are on
the server in the end, and each mount shows what is there.

Without a fleet the listing alone tells, and one of them may take the other's file for its own.
"""

import contextlib
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from anthrofs.attribute_names import FILE_ID
from tests.emulator.process import EmulatorProcess
from tests.fleet.redis_server import RedisServer
from tests.fleet.team import Team, finish_all
from tests.mounting import Mount, stored_counted, wait_until

LOST_BEFORE: Final[dict[str, object]] = {"kind": "cut", "when": "before_commit"}
LOST_AFTER: Final[dict[str, object]] = {"kind": "cut", "when": "after_commit"}
LATE: Final[dict[str, object]] = {"kind": "delay", "seconds": 8}
OPTIONS: Final = ("--upload", "queue", "--refresh", "300")


class Pair:
    """Two of a team, each with a file sent, so that the service's clock is known."""

    def __init__(self, team: Team, redis: RedisServer, emulator: EmulatorProcess) -> None:
        self.redis, self.emulator = redis, emulator
        self.mounts = self.one, self.other = team.mount(*OPTIONS), team.mount(*OPTIONS)
        for number, mount in enumerate(self.mounts):
            (mount.path / f"first {number}").write_text("!")
            mount.sync()
            mount.expects("was uploaded elsewhere")
        emulator.forget_requests()

    def save(self, mount: Mount, content: bytes, *lost: dict[str, object]) -> None:
        """Whatever becomes of the answer: the server has it; or nobody has it but the mount."""
        before = len(self.emulator.requests("upload"))
        for action in lost:
            self.emulator.fault({"operation": "upload", "filename": "same.txt"}, action)
        (mount.path / "same.txt").write_bytes(content)
        if LOST_BEFORE in lost:
            self.emulator.wait_for_requests(before + 1, "upload")
        else:
            wait_until(lambda: stored_counted(mount)["same.txt", content], "it is stored")

    def settle(self) -> Counter[bytes]:
        """Everything is sent, and both show what the server has. Returns the contents of that name."""
        for mount in self.mounts:
            mount.sync()
        for mount in self.mounts:
            mount.refresh()
            mount.sync()
        there = {file["id"]: file for file in self.emulator.files()}
        for mount in self.mounts:
            shown = {os.getxattr(path, FILE_ID).decode(): path for path in mount.path.iterdir()}
            assert set(shown) == set(there)
            for file_id, path in shown.items():
                with contextlib.suppress(PermissionError):      # another one's
                    assert path.read_bytes() == self.emulator.content(file_id)
        return Counter({content: count for (name, content), count in stored_counted(self.one).items() if name == "same.txt"})


@pytest.fixture
def pair(emulator: EmulatorProcess, tmp_path: Path) -> Iterator[Pair]:
    with RedisServer(tmp_path / "redis") as redis, contextlib.ExitStack() as stack:
        team = Team(tmp_path, emulator, redis.url)
        stack.callback(lambda: finish_all(team.mounts))
        stack.callback(emulator.clear_faults)
        yield Pair(team, redis, emulator)


@pytest.mark.parametrize("theirs", [LOST_AFTER, LATE], ids=["both answers are lost", "one is, and one is awaited"])
def test_of_two_files_that_only_their_bytes_tell_apart_none_is_taken_for_the_other(pair: Pair, theirs: dict[str, object]) -> None:
    """Only theirs was stored: whoever looks for a lost upload sees a file that fits."""
    for mount in pair.mounts:
        mount.expects("may have been stored by an earlier try", "may be of a try of ours")
    pair.save(pair.other, b"theirs", theirs)
    pair.save(pair.one, b"ours  ", LOST_BEFORE)
    assert set(pair.settle()) == {b"ours  ", b"theirs"}


def test_what_the_other_one_knows_to_be_its_own_leaves_one_that_is_ours(pair: Pair) -> None:
    pair.save(pair.one, b"ours  ", LOST_AFTER)
    pair.save(pair.other, b"theirs")
    assert pair.settle() == {b"ours  ": 1, b"theirs": 1}
    assert len(pair.emulator.requests("upload")) == 2


def test_an_answer_of_the_other_one_is_waited_for_before_anything_is_sent_again(pair: Pair) -> None:
    pair.save(pair.other, b"theirs", {"kind": "delay", "seconds": 3})
    pair.save(pair.one, b"ours  ", LOST_AFTER)
    assert pair.settle() == {b"ours  ": 1, b"theirs": 1}
    assert len(pair.emulator.requests("upload")) == 2


def test_what_was_removed_before_its_lost_answer_was_found_goes_away_on_the_server(pair: Pair) -> None:
    pair.save(pair.one, b"ours  ", LOST_AFTER)
    (pair.one.path / "same.txt").unlink()
    assert pair.settle() == {}


def test_but_it_stays_if_it_may_be_the_other_ones(pair: Pair) -> None:
    for mount in pair.mounts:
        mount.expects("may have been stored by an earlier try", "was removed or renamed here", "may be of a try of ours")
    pair.save(pair.one, b"ours  ", LOST_BEFORE)
    pair.save(pair.other, b"theirs", LOST_AFTER)
    (pair.one.path / "same.txt").unlink()
    assert set(pair.settle()) == {b"theirs"}


def test_a_killed_mount_knows_its_own_upload_when_it_is_back(pair: Pair) -> None:
    pair.save(pair.one, b"ours  ", {"kind": "delay", "seconds": 5})
    pair.one.kill()
    pair.one.mount("--board", pair.redis.url, "--fleet-key", str(pair.one.path.parents[1] / "team.key"), *OPTIONS)
    assert pair.settle() == {b"ours  ": 1}


@pytest.mark.parametrize("restarted", [False, True], ids=["away", "restarted empty"])
def test_without_the_board_a_lost_upload_is_found_in_the_listing_and_nobodys_file_is_deleted(pair: Pair, restarted: bool) -> None:
    for mount in pair.mounts:
        mount.expects("the board .* is away", "the board .* answers again", "was removed or renamed here")
    pair.save(pair.one, b"ours  ", LOST_AFTER)
    pair.redis.restart() if restarted else pair.redis.stop()
    (pair.one.path / "same.txt").unlink()
    pair.save(pair.other, b"theirs")
    assert pair.settle() == {b"ours  ": 1, b"theirs": 1}
