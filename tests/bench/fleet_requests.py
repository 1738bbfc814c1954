"""Rows of what a fleet asks of the service together: listings, first mounts, what all read."""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tests.bench.builds import BuiltMount
from tests.bench.fleet_stage import ANY_NUMBER, FleetStage
from tests.bench.table import Report, Row, verdict

T = TypeVar("T")


def rows(stage: FleetStage, report: Report) -> None:
    for count in stage.sizes.mounts:
        _looks(stage, report, count)
    for count in stage.sizes.mounts[1:]:
        _first_mounts(stage, report, count)
        _same_files(stage, report, count)


def _looks(stage: FleetStage, report: Report, count: int) -> None:
    """All look once a second; each has asked by itself when it was mounted."""
    sizes = stage.sizes
    with stage.team(count) as mounts:
        together(mounts, lambda mount: mount.mount("--refresh", f"{sizes.refresh_s:g}", *ANY_NUMBER))
        stage.emulator.forget_requests()
        until_s = time.monotonic() + sizes.look_s
        together(mounts, lambda mount: _look_until(mount, until_s))
        lists = stage.asked()["list"]
    most = round(sizes.look_s / sizes.refresh_s) + 1
    counted(report, f"{count} mounts look for {sizes.look_s:g} s, refresh {sizes.refresh_s:g} s", lists, "listings", most)


def _look_until(mount: BuiltMount, until_s: float) -> None:
    while time.monotonic() < until_s:
        os.listdir(mount.path)
        time.sleep(1)


def _first_mounts(stage: FleetStage, report: Report, count: int) -> None:
    with stage.team(count) as mounts:
        stage.emulator.bulk(stage.sizes.files)
        together(mounts, lambda mount: mount.mount("--refresh", "300", *ANY_NUMBER))
        lists = stage.asked()["list"]
        shown = [len(os.listdir(mount.path)) for mount in mounts]
    report.claim(f"first mounts on {count} machines show all files", set(shown) == {stage.sizes.files}, shown)
    counted(report, f"first mount of {stage.sizes.files} files on {count} machines at once", lists, "listings", -(-stage.sizes.files // 1000) + count)


def _same_files(stage: FleetStage, report: Report, count: int) -> None:
    sizes = stage.sizes
    with stage.team(count) as mounts:
        contents = {f"made-{number}.bin": os.urandom(sizes.made_bytes) for number in range(sizes.made)}
        for name, content in contents.items():
            stage.emulator.generate(name, content)
        together(mounts, lambda mount: mount.mount("--refresh", "300", *ANY_NUMBER))
        right = together(mounts, lambda mount: all((mount.path / name).read_bytes() == content for name, content in contents.items()))
        downloads = stage.asked()["download"]
    report.claim(f"{count} machines read the same files right", all(right), right)
    counted(report, f"{sizes.made} generated files read on {count} machines at once", downloads, "downloads", sizes.made)


def counted(report: Report, what: str, requests: int, kind: str, most: int) -> None:
    """A row of requests that a fleet has made together."""
    report.rows.append(Row(what, f"{requests} {kind}", target=verdict(f"<= {most}", requests <= most), requests=str(requests)))
    report.samples.append({"what": what, "who": report.names[0], "requests": requests})
    report.claim(f"{what}: at most {most} {kind}", requests <= most, requests)


def together(mounts: Sequence[BuiltMount], action: Callable[[BuiltMount], T]) -> list[T]:
    """The action on all machines at once."""
    with ThreadPoolExecutor(len(mounts)) as threads:
        return list(threads.map(action, mounts))
