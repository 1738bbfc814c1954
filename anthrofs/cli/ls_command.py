"""The command `anthrofs ls`.

Owns    which files of a folder it shows.
Never   decides what a file's state is: the mount says it.
"""

import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from anthrofs.cli import output
from anthrofs.cli.amounts import shown_time
from anthrofs.cli.common_options import JSON
from anthrofs.cli.syntax import argument, command, flag
from anthrofs.cli.teller import Teller
from anthrofs.client import asking, control_client
from anthrofs.text import printable

THERE: Final = ("remote", "local", "folder")        # how the states begin of what isn't to be sent


@command("ls", argument("path", "A folder or a file in a mount.", Path, count="?", default=Path()),
         flag("-R --recursive", "recursive", "Also all that is in its folders, with their paths."),
         flag("--generated", "generated", "Only files that a tool of the service made, which can be downloaded."),
         flag("--unsent", "unsent", "Only files that the server doesn't have yet as they are here."),
         flag("--unreadable", "unreadable", "Only files that can't be read here."), JSON)
def show_entries(path: Path, recursive: bool, generated: bool, unsent: bool, unreadable: bool, as_json: bool) -> None:
    """State, id, size and name of each file in a folder: which are on the server, waiting, refused, or can't be read,
    and why; and when a file expires.

    With several of --generated, --unsent and --unreadable, files that are any of these are shown.
    """
    root, state_dir = asking.mount_of(path)
    found = list[dict[str, Any]]()
    with Teller("listing"):
        for answer in control_client.ask(state_dir, "ls", path=asking.below(root, path), recursive=recursive):
            # A mount of an earlier version knows nothing of folders' folders, and says nothing of that.
            found += answer["entries"] if not recursive or answer["recursive"] else []
    if generated or unsent or unreadable:
        found = [entry for entry in found if (generated and is_generated(entry)) or (unsent and is_unsent(entry))
                 or (unreadable and is_unreadable(entry))]
    if as_json:
        output.put(json.dumps(found))
    elif found:
        output.show(*entry_lines(found))


def is_generated(entry: dict[str, Any]) -> bool:
    """Raises SetupError for a mount of an earlier version, which doesn't tell."""
    return bool(entry["downloadable"])


def is_unsent(entry: dict[str, Any]) -> bool:
    """Some of it is to be sent, is being sent, or was refused."""
    return not entry["state"].startswith(THERE)


def is_unreadable(entry: dict[str, Any]) -> bool:
    """Raises SetupError for a mount of an earlier version, which doesn't tell."""
    return not entry["readable"]


def entry_lines(entries: Iterable[dict[str, Any]]) -> Iterator[str]:
    """The lines of files: in columns, but for the reason that a state has, and the time that is left: they stand behind
    the name.
    """
    rows = []
    for entry in entries:
        state, _, reason = entry["state"].partition(": ")
        size = "" if entry["size"] is None else str(entry["size"])
        rows.append((printable(state), printable(entry["id"] or "-"), size, printable(entry["name"])
                     + ("/" if entry["state"] == "folder" else ""), "; ".join(filter(None, (reason, _expiry(entry))))))
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    for state, file_id, size, name, why in rows:
        yield (f"{state:<{widths[0]}}  {file_id:<{widths[1]}}  {size:>{widths[2]}}  {name}"
               + (f"  ({printable(why)})" if why else ""))


def _expiry(entry: dict[str, Any]) -> str:
    """When the service deletes it. A mount of an earlier version doesn't tell."""
    if not (expires := entry.get("expires")):
        return ""
    from datetime import datetime

    left_s = datetime.fromisoformat(expires).timestamp() - time.time()
    return f"expires in {shown_time(left_s)}" if left_s > 0 else "expired"
