"""When a refresh is due, who waits for it, and what is said of it."""

import time

import pytest

from anthrofs.sync.scan import SWEEP_S_PER_PAGE
from tests.unit.sync.parts import HOUR_S, State, asked


@pytest.mark.parametrize("poll", [False, True])
def test_refreshing_goes_on_for_two_minutes_after_a_look_and_with_poll_for_ever(state: State, poll: bool) -> None:
    state.poll = poll
    state.remount()
    state.refresher.look()
    began_s = state.clock.now_s()
    state.refresher.start()         # its clock moves when it waits
    until_s = time.monotonic() + 30
    while state.clock.now_s() - began_s < (HOUR_S if poll else 110):
        assert time.monotonic() < until_s
        time.sleep(0.01)
    while not poll and state.refresher.fresh():
        assert time.monotonic() < until_s
        time.sleep(0.01)
    assert state.refresher.stop(10)
    passed_s = state.clock.now_s() - began_s
    assert asked(state, "list") == pytest.approx(min(passed_s, HOUR_S * 100 if poll else 120) / 10, abs=2)


def test_a_listing_out_of_order_makes_every_refresh_a_full_one_but_no_storm(state: State) -> None:
    files = state.files.files
    files.append(files.pop(0))
    state.sweep()
    assert state.meta("unordered") == "1"
    assert state.sweeper.due_s() == float("inf")
    state.files.asked.clear()
    state.refresher.look()
    # Its clock moves when it waits, so two minutes pass at once, until nobody has looked for so long.
    state.refresher.start()
    until_s = time.monotonic() + 30
    while state.refresher.age_s() is None or state.refresher.fresh():
        assert time.monotonic() < until_s
        time.sleep(0.01)
    assert state.refresher.stop(10)
    assert 4 * 6 <= asked(state, "list") <= 4 * (120 / (3 * SWEEP_S_PER_PAGE) + 2)
    files.insert(0, files.pop())
    state.refresh()
    assert state.meta("unordered") is None
