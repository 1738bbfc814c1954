"""A mount as a person sees it: its status in lines, how a drain goes on, what is left.

Never   decides anything: it prints what control has answered.
"""

import math
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from anthrofs.cli.terminal import Bar, Sign, on_terminal
from anthrofs.client import control_client
from anthrofs.errors import EXIT_LEFT, SetupError
from anthrofs.journal import ERROR, for_journal, is_journal
from anthrofs.text import printable, printable_lines

LINES_FROM: Final = 1000    # files of a first listing that takes a while
LINE_S: Final = 1.0         # between two lines about it
DELETIONS: Final = 20       # that a status names


def drained(state_dir: Path, timeout_s: float, *, last: bool = False) -> dict[str, Any]:
    """The rest that is left when everything was sent or the time was over; a bar on a terminal shows how it goes on."""
    left: dict[str, Any] = {"waiting": [], "failed": [], "deletions": []}
    most_bytes = 1
    with Bar("sending what is queued") as bar:
        for left in control_client.ask(state_dir, "drain", timeout_s=timeout_s, last=last):
            left_bytes = sum(entry["bytes"] - entry["sent"] for entry in left["waiting"])
            most_bytes = max(most_bytes, left_bytes)
            words = (f"{len(left['waiting'])} files, {shown_bytes(left_bytes)} to send, {len(left['deletions'])} to "
                     "delete")
            words += f", {keeps}" if (keeps := _budget(left)) else ""
            unshared = left.get("unshared", ())     # a mount of an earlier version has no store
            words += f", {len(unshared)} not in the fleet's store yet" if unshared else ""
            if left["waiting"] or left["deletions"] or unshared:
                bar.show(most_bytes - left_bytes, most_bytes, words)
    return left


def show(*lines: str) -> None:
    """Prints lines in which others' words may be."""
    put(printable_lines("\n".join(lines)))


def show_to_programs(*lines: str) -> None:
    """The same, but as they are where it isn't a terminal that reads: what goes on with a path needs the path."""
    text = "\n".join(lines)
    put(printable_lines(text) if sys.stdout is not None and sys.stdout.isatty() else text)


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
    print(for_journal(words, ERROR) if is_journal(2) else words, file=sys.stderr)


class ListingProgress:
    """The progress of a first listing: in place on a terminal; elsewhere a line now and then, and none for a workspace
    that is listed at once.
    """

    def __init__(self) -> None:
        self._said_s = float("-inf")

    def tell(self, sign: Sign, files: int) -> None:
        """So many by now."""
        words = f"first listing: {files} files"
        sign.show(words)
        if not on_terminal() and files >= LINES_FROM and time.monotonic() - self._said_s >= LINE_S:
            self._said_s = time.monotonic()
            print(words, file=sys.stderr)


def say_left(left: dict[str, Any]) -> None:
    """Raises SetupError, which names it, if anything is."""
    rows = [f"  {entry['path']}: {entry.get('state') or 'refused: ' + entry['reason']}" for entry in left["waiting"]
            + left["failed"]]
    rows += [f"  {entry['file_id']}: to be deleted" for entry in left["deletions"]]
    unshared = [f"  {entry['path']}: {entry['state']}" for entry in left.get("unshared", ())]  # nor an earlier version
    said = [*(["Not on the server yet (kept on this machine, and tried again by every mount):", *rows] if rows else []),
            *(["On the server, but not in the fleet's store yet, so the copy on this machine is the only readable one:",
               *unshared] if unshared else [])]
    if said:
        raise SetupError("\n".join(map(printable, said)), EXIT_LEFT)


def freed_lines(answers: Iterable[tuple[Path, dict[str, Any]]]) -> Iterator[str]:
    """A line for each path: what was given up, and what had to stay."""
    for path, answer in answers:
        closed = answer.get("closed")       # a mount of an earlier version doesn't tell
        yield (f"{printable(str(path))}: {shown_bytes(answer['freed'])} freed"
               + (f", and nobody can read {closed} of your uploads any more" if closed else "")
               + ("" if answer["files"] or closed else ", nothing was here that can go"))
        for reason in answer["refused"].values():
            yield f"  stays: {printable(reason)}"


def fetched_lines(answers: Iterable[tuple[Path, dict[str, Any]]]) -> Iterator[str]:
    """A line for each path: what came of it. Raises SetupError at the end, for what could not be had."""
    lacking = list[str]()
    with Sign("fetching") as sign:
        for path, answer in answers:
            if "fetching" in answer:
                sign.show(printable(f"fetching {answer['fetching']}: {shown_bytes(answer['fetched'])}"))
                continue
            here = "" if answer["fetched"] or answer["refused"] else ", it was here"
            yield f"{printable(str(path))}: {shown_bytes(answer['fetched'])} fetched{here}"
            lacking += map(printable, answer["refused"].values())
    if lacking:
        raise SetupError("Not fetched:\n" + "\n".join(f"  {reason}" for reason in lacking))


