"""What is measured, compared and printed.

Owns    the form of the table and the arithmetic of its cells.
Never   does I/O, and never lets a time fail a run: only claims, which are about counts, do.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final

from tests.bench.wire import Counts

MEGA: Final = 1e6
GIGA: Final = 1e9
NOTHING: Final = Counts(0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one measurement."""

    time_s: float
    requests: int = 0               # anthrofs: for content, as its server saw them; others: all that passed on the wire
    wire: Counts = NOTHING          # nothing: it didn't go over the wire
    cpu_s: float = 0.0              # the daemon's, or that of the program if it has none; where it was looked at


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
    other: str = ""                 # of the commit beside this one
    beside: str = ""                # this one's to that
    cpu: str = ""
    other_cpu: str = ""
    cpu_beside: str = ""


# Heads of the columns, in the table's order; one that is empty in every row is left out. {other}: the commit beside this one.
HEADS: Final = {"what": "what", "anthrofs": "{anthrofs}", "other": "{other}", "beside": "to it", "peer": "peer", "ratio": "ratio", "target": "target",
                "cpu": "its CPU", "other_cpu": "{other}", "cpu_beside": "to it", "requests": "requests", "connections": "connections"}


@dataclass(frozen=True, slots=True)
class Work:
    """What a row measures, and in which units it is told."""

    what: str
    size_bytes: float = 0           # more than 0: speeds are shown, and CPU a GB
    entries: int = 0                # more than 0: CPU is shown for one of them
    faster: bool = False            # ratios are those of speeds, else of times

    def shown(self, costs: Sequence[Cost]) -> str:
        """`118 MB/s 2.17 s ±3%`"""
        return (speed(self.size_bytes, costs) if self.size_bytes else seconds(median_s(costs))) + spread([cost.time_s for cost in costs])

    def cpu(self, costs: Sequence[Cost]) -> str:
        used_s = median(cost.cpu_s for cost in costs)
        if self.size_bytes:
            return f"{used_s / (self.size_bytes / GIGA):.2f} s/GB"
        if not self.entries:
            return seconds(used_s)
        each_us = used_s / self.entries * 1e6
        return f"{each_us:.1f} µs each" if each_us < 1000 else f"{each_us / 1000:.1f} ms each"

    def ratio(self, ours: Sequence[Cost], others: Sequence[Cost]) -> float:
        return median_s(others) / median_s(ours) if self.faster else median_s(ours) / median_s(others)


@dataclass
class Report:
    """What a run has found."""

    names: tuple[str, ...] = ("anthrofs",)              # of this version, and of the one beside it
    rows: list[Row] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)     # claims that don't hold: these fail the run
    samples: list[dict[str, Any]] = field(default_factory=list)     # every single measurement, as --json writes it

    def claim(self, what: str, holds: bool, seen: object) -> None:
        if not holds:
            self.broken.append(f"{what}: {seen}")

    def compare(self, work: Work, ours: Sequence[Sequence[Cost]], peer: str = "", peers: Sequence[Cost] = (), *,
                least: float | None = None, most: float | None = None, target: str = "") -> None:
        """A row. `ours`: of each version; `peers`: of who is beside them, if anybody."""
        mine, *others = ours
        beside = f"{peer} {work.shown(peers)}" if peers else ""
        if any(cost.cpu_s for cost in peers):
            beside += f", {work.cpu(peers)}"
        ratio, aim = "", target
        if peers:
            ratio = f"{work.ratio(mine, peers):.2f}"
            if least is not None or most is not None:
                ratio, aim = compared(work.ratio(mine, peers), least=least, most=most)
        self.rows.append(Row(work.what, work.shown(mine), beside, ratio, aim, *asked_beside(ours), **against(work, mine, others)))
        for name, costs in (*zip(self.names, ours, strict=False), (peer, peers)):
            if costs:
                self.sample(work.what, name, costs)

    def information(self, work: Work, mine: Sequence[Cost], peer: str, peers: Sequence[Cost]) -> None:
        """A row of somebody else below one of ours."""
        self.rows.append(Row(f"  {peer}, for information", "", f"{peer} {work.shown(peers)}", f"{work.ratio(mine, peers):.2f}" if mine else "",
                             "", *asked(peers), cpu=work.cpu(peers) if any(cost.cpu_s for cost in peers) else ""))
        self.sample(work.what, peer, peers)

    def sample(self, what: str, name: str, costs: Sequence[Cost]) -> None:
        """Written down, though not shown."""
        self.samples.append({"what": what, "who": name, "times_s": [cost.time_s for cost in costs], "cpu_s": [cost.cpu_s for cost in costs],
                             "requests": [cost.requests for cost in costs], "connections": [cost.wire.connections for cost in costs],
                             "bytes_up": [cost.wire.bytes_up for cost in costs], "bytes_down": [cost.wire.bytes_down for cost in costs]})

    def figures(self, what: str, values: Sequence[Sequence[float]], shown: Callable[[float], str], peer: str = "", peers: Sequence[float] = (), *,
                most: float | None = None, target: str = "") -> None:
        """A row of something else than times; with a target, less of it is better."""
        mine, *others = values
        ratio, aim = "", target
        if peers:
            ratio = f"{median(mine) / median(peers):.2f}"
            if most is not None:
                ratio, aim = compared(median(mine) / median(peers), most=most)
        cells = {} if not others else {"other": shown(median(others[0])), "beside": f"{median(mine) / median(others[0]):.2f}"}
        self.rows.append(Row(what, shown(median(mine)), f"{peer} {shown(median(peers))}" if peers else "", ratio, aim, **cells))
        for name, found in (*zip(self.names, values, strict=False), (peer, peers)):
            if found:
                self.samples.append({"what": what, "who": name, "values": list(found)})


