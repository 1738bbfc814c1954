"""The figures of the manual's page `proof`: what each is summed from, and the page with them in it.

Owns    the third cell of each row of the page's table. Its words, and the command that repeats a figure, are the page's own.
Never   does I/O.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from tests.proof.table import Figures, Row, added_up, spent, written

REAL: Final = ("torture", "exerciser", "posix", "soak", "load")         # on real mounts
ALL: Final = ("simulation", *REAL, "mutants", "fuzz")


@dataclass(frozen=True, slots=True)
class Figure:
    """One row: its parts' figures of these names, added up."""

    parts: Sequence[str]
    names: Sequence[str]
    unit: str = ""


# By the first cell of the row.
FIGURES: Final = {
    "simulated steps": Figure(["simulation"], ["steps"]),
    "simulated seeds": Figure(["simulation"], ["seeds"]),
    "simulated faults": Figure(["simulation"], ["faults"]),
    "simulated crashes": Figure(["simulation"], ["crashes"]),
    "operations on real mounts": Figure(REAL, ["operations"]),
    "faults on real mounts": Figure(REAL, ["faults"]),
    "kills of real mounts": Figure(REAL, ["kills"]),
    "power losses of real mounts": Figure(["torture"], ["power_losses"]),
    "bytes verified": Figure(ALL, ["bytes_verified"], "B"),
    "files lost": Figure(ALL, ["lost"]),
    "wrong contents": Figure(ALL, ["wrong"]),
    "names twice or back, by the rule for lost answers": Figure(ALL, ["twice", "twice_by_rule", "came_back", "back_by_rule"]),
    "seeds of the simulation that failed, mended since": Figure(["simulation"], ["failed"]),
    "mutants planted": Figure(["mutants"], ["last_planted"]),
    "mutants found": Figure(["mutants"], ["last_found"]),
    "of them without a mount": Figure(["mutants"], ["last_without_a_mount"]),
    "inputs of fuzzing": Figure(["fuzz"], ["inputs"]),
    "rows of the table of POSIX": Figure(["posix"], ["last_rows"]),
    "longest `stat` while the service is silent": Figure(ALL, ["longest_stat_s"], "s"),
    "most requests a minute while it is down": Figure(ALL, ["most_requests_a_minute_down"]),
    "most files on one mount": Figure(["load"], ["most_files"]),
    "most programs at once": Figure(["load"], ["most_programs"]),
    "longest queue over a kill": Figure(["load"], ["most_queued"]),
}
HOURS: Final = "time on real mounts"
# At the rate so far.
NIGHT_S: Final = 10 * 3600
NIGHTS: Final = {
    "simulated steps in a night of ten hours": Figure(["simulation"], ["steps"]),
    "simulated crashes in such a night": Figure(["simulation"], ["crashes"]),
    "operations on real mounts in such a night": Figure(["torture"], ["operations"]),
    "kills of real mounts in such a night": Figure(["torture"], ["kills"]),
}


def figures(rows: Sequence[Row]) -> dict[str, str]:
    """What each row of the page has to show."""
    nights = {what: written(round(_amount(figure, rows) * NIGHT_S / max(1.0, sum(row.seconds for row in rows if row.part in figure.parts)), -2))
              for what, figure in NIGHTS.items()}
    return {what: _shown(figure, rows) for what, figure in FIGURES.items()} | nights | {
        HOURS: spent(sum(row.seconds for row in rows if row.part in REAL))}


def _amount(figure: Figure, rows: Iterable[Row]) -> float:
    summed = added_up(Row(row.part, row.command, row.seconds, _named(figure.names, row.figures), None, row.date, row.commit, row.cores, row.python)
                      for row in rows if row.part in figure.parts)
    return sum(summed.values())


def _shown(figure: Figure, rows: Iterable[Row]) -> str:
    amount = _amount(figure, rows)
    if figure.unit == "B":
        return f"{amount / 1e9:.1f} GB"
    return f"{written(amount)} {figure.unit}".rstrip()


def _named(names: Iterable[str], found: Figures) -> Figures:
    return {name: found[name] for name in names if name in found}


def renewed(page: str, rows: Sequence[Row]) -> str:
    """The page with the figures of these rows. Raises KeyError for a row of the table that no figure is for."""
    shown = figures(rows)
    lines = page.splitlines(keepends=True)
    for number, line in enumerate(lines):
        if (cells := cells_of(line)) is not None:
            lines[number] = f"| {cells[0]} | {shown[cells[0]]} | {cells[2]} |\n"
    return "".join(lines)


def shown_in(page: str) -> dict[str, str]:
    """What the page's table says."""
    return {cells[0]: cells[1] for line in page.splitlines() if (cells := cells_of(line)) is not None}


def cells_of(line: str) -> list[str] | None:
    """Of a row of the table of three columns; its head is none."""
    cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
    if not line.startswith("| ") or len(cells) != 3 or cells[0] == "what" or re.fullmatch("[-: ]+", cells[0]):
        return None
    return cells
