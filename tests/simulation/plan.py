"""Draws a run from its seed: its steps, and the options of its mounts. Pure: nothing here knows how a run goes.

Each run has a temper of its own: how much goes wrong, how often a mount is killed, what programs like to do.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tests.simulation.fleet import BOARD, STORE
from tests.simulation.mishaps import ONCE, STANDING
from tests.simulation.steps import SHARED, Step

PROGRAMS: Final = 3                 # of each mount
FOLDERS: Final = ["", "", "d/", "e/", "d/f/"]
DIRECTORIES: Final = ["d", "e", "d/f", "e/g"]
NAMES: Final = ["a.txt", "b.txt", "c.csv", "d ü?.md", "p.png", "a.txt~", ".b.txt.swp"]
SIZES: Final = [0, 1, 7, 40, 300, 4096, 9000]
QUIET_EVERY: Final = 100             # steps
IDLE_S: Final = 5.0               # as long as somebody has looked, listings are asked for: most of what a step costs
CRASH_EVERY: Final = 60

FLEETS: Final = 0.5                 # of the runs with several mounts
LOST: Final = ["upload lost", "upload lost twice", "upload cut", "upload dead", "upload later", "upload much later", "upload late", "upload 500", "upload 429"]
TWINS: Final = 10_000               # stamps from there on: as many digits, so as many bytes

DISK_STEPS: Final = ["flush", "rename", "adopt", "fetch", "kept", "staging", "evict"]


@dataclass(frozen=True)
class Plan:
    """A run."""

    seed: int
    steps: list[Step]
    mounts: list[dict[str, Any]]    # options of each
    service: dict[str, Any]         # options of the service


class _Files:
    """The files that there may be, as far as a plan can tell."""

    def __init__(self) -> None:
        self.paths = list[str]()

    def made(self, path: str) -> None:
        if path not in self.paths:
            self.paths.append(path)

    def gone(self, path: str) -> None:
        if path in self.paths:
            self.paths.remove(path)


class _Drawer:
    """One plan's."""

    def __init__(self, seed: int) -> None:
        self.chance = chance = random.Random(f"{seed} plan")
        self.mounts = chance.choice([1, 2, 2, 2, 3])
        self.wrongs = chance.choice([0.0, 0.02, 0.06, 0.15])
        self.crashes = chance.choice([0.0, 1.0, 1.0, 3.0]) / CRASH_EVERY
        self.disk = chance.choice([0.0, 0.0, 0.01, 0.03])
        self.shares = chance.choice([0.0, 0.1, 0.4])
        self.patience = chance.choice([1, 10, 60, 300])      # turns between steps
        self.files = [_Files() for _ in range(self.mounts)]
        self.stamp = 0

    def options(self) -> list[dict[str, Any]]:
        chance = self.chance
        return [{"upload": chance.choice(["queue", "queue", "wait"]), "requests_per_minute": chance.choice([450, 10**5, 10**5]),
                 "refresh_s": chance.choice([1.0, 10.0, 10.0]), "sweep_s": chance.choice([30.0, 300.0]), "poll": chance.random() < 0.1, "idle_s": IDLE_S,
                 "cache_bytes": chance.choice([0, 20_000, 10**9]),
                 "keep_bytes": chance.choice([*[None] * 7, 0])} for _ in range(self.mounts)]

    def service(self) -> dict[str, Any]:
        chance = self.chance
        return {"ranges": chance.random() < 0.7, "content_length": chance.random() < 0.8, "deletion_lag_ms": chance.choice([0, 0, 0, 2000]),
                "listing_lag_ms": chance.choice([0, 0, 0, 400]), "identity_headers": chance.random() < 0.8,
                "time_resolution": chance.choice(["microseconds", "microseconds", "milliseconds", "seconds"]),
                "delivered_extra_bytes": chance.choice([0, 0, 30])}

    def step(self) -> Step:
        chance = self.chance
        turns = int(chance.random() ** 2 * self.patience)
        which = chance.random()
        for share, draw in ((self.wrongs, self._wrong), (self.crashes, self._crash), (self.disk, self._disk)):
            if which < share:
                return draw(turns)
            which -= share
        which = chance.random()
        if which < 0.08:
            return Step("pass", seconds=chance.choice([0.001, 0.01, 0.2, 0.2, 1.0, 1.0, 5.0, 30.0]), turns=turns)
        if which < 0.12:
            return self._others(turns)
        return self._use(turns)

    def _wrong(self, turns: int) -> Step:
        chance, mount = self.chance, self.chance.randrange(self.mounts)
        if chance.random() < 0.1:
            return Step("outage", mount, to=chance.choice(sorted(STANDING)), turns=turns)
        if chance.random() < 0.15:
            return Step("well", mount, turns=turns)
        return Step("fault", mount, to=chance.choice(sorted(ONCE)), turns=turns)

    def _crash(self, turns: int) -> Step:
        chance, mount = self.chance, self.chance.randrange(self.mounts)
        do = chance.choice(["kill", "kill", "power", "power", "remount"])
        return Step(do, mount, to=chance.choice(["all", "random"]) if do == "power" else "", turns=turns)

    def _disk(self, turns: int) -> Step:
        chance, mount = self.chance, self.chance.randrange(self.mounts)
        do = chance.choice(["full", "broken", "disk_well", "disk_well", "jump"])
        if do == "jump":
            return Step(do, mount, seconds=chance.choice([-7200.0, -3.0, 3.0, 7200.0]), turns=turns)
        return Step(do, mount, path=chance.choice(DISK_STEPS), size=chance.choice([1, 1, 3]), turns=turns)

    def _others(self, turns: int) -> Step:
        chance = self.chance
        path = SHARED + chance.choice(FOLDERS) + chance.choice(NAMES[:5])
        do = chance.choice(["make", "make", "make", "vanish", "vanish_any"])
        return Step(do, path=path, size=chance.choice(SIZES), stamp=self._stamp(), turns=turns, place=chance.randrange(1000))

    def _use(self, turns: int) -> Step:
        chance, mount = self.chance, self.chance.randrange(self.mounts)
        program = chance.randrange(PROGRAMS)
        if chance.random() < self.shares:
            return self._share(mount, program, turns)
        path, files = self._path(mount), self.files[mount]
        there = chance.choice(files.paths) if files.paths else path
        do = chance.choices(list(USES), weights=list(USES.values()))[0]
        if do in ("edit", "append", "truncate", "remove", "read", "hold", "rename", "xattr", "chmod"):
            path, to = there, self._path(mount)
        else:
            to = there
        if do in ("write", "save", "synced"):
            files.made(path)
        elif do == "remove":
            files.gone(path)
        elif do == "rename":
            files.gone(path)
            files.made(to)
        elif do in ("mkdir", "rmdir", "movedir"):
            path, to = f"m{mount}-" + chance.choice(DIRECTORIES), f"m{mount}-" + chance.choice(DIRECTORIES)
        elif do == "free":              # what we have sent ourselves couldn't be read again
            path = SHARED + chance.choice(FOLDERS) + chance.choice(NAMES[:5])
        return Step(do, mount, program, path, to, chance.choice(SIZES), chance.choice([0, 3, 100, 5000]), self._stamp(), turns=turns)

    def _share(self, mount: int, program: int, turns: int) -> Step:
        chance = self.chance
        do = chance.choice(["write", "write", "save", "read", "read", "remove", "rename", "list"])
        path, to = (SHARED + chance.choice(FOLDERS) + chance.choice(NAMES[:5]) for _ in range(2))
        return Step(do, mount, program, path, to, chance.choice(SIZES[1:]), 0, self._stamp(), turns=turns)

    def _path(self, mount: int) -> str:
        return f"m{mount}-" + self.chance.choice(FOLDERS) + self.chance.choice(NAMES)

    def _stamp(self) -> int:
        self.stamp += 1
        return self.stamp


