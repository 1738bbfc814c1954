"""The one table of long runs: each appends its row, and figures of all rows add up.

Owns    runs.jsonl: one JSON object a line, kept in the repository, so that what one night found is added to the next.
Never   holds what a person can't repeat: a row names its command, the commit it ran on, and where its seeds ended.

A figure's name says how it adds up: longest_… and most_… are maxima, last_… is that of the newest row, all others are sums.
"""

import json
import os
import platform
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

RUNS: Final = Path(__file__).parent / "runs.jsonl"
PARTS: Final = ("simulation", "torture", "exerciser", "posix", "mutants", "fuzz", "soak", "load")
MAXIMA: Final = ("longest_", "most_")
NEWEST: Final = ("last_",)

Figures = dict[str, int | float]


@dataclass(frozen=True, slots=True)
class Row:
    """One run."""

    part: str
    command: str                # as a person types it, to repeat the run
    seconds: float
    figures: Figures
    next_seed: int | None       # where the next run goes on; None: it has no seeds
    date: str                   # of its end, UTC
    commit: str                 # with a + if files differed from it
    cores: int
    python: str


def append(part: str, command: str, seconds: float, figures: Figures, next_seed: int | None = None, *, runs: Path = RUNS) -> None:
    """One row more. A run may end while others append theirs: a row is one write."""
    assert part in PARTS, part
    row = Row(part, command, round(seconds, 1), figures, next_seed, datetime.now(UTC).isoformat(timespec="seconds"), _commit(), os.cpu_count() or 1,
              platform.python_version())
    with runs.open("ab", buffering=0) as file:
        file.write((json.dumps(asdict(row)) + "\n").encode())


def rows(part: str | None = None, *, runs: Path = RUNS) -> list[Row]:
    """Rows of one part, or all, oldest first: two branches' rows may have been merged in any order."""
    found = [Row(**json.loads(line)) for line in runs.read_text().splitlines()]
    return sorted((row for row in found if part in (None, row.part)), key=lambda row: row.date)


def next_seed(part: str, *, runs: Path = RUNS) -> int:
    """A seed behind all that this part's runs used."""
    return max((row.next_seed for row in rows(part, runs=runs) if row.next_seed is not None), default=1)


def added_up(found: Iterable[Row]) -> Figures:
    """Figures of several rows of one part as one."""
    total: Figures = {}
    for row in found:
        for name, figure in row.figures.items():
            if name.startswith(NEWEST):
                total[name] = figure
            elif name.startswith(MAXIMA):
                total[name] = max(total.get(name, figure), figure)
            else:
                total[name] = total.get(name, 0) + figure
    return total


def printed(found: Iterable[Row]) -> str:
    """What `scripts/proof` shows: each part's figures, and how many runs and hours they are from."""
    found = list(found)
    lines = list[tuple[str, str, str]]()
    for part in PARTS:
        ours = [row for row in found if row.part == part]
        runs = "1 run" if len(ours) == 1 else f"{len(ours)} runs"
        lines.append((part, runs, spent(sum(row.seconds for row in ours))))
        lines += [("", name.replace("_", " "), written(figure)) for name, figure in added_up(ours).items()]
    first, second = (max(len(line[column]) for line in lines) for column in (0, 1))
    return "\n".join(f"{part:{first}}  {name:{second}}  {figure}".rstrip() for part, name, figure in lines)


def written(figure: float) -> str:
    """`1,234,567`, and `0.042` where it isn't whole."""
    if float(figure).is_integer() or figure >= 100:
        return f"{figure:,.0f}"
    return f"{figure:.3g}"


def spent(seconds: float) -> str:
    """`1 h 05 min`, `7 min 03 s`, `12 s`"""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 60} min {whole % 60:02} s" if whole >= 60 else f"{whole} s"


def _commit() -> str:
    """Which sources ran. Rows that this run or others have just appended make no difference."""
    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(RUNS.parent), *arguments], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", ":/", f":(exclude,top)tests/proof/{RUNS.name}")
    return (git("rev-parse", "--short", "HEAD") or "unknown") + ("+" if changed else "")
