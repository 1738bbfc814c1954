"""Whether the service can be asked: what closes the way, what opens it, and how little is asked meanwhile."""

import errno
import random
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest

from anthrofs.errors import (
    AccountStopped,
    AuthFailed,
    Closed,
    Gone,
    InTheWay,
    LimitReached,
    NoAnswer,
    Offline,
    QuotaExceeded,
    RateLimited,
    Refused,
    RemoteError,
    RemoteTooLarge,
    Unavailable,
    UploadCut,
)
from anthrofs.model import FileId
from anthrofs.remote.gates import APART_S, BUSY, BUSY_S, CLOSED, DOUBTED, NEXT, OPEN, Gate, Kind, News, lesson
from anthrofs.remote.guarded import Guarded, Taught
from anthrofs.remote.prober import Prober
from anthrofs.remote.retry import Retrying
from anthrofs.remote.way import Way
from tests.fakes import FakeClock, FakeFiles

MINUTE_S = 60.0

T = TypeVar("T")


def service(kind: type[RemoteError], status: int) -> RemoteError:
    return kind("the service's words", from_service=True, status=status, maybe_stored=False)


def page(status: int = 502) -> RemoteError:
    return InTheWay(f"HTTP {status} that is not the service's own answer", status=status)


UNAUTHORIZED = service(AuthFailed, 401)
FORBIDDEN = service(AuthFailed, 403)
QUOTA = service(QuotaExceeded, 400)
ON_HOLD = service(AccountStopped, 400)
OFFLINE = Offline("no connection", maybe_stored=False)

# ---- the life cycle

def test_every_state_can_be_reached_and_left_and_only_a_good_answer_opens() -> None:
    assert {state for state, _ in NEXT} == {OPEN, BUSY, DOUBTED, CLOSED} == set(NEXT.values())
    for (state, news), following in NEXT.items():
        assert (following == OPEN) is (news is News.GOOD), (state, news)
        assert following == CLOSED or state != CLOSED or news is News.GOOD


@pytest.mark.parametrize(("kind", "exc", "for_all", "for_own"), [
    (Kind.UPLOAD, None, News.GOOD, News.GOOD),
    (Kind.UPLOAD, UNAUTHORIZED, News.BAD, None),
    (Kind.UPLOAD, ON_HOLD, News.BAD, None),
    (Kind.UPLOAD, FORBIDDEN, None, News.BAD),
    (Kind.DELETE, FORBIDDEN, None, News.BAD),
    (Kind.READ, FORBIDDEN, None, News.BAD),             # downloads have no gate: it is said of that file
    (Kind.LIST, FORBIDDEN, News.BAD, None),
    (Kind.UPLOAD, QUOTA, News.GOOD, News.BAD),
    (Kind.UPLOAD, service(LimitReached, 429), News.GOOD, News.BAD),
    (Kind.UPLOAD, page(), News.BAD, News.BAD),
    (Kind.READ, page(407), News.BAD, News.BAD),
    (Kind.LIST, OFFLINE, News.CUT, None),
    (Kind.UPLOAD, NoAnswer("cut"), None, None),
    (Kind.UPLOAD, UploadCut("cut"), None, None),
    (Kind.UPLOAD, Closed(QUOTA), None, None),
    (Kind.UPLOAD, Refused("a gateway's 404", status=404), None, None),
    (Kind.UPLOAD, RemoteTooLarge("a proxy's 413", status=413), None, None),
    (Kind.UPLOAD, RateLimited("a limiter's 429", status=429), News.GOOD, None),
    (Kind.UPLOAD, service(RateLimited, 429), News.GOOD, None),
    (Kind.UPLOAD, service(Unavailable, 503), News.GOOD, News.BUSY),
    (Kind.DELETE, service(Unavailable, 500), News.GOOD, News.BUSY),
    (Kind.UPLOAD, service(Unavailable, 409), News.GOOD, None),
    (Kind.UPLOAD, service(Refused, 400), News.GOOD, News.GOOD),
    (Kind.UPLOAD, service(RemoteTooLarge, 413), News.GOOD, News.GOOD),
    (Kind.DELETE, service(Gone, 404), News.GOOD, News.GOOD),
])
def test_what_an_answer_says_of_the_way(kind: Kind, exc: RemoteError | None, for_all: News | None, for_own: News | None) -> None:
    assert lesson(kind, exc) == (for_all, for_own)


