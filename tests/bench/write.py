"""The writing benchmark: its parts in order, and what the words in its table mean."""

from collections.abc import Callable, Sequence
from typing import Final

from tests.bench import copies, saves, sending
from tests.bench.builds import Build
from tests.bench.table import Report
from tests.bench.write_stage import SHORT, WriteSizes, WriteStage

LEGEND: Final = """\
Medians of {repetitions} ({long} of the big file), sides alternating, each time on a fresh mount. One wire for all of them: 50 ms a
connect, 50 ms a request, its bandwidth limited for the big file only, both ways. anthrofs, curl and the bare HTTP client
(one kept connection, one file after the other) send to the emulator, rclone (--vfs-cache-mode writes --vfs-write-back 0s)
to its own webdav server; neither server syncs its disk. Small files have {bytes} bytes. Queued: cp returns when its files
are safe on this machine's disk; rclone's cp promises nothing. Both send at once, but anthrofs holds off the last few new
files for a second, for they may be temporary. rm: when both have sent everything. Big file: the time of close() alone,
after all write() calls, on a new connection as curl's; it syncs to the disk, too. The ratio is that of times. Copies: a
folder of {tree} such files, on a wire of its own with 20 ms a connect and 20 ms a request; queue: until the server has all, the hold-off of a
second included, beside ten connections that do nothing but send. In, no limit: from the first write to the end of close, without any wire. requests:
anthrofs' as its server counts them, listings in the background apart; rclone's all on the wire, lookups included.
connections: all. Times and memory never fail a run, unless memory grows with the file; counts of requests, of
bytes and of what the server has do."""


def run(builds: Sequence[Build], report: Report, say: Callable[[str], None], *, short: bool, with_rclone: bool) -> str:
    """Fills the report; tells which part is under way. Returns the legend."""
    sizes = SHORT if short else WriteSizes()
    with WriteStage(builds, sizes, with_rclone=with_rclone) as stage:
        for part, rows in (("small files", saves.rows), ("copies", copies.rows), ("the big file", sending.rows)):
            say(part)
            rows(stage, report)
    return LEGEND.format(repetitions=sizes.repetitions, long=sizes.long_repetitions, bytes=sizes.small_bytes, tree=sizes.tree_files)
