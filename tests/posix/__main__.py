"""`python -m tests.posix`: see scripts/posix."""

import argparse
import random
import sys
import time
from typing import Final

from tests.posix.compared import difference, shortest, told
from tests.posix.scripts import Chance
from tests.posix.sides import both_sides
from tests.posix.table import REMOTE_NAMES, ROWS, differs
from tests.proof import table

PART: Final = "posix"
SHORT_SEED: Final = 1
SHORT_S: Final = 5.0
SCRIPTS: Final = 200        # on one mount; then the next, in the other mode


def main() -> int:
    given = _arguments()
    seed = first = SHORT_SEED if given.short else given.seed or table.next_seed(PART)
    begun_s = time.monotonic()
    until_s = begun_s + (SHORT_S if given.short else given.minutes * 60)
    print(f"seed {seed}", flush=True)
    wrong, calls = list[str](), 0
    with both_sides(REMOTE_NAMES) as sides:
        print(f"{len(ROWS)} rows, on {sides.kind} and on a mount", flush=True)
        wrong += [found for row in ROWS if (found := differs(sides, row))]
    while time.monotonic() < until_s:
        with both_sides(upload=("wait", "queue")[seed // SCRIPTS % 2]) as sides:
            for _ in range(SCRIPTS):
                chance = random.Random(seed)
                script = Chance(seed).script(chance.choice((20, 40, 80)), settle=chance.choice((0.0, 0.0, 0.05)))
                calls += len(script)
                if difference(sides, script):
                    wrong.append(f"seed {seed}:\n{told(shortest(sides, script))}")
                seed += 1
                if time.monotonic() >= until_s:
                    break
    print(f"{seed - first} scripts with {calls} calls", *wrong, f"{len(wrong)} differences", sep="\n")
    if not given.short:
        table.append(PART, f"scripts/posix --minutes {given.minutes:g} --seed {first}", time.monotonic() - begun_s,
                     {"last_rows": len(ROWS), "scripts": seed - first, "operations": calls, "differences": len(wrong)}, seed)
    return 1 if wrong else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/posix", description="Every row of the table and random scripts, on a disk and on a mount.")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, help="of the first script; where the last run ended, if not given")
    parser.add_argument("--short", action="store_true", help="a few seconds of the same seeds, and no row in the table of runs")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
