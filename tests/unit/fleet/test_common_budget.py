"""One budget for all mounts of an organization: it holds whatever they ask, nobody starves, and without a board each has its share."""

import bisect
import contextlib
import heapq
import itertools
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from anthrofs.config import Credentials, Service
from anthrofs.errors import BoardAway
from anthrofs.fleet.board import YOUNG_S, Ask, Turn
from anthrofs.fleet.common_budget import CommonBudget
from anthrofs.fleet.membership import Membership
from anthrofs.fleet.mount_count import MountCount
from anthrofs.model import Workspace
from anthrofs.remote.budget import WINDOW_S
from anthrofs.remote.pace import AGED_S, Priority
from tests.fakes import FakeClock
from tests.memory_board import MemoryBoard, Wall

MOST: Final = 450
ATTEND_S: Final = 10.0


@dataclass
class OneMount:
    """A mount's part of the budget, and what it has had of it."""

    board: MemoryBoard
    budget: CommonBudget
    counts: MountCount
    clock: FakeClock
    began_s: dict[Priority, list[float]] = field(default_factory=lambda: defaultdict(list))
    waited_s: dict[Priority, list[float]] = field(default_factory=lambda: defaultdict(list))

    def own(self) -> int:
        since_s = self.clock.now_s() - WINDOW_S
        return sum(len(each) - bisect.bisect_right(each, since_s) for each in self.began_s.values())

    def asks(self, priority: Priority, since_s: float) -> float:
        """0, and it has begun; or how long to wait."""
        now_s = self.clock.now_s()
        wait_s = self.budget.take(priority, now_s - since_s, self.own())
        if not wait_s:
            self.began_s[priority].append(now_s)
            self.waited_s[priority].append(now_s - since_s)
        return wait_s


class Fleet:
    """Mounts on one wall, in one time."""

    def __init__(self, base: Path, count: int) -> None:
        self.clock = FakeClock()
        self.wall = Wall(self.clock)
        self._base = base
        self.mounts = [self.one() for _ in range(count)]

    def one(self) -> OneMount:
        membership = Membership(Service("http://test", Credentials("x-api-key", "key")), "host:/files")
        membership.join(Workspace("org", "work"))
        board = MemoryBoard(self.wall, membership)
        counts = MountCount(self._base / membership.member)
        return OneMount(board, CommonBudget(board, counts, MOST, self.clock), counts, self.clock)

    def attend(self) -> None:
        for each in self.mounts:
            each.board.attend(b"")
            each.budget.tell()

    def grown(self) -> None:
        """The board is there, knows all mounts, and isn't taken for one that has lost its counts."""
        self.attend()
        self.clock.advance(YOUNG_S + 1)
        self.attend()

    def run(self, workers: Iterator[tuple[OneMount, Priority, float]], for_s: float) -> list[float]:
        """Each worker asks for a request, and again so many seconds after it had one; a mount's by the order of its pacer. Returns all
        moments, in order.
        """
        begin_s, order = self.clock.now_s(), itertools.count()
        arrivals = [(begin_s + next(order) / 1000, next(order), *each) for each in workers]
        waiting: dict[int, list[tuple[float, int, OneMount, Priority, float]]] = {id(mount): [] for mount in self.mounts}
        later_s: dict[int, float] = {}
        heapq.heapify(arrivals)
        attend_s = begin_s
        while (now_s := self.clock.now_s()) < begin_s + for_s:
            if now_s >= attend_s:
                attend_s += ATTEND_S
                with contextlib.suppress(BoardAway):
                    self.attend()
            while arrivals and arrivals[0][0] <= now_s:
                one = heapq.heappop(arrivals)
                waiting[id(one[2])].append(one)
            for queue in waiting.values():
                for one in sorted(queue, key=lambda one: (Priority.READ if one[0] <= now_s - AGED_S else one[3], one[:2])):
                    since_s, number, mount, priority, rest_s = one
                    if later_s.get(number, now_s) > now_s:
                        continue
                    if wait_s := mount.asks(priority, since_s):
                        later_s[number] = now_s + wait_s
                    else:
                        queue.remove(one)
                        heapq.heappush(arrivals, (now_s + rest_s, next(order), mount, priority, rest_s))
            self.clock.advance(0.01)
        return self.moments()

    def moments(self) -> list[float]:
        return sorted(at_s for mount in self.mounts for each in mount.began_s.values() for at_s in each)


def most_in(moments: list[float], window_s: float) -> int:
    """The most that any window of that length has."""
    most = first = 0
    for last, at_s in enumerate(moments):
        while moments[first] <= at_s - window_s:
            first += 1
        most = max(most, last - first + 1)
    return most


