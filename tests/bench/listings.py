"""Rows of listings: the first mount, a mount with a saved index, refreshes."""

from contextlib import ExitStack
from typing import Final

from tests.bench.builds import Build
from tests.bench.clients import list_all_s
from tests.bench.names_stage import NamesStage, ls
from tests.bench.stage import ANTHROFS, CURL, RCLONE
from tests.bench.table import Cost, Report, Row, Work, few, median_s, verdict
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
    def ours(build: Build, _: int) -> Cost:
        with stage.unlooked(build) as mount:
            return stage.measured(ANTHROFS, mount.mount)

    def bare(_: int) -> Cost:
        return stage.measured(CURL, lambda: list_all_s(stage.wire.url(CURL), stage.headers, stage.sizes.page))

    def rclone(_: int) -> Cost:
        with stage.peer(stage.sizes.all) as peer:
            return stage.measured(RCLONE, lambda: ls(peer.path, "-f"))

    sides, (loops, *others) = stage.beside(stage.sizes.repetitions, ours, bare, *([rclone] if stage.with_rclone else []))
    pages = -(-stage.sizes.all // stage.sizes.page)
    _claim(report, "the first mount", sides[0], pages, pages)
    report.compare(Work(f"first mount of {stage.sizes.all} files"), sides, "bare HTTP", loops, most=1.3)
    for side in others:
        report.information(Work("rclone's first ls -f"), sides[0], "rclone", side)
        report.rows.append(Row("  transferred", _bytes(sides[0]), f"rclone {_bytes(side)}"))


def _again(stage: NamesStage, report: Report) -> None:
    with ExitStack() as ends:
        mounts = {build: ends.enter_context(stage.fresh(build)) for build in stage.builds}

        def ours(build: Build, _: int) -> Cost:
            mounts[build].umount()
            return stage.measured(ANTHROFS, mounts[build].mount)
        sides, _ = stage.beside(stage.sizes.repetitions, ours)
    _claim(report, "a remount", sides[0], 0, 1)
    report.compare(Work("remount of them, ready"), sides, target=verdict(f"< {READY_S:g} s", median_s(sides[0]) < READY_S))
    if not stage.with_rclone:
        return
    with stage.peer(stage.sizes.all) as peer:
        ls(peer.path, "-f")
        others = []
        for _ in range(stage.sizes.repetitions):
            peer.end()
            others.append(stage.measured(RCLONE, lambda: ls(peer.mount(), "-f")))
    report.information(Work("remount, with ls -f"), sides[0], "rclone", others)


def _refreshes(stage: NamesStage, report: Report) -> None:
    with ExitStack() as ends:
        # No refresh in the background meanwhile.
        mounts = {build: ends.enter_context(stage.fresh(build, "--refresh", "300")) for build in stage.builds}
        nothing, _ = stage.beside(stage.sizes.repetitions, lambda build, _: _refreshed(stage, mounts[build]))
        some, _ = stage.beside(stage.sizes.repetitions, lambda build, number: _with_news(stage, mounts[build], f"{stage.builds.index(build)}-{number}"))
    for what, sides in (("nothing new", nothing), (f"{NEW_FILES} new", some)):
        # The other version's news are new to this one, too.
        _claim(report, f"a refresh with {what}", sides[0], 1, 1)
        most = max(cost.wire.bytes_down for cost in sides[0])
        report.claim(f"a refresh with {what}: less than {NEWS_BYTES} bytes", most < NEWS_BYTES, most)
        report.compare(Work(f"refresh, {what}"), sides)
        report.rows.append(Row("  transferred, at most", f"{most} B", "", "", verdict(f"< {NEWS_BYTES} B", most < NEWS_BYTES)))


def _refreshed(stage: NamesStage, mount: Mount) -> Cost:
    return stage.measured(ANTHROFS, mount.refresh, pid=mount.pid())


def _with_news(stage: NamesStage, mount: Mount, number: str) -> Cost:
    for each in range(NEW_FILES):
        stage.emulator.generate(f"new-{number}-{each}.csv", b"new")
    cost = _refreshed(stage, mount)
    assert all((mount.path / f"new-{number}-{each}.csv").exists() for each in range(NEW_FILES))
    return cost


def _claim(report: Report, what: str, costs: list[Cost], least: int, most: int) -> None:
    requests = [cost.requests for cost in costs]
    report.claim(f"{what}: {few({least, most})} requests", least <= min(requests) and max(requests) <= most, requests)


def _bytes(costs: list[Cost]) -> str:
    return f"{max(cost.wire.bytes_down for cost in costs) / 1e6:.1f} MB"
