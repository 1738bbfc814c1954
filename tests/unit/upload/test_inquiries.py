"""One listing for all that inquire about a lost upload, as far back as the oldest wants, at the moments when something may have turned up."""

import random
import threading

import pytest

from anthrofs.clock import Clock
from anthrofs.errors import InTheWay, NoAnswer, RemoteError, Unavailable
from anthrofs.model import Cursor, Page
from anthrofs.upload.inquiries import FIRST_FILES, INQUIRE_ONCE_S, INQUIRE_S, Inquiries, times_s
from tests.fakes import FakeClock, FakeFiles

# ---- newer content, and what turns up late

@pytest.mark.parametrize(("exc", "over_s", "expected"), [
    (NoAnswer("cut"), 100.0, INQUIRE_S),
    (Unavailable("500", from_service=True, status=500), 100.0, INQUIRE_ONCE_S),
    (Unavailable("504", from_service=True, status=504), 100.0, INQUIRE_S),
    (InTheWay("502", status=502), 100.0, INQUIRE_S),                      # an upstream that is restarted: nothing is behind the proxy
    (InTheWay("502", status=502), 70.0, (*INQUIRE_S, 30.0, 150.0, 270.0)),
    (InTheWay("504", status=504), 39.0, (*INQUIRE_S, 119.0, 239.0)),     # 61 s after the last byte: the first of them is past
    (InTheWay("504", status=504), None, INQUIRE_S),
    (InTheWay("503", status=503), 100.0, INQUIRE_ONCE_S),
])
def test_there_are_more_inquiries_only_after_a_proxy_lost_patience_that_has_all_of_it(exc: RemoteError, over_s: float | None, expected: tuple[float, ...]) -> None:
    assert times_s(exc, 100.0, over_s) == expected


# ---- one inquiry for all, on fakes

class Gate(FakeFiles):
    """A listing that takes as long as a test wants."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.began, self.go = threading.Semaphore(0), threading.Event()
        self.limits: list[int] = []

    def list(self, limit: int, cursor: Cursor | None = None) -> Page:
        self.limits.append(limit)
        self.began.release()
        assert self.go.wait(10)
        return super().list(limit, cursor)


def test_who_comes_while_an_inquiry_is_under_way_shares_it_if_it_began_late_enough() -> None:
    clock = FakeClock()
    clock.advance(100)
    gate = Gate(clock)
    inquiries = Inquiries(gate, clock, random.Random(1))
    threads = [threading.Thread(target=inquiries.since, args=(None, 100.0 - number)) for number in range(5)]
    threads[0].start()
    assert gate.began.acquire(timeout=10)
    for thread in threads[1:]:
        thread.start()
    gate.go.set()
    for thread in threads:
        thread.join()
    assert len(gate.limits) == 1
    clock.advance(10)
    inquiries.since(None, 100.0)
    assert len(gate.limits) == 1
    inquiries.since(None, clock.now_s())
    assert len(gate.limits) == 2
    clock.advance(1)
    inquiries.since(None, clock.now_s() + 1000)     # its own is always good enough
    assert len(gate.limits) == 3
    assert len(set(gate.limits)) == 3           # no two at one address
    assert all(FIRST_FILES <= limit < 2 * FIRST_FILES for limit in gate.limits)


def test_an_inquiry_goes_as_far_back_as_the_oldest_wants_and_no_further() -> None:
    clock = FakeClock()
    files = FakeFiles(clock)
    made = [files.generate(f"{number}.txt", b"x") for number in range(5000)]
    inquiries = Inquiries(files, clock, random.Random(1))
    assert len(inquiries.since(None, None)) < 2 * FIRST_FILES
    found = inquiries.since(made[2500].created_ns, None)
    assert {file.name for file in found} == {f"{number}.txt" for number in range(2500, 5000)}
    asked = len(files.asked)
    assert inquiries.since(made[3000].created_ns, None) == found
    assert len(files.asked) == asked <= 1 + 1 + 3 + 1


def test_an_inquiry_that_fails_fails_for_all_of_its_moment_and_the_next_one_asks_again() -> None:
    clock = FakeClock()
    clock.advance(100)
    files = FakeFiles(clock)
    inquiries = Inquiries(files, clock, random.Random(1))
    files.fail("list", NoAnswer("cut"))
    for _ in range(3):
        with pytest.raises(NoAnswer):
            inquiries.since(None, 99.0)
    assert len(files.asked) == 1
    clock.advance(1)
    assert inquiries.since(None, 101.0) == []