def take_all(mount: OneMount, count: int, priority: Priority = Priority.READ) -> int:
    """How many of so many may begin now."""
    return sum(not mount.asks(priority, mount.clock.now_s()) for _ in range(count))


# ---- what it is

def test_all_mounts_together_have_one_budget(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, 3)
    fleet.grown()
    for _ in range(500):
        for mount in fleet.mounts:
            take_all(mount, 1)
        fleet.clock.advance(0.1)
    assert MOST * 0.9 <= len(fleet.moments()) <= MOST


def test_a_mount_that_the_others_leave_it_to_has_nearly_all(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, 3)
    fleet.grown()
    assert take_all(fleet.mounts[0], 500) == MOST - MOST // 10      # a tenth is left to those who have had less


def test_a_mount_that_comes_late_finds_something_left(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, 2)
    fleet.grown()
    busy, late = fleet.mounts
    take_all(busy, 500)
    assert take_all(late, 500) == MOST // 10


def test_a_mount_that_is_alone_has_the_whole_budget(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, 1)
    fleet.grown()
    assert take_all(fleet.mounts[0], 500) == MOST


def test_sweeps_leave_half_and_deletions_and_refreshes_a_tenth(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, 1)
    fleet.grown()
    mount = fleet.mounts[0]
    assert take_all(mount, 500, Priority.SWEEP) == MOST // 2
    fleet.clock.advance(3)
    assert take_all(mount, 500, Priority.DELETE) == MOST - MOST // 2 - MOST // 10
    assert take_all(mount, 500, Priority.REFRESH) == 0
    assert take_all(mount, 500, Priority.CLOSE) == MOST // 10


def test_who_waits_asks_the_board_no_sooner_than_it_was_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet(tmp_path, 1)
    fleet.grown()
    mount, asked = fleet.mounts[0], list[Ask]()
    take_all(mount, MOST)
    take = mount.board.take

    def counted(ask: Ask) -> Turn:
        asked.append(ask)
        return take(ask)

    monkeypatch.setattr(mount.board, "take", counted)
    wait_s = mount.asks(Priority.READ, fleet.clock.now_s())
    assert take_all(mount, 100) == 0
    assert len(asked) == 1
    fleet.clock.advance(wait_s + 0.001)
    mount.asks(Priority.READ, fleet.clock.now_s())
    assert len(asked) == 2


def test_a_429_stops_all_mounts(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, 2)
    fleet.grown()
    one, other = fleet.mounts
    one.budget.block(7.0)
    assert other.asks(Priority.READ, fleet.clock.now_s()) == pytest.approx(7.0)
    fleet.clock.advance(7.001)
    assert not other.asks(Priority.READ, fleet.clock.now_s())


