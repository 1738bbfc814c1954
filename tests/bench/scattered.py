"""Rows of first bytes, of random reads and of many small files: what the distance to the server costs.

Trusts  the wire's count of connections to tell which latency a first byte is to be compared with.
"""

import os
import random
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Final

from tests.bench.builds import Build
from tests.bench.clients import first_byte_s
from tests.bench.peers import READS
from tests.bench.read_stage import ReadStage, cat
from tests.bench.stage import ANTHROFS, CURL, RCLONE, shell
from tests.bench.table import Cost, Report, Row, Work, median_s, verdict

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
    with stage.each() as mounts:
        def ours(build: Build, number: int) -> Cost:
            mount = mounts[build]
            if kept:
                # Read whole, so its connection is free for the next request.
                stage.cost(ANTHROFS, lambda: cat(mount.path / stage.small[-1 - number]))
            else:
                stage.disconnect()
            path, first = mount.path / names[number], [0.0]
            cost = stage.cost(ANTHROFS, lambda: first.append(_first_read_s(path)), names[number])
            return replace(cost, time_s=first[-1])

        def theirs(number: int) -> Cost:
            path, before = stage.content_path(names[number]), stage.content_path(stage.small[0]) if kept else None
            taken = [0.0]
            cost = stage.cost(CURL, lambda: taken.append(first_byte_s(stage.wire.port(CURL), path, stage.headers, before)))
            return replace(cost, time_s=taken[-1])

        sides, [clients] = stage.beside(stage.sizes.repetitions, ours, theirs)
    requests = [cost.requests for cost in sides[0]]
    report.claim(f"{what}: 1 request", set(requests) == {1}, requests)
    report.compare(Work(what), sides, "bare HTTP", clients, most=1.3)
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
    with stage.each() as mounts, stage.rclone(*READS) as peer:
        def ours(build: Build, number: int) -> tuple[Cost, list[float]]:
            times_s: list[float] = []
            return stage.cost(ANTHROFS, lambda: times_s.extend(_random_reads_s(mounts[build].path / names[number], size, count, number)),
                              names[number]), times_s

        def rclone(number: int) -> tuple[Cost, list[float]]:
            assert peer is not None
            times_s: list[float] = []
            return stage.cost(RCLONE, lambda: times_s.extend(_random_reads_s(peer.path / names[number], size, count, number))), times_s

        sides, others = stage.beside(stage.sizes.repetitions, ours, *([rclone] if peer else []))
    wholes = [[cost for cost, _ in side] for side in sides]
    requests = [cost.requests for cost in wholes[0]]
    miss_bytes = max(_miss_bytes(cost) for cost in wholes[0])
    report.claim(f"{count} random reads: {count} requests at most", 0 < max(requests) <= count, requests)
    report.claim("random reads: 4 MiB a miss at most", miss_bytes <= MISS_BYTES, f"{miss_bytes / 2**20:.1f} MiB")
    each = [[replace(cost, time_s=median(times_s)) for cost, times_s in side] for side in (*sides, *others)]
    report.compare(Work(f"{count} random {PAGE_BYTES} B reads, each"), each[:len(sides)], "bare HTTP", [Cost(latency_s)], most=1.3)
    report.compare(Work("  all of them"), wholes, "rclone", [cost for side in others for cost, _ in side])
    report.rows.append(Row("  transferred a miss, at most", f"{miss_bytes / 2**20:.1f} MiB", "", "",
                           verdict("<= 4 MiB", miss_bytes <= MISS_BYTES)))
    for side in each[len(sides):]:
        report.information(Work(f"  each, {max(map(_miss_bytes, side)) / 2**20:.1f} MiB a miss"), each[0], "rclone", side)


def _miss_bytes(cost: Cost) -> float:
    return cost.wire.bytes_down / max(1, cost.requests)


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
    def ours(build: Build, _: int) -> Cost:
        with stage.anthrofs(build) as mount:
            return stage.cost(ANTHROFS, lambda: shell(script, mount.path), *stage.small, pid=mount.pid())

    def rclone(_: int) -> Cost:
        with stage.rclone(*READS) as peer:
            assert peer is not None
            return stage.cost(RCLONE, lambda: shell(script, peer.path))

    sides, others = stage.beside(stage.sizes.small_repetitions, ours, *([rclone] if stage.with_rclone else []))
    work, requests = Work(f"{len(stage.small)} small files, {how}", entries=len(stage.small)), [cost.requests for cost in sides[0]]
    report.claim(f"{work.what}: 1 request each", set(requests) == {len(stage.small)}, requests)
    report.compare(work, sides, "rclone", others[0] if others else (), most=most)
    for side in others:
        report.information(work, sides[0], "rclone", side)
