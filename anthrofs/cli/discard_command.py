"""The commands `anthrofs discard` and `anthrofs push`: what becomes of content that the server hasn't under its name.
"""

import json
from pathlib import Path

from anthrofs.cli import output
from anthrofs.cli.common_options import FILE, JSON
from anthrofs.cli.syntax import command
from anthrofs.client import asking
from anthrofs.text import printable


@command("discard", FILE, JSON)
def discard(path: Path, as_json: bool) -> None:
    """Give up what a file has unsent: its name shows what the server has, also one that it had replaced; or it goes."""
    now = asking.decide("discard", path)["now"]
    if as_json:
        output.put(json.dumps({str(path): now}))
    else:
        output.show(printable(f"{path}: {now}"))

@command("push", FILE, JSON)
def push(path: Path, as_json: bool) -> None:
    """Send a file (or all in a directory) that is only named here, so that the server has it under this name.

    What a tool made becomes an upload by that: the service gives it out to nobody any more.
    """
    found = asking.decide("push", path)["paths"]
    if as_json:
        output.put(json.dumps(found))
        return
    nothing = "Nothing in it is only named here." if path.is_dir() else "The server has it under this name already."
    output.show("\n".join(f"{printable(shown)} is sent under this name" for shown in found) or nothing)
