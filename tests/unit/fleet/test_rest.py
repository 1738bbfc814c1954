"""An engine that fails is left alone for a while, and tried by one call; that is said once, and once when it is back."""

import logging

import pytest

from anthrofs.errors import StoreAway
from anthrofs.fleet.rest import FIRST_S, LONGEST_S, Rest
from tests.fakes import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def rest(clock: FakeClock) -> Rest:
    return Rest("the store file:///x", StoreAway, clock)


def test_it_rests_and_then_one_call_goes(rest: Rest, clock: FakeClock) -> None:
    assert not rest.enter()
    rest.failed("refused", probe=False)
    with pytest.raises(StoreAway, match="the store file:///x is away: refused"):
        rest.enter()
    clock.advance(FIRST_S)
    assert rest.enter()
    with pytest.raises(StoreAway):      # the probe is under way
        rest.enter()
    rest.answered()
    assert not rest.enter()


def test_a_rest_doubles_to_a_minute_and_an_answer_ends_that(rest: Rest, clock: FakeClock) -> None:
    rest.failed("silent", probe=rest.enter())
    lengths = []
    for _ in range(6):
        away = rest.away()
        assert away is not None
        lengths.append(away.next_s)
        clock.advance(away.next_s)
        rest.failed("silent", probe=rest.enter())
    assert lengths == [5, 10, 20, 40, 60, 60]
    clock.advance(LONGEST_S)
    rest.enter()
    rest.answered()
    assert rest.away() is None
    rest.failed("silent", probe=rest.enter())
    away = rest.away()
    assert away is not None
    assert away.next_s == FIRST_S


def test_a_person_who_waits_has_the_next_call_be_the_probe(rest: Rest) -> None:
    rest.failed("refused", probe=rest.enter())
    rest.hurry()
    assert rest.enter()
    rest.hurry()
    with pytest.raises(StoreAway):      # it is under way
        rest.enter()
    rest.failed("refused", probe=True)
    with pytest.raises(StoreAway):
        rest.enter()


def test_calls_that_were_under_way_dont_make_it_longer(rest: Rest) -> None:
    probes = [rest.enter() for _ in range(20)]
    for probe in probes:
        rest.failed("cut", probe=probe)
    away = rest.away()
    assert away is not None
    assert away.next_s == FIRST_S


def test_it_is_said_when_it_goes_and_when_it_is_back(rest: Rest, clock: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            rest.failed("refused", probe=rest.away() is not None and rest.enter())
            clock.advance(LONGEST_S)
        rest.enter()
        rest.answered()
        rest.answered()
    assert [record.getMessage() for record in caplog.records] == [
        "the store file:///x is away: refused. This mount goes on without it, and asks again by itself", "the store file:///x answers again"]
