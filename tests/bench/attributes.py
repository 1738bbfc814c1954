"""Rows of programs that look at attributes on a kernel that has none yet: ls -l, find, du, stat.

Trusts  a remount to leave the kernel nothing of the mount before.
"""

import os
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from tests.bench.builds import Build
from tests.bench.catalogue import Catalogue
from tests.bench.looks import REFRESH_S
from tests.bench.million import HURRIED, on
from tests.bench.names_stage import NamesStage, ls
from tests.bench.stage import DIRECT
from tests.bench.table import Cost, Report, Work

BOUND_S: Final = 120.0
Look = Callable[[Path], object]


def rows(stage: NamesStage, report: Report) -> None:
    count, folders, some = stage.sizes.all, stage.sizes.folders, stage.sizes.some
    stats = Work(f"  {some} stats after it", entries=some)
    flat = partial(_stat, [f"bulk-{number:06}.csv" for number in range(0, count, count // some)])
    deep = partial(_stat, [f"folder-{number % folders:04}/bulk-{number // folders:06}.csv" for number in range(0, count, count // some)])
    for option, how in (("-f", "names only, "), ("-l", "")):
        _row(stage, report, 0, [Work(f"ls {option} of {count}, {how}cold kernel", entries=count), stats], [partial(_ls, option), flat],
             lambda path: ls(path, "-f"))
    for what, look in (("find -size", _find), ("du", _du)):
        _row(stage, report, folders, [Work(f"{what} of {count} in {folders} folders, cold kernel", entries=count), stats], [look, deep], _walk)


def _row(stage: NamesStage, report: Report, folders: int, works: list[Work], looks: list[Look], warm: Look) -> None:
    """`warm`: rclone, which keeps no index, gets its names before."""
    count = stage.sizes.all

    def rclone(_: int) -> list[Cost]:
        with stage.peer(count, folders, direct=True) as peer:
            warm(peer.path)
            return [stage.measured(DIRECT, partial(look, peer.path), pid=peer.pid) for look in looks]

    with Catalogue(count, folders) as catalogue, on(stage, stage.builds[0], catalogue) as first, on(stage, stage.builds[-1], catalogue) as last:
        mounts = {stage.builds[0]: first, stage.builds[-1]: last if len(stage.builds) > 1 else first}
        for mount in mounts.values():
            mount.mount(*HURRIED)
            mount.umount()

        def ours(build: Build, _: int) -> list[Cost]:
            mounts[build].mount(*HURRIED)
            before, pid = catalogue.requests(), mounts[build].pid()
            costs = [stage.measured(DIRECT, partial(look, mounts[build].path), pid=pid) for look in looks]
            asked = catalogue.requests() - before
            refreshes = 1 + sum(cost.time_s for cost in costs) / REFRESH_S
            report.claim(f"{works[0].what}: no request but refreshes", build is not stage.builds[0] or asked <= refreshes, asked)
            mounts[build].umount()
            return costs

        sides, others = stage.beside(stage.sizes.repetitions, ours, *([rclone] if stage.with_rclone else []))
    for place, work in enumerate(works):
        report.compare(work, [[each[place] for each in side] for side in sides], "rclone", [each[place] for side in others for each in side], most=1)


def _stat(names: list[str], path: Path) -> None:
    for name in names:
        os.lstat(path / name)


def _ls(option: str, path: Path) -> None:
    ls(path, option)


def _find(path: Path) -> None:
    """All files are asked for their size, and none is so big."""
    subprocess.run(["find", str(path), "-size", "+1M"], check=True, timeout=BOUND_S)


def _walk(path: Path) -> None:
    subprocess.run(["find", str(path), "-name", "*.none"], check=True, timeout=BOUND_S)


def _du(path: Path) -> None:
    subprocess.run(["du", "-s", str(path)], stdout=subprocess.DEVNULL, check=True, timeout=BOUND_S)
