"""The command `anthrofs refresh`."""

import json
from pathlib import Path

from anthrofs.cli import output
from anthrofs.cli.common_options import JSON, WAIT_S
from anthrofs.cli.mount_command import DIRECTORY
from anthrofs.cli.syntax import command, flag, option
from anthrofs.cli.teller import Teller
from anthrofs.client import asking, control_client


@command("refresh", DIRECTORY, flag("--accept", "accept", "Believe a listing that lacks most of the known files."),
         option("--timeout", "timeout", "SECONDS", "Seconds to wait at most.", WAIT_S, default=60.0), JSON)
def refresh(directory: Path, accept: bool, timeout: float, as_json: bool) -> None:
    """Ask the service for its listing now."""
    with Teller("asking for the listing"):
        answer = control_client.only(asking.state_dir(directory), "refresh", accept=accept, timeout_s=timeout,
                                     patience_s=timeout + 10)
    output.put(json.dumps(answer) if as_json else f"{answer['files']} files")
