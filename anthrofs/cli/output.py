"""A mount as a person sees it: its status in lines, and how anything is printed.

Never   decides anything: it prints what control has answered.
"""

import math
import os
import shlex
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from anthrofs.cli.amounts import shown_bytes, shown_count, shown_time
from anthrofs.errors import SetupError
from anthrofs.journal import ERROR, for_journal, is_journal
from anthrofs.text import printable, printable_lines

ROWS: Final = 20            # of each kind that a status names; --json has all


def show(*lines: str) -> None:
    """Prints lines in which others' words may be."""
    put(printable_lines("\n".join(lines)))


def show_to_programs(*lines: str) -> None:
    """The same, but as they are where it isn't a terminal that reads: what goes on with a path needs the path."""
    text = "\n".join(lines)
    put(printable_lines(text) if is_terminal() else text)


def is_terminal() -> bool:
    """A person reads what is printed."""
    return sys.stdout is not None and sys.stdout.isatty()


def put(text: str) -> None:
    """Prints it as it is. Raises SetupError for a disk that has no room for it, and BrokenPipeError."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise
    except OSError as exc:
        let_go()
        raise SetupError(f"What was asked for could not be written: {exc.strerror}.") from exc


def let_go() -> None:
    """Nobody reads standard output: what is left of it goes nowhere when Python flushes it at the exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def complain(text: str) -> None:
    """Says on standard error why something can't be done."""
    words = f"anthrofs: {printable_lines(text)}"
    if sys.stderr is None:                  # nobody would hear it, and print would say it on standard output
        return
    print(for_journal(words, ERROR) if is_journal(2) else words, file=sys.stderr)


def mention(line: str) -> None:
    """Says on standard error how something goes on."""
    print(line, file=sys.stderr, flush=True)


def freed_lines(answers: Iterable[tuple[Path, dict[str, Any]]]) -> Iterator[str]:
    """A line for each path: what was given up, and what had to stay."""
    for path, answer in answers:
        closed = answer.get("closed")       # a mount of an earlier version doesn't tell
        yield (f"{printable(str(path))}: {shown_bytes(answer['freed'])} freed"
               + (f", and nobody can read {closed} of your uploads any more" if closed else "")
               + ("" if answer["files"] or closed else ", nothing was here that can go"))
        for reason in answer["refused"].values():
            yield f"  stays: {printable(reason)}"


def status_lines(one: dict[str, Any]) -> Iterator[str]:
    """The lines of one mount."""
    age_s = one["refreshed_s_ago"]
    yield f"{one['mountpoint']}  ({one['service']}, process {one['pid']})"
    if one.get("detached"):                 # a mount that is where it belongs doesn't say
        yield f"  NO LONGER MOUNTED: {printable(one['detached'])}"
    yield (f"  {shown_count(one['files'])}, {shown_bytes(one['bytes_on_server'])} on the server, "
           + ("read-only" if one["read_only"] else f"upload: {one['upload']}"))
    listing = "not refreshed since the mount" if age_s is None else f"{age_s:.0f} s old"
    yield f"  {'online' if one['online'] else 'OFFLINE'}, listing {listing}"
    yield f"  {shown_count(one['requests'], 'request')} since the mount"
    if one["state_error"]:
        yield f"  NOTHING CAN BE CHANGED OR SENT: {printable(one['state_error'])}"
    if one.get("unreadable_entries"):       # a mount of the version before doesn't say
        yield f"  {one['unreadable_entries']} entries of the listing can't be read, and are not shown"
    yield from (f"  {line}" for line in reason_lines(one))
    if one["refresh_error"] and one["online"]:
        yield f"  the last refresh failed: {printable(one['refresh_error'])}"
    if one["cached_bytes"]:
        yield f"  {shown_bytes(one['cached_bytes'])} cached here"
    if one["kept_copies"]:
        yield f"  {shown_count(one['kept_copies'], 'own upload')} kept readable here, {shown_bytes(one['kept_bytes'])}"
    if one.get("uploads_without_copy"):     # a mount of the version before doesn't tell
        yield f"  {one['uploads_without_copy']} own uploads without a copy here: nobody can read them"
    if one.get("disk_low"):
        yield ("  THE DISK RUNS LOW: what is sent now is not kept here, so nobody can read it any more (`anthrofs "
               "free` makes room)")
    if one["local_names"]:
        yield (f"  {shown_count(one['local_names'], 'name')} that "
               f"{'stays' if one['local_names'] == 1 else 'stay'} on this machine")
    for download in one["downloads"]:
        yield (f"  downloading {printable(download['name'] or download['file_id'])}: "
               f"{shown_bytes(download['bytes'])} of {shown_bytes(download['of'])}")
    under_way_first = sorted(one["waiting"], key=lambda entry: not entry["sent"])
    yield from _rows("to be sent", _first(map(_waiting_row, under_way_first)))
    yield from _rows("REFUSED, kept here, and not sent again by itself", [
        *_first(f"{entry['path']}: {entry['reason']}" for entry in one["failed"]), *_ways_on(one)])
    if (owed := one.get("owed", {"deletions": 0}))["deletions"]:        # a mount of an earlier version doesn't tell
        yield (f"  {shown_count(owed['deletions'])} to be deleted on the server, the first of them for "
               f"{shown_time(max(0.0, time.time() - owed['since']))}")
    yield from _rows("to be deleted", _first(
        f"{entry['name']} ({entry['file_id']})" + (f": {entry['reason']}" if entry["reason"] else "")
        for entry in one["deletions"]))
    yield from _rows("open: the server is told at the last close",
                     (f"{entry['name']}: {entry['state']}" for entry in one["open"]))
    if not (one["waiting"] or one["failed"] or one["deletions"]):
        yield "  everything is on the server"


