"""Rows of programs that look at many names: ls, find, stat; and what the daemons' memory is after that."""

import os
import shutil
import subprocess
import time
from pathlib import Path
from statistics import median
from typing import Final

from tests.bench.names_stage import NamesStage, ls
from tests.bench.process import resident_mib
from tests.bench.stage import ANTHROFS, RCLONE, in_turn
from tests.bench.table import Cost, Report, Row, asked, compared, median_s, seconds, verdict

FEW_MIB: Final = 80 * 10**6 / 2**20
GROWTH: Final = 1.4
REFRESH_S: Final = 10.0
Looks = tuple[Cost, Cost, Cost, float, float]       # ls -f, ls -l, ls -l again; memory in MiB after the first and after the last


def rows(stage: NamesStage, report: Report) -> None:
    sizes = stage.sizes
    most, *peers_most = _looks(stage, sizes.all)
    some, *peers_some = _looks(stage, sizes.some)
    few, *peers_few = _looks(stage, sizes.few)
    _row(report, f"ls -f of {sizes.all}", 0, most, peers_most, 1.0)
    _row(report, f"ls -l of {sizes.some}, cold kernel", 1, some, peers_some, 1.0)
    _row(report, "  warm kernel", 2, some, peers_some, 1.0)
    _row(report, f"ls -l of {sizes.all}", 1, most, peers_most, None)
    _row(report, "  second time", 2, most, peers_most, 0.6)
    for looks in (most, some, few):
        # Somebody looks, so there is a refresh every ten seconds; the first one ten seconds after the mount.
        beyond = [sum(cost.requests for cost in look[:3]) - sum(cost.time_s for cost in look[:3]) / REFRESH_S for look in looks]
        report.claim("ls -f, ls -l, ls -l: no requests but refreshes", max(beyond) <= 2, beyond)
    _memory(report, f"memory after ls -f of {sizes.few}", f"  of {sizes.all}", 3, few, most, [*peers_few, *peers_most], growth=GROWTH)
    _memory(report, f"memory after ls -l of {sizes.few}", f"  of {sizes.all}", 4, few, most, [*peers_few, *peers_most], growth=None)
    _missing(stage, report)
    _find(stage, report)
    if shutil.which("s3fs"):
        _s3fs(stage, report)


def _looks(stage: NamesStage, count: int) -> list[list[Looks]]:
    stage.serve(count)

    def ours(_: int) -> Looks:
        with stage.fresh() as mount:
            return _looked(stage, ANTHROFS, mount.path, mount.pid())

    def rclone(_: int) -> Looks:
        with stage.peer(count) as peer:
            ls(peer.path, "-f")     # it has no names before
            return _looked(stage, RCLONE, peer.path, peer.pid)

    return in_turn(stage.sizes.repetitions, ours, *([rclone] if stage.with_rclone else []))


def _looked(stage: NamesStage, door: int, path: Path, pid: int) -> Looks:
    names = stage.measured(door, lambda: ls(path, "-f"))
    listed_mib = resident_mib(pid)
    first = stage.measured(door, lambda: ls(path, "-l"))
    again = stage.measured(door, lambda: ls(path, "-l"))
    return names, first, again, listed_mib, resident_mib(pid)


def _row(report: Report, what: str, place: int, ours: list[Looks], peers: list[list[Looks]], most: float | None) -> None:
    costs = [_cost(looks, place) for looks in ours]
    report.rows += [Row(what, seconds(median_s(costs)), f"rclone {seconds(median_s(others))}",
                        *(("", "") if most is None else compared(median_s(costs) / median_s(others), most=most)), *asked(costs))
                    for others in ([_cost(looks, place) for looks in side] for side in peers)]
    if not peers:
        report.rows.append(Row(what, seconds(median_s(costs)), "", "", "", *asked(costs)))


def _cost(looks: Looks, place: int) -> Cost:
    cost = looks[place]
    assert isinstance(cost, Cost)
    return cost


def _mib(looks: list[Looks], place: int) -> float:
    return median(each[3] if place == 3 else each[4] for each in looks)


