"""`python -m tests.bench.read [--short]`: the reading benchmark, its table, and exit code 1 when a count is wrong.

Owns    what is printed, and the order of the rows.
Serves  scripts/bench.
"""

import argparse
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from typing import Final

from tests.bench import memory, scattered, sequential
from tests.bench.stage import SHORT, Sizes, Stage
from tests.bench.table import Report, printed

ENDINGS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LEGEND: Final = """\
Medians of {repetitions} ({small} of the small files, {long} of the memory), sides alternating. One wire for all of them: 50 ms a
connect, 50 ms a request. anthrofs and curl read from the emulator, rclone (--vfs-cache-mode full) from its own webdav
server; what both servers send is in the page cache. Cold: on a fresh mount with an empty state and cache, after its
directory was listed in full. Beside curl, anthrofs has to connect, too; beside rclone, both have the connection of their
listing. disk: the same file on {disk}, in the page cache. The ratio is that of speeds where the target says >=, else of
times or sizes. requests: anthrofs' for content, as its server counts them; rclone's all on the wire, lookups included.
connections: all, also those for listings in the background. Times and memory never fail a run; counts of requests and
of bytes do."""
SHORT_WORDS: Final = "The short form is for those counts: its files are too small for its times to say much."


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench read", description=__doc__)
    parser.add_argument("--short", action="store_true", help="small files, few repetitions: for the counts, not for the times")
    short = parser.parse_args().short
    sizes = SHORT if short else Sizes()
    for number in ENDINGS:
        signal.signal(number, _leave)

    with_rclone = shutil.which("rclone") is not None
    print(_machine())
    if not with_rclone:
        print("rclone isn't installed: no comparison with it")
    report, start_s = Report(), time.monotonic()
    try:
        with Stage(sizes, with_rclone=with_rclone) as stage:
            for part in (sequential, scattered, memory):
                _say(f"{time.monotonic() - start_s:.0f} s: {part.__name__.rpartition('.')[2]}")
                part.rows(stage, report)
    finally:
        _say("")
        print(f"\n{printed(report.rows)}\n")
    print(LEGEND.format(repetitions=sizes.repetitions, small=sizes.small_repetitions, long=sizes.long_repetitions, disk=_disk()))
    if short:
        print(SHORT_WORDS)
    print(f"Took {time.monotonic() - start_s:.0f} s; load at the end: {os.getloadavg()[0]:.1f}.")
    for line in report.broken:
        print(f"bench: this doesn't hold: {line}", file=sys.stderr)
    return 1 if report.broken else 0


def _leave(number: int, _frame: object) -> None:
    """A way out for every signal, on which everything is taken down: bounded, so a second signal need not disturb it."""
    for each in ENDINGS:
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


def _say(words: str) -> None:
    """Where the run is, for a person who waits."""
    if sys.stderr.isatty():
        print(f"\r\033[K{words}", end="", file=sys.stderr, flush=True)


def _machine() -> str:
    """One line: what the numbers depend on."""
    firsts = [_first_line(tool, "--version") for tool in ("rclone", "curl") if shutil.which(tool)]
    return f"{os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}, {', '.join(firsts)}, {_disk()}, load {os.getloadavg()[0]:.1f}"


def _disk() -> str:
    fields = subprocess.run(["df", "--output=fstype", tempfile.gettempdir()], capture_output=True, text=True, check=True)
    return fields.stdout.split()[-1]


def _first_line(*command: str) -> str:
    words = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return " ".join(words[:2])


if __name__ == "__main__":
    sys.exit(main())
