"""Sentences about ids of the past, from what a mount tells of them.

Never   prints.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

# Of an id that has replaced another; each with its path.
_BEGAN: Final = {"saved": "{path} was saved", "renamed": "it was renamed to {path}", "back": "{path} was given it back",
                 "set": "{path} was sent again with another type or time to live", "again": "{path} was sent again",
                 "others": "somebody else uploaded a newer {path}"}
_ENDED: Final = {"removed": "was removed", "covered": "lost its name to another file",
                 "gone": "is gone from the server, where somebody else removed it, since", "expired": "expired"}


def fate(root: Path, file_id: str, told: dict[str, Any]) -> str:
    """Says what became of an id that is in the tree no more, and what is in its place."""
    if told["id"] == file_id:
        return _end(file_id, told) + "."
    why = _BEGAN.get(told["why"], "{path} has it now").format(path=told["path"])
    words = f"{file_id} was replaced by {told['id']} on {moment(told['at'])}, when {why}"
    last = told["last"]
    if last["path"] is not None:
        now = "" if last["id"] == told["id"] else f"{last['id']}, "
        return f"{words}. Now it is {now}{root / last['path']}"
    return words + (f". {_end(last['id'], last['end'])}." if last["end"] is not None else ".")


def log_lines(told: dict[str, Any]) -> Iterator[str]:
    """Yields a line for each id that a path has had, newest first."""
    now, events = told["id"], told["events"]
    shown = False
    for event in events:
        current = event["id"] == now and event["why"] in _BEGAN and not shown
        shown = shown or current
        yield f"{moment(event['at'])}  {event['id']}  {_line(event, told['path'])}{'  (now)' if current else ''}"
    if now is not None and not shown:
        yield f"{moment(told['since'])}  {now}  uploaded, as the service says  (now)"


def moment(at: float) -> str:
    """As this machine's clock shows it."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def _line(event: dict[str, Any], path: str) -> str:
    place = "" if event["path"] == path else f" as {event['path']}"
    instead = "" if event["was"] is None else f", in place of {event['was']}"
    if event["why"] == "renamed" and event["was_path"] not in (None, event["path"]):
        return f"renamed from {event['was_path']}{' to ' + event['path'] if place else ''}{instead}"
    words = {"saved": f"saved{place}", "renamed": f"renamed to {event['path']}",
             "set": f"sent again with another type or time to live{place}", "again": f"sent again{place}",
             "others": f"uploaded by somebody else{place}", "back": f"given back{place}", "removed": f"removed{place}",
             "covered": f"another file was given the name{' ' + event['path'] if place else ''}",
             "gone": f"removed by somebody else{place}", "expired": f"expired{place}"}
    return f"{words.get(event['why'], event['why'])}{instead}"


def _end(file_id: str, told: dict[str, Any]) -> str:
    return f"{file_id} ({told['path']}) {_ENDED.get(told['why'], 'ended')} on {moment(told['at'])}"
