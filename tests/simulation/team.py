"""How many requests a team of mounts makes of the service, alone and as a fleet, by the package's own rules: whole mounts under the
simulation's scheduler, which read by Zipf's law and upload now and then, with a service that takes so many requests a minute.

    python -m tests.simulation.team --mounts 50 [--fleet] [--cold] [--minutes M]      prints what it has counted as JSON

Owns    the run: its mounts, and the programs that use them.
Trusts  the first mount's state for that of all others: they begin as machines that have mounted the workspace before.
Never   waits: all time is the scheduler's.
"""

import argparse
import itertools
import json
import logging
import os
import random
import shutil
import tempfile
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final
from unittest import mock

from anthrofs.fleet.keys import FleetKeys
from anthrofs.fleet.membership import Scope
from anthrofs.fleet.shelf import Shelf
from anthrofs.model import FileId
from anthrofs.store.disk import Disk
from tests.simulation import threads
from tests.simulation.fleet import KEY as FLEET_KEY
from tests.simulation.fleet import Engines
from tests.simulation.mount import KEY, Mount, Site
from tests.simulation.rules import Rules
from tests.simulation.scheduler import EPOCH_NS, SECOND_NS, Group, Scheduler, Style
from tests.simulation.service import Service
from tests.simulation.threads import Turns

FAST: Final = Path("/dev/shm")
BOUND_S: Final = 4000.0
LIMIT: Final = 500              # requests a minute that the service takes
READERS: Final = 4              # programs of each mount
TICK_S: Final = 0.5             # between two looks whether a new file shows
WINDOW_NS: Final = 60 * SECOND_NS


@dataclass(frozen=True, slots=True)
class Load:
    """What the team does."""

    mounts: int
    fleet: bool
    minutes: float = 2.0            # that are measured
    warm_s: float = 30.0            # before them
    cold: bool = False              # no mount has read anything before; else each has all that is generated at the beginning
    files: int = 2000               # at the beginning, half of them generated, half of them members' uploads
    size_bytes: int = 1000
    reads_per_minute: float = 200.0     # of each mount
    new_per_minute: float = 5.0     # of all: half and half
    seed: int = 1


@dataclass
class Counted:
    """What was counted in the measured minutes."""

    mounts: int
    fleet: bool
    requests_per_minute: float = 0.0
    by_operation: dict[str, float] = field(default_factory=dict)        # a minute
    refused_429: int = 0
    most_in_a_minute: int = 0
    reads: int = 0
    reads_failed: float = 0.0       # share
    staleness_p95_s: float | None = None
    unseen: int = 0                 # new files that a mount didn't show to the end
    wall_s: float = 0.0


class PlainDisk(Disk):
    """Nothing is lost here, and nothing is synced: it is a directory in memory."""

    def __init__(self, *_: object) -> None:
        self.dead = False

    def sync(self, label: str, descriptor: int) -> None:
        """Nothing to do."""

    def sync_dir(self, label: str, path: Path) -> None:
        """Nothing to do."""

    def free_bytes(self, path: Path) -> int:
        return 10**12

    def watch(self, _: object) -> None:
        """Nobody looks."""

    def unwatch(self) -> None:
        """Nobody looked."""


