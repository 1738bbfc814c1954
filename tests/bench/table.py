"""What is measured, compared and printed.

Owns    the form of the table and the arithmetic of its cells.
Never   does I/O, and never lets a time fail a run: only claims, which are about counts, do.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from tests.bench.wire import Counts

HEAD: Final = ("what", "anthrofs", "peer", "ratio", "target", "requests", "connections")
MEGA: Final = 1e6


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one measurement."""

    time_s: float
    requests: int       # anthrofs: for content, as its server saw them; others: all that passed on the wire
    wire: Counts


@dataclass(frozen=True, slots=True)
class Row:
    """One line. An empty target: for information."""

    what: str
    anthrofs: str = ""
    peer: str = ""
    ratio: str = ""
    target: str = ""
    requests: str = ""
    connections: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        return (self.what, self.anthrofs, self.peer, self.ratio, self.target, self.requests, self.connections)


@dataclass
class Report:
    """What a run has found."""

    rows: list[Row] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)     # claims that don't hold: these fail the run

    def claim(self, what: str, holds: bool, seen: object) -> None:
        if not holds:
            self.broken.append(f"{what}: {seen}")


def verdict(words: str, met: bool) -> str:
    return f"{words} {'met' if met else 'MISSED'}"


def compared(ratio: float, *, least: float | None = None, most: float | None = None) -> tuple[str, str]:
    """The cells `ratio` and `target`."""
    if least is not None:
        return f"{ratio:.2f}", verdict(f">= {least:g}", ratio >= least)
    assert most is not None
    return f"{ratio:.2f}", verdict(f"<= {most:g}", ratio <= most)


def median_s(costs: Sequence[Cost]) -> float:
    return median(cost.time_s for cost in costs)


def speed(size_bytes: float, costs: Sequence[Cost]) -> str:
    """`118 MB/s 2.17 s`"""
    return f"{size_bytes / median_s(costs) / MEGA:.0f} MB/s {seconds(median_s(costs))}"


def seconds(time_s: float) -> str:
    return f"{time_s * 1000:.0f} ms" if time_s < 1 else f"{time_s:.2f} s"


def asked(costs: Sequence[Cost]) -> tuple[str, str]:
    """The cells `requests` and `connections`."""
    return few(cost.requests for cost in costs), few(cost.wire.connections for cost in costs)


def few(numbers: Iterable[float]) -> str:
    """Of counts of several repetitions: `1`, or `1-3` when they differ."""
    found = sorted(set(numbers))
    return f"{found[0]:g}" if len(found) == 1 else f"{found[0]:g}-{found[-1]:g}"


def printed(rows: Sequence[Row]) -> str:
    """Columns as wide as they have to be."""
    lines = [HEAD, *(row.cells for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    text.insert(1, "-" * max(map(len, text)))
    return "\n".join(text)
