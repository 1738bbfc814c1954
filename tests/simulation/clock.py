"""The clock of a simulated machine: its waits are those of threads.py, so only the time has to be said.

Owns    nothing: the scheduler has the time, and the machine's own wall clock may be wrong by its jumps.
"""

from anthrofs.clock import Clock
from tests.simulation.scheduler import EPOCH_NS, SECOND_NS, Scheduler


class SimulatedClock(Clock):
    """One machine's."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler     # given
        self.off_ns = 0                 # what the wall clock shows too much; a jump changes it

    def now_s(self) -> float:
        return self._scheduler.now_ns / SECOND_NS

    def time_ns(self) -> int:
        return EPOCH_NS + self._scheduler.now_ns + self.off_ns
