"""A drain as a person sees it: how it goes on, and what is left in the end.

Never   decides anything: it tells what the mount has answered.
"""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from anthrofs.cli.amounts import shown_count, shown_time
from anthrofs.cli.output import reason_lines
from anthrofs.cli.teller import Teller
from anthrofs.client import control_client
from anthrofs.errors import EXIT_LEFT, SetupError
from anthrofs.text import printable

NOTHING_LEFT: Final[dict[str, Any]] = {"waiting": [], "failed": [], "deletions": []}


def drained(state_dir: Path, timeout_s: float, *, last: bool = False) -> dict[str, Any]:
    """Returns the rest that is left when everything was sent or the time was over."""
    left, most_bytes = NOTHING_LEFT, 1
    with Teller("sending what is queued") as teller:
        for left in control_client.ask(state_dir, "drain", timeout_s=timeout_s, last=last):
            left_bytes = sum(entry["bytes"] - entry["sent"] for entry in left["waiting"])
            most_bytes = max(most_bytes, left_bytes)
            why = "; ".join(reason_lines(left))
            if left_bytes:
                teller.tell(words_of(left), most_bytes - left_bytes, most_bytes, why)
            elif words := words_of(left):
                teller.tell(words, why=why)
    return left


def words_of(left: dict[str, Any]) -> str:
    """Says what is being done about what is left; empty: it is nothing."""
    waiting = left["waiting"]
    # a mount of an earlier version doesn't tell these
    since = [entry["answer_since"] for entry in waiting if entry.get("answer_since")]
    unshared = left.get("unshared", ())
    parts = list[str]()
    if len(waiting) > len(since):
        parts.append(f"sending {shown_count(len(waiting) - len(since))}")
    if since:
        parts.append(f"{shown_count(len(since))} sent, waiting for the answer for "
                     f"{shown_time(max(0.0, time.time() - min(since)))}")
    if left["deletions"]:
        parts.append(f"{shown_count(len(left['deletions']))} to be deleted on the server")
    if unshared:
        parts.append(f"{shown_count(len(unshared))} not in the fleet's store yet")
    return "; ".join(parts)


def tell_state(teller: Teller, path: Path, words: str, state: str, why: dict[str, Any]) -> None:
    """Shows how far the upload of one file is: of what its state says in words, the percentage becomes a bar."""
    kind, _, percent = state.partition(" ")
    line, reasons = f"{words}: {kind if percent.endswith('%') else state}", "; ".join(reason_lines(why))
    try:
        size_bytes = path.stat().st_size
        teller.tell(line, size_bytes * int(percent.removesuffix("%")) / 100, size_bytes, reasons)
    except (OSError, ValueError):       # it has gone meanwhile; or it isn't a percentage
        teller.tell(line, why=reasons)


def say_left(left: dict[str, Any]) -> None:
    """Raises SetupError, which names it by what becomes of it, if anything is left."""
    said = list[SetupError]()
    if left["waiting"]:
        said.append(SetupError("Not on the server yet (kept on this machine, and sent by this mount or the next one):"
                               + rows(f"{entry['path']}: {entry['state']}" for entry in left["waiting"])))
    if left["failed"]:
        said.append(SetupError("Refused, kept on this machine, and not sent again by itself (anthrofs retry PATH sends "
                               "it again, anthrofs discard PATH gives it up):"
                               + rows(f"{entry['path']}: {entry['reason']}" for entry in left["failed"])))
    if left["deletions"]:
        said.append(SetupError("Not deleted on the server yet (this mount or the next one goes on):"
                               + rows(f"{entry['file_id']} {entry.get('name', '')}".rstrip()
                                      + (f": {entry['reason']}" if entry.get("reason") else "")
                                      for entry in left["deletions"])))
    if unshared := left.get("unshared"):        # a mount of an earlier version has no store
        said.append(SetupError("On the server, but not in the fleet's store yet, so the copy on this machine is the "
                               "only readable one:" + rows(f"{entry['path']}: {entry['state']}" for entry in unshared)))
    if said:
        raise SetupError("\n".join([*map(str, said), *map(printable, reason_lines(left))]), EXIT_LEFT)


def rows(lines: Iterable[str]) -> str:
    """A text with one line for each."""
    return "".join(f"\n  {printable(line)}" for line in lines)
