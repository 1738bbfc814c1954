"""Mounts of one fleet that ask for as much as they can get: five read, save, delete and look without a pause, the last one now and then.

    python -m tests.fleet.hammer 300 450 500        for so many seconds; requests a minute that the mounts may have; that the service takes

Owns    the threads that use the mounts, until `hammer` returns.
Never   measures what a busy machine decides: the numbers are of requests; waits are told, for people.
"""

import argparse
import contextlib
import json
import os
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.emulator.process import EmulatorProcess
from tests.fleet.redis_server import RedisServer
from tests.fleet.team import Team, finish_all
from tests.mounting import Mount

MOUNTS: Final = 6
READERS: Final = 4              # threads of each busy mount
FILES: Final = 900              # that can be read: one page of the listing
PREFIX: Final = "made-"


@dataclass
class Had:
    """What one mount has had."""

    reads: list[float] = field(default_factory=list)        # seconds that each took
    saves: list[float] = field(default_factory=list)
    looks: list[float] = field(default_factory=list)
    deletions: int = 0                                      # that the service has had
    failed: list[str] = field(default_factory=list)


@dataclass
class Result:
    """What all have had, and what the service has seen."""

    had: list[Had]
    requests: list[dict[str, Any]]

    def refused(self) -> int:
        return sum(request["status"] == 429 for request in self.requests)

    def most_in(self, window_s: float) -> int:
        moments: list[float] = sorted(request["started"] for request in self.requests)
        return max(sum(at_s <= other_s < at_s + window_s for other_s in moments) for at_s in moments)

    def lines(self) -> list[str]:
        first_s = min(request["started"] for request in self.requests)
        minutes = [[each for each in self.requests if int((each["started"] - first_s) / 60) == number]
                   for number in range(1 + int((max(each["started"] for each in self.requests) - first_s) / 60))]
        found = [f"minute {number}: {len(each):4} requests, {sum(one['status'] == 429 for one in each)} × 429, "
                 f"{dict(sorted(Counter(one['operation'] for one in each).items()))}" for number, each in enumerate(minutes)]
        found.append(f"most in any 60 s: {self.most_in(60)}, in any 61 s: {self.most_in(61)}")
        for number, had in enumerate(self.had):
            shown = ", ".join(f"{len(each)} {name} (longest {max(each, default=0.0):.1f} s)"
                              for name, each in (("reads", had.reads), ("saves", had.saves), ("looks", had.looks)))
            found.append(f"mount {number}: {shown}, {had.deletions} deletions" + (f", FAILED {had.failed[:3]}" if had.failed else ""))
        return found


def hammer(team: Team, emulator: EmulatorProcess, for_s: float, per_minute: int, seed: int) -> Result:
    """The mounts are mounted here; who calls finishes them."""
    emulator.bulk(FILES, prefix=PREFIX)
    mounts = [team.mount("--refresh", "5", "--upload", "wait", "--requests-per-minute", str(per_minute)) for _ in range(MOUNTS)]
    had = [Had() for _ in mounts]
    ends_s = time.monotonic() + for_s
    threads = list[threading.Thread]()
    for number, (mount, its) in enumerate(zip(mounts, had, strict=True)):
        calm = number == MOUNTS - 1
        names = [f"{PREFIX}{each:06}.txt" for each in range(FILES)]
        random.Random(seed + number).shuffle(names)
        for reader in range(1 if calm else READERS):
            threads.append(_thread(ends_s, its.failed, 5.0 if calm else 0.0, _reading(mount, its, names[reader::READERS])))
        threads.append(_thread(ends_s, its.failed, 10.0 if calm else 0.5, _saving(mount, its, number)))
        threads.append(_thread(ends_s, its.failed, 5.0, _looking(mount, its)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(for_s + 180)
        assert not thread.is_alive()
    requests = emulator.requests()
    for number, its in enumerate(had):
        ids = {request["file_id"] for request in requests if request["operation"] == "upload" and str(request["filename"]).startswith(f"{number}-")}
        its.deletions = sum(request["operation"] == "delete" and request["file_id"] in ids for request in requests)
    return Result(had, requests)


def _thread(ends_s: float, failed: list[str], pause_s: float, step: Callable[[], None]) -> threading.Thread:
    def run() -> None:
        while time.monotonic() < ends_s:
            try:
                step()
            except Exception as exc:
                failed.append(f"{type(exc).__name__}: {exc}")
            time.sleep(pause_s)
    return threading.Thread(target=run, name="hammer")


def _reading(mount: Mount, had: Had, names: list[str]) -> Callable[[], None]:
    left = iter(names)

    def step() -> None:
        name = next(left, None)
        if name is None:
            time.sleep(0.1)
            return
        began_s = time.monotonic()
        content = (mount.path / name).read_bytes()
        had.reads.append(time.monotonic() - began_s)
        assert len(content) == 10, name
    return step


def _saving(mount: Mount, had: Had, number: int) -> Callable[[], None]:
    count = 0

    def step() -> None:
        nonlocal count
        count += 1
        began_s = time.monotonic()
        (mount.path / f"{number}-{count}.txt").write_text("kept")
        had.saves.append(time.monotonic() - began_s)
        if count > 1:
            (mount.path / f"{number}-{count - 1}.txt").unlink()
    return step


def _looking(mount: Mount, had: Had) -> Callable[[], None]:
    def step() -> None:
        began_s = time.monotonic()
        os.listdir(mount.path)
        had.looks.append(time.monotonic() - began_s)
    return step


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fleet.hammer")
    parser.add_argument("seconds", type=float)
    parser.add_argument("per_minute", type=int)
    parser.add_argument("service", type=int)
    given = parser.parse_args()
    with contextlib.ExitStack() as stack:
        base = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="anthrofs-hammer-")))
        emulator = stack.enter_context(EmulatorProcess(base / "server" / "data"))
        emulator.switch(requests_per_minute=given.service, minute="sliding")
        redis = stack.enter_context(RedisServer(base / "redis"))
        team = Team(base, emulator, redis.url)
        stack.push(lambda *_: finish_all(team.mounts))
        result = hammer(team, emulator, given.seconds, given.per_minute, seed=1)
        print(*result.lines(), sep="\n")
        print(json.dumps({"refused": result.refused(), "most_in_60_s": result.most_in(60)}))


if __name__ == "__main__":
    main()
