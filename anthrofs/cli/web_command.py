"""The command `anthrofs web`."""

import json
import os
from pathlib import Path

from anthrofs.cli import output
from anthrofs.cli.common_options import JSON
from anthrofs.cli.places import mount_point
from anthrofs.cli.syntax import argument, command, flag, number, option
from anthrofs.client import asking
from anthrofs.errors import EXIT_USAGE, SetupError


@command("web", argument("directory", "The mount point, or its name; all, without.", mount_point, count="?"),
         option("--port", "port", "N", "The port on this machine's loopback; 0: any free one.",
                number(0, 65535, whole=True), default=0),
         flag("--no-browser", "quiet", "Only print the address; open no browser."), JSON)
def web(directory: Path | None, port: int, quiet: bool, as_json: bool) -> None:
    """Show what your mounts do on a page in your browser, until interrupted: what is sent, what waits, what was refused
    and can be sent again or given up, the requests of the last hour, what is on this disk.

    Only your own programs on this machine can open the page, and only by its whole address, which is new each time.
    """
    root = None
    if directory is not None:
        root, _ = asking.mount_of(directory)
        if root != Path(os.path.realpath(directory)):
            raise SetupError(f"{directory} is in the mount on {root}: anthrofs web {root}", EXIT_USAGE)
    from anthrofs.web.server import run

    def tell(address: str) -> None:
        output.put(json.dumps({"address": address, "pid": os.getpid()}) if as_json
                   else f"The page is at {address} (Ctrl-C ends it)")

    run(root, port, tell, browser=not quiet)
