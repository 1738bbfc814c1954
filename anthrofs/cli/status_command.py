"""The command `anthrofs status`: once, or again and again.

Owns    the screen while it watches.
Never   costs the service a request: the mounts answer from what they know. While it watches it doesn't look at their
        files, for which they would go on asking for news.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from anthrofs.cli import fleet_output, output
from anthrofs.cli.amounts import Rate, shown_bytes, shown_time
from anthrofs.cli.common_options import JSON
from anthrofs.cli.places import mount_point
from anthrofs.cli.syntax import argument, command, flag, number, option
from anthrofs.client import asking, detached
from anthrofs.errors import SetupError
from anthrofs.text import printable_lines

NONE: Final = "No mounts."


@command("status", argument("directory", "The mount point; all, without.", mount_point, count="?"),
         flag("-w --watch", "watch", "Show it again and again, with what moves and how fast, until interrupted."),
         option("--interval", "interval", "SECONDS", "Seconds between two looks.", number(0.1, 86400), default=1.0),
         JSON)
def status(directory: Path | None, watch: bool, interval: float, as_json: bool) -> None:
    """Show what a mount holds, what is still to be sent, and what was refused."""
    if watch:
        with suppress(KeyboardInterrupt):       # that is its end
            follow(directory, interval, as_json=as_json)
        return
    found, silent = detached.statuses(directory)
    if as_json:
        output.put(json.dumps(found[0] if directory else found))
    elif not (found or silent):
        output.put(NONE)
    else:
        for one in found:
            output.show(*lines_of(one))
    if silent:
        raise SetupError("\n".join(silent))


def lines_of(one: dict[str, Any]) -> list[str]:
    """The lines of one mount."""
    return [*output.status_lines(one), *fleet_output.status_lines(one)]


def follow(directory: Path | None, interval_s: float, *, as_json: bool) -> None:
    """Shows it until interrupted: in place on a terminal, elsewhere one after the other. With `as_json` one value a
    line. Raises SetupError when there is nothing to begin with.
    """
    known = asking.Mounts()
    detached.statuses(directory, known)
    if as_json:
        while True:
            found, _ = looked(directory, known)
            output.put(json.dumps(found[0] if directory and found else found))
            time.sleep(interval_s)
    rates = dict[str, Rate]()
    if sys.stdout is None or not sys.stdout.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        while True:
            output.show(*looks(directory, known, rates), "")
            time.sleep(interval_s)
    from rich.live import Live  # for a terminal only
    from rich.text import Text

    with Live(screen=True, auto_refresh=False, vertical_overflow="ellipsis") as live:
        while True:
            live.update(Text(printable_lines("\n".join(looks(directory, known, rates))), overflow="fold"),
                        refresh=True)
            time.sleep(interval_s)


def looked(directory: Path | None, known: asking.Mounts) -> tuple[list[dict[str, Any]], list[str]]:
    """As `detached.statuses`; a mount that has gone meanwhile may come back."""
    try:
        return detached.statuses(directory, known)
    except SetupError as exc:
        return [], [str(exc)]


def looks(directory: Path | None, known: asking.Mounts, rates: dict[str, Rate]) -> list[str]:
    """The lines of one look. `known` and `rates` remember the looks before."""
    found, silent = looked(directory, known)
    lines = [time.strftime("%H:%M:%S")]
    for one in found:
        root = str(one["mountpoint"])
        first, *more = lines_of(one)
        lines += [first, *(f"  {words}" for words in speeds(one, rates.setdefault(root, Rate()))), *more]
    return [*lines, *silent] if found or silent else [*lines, NONE]


def speeds(one: dict[str, Any], rate: Rate) -> Iterator[str]:
    """Tells what moves, how fast, and until when."""
    left = sum(entry["bytes"] - entry["sent"] for entry in one["waiting"])
    rate.add(time.monotonic(), -left)
    per_s, left_s = rate.per_s(), rate.left_s(0)
    if left and per_s and left_s is not None:
        yield f"sending {shown_bytes(per_s)}/s, {shown_bytes(left)} to go, {shown_time(max(1.0, left_s))} left"
