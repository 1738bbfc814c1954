"""The server's clock is known within bounds that hold, and only become narrower."""

from anthrofs.remote.http import HttpFiles
from tests.emulator.process import EmulatorProcess


def test_the_bounds_of_the_servers_clock_hold_and_only_narrow(emulator: EmulatorProcess, files: HttpFiles) -> None:
    assert files.clock() is None
    widths = []
    for _ in range(20):
        files.list(1)
        clock = files.clock()
        assert clock is not None
        assert clock.earliest_ns <= 0 <= clock.latest_ns        # it is this machine's clock
        widths.append(clock.latest_ns - clock.earliest_ns)

    assert widths == sorted(widths, reverse=True)
    assert files.requests() == 20
