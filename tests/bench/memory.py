"""The row of the biggest file: the most memory that each daemon has while it is read, in the first half and in the second.
"""

from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Final

from tests.bench.builds import Build
from tests.bench.peers import READS
from tests.bench.process import peak_mib
from tests.bench.read_stage import ReadStage
from tests.bench.table import Report, Row, mib, verdict

READ_BYTES: Final = 2**20
FLAT: Final = 1.1                   # the second half's peak to the first half's
Peaks = tuple[float, float]         # MiB, of the two halves


def rows(stage: ReadStage, report: Report) -> None:
    def ours(build: Build, _: int) -> Peaks:
        with stage.anthrofs(build) as mount:
            return _peaks(mount.pid(), mount.path / stage.long)

    def rclone(_: int) -> Peaks:
        with stage.rclone(*READS) as peer:
            assert peer is not None
            return _peaks(peer.pid, peer.path / stage.long)

    sides, others = stage.beside(stage.sizes.long_repetitions, ours, *([rclone] if stage.with_rclone else []))
    what = f"peak memory, reading {stage.sizes.long_bytes / 1e6:.0f} MB"
    report.figures(what, [_most(side) for side in sides], mib, "rclone", _most(others[0]) if others else (), most=0.6)
    growth = median(second / first for first, second in sides[0])
    report.rows.append(Row("  second half to first half", _halves(sides[0]), "".join(f"rclone {_halves(side)}" for side in others),
                           f"{growth:.2f}", verdict(f"<= {FLAT:g}", growth <= FLAT)))


def _peaks(pid: int, path: Path) -> Peaks:
    half = path.stat().st_size // 2
    with path.open("rb", buffering=0) as file:
        first = peak_mib(pid, lambda: _pass_by(lambda: file.tell() < half and file.read(READ_BYTES)))
        second = peak_mib(pid, lambda: _pass_by(lambda: file.read(READ_BYTES)))
    return first, second


def _pass_by(read: Callable[[], object]) -> None:
    while read():
        pass


def _most(peaks: list[Peaks]) -> list[float]:
    return [max(pair) for pair in peaks]


def _halves(peaks: list[Peaks]) -> str:
    return f"{median(first for first, _ in peaks):.0f}, {median(second for _, second in peaks):.0f} MiB"