def _memory(report: Report, what: str, more: str, place: int, few: list[Looks], most: list[Looks], peers: list[list[Looks]],
            growth: float | None) -> None:
    """`peers`: none, or that of the few and that of the most."""
    few_mib, most_mib, peers_mib = _mib(few, place), _mib(most, place), [_mib(side, place) for side in peers]
    said = [f"rclone {mib:.0f} MiB" for mib in peers_mib] or ["", ""]
    report.rows.append(Row(what, f"{few_mib:.0f} MiB", said[0], "", verdict("< 80 MB", few_mib < FEW_MIB)))
    report.rows.append(Row(more, f"{most_mib:.0f} MiB", said[1], *(compared(most_mib / peers_mib[1], most=0.6) if peers_mib else ())))
    report.rows.append(Row("  beside the other", "", "", *((f"{most_mib / few_mib:.2f}",) if growth is None else compared(most_mib / few_mib, most=growth))))


def _missing(stage: NamesStage, report: Report) -> None:
    def stat_all(path: Path) -> None:
        for number in range(stage.sizes.missing):
            assert not os.path.lexists(path / f"missing-{number % 10}")

    def ours(_: int) -> Cost:
        with stage.fresh() as mount:
            return stage.measured(ANTHROFS, lambda: stat_all(mount.path))

    def rclone(_: int) -> Cost:
        with stage.peer(stage.sizes.few) as peer:
            return stage.measured(RCLONE, lambda: stat_all(peer.path))

    stage.serve(stage.sizes.few)
    costs, *others = in_turn(stage.sizes.repetitions, ours, *([rclone] if stage.with_rclone else []))
    requests = [cost.requests for cost in costs]
    report.claim("names that don't exist: 1 request at most", max(requests) <= 1, requests)
    what = f"stat of missing names, {stage.sizes.missing} times"
    report.rows.append(Row(what, seconds(median_s(costs)), "", "", verdict("<= 1 request", max(requests) <= 1), *asked(costs)))
    report.rows += [Row("  rclone", "", seconds(median_s(side)), "", "", *asked(side)) for side in others]


def _find(stage: NamesStage, report: Report) -> None:
    """A target of its own is the first time: rclone asks for each folder then."""
    def find(path: Path) -> None:
        found = subprocess.run(["find", str(path), "-name", "*.csv"], capture_output=True, check=True).stdout.count(b"\n")
        assert found == stage.sizes.all, found

    stage.serve(stage.sizes.all, stage.sizes.folders)
    with stage.fresh("--refresh", "300") as mount:      # none in the background meanwhile
        costs = [stage.measured(ANTHROFS, lambda: find(mount.path)) for _ in range(2)]
    requests = [cost.requests for cost in costs]
    report.claim("find over folders: no request", not any(requests), requests)
    others = []
    if stage.with_rclone:
        with stage.peer(stage.sizes.all, stage.sizes.folders) as peer:
            others = [stage.measured(RCLONE, lambda: find(peer.path)) for _ in range(2)]
    for number, what in enumerate((f"find -name '*.csv' in {stage.sizes.folders} folders", "  second time")):
        report.rows.append(Row(what, seconds(costs[number].time_s), "", "", verdict("no request", not requests[number]), *asked(costs[number:number + 1])))
        if others:
            report.rows.append(Row("  rclone", "", seconds(others[number].time_s), "", "", *asked(others[number:number + 1])))


def _s3fs(stage: NamesStage, report: Report) -> None:
    """For information: it lists all at each look, and asks for each file's attributes before it shows a name."""
    with stage.s3fs(stage.sizes.s3fs) as (peer, wire):
        for what, option in ((f"s3fs: first ls -f of {stage.sizes.s3fs}", "-f"), ("  ls -l after that", "-l"), ("  again", "-l")):
            before, start_s = wire.counts(0), time.perf_counter()
            ls(peer.path, option)
            cost = Cost(time.perf_counter() - start_s, (wire.counts(0) - before).requests, wire.counts(0) - before)
            report.rows.append(Row(what, "", seconds(cost.time_s), "", "", *asked([cost])))
        report.rows.append(Row("  memory after that", "", f"{resident_mib(peer.pid):.0f} MiB"))
