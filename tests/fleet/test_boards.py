"""What a board promises, on both: Redis, with a real server, and tests/memory_board.py."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

import pytest

from anthrofs.clock import Clock
from anthrofs.config import Credentials, Fleet, Service
from anthrofs.errors import BoardAway
from anthrofs.fleet.board import BURST, NEWS_AT_ONCE, SECONDS, Ask, Board, Moment, Spent
from anthrofs.fleet.membership import Membership
from anthrofs.fleet.valkey_board import ValkeyBoard
from anthrofs.model import Workspace
from anthrofs.remote.budget import WINDOW_S
from tests.fakes import FakeClock
from tests.fleet.redis_server import RedisServer
from tests.memory_board import MemoryBoard, Wall

MOST: Final = 45


class Place:
    """Makes boards of members, all in one place."""

    def __init__(self, kind: str, redis: RedisServer) -> None:
        self._kind = kind
        self._redis = redis
        self._wall = Wall(Clock())
        self._made: list[ValkeyBoard] = []

    def board(self, organization: str = "org", workspace: str | None = "work") -> Board:
        """Of a member; without a workspace the service hasn't answered yet."""
        membership = Membership(Service("http://test", Credentials("x-api-key", "key")), "host:/files")
        if workspace is not None:
            membership.join(Workspace(organization, workspace))
        if self._kind == "memory":
            return MemoryBoard(self._wall, membership)
        made = ValkeyBoard(Fleet(Path("key"), board_url=self._redis.url), membership, Clock())
        self._made.append(made)
        return made

    def forget(self) -> None:
        """As if the server had been started anew."""
        self._wall.forget()
        with closing(self._redis.client()) as client:
            client.flushall()

    def close(self) -> None:
        for each in self._made:
            each.close()


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=["memory", "redis"])
def place(request: pytest.FixtureRequest, redis: RedisServer) -> Iterator[Place]:
    made = Place(request.param, redis)
    made.forget()
    yield made
    made.close()


def ask(number: int, **changes: Any) -> Ask:
    return Ask(**{"number": number, "most": MOST, "keep": 0, "own": 0, **changes})


def aged(board: Board) -> None:
    """Its counts are so old that it isn't taken for one that has lost them: as many as ever may go."""
    if isinstance(board, MemoryBoard):
        for counted in board._wall.counted.values():
            counted.young_until_s = 0.0
    else:
        assert isinstance(board, ValkeyBoard)
        board._client.delete("anthrofs:1:{org}:budget:young")


# ---- before the workspace is known, and others' workspaces

def test_nothing_is_asked_before_the_workspace_is_known(place: Place) -> None:
    board = place.board(workspace=None)
    for call in (board.now, board.minutes, board.roll, lambda: board.intents("file"), board.leave, lambda: board.page("page"), lambda: board.take(ask(1)),
                 lambda: board.announced(None, 0.0)):
        with pytest.raises(BoardAway, match="isn't known"):
            call()


@pytest.mark.parametrize(("organization", "workspace"), [("org", "other"), ("other", "work")])
def test_two_workspaces_never_meet(place: Place, organization: str, workspace: str) -> None:
    one, other = place.board(), place.board(organization, workspace)
    one.put_page("20:", b"listing", one.now(), 30)
    one.announce(b"news")
    one.intend("file", "1", b"upload")
    one.attend(b"here")

    assert one.lease("sweep", 30)
    assert other.lease("sweep", 30)
    assert other.page("20:") is None
    assert other.announced(None, 0.0) == []
    assert other.intents("file") == {}
    assert other.roll() == {}


# ---- pages

def test_a_page_has_the_age_of_its_asking(place: Place) -> None:
    one, other = place.board(), place.board()
    assert other.page("20:") is None
    asked = one.now()
    one.put_page("20:", bytes(range(256)), Moment(asked - 2_500_000), 30)
    found = other.page("20:")

    assert found is not None
    assert found.body == bytes(range(256))
    assert 2.5 <= found.age_s < 12.5


