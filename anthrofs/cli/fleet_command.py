"""The commands `anthrofs fleet …`.

Never   prints a key anywhere but on standard output, where it was asked for. Imports at its head what only one command
        needs: `fleet key` and the others' help do without the fleet's libraries.
"""

import json
from pathlib import Path

from anthrofs.cli import asking, fleet_output, output
from anthrofs.cli.syntax import argument, command, flag
from anthrofs.errors import EXIT_MISSING, EXIT_USAGE, SetupError


@command("fleet key")
def key() -> None:
    """Print a new key for a fleet: one for all its machines."""
    try:
        from anthrofs.fleet import keys
    except ModuleNotFoundError as exc:
        raise lacking(exc) from exc
    output.show(keys.new_line())


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
