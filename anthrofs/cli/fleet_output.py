"""A fleet as a person sees it, in lines.

Never   decides anything: it prints what a mount has answered. What another version's mount doesn't tell is left out.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from anthrofs.cli.amounts import shown_bytes, shown_time
from anthrofs.text import printable

Told = Mapping[str, Any]
ENGINES: Final = ("store", "board")
HEADS: Final = ("mount", "requests/min", "lists", "last", "hits", "misses", "from store", "to store", "spared", "wrong")
SUMMED: Final = ("requests_a_minute", "lists", "hits", "misses", "bytes", "put_bytes", "spared", "wrong")
MOST: Final = 450           # requests that an organization has in a minute, at most, of its about 500
HEARD_S: Final = 15.0       # a mount tells of itself every ten seconds
BAR: Final = 40             # columns
SHADES: Final = " .:-=+*#%@"


def status_lines(one: Told) -> Iterator[str]:
    """The lines of one mount's fleet; none of a mount that is for itself."""
    if (fleet := one.get("fleet")) is None:     # nor does a mount of an earlier version have one
        return
    yield f"  of the fleet of key {fleet['key']}" + (
        "" if fleet["workspace"] else ": the service has not named the workspace yet, so nothing is shared")
    for name in ENGINES:
        if (engine := fleet.get(name)) is not None:
            yield f"  {engine_line(name, engine)}"
            yield from (f"    {line}" for line in (_store_lines if name == "store" else _board_lines)(engine))


def engine_line(name: str, engine: Told) -> str:
    """A store or a board: whether it is there."""
    address = printable(str(engine["address"]))
    if (since := engine.get("away_since")) is not None:
        return (f"{name.upper()} AWAY, {address}, for {shown_time(max(0.0, time.time() - since))}: "
                f"{printable(str(engine.get('why') or 'no reason is known'))}")
    answers_s = engine.get("answers_s")
    return f"{name} {address}" + ("" if answers_s is None else f", answers in {1000 * answers_s:.1f} ms") + (
        f", {printable(str(why))}" if (why := engine.get("why")) else "")


def _store_lines(store: Told) -> Iterator[str]:
    readable, others = store.get("readable", 0), store.get("readable", 0) + store.get("unreadable", 0)
    if others:
        yield f"{readable} of {others} uploads of others can be read"
    if store.get("waiting"):
        yield f"{store['waiting']} own files are not there yet, {shown_bytes(store['waiting_bytes'])}"
    if store.get("refused"):
        yield f"IT TAKES NOTHING: {printable(str(store['refused']))}"


def _board_lines(board: Told) -> Iterator[str]:
    if "mounts" in board:
        yield f"{board['mounts']} mounts" + (
            f", listed last by {printable(str(board['listed_by']))} {shown_time(board['listed_s_ago'])} ago"
            if board.get("listed_by") else "")
    if "left" in board:
        yield f"{board['left']} of {board['most']} requests of the minute are left to all"


# ---- the picture

def pictures(found: Mapping[Path, Told]) -> Iterator[list[str]]:
    """The lines of each fleet, as one of its mounts here sees it: two mounts of one fleet see the same."""
    seen = set[tuple[str, str]]()
    for root, fleet in found.items():
        of = str(fleet["key"]), str(fleet["workspace"] or root)
        if of not in seen:
            seen.add(of)
            yield [*_picture(root, fleet)]


def _picture(root: Path, fleet: Told) -> Iterator[str]:
    yield f"the fleet of key {fleet['key']}, as {printable(str(root))} sees it"
    yield from list(status_lines({"fleet": fleet}))[1:]
    if seconds := fleet["seconds"]:
        most = (fleet["board"] or {}).get("most", MOST)
        yield f"  requests of the last minute  {bar(sum(seconds), most)} {sum(seconds)} of {most}"
        yield f"    second by second           {shape(seconds, max(seconds))}"
    if minutes := fleet["minutes"]:
        most = (fleet["board"] or {}).get("most", MOST)
        yield f"    minute by minute           {shape(minutes, most)} at most {max(minutes)}"
    tales = list(fleet["mounts"].values())
    rows = [_row(printable(str(told.get("label"))) + _silence(told), told) for told in tales]
    if len(rows) > 1:
        rows.append(_row("together", {name: sum(_number(told, name) for told in tales) for name in SUMMED}))
    widths = [max(len(row[column]) for row in (HEADS, *rows)) for column in range(len(HEADS))]
    for row in (HEADS, *rows):
        yield "  " + "  ".join([f"{row[0]:<{widths[0]}}", *(f"{cell:>{width}}" for cell, width in zip(
            row[1:], widths[1:], strict=True))]).rstrip()


def _row(name: str, told: Told) -> tuple[str, ...]:
    last = "" if told.get("listed_s_ago") is None else f"{shown_time(_number(told, 'listed_s_ago'))} ago"
    requests, lists, hits, misses, came, put, spared, wrong = (_number(told, each) for each in SUMMED)
    return (name, f"{requests:.0f}", f"{lists:.0f}", last, f"{hits:.0f}", f"{misses:.0f}", shown_bytes(came),
            shown_bytes(put), f"{spared:.0f}", f"{wrong:.0f}")


def _silence(told: Told) -> str:
    """A mount that was killed stands on the board for a while."""
    silent_s = _number(told, "told_s_ago")
    return f" (not heard for {shown_time(silent_s)})" if silent_s > HEARD_S else ""


def _number(told: Told, name: str) -> float:
    """Another version's mount may tell something else."""
    found = told.get(name)
    return found if isinstance(found, int | float) else 0


def bar(part: float, whole: float) -> str:
    """[######....]"""
    filled = min(BAR, max(1, round(BAR * part / whole))) if part and whole else 0
    return f"[{'#' * filled}{'.' * (BAR - filled)}]"


def shape(values: Sequence[float], most: float) -> str:
    """One character each, higher ones darker: a blank is nothing, the last one as much as there may be."""
    return "|" + "".join(SHADES[0 if not value else min(len(SHADES) - 1, 1 + int((len(SHADES) - 2) * value / most))]
                         for value in values) + "|"
