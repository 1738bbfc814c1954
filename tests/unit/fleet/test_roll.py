"""Mounts of a fleet tell each other of themselves; what no member has written is counted, and never believed."""

import json
import logging
import os
from typing import Any

import pytest

from anthrofs.config import Credentials, Service
from anthrofs.errors import BoardAway
from anthrofs.fleet.board import HERE_S, SECONDS, Spent
from anthrofs.fleet.keys import FleetKeys
from anthrofs.fleet.membership import Membership
from anthrofs.fleet.rest import Away
from anthrofs.fleet.roll import ATTEND_S, PURPOSE, Roll
from anthrofs.model import Workspace
from tests.fakes import FakeClock
from tests.memory_board import MemoryBoard, Wall

MOST = 450
KEYS = FleetKeys([os.urandom(32)])


class House:
    """One mount's roll, on a wall that it shares."""

    def __init__(self, wall: Wall, clock: FakeClock, keys: FleetKeys = KEYS, *, joined: bool = True) -> None:
        self.membership = Membership(Service("http://test", Credentials("x-api-key", "key")), "host:/files")
        if joined:
            self.join()
        self.tale: dict[str, Any] = {"label": "host:/files", "listed_s_ago": None}
        self.told = 0
        self.board = MemoryBoard(wall, self.membership)
        self.away: Away | None = None
        self.roll = Roll(self.board, lambda: self.away, keys, self.membership, lambda: self.tale, self._tell, clock, MOST)

    def join(self) -> None:
        self.membership.join(Workspace("org", "work"))

    def _tell(self) -> None:
        self.told += 1


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def wall(clock: FakeClock) -> Wall:
    return Wall(clock)


def test_mounts_see_each_others_tales_and_how_old_they_are(wall: Wall, clock: FakeClock) -> None:
    one, other = House(wall, clock), House(wall, clock)
    one.tale = {"label": "one:/files", "listed_s_ago": 3.0}
    one.roll.step()
    clock.advance(2)
    other.roll.step()
    assert other.roll.others()["mounts"] == {
        one.membership.member: {"label": "one:/files", "listed_s_ago": pytest.approx(5.0), "told_s_ago": pytest.approx(2.0)},
        other.membership.member: {**other.tale, "told_s_ago": pytest.approx(0.0)}}
    clock.advance(1)
    facts = other.roll.facts()
    assert (facts["mounts"], facts["listed_by"]) == (2, "one:/files")
    assert facts["listed_s_ago"] == pytest.approx(6.0)


def test_it_attends_again_in_time_and_not_before_the_workspace_is_known(wall: Wall, clock: FakeClock) -> None:
    house = House(wall, clock, joined=False)
    assert house.roll.due_s() == float("inf")
    house.roll.step()
    assert house.roll.facts() == {}
    house.join()
    assert house.roll.due_s() <= 0
    house.roll.step()
    assert house.roll.due_s() == pytest.approx(ATTEND_S)
    assert house.told == 1
    assert 2 * ATTEND_S < HERE_S        # one that is lost takes nobody from the roll


def test_what_is_left_of_the_minute_is_the_organizations(wall: Wall, clock: FakeClock) -> None:
    house = House(wall, clock)
    house.board.tell([Spent(number, 5.0) for number in range(50)])
    house.roll.step()
    facts, others = house.roll.facts(), house.roll.others()
    assert (facts["left"], facts["most"]) == (MOST - 50, MOST)
    assert sum(others["seconds"]) == 50
    assert len(others["seconds"]) == SECONDS


def test_who_ends_is_gone_for_the_others_at_once(wall: Wall, clock: FakeClock) -> None:
    one, other = House(wall, clock), House(wall, clock)
    for each in (one, other):
        each.roll.step()
    one.roll.start()
    assert one.roll.stop(10)
    other.roll.step()
    assert list(other.roll.others()["mounts"]) == [other.membership.member]


def test_without_the_board_what_was_heard_last_stays_and_status_says_why(wall: Wall, clock: FakeClock) -> None:
    house = House(wall, clock)
    house.roll.step()
    wall.away = "gone"
    house.away = Away("gone", 5 * 10**9, 3.0)
    clock.advance(100)
    house.roll.step()
    assert house.roll.facts() == {"away_since": 5.0, "why": "gone"}
    assert len(house.roll.others()["mounts"]) == 1
    with pytest.raises(BoardAway):
        house.board.attend(b"")
    house.roll.start()
    assert house.roll.stop(10)


@pytest.mark.parametrize("forged", [b"", b"rubbish" * 10, KEYS.seal(PURPOSE, ("org/work", "somebody else"), b"{}"),
                                    KEYS.seal("page", ("org/work", "member"), b"{}"), FleetKeys([b"x" * 32]).seal(PURPOSE, ("org/work", "member"), b"{}")],
                         ids=["nothing", "no seal", "of another member", "of another kind", "by another key"])
def test_what_no_member_has_written_there_is_told_once_and_not_believed(wall: Wall, clock: FakeClock, caplog: pytest.LogCaptureFixture,
                                                                        forged: bytes) -> None:
    house, stranger = House(wall, clock), House(wall, clock)
    stranger.membership.member = "member"
    stranger.board = MemoryBoard(wall, stranger.membership)
    stranger.board.attend(forged)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            house.roll.step()
    assert list(house.roll.others()["mounts"]) == [house.membership.member]
    assert len([record for record in caplog.records if "another fleet key" in record.message]) == 1


@pytest.mark.parametrize("told", [[], "text", 7, {"listed_s_ago": "long"}, {"label": 5, "listed_s_ago": []}])
def test_a_tale_that_makes_no_sense_harms_nobody(wall: Wall, clock: FakeClock, told: Any) -> None:
    """A member of another version may tell what it likes."""
    house, other = House(wall, clock), House(wall, clock)
    other.board.attend(KEYS.seal(PURPOSE, ("org/work", other.membership.member), json.dumps(told).encode()))
    house.roll.step()
    house.roll.facts()
    assert house.membership.member in house.roll.others()["mounts"]