def test_a_page_that_was_asked_for_earlier_replaces_none(place: Place) -> None:
    one, other = place.board(), place.board()
    asked = one.now()
    one.put_page("20:", b"late", asked, 30)
    other.put_page("20:", b"early", Moment(asked - 1), 30)
    assert getattr(one.page("20:"), "body", None) == b"late"
    other.put_page("20:", b"later", Moment(asked + 1), 30)
    assert getattr(one.page("20:"), "body", None) == b"later"


def test_a_page_ends(place: Place) -> None:
    board = place.board()
    board.put_page("20:", b"page", board.now(), 0.02)
    gone_within(lambda: board.page("20:") is None)


# ---- leases

def test_a_lease_has_one_holder_who_may_renew_it(place: Place) -> None:
    one, other = place.board(), place.board()
    assert one.lease("sweep", 30)
    assert not other.lease("sweep", 30)
    assert one.lease("sweep", 30)
    other.release("sweep")
    assert not other.lease("sweep", 30)
    one.release("sweep")
    assert other.lease("sweep", 30)


def test_a_lease_ends(place: Place) -> None:
    one, other = place.board(), place.board()
    assert one.lease("sweep", 0.02)
    gone_within(lambda: other.lease("sweep", 30))


def test_of_many_who_want_a_lease_at_once_one_has_it(place: Place) -> None:
    boards, has = [place.board() for _ in range(8)], list[bool]()
    threads = [threading.Thread(target=lambda board=board: has.append(board.lease("sweep", 30))) for board in boards]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(has) == [False] * 7 + [True]


# ---- announcements

def test_announcements_come_in_order_to_who_has_not_had_them(place: Place) -> None:
    one, other = place.board(), place.board()
    assert other.announced(None, 0.0) == []
    for body in (b"first", b"\0second\n"):
        one.announce(body)
    found = other.announced(None, 0.0)
    assert [each.body for each in found] == [b"first", b"\0second\n"]
    assert [each.body for each in other.announced(found[0].number, 0.0)] == [b"\0second\n"]
    assert other.announced(found[1].number, 0.0) == []


def test_a_long_stream_comes_in_parts_each_of_which_is_soon_there(place: Place) -> None:
    """A mount that begins after a busy hour must not take the board for away, again and again."""
    one, other = place.board(), place.board()
    said = [b"%d" % number for number in range(NEWS_AT_ONCE + 3)]
    for body in said:
        one.announce(body)
    first = other.announced(None, 0.0)
    assert [each.body for each in first] == said[:NEWS_AT_ONCE]
    assert [each.body for each in other.announced(first[-1].number, 0.0)] == said[NEWS_AT_ONCE:]


def test_who_waits_for_an_announcement_has_it_at_once(place: Place) -> None:
    one, other = place.board(), place.board()
    one.announce(b"old")
    number = other.announced(None, 0.0)[-1].number
    found = list[bytes]()
    thread = threading.Thread(target=lambda: found.extend(each.body for each in other.announced(number, 30)))
    thread.start()
    one.announce(b"new")
    thread.join(25)
    assert found == [b"new"]


def test_the_first_announcement_of_all_is_waited_for(place: Place) -> None:
    one, other = place.board(), place.board()
    found = list[bytes]()
    thread = threading.Thread(target=lambda: found.extend(each.body for each in other.announced(None, 30)))
    thread.start()
    one.announce(b"new")
    thread.join(25)
    assert found == [b"new"]


def test_nobody_waits_longer_for_an_announcement_than_asked_for(place: Place) -> None:
    assert place.board().announced(None, 0.05) == []


# ---- intents and the roll

def test_an_intent_stands_until_its_mount_settles_it(place: Place) -> None:
    one, other = place.board(), place.board()
    one.intend("file", "7", b"an earlier one")
    one.intend("file", "7", b"\0a name\n")
    one.intend("other file", "7", b"of another file")
    other.intend("file", "7", b"another")
    found = one.intents("file")
    assert sorted(note.body for note in found.values()) == [b"\0a name\n", b"another"]
    assert all(name.endswith(":7") and 0.0 <= note.age_s < 10 for name, note in found.items())
    one.settle("file", "7")
    assert [note.body for note in one.intents("file").values()] == [b"another"]
    assert [note.body for note in other.intents("other file").values()] == [b"of another file"]
    one.settle("file", "7")


