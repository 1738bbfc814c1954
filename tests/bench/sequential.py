"""Rows of whole files, read from end to end: cold on a narrow and on a wide wire, again, and after a remount.

Trusts  the wire: a read whose bytes didn't all pass there wasn't cold, and the run says so.
"""

import shutil
from typing import Final

from tests.bench.builds import Build, BuiltMount
from tests.bench.clients import curl
from tests.bench.peers import READS, RcloneMount
from tests.bench.read_stage import ReadStage, cat
from tests.bench.stage import ANTHROFS, CURL, RCLONE, look
from tests.bench.table import Cost, Report, Work

WARM_READS: Final = 2   # before the one that is measured
Mounts = dict[Build, BuiltMount]


def rows(stage: ReadStage, report: Report) -> None:
    bandwidth = stage.sizes.bandwidth_bytes_per_s
    stage.wire.limit(bandwidth)
    with stage.each() as mounts, stage.rclone(*READS) as peer:
        _cold(stage, report, f"cold, {bandwidth * 8 / 1e9:g} Gbit/s", 0.95, mounts, peer)
    stage.wire.limit(0)
    with stage.each() as mounts, stage.rclone(*READS) as peer:
        _cold(stage, report, "cold, no limit", 0.5, mounts, peer)
        _warm(stage, report, mounts)
        _remounted(stage, report, mounts, peer)


def _cold(stage: ReadStage, report: Report, what: str, least: float, mounts: Mounts, peer: RcloneMount | None) -> None:
    names, size = stage.big, stage.sizes.big_bytes

    def ours(build: Build, number: int) -> Cost:
        stage.disconnect()          # curl has to connect, too
        return stage.cost(ANTHROFS, lambda: cat(mounts[build].path / names[number]), names[number], pid=mounts[build].pid())

    def theirs(number: int) -> Cost:
        return stage.cost(CURL, lambda: curl(stage.wire.url(CURL) + stage.content_path(names[number]), stage.headers))

    def rclone(number: int) -> Cost:
        assert peer is not None
        return stage.cost(RCLONE, lambda: cat(peer.path / names[number]), pid=peer.pid)

    sides, (curls, *others) = stage.beside(stage.sizes.repetitions, ours, theirs, *([rclone] if peer else []))
    for cost in (cost for side in (*sides, curls, *others) for cost in side):
        report.claim(f"{what}: all bytes come over the wire", cost.wire.bytes_down >= size, cost)
    requests = [cost.requests for cost in sides[0]]
    report.claim(f"{what}: 1 request", set(requests) == {1}, requests)

    work = Work(f"{size >> 20} MiB {what}", size, faster=True)
    report.compare(work, sides, "curl", curls, least=least)
    for side in others:
        report.information(work, sides[0], "rclone", side)


def _warm(stage: ReadStage, report: Report, mounts: Mounts) -> None:
    """The third read and later ones of one file, beside the same file on the local disk, in the page cache as well."""
    name, size = stage.big[-1], stage.sizes.big_bytes
    local = stage.base / "local.bin"
    shutil.copyfile(stage.origin / name, local)
    for path in [*(mount.path / name for mount in mounts.values()), local] * WARM_READS:
        cat(path)

    sides, [locals_] = stage.beside(stage.sizes.repetitions,
                                    lambda build, _: stage.cost(ANTHROFS, lambda: cat(mounts[build].path / name)),
                                    lambda _: stage.cost(CURL, lambda: cat(local)))
    local.unlink()
    requests = [cost.requests for cost in sides[0]]
    report.claim("warm: no request", not any(requests), requests)
    report.compare(Work(f"{size >> 20} MiB warm, third read", size, faster=True), sides, "disk", locals_, least=0.9)


def _remounted(stage: ReadStage, report: Report, mounts: Mounts, peer: RcloneMount | None) -> None:
    """Each file once: from the caches that the mounts before have left."""
    names, size = stage.big, stage.sizes.big_bytes
    for mount in mounts.values():
        look(mount.remount())
    if peer is not None:
        look(peer.remount())

    def ours(build: Build, number: int) -> Cost:
        return stage.cost(ANTHROFS, lambda: cat(mounts[build].path / names[number]), pid=mounts[build].pid())

    def rclone(number: int) -> Cost:
        assert peer is not None
        return stage.cost(RCLONE, lambda: cat(peer.path / names[number]))

    sides, others = stage.beside(stage.sizes.repetitions, ours, *([rclone] if peer else []))
    requests = [cost.requests for cost in sides[0]]
    report.claim("warm after a remount: no request", not any(requests), requests)
    report.compare(Work(f"{size >> 20} MiB warm after a remount", size, faster=True), sides, "rclone", others[0] if others else (), least=1)