def status_lines(one: dict[str, Any]) -> Iterator[str]:
    """The lines of one mount."""
    age_s = one["refreshed_s_ago"]
    yield f"{one['mountpoint']}  ({one['service']}, process {one['pid']})"
    if one.get("detached"):                 # a mount that is where it belongs doesn't say
        yield f"  NO LONGER MOUNTED: {printable(one['detached'])}"
    yield (f"  {one['files']} files, {shown_bytes(one['bytes_on_server'])} on the server, "
           + ("read-only" if one["read_only"] else f"upload: {one['upload']}"))
    listing = "not refreshed since the mount" if age_s is None else f"{age_s:.0f} s old"
    yield f"  {'online' if one['online'] else 'OFFLINE'}, listing {listing}"
    yield f"  {one['requests']} requests since the mount"
    if keeps := _budget(one):
        yield f"  {keeps}"
    if one["state_error"]:
        yield f"  NOTHING CAN BE CHANGED OR SENT: {printable(one['state_error'])}"
    if one.get("unreadable_entries"):       # a mount of the version before doesn't say
        yield f"  {one['unreadable_entries']} entries of the listing can't be read, and are not shown"
    for closed in one.get("closed", ()):    # nor does it say this
        yield f"  {_closed(closed)}"
    if one["refresh_error"] and one["online"]:
        yield f"  the last refresh failed: {printable(one['refresh_error'])}"
    if one["cached_bytes"]:
        yield f"  {shown_bytes(one['cached_bytes'])} cached here"
    if one["kept_copies"]:
        yield f"  {one['kept_copies']} own uploads kept readable here, {shown_bytes(one['kept_bytes'])}"
    if one.get("uploads_without_copy"):     # a mount of the version before doesn't tell
        yield f"  {one['uploads_without_copy']} own uploads without a copy here: nobody can read them"
    if one.get("disk_low"):
        yield ("  THE DISK RUNS LOW: what is sent now is not kept here, so nobody can read it any more (`anthrofs "
               "free` makes room)")
    if one["local_names"]:
        yield f"  {one['local_names']} names that stay on this machine"
    for download in one["downloads"]:
        yield (f"  downloading {printable(download['name'] or download['file_id'])}: "
               f"{shown_bytes(download['bytes'])} of {shown_bytes(download['of'])}")
    yield from _rows("to be sent", (f"{entry['path']} ({shown_bytes(entry['bytes'])}): {entry['state']}"
                                    for entry in one["waiting"]))
    yield from _rows("REFUSED, kept here", (f"{entry['path']}: {entry['reason']}" for entry in one["failed"]))
    if (owed := one.get("owed", {"deletions": 0}))["deletions"]:        # a mount of an earlier version doesn't tell
        yield (f"  {owed['deletions']} files to be deleted on the server, the first of them for "
               f"{shown_time(max(0.0, time.time() - owed['since']))}")
    rows = [f"{entry['name']} ({entry['file_id']})" + (f": {entry['reason']}" if entry["reason"] else "")
            for entry in one["deletions"]]
    yield from _rows("to be deleted",
                     [*rows[:DELETIONS], *([f"and {len(rows) - DELETIONS} more"] if len(rows) > DELETIONS else [])])
    yield from _rows("open: the server is told at the last close",
                     (f"{entry['name']}: {entry['state']}" for entry in one["open"]))
    if not (one["waiting"] or one["failed"] or one["deletions"]):
        yield "  everything is on the server"


def entry_lines(entries: Iterable[dict[str, Any]]) -> Iterator[str]:
    """The lines of a folder: in columns, but for the reason that a state has: it stands behind the name."""
    rows = []
    for entry in entries:
        state, _, reason = entry["state"].partition(": ")
        size = "" if entry["size"] is None else str(entry["size"])
        rows.append((printable(state), printable(entry["id"] or "-"), size, printable(entry["name"])
                     + ("/" if entry["state"] == "folder" else ""), reason))
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    for state, file_id, size, name, reason in rows:
        why = f"  ({printable(reason)})" if reason else ""
        yield f"{state:<{widths[0]}}  {file_id:<{widths[1]}}  {size:>{widths[2]}}  {name}{why}"


def _closed(closed: dict[str, Any]) -> str:
    """A line of a way that is closed, or of uploads or deletions only."""
    what = {"all": "THE SERVICE CAN'T BE ASKED", "uploads": "NOTHING CAN BE SENT",
            "deletions": "NOTHING CAN BE DELETED"}[closed["for"]]
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(closed["since"]))
    return (f"{what} since {since}: {printable(closed['reason'])}. Tried again by itself; at once by `anthrofs retry "
            "--all`")


def _budget(one: dict[str, Any]) -> str:
    """While nothing seems to move. A mount of an earlier version doesn't tell."""
    told = one.get("budget", {"waiting": 0})
    return f"waiting for the request budget: next in {math.ceil(told['next_s'])} s" if told["waiting"] else ""


def _rows(title: str, rows: Iterable[str]) -> Iterator[str]:
    lines = [f"    {printable(row)}" for row in rows]
    if lines:
        yield f"  {title}:"
        yield from lines


def shown_time(seconds: float) -> str:
    """90 s, 5 min, 3 h"""
    return (f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min" if seconds < 7200
            else f"{seconds / 3600:.0f} h")


def shown_bytes(count: float) -> str:
    """1.5 MB"""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
