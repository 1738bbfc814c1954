"""Rows of catalogues: the first mount from a server that isn't waited for; what a remount, a refresh and a status cost with many files and with
few; memory.

Trusts  the catalogue's count for the requests.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from tests.bench.builds import Build, BuiltMount
from tests.bench.catalogue import Catalogue
from tests.bench.clients import list_all_s
from tests.bench.names_stage import NamesStage, ls
from tests.bench.process import resident_mib
from tests.bench.stage import DIRECT
from tests.bench.table import Cost, Report, Work, few, mib

PATIENCE_S: Final = 600.0
HURRIED: Final = ("--requests-per-minute", "1000000")
OPTIONS: Final = (*HURRIED, "--refresh", "3600")        # and nothing by itself meanwhile
Found = tuple[list[Cost], list[Cost], list[Cost], float, float]     # remounts, refreshes, statuses; MiB after ls -f, and after ls -l


def rows(stage: NamesStage, report: Report) -> None:
    _first(stage, report)
    few_files, many_files = stage.sizes.quick, stage.sizes.million
    small, large = (_used(stage, report, count) for count in (few_files, many_files))
    for place, what in enumerate(("remount", "refresh with one new", "anthrofs status")):
        work = Work(f"{many_files} files: {what}")
        mine, same = [[_costs(found[build], place) for build in stage.builds] for found in (large, small)]
        report.compare(work, mine, f"of {few_files}", same[0], most=1.5)
        report.compare(Work(f"{few_files} files: {what}"), same)
    for place, what in ((3, "names"), (4, "with attributes")):
        report.figures(f"memory, {few_files} files listed ({what})", [[_mib(small[build], place)] for build in stage.builds], mib)
        report.figures(f"memory, {many_files} files listed ({what})", [[_mib(large[build], place)] for build in stage.builds], mib)


@contextmanager
def on(stage: NamesStage, build: Build, catalogue: Catalogue) -> Iterator[BuiltMount]:
    """A place for a mount of the catalogue."""
    with stage.unlooked(build, catalogue.url) as mount:
        mount.patience_s = PATIENCE_S
        yield mount


def _first(stage: NamesStage, report: Report) -> None:
    count = stage.sizes.all
    pages = -(-count // stage.sizes.page)
    with Catalogue(count) as catalogue:
        def ours(build: Build, _: int) -> Cost:
            with on(stage, build, catalogue) as mount:
                return _asking(stage, catalogue, lambda: mount.mount(*OPTIONS))

        def bare(_: int) -> Cost:
            return stage.measured(DIRECT, lambda: list_all_s(catalogue.url, stage.headers, stage.sizes.page))

        sides, [loops] = stage.beside(stage.sizes.repetitions, ours, bare)
    requests = [cost.requests for cost in sides[0]]
    report.claim(f"the first mount of a catalogue: {pages} requests", set(requests) == {pages}, few(requests))
    report.compare(Work(f"first mount of {count} files, fast server"), sides, "bare HTTP", loops)


def _asking(stage: NamesStage, catalogue: Catalogue, action: Callable[[], object], *, pid: int | None = None) -> Cost:
    before = catalogue.requests()
    return stage.measured(DIRECT, action, lambda: catalogue.requests() - before, pid=pid)


def _used(stage: NamesStage, report: Report, count: int) -> dict[Build, Found]:
    """Each version's, on a state that it has made once."""
    with Catalogue(count) as catalogue:
        return {build: _used_by(stage, report, catalogue, build, count) for build in stage.builds}


def _used_by(stage: NamesStage, report: Report, catalogue: Catalogue, build: Build, count: int) -> Found:
    remounts, refreshes, statuses = list[Cost](), list[Cost](), list[Cost]()
    with on(stage, build, catalogue) as mount:
        mount.mount(*OPTIONS)
        for _ in range(stage.sizes.quick_repetitions):
            mount.umount()
            remounts.append(_asking(stage, catalogue, lambda: mount.mount(*OPTIONS)))
            catalogue.requests(news=1)
            refreshes.append(_asking(stage, catalogue, mount.refresh, pid=mount.pid()))
            statuses.append(_asking(stage, catalogue, lambda: mount.ok("status", mount.path), pid=mount.pid()))
        if build is stage.builds[0]:
            asked = [[cost.requests for cost in costs] for costs in (refreshes, statuses)]
            report.claim(f"{count} files: a refresh with one new is 1 request, a status none", asked == [[1] * len(refreshes), [0] * len(statuses)], asked)
        ls(mount.path, "-f")
        names_mib = resident_mib(mount.pid())
        ls(mount.path, "-l")
        return remounts, refreshes, statuses, names_mib, resident_mib(mount.pid())


def _costs(found: Found, place: int) -> list[Cost]:
    return (found[0], found[1], found[2])[place]


def _mib(found: Found, place: int) -> float:
    return found[3] if place == 3 else found[4]
