"""The command `anthrofs sync`."""

import json
from pathlib import Path

from anthrofs.cli import draining, output
from anthrofs.cli.common_options import JSON, TIMEOUT
from anthrofs.cli.mount_command import DIRECTORY
from anthrofs.cli.syntax import command
from anthrofs.client import asking


@command("sync", DIRECTORY, TIMEOUT, JSON)
def sync(directory: Path, timeout: float, as_json: bool) -> None:
    """Wait until everything is on the server, and name what isn't."""
    left = draining.drained(asking.state_dir(directory), timeout)
    if as_json:
        output.put(json.dumps(left))
    draining.say_left(left)
