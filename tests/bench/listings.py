"""Rows of listings: the first mount, a mount with a saved index, refreshes."""

from typing import Final

from tests.bench.clients import list_all_s
from tests.bench.names_stage import NamesStage, ls
from tests.bench.stage import ANTHROFS, CURL, RCLONE, in_turn
from tests.bench.table import Cost, Report, Row, asked, compared, few, median_s, seconds, verdict
from tests.mounting import Mount

NEWS_BYTES: Final = 10_000          # of a refresh, down
NEW_FILES: Final = 3
READY_S: Final = 1.0


def rows(stage: NamesStage, report: Report) -> None:
    stage.serve(stage.sizes.all)
    _first(stage, report)
    _again(stage, report)
    _refreshes(stage, report)


def _first(stage: NamesStage, report: Report) -> None:
    def ours(_: int) -> Cost:
        with stage.unlooked() as mount:
            return stage.measured(ANTHROFS, mount.mount)

    def bare(_: int) -> Cost:
        return stage.measured(CURL, lambda: list_all_s(stage.wire.url(CURL), stage.headers, stage.sizes.page))

    def rclone(_: int) -> Cost:
        with stage.peer(stage.sizes.all) as peer:
            return stage.measured(RCLONE, lambda: ls(peer.path, "-f"))

    costs, loops, *others = in_turn(stage.sizes.repetitions, ours, bare, *([rclone] if stage.with_rclone else []))
    pages = -(-stage.sizes.all // stage.sizes.page)
    _claim(report, "the first mount", costs, pages, pages)
    report.rows.append(Row(f"first mount of {stage.sizes.all} files", seconds(median_s(costs)), f"bare HTTP {seconds(median_s(loops))}",
                           *compared(median_s(costs) / median_s(loops), most=1.3), *asked(costs)))
    for side in others:
        report.rows.append(Row("  rclone's first ls -f, for information", "", seconds(median_s(side)), "", "", *asked(side)))
        report.rows.append(Row("  transferred", _bytes(costs), f"rclone {_bytes(side)}"))


def _again(stage: NamesStage, report: Report) -> None:
    with stage.fresh() as mount:
        costs = []
        for _ in range(stage.sizes.repetitions):
            mount.umount()
            costs.append(stage.measured(ANTHROFS, mount.mount))
    _claim(report, "a remount", costs, 0, 1)
    report.rows.append(Row("remount of them, ready", seconds(median_s(costs)), "", "",
                           verdict(f"< {READY_S:g} s", median_s(costs) < READY_S), *asked(costs)))
    if not stage.with_rclone:
        return
    with stage.peer(stage.sizes.all) as peer:
        ls(peer.path, "-f")
        others = []
        for _ in range(stage.sizes.repetitions):
            peer.end()
            others.append(stage.measured(RCLONE, lambda: ls(peer.mount(), "-f")))
    report.rows.append(Row("  rclone, with ls -f", "", seconds(median_s(others)), "", "", *asked(others)))


def _refreshes(stage: NamesStage, report: Report) -> None:
    with stage.fresh("--refresh", "300") as mount:      # none in the background meanwhile
        nothing = [stage.measured(ANTHROFS, mount.refresh) for _ in range(stage.sizes.repetitions)]
        some = [_with_news(stage, mount, number) for number in range(stage.sizes.repetitions)]
    for what, costs in (("nothing new", nothing), (f"{NEW_FILES} new", some)):
        _claim(report, f"a refresh with {what}", costs, 1, 1)
        most = max(cost.wire.bytes_down for cost in costs)
        report.claim(f"a refresh with {what}: less than {NEWS_BYTES} bytes", most < NEWS_BYTES, most)
        report.rows.append(Row(f"refresh, {what}", seconds(median_s(costs)), "", "", "", *asked(costs)))
        report.rows.append(Row("  transferred, at most", f"{most} B", "", "", verdict(f"< {NEWS_BYTES} B", most < NEWS_BYTES)))


def _with_news(stage: NamesStage, mount: Mount, number: int) -> Cost:
    for each in range(NEW_FILES):
        stage.emulator.generate(f"new-{number}-{each}.csv", b"new")
    cost = stage.measured(ANTHROFS, mount.refresh)
    assert all((mount.path / f"new-{number}-{each}.csv").exists() for each in range(NEW_FILES))
    return cost


def _claim(report: Report, what: str, costs: list[Cost], least: int, most: int) -> None:
    requests = [cost.requests for cost in costs]
    report.claim(f"{what}: {few({least, most})} requests", least <= min(requests) and max(requests) <= most, requests)


def _bytes(costs: list[Cost]) -> str:
    return f"{max(cost.wire.bytes_down for cost in costs) / 1e6:.1f} MB"