def against(work: Work, mine: Sequence[Cost], others: Sequence[Sequence[Cost]]) -> dict[str, str]:
    """The cells of the other version, and those of CPU. Its ratio with that of the single repetitions, the least and the most."""
    looked = any(cost.cpu_s for costs in (mine, *others) for cost in costs)
    cells = {"cpu": work.cpu(mine)} if looked else {}
    for costs in others:
        pairs = [work.ratio([one], [other]) for one, other in zip(mine, costs, strict=True)]
        cells |= {"other": work.shown(costs), "beside": f"{work.ratio(mine, costs):.2f}{_range(pairs)}"}
        if looked:
            used = [sum(cost.cpu_s for cost in side) for side in (mine, costs)]
            pairs = [one.cpu_s / other.cpu_s for one, other in zip(mine, costs, strict=True) if other.cpu_s]
            cells |= {"other_cpu": work.cpu(costs), "cpu_beside": f"{used[0] / used[1]:.2f}{_range(pairs)}" if used[1] else ""}
    return cells


def _range(values: Sequence[float]) -> str:
    return f" ({min(values):.2f}-{max(values):.2f})" if len(values) > 1 else ""


def spread(values: Sequence[float]) -> str:
    """Half of the way from the least to the most, in percent of the middle."""
    return f" ±{(max(values) - min(values)) / 2 / median(values) * 100:.0f}%" if len(values) > 1 and median(values) else ""


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


def mib(size: float) -> str:
    return f"{size:.0f} MiB"


def asked(costs: Sequence[Cost]) -> tuple[str, str]:
    """The cells `requests` and `connections`."""
    return few(cost.requests for cost in costs), few(cost.wire.connections for cost in costs)


def asked_beside(sides: Sequence[Sequence[Cost]]) -> tuple[str, str]:
    """The same, with the other version's where they aren't the same."""
    mine, *others = [asked(costs) for costs in sides]
    requests, connections = (mine[place] + "".join(f" (was {other[place]})" for other in others if other[place] != mine[place]) for place in (0, 1))
    return requests, connections


def few(numbers: Iterable[float]) -> str:
    """Of counts of several repetitions: `1`, or `1-3` when they differ."""
    found = sorted(set(numbers))
    return f"{found[0]:g}" if len(found) == 1 else f"{found[0]:g}-{found[-1]:g}"


def printed(report: Report) -> str:
    """Columns as wide as they have to be."""
    anthrofs, *others = report.names
    columns = [name for name in HEADS if any(getattr(row, name) for row in report.rows)]
    lines = [[HEADS[name].format(anthrofs=anthrofs, other=others[0] if others else "") for name in columns],
             *([getattr(row, name) for name in columns] for row in report.rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(columns))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    text.insert(1, "-" * max(map(len, text)))
    return "\n".join(text)