class Team:
    """One run."""

    def __init__(self, load: Load) -> None:
        self.load = load                                # constant
        self.chance = random.Random(load.seed)
        self.scheduler = scheduler = Scheduler(random.Random(load.seed), Style(0.0, 0.0))
        Turns.set(scheduler)
        self.base = Path(tempfile.mkdtemp(prefix="team-", dir=FAST if FAST.is_dir() else None))
        self.service = Service(lambda: EPOCH_NS + scheduler.now_ns, rules=Rules(), key=KEY, seed=load.seed)
        self.engines = Engines(scheduler, self.base, load.seed) if load.fleet else None
        site = Site(scheduler, self.service, self.base, load.seed, self.engines)
        options = {"refresh_s": 10.0, "sweep_s": 300.0, **({"fleet": "both"} if load.fleet else {})}
        self.mounts = [Mount(f"m{number}", site, **options) for number in range(load.mounts)]
        self.users = Group("users")
        self.names: list[str] = []
        self.weights: list[float] = []
        self.reads, self.failed = 0, Counter[str]()
        self.pending: dict[tuple[str, int], int] = {}   # (id, mount): made at
        self.stale_s: list[float] = []
        self.counting = False

    def run(self) -> Counted:
        began_s, load = time.monotonic(), self.load
        logging.getLogger("anthrofs").setLevel(logging.CRITICAL)
        with ExitStack() as stack:
            stack.callback(shutil.rmtree, self.base, ignore_errors=True)
            stack.enter_context(mock.patch("tests.simulation.mount.ForgetfulDisk", PlainDisk))
            stack.enter_context(threads.in_the_package())
            self._fill()
            self._mount()
            self.service.rules = Rules(requests_per_minute=LIMIT)
            for number, mount in enumerate(self.mounts):
                for reader in range(READERS):
                    self._spawn(mount, f"reader {number}.{reader}", self._reader(mount, number * READERS + reader))
            self._spawn(None, "makers", self._maker())
            self.scheduler.pass_s(load.warm_s)
            self.counting, from_ns = True, self._now_ns()
            self._pass(load.minutes * 60)
            counted = self._counted(from_ns)
            self.scheduler.kill_all()
        counted.wall_s = round(time.monotonic() - began_s, 1)
        return counted

    # ---- before

    def _fill(self) -> None:
        """Files as they were found; members' uploads are in the fleet's store."""
        load, shelf = self.load, None
        if self.engines is not None:
            scope = Scope(self.service.organization_id, self.service.workspace_id)
            shelf = Shelf(self.engines.objects, FleetKeys([bytes.fromhex(FLEET_KEY)]), lambda: scope)
        for number in range(load.files):
            generated = number % 2 == 0
            content = os.urandom(8).hex().encode().ljust(load.size_bytes, b".")
            file_id = self.service.generate(f"f{number}.txt", content, downloadable=generated, by="tool" if generated else "m0")
            if shelf is not None and not generated:
                shelf.put(FileId(file_id), len(content), lambda offset, size, content=content: content[offset:offset + size], create=False)    # type: ignore[misc]
            self.names.append(f"f{number}.txt")
        self.chance.shuffle(self.names)
        self.weights = list(itertools.accumulate(1 / rank for rank in range(1, load.files + 1)))

    def _mount(self) -> None:
        """One lists everything; the others begin with its state."""
        first, *others = self.mounts
        self._call(first, first.begin)
        if not self.load.cold:
            self._call(first, lambda: all(first.user.read(f"f{number}.txt") for number in range(0, self.load.files, 2)))
        self.scheduler.pass_s(130)          # as long as somebody looks, so that what there is to be found is found
        self._call(first, first.end)
        for mount in others:
            shutil.rmtree(mount.state_dir)
            shutil.copytree(first.state_dir, mount.state_dir)
            (mount.state_dir / "requests").unlink(missing_ok=True)
        for mount in self.mounts:
            self._call(mount, mount.begin)

    def _call(self, mount: Mount, work: Callable[[], Any]) -> None:
        said = list[Any]()
        self.scheduler.spawn(lambda: said.append(work()), "main", mount.group)
        self.scheduler.run_until(lambda: bool(said), BOUND_S)
        assert said[0] in ("", True), said

    # ---- what the team does

    def _spawn(self, mount: Mount | None, name: str, work: Callable[[], None]) -> None:
        self.scheduler.spawn(work, name, self.users if mount is None else mount.group)

    def _reader(self, mount: Mount, number: int) -> Callable[[], None]:
        chance, per_s = random.Random(f"{self.load.seed} reader {number}"), self.load.reads_per_minute / READERS / 60

        def read() -> None:
            while True:
                self.scheduler.block(chance.expovariate(per_s), "a reader's pause")
                name = self.names[bisect_left(self.weights, chance.random() * self.weights[-1])]
                error = ""
                try:
                    mount.user.read(name)
                except OSError as exc:
                    error = os.strerror(exc.errno or 0)
                if self.counting:
                    self.reads += 1
                    self.failed[error] += 1
        return read

    def _maker(self) -> Callable[[], None]:
        chance = random.Random(f"{self.load.seed} maker")

        def make() -> None:
            for number in itertools.count():
                self.scheduler.block(chance.expovariate(self.load.new_per_minute / 60), "a maker's pause")
                name, content = f"new{number}.txt", f"{number}".encode().ljust(self.load.size_bytes, b".")
                if number % 2:
                    self._made(self.service.generate(name, content))
                else:
                    mount = chance.choice(self.mounts)
                    self._spawn(mount, f"writer {number}", lambda mount=mount, name=name, content=content: self._write(mount, name, content))   # type: ignore[misc]
        return make

    def _write(self, mount: Mount, name: str, content: bytes) -> None:
        try:
            mount.user.write(name, content)
            self._made(mount.user.getxattr(name, "user.anthropic.file_id"))
        except OSError:
            self.failed["write"] += self.counting

    def _made(self, file_id: str) -> None:
        if self.counting:
            self.pending.update({(file_id, number): self.scheduler.now_ns for number in range(len(self.mounts))})

    def _pass(self, seconds: float) -> None:
        for _ in range(round(seconds / TICK_S)):
            self.scheduler.pass_s(TICK_S)
            for file_id, number in list(self.pending):
                with self.mounts[number].parts.local.db.reading() as tx:
                    shown = tx.one("SELECT 1 FROM node WHERE file_id = ?", file_id) is not None
                if shown:
                    self.stale_s.append((self.scheduler.now_ns - self.pending.pop((file_id, number))) / SECOND_NS)

    # ---- after

    def _now_ns(self) -> int:
        return EPOCH_NS + self.scheduler.now_ns

    def _counted(self, from_ns: int) -> Counted:
        asked = [request for request in self.service.requests if request.at_ns >= from_ns]
        minutes, times = self.load.minutes, [request.at_ns for request in asked]
        answered = self.reads - self.failed[""]
        stale_s = sorted(self.stale_s)
        return Counted(
            self.load.mounts, self.load.fleet, round(len(asked) / minutes, 1),
            {name: round(count / minutes, 1) for name, count in sorted(Counter(request.operation for request in asked).items())},
            sum(request.status == 429 for request in asked),
            max((number - bisect_left(times, at_ns - WINDOW_NS) + 1 for number, at_ns in enumerate(times)), default=0),
            self.reads, round(answered / max(1, self.reads), 4), round(stale_s[int(len(stale_s) * 0.95)], 1) if stale_s else None,
            sum(self.scheduler.now_ns - at_ns > WINDOW_NS for at_ns in self.pending.values()))


def main() -> None:
    """One run, as JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.team")
    parser.add_argument("--mounts", type=int, required=True)
    parser.add_argument("--minutes", type=float, default=Load.__dataclass_fields__["minutes"].default)
    parser.add_argument("--warm", type=float, default=Load.__dataclass_fields__["warm_s"].default)
    parser.add_argument("--files", type=int, default=Load.__dataclass_fields__["files"].default)
    parser.add_argument("--fleet", action="store_true")
    parser.add_argument("--cold", action="store_true")
    given = parser.parse_args()
    print(json.dumps(asdict(Team(Load(given.mounts, given.fleet, given.minutes, given.warm, given.cold, given.files)).run())))


if __name__ == "__main__":
    main()
