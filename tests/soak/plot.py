"""Samples as a picture: SVG for a browser, blocks for a terminal. Written by hand: a plotting library would be the tests' biggest dependency.

Never   does I/O.
"""

from collections.abc import Sequence
from typing import Final

from tests.proof.table import spent, written
from tests.soak.flat import Point

WIDTH: Final = 760
HEIGHT: Final = 70          # of one figure's strip
LEFT: Final = 190           # for its name and range
BLOCKS: Final = "▁▂▃▄▅▆▇█"
COLUMNS: Final = 60

Series = tuple[str, Sequence[Point]]        # what it is, its samples


def svg(title: str, series: Sequence[Series], *, notes: Sequence[str] = ()) -> str:
    """One strip a figure, all on one time axis, each scaled from 0 to its most. `notes`: one to each strip, below its name."""
    first_s = min((points[0][0] for _, points in series if points), default=0.0)
    last_s = max((points[-1][0] for _, points in series if points), default=1.0)
    height = 40 + HEIGHT * len(series) + 24
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="11">',
             f'<rect width="{WIDTH}" height="{height}" fill="white"/>', f'<text x="8" y="22" font-size="14">{escaped(title)}</text>']
    for number, (name, points) in enumerate(series):
        top = 40 + HEIGHT * number
        parts += _strip(name, points, notes[number] if number < len(notes) else "", top, first_s, max(last_s - first_s, 1e-9))
    bottom = 40 + HEIGHT * len(series) + 14
    parts += [f'<text x="{LEFT}" y="{bottom}">0</text>', f'<text x="{WIDTH - 8}" y="{bottom}" text-anchor="end">{spent(last_s - first_s)}</text>', "</svg>"]
    return "\n".join(parts) + "\n"


def _strip(name: str, points: Sequence[Point], note: str, top: int, first_s: float, length_s: float) -> list[str]:
    most = max((figure for _, figure in points), default=0.0)
    floor, span = top + HEIGHT - 12, HEIGHT - 20
    places = [(LEFT + (WIDTH - 8 - LEFT) * (at_s - first_s) / length_s, floor - (span * figure / most if most > 0 else 0)) for at_s, figure in points]
    return [f'<text x="8" y="{top + 16}">{escaped(name)}</text>', f'<text x="8" y="{top + 30}" fill="gray">0 to {written(most)}</text>',
            f'<text x="8" y="{top + 44}" fill="gray">{escaped(note)}</text>',
            f'<line x1="{LEFT}" y1="{floor}" x2="{WIDTH - 8}" y2="{floor}" stroke="lightgray"/>',
            f'<polyline fill="none" stroke="steelblue" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in places)}"/>']


def text(series: Sequence[Series]) -> str:
    """The same for a terminal: a line a figure, each scaled from 0 to its most; a column is the highest sample of its time."""
    width = max((len(name) for name, _ in series), default=0)
    return "\n".join(f"{name:{width}}  {bars(points)}  {_range(points)}" for name, points in series)


def bars(points: Sequence[Point]) -> str:
    """COLUMNS columns; one without a sample shows the one before it."""
    if not points:
        return ""
    first_s, length_s = points[0][0], max(points[-1][0] - points[0][0], 1e-9)
    most = max(figure for _, figure in points)
    highest: list[float | None] = [None] * COLUMNS
    for at_s, figure in points:
        column = min(COLUMNS - 1, int(COLUMNS * (at_s - first_s) / length_s))
        highest[column] = max(figure, highest[column] or 0.0)
    shown, last = "", 0.0
    for seen in highest:
        last = last if seen is None else seen
        shown += BLOCKS[min(len(BLOCKS) - 1, int(len(BLOCKS) * last / most))] if most > 0 else BLOCKS[0]
    return shown


def _range(points: Sequence[Point]) -> str:
    figures = [figure for _, figure in points]
    return f"{written(min(figures))} to {written(max(figures))}, at the end {written(figures[-1])}" if figures else "no sample"


def escaped(words: str) -> str:
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
