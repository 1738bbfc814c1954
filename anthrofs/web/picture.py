"""A mount as the page is told of it: of its status what there is to see, within bounds.

Trusts  nothing but the keys that every version's status has; what a mount of the version before doesn't tell is left
        out. Names may hold anything: beside each path stands what can be shown of it.
Never   asks anybody.
"""

import math
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from anthrofs.text import printable

ROWS: Final = 100           # of each list; the rest is counted
CLOSED: Final = {"all": "The service can't be asked", "uploads": "Nothing can be sent",
                 "deletions": "Nothing can be deleted"}


def of_silence(path: Path, words: str) -> dict[str, Any]:
    """A mount that gives no answer, and why."""
    return {**_name(path), "words": printable(words)}


def of_mount(path: Path, source: str, status: dict[str, Any], traffic: dict[str, Any] | None,
             left: str = "") -> dict[str, Any]:
    """A mount that has answered. `source`: its name, as the kernel shows it. `left`: why it still runs though it isn't
    there any more.
    """
    uploads = [_upload(entry) for entry in status["waiting"]]
    moving = [entry for entry in uploads if entry["moves"]]
    waiting = [entry for entry in uploads if not entry["moves"]]
    failed = [{**_row(entry), "reason": printable(str(entry["reason"]))} for entry in status["failed"]]
    unshared = [{**_row(entry), "state": printable(str(entry.get("state", "")))}
                for entry in status.get("unshared", ())]
    return {
        **_name(path), "words": "", "source": printable(source), "left": bool(left),
        "service": printable(str(status["service"])), "read_only": status["read_only"],
        "upload": status["upload"], "online": status["online"], "files": status["files"],
        "bytes": status["bytes_on_server"], "cached": status["cached_bytes"], "copies": status["kept_copies"],
        "kept": status["kept_bytes"], "requests": status["requests"], "listing_s": status["refreshed_s_ago"],
        "notes": [printable(note) for note in (left, *_notes(status)) if note], "closed": bool(status.get("closed")),
        "transfers": _some([*moving, *map(_download, status["downloads"])]),
        "waiting": {**_some(waiting), "bytes": sum(entry["bytes"] for entry in waiting)},
        "failed": _some(failed), "unshared": _some(unshared),
        "open": _some([{**_row({"path": entry["name"]}), "state": entry["state"]} for entry in status["open"]]),
        "deletions": status.get("owed", {}).get("deletions", len(status["deletions"])),
        "traffic": traffic,
    }


def _name(path: Path) -> dict[str, Any]:
    return {"root": str(path), "shown": printable(str(path)), "name": printable(path.name or str(path))}


def _row(entry: dict[str, Any]) -> dict[str, Any]:
    return {"path": entry["path"], "shown": printable(entry["path"]), "bytes": entry.get("bytes", 0)}


def _upload(entry: dict[str, Any]) -> dict[str, Any]:
    state = str(entry["state"])
    return {**_row(entry), "way": "up", "done": entry.get("sent", 0), "handed": entry.get("handed", 0),
            "state": printable(state), "moves": state.startswith(("uploading", "sent", "sending"))}


def _download(entry: dict[str, Any]) -> dict[str, Any]:
    path = str(entry["name"] or entry["file_id"])
    return {**_row({"path": path, "bytes": entry["of"]}), "way": "down", "done": entry["bytes"],
            "handed": 0, "state": "downloading"}


def _some(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"rows": rows[:ROWS], "count": len(rows)}


def _notes(status: dict[str, Any]) -> Iterable[str]:
    """Sentences about what a person should know, the gravest first."""
    if status["state_error"]:
        yield f"Nothing can be changed or sent: {status['state_error']}"
    for closed in status.get("closed", ()):
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(closed["since"]))
        yield f"{CLOSED.get(closed['for'], 'Something is closed')} since {since}: {closed['reason']}"
    if not status["online"] and not status.get("closed"):
        yield "The service can't be reached; what you save is kept here, and sent when it can."
    if status["refresh_error"] and status["online"]:
        yield f"The last listing failed: {status['refresh_error']}"
    if status.get("disk_low"):
        yield ("The disk runs low: what is sent now is not kept here, so nobody can read it any more. `anthrofs free` "
               "makes room")
    if (budget := status.get("budget", {"waiting": 0}))["waiting"]:
        yield (f"{budget['waiting']} requests wait for the budget of the minute: the next may go in "
               f"{math.ceil(budget['next_s'])} s")
    if status.get("unreadable_entries"):
        yield f"{status['unreadable_entries']} entries of the listing can't be read, and are not shown"
    if status.get("uploads_without_copy"):
        yield f"{status['uploads_without_copy']} own uploads have no copy here: nobody can read them"
