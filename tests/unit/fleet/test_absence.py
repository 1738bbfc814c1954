"""A board that is away makes each mount ask less, from the moment on at which it was missed."""

from anthrofs.fleet.absence import LEAST_S, NO_SWEEP_S, Absence
from tests.fakes import FakeClock


def test_refreshes_are_three_times_rarer_and_sweeps_pause_before_they_are_rarer_by_the_number_of_mounts() -> None:
    clock, mounts = FakeClock(), 4
    absence = Absence(clock, lambda: mounts)
    assert (absence.refresh_s(1), absence.sweep_s(300)) == (1, 300)
    absence.note(away=True)
    assert (absence.refresh_s(1), absence.refresh_s(20), absence.sweep_s(300)) == (LEAST_S, 60, float("inf"))
    clock.advance(NO_SWEEP_S - 1)
    absence.note(away=True)                     # that doesn't make it begin anew
    assert absence.sweep_s(300) == float("inf")
    clock.advance(1)
    assert (absence.refresh_s(20), absence.sweep_s(300)) == (60, 1200)
    mounts = 0                                  # nobody was ever heard of
    assert absence.sweep_s(300) == 300
    absence.note(away=False)
    assert (absence.refresh_s(1), absence.sweep_s(300)) == (1, 300)