def test_the_roll_has_who_attends_and_has_not_left(place: Place) -> None:
    one, other = place.board(), place.board()
    assert one.attend(b"one") == 1
    assert other.attend(b"other") == 2
    assert other.attend(b"other again") == 2
    assert sorted(note.body for note in one.roll().values()) == [b"one", b"other again"]
    other.leave()
    assert [note.body for note in one.roll().values()] == [b"one"]
    one.leave()
    one.leave()
    assert one.roll() == {}


# ---- the budget

def test_most_requests_may_begin_and_no_more(place: Place) -> None:
    one, other = place.board(), place.board()
    turns = [board.take(ask(number, own=number)) for number in range(MOST) for board in (one, other)]
    assert sum(not turn.wait_s for turn in turns) == MOST
    assert turns[-1].left == 0
    assert sum(one.minutes()) == MOST
    assert len(one.minutes()) == SECONDS


def test_one_request_is_counted_once_however_often_it_is_asked_for(place: Place) -> None:
    """Its answer may have been lost."""
    board = place.board()
    assert [board.take(ask(7)).wait_s for _ in range(3)] == [0.0] * 3
    assert sum(board.minutes()) == 1


def test_requests_that_went_in_any_case_are_counted_once(place: Place) -> None:
    board = place.board()
    board.tell([Spent(1, 0.0), Spent(2, WINDOW_S - 20), Spent(3, WINDOW_S + 1)])
    board.tell([Spent(1, 0.0)])
    assert sum(board.minutes()) == 2
    turn = board.take(ask(4, spent=[Spent(5, 3.0), Spent(2, WINDOW_S - 20)]))
    assert (turn.wait_s, turn.left) == (0.0, MOST - 4)


def test_who_waits_is_told_when_room_comes(place: Place) -> None:
    board = place.board()
    board.tell([Spent(number, WINDOW_S - 1.0) for number in range(MOST)])
    turn = board.take(ask(100))
    assert 0 < turn.wait_s <= 1.0
    assert turn.left == 0
    gone_within(lambda: not board.take(ask(100)).wait_s)


def test_the_less_urgent_leave_a_part_to_the_others(place: Place) -> None:
    board = place.board()
    board.tell([Spent(number, 1.0) for number in range(40)])
    assert board.take(ask(100, keep=22)).wait_s > 0
    assert not board.take(ask(101)).wait_s


def test_a_mount_that_has_had_its_share_leaves_a_tenth_to_those_who_have_not(place: Place) -> None:
    one, other = place.board(), place.board()
    one.attend(b"")
    other.attend(b"")
    turns = [one.take(ask(number, own=number)) for number in range(MOST)]
    assert [turn.mounts for turn in turns] == [2] * MOST
    assert sum(not turn.wait_s for turn in turns) == MOST - MOST // 10
    turns = [other.take(ask(number, own=number)) for number in range(MOST)]
    assert sum(not turn.wait_s for turn in turns) == MOST // 10


def test_a_mount_that_is_alone_has_it_all(place: Place) -> None:
    board = place.board()
    board.attend(b"")
    assert sum(not board.take(ask(number, own=number)).wait_s for number in range(MOST)) == MOST


def test_who_came_first_goes_first_and_each_is_told_another_moment(place: Place) -> None:
    one, other, third = (place.board() for _ in range(3))
    third.tell([Spent(0, WINDOW_S - 0.5), Spent(1, WINDOW_S - 1.9), *(Spent(number, 0.0) for number in range(2, MOST))])
    first, second = one.take(ask(1)), other.take(ask(1))
    assert 0 < first.wait_s <= 0.5 < second.wait_s
    assert one.take(ask(2)).wait_s <= 0.5       # its place is its mount's


