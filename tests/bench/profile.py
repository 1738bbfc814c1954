"""`scripts/bench profile`: where a cold read's CPU goes, by two samplers that look from outside.

Trusts  py-spy for functions of Python, perf (left out where there is none) for symbols of everything: libraries, the interpreter, the kernel.
        An own share is that of samples with the function innermost: for py-spy, a call into C counts for its caller.
"""

import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from tests.bench.builds import Build
from tests.bench.fast import mounted, served
from tests.bench.front import Front
from tests.bench.process import cpu_s
from tests.bench.read_stage import SHORT, ReadSizes, ReadStage, cat
from tests.bench.table import GIGA, Report, Row

LINES: Final = 10
RATE: Final = 400
BOUND_S: Final = 60.0
# Where threads sleep: py-spy can't always tell a thread that waits for a lock from one that works. "": a thread without Python at the moment.
WAITS: Final = re.compile(r"$|Condition\.wait |Event\.wait |sigwait |socket\.accept |FUSE\.__init__ |.*select\(? |.*\.poll ")
LEGEND: Final = """\
{count} files of {size} MiB, one after the other, from nginx without any wire, on a fresh mount for each sampler. Own shares of {rate} samples a second,
the most first. Functions: of Python, by py-spy, what C does for one counts for it, waits are left out. Symbols: of whatever used the CPU, by perf."""
Sampler = Callable[[int, Path, Callable[[], object]], Counter[str]]


def run(builds: Sequence[Build], report: Report, say: Callable[[str], None], *, short: bool, with_rclone: bool) -> str:
    """Fills the report. Returns the legend. Nobody else is in it: rclone isn't written in Python."""
    sizes = SHORT if short else ReadSizes()
    with ReadStage(builds, sizes, with_rclone=False) as stage, served(stage) as (front, ids):
        for what, sampler in (("function", _functions), *([("symbol", _symbols)] if shutil.which("perf") else [])):
            sides = []
            for build in builds:
                say(f"{what}s of {build.name}")
                sides.append(_profiled(stage, report, build, front, sorted(ids), sampler, what))
            report.rows.append(_row(f"CPU, seen by {what}", [f"{used_s / (len(ids) * sizes.big_bytes / GIGA):.2f} s/GB" for used_s, _ in sides]))
            for place in range(LINES):
                report.rows.append(_row(f"{what} {place + 1}", [_share(found, place) for _, found in sides]))
    return LEGEND.format(count=len(ids), size=sizes.big_bytes >> 20, rate=RATE)


def _profiled(stage: ReadStage, report: Report, build: Build, front: Front, names: Sequence[str], sampler: Sampler, what: str) -> tuple[float, Counter[str]]:
    """CPU, and how often each was the innermost."""
    with mounted(stage, build, front, tls=False) as mount:
        pid, used_s = mount.pid(), cpu_s(mount.pid())
        found = sampler(pid, stage.base, partial(_read, [mount.path / name for name in names]))
        used_s = cpu_s(pid) - used_s
    report.claim(f"{build.name}: its {what}s were seen at work", found.total() > 0, found)
    report.samples.append({"what": f"profile by {what}", "who": build.name, "samples": dict(found.most_common()), "cpu_s": used_s})
    return used_s, found


def _read(paths: Sequence[Path]) -> None:
    for path in paths:
        cat(path)


def _share(found: Counter[str], place: int) -> str:
    name, count = [*found.most_common(LINES), *[("", 0)] * LINES][place]
    return f"{count / found.total():4.0%}  {name}" if count else ""


def _row(what: str, cells: Sequence[str]) -> Row:
    return Row(what, cells[0], other=cells[1] if len(cells) > 1 else "")


def _functions(pid: int, base: Path, action: Callable[[], object]) -> Counter[str]:
    stacks = base / "stacks"
    said = _while_sampled([str(Path(sys.executable).with_name("py-spy")), "record", "--pid", str(pid), "--rate", str(RATE), "--format", "raw",
                           "--function", "--output", str(stacks), "--duration", "unlimited"], action)
    if not stacks.exists():
        raise SystemExit(f"bench: py-spy can't look at the mount's process: {said}")
    found: Counter[str] = Counter()
    for line in stacks.read_text().splitlines():
        frames, _, count = line.rpartition(" ")
        name = frames.rpartition(";")[2]
        if not WAITS.match(name):
            found[re.sub(r"\(/\S*site-packages/", "(", name)] += int(count)
    stacks.unlink()
    return found


def _symbols(pid: int, base: Path, action: Callable[[], object]) -> Counter[str]:
    """By the CPU's own clock: perf's hardware events aren't there in most virtual machines."""
    data = base / "perf.data"
    said = _while_sampled(["perf", "record", "--quiet", "--event", "cpu-clock", "--freq", str(RATE), "--pid", str(pid), "--output", str(data)], action)
    told = subprocess.run(["perf", "report", "--stdio", "--input", str(data), "--sort", "dso,symbol", "--fields", "sample,dso,symbol"], text=True,
                          capture_output=True, timeout=BOUND_S, check=False)
    if told.returncode:
        raise SystemExit(f"bench: perf can't look at the mount's process: {said}{told.stderr}")
    found: Counter[str] = Counter()
    for line in told.stdout.splitlines():
        if parts := re.match(r"\s*(\d+)\s+(\S+)\s+\[[.k]\] (\S+)", line):
            found[f"{parts[3]} ({parts[2].strip('[]')})"] += int(parts[1])
    data.unlink()
    return found


def _while_sampled(command: Sequence[str], action: Callable[[], object]) -> str:
    """What the sampler said, once it has written all down."""
    sampler = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", *command], text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, start_new_session=True)
    try:
        action()
        sampler.send_signal(signal.SIGINT)
        return sampler.communicate(timeout=BOUND_S)[0]
    finally:
        if sampler.poll() is None:
            sampler.kill()
            sampler.communicate(timeout=BOUND_S)