def _closed(closed: dict[str, Any]) -> str:
    """A line of a way that is closed, or of uploads or deletions only."""
    what = {"all": "THE SERVICE CAN'T BE ASKED", "uploads": "NOTHING CAN BE SENT",
            "deletions": "NOTHING CAN BE DELETED"}[closed["for"]]
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(closed["since"]))
    return (f"{what} since {since}: {printable(closed['reason'])}. Tried again by itself; at once by `anthrofs retry "
            "--all`")


def _busy(busy: dict[str, Any]) -> str:
    """A line of what the service itself says that it can't do now."""
    since = time.strftime("%H:%M:%S", time.localtime(busy["since"]))
    return (f"the service takes no {busy['for']} since {since}: {printable(busy['reason'])}. Tried again in "
            f"{math.ceil(busy['next_try_s'])} s")


def reason_lines(one: dict[str, Any]) -> list[str]:
    """Why what waits does, where that is no file's own. A mount of an earlier version doesn't tell all of it."""
    told = one.get("budget") or {"waiting": 0}
    budget = [f"waiting for the request budget: next in {math.ceil(told['next_s'])} s"] if told["waiting"] else []
    return [*budget, *map(_closed, one.get("closed") or ()), *map(_busy, one.get("busy") or ())]


def _waiting_row(entry: dict[str, Any]) -> str:
    """How far it is. What this machine has handed on, and what has arrived, is told apart, as far as it differs."""
    row = f"{entry['path']} ({shown_bytes(entry['bytes'])}): {entry['state']}"
    on_its_way = entry.get("handed", 0) - entry["sent"]     # a mount of an earlier version doesn't tell
    if not entry.get("handed") or entry.get("answer_since"):
        return row
    return f"{row}, {shown_bytes(entry['sent'])} have arrived" + (
        f", {shown_bytes(on_its_way)} are on their way" if on_its_way > 0 else "")


def _ways_on(one: dict[str, Any]) -> list[str]:
    """The commands that a person may type for what was refused."""
    if not one["failed"]:
        return []
    root = Path(one["mountpoint"])
    if len(one["failed"]) == 1:
        path = shlex.quote(str(root / one["failed"][0]["path"]))
        if one["failed"][0].get("lacks"):       # a mount of an earlier version doesn't tell
            return [f"send it as it is: anthrofs retry --as-is {path}", f"give it up: anthrofs discard {path}"]
        return [f"send it again: anthrofs retry {path}", f"give it up: anthrofs discard {path}"]
    return [f"send all of them again: anthrofs retry --all {shlex.quote(str(root))}",
            "give one up: anthrofs discard PATH"]


def _first(rows: Iterable[str]) -> list[str]:
    """Some of them, and how many there are more: a queue may have thousands."""
    every = list(rows)
    return [*every[:ROWS], *([f"and {len(every) - ROWS} more"] if len(every) > ROWS else [])]


def _rows(title: str, rows: Iterable[str]) -> Iterator[str]:
    lines = [f"    {printable(row)}" for row in rows]
    if lines:
        yield f"  {title}:"
        yield from lines