def test_a_mount_that_has_had_less_than_its_share_goes_before_one_that_has_had_it(place: Place) -> None:
    one, other, third = (place.board() for _ in range(3))
    for each in (one, other, third):
        each.attend(b"")
    third.tell([Spent(0, WINDOW_S - 0.5), Spent(1, WINDOW_S - 1.9), *(Spent(number, 0.0) for number in range(2, MOST))])
    assert one.take(ask(1, own=MOST)).wait_s > 0.5
    assert other.take(ask(1)).wait_s <= 0.5


def test_who_can_not_go_anyway_is_in_nobodys_way(place: Place) -> None:
    one, other, third = (place.board() for _ in range(3))
    third.tell([Spent(number, WINDOW_S - 0.5 if not number else 0.0) for number in range(MOST - 1)])
    assert one.take(ask(1, keep=22)).wait_s > 0
    assert not other.take(ask(1)).wait_s


def test_who_does_not_come_again_loses_its_place(place: Place) -> None:
    one, other, third = (place.board() for _ in range(3))
    third.tell([Spent(number, WINDOW_S - 0.05 if not number else 0.0) for number in range(MOST)])
    assert one.take(ask(1)).wait_s > 0
    gone_within(lambda: not other.take(ask(1)).wait_s)


def test_after_a_429_nobody_asks_for_so_long(place: Place) -> None:
    one, other = place.board(), place.board()
    one.block(0.4)
    one.block(0.01)
    assert 0 < other.take(ask(1)).wait_s <= 0.4
    gone_within(lambda: not other.take(ask(1)).wait_s)


def test_a_board_that_has_lost_its_counts_says_so_and_lets_a_burst_go(place: Place) -> None:
    board = place.board()
    epoch = board.take(ask(0, most=450)).epoch
    assert board.take(ask(1, most=450)).epoch == epoch
    place.forget()
    turns = [board.take(ask(number, most=450)) for number in range(BURST + 10)]
    assert {turn.epoch for turn in turns} == {turns[0].epoch} != {epoch}
    assert sum(not turn.wait_s for turn in turns) == BURST
    board.tell([Spent(1000 + number, 10.0) for number in range(200)])
    aged(board)
    assert sum(not board.take(ask(2000 + number, most=450)).wait_s for number in range(300)) == 450 - 200 - BURST


def gone_within(true: Any) -> None:
    """The server's clock, and no other, decides: it is asked until it says so."""
    until_s = time.monotonic() + 20
    while not true():
        assert time.monotonic() < until_s
        time.sleep(0.01)


# ---- on the server

@pytest.mark.parametrize("place", ["redis"], indirect=True)
def test_every_key_has_a_time_to_live_and_its_organizations_name(place: Place, redis: RedisServer) -> None:
    """So nothing stays behind, and a server that is several has all of one script's keys in one place."""
    board = place.board()
    board.attend(b"here")
    board.put_page("20:", b"page", board.now(), 30)
    board.announce(b"news")
    board.intend("file", "1", b"upload")
    board.lease("sweep", 30)
    for number in range(MOST + 1):
        board.take(ask(number))
    board.tell([Spent(1000, 1.0)])
    board.block(5)
    with closing(redis.client()) as client:
        keys: Any = client.keys("*")
        found: Any = [client.ttl(key) for key in keys]
    lives = dict(zip([key.decode() for key in keys], found, strict=True))
    assert len(lives) == 10
    assert all(key.startswith("anthrofs:1:{org}") and 0 < life <= 3600 for key, life in lives.items()), lives


def test_the_stream_has_an_hour_of_announcements(place: Place, redis: RedisServer) -> None:
    board = place.board()
    if isinstance(board, MemoryBoard):
        board.announce(b"old")
        board._wall.news["org/work"][0][1].at_s -= 3601
    else:
        with closing(redis.client()) as client:
            seconds: Any = client.time()
            client.xadd("anthrofs:1:{org}/work:news", {"body": b"old"}, id=f"{seconds[0] * 1000 - 3_601_000}-0")
    board.announce(b"new")
    assert [each.body for each in board.announced(None, 0.0)] == [b"new"]


