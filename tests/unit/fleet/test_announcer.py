"""What one member says all others hear, in its order, and nobody believes a stranger; without a board nothing waits."""

import time
from collections.abc import Iterator, Sequence

import pytest

from anthrofs.clock import Clock
from anthrofs.errors import FsError
from anthrofs.fleet.announcer import Announced, Announcer
from anthrofs.fleet.counts import Counts
from anthrofs.fleet.keys import FleetKeys
from anthrofs.fleet.membership import Membership
from anthrofs.model import FileId, RemoteFile, Workspace
from tests.memory_board import MemoryBoard, Wall
from tests.mounting import wait_until
from tests.unit.fleet.party import NAMED, SERVICE

FILE = RemoteFile(FileId("file_1"), "a", "text/plain", 1, 1, False)


class Said:
    """One member."""

    def __init__(self, wall: Wall, keys: FleetKeys, named: Workspace | None = NAMED) -> None:
        self.membership, self.counts = Membership(SERVICE, "host:/mnt"), Counts(Clock())
        if named is not None:
            self.membership.join(named)
        self.announcer = Announcer(MemoryBoard(wall, self.membership), keys, self.membership, self.counts, Clock())
        self.heard = list[tuple[str, FileId | None]]()
        self.announcer.listen(self.hear)

    def hear(self, announced: Sequence[Announced]) -> None:
        self.heard += [(each.kind, each.file_id) for each in announced if each.kind != "ends"]


class Room:
    def __init__(self) -> None:
        self.wall, self.keys = Wall(Clock()), FleetKeys([bytes(32)])
        self.members = list[Said]()

    def member(self, *, start: bool = True, keys: FleetKeys | None = None, named: Workspace | None = NAMED) -> Said:
        self.members.append(Said(self.wall, keys or self.keys, named))
        if start:
            self.members[-1].announcer.start()
        return self.members[-1]


@pytest.fixture
def room() -> Iterator[Room]:
    one = Room()
    yield one
    one.wall.away = ""
    assert all(member.announcer.stop(10) for member in one.members)


def test_what_one_says_the_others_hear_in_its_order_and_it_does_not_itself(room: Room) -> None:
    one, other, third = (room.member() for _ in range(3))
    one.announcer.stored(FILE)
    one.announcer.shared(FILE.file_id)
    one.announcer.deleted(FILE.file_id)
    one.announcer.sweep()
    said = [("stored", "file_1"), ("shared", "file_1"), ("deleted", "file_1"), ("sweep", None)]
    for each in (other, third):
        wait_until(lambda each=each: each.heard == said, "all is heard")       # type: ignore[misc]
    assert one.heard == []


def test_who_comes_later_hears_what_was_said_and_who_does_not_know_the_workspace_waits(room: Room) -> None:
    room.member().announcer.stored(FILE)
    late = room.member(named=None)
    wait_until(lambda: len(room.wall.news) == 1, "it is said")
    assert late.heard == []
    late.membership.join(NAMED)
    late.announcer.wake()
    wait_until(lambda: late.heard == [("stored", "file_1")], "it is heard")


def test_strangers_and_other_workspaces_are_not_heard(room: Room) -> None:
    one = room.member()
    stranger, elsewhere = room.member(keys=FleetKeys([bytes(31) + b"1"])), room.member(named=Workspace("organization", "other"))
    stranger.announcer.deleted(FILE.file_id)
    elsewhere.announcer.deleted(FILE.file_id)
    wait_until(lambda: one.counts.of("forged") == 1, "the stranger isn't believed")
    friend = room.member()
    friend.announcer.stored(FILE)
    wait_until(lambda: one.heard == [("stored", "file_1")], "the friend is")
    assert one.counts.of("forged") == 1


def test_while_the_board_is_away_nothing_is_said_and_nobody_waits(room: Room) -> None:
    one, other = room.member(), room.member()
    room.wall.away = "it is away"
    began_s = time.monotonic()
    for _ in range(1000):
        one.announcer.deleted(FILE.file_id)
    assert time.monotonic() - began_s < 5
    wait_until(lambda: not one.announcer._unsaid, "they are given up")
    room.wall.away = ""
    one.announcer.stored(FILE)
    wait_until(lambda: ("stored", "file_1") in other.heard, "the board is back")
    assert ("deleted", "file_1") not in other.heard


def test_a_listener_that_fails_does_not_end_it(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    one, other = room.member(), room.member(start=False)
    fails = [FsError("the disk is full"), ValueError("a bug")]

    def fail(_: Sequence[Announced]) -> None:
        if fails:
            raise fails.pop(0)

    other.announcer.listen(fail)
    other.announcer.start()
    for number in range(3):
        one.announcer.sweep()
        wait_until(lambda number=number: len(other.heard) == number + 1, "it is heard")       # type: ignore[misc]
    assert [record.getMessage() for record in caplog.records] == [
        "what other mounts have announced could not be written down: the disk is full", "bug with what others have announced"]
