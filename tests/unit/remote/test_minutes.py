"""An hour of counts, whatever the clock and the load do."""

import pytest

from anthrofs.remote.budget import Work
from anthrofs.remote.minutes import MINUTES, Minutes
from anthrofs.remote.pace import Pacer, Priority
from tests.fakes import FakeClock
from tests.unit.remote.paced import PER_MINUTE, spend


def test_each_minute_has_its_own_count_and_the_running_one_is_the_last() -> None:
    minutes = Minutes()
    for moment_s in (3600.0, 3659.9, 3660.0, 3840.0):
        minutes.note("save", moment_s)
    counts = [count["save"] for count in minutes.last(3845.0)]
    assert len(counts) == MINUTES
    assert counts[-5:] == [2, 1, 0, 0, 1]
    assert sum(counts) == 4


@pytest.mark.parametrize(("later_s", "left"), [(3599.0, 1), (3600.0, 0), (10.0**7, 0)])
def test_what_is_an_hour_old_counts_no_more(later_s: float, left: int) -> None:
    minutes = Minutes()
    minutes.note("save", 0.0)
    assert sum(count.total() for count in minutes.last(later_s)) == left


def test_a_year_of_work_holds_an_hour() -> None:
    minutes = Minutes()
    for minute in range(0, 365 * 24 * 60, 7):
        minutes.note("save", minute * 60.0)
    assert len(minutes._counts) <= MINUTES


def test_the_pacer_counts_each_request_by_its_work_redirected_ones_too(pacer: Pacer, clock: FakeClock) -> None:
    spend(pacer, 3, Priority.READ)
    clock.advance(60)
    with pacer.slot(Priority.QUEUED):
        pacer.sent()
        pacer.sent()                # redirected
    most, minutes, over_s = pacer.traffic()
    assert (most, over_s) == (PER_MINUTE, 0.0)
    assert minutes[-2:] == [{"reads": 3, "saves": 0, "news": 0}, {"reads": 0, "saves": 2, "news": 0}]
    assert {name for count in minutes for name in count} == {work.name.lower() for work in Work}
