"""Rows of the biggest file: from close to its return, and the daemon's memory meanwhile."""

import os
from dataclasses import dataclass
from typing import Final

from tests.bench.builds import Build
from tests.bench.clients import curl_upload
from tests.bench.process import peak_mib
from tests.bench.stage import CURL
from tests.bench.table import Cost, Report, Work, mib
from tests.bench.write_stage import WriteStage
from tests.mounting import Mount

PIECE_BYTES: Final = 2**20          # of one write()
OVERHEAD: Final = 1.01              # of bytes on the wire
FLAT_MIB: Final = 32                # that the daemon may grow by while it sends, however big the file


@dataclass(frozen=True, slots=True)
class Use:
    """The daemon's memory for one file."""

    peak_mib: float         # in close
    grown_mib: float        # that peak above the one while the file was written


def rows(stage: WriteStage, report: Report) -> None:
    size, bandwidth = stage.sizes.long_bytes, stage.sizes.bandwidth_bytes_per_s
    what = f"{size / 1e6:.0f} MB, {bandwidth * 8 / 1e9:g} Gbit/s"

    def ours(build: Build, _: int) -> tuple[Cost, Use]:
        with stage.fresh(build, "--upload", "wait") as mount:
            return _sent(stage, report if build is stage.builds[0] else Report(), what, mount)

    def theirs(_: int) -> Cost:
        stage.emulator.forget_files()
        return stage.measured(CURL, lambda: curl_upload(stage.wire.url(CURL) + "/v1/files?beta=true", stage.headers, stage.long))

    stage.wire.limit(bandwidth)
    sides, [curls] = stage.beside(stage.sizes.long_repetitions, ours, theirs)
    stage.wire.limit(0)
    report.compare(Work(f"{what}, close", size), [[cost for cost, _ in side] for side in sides], "curl", curls, most=1.1)
    report.figures("  its peak memory", [[use.peak_mib for _, use in side] for side in sides], mib)
    grown_mib = max(use.grown_mib for _, use in sides[0])
    report.claim(f"{what}: sending holds only pieces of it in memory", grown_mib <= FLAT_MIB, f"{grown_mib:.0f} MiB more than writing")


def _sent(stage: WriteStage, report: Report, what: str, mount: Mount) -> tuple[Cost, Use]:
    """By the time of close() alone."""
    pid = mount.pid()
    descriptor = os.open(mount.path / stage.long.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    writing_mib = peak_mib(pid, lambda: _write(stage, descriptor))
    stage.disconnect()              # curl has to connect, too
    peaks_mib = list[float]()
    cost = stage.written(mount, lambda: peaks_mib.append(peak_mib(pid, lambda: os.close(descriptor))), upload=1)

    report.claim(f"{what}: 1 upload", cost.asked == {"upload": 1}, cost.asked)
    report.claim(f"{what}: each byte sent once", cost.wire.bytes_up <= stage.sizes.long_bytes * OVERHEAD, cost.wire)
    report.claim(f"{what}: the server has it when close returns", cost.stored == 1, cost.stored)
    stage.claim_content(report, what, [stage.long])
    return cost.returned, Use(peaks_mib[0], peaks_mib[0] - writing_mib)


def _write(stage: WriteStage, descriptor: int) -> None:
    with stage.long.open("rb", buffering=0) as source:
        while piece := source.read(PIECE_BYTES):
            assert os.write(descriptor, piece) == len(piece)
