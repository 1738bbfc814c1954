"""A fleet as a person sees it, in lines.

Never   decides anything: it prints what a mount has answered. What another version's mount doesn't tell is left out.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from anthrofs.cli.output import shown_bytes, shown_time
from anthrofs.text import printable

Told = Mapping[str, Any]
ENGINES: Final = ("store", "board")


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
    if "readable" in store:
        readable, others = store["readable"], store["readable"] + store["unreadable"]
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
