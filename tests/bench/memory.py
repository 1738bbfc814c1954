"""The row of the biggest file: the most memory that each daemon has while it is read, in the first half and in the second.
"""

from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Final

from tests.bench.peers import READS
from tests.bench.process import peak_mib
from tests.bench.read_stage import ReadStage
from tests.bench.stage import in_turn
from tests.bench.table import Report, Row, compared, verdict

READ_BYTES: Final = 2**20
FLAT: Final = 1.1                   # the second half's peak to the first half's
Peaks = tuple[float, float]         # MiB, of the two halves


def rows(stage: ReadStage, report: Report) -> None:
    def ours(_: int) -> Peaks:
        with stage.anthrofs() as mount:
            return _peaks(mount.pid(), mount.path / stage.long)

    def rclone(_: int) -> Peaks:
        with stage.rclone(*READS) as peer:
            assert peer is not None
            return _peaks(peer.pid, peer.path / stage.long)

    peaks, *others = in_turn(stage.sizes.long_repetitions, ours, *([rclone] if stage.with_rclone else []))
    what = f"peak memory, reading {stage.sizes.long_bytes / 1e6:.0f} MB"
    ours_mib, others_mib = _most(peaks), [_most(side) for side in others]
    for other_mib in others_mib:
        report.rows.append(Row(what, f"{ours_mib:.0f} MiB", f"rclone {other_mib:.0f} MiB", *compared(ours_mib / other_mib, most=0.6)))
    if not others:
        report.rows.append(Row(what, f"{ours_mib:.0f} MiB"))
    growth = median(second / first for first, second in peaks)
    report.rows.append(Row("  second half to first half", _halves(peaks), "".join(f"rclone {_halves(side)}" for side in others),
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


def _most(peaks: list[Peaks]) -> float:
    return median(max(pair) for pair in peaks)


def _halves(peaks: list[Peaks]) -> str:
    return f"{median(first for first, _ in peaks):.0f}, {median(second for _, second in peaks):.0f} MiB"
