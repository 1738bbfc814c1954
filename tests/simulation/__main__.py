"""scripts/simulate: so many seeds on all cores, until a number of steps, of minutes, or of seeds is reached.

Owns    the processes; each seed is a process's own affair.
"""

import argparse
import gc
import itertools
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Final

from tests.simulation import lines

FINE: Final = "ANTHROFS_SIMULATION_FINE"        # in the environment, so that it is known before the package is imported
if os.environ.get(FINE):
    lines.install()

from tests.proof import table  # noqa: E402 - see above
from tests.simulation import runs  # noqa: E402
from tests.simulation.runs import Figures, Outcome  # noqa: E402

PART: Final = "simulation"
SHORT_SEEDS: Final = range(1, 81)
SHRINK_S: Final = 120.0
SAY_S: Final = 30.0


def main() -> int:
    """Returns 1 when a seed has failed."""
    given = arguments()
    wanted = {"PYTHONHASHSEED": "0"} | ({FINE: "1"} if given.fine else {})
    if any(os.environ.get(name) != value for name, value in wanted.items()):
        os.execve(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]], os.environ | wanted)
    if given.replay:
        return replay(given)
    seeds: Iterator[int] = iter(SHORT_SEEDS) if given.short else itertools.count(given.seed or table.next_seed(PART))
    first, seeds = peeked(seeds)
    began_s, total, failures, last = time.monotonic(), Figures(), list[Outcome](), first - 1
    said_s = began_s
    with multiprocessing.Pool(given.processes, maxtasksperchild=50) as pool:
        for outcome in pool.imap(one, limited(seeds, given, began_s, total)):
            total.add(outcome.figures)
            last = outcome.plan.seed
            if outcome.error:
                failures.append(outcome)
                print(f"seed {outcome.plan.seed} failed: {outcome.error[:600]}", flush=True)
            if time.monotonic() - said_s > SAY_S:
                said_s = time.monotonic()
                print(f"{total.steps} steps, {total.crashes} crashes, {total.seeds} seeds, {total.failed} failed, "
                      f"{total.steps / (said_s - began_s):.0f} steps a second", flush=True)
    seconds = time.monotonic() - began_s
    print(f"seeds {first} to {last}, {seconds:.0f} s, {total.steps / seconds:.0f} steps and {total.seeds / seconds:.2f} seeds a second:")
    print("\n".join(f"  {name.replace('_', ' '):16} {value:12,}" for name, value in asdict(total).items()))
    if not given.short and not given.no_row:
        table.append(PART, f"scripts/simulate --seed {first}{' --fine' * given.fine}", seconds, asdict(total), last + 1)
    for failure in failures[:given.shrink]:
        tell(runs.shrunk(failure, SHRINK_S))
    return 1 if failures else 0


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="scripts/simulate", description="Whole mounts on a simulated machine, by seeds.")
    parser.add_argument("--seed", type=int, help="the first one; without it, the one behind the last run's")
    parser.add_argument("--steps", type=int, default=0, help="so many steps altogether, at least")
    parser.add_argument("--minutes", type=float, default=0.0, help="so long")
    parser.add_argument("--seeds", type=int, default=0, help="so many seeds")
    parser.add_argument("--short", action="store_true", help="the seeds of every run of the tests; no row in the table")
    parser.add_argument("--fine", action="store_true", help="another thread may go on between any two lines of the package")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--shrink", type=int, default=1, help="so many of the failures are made short")
    parser.add_argument("--no-row", action="store_true", help="nothing is added to the table of runs")
    parser.add_argument("--replay", help="a seed, or a file with a script: done once, with its log")
    parser.add_argument("--replay-steps", type=int, default=runs.RUN_STEPS, help="of a seed that is replayed")
    parser.add_argument("--log", type=Path, help="where --replay writes each turn, call, request and line of the package's log")
    given = parser.parse_args()
    if not (given.steps or given.minutes or given.seeds or given.short or given.replay):
        given.steps = 10_000
    return given


def peeked(seeds: Iterator[int]) -> tuple[int, Iterator[int]]:
    """The first one, and all."""
    first = next(seeds)
    return first, itertools.chain([first], seeds)


def limited(seeds: Iterator[int], given: argparse.Namespace, began_s: float, total: Figures) -> Iterator[int]:
    """Those that are to be run; a pool takes them ahead, so it has no more than it can use."""
    for count, seed in enumerate(seeds):
        while count - total.seeds > 4 * given.processes:
            time.sleep(0.05)
        if ((given.steps and total.steps >= given.steps) or (given.seeds and count >= given.seeds)
                or (given.minutes and time.monotonic() - began_s > given.minutes * 60)):
            return
        yield seed


def one(seed: int) -> Outcome:
    """In a process of the pool. What one run leaves is looked through once, at its end: that is a fifth of its time else."""
    gc.disable()
    try:
        return runs.run(runs.seed_of(seed))
    finally:
        gc.collect()


def replay(given: argparse.Namespace) -> int:
    """One run, twice: the logs must be the same, byte for byte."""
    plan, why = (runs.seed_of(int(given.replay), given.replay_steps), "") if given.replay.isdecimal() else runs.read(Path(given.replay))
    first, second = runs.run(plan, log=True), runs.run(plan, log=True)
    if given.log:
        given.log.write_text("\n".join(first.lines) + "\n")
    print(f"{why}\n" * bool(why) + f"{len(first.lines)} lines, {first.figures.turns} turns, SHA-256 {first.digest()}, and again {second.digest()}")
    if first.error:
        print(first.trace)
    return 1 if first.error or first.digest() != second.digest() else 0


def tell(failure: Outcome) -> None:
    """A failing run, so that it can be done again and kept."""
    print(f"\nseed {failure.plan.seed}, in {len(failure.plan.steps)} steps: {failure.error}\n{failure.trace}\n"
          f"To replay it, keep this in a file and run scripts/simulate --replay FILE --log LOG:\n{runs.kept(failure.plan, failure.error[:200])}")


if __name__ == "__main__":
    sys.exit(main())
