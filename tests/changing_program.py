"""`python -m tests.changing_program DIRECTORY BOARD SEED SECONDS`: a program that reads, and sometimes replaces, files whose
versions are known.

Owns    nothing; prints one JSON line: how often it read and wrote, and what was wrong.
Keeps   the board, a file outside of the mount: for each name, which version's writing has begun and which is done. A lock for
        each name lets one writer at a time change it.
Trusts  what the board says before an open to be the oldest, and what it says after the last read to be the newest version.
"""

import fcntl
import json
import mmap
import os
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.mount.test_versions import WORD, content_of, size_of

CALM: Final = ["calm-1", "calm-2", "calm-ours"]         # nobody changes them
OURS: Final = ["ours-1", "ours-2"]                      # programs here write them
THEIRS: Final = ["theirs-1", "theirs-2"]                # others replace them
MIXED: Final = ["mixed-1"]                              # both
NAMES: Final = [*CALM, *OURS, *THEIRS, *MIXED]
WRITES: Final = 12              # of each program: the budget has 400 requests


class Board:
    """Two numbers for each name, shared by all programs."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), 0)

    def begun(self, name: str) -> int:
        return int(WORD.unpack_from(self._shared, 16 * NAMES.index(name))[0])

    def done(self, name: str) -> int:
        return int(WORD.unpack_from(self._shared, 16 * NAMES.index(name) + 8)[0])

    def begin(self, name: str, version: int) -> None:
        WORD.pack_into(self._shared, 16 * NAMES.index(name), version)

    def finish(self, name: str, version: int) -> None:
        WORD.pack_into(self._shared, 16 * NAMES.index(name) + 8, version)

    @contextmanager
    def lock(self, name: str, kind: int) -> Iterator[None]:
        with self._path.with_name(name + ".lock").open("a") as file:
            fcntl.flock(file, kind)
            yield


def replace(path: Path, version: int, chance: random.Random) -> None:
    """As a whole, in one or several writes."""
    content, step = content_of(version), chance.choice([10**9, 65_536, 8 * chance.randrange(1000, 20_000)])
    descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CREAT)
    try:
        for start in range(0, len(content), step):
            os.write(descriptor, content[start:start + step])
    finally:
        os.close(descriptor)


def rewrite(path: Path, version: int, chance: random.Random) -> None:
    """In place, in any order; then as long as it should be."""
    size = size_of(version)
    starts = list(range(0, size, 8 * chance.choice([700, 9_000, 100_000])))
    parts = list(zip(starts, [*starts[1:], size], strict=True))
    chance.shuffle(parts)
    descriptor = os.open(path, os.O_RDWR)
    try:
        if chance.random() < 0.5:
            os.ftruncate(descriptor, size)
        for start, stop in parts:
            os.pwrite(descriptor, WORD.pack(version) * ((stop - start) // 8), start)
        os.ftruncate(descriptor, size)
    finally:
        os.close(descriptor)


def pieces(path: Path, chance: random.Random, *, map_it: bool) -> list[tuple[int, int, bytes]]:
    """(offset, wanted, found) of some reads within one open."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if map_it and chance.random() < 0.3:
            length = os.fstat(descriptor).st_size
            if not length:
                return [(0, 1 << 30, b"")]
            with mmap.mmap(descriptor, length, prot=mmap.PROT_READ, flags=chance.choice([mmap.MAP_PRIVATE, mmap.MAP_SHARED])) as mapped:
                return [(0, 1 << 30, mapped[:])]
        if chance.random() < 0.4:
            return [(0, 1 << 30, b"".join(iter(lambda: os.read(descriptor, chance.choice([4096, 65_536, 1 << 20])), b"")))]
        places = [0, *(8 * chance.randrange(90_000) for _ in range(4))]
        return [(offset, wanted, os.pread(descriptor, wanted, offset)) for offset in places
                for wanted in [chance.choice([8, 4096, 200_000])]]
    finally:
        os.close(descriptor)


def problem_of(name: str, found: list[tuple[int, int, bytes]], oldest: int, newest: int) -> str:
    """What is wrong with reads of one open, during which versions `oldest` to `newest` were written."""
    seen = {version for _, _, data in found for version in versions_in(data)}
    written_here = name in OURS + MIXED and oldest != newest        # as on every disk, a reader sees a writer's half
    if stray := seen - set(range(oldest, newest + 1)) - ({0} if written_here else set()):
        return f"{name}: {sorted(stray)} while {oldest} to {newest} were right"
    if written_here:
        return ""
    if len(seen) > 1:
        return f"{name}: {sorted(seen)} within one open"
    lengths = {size_of(version) for version in seen or range(oldest, newest + 1)}
    for offset, wanted, data in found:
        if len(data) not in {max(0, min(wanted, length - offset)) for length in lengths}:
            return f"{name}: {len(data)} bytes at {offset}, {wanted} asked for, of {lengths} ({oldest} to {newest})"
    return ""


def versions_in(data: bytes) -> set[int]:
    if not data:
        return set()
    (version,) = WORD.unpack_from(data)
    if data == WORD.pack(version) * (len(data) // 8):
        return {version}
    return {version for (version,) in WORD.iter_unpack(data[:len(data) // 8 * 8])}


def run(files: Path, board: Board, chance: random.Random, seconds: float) -> dict[str, object]:
    reads, writes = 0, 0
    problems: list[str] = []
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s and not problems:
        if writes < WRITES and chance.random() < 0.05:
            name = chance.choice(OURS + MIXED)
            with board.lock(name, fcntl.LOCK_EX):
                version = board.begun(name) + 1
                board.begin(name, version)
                chance.choice([replace, rewrite if name in OURS else replace])(files / name, version, chance)
                board.finish(name, version)
            writes += 1
            continue
        name = chance.choice(CALM if chance.random() < 0.5 else NAMES)
        if chance.random() < 0.5:
            with board.lock(name, fcntl.LOCK_SH):       # nobody truncates it now, so it can be mapped
                oldest = board.done(name)
                found = pieces(files / name, chance, map_it=True)
        else:
            oldest = board.done(name)
            found = pieces(files / name, chance, map_it=name not in OURS + MIXED)
        if problem := problem_of(name, found, oldest, board.begun(name)):
            problems.append(problem)
        reads += 1
    return {"reads": reads, "writes": writes, "problems": problems}


if __name__ == "__main__":
    print(json.dumps(run(Path(sys.argv[1]), Board(Path(sys.argv[2])), random.Random(int(sys.argv[3])), float(sys.argv[4]))))
