"""`python -m tests.fuzz …`: one target after the other, each in a process of its own, round after round; exit code 1 when one has failed.

Owns    the seeds of the rounds, what is printed, and the row in the table of runs.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Final

from tests.fuzz.fuzzing import COUNTS_VARIABLE, EXAMPLES_VARIABLE, FOUND_VARIABLE
from tests.proof import table

HERE: Final = Path(__file__).parent
FOUND: Final = HERE.parents[1] / ".hypothesis" / "fuzz"
TIMES: Final = 5.0              # the suite's examples, a round
SHORT_TIMES: Final = 0.4        # all targets at once
SHORT_SEED: Final = 7
SHORT_S: Final = 35.0
BOUND_S: Final = 600.0          # of one target in one round: what takes longer hangs


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description="whatever comes from outside, given to what reads it")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, help="where the last run left off, unless said")
    parser.add_argument("--short", action="store_true", help="half a minute, with a fixed seed, for each change")
    asked = parser.parse_args()
    seed = asked.seed if asked.seed is not None else SHORT_SEED if asked.short else table.next_seed("fuzz")
    command = f"scripts/fuzz --minutes {asked.minutes:g} --seed {seed}"
    print(f"fuzz: seed {seed}, {table.spent(SHORT_S if asked.short else asked.minutes * 60)}", flush=True)
    began_s = time.monotonic()
    until_s = began_s + (SHORT_S if asked.short else asked.minutes * 60)
    targets = [HERE] if asked.short else sorted(HERE.glob("test_*.py"))
    targets = targets[seed % len(targets):] + targets[:seed % len(targets)]        # short runs add up to all of them
    counts, failed, rounds = Counter[str](), list[str](), 0
    while time.monotonic() < until_s and not failed and (rounds == 0 or not asked.short):
        for target in targets:
            if time.monotonic() >= until_s:
                break
            found, words = run(target, seed + rounds, SHORT_TIMES if asked.short else TIMES)
            counts.update(found)
            if words is not None:
                failed.append(f"{target.name} with seed {seed + rounds}:\n{words}")
        rounds += 1
    for name, count in sorted(counts.items()):
        print(f"  {name:<12} {count:>9,} inputs")
    for line in failed:
        print(f"fuzz: failed: {line}", file=sys.stderr)
    if not asked.short:
        figures: table.Figures = {"inputs": counts.total(), "rounds": rounds, "broken": len(failed), **{f"{name}_inputs": count for name, count in counts.items()}}
        table.append("fuzz", command, time.monotonic() - began_s, figures, seed + rounds)
    return 1 if failed else 0


def run(target: Path, seed: int, times: float) -> tuple[Counter[str], str | None]:
    """(the examples, what the target said if it failed)."""
    with tempfile.TemporaryDirectory(prefix="anthrofs-fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as place:
        counts = Path(place) / "counts"
        environment = {**os.environ, EXAMPLES_VARIABLE: str(times), FOUND_VARIABLE: str(FOUND), COUNTS_VARIABLE: str(counts)}
        line = [sys.executable, "-m", "pytest", "--quiet", "--no-header", "--tb=short", "-p", "no:cacheprovider", "--timeout", str(BOUND_S), "--basetemp", f"{place}/base",
                f"--hypothesis-seed={seed}", str(target)]
        try:
            done = subprocess.run(line, env=environment, capture_output=True, text=True, errors="replace", timeout=2 * BOUND_S, check=False)
            words = done.stdout[-8000:] + done.stderr[-2000:] if done.returncode else None
        except subprocess.TimeoutExpired:
            words = f"it took more than {2 * BOUND_S:.0f} s"
        found = Counter[str]()
        if counts.exists():
            for each in counts.read_text().splitlines():
                found.update(json.loads(each))
        return found, words


if __name__ == "__main__":
    sys.exit(main())
