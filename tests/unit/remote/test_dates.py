"""The server's clock is known within bounds that hold, and only become narrower."""

import email.utils

from anthrofs.remote.dates import Dates
from anthrofs.remote.http import HttpFiles
from tests.emulator.process import EmulatorProcess
from tests.fakes import FakeClock

FUTURE = {"date": "Sat, 01 Jan 2124 00:00:00 GMT"}


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


def test_a_date_of_whoever_is_on_the_way_says_nothing_once_the_service_has_told() -> None:
    clock = FakeClock()
    dates = Dates(clock)
    now = {"date": email.utils.formatdate(clock.time_ns() / 1e9, usegmt=True)}
    dates.answered(FUTURE, clock.time_ns())         # where nobody signs, as behind some gateways, it is all there is
    assert (known := dates.clock()) is not None
    assert known.earliest_ns > 10**18
    dates.answered(now | {"request-id": "req_1"}, clock.time_ns())
    told = dates.clock()
    assert told is not None
    assert told.earliest_ns <= 0 <= told.latest_ns
    dates.answered(FUTURE, clock.time_ns())         # a proxy's page
    assert dates.clock() == told
    dates.answered(FUTURE | {"request-id": "req_2"}, clock.time_ns())       # the service itself: a clock has jumped
    assert (known := dates.clock()) is not None
    assert known.earliest_ns > 10**18
