"""The command `anthrofs log`."""

import json
import os
from pathlib import Path

from anthrofs.cli import output, past_words
from anthrofs.cli.syntax import argument, command, flag
from anthrofs.client import asking, control_client
from anthrofs.errors import EXIT_USAGE, SetupError
from anthrofs.text import printable


@command("log", argument("path", "A file in a mount, also one that is there no more.", Path),
         flag("--json", "as_json", "One JSON value on standard output."))
def log(path: Path, as_json: bool) -> None:
    """The ids that a file has had, newest first: when, and why each was replaced.

    A save, a rename and a new type give a file a new id, and the old one is dead. `anthrofs path ID` says what took an
    id's place.
    """
    root, state_dir = asking.mount_around(path)
    if os.path.isdir(path):     # noqa: PTH112 - false, whatever the system says of it
        raise SetupError(f"{printable(str(path))} is a folder, which has no ids: name a file in it.", EXIT_USAGE)
    try:
        told = control_client.only(state_dir, "log", path=asking.below(root, path))
    except SetupError as exc:
        if "no request that this version knows" in str(exc):
            raise SetupError(f"The mount on {root} is of an earlier version, which keeps no ids of the past: unmount "
                             "it, and mount it again.") from exc
        raise
    if as_json:
        output.put(json.dumps(told))
    else:
        output.show(*(past_words.log_lines(told) if told["events"] or told["id"] else
                      ["It has had no id yet: it is still to be sent, or stays on this machine."]))
