"""The reading benchmark: its parts in order, and what the words in its table mean."""

from collections.abc import Callable, Sequence
from typing import Final

from tests.bench import fast, memory, scattered, sequential
from tests.bench.builds import Build
from tests.bench.read_stage import SHORT, ReadSizes, ReadStage
from tests.bench.table import Report

LEGEND: Final = """\
Medians of {repetitions} ({small} of the small files, {long} of the memory), sides alternating. One wire for all of them: 50 ms a
connect, 50 ms a request. anthrofs and curl read from the emulator, rclone (--vfs-cache-mode full) from its own webdav
server; what both servers send is in the page cache. Cold: on a fresh mount with an empty state and cache, after its
directory was listed in full. Beside curl, anthrofs has to connect, too; beside rclone, both have the connection of their
listing. disk: the same file on the local disk, in the page cache. The ratio is that of speeds where the target says >=,
else of times or sizes. requests: anthrofs' for content, as its server counts them; rclone's all on the wire, lookups
included. connections: all, also those for listings in the background. Fast server:
nginx without any wire, whose contents come from the page cache; curl -o /dev/null shows what it sends at least; mounts and states are fresh for each
repetition, and what was written to a disk is dropped from memory after each, curl's file as well. curl -o FILE is who keeps what it reads, too. Times and memory never fail a run; counts of
requests and of bytes do."""


def run(builds: Sequence[Build], report: Report, say: Callable[[str], None], *, short: bool, with_rclone: bool) -> str:
    """Fills the report; tells which part is under way. Returns the legend."""
    sizes = SHORT if short else ReadSizes()
    with ReadStage(builds, sizes, with_rclone=with_rclone) as stage:
        for part, rows in (("whole files", sequential.rows), ("scattered reads", scattered.rows), ("memory", memory.rows), ("a fast server", fast.rows)):
            say(part)
            rows(stage, report)
    return LEGEND.format(repetitions=sizes.repetitions, small=sizes.small_repetitions, long=sizes.long_repetitions)
