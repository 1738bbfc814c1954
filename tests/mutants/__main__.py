"""Plants each bug and says which level of the tests finds it, and how fast: see scripts/mutants."""

import argparse
import os
import queue
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Final

from tests.mutants.levels import LEVELS, Level, named
from tests.mutants.patches import Mutant, every
from tests.mutants.workshop import Verdict, Workshop
from tests.proof import table

HANDFUL: Final = 16         # of --short: about a minute on two cores
WITHOUT_A_MOUNT: Final = ("unit", "core", "simulation")


def main() -> int:
    """Returns the exit code: 1 when a bug was found by nothing."""
    asked = _asked()
    mutants = _chosen(asked.names)
    if asked.short:
        mutants = _handful(mutants, datetime.now(UTC).date().toordinal())
    levels = [named] if asked.short or asked.named else [LEVELS[asked.level]] if asked.level else list(LEVELS.values())
    began_s, verdicts = time.monotonic(), list[Verdict]()
    width = max(len(mutant.name) for mutant in mutants)
    print(f"{'mutant':{width}} | room     | seconds | found by")
    for verdict in _verdicts(mutants, levels, asked.jobs):
        verdicts.append(verdict)
        print(f"{verdict.mutant.name:{width}} | {verdict.mutant.room:8} | {verdict.seconds:7.1f} | {verdict.test or 'NOTHING'}", flush=True)
    seconds, found = time.monotonic() - began_s, Counter(verdict.level for verdict in verdicts if verdict.test)
    print(f"{len(verdicts)} planted bugs, {found.total()} found ({', '.join(f'{level} {count}' for level, count in found.most_common())}), "
          f"in {seconds:.0f} s")
    if found.total() < len(verdicts):
        print("found by nothing:", *(verdict.mutant.name for verdict in verdicts if not verdict.test))
    if not asked.short and not asked.level and not asked.names:
        table.append("mutants", f"scripts/mutants{' --named' * asked.named}", seconds, {
            "last_planted": len(verdicts), "last_found": found.total(), "last_without_a_mount": sum(found[level] for level in WITHOUT_A_MOUNT)})
    return int(found.total() < len(verdicts))


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser("scripts/mutants")
    parser.add_argument("names", nargs="*", metavar="NAME", help="which of tests/mutants/*.patch; all without one")
    parser.add_argument("--short", action="store_true", help=f"the day's {HANDFUL}, each by the tests that its head names")
    parser.add_argument("--named", action="store_true", help="by the tests that the heads name, instead of level by level")
    parser.add_argument("--level", choices=LEVELS, help="this level alone: how much does it see?")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="so many at once")
    return parser.parse_args()


def _chosen(names: Sequence[str]) -> list[Mutant]:
    known = every()
    unknown = set(names) - {mutant.name for mutant in known}
    if unknown:
        sys.exit(f"mutants: there is no {', no '.join(sorted(unknown))} in tests/mutants")
    return [mutant for mutant in known if not names or mutant.name in names]


def _handful(mutants: list[Mutant], day: int) -> list[Mutant]:
    """Others each day, and all rooms have their turn: every so-many-th of those that need no mount."""
    quick = [mutant for mutant in mutants if not mutant.needs_mount]
    step = max(1, len(quick) // HANDFUL)
    return quick[day % step::step][:HANDFUL]


def _verdicts(mutants: Sequence[Mutant], levels: Sequence[Level], jobs: int) -> Iterator[Verdict]:
    """In the order of the mutants, while the next ones are tried."""
    with ExitStack() as stack:
        idle: queue.SimpleQueue[Workshop] = queue.SimpleQueue()
        workshops = [stack.enter_context(Workshop.opened()) for _ in range(min(jobs, len(mutants)))]
        for workshop in workshops:
            idle.put(workshop)
        if passing := levels == [named]:        # few tests: all of them at once, before anything is planted
            failure = workshops[0].first_failure(sorted({test for mutant in mutants for test in mutant.found_by}))
            assert failure is None, f"{failure} fails without any planted bug"

        def verdict(mutant: Mutant) -> Verdict:
            workshop = idle.get()
            try:
                return workshop.try_out(mutant, levels, passing=passing)
            finally:
                idle.put(workshop)

        with ThreadPoolExecutor(jobs) as pool:
            yield from pool.map(verdict, mutants)


if __name__ == "__main__":
    sys.exit(main())
