"""Rows of programs that look at many names: ls, find, stat; and what the daemons' memory is after that."""

import os
import shutil
import subprocess
import time
from pathlib import Path
from statistics import median
from typing import Final

from tests.bench.builds import Build
from tests.bench.names_stage import NamesStage, ls
from tests.bench.process import resident_mib
from tests.bench.stage import ANTHROFS, RCLONE
from tests.bench.table import Cost, Report, Row, Work, asked, compared, mib, seconds, verdict

FEW_MIB: Final = 80 * 10**6 / 2**20
GROWTH: Final = 1.4
REFRESH_S: Final = 10.0
Looks = tuple[Cost, Cost, Cost, float, float]       # ls -f, ls -l, ls -l again; memory in MiB after the first and after the last
Found = tuple[list[list[Looks]], list[list[Looks]]]     # of each version; of the others


def rows(stage: NamesStage, report: Report) -> None:
    sizes = stage.sizes
    most, some, few = (_looks(stage, count) for count in (sizes.all, sizes.some, sizes.few))
    _row(report, Work(f"ls -f of {sizes.all}", entries=sizes.all), 0, most, 1.0)
    _row(report, Work(f"ls -l of {sizes.some} after it", entries=sizes.some), 1, some, 1.0)
    _row(report, Work("  warm kernel", entries=sizes.some), 2, some, 1.0)
    _row(report, Work(f"ls -l of {sizes.all} after it", entries=sizes.all), 1, most, None)
    _row(report, Work("  second time", entries=sizes.all), 2, most, 0.6)
    for sides, _ in (most, some, few):
        # Somebody looks, so there is a refresh every ten seconds; the first one ten seconds after the mount.
        beyond = [sum(cost.requests for cost in look[:3]) - sum(cost.time_s for cost in look[:3]) / REFRESH_S for look in sides[0]]
        report.claim("ls -f, ls -l, ls -l: no requests but refreshes", max(beyond) <= 2, beyond)
    _memory(report, f"memory after ls -f of {sizes.few}", f"  of {sizes.all}", 3, few, most, growth=GROWTH)
    _memory(report, f"memory after ls -l of {sizes.few}", f"  of {sizes.all}", 4, few, most, growth=None)
    _missing(stage, report)
    _find(stage, report)
    if shutil.which("s3fs"):
        _s3fs(stage, report)


def _looks(stage: NamesStage, count: int) -> Found:
    stage.serve(count)

    def ours(build: Build, _: int) -> Looks:
        with stage.fresh(build) as mount:
            return _looked(stage, ANTHROFS, mount.path, mount.pid())

    def rclone(_: int) -> Looks:
        with stage.peer(count) as peer:
            ls(peer.path, "-f")     # it has no names before
            return _looked(stage, RCLONE, peer.path, peer.pid)

    return stage.beside(stage.sizes.repetitions, ours, *([rclone] if stage.with_rclone else []))


def _looked(stage: NamesStage, door: int, path: Path, pid: int) -> Looks:
    names = stage.measured(door, lambda: ls(path, "-f"), pid=pid)
    listed_mib = resident_mib(pid)
    first = stage.measured(door, lambda: ls(path, "-l"), pid=pid)
    again = stage.measured(door, lambda: ls(path, "-l"), pid=pid)
    return names, first, again, listed_mib, resident_mib(pid)


def _row(report: Report, work: Work, place: int, found: Found, most: float | None) -> None:
    sides, others = [[[_cost(looks, place) for looks in side] for side in each] for each in found]
    report.compare(work, sides, "rclone", others[0] if others else (), most=most)


def _cost(looks: Looks, place: int) -> Cost:
    cost = looks[place]
    assert isinstance(cost, Cost)
    return cost


def _mib(sides: list[list[Looks]], place: int) -> list[list[float]]:
    return [[each[3] if place == 3 else each[4] for each in side] for side in sides]