USES: Final = {"write": 30, "append": 6, "edit": 8, "truncate": 4, "save": 8, "synced": 4, "remove": 10, "rename": 14, "read": 12, "hold": 4, "let_go": 5,
               "list": 4, "mkdir": 6, "rmdir": 2, "movedir": 4, "xattr": 2, "chmod": 1, "sync": 2, "refresh": 2, "free": 2, "retry": 1}


def plan_of(seed: int, count: int) -> Plan:
    """So many steps, with a quiet point now and then, and at the end."""
    drawer = _Drawer(seed)
    mounts, service = drawer.options(), drawer.service()
    steps = [Step("mkdir", mount, 0, f"m{mount}-{each}") for mount in range(drawer.mounts) for each in ("d", "e", "d/f")]
    steps += [Step("quiet") if number % QUIET_EVERY == QUIET_EVERY - 1 else drawer.step() for number in range(count - len(steps) - 1)]
    steps.append(Step("quiet"))
    chance = random.Random(f"{seed} fleet")
    if drawer.mounts > 1 and chance.random() < FLEETS:
        _make_fleet(chance, mounts, steps)
    return Plan(seed, steps, mounts, service)


def _make_fleet(chance: random.Random, mounts: list[dict[str, Any]], steps: list[Step]) -> None:
    """The mounts are in one fleet; some steps are other ones: of its engines, and of two that save one name at once."""
    kind = chance.choice(["both", "both", "both", "board", "store"])
    for options in mounts:
        options["fleet"] = kind if chance.random() < 0.9 else "both"
    wrongs, twins = chance.choice([0.0, 0.0, 0.01, 0.05]), chance.choice([0.0, 0.01, 0.03])
    engines = {"board": BOARD, "store": STORE}
    for number in range(len(steps) - 4):
        if any(step.do in ("quiet", "mkdir") for step in steps[number:number + 4]):
            continue
        which = chance.random()
        if which < wrongs:
            engine = chance.choice(sorted(engines))
            steps[number] = Step("engine", path=engine, to=chance.choice(["", *engines[engine]]), turns=steps[number].turns)
        elif which < wrongs + twins:
            path, size = SHARED + chance.choice(FOLDERS) + chance.choice(NAMES[:3]), chance.choice(SIZES[2:])
            one, other = chance.sample(range(len(mounts)), 2)
            steps[number:number + 4] = [
                *(Step("fault", mount, to=chance.choice(LOST), turns=0) for mount in (one, other)),
                *(Step("write", mount, chance.randrange(PROGRAMS), path, size=size, stamp=TWINS + 10 * number + mount, turns=chance.choice([0, 3, 30]))
                  for mount in (one, other))]


Draw = Callable[[int], Step]