def test_a_board_that_can_be_read_and_takes_nothing_is_away_until_it_does(tmp_path: Path) -> None:
    """As a replica, or a server that is full."""
    clock, membership = FakeClock(), Membership(Service("http://test", Credentials("x-api-key", "key")), "host:/files")
    membership.join(Workspace("org", "work"))
    with RedisServer(tmp_path / "replica", "--replicaof", "127.0.0.1 1") as replica, closing(replica.client()) as client:
        board = ValkeyBoard(Fleet(Path("key"), board_url=replica.url), membership, clock)
        assert board.roll() == {}
        with pytest.raises(BoardAway, match="read only replica"):
            board.attend(b"here")
        for look in (board.roll, board.now, lambda: board.announced(None, 0.0)):
            clock.advance(100)
            with pytest.raises(BoardAway, match="read only replica"):
                look()
        assert board.away() is not None
        client.replicaof("NO", "ONE")
        assert board.attend(b"here") == 1
        assert board.away() is None
        assert len(board.roll()) == 1
        board.close()


def test_what_no_member_has_written_is_in_the_way_once(redis: RedisServer) -> None:
    """Else it would be for ever: it has no time to live."""
    clock, membership = FakeClock(), Membership(Service("http://test", Credentials("x-api-key", "key")), "host:/files")
    membership.join(Workspace("org", "work"))
    board = ValkeyBoard(Fleet(Path("key"), board_url=redis.url), membership, clock)
    calls: list[Callable[[], object]] = [
        lambda: board.attend(b"here"), board.roll, lambda: board.put_page("20:", b"page", Moment(1), 30), lambda: board.page("20:"),
        lambda: board.announce(b"news"), lambda: board.intend("file", "1", b"upload"), lambda: board.intents("file"),
        lambda: board.lease("sweep", 30), lambda: board.take(ask(1)), lambda: board.tell([Spent(1000, 1.0)]), board.minutes]
    with closing(redis.client()) as client:
        for call in calls:
            client.flushall()
            call()
            names: Any = client.keys("*")
            for name in names:
                client.delete(name)
                client.sadd(name, b"\xff")
            for each in (call, lambda: board.attend(b"here")):
                with suppress(BoardAway):
                    each()
                clock.advance(100)
            board.attend(b"here")
            call()
            assert board.away() is None
        client.flushall()
        client.xadd("anthrofs:1:{org}/work:news", {"other": b"junk"})
        board.announce(b"news")
        assert [each.body for each in board.announced(None, 0.0)] == [b"", b"news"]
    board.close()


@pytest.mark.parametrize("number", [f"{2**64 - 1}-{2**64 - 1}", f"{2 * 10**13}-0"])
def test_a_stream_that_a_stranger_has_ended_or_that_began_anew_before_its_end_is_heard(redis: RedisServer, number: str) -> None:
    """Its numbers are the server's time: after a day's end in the year 2603, or none that may follow, nothing of today would be heard."""
    membership = Membership(Service("http://test", Credentials("x-api-key", "key")), "host:/files")
    membership.join(Workspace("org", "work"))
    board = ValkeyBoard(Fleet(Path("key"), board_url=redis.url), membership, Clock())
    with closing(redis.client()) as client:
        client.flushall()
        board.announce(b"old")
        client.xadd("anthrofs:1:{org}/work:news", {"body": b"junk"}, id=number)
        after = board.announced(None, 0.0)[-1].number
        assert after == number
        board.announce(b"new")
        assert board.away() is None
        found = board.announced(after, 0.0)
        assert [each.body for each in found] == [b"new"]
        assert board.announced(found[-1].number, 0.0) == []
        left_s: Any = client.ttl("anthrofs:1:{org}/work:news")
        assert left_s > 0
    board.close()