def test_requests_that_nobody_waits_for_need_half_of_the_budget(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, 1)
    fleet.grown()
    mount = fleet.mounts[0]
    assert mount.budget.spare()
    take_all(mount, MOST // 2 + 1)
    assert not mount.budget.spare()


# ---- a board that is away, comes back, or has lost all

def test_without_a_board_each_mount_has_its_share(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, 6)
    fleet.grown()
    fleet.wall.away = "gone"
    assert [[take_all(mount, 100, priority) for priority in (Priority.READ, Priority.CLOSE, Priority.REFRESH)] for mount in fleet.mounts] == [
        [MOST // 6 - 9, 8, 1]] * 6
    assert 0 < fleet.mounts[0].asks(Priority.READ, fleet.clock.now_s()) <= 2.0


def test_how_many_mounts_there_were_is_known_in_the_next_process(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, 6)
    fleet.grown()
    path = fleet.mounts[0].counts._path
    assert MountCount(path).get() == 6
    fleet.wall.away = "gone"
    again = CommonBudget(fleet.mounts[0].board, MountCount(path), MOST, fleet.clock)
    assert sum(not again.take(Priority.READ, 0.0, own) for own in range(100)) == MOST // 6 - 9
    path.write_bytes(b"rubbish")
    assert MountCount(path).get() == 1
    path.unlink()
    assert MountCount(path).get() == 1
    path.mkdir()
    count = MountCount(path)
    count.note(7)
    assert count.get() == 7


def test_what_was_asked_for_without_the_board_is_counted_when_it_is_back(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, 2)
    fleet.grown()
    one, other = fleet.mounts
    fleet.wall.away = "gone"
    assert take_all(one, 60) == 60
    one.budget.sent()
    fleet.wall.away = ""
    one.budget.tell()
    assert sum(other.board.minutes()) == 61
    assert not one.asks(Priority.READ, fleet.clock.now_s())
    assert sum(other.board.minutes()) == 62


def test_a_board_that_was_started_anew_hears_of_the_requests_before(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, 3)
    fleet.grown()
    for mount in fleet.mounts:
        assert take_all(mount, 50) == 50
    fleet.clock.advance(5)
    fleet.wall.forget()
    for mount in fleet.mounts:
        mount.asks(Priority.READ, fleet.clock.now_s())
    assert sum(fleet.mounts[0].board.minutes()) == 153
    assert most_in(fleet.moments(), WINDOW_S) == 153


def test_a_board_whose_clock_was_set_back_keeps_nobody_from_its_share_for_longer_than_a_minute(tmp_path: Path) -> None:
    """What it has counted seems to go on for an hour then."""
    fleet = Fleet(tmp_path, 3)
    fleet.grown()
    busy, late, _ = fleet.mounts
    take_all(busy, 500)
    take_all(late, 500)
    counted = fleet.wall.counted["org"]
    counted.window = {request: at_s + 3600 for request, at_s in counted.window.items()}
    for mount in (busy, late):
        fleet.clock.advance(WINDOW_S + 1)
        fleet.attend()
        since_s = fleet.clock.now_s()
        while wait_s := mount.asks(Priority.READ, since_s):
            fleet.clock.advance(wait_s)
            fleet.attend()
            assert fleet.clock.now_s() - since_s <= WINDOW_S + 1
        assert 0.8 * MOST / 3 < take_all(mount, 500) < MOST / 3     # of its share, a part is kept for saves and listings


@pytest.mark.parametrize("wait_s", [3600.0, 1e24])
def test_a_board_that_says_nonsense_of_when_stops_a_mount_for_a_minute_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait_s: float) -> None:
    [mount] = (fleet := Fleet(tmp_path, 1)).mounts
    fleet.grown()
    monkeypatch.setattr(mount.board, "take", lambda _: Turn(wait_s, 0, 1, "epoch"))
    assert mount.asks(Priority.READ, fleet.clock.now_s()) <= WINDOW_S
    fleet.clock.advance(WINDOW_S)
    assert not mount.asks(Priority.READ, fleet.clock.now_s())


# ---- nobody starves

def crowd(fleet: Fleet) -> Iterator[tuple[OneMount, Priority, float]]:
    """Six mounts read as fast as they can, and save, delete and look; the last one only looks, and reads now and then."""
    *busy, calm = fleet.mounts
    for mount in busy:
        yield from [(mount, Priority.READ, 0.05)] * 8
        yield from [(mount, Priority.DELETE, 0.05)] * 2
        yield mount, Priority.CLOSE, 0.5
        yield mount, Priority.REFRESH, 10.0
        yield mount, Priority.SWEEP, 60.0
    yield calm, Priority.READ, 5.0
    yield calm, Priority.REFRESH, 10.0


def test_six_mounts_that_hammer_are_all_served_and_never_too_many(tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, 6)
    fleet.grown()
    moments = fleet.run(crowd(fleet), 300)

    assert most_in(moments, WINDOW_S) <= MOST
    assert len(moments) > 300 / WINDOW_S * MOST * 0.9           # and nothing is wasted
    *busy, calm = fleet.mounts
    for mount in busy:
        had = {priority: len(each) for priority, each in mount.began_s.items()}
        assert had[Priority.READ] > 200
        assert had[Priority.DELETE] > 40
        assert had[Priority.CLOSE] > 20
        assert had[Priority.REFRESH] > 10
        assert had[Priority.SWEEP] >= 3
        settled_s = moments[0] + 2 * WINDOW_S           # the first minute's burst is over
        waits = [waited_s for priority, each in mount.began_s.items() for at_s, waited_s in zip(each, mount.waited_s[priority], strict=True)
                 if at_s > settled_s]
        assert max(waits) < 45
    assert max(calm.waited_s[Priority.READ]) < 2
    assert max(calm.waited_s[Priority.REFRESH]) < 8


@pytest.mark.parametrize("mishap", ["away", "empty", "short"])
def test_a_board_that_is_away_or_starts_anew_in_the_middle_lets_never_too_many_go(tmp_path: Path, mishap: str) -> None:
    """The service's 500 of a minute are enough: nobody is refused."""
    fleet = Fleet(tmp_path, 6)
    fleet.grown()
    fleet.run(crowd(fleet), 80)
    if mishap == "empty":
        fleet.wall.forget()
    else:
        fleet.wall.away = "gone"
        fleet.run(crowd(fleet), 100 if mishap == "away" else 10)
        fleet.wall.away = ""
    moments = fleet.run(crowd(fleet), 130)
    assert most_in(moments, 60) <= 500
    assert len(moments) > 200 / WINDOW_S * MOST * 0.7
