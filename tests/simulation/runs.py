"""Runs of plans: one with its outcome, a failing one made short, one kept in a file and done again.

Trusts  PYTHONHASHSEED to be 0: sets of strings are else in another order each time, and so are the turns.
"""

import hashlib
import json
import re
import time
import traceback
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final

from tests.simulation.plan import Plan, plan_of
from tests.simulation.steps import script_of, steps_of
from tests.simulation.world import World

RUN_STEPS: Final = 300          # of one seed
SCRIPTS: Final = Path(__file__).parent / "scripts"      # of seeds that have failed once


@dataclass
class Figures:
    """What runs have met, added up."""

    seeds: int = 0
    steps: int = 0
    turns: int = 0
    crashes: int = 0
    faults: int = 0
    quiet_points: int = 0
    operations: int = 0
    requests: int = 0
    bytes_verified: int = 0
    twice_by_rule: int = 0
    back_by_rule: int = 0
    failed: int = 0

    def add(self, other: "Figures") -> None:
        """Those of another run."""
        for name, value in asdict(other).items():
            setattr(self, name, getattr(self, name) + value)


@dataclass
class Outcome:
    """One run's."""

    plan: Plan
    figures: Figures
    error: str = ""                     # of one that has failed: the first line, and where
    trace: str = ""
    lines: list[str] = field(default_factory=list)

    def kind(self) -> str:
        """What the error is like, whichever names, numbers and contents are in it."""
        return re.sub(r"b?'[^']*'|[0-9]+|\([^)]*\)", "", self.error)[:60]

    def digest(self) -> str:
        """Two runs whose logs are the same have the same."""
        return hashlib.sha256("\n".join(self.lines).encode()).hexdigest()


def run(plan: Plan, *, log: bool = False) -> Outcome:
    """Does it."""
    lines: list[str] | None = [] if log else None
    world = World(plan, lines=lines)
    outcome = Outcome(plan, Figures())
    try:
        world.run()
    except Exception as exc:
        outcome.error = " ".join(f"{type(exc).__name__}: {exc}".split()) + "".join(f" ({note})" for note in getattr(exc, "__notes__", [])[:1])
        outcome.trace = "".join(traceback.format_exception(exc, limit=-8))
    outcome.figures = Figures(
        1, world.steps, world.scheduler.turns, world.crashes, world.faults, world.quiets, sum(mount.calls for mount in world.mounts),
        len(world.service.requests), world.judge.checked_bytes, world.quiet.twice, world.quiet.back, bool(outcome.error))
    # The temporary directory of a run is in some lines, and no two have the same.
    outcome.lines = [line.replace(str(world.base), "BASE") for line in lines or ()]
    return outcome


def shrunk(outcome: Outcome, bound_s: float) -> Outcome:
    """The same failure with fewer steps: parts are left out, big ones first, as long as it still fails that way."""
    until_s = time.monotonic() + bound_s
    best, part = outcome, max(1, len(outcome.plan.steps) // 2)
    while part and time.monotonic() < until_s:
        place, found = 0, False
        while place < len(best.plan.steps) and time.monotonic() < until_s:
            steps = best.plan.steps[:place] + best.plan.steps[place + part:]
            tried = run(replace(best.plan, steps=steps))
            if tried.error and tried.kind() == outcome.kind():
                best, found = tried, True
            else:
                place += part
        part = part // 2 if not found or part > 1 else part
    return best


def kept(plan: Plan, why: str) -> str:
    """A plan as a file's text: its head, then a step a line."""
    head = {"seed": plan.seed, "mounts": plan.mounts, "service": plan.service, "why": why}
    return json.dumps(head, ensure_ascii=False) + "\n" + script_of(plan.steps)


def read(path: Path) -> tuple[Plan, str]:
    """The other way round, and why it is kept."""
    head, _, script = path.read_text().partition("\n")
    found = json.loads(head)
    return Plan(found["seed"], steps_of(script), found["mounts"], found["service"]), found["why"]


def seed_of(seed: int, steps: int = RUN_STEPS) -> Plan:
    """A plan from its seed alone."""
    return plan_of(seed, steps)