def _memory(report: Report, what: str, more: str, place: int, few: Found, most: Found, *, growth: float | None) -> None:
    few_mib, most_mib = _mib(few[0], place), _mib(most[0], place)
    few_peers, most_peers = ([mib for side in _mib(found[1], place) for mib in side] for found in (few, most))
    report.figures(what, few_mib, mib, "rclone", few_peers, target=verdict("< 80 MB", median(few_mib[0]) < FEW_MIB))
    report.figures(more, most_mib, mib, "rclone", most_peers, most=0.6)
    grown = median(most_mib[0]) / median(few_mib[0])
    report.rows.append(Row("  beside the other", "", "", *((f"{grown:.2f}",) if growth is None else compared(grown, most=growth))))


def _missing(stage: NamesStage, report: Report) -> None:
    def stat_all(path: Path) -> None:
        for number in range(stage.sizes.missing):
            assert not os.path.lexists(path / f"missing-{number % 10}")

    def ours(build: Build, _: int) -> Cost:
        with stage.fresh(build) as mount:
            return stage.measured(ANTHROFS, lambda: stat_all(mount.path), pid=mount.pid())

    def rclone(_: int) -> Cost:
        with stage.peer(stage.sizes.few) as peer:
            return stage.measured(RCLONE, lambda: stat_all(peer.path))

    stage.serve(stage.sizes.few)
    sides, others = stage.beside(stage.sizes.repetitions, ours, *([rclone] if stage.with_rclone else []))
    requests = [cost.requests for cost in sides[0]]
    report.claim("names that don't exist: 1 request at most", max(requests) <= 1, requests)
    work = Work(f"stat of missing names, {stage.sizes.missing} times", entries=stage.sizes.missing)
    report.compare(work, sides, target=verdict("<= 1 request", max(requests) <= 1))
    for side in others:
        report.information(work, sides[0], "rclone", side)


def _find(stage: NamesStage, report: Report) -> None:
    """A target of its own is the first time: rclone asks for each folder then."""
    def find(path: Path) -> None:
        found = subprocess.run(["find", str(path), "-name", "*.csv"], capture_output=True, check=True).stdout.count(b"\n")
        assert found == stage.sizes.all, found

    def ours(build: Build, _: int) -> list[Cost]:
        with stage.fresh(build, "--refresh", "300") as mount:       # none in the background meanwhile
            return [stage.measured(ANTHROFS, lambda: find(mount.path), pid=mount.pid()) for _ in range(2)]

    def rclone(_: int) -> list[Cost]:
        with stage.peer(stage.sizes.all, stage.sizes.folders) as peer:
            return [stage.measured(RCLONE, lambda: find(peer.path)) for _ in range(2)]

    stage.serve(stage.sizes.all, stage.sizes.folders)
    sides, others = stage.beside(1, ours, *([rclone] if stage.with_rclone else []))
    requests = [cost.requests for cost in sides[0][0]]
    report.claim("find over folders: no request", not any(requests), requests)
    for number, what in enumerate((f"find -name '*.csv' in {stage.sizes.folders} folders", "  second time")):
        work = Work(what, entries=stage.sizes.all)
        report.compare(work, [[each[number] for each in side] for side in sides], target=verdict("no request", not requests[number]))
        for side in others:
            report.information(work, [], "rclone", [each[number] for each in side])


def _s3fs(stage: NamesStage, report: Report) -> None:
    """For information: it lists all at each look, and asks for each file's attributes before it shows a name."""
    with stage.s3fs(stage.sizes.s3fs) as (peer, wire):
        for what, option in ((f"s3fs: first ls -f of {stage.sizes.s3fs}", "-f"), ("  ls -l after that", "-l"), ("  again", "-l")):
            before, start_s = wire.counts(0), time.perf_counter()
            ls(peer.path, option)
            cost = Cost(time.perf_counter() - start_s, (wire.counts(0) - before).requests, wire.counts(0) - before)
            report.rows.append(Row(what, "", seconds(cost.time_s), "", "", *asked([cost])))
        report.rows.append(Row("  memory after that", "", f"{resident_mib(peer.pid):.0f} MiB"))