def test_a_busy_gate_lets_one_ask_after_growing_pauses_and_begins_anew_after_each_good_answer() -> None:
    gate, busy = Gate("uploads", ""), service(Unavailable, 503)
    now_s = 100.0
    for _ in range(2):
        gate.hear(News.BUSY, busy, now_s, 0)
        for pause_s in (*BUSY_S, BUSY_S[-1]):
            assert (gate.state, gate.due_s) == (BUSY, now_s + pause_s)
            now_s += pause_s
            gate.probe(now_s)
            for _ in range(10):         # what was under way is answered, too
                assert not gate.hear(News.BUSY, busy, now_s, 0)
        assert gate.hear(News.GOOD, None, now_s, 0)
        assert gate.state == OPEN


def test_a_busy_gate_that_hears_worse_is_doubted_from_then_on() -> None:
    gate = Gate("uploads", "")
    gate.hear(News.BUSY, service(Unavailable, 503), 100.0, 0)
    gate.hear(News.BAD, page(), 150.0, 7)
    assert (gate.state, gate.since_s, gate.since_ns, gate.due_s) == (DOUBTED, 150.0, 7, 150.0 + APART_S)
    gate.hear(News.BUSY, service(Unavailable, 503), 160.0, 0)
    assert gate.state == DOUBTED
    gate.hear(News.BAD, page(), 160.0, 0)
    assert gate.state == CLOSED


class UnhurriedClock(FakeClock):
    """Moves only when nobody has anything to tell whoever waits, and in steps: the prober is a thread, whose time comes in between."""

    def wait(self, condition: threading.Condition, timeout_s: float | None) -> None:
        if not condition.wait(0.03 if timeout_s is not None else 5) and timeout_s is not None:
            self.advance(min(timeout_s, max(0.25, timeout_s / 8)))


@pytest.fixture
def clock() -> FakeClock:
    return UnhurriedClock()


@pytest.fixture
def way(clock: FakeClock) -> Way:
    return Way(clock)


@pytest.mark.parametrize("bad", [UNAUTHORIZED, ON_HOLD, page(401), page(403), page(407), page(502), page(503), page(504)], ids=str)
def test_two_bad_answers_in_a_row_close_the_way_if_they_are_a_second_apart(clock: FakeClock, way: Way, bad: RemoteError) -> None:
    for _ in range(10):                                 # those of one moment are one event's
        way.hear(Kind.READ, bad)
    clock.advance(APART_S - 0.01)
    way.hear(Kind.LIST, bad)
    assert way.closed() is None
    clock.advance(0.02)
    way.hear(Kind.UPLOAD, bad)
    closed = way.closed()
    assert closed is not None
    assert (closed.code, str(closed)) == (bad.code, str(bad))
    [notice] = [notice for notice in way.notices() if notice.gate == "all"]
    assert (notice.reason, notice.since_ns, round(notice.next_s, 3)) == (str(bad), clock.time_ns() - 10**9 - 10**7, 2.0)


def test_a_good_answer_in_between_clears_the_doubt(clock: FakeClock, way: Way) -> None:
    for _ in range(5):
        way.hear(Kind.LIST, page())
        clock.advance(5)
        way.hear(Kind.READ, None)
        clock.advance(5)
    assert way.closed() is None


def test_one_connection_that_cant_be_made_closes_the_way_at_once(way: Way) -> None:
    way.hear(Kind.LIST, OFFLINE)
    closed = way.closed(Kind.UPLOAD)
    assert closed is not None
    assert closed.code == errno.ENETUNREACH


@pytest.mark.parametrize(("kind", "other"), [(Kind.UPLOAD, Kind.DELETE), (Kind.DELETE, Kind.UPLOAD)])
def test_what_is_refused_of_one_kind_stops_that_kind_only(clock: FakeClock, way: Way, kind: Kind, other: Kind) -> None:
    way.hear(kind, FORBIDDEN)
    way.check(other)
    with pytest.raises(Closed):
        way.check(kind)                                 # doubted: one at a time, when it is time
    clock.advance(1)
    way.check(kind)
    with pytest.raises(Closed):
        way.check(kind)
    way.hear(kind, FORBIDDEN)
    closed = way.closed(kind)
    assert closed is not None
    assert closed.code == errno.EACCES
    assert (way.closed(), way.closed(other)) == (None, None)
    way.enter(other)
    way.check(other)
    with pytest.raises(Closed):
        way.check(kind)


