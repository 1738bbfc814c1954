"""Rows of first bytes, of random reads and of many small files: what the distance to the server costs.

Trusts  the wire's count of connections to tell which latency a first byte is to be compared with.
"""

import os
import random
import time
from pathlib import Path
from statistics import median
from typing import Final

from tests.bench.clients import first_byte_s
from tests.bench.peers import READS
from tests.bench.read_stage import ReadStage, cat
from tests.bench.stage import ANTHROFS, CURL, RCLONE, in_turn, shell
from tests.bench.table import Cost, Report, Row, asked, compared, few, median_s, seconds, verdict

PAGE_BYTES: Final = 4096
MISS_BYTES: Final = 4 * 2**20       # that may be transferred for a miss
LOOP: Final = 'for f in small-*; do cat "$f" > /dev/null; done'
AT_ONCE: Final = "ls small-* | xargs -P 8 -n 1 cat > /dev/null"


def rows(stage: ReadStage, report: Report) -> None:
    kept_s = _first_byte(stage, report, kept=True)
    _first_byte(stage, report, kept=False)
    _random(stage, report, kept_s)
    _small(stage, report, "one after the other", LOOP, most=0.4)
    _small(stage, report, "8 at once", AT_ONCE, most=1)


# ---- first bytes

def _first_byte(stage: ReadStage, report: Report, *, kept: bool) -> float:
    """From open to the first byte, beside a bare HTTP client that has, or hasn't, a connection too. Its time is returned."""
    names = stage.big
    what = f"first byte, {'kept' if kept else 'new'} connection"
    with stage.anthrofs() as mount:
        def ours(number: int) -> Cost:
            if kept:
                # Read whole, so its connection is free for the next request.
                stage.cost(ANTHROFS, lambda: cat(mount.path / stage.small[-1 - number]))
            else:
                stage.disconnect()
            path, first = mount.path / names[number], [0.0]
            cost = stage.cost(ANTHROFS, lambda: first.append(_first_read_s(path)), names[number])
            return Cost(first[-1], cost.requests, cost.wire)

        def theirs(number: int) -> Cost:
            path, before = stage.content_path(names[number]), stage.content_path(stage.small[0]) if kept else None
            taken = [0.0]
            cost = stage.cost(CURL, lambda: taken.append(first_byte_s(stage.wire.port(CURL), path, stage.headers, before)))
            return Cost(taken[-1], cost.requests, cost.wire)

        costs, clients = in_turn(stage.sizes.repetitions, ours, theirs)
    requests = [cost.requests for cost in costs]
    report.claim(f"{what}: 1 request", set(requests) == {1}, requests)
    report.rows.append(Row(what, seconds(median_s(costs)), f"bare HTTP {seconds(median_s(clients))}",
                           *compared(median_s(costs) / median_s(clients), most=1.3), *asked(costs)))
    return median_s(clients)


def _first_read_s(path: Path) -> float:
    start_s = time.perf_counter()
    descriptor = os.open(path, os.O_RDONLY)
    try:
        assert os.read(descriptor, PAGE_BYTES)
        return time.perf_counter() - start_s
    finally:
        os.close(descriptor)


# ---- random reads

def _random(stage: ReadStage, report: Report, latency_s: float) -> None:
    names, count, size = stage.big, stage.sizes.random_reads, stage.sizes.big_bytes
    ours_s: list[float] = []
    others_s: list[float] = []
    with stage.anthrofs() as mount, stage.rclone(*READS) as peer:
        def ours(number: int) -> Cost:
            return stage.cost(ANTHROFS, lambda: ours_s.extend(_random_reads_s(mount.path / names[number], size, count, number)),
                              names[number])

        def rclone(number: int) -> Cost:
            assert peer is not None
            return stage.cost(RCLONE, lambda: others_s.extend(_random_reads_s(peer.path / names[number], size, count, number)))

        costs, *others = in_turn(stage.sizes.repetitions, ours, *([rclone] if peer else []))
    requests = [cost.requests for cost in costs]
    miss_bytes = max(cost.wire.bytes_down / max(1, cost.requests) for cost in costs)
    report.claim(f"{count} random reads: {count} requests at most", 0 < max(requests) <= count, requests)
    report.claim("random reads: 4 MiB a miss at most", miss_bytes <= MISS_BYTES, f"{miss_bytes / 2**20:.1f} MiB")
    report.rows.append(Row(f"{count} random {PAGE_BYTES} B reads, each", seconds(median(ours_s)), f"bare HTTP {seconds(latency_s)}",
                           *compared(median(ours_s) / latency_s, most=1.3), *asked(costs)))
    report.rows.append(Row("  all of them", seconds(median_s(costs)), *(f"rclone {seconds(median_s(side))}" for side in others)))
    report.rows.append(Row("  transferred a miss, at most", f"{miss_bytes / 2**20:.1f} MiB", "", "",
                           verdict("<= 4 MiB", miss_bytes <= MISS_BYTES)))
    for side in others:
        miss_bytes = max(cost.wire.bytes_down / max(1, cost.requests) for cost in side)
        report.rows.append(Row("  rclone, for information", "", f"each {seconds(median(others_s))}, {miss_bytes / 2**20:.1f} MiB",
                               f"{median(ours_s) / median(others_s):.2f}", "", *asked(side)))


def _random_reads_s(path: Path, size: int, count: int, seed: int) -> list[float]:
    """The times of reads of a page each, at places that are the same for all programs."""
    places = random.Random(seed)
    times_s = []
    descriptor = os.open(path, os.O_RDONLY)
    try:
        for _ in range(count):
            offset = places.randrange(size // PAGE_BYTES) * PAGE_BYTES
            start_s = time.perf_counter()
            assert len(os.pread(descriptor, PAGE_BYTES, offset)) == PAGE_BYTES
            times_s.append(time.perf_counter() - start_s)
    finally:
        os.close(descriptor)
    return times_s


# ---- small files

def _small(stage: ReadStage, report: Report, how: str, script: str, *, most: float) -> None:
    """A fresh mount for each time: a program that reads ahead may have everything after the first."""
    def ours(_: int) -> Cost:
        with stage.anthrofs() as mount:
            return stage.cost(ANTHROFS, lambda: shell(script, mount.path), *stage.small)

    def rclone(_: int) -> Cost:
        with stage.rclone(*READS) as peer:
            assert peer is not None
            return stage.cost(RCLONE, lambda: shell(script, peer.path))

    costs, *others = in_turn(stage.sizes.small_repetitions, ours, *([rclone] if stage.with_rclone else []))
    what, requests = f"{len(stage.small)} small files, {how}", [cost.requests for cost in costs]
    report.claim(f"{what}: 1 request each", set(requests) == {len(stage.small)}, requests)
    for side in others:
        report.rows.append(Row(what, seconds(median_s(costs)), f"rclone {seconds(median_s(side))}",
                               *compared(median_s(costs) / median_s(side), most=most), *asked(costs)))
        report.rows.append(Row("  rclone, for information", "", "", "", "", *asked(side)))
    if not others:
        report.rows.append(Row(what, seconds(median_s(costs)), "", "", "", few(requests), asked(costs)[1]))
