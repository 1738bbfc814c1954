"""`python -m tests.bench names|read|write [--short]`: a benchmark, its table, and exit code 1 when a count is wrong.

Owns    what is printed, and the way out.
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

from tests.bench import names, read, write
from tests.bench.table import Report, printed

BENCHMARKS: Final = {"names": names.run, "read": read.run, "write": write.run}
ENDINGS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SHORT_WORDS: Final = "The short form is for those counts: its files are too small for its times to say much."


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench", description="anthrofs beside others, on one delayed wire")
    parser.add_argument("what", choices=BENCHMARKS)
    parser.add_argument("--short", action="store_true", help="small files, few repetitions: for the counts, not for the times")
    asked = parser.parse_args()
    for number in ENDINGS:
        signal.signal(number, _leave)

    with_rclone = shutil.which("rclone") is not None
    print(_machine())
    if not with_rclone:
        print("rclone isn't installed: no comparison with it")
    report, start_s = Report(), time.monotonic()
    try:
        legend = BENCHMARKS[asked.what](report, lambda part: _say(f"{time.monotonic() - start_s:.0f} s: {part}"),
                                        short=asked.short, with_rclone=with_rclone)
    finally:
        _say("")
        print(f"\n{printed(report.rows)}\n")
    print(legend)
    if asked.short:
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