def test_a_deletion_lifts_a_full_storage_and_nothing_else(clock: FakeClock, way: Way) -> None:
    told: list[float | None] = []
    way.listen(lambda: told.append(way.turn_s(Kind.UPLOAD)))
    for bad in (QUOTA, FORBIDDEN):
        for _ in range(2):
            way.hear(Kind.UPLOAD, bad)
            clock.advance(1)
        way.hear(Kind.DELETE, None)
        way.hear(Kind.UPLOAD, None)
    assert told == [0.0, None, None]                    # a probe may go; it was good; it was good, after 403s


# ---- probes

def test_probes_go_after_2_5_10_20_seconds_and_then_twice_a_minute(clock: FakeClock, way: Way) -> None:
    for _ in range(2):
        way.hear(Kind.UPLOAD, QUOTA)
        clock.advance(APART_S)
    clock.advance(-APART_S)
    moments = []
    for second in range(200):
        if way.turn_s(Kind.UPLOAD) == 0 and way.claim(Kind.UPLOAD):
            way.check(Kind.UPLOAD)
            way.hear(Kind.UPLOAD, QUOTA)
            moments.append(second)
        clock.advance(1)
    assert moments == [2, 5, 10, 20, 50, 80, 110, 140, 170]


def test_one_claim_lets_one_request_pass(clock: FakeClock, way: Way) -> None:
    way.hear(Kind.UPLOAD, FORBIDDEN)
    assert (way.turn_s(Kind.UPLOAD), way.claim(Kind.UPLOAD)) == (APART_S, False)
    clock.advance(APART_S)
    assert [way.claim(Kind.UPLOAD) for _ in range(3)] == [True, False, False]
    way.check(Kind.UPLOAD)
    with pytest.raises(Closed):
        way.check(Kind.UPLOAD)
    way.hear(Kind.UPLOAD, None)
    for _ in range(3):
        way.check(Kind.UPLOAD)
    assert way.turn_s(Kind.UPLOAD) is None


def test_who_comes_ten_seconds_after_the_last_probe_gets_one_and_a_person_at_once(clock: FakeClock, way: Way) -> None:
    for _ in range(2):
        way.hear(Kind.UPLOAD, QUOTA)
        clock.advance(APART_S)
    for pause_s in (2, 3, 5, 10):
        clock.advance(pause_s)
        assert way.claim(Kind.UPLOAD)
        way.hear(Kind.UPLOAD, QUOTA)
    clock.advance(9)
    way.knock(Kind.UPLOAD)
    assert way.turn_s(Kind.UPLOAD) == 21
    clock.advance(1)
    way.knock(Kind.UPLOAD)
    assert way.turn_s(Kind.UPLOAD) == 0
    assert way.claim(Kind.UPLOAD)
    clock.advance(1)
    way.hurry()
    assert way.turn_s(Kind.UPLOAD) == 0


def test_a_person_who_asks_right_after_no_connection_could_be_made_waits_until_one_is_tried(clock: FakeClock, way: Way) -> None:
    """A router that restarts: the old answer isn't told again for a second."""
    way.hear(Kind.DELETE, OFFLINE)
    way.await_turn()
    assert clock.now_s() == pytest.approx(APART_S)
    way.enter(Kind.LIST)
    way.hear(Kind.LIST, None)
    way.await_turn()
    assert clock.now_s() == pytest.approx(APART_S)          # nothing to wait for


def test_a_gate_that_closes_again_and_again_is_probed_no_more_often_than_one_that_stays_closed(clock: FakeClock, way: Way) -> None:
    probes = 0
    for _ in range(2 * 600):
        if way.claim(Kind.UPLOAD):
            probes += 1
            way.hear(Kind.UPLOAD, None)                 # the smallest file gets through, and the next one does not
            for _ in range(2):
                way.hear(Kind.UPLOAD, QUOTA)
                clock.advance(APART_S)
        elif way.turn_s(Kind.UPLOAD) is None:
            way.hear(Kind.UPLOAD, QUOTA)
        clock.advance(0.5)
    assert probes < 30                                  # in ten minutes


