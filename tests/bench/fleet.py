"""The benchmark of fleets: its parts in order, and what the words in its table mean."""

from collections.abc import Callable, Sequence
from typing import Final

from tests.bench import fleet_closes, fleet_reads, fleet_requests, fleet_simulated
from tests.bench.builds import Build
from tests.bench.fleet_stage import SHORT, FleetSizes, FleetStage
from tests.bench.table import Report

LEGEND: Final = """\
Machines are mounts with states of their own, on one emulator, with a store in a directory and a redis-server as their board; what is
read through a store comes from a bucket on this machine, a small server's, beside the same gets by the store's own client. Counts are those of the
emulator, of all machines together, or of the store; the target is what a fleet promises. A whole team is simulated: the same
code, on a clock of its own, with a service that takes 500 requests a minute; 200 reads a minute and mount by Zipf's law, of 2,000 files, half of them members'
uploads, 5 new ones a minute; 2 minutes of mounts that have read all of the others before. Times are medians of {repetitions}, sides alternating. Counts fail a
run; times never do."""


def run(builds: Sequence[Build], report: Report, say: Callable[[str], None], *, short: bool, with_rclone: bool) -> str:
    """Fills the report; tells which part is under way. Returns the legend."""
    sizes = SHORT if short else FleetSizes()
    with FleetStage(builds, sizes) as stage:
        for part, rows in (("requests", fleet_requests.rows), ("reads", fleet_reads.rows), ("closes", fleet_closes.rows),
                           ("a team, simulated", fleet_simulated.rows)):
            say(part)
            rows(stage, report)
    return LEGEND.format(repetitions=sizes.repetitions)
