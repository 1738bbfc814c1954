"""Rows of whole files, read from end to end: cold on a narrow and on a wide wire, again, and after a remount.

Trusts  the wire: a read whose bytes didn't all pass there wasn't cold, and the run says so.
"""

import shutil

from tests.bench.clients import curl
from tests.bench.peers import READS, RcloneMount
from tests.bench.process import cpu_s
from tests.bench.read_stage import ReadStage, cat
from tests.bench.stage import ANTHROFS, CURL, RCLONE, in_turn
from tests.bench.table import Cost, Report, Row, asked, compared, median_s, speed
from tests.mounting import Mount

WARM_READS = 2          # before the one that is measured


def rows(stage: ReadStage, report: Report) -> None:
    bandwidth = stage.sizes.bandwidth_bytes_per_s
    stage.wire.limit(bandwidth)
    with stage.anthrofs() as mount, stage.rclone(*READS) as peer:
        _cold(stage, report, f"cold, {bandwidth * 8 / 1e9:g} Gbit/s", 0.95, mount, peer)
    stage.wire.limit(0)
    with stage.anthrofs() as mount, stage.rclone(*READS) as peer:
        _cold(stage, report, "cold, no limit", 0.5, mount, peer)
        _warm(stage, report, mount)
        _remounted(stage, report, mount, peer)


def _cold(stage: ReadStage, report: Report, what: str, least: float, mount: Mount, peer: RcloneMount | None) -> None:
    names, size = stage.big, stage.sizes.big_bytes
    used_s = []

    def ours(number: int) -> Cost:
        stage.disconnect()          # curl has to connect, too
        before_s = cpu_s(mount.pid())
        cost = stage.cost(ANTHROFS, lambda: cat(mount.path / names[number]), names[number])
        used_s.append(cpu_s(mount.pid()) - before_s)
        return cost

    def theirs(number: int) -> Cost:
        return stage.cost(CURL, lambda: curl(stage.wire.url(CURL) + stage.content_path(names[number]), stage.headers))

    def rclone(number: int) -> Cost:
        assert peer is not None
        return stage.cost(RCLONE, lambda: cat(peer.path / names[number]))

    costs, curls, *others = in_turn(stage.sizes.repetitions, ours, theirs, *([rclone] if peer else []))
    for cost in (*costs, *curls, *(cost for side in others for cost in side)):
        report.claim(f"{what}: all bytes come over the wire", cost.wire.bytes_down >= size, cost)
    requests = [cost.requests for cost in costs]
    report.claim(f"{what}: 1 request", set(requests) == {1}, requests)

    report.rows.append(Row(f"{size >> 20} MiB {what}", speed(size, costs), f"curl {speed(size, curls)}",
                           *compared(median_s(curls) / median_s(costs), least=least), *asked(costs)))
    report.rows.append(Row("  the daemon's CPU", f"{sum(used_s) / (len(costs) * size / 1e9):.2f} s/GB"))
    for side in others:
        report.rows.append(Row("  rclone, for information", "", f"rclone {speed(size, side)}",
                               f"{median_s(side) / median_s(costs):.2f}", "", *asked(side)))


def _warm(stage: ReadStage, report: Report, mount: Mount) -> None:
    """The third read and later ones of one file, beside the same file on the local disk, in the page cache as well."""
    name, size = stage.big[-1], stage.sizes.big_bytes
    local = stage.base / "local.bin"
    shutil.copyfile(stage.origin / name, local)
    for path in [mount.path / name, local] * WARM_READS:
        cat(path)

    costs, locals_ = in_turn(stage.sizes.repetitions,
                             lambda _: stage.cost(ANTHROFS, lambda: cat(mount.path / name)),
                             lambda _: stage.cost(CURL, lambda: cat(local)))
    local.unlink()
    requests = [cost.requests for cost in costs]
    report.claim("warm: no request", not any(requests), requests)
    report.rows.append(Row(f"{size >> 20} MiB warm, third read", speed(size, costs), f"disk {speed(size, locals_)}",
                           *compared(median_s(locals_) / median_s(costs), least=0.9), *asked(costs)))


def _remounted(stage: ReadStage, report: Report, mount: Mount, peer: RcloneMount | None) -> None:
    """Each file once: from the caches that the mounts before have left."""
    names, size = stage.big, stage.sizes.big_bytes
    stage.remount(mount, peer)

    def ours(number: int) -> Cost:
        return stage.cost(ANTHROFS, lambda: cat(mount.path / names[number]))

    def rclone(number: int) -> Cost:
        assert peer is not None
        return stage.cost(RCLONE, lambda: cat(peer.path / names[number]))

    costs, *others = in_turn(stage.sizes.repetitions, ours, *([rclone] if peer else []))
    requests = [cost.requests for cost in costs]
    report.claim("warm after a remount: no request", not any(requests), requests)
    for side in others:
        report.rows.append(Row(f"{size >> 20} MiB warm after a remount", speed(size, costs), f"rclone {speed(size, side)}",
                               *compared(median_s(side) / median_s(costs), least=1), *asked(costs)))
    if not others:
        report.rows.append(Row(f"{size >> 20} MiB warm after a remount", speed(size, costs), "", "", "", *asked(costs)))

