"""The commands `anthrofs fleet …`.

Never   prints a key anywhere but on standard output, where it was asked for. Imports at its head what only one command
        needs: `fleet key` and the others' help do without the fleet's libraries.
"""

import json
import os
from pathlib import Path

from anthrofs.cli import asking, fleet_output, output
from anthrofs.cli.syntax import argument, command, flag, option
from anthrofs.errors import EXIT_MISSING, EXIT_USAGE, FsError, SetupError


@command("fleet key")
def key() -> None:
    """Print a new key for a fleet: one for all its machines."""
    try:
        from anthrofs.fleet import keys
    except ModuleNotFoundError as exc:
        raise lacking(exc) from exc
    output.show(keys.new_line())


@command("fleet check", option("--store", "store", "URL", "The store to check.", default=""),
         option("--fleet-key", "fleet_key", "FILE", "The fleet's key.", default=""))
def check(store: str, fleet_key: str) -> None:
    """Find out whether a store is fit for a fleet, by using it."""
    from anthrofs.cli.fleet_options import fleet_of
    from anthrofs.clock import Clock

    named = fleet_of(store, "", fleet_key, "all", os.environ)
    if named is None or named.store_url is None:
        raise SetupError("fleet check needs --store URL, or ANTHROFS_STORE.", EXIT_USAGE)
    try:
        from anthrofs.fleet import keys
        from anthrofs.fleet.check import check_store
    except ModuleNotFoundError as exc:
        raise lacking(exc) from exc
    try:
        for line in check_store(named.store_url, keys.read(named.key_path), Clock()):
            output.show(line)
    except FsError as exc:
        raise SetupError(f"{named.store_url} isn't fit for a fleet: {exc}.") from None


@command("fleet status", argument("directory", "The mount point; all, without.", Path, count="?"),
         flag("--json", "as_json", "One JSON value on standard output."))
def status(directory: Path | None, as_json: bool) -> None:
    """Show a fleet: its store and its board, and what they have spared."""
    answers, silent = asking.ask_all(directory, "status")
    found = {str(root): answer["fleet"] for root, answer in answers.items() if answer.get("fleet") is not None}
    if directory and not found:
        raise SetupError(f"{directory} is in no fleet: mount it with --store or --board.", EXIT_USAGE)
    if as_json:
        output.put(json.dumps(next(iter(found.values())) if directory else list(found.values())))
    elif not (found or silent):
        output.put("No mounts of a fleet.")
    for root, fleet in found.items() if not as_json else ():
        output.show(root, *fleet_output.status_lines({"fleet": fleet}))
    if silent:
        raise SetupError("\n".join(silent))


def lacking(exc: ModuleNotFoundError) -> SetupError:
    """Says what to install."""
    return SetupError(f"A fleet needs {exc.name}: pip install 'anthrofs[fleet]'", EXIT_MISSING)
