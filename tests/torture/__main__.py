"""`python -m tests.torture`: see scripts/torture."""

import argparse
import os
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.proof import table
from tests.torture.actors import Reader
from tests.torture.outage import Outage
from tests.torture.worker import Worker

BINDINGS: Final = {"libfuse3": "mfusepy", "libfuse2": "fusepy"}
SHORT_SEED: Final = 1
SHORT_S: Final = 45.0
SIDE_BY_SIDE: Final = 4
SMALL: Final = 1                # the number of the mount on a small disk
MINUTE_S: Final = 60.0
SHORT_OUTAGE_S: Final = 20.0
MEMORY: Final = Path("/dev/shm")     # a disk whose syncs cost nothing


def main() -> int:
    given = _arguments()
    os.environ["ANTHROFS_BINDING"] = BINDINGS[given.binding]
    seed = SHORT_SEED if given.short else given.seed
    began_s = time.monotonic()
    seconds = SHORT_S if given.short else given.minutes * 60
    print(f"seed {seed}", flush=True)
    with place_for_all() as base:
        outage = Outage(base / "outage", MINUTE_S if seconds >= 3 * MINUTE_S else SHORT_OUTAGE_S)
        thread = threading.Thread(target=outage.run)
        thread.start()
        workers = campaign(base, seed, began_s + seconds, given.rounds, given.side_by_side)
        thread.join()
    figures, wrong = summary(workers, outage, seed, time.monotonic() - began_s)
    if not given.short:
        table.append("torture", f"scripts/torture --minutes {given.minutes:g} --seed {seed}", time.monotonic() - began_s, figures, seed + 1)
    return 1 if wrong else 0


@contextmanager
def place_for_all() -> Iterator[Path]:
    """Where everything lies: in memory, if that can be had, for real syncs would be most of the time."""
    with tempfile.TemporaryDirectory(prefix="anthrofs-torture-", dir=MEMORY if MEMORY.is_dir() else None) as base:
        yield Path(base)


def campaign(base: Path, seed: int, until_s: float, most_rounds: int, side_by_side: int) -> list[Worker]:
    """Mounts side by side, each with a server of its own; one of them on a small disk, if that can be made here."""
    if os.geteuid():
        print("without root there is no small disk to be filled: that is left out")
    workers = []
    for number in range(side_by_side):
        place = base / str(number)
        place.mkdir()
        workers.append(Worker(place, f"{seed} {number}", small=number == SMALL and not os.geteuid()))
    threads = [threading.Thread(target=worker.run, args=(until_s, most_rounds)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, worker in enumerate(workers):
        if worker.found.lost + worker.found.wrong or worker.error:
            kept = Path(tempfile.gettempdir()) / f"torture-{seed}-{number}"
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(base / str(number), kept, ignore=shutil.ignore_patterns("*.sock", "ear", "files", "ballast"))
            print(f"mount {number}: what is left of it is in {kept}")
    return workers


def summary(workers: list[Worker], outage: Outage, seed: int, seconds: float) -> tuple[dict[str, int | float], list[str]]:
    """The figures, and all that was wrong; both are printed."""
    ends, deeds, faults = Counter[str](), Counter[str](), Counter[int]()
    lost, wrong = list[str](), list[str]()
    for number, worker in enumerate(workers):
        ends += worker.ends
        faults += worker.faults
        for actor in worker.actors:
            deeds += actor.deeds
        lost += [f"mount {number}, round {worker.rounds}: {words}" for words in worker.found.lost]
        wrong += [f"mount {number}, round {worker.rounds}: {words}" for words in worker.found.wrong]
        if worker.error is not None:
            wrong.append(f"mount {number}, round {worker.rounds}: {type(worker.error).__name__}: {worker.error}")
    print("what was done:", ", ".join(f"{kind} {count}" for kind, count in deeds.most_common()))
    print("where it ended:", ", ".join(f"{where} {count}" for where, count in ends.most_common()))
    print("rounds by faults in a hundred requests:", ", ".join(f"{percent} %: {count}" for percent, count in sorted(faults.items())))
    wrong += [f"outage: {words}" for words in outage.wrong]
    if outage.error is not None:
        wrong.append(f"outage: {type(outage.error).__name__}: {outage.error}")
    figures: dict[str, int | float] = {
        "rounds": sum(worker.rounds for worker in workers), "operations": deeds.total(),
        "kills": sum(count for where, count in ends.items() if where.startswith("kill")),
        "faults": sum(worker.met for worker in workers), "power_losses": sum(count for where, count in ends.items() if where.startswith("power")),
        "bytes_verified": sum(worker.found.verified_bytes for worker in workers) + sum(
            actor.verified_bytes for worker in workers for actor in worker.actors if isinstance(actor, Reader)),
        "twice": sum(worker.found.twice for worker in workers), "came_back": sum(worker.found.came_back for worker in workers),
        "named_here": sum(worker.found.named_here for worker in workers),
        "unsaid": sum(len(worker.found.unsaid) for worker in workers), "recovered": sum(worker.found.recovered for worker in workers),
        "longest_stat_s": round(max(outage.longest_stat_s, *(worker.longest_stat_s for worker in workers)), 4),
        "most_requests_a_minute_down": round(outage.requests * MINUTE_S / outage.seconds),
        "lost": len(lost), "wrong": len(wrong),
    }
    print(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in figures.items()), f"in {seconds:.0f} s, seed {seed}")
    for worker in workers:
        for words in worker.found.unsaid:
            print(f"  not in the log: {words}")
    for words in (*lost, *wrong):
        print(f"  {words}")
    return figures, lost + wrong


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/torture")
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--rounds", type=int, default=10**6, help="at most, of each mount")
    parser.add_argument("--seed", type=int, default=table.next_seed("torture"))
    parser.add_argument("--side-by-side", type=int, default=SIDE_BY_SIDE)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--binding", choices=[*BINDINGS], default="libfuse3")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