# ---- with all that stands around it

@contextmanager
def asking(clock: FakeClock, way: Way, files: FakeFiles) -> Iterator[Retrying]:
    prober = Prober(way, Taught(files, way, probe=True), clock)
    prober.start()
    try:
        yield Retrying(Guarded(Taught(files, way), way), clock, threading.Event(), random.Random(1))
    finally:
        assert prober.stop(5)


class Down(FakeFiles):
    """Answers everything with one thing."""

    def __init__(self, clock: FakeClock, answer: RemoteError) -> None:
        super().__init__(clock)
        self.answer: RemoteError | None = answer
        self.asked_s: deque[float] = deque()

    def _answer(self, operation: str, name: str, effect: Callable[[], T]) -> T:
        self.asked_s.append(self._clock.now_s())
        if self.answer is not None:
            self.asked.append((operation, name))
            raise self.answer
        return super()._answer(operation, name, effect)


@pytest.mark.parametrize("bad", [UNAUTHORIZED, ON_HOLD, page(502), page(403)], ids=str)
def test_an_outage_costs_eight_requests_in_its_first_minute_and_two_a_minute_then_whoever_asks(
        clock: FakeClock, way: Way, bad: RemoteError) -> None:
    files = Down(clock, bad)
    with asking(clock, way, files) as remote:
        while clock.now_s() < 10 * MINUTE_S:
            for number in range(20):                    # readers, a refresh and deletions, all the time
                with pytest.raises(RemoteError):
                    (remote.stat if number % 2 else remote.delete)(FileId(f"file_{number}"))
            with pytest.raises(RemoteError):
                remote.list(1)
            clock.advance(0.5)
        knocks = 6                                      # somebody comes each moment: at most one probe each 10 s
        assert sum(moment_s < MINUTE_S for moment_s in files.asked_s) <= 8 + knocks
        assert len(files.asked_s) <= 8 + 10 * knocks
        files.answer = None
        clock.advance(30)
        remote.list(1)
        assert way.closed() is None


def test_refreshes_and_deletions_that_nobody_waits_for_ask_no_sooner(clock: FakeClock, way: Way) -> None:
    files = Down(clock, UNAUTHORIZED)
    with asking(clock, way, files) as remote:
        while clock.now_s() < 10 * MINUTE_S:
            with pytest.raises(RemoteError):
                remote.list(1)
            with pytest.raises(RemoteError):
                remote.delete(FileId("file_1"))
            clock.advance(0.5)
    assert sum(moment_s < MINUTE_S for moment_s in files.asked_s) <= 8
    assert len(files.asked_s) <= 8 + 2 * 9


def test_a_restarted_upstreams_one_page_is_asked_again_and_nobody_learns_of_it(clock: FakeClock, way: Way) -> None:
    files = FakeFiles(clock)
    files.fail("list", page(502))
    with asking(clock, way, files) as remote:
        assert remote.list(1).files == ()
    assert way.notices() == []
    assert len(files.asked) == 3                     # the one, the prober's, and again


def test_nobody_is_asked_while_nobody_wants_to_know(clock: FakeClock, way: Way) -> None:
    files = Down(clock, UNAUTHORIZED)
    with asking(clock, way, files) as remote:
        for _ in range(2):
            with pytest.raises(RemoteError):
                remote.list(1)
            clock.advance(2)
        asked = len(files.asked_s)
        clock.advance(3600)
        assert len(files.asked_s) <= asked + 1


def test_while_no_connection_can_be_made_whoever_comes_in_time_tries_and_nobody_else_is_sent_first(clock: FakeClock, way: Way) -> None:
    files = Down(clock, OFFLINE)
    with asking(clock, way, files) as remote:
        for _ in range(10 * 60):                        # ten minutes
            with pytest.raises(RemoteError):
                remote.stat(FileId("file_1"))
            clock.advance(1)
        assert {operation for operation, _ in files.asked} == {"metadata"}
        assert len(files.asked_s) <= 10 * 12 + 5        # connects, not requests: each 5 s
        assert len(files.asked_s) >= 10 * 9
        clock.advance(5)
        files.answer = None
        assert way.want() is None                       # the next one may try, whoever it is
        remote.list(1)
        assert way.closed() is None
        assert files.asked[-1] == ("list", "")
