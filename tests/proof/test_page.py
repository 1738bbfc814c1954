"""The manual's page `proof` says what the table of runs says, and names a script for each figure."""

import pytest

from tests.proof import page, table
from tests.proof.__main__ import PAGE
from tests.proof.table import Row

TEXT = PAGE.read_text()


def row(part: str, seconds: float = 1.0, **figures: float) -> Row:
    return Row(part, f"scripts/{part}", seconds, figures, None, "2026-11-28T12:00:00+00:00", "abc", 2, "3.11")


def test_the_page_has_the_figures_of_the_table() -> None:
    """After a run: `scripts/proof --write`."""
    assert page.shown_in(TEXT) == page.figures(table.rows())


def test_each_figure_names_what_repeats_it() -> None:
    for line in TEXT.splitlines():
        if (cells := page.cells_of(line)) is not None:
            assert "`scripts/" in cells[2] or cells[2] == "all of these", line


def test_figures_of_several_parts_add_up() -> None:
    rows = [row("torture", 60, operations=5, kills=2, bytes_verified=10**9, longest_stat_s=0.02), row("soak", 3600, operations=7, bytes_verified=5 * 10**8),
            row("simulation", 9, operations=100, steps=1000, lost=1), row("load", longest_stat_s=0.05), row("mutants", last_found=30), row("mutants", last_found=31)]
    shown = page.figures(rows)
    assert (shown["operations on real mounts"], shown["kills of real mounts"], shown["bytes verified"]) == ("12", "2", "1.5 GB")
    assert (shown["simulated steps"], shown["files lost"], shown["mutants found"]) == ("1,000", "1", "31")
    assert (shown["longest `stat` while the service is silent"], shown["time on real mounts"]) == ("0.05 s", "1 h 01 min")


def test_a_renewed_page_differs_in_its_figures_only() -> None:
    rows = [row("simulation", steps=1234567)]
    renewed = page.renewed(TEXT, rows)
    assert page.shown_in(renewed) == page.figures(rows)
    assert page.renewed(renewed, table.rows()) == TEXT


def test_a_row_without_a_figure_is_an_error() -> None:
    with pytest.raises(KeyError):
        page.renewed("| simulated stops | 5 | `scripts/simulate` |\n", [])
