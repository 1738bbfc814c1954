"""Manual, promises: the right bytes. Whatever happens to the cache on disk, and however the server breaks off: a read
gives the right bytes, all of them, or an error; and no error outlives its cause.
"""

import contextlib
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest

from anthrofs.store.blocks import BLOCK_BYTES
from tests.mounting import Mount

# More than the cache's memory in all, so that the disk is read, too.
SIZES: Final = {"empty": 0, "one": 1, "under": BLOCK_BYTES - 1, "block": BLOCK_BYTES, "over": BLOCK_BYTES + 1,
                "nine": 9 * 2**20 + 4321, "thirty": 30 * 2**20 + 17, "forty": 40 * 2**20 - 1}
ROUNDS: Final = [["abort", "length"], ["abort", "length", "ranges"], ["abort", "limit"]]        # what else happens
ROUND_S: Final = 2.5
PROGRAMS: Final = 3
MISHAPS: Final[list[dict[str, Any]]] = [
    {"kind": "cut_body", "after_bytes": 0}, {"kind": "cut_body", "after_bytes": 1}, {"kind": "cut_body", "after_bytes": BLOCK_BYTES},
    {"kind": "cut_body", "after_bytes": 3_000_001}, {"kind": "status", "status": 500}, {"kind": "status", "status": 529},
    {"kind": "html", "status": 502}, {"kind": "html", "status": 200}, {"kind": "cut", "when": "before_commit"},
    {"kind": "slow_body", "bytes_per_s": 4e6}, {"kind": "stall", "seconds": 0.3, "after_bytes": 700_000},
    {"kind": "status", "status": 400}]         # refused: the one that isn't tried again


def damage(cache: Path, chance: random.Random) -> None:
    """One thing that may happen to a file of the cache, while it is in use or not."""
    entries = [path for path in cache.iterdir() if path.name != "CACHEDIR.TAG"]
    if not entries:
        return
    victim = chance.choice(entries)
    with contextlib.suppress(FileNotFoundError):        # evicted, or removed by us, meanwhile
        if victim.is_dir():
            victim.rmdir()
            return
        size = victim.stat().st_size
        match chance.choice(["flip", "flip", "flip", "cut", "swap", "remove", "directory"]):
            case "flip":
                with victim.open("r+b", buffering=0) as file:
                    for _ in range(chance.randrange(1, 20)):
                        place = chance.randrange(max(1, size))
                        byte = os.pread(file.fileno(), 1, place) or b"\0"
                        os.pwrite(file.fileno(), bytes([byte[0] ^ 1 << chance.randrange(8)]), place)
            case "cut":
                os.truncate(victim, chance.randrange(size + 1))
            case "swap":
                other = chance.choice([path for path in entries if path.suffix == victim.suffix])
                between = cache / "between"
                victim.rename(between)
                with contextlib.suppress(FileNotFoundError, IsADirectoryError, NotADirectoryError):
                    other.rename(victim)
                with contextlib.suppress(IsADirectoryError):
                    between.rename(other)
            case "remove":
                victim.unlink()
            case "directory":
                victim.unlink()
                with contextlib.suppress(FileExistsError):
                    victim.mkdir()


def disturb(mount: Mount, chance: random.Random, kinds: list[str]) -> str:
    """One thing that the server or its network does."""
    kind = chance.choice(["mishap", "mishap", "mishap", *kinds])
    match kind:
        case "mishap":
            mount.emulator.fault("download", chance.choice(MISHAPS), times=chance.randrange(1, 3), skip=chance.randrange(2))
        case "abort":
            mount.emulator.abort_connections()
        case "length":
            mount.emulator.switch(content_length=chance.random() < 0.5)
        case "ranges":
            mount.emulator.switch(ranges=chance.random() < 0.5)
        case "limit":
            mount.emulator.fault("download", {"kind": "status", "status": 429, "retry_after_ms": 200})
            kinds.remove("limit")           # once: it empties the budget
    return kind


def read_while(mount: Mount, truth: Path, chance: random.Random, seed: int, kinds: list[str]) -> list[dict[str, Any]]:
    """Several programs read while things happen; what they say. Then nothing happens any more."""
    programs = [subprocess.Popen([sys.executable, "-m", "tests.reading_program", mount.path, truth, str(seed + number), str(ROUND_S)],
                                 stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) for number in range(PROGRAMS)]
    happened: Counter[str] = Counter()
    try:
        until_s = time.monotonic() + ROUND_S
        while time.monotonic() < until_s:
            damage(mount.state_dir / "cache", chance)
            happened[disturb(mount, chance, kinds)] += 1
            if len(mount.emulator.faults()) > 3:
                mount.emulator.clear_faults()
            time.sleep(chance.random() * 0.15)
    finally:
        mount.emulator.clear_faults()
        mount.emulator.abort_connections()      # what is slow or stalled
        said = [json.loads(each.communicate(timeout=60)[0]) for each in programs]
    print(dict(happened), said, len(mount.emulator.requests("download")), "downloads")
    return said


@pytest.mark.timeout(180)
def test_every_byte_is_right_or_an_error_whatever_happens_to_cache_and_server(mount: Mount, tmp_path: Path) -> None:
    seed = int(os.environ.get("ANTHROFS_READING_SEED", random.randrange(10**6)))
    print(f"seed {seed}")
    chance = random.Random(seed)
    truth = tmp_path / "truth"
    truth.mkdir()
    for name, size in SIZES.items():
        (truth / name).write_bytes(content := chance.randbytes(size))
        mount.emulator.generate(name, content)
    mount.leaves("is no plain file")         # the directories that were put in their places
    mount.expects(r"read: .*(scripted|ended before|no answer|was cut|not the service's own)",
                  r"remote\.way: .*not the service's own answer.* goes on by itself", r"can't be read: .*asked for again, in vain")
    for number, kinds in enumerate(ROUNDS):
        mount.mount()
        said = read_while(mount, truth, chance, seed + 100 * number, list(kinds))
        assert [each["problems"] for each in said] == [[]] * PROGRAMS, (seed, said)
        assert all(each["reads"] for each in said), (seed, said)
        all_is_right(mount, truth, seed)
        mount.umount()
        for _ in range(8):
            damage(mount.state_dir / "cache", chance)
    mount.mount()
    all_is_right(mount, truth, seed)


def all_is_right(mount: Mount, truth: Path, seed: int) -> None:
    for path in truth.iterdir():
        assert (mount.path / path.name).read_bytes() == path.read_bytes(), (seed, path.name)
