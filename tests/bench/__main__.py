"""`python -m tests.bench names|read|write|fleet|profile`: a benchmark, its table, and exit code 1 when a count is wrong.

Owns    what is printed, and the way out.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Final

from tests.bench import fleet, names, profile, read, write
from tests.bench.builds import that_of, this_one
from tests.bench.table import Report, printed

BENCHMARKS: Final = {"fleet": fleet.run, "names": names.run, "profile": profile.run, "read": read.run, "write": write.run}
ENDINGS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
WORDS: Final = """\
±: half of the way from the least to the most, in percent of the median. its CPU: the daemon's, user and system, while that was done."""
BESIDE_WORDS: Final = """\
{other}: that commit's version, in turn with this one, on the same servers, with mounts and states of its own. to it: this one to that, by the
medians, and (by the single repetitions, from the least to the most); of speeds where the work's other ratio is, else of times. was: its count."""
SHORT_WORDS: Final = "The short form is for those counts: its files are too small for its times to say much."


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench", description="anthrofs beside others, on one delayed wire")
    parser.add_argument("what", choices=BENCHMARKS)
    parser.add_argument("--short", action="store_true", help="small files, few repetitions: for the counts, not for the times")
    parser.add_argument("--against", metavar="REV", help="a commit that is measured beside this one, in turn")
    parser.add_argument("--binding", metavar="NAME", help="the FUSE binding that this version's mounts are to use, where it can be told")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every measurement there, too")
    asked = parser.parse_args()
    for number in ENDINGS:
        signal.signal(number, _leave)

    builds = [this_one(asked.binding), *([that_of(asked.against)] if asked.against else [])]
    with_rclone = shutil.which("rclone") is not None
    machine = _machine()
    print(machine)
    for build in builds[1:]:
        print(f"{build.name}: {'on the same libraries' if build.python == sys.executable else 'in an environment of its own'}")
    if not with_rclone:
        print("rclone isn't installed: no comparison with it")
    report, start_s = Report(tuple(build.name for build in builds)), time.monotonic()
    try:
        legend = BENCHMARKS[asked.what](builds, report, lambda part: _say(f"{time.monotonic() - start_s:.0f} s: {part}"),
                                        short=asked.short, with_rclone=with_rclone)
    finally:
        _say("")
        print(f"\n{printed(report)}\n")
        if asked.json:
            asked.json.write_text(json.dumps({"machine": machine, "benchmark": asked.what, "builds": report.names, "broken": report.broken,
                                              "rows": [asdict(row) for row in report.rows], "samples": report.samples}, indent=1))
    print(legend)
    print(WORDS)
    for build in builds[1:]:
        print(BESIDE_WORDS.format(other=build.name))
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
