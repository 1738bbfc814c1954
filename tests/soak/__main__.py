"""`python -m tests.soak [load] …`: hours of work, what they left, and exit code 1 when a figure isn't flat or a byte was wrong.

Owns    what is printed, the picture, and the row in the table of runs.
"""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from tests.emulator.process import EmulatorProcess
from tests.proof import table
from tests.soak import load, plot
from tests.soak.flat import Verdict, verdict
from tests.soak.samples import BACK, BOUNDS, MIB, TOMBSTONE_BYTES, Sample
from tests.soak.work import Soak

SHORT_S: Final = 20.0
SHORT_SEED: Final = 7
GROWN: Final = 12           # types that are named
ENDINGS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/soak", description="hours of mixed work on a mount: what grows?")
    parser.add_argument("what", nargs="?", choices=("work", "load"), default="work", help="mixed work for a while, or big loads, one after the other")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, help="where the last run left off, unless said")
    parser.add_argument("--every", type=float, default=5, help="seconds between two samples")
    parser.add_argument("--short", action="store_true", help="half a minute: for the counts, not for the slopes")
    parser.add_argument("--dir", type=Path, help="a directory that is kept: the next run goes on with its state")
    parser.add_argument("--svg", type=Path, help="where the picture goes")
    asked = parser.parse_args()
    for number in ENDINGS:
        signal.signal(number, _leave)
    if asked.what == "load":
        return _load(short=asked.short)
    seed = asked.seed if asked.seed is not None else SHORT_SEED if asked.short else table.next_seed("soak")
    seconds = SHORT_S if asked.short else asked.minutes * 60
    command = f"scripts/soak --minutes {asked.minutes:g} --seed {seed}"
    print(f"soak: seed {seed}, {table.spent(seconds)}", flush=True)
    began_s = time.monotonic()
    with _directory(asked.dir) as base, EmulatorProcess(base / "server" / "data") as emulator:
        soak = Soak(base, emulator, seed, every_s=asked.every, rest_s=8 if asked.short else 45)
        soak.run(seconds)
    broken = [*soak.tally.wrong, *soak.tally.lost, *soak.tally.unexplained, *_not_back(soak)]
    verdicts = {} if asked.short else judged(soak.rests)
    broken += [f"{name} isn't flat: {_words(found)}" for name, found in verdicts.items() if not found.flat]
    _print(soak, verdicts)
    if asked.svg:
        asked.svg.write_text(picture(soak, verdicts))
    if not asked.short:
        table.append("soak", command, time.monotonic() - began_s, _figures(soak, len(broken)), seed + 1)
    for line in broken:
        print(f"soak: {line}", file=sys.stderr)
    return 1 if broken else 0


def _load(*, short: bool) -> int:
    began_s = time.monotonic()
    with _directory(None) as base:
        found = load.run(base, short=short)
    if not short:
        table.append("load", "scripts/soak load", time.monotonic() - began_s, {**found.figures, "broken": len(found.broken)})
    for name, figure in found.figures.items():
        print(f"  {name.replace('_', ' '):30} {table.written(figure)}")
    for line in found.broken:
        print(f"soak: {line}", file=sys.stderr)
    return 1 if found.broken else 0


def judged(rests: list[Sample]) -> dict[str, Verdict]:
    found = {name: verdict([(sample["at s"], sample[name]) for sample in rests], bound) for name, bound in BOUNDS.items()}
    allowed = max(0.0, found["tombstones"].rise) * TOMBSTONE_BYTES / MIB
    return found | {"database MiB": replace(found["database MiB"], bound=found["database MiB"].bound + allowed)}


def _not_back(soak: Soak) -> list[str]:
    """What doesn't depend on time: after the work, descriptors and threads are as many as before it, and nothing is staged."""
    first, last = soak.base, soak.rests[-1]
    return [f"{name}: {first[name]:.0f} before the work, {last[name]:.0f} after it" for name in BACK if last[name] > first[name] + BOUNDS[name]] + [
        f"{last['staging MiB']} MiB are staged although all is sent" for _ in range(last["staging MiB"] > 0)]


def _figures(soak: Soak, broken: int) -> table.Figures:
    last, tally = soak.rests[-1], soak.tally
    return {"operations": tally.operations, "bytes_verified": tally.bytes_verified, "programs": tally.programs, "requests": tally.requests,
            "changes_of_others": soak.others.changes, "faults": soak.others.faults, "rests": tally.rests, "lost": len(tally.lost), "wrong": len(tally.wrong),
            "twice": tally.twice, "unexplained": len(tally.unexplained), "broken": broken, "most_memory_mib": round(max(sample["memory MiB"] for sample in soak.samples), 1),
            "most_descriptors": int(max(sample["descriptors"] for sample in soak.samples)), "last_memory_mib": round(last["memory MiB"], 1)}


def _print(soak: Soak, verdicts: dict[str, Verdict]) -> None:
    for name, figure in _figures(soak, 0).items():
        if name != "broken":
            print(f"  {name.replace('_', ' '):20} {table.written(figure)}")
    print(plot.text(_series(soak.samples)))
    for name, found in verdicts.items():
        print(f"  {name:14} {found.word:6} {_words(found)}")
    if len(soak.types) == 2:
        first, last = soak.types
        grown = sorted(((count - first.get(name, 0), name) for name, count in last.items()), reverse=True)[:GROWN]
        print("  objects more at the last rest than at the first: " + ", ".join(f"{name} {more}" for more, name in grown if more > 0))


def _words(found: Verdict) -> str:
    return (f"{table.written(found.first)} → {table.written(found.last)} over the last two thirds of {found.judged} rests, "
            f"{found.slope_an_hour:+.3g} an hour, bound {found.bound:g}")


def picture(soak: Soak, verdicts: dict[str, Verdict]) -> str:
    notes = [f"{verdicts[name].word}, {verdicts[name].slope_an_hour:+.3g} an hour" if name in verdicts else "" for name, _ in _series(soak.samples)]
    return plot.svg(f"anthrofs, {table.written(soak.tally.operations)} operations, {table.written(soak.tally.requests)} requests, "
                    f"{soak.others.changes} changes of others, {soak.others.faults} faults", _series(soak.samples), notes=notes)


def _series(samples: list[Sample]) -> list[plot.Series]:
    return [(name, [(sample["at s"], sample[name]) for sample in samples]) for name in BOUNDS]


@contextmanager
def _directory(kept: Path | None) -> Iterator[Path]:
    """What goes on between runs, or what ends with this one."""
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="anthrofs-soak-") as base:
        yield Path(base)


def _leave(number: int, _frame: object) -> None:
    """A way out for every signal, on which everything is taken down."""
    for each in ENDINGS:
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
