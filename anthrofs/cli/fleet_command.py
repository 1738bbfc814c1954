"""The commands `anthrofs fleet …`.

Never   prints a key anywhere but on standard output, where it was asked for. Imports at its head what only one command
        needs: `fleet key` and the others' help do without the fleet's libraries.
"""

import json
import os
from pathlib import Path
from typing import Any

from anthrofs.cli import fleet_output, output
from anthrofs.cli.amounts import shown_bytes
from anthrofs.cli.common_options import JSON
from anthrofs.cli.syntax import argument, command, flag, option
from anthrofs.cli.teller import Teller
from anthrofs.client import asking, control_client
from anthrofs.errors import EXIT_MISSING, EXIT_USAGE, SetupError


@command("fleet key")
def key() -> None:
    """Print a new key for a fleet: one for all its machines."""
    try:
        from anthrofs.fleet import keys
    except ModuleNotFoundError as exc:
        raise lacking(exc) from exc
    output.show(keys.new_line())


@command("fleet check", option("--store", "store", "URL", "The store to check."),
         option("--board", "board", "URL", "The board to check."),
         option("--fleet-key", "fleet_key", "FILE", "The fleet's key."),
         option("--profile", "profile", "NAME", "The profile whose fleet it is."),
         JSON)
def check(store: str | None, board: str | None, fleet_key: str | None, profile: str | None, as_json: bool) -> None:
    """Find out whether a store and a board are fit for a fleet, by using them."""
    import logging

    from anthrofs.clock import Clock
    from anthrofs.daemon.process import keep_private
    from anthrofs.settings.config_file import read_config
    from anthrofs.settings.fleet_options import fleet_of, warnings
    from anthrofs.settings.precedence import settings_of

    flags = {"store": store, "board": board, "fleet_key": fleet_key}
    named = fleet_of(settings_of(flags, os.environ, read_config(os.environ), profile), os.environ)
    if named is None:
        raise SetupError("fleet check needs --store URL or --board URL, or ANTHROFS_STORE or ANTHROFS_BOARD.",
                         EXIT_USAGE)
    from anthrofs.fleet.checkup import check_fleet

    keep_private()          # it has the key, too
    for warning in warnings(named):
        output.complain(warning)
    logging.getLogger("anthrofs").addHandler(logging.NullHandler())     # what it would say is said here
    found = list[dict[str, Any]]()
    for each in check_fleet(named, Clock()):
        found.append({"good": each.good, "text": each.text})
        if not as_json:
            output.show(f"{'good' if each.good else 'BAD '}  {each.text}")
    if as_json:
        output.put(json.dumps(found))
    if not all(each["good"] for each in found):
        raise SetupError("There is something to be mended.")


@command("fleet gc", argument("directory", "The mount point.", Path),
         flag("--dry-run", "look", "Only say what would be removed."),
         flag("--accept", "accept", "Remove it even if it is most of the store."),
         JSON)
def gc(directory: Path, look: bool, accept: bool, as_json: bool) -> None:
    """Remove from a fleet's store what the workspace has no more, and what is there for more than seven days."""
    members_at(directory)
    *_, found = asking.answers("fleet gc", directory, look=look, accept=accept)
    if as_json:
        output.put(json.dumps(found))
        return
    output.show(f"{found['files']} files in the store, {found['unknown']} of them of no file of the workspace: "
                + (f"{found['removed']} removed" if not look else "they would be removed")
                + f", {shown_bytes(found['size_bytes'])}"
                + (f"; {found['young']} more are too young" if found["young"] else ""))


@command("fleet status", argument("directory", "The mount point; all, without.", Path, count="?"),
         JSON)
def status(directory: Path | None, as_json: bool) -> None:
    """Show a fleet: its store, its board and its mounts, the requests of the last minutes, and what it has spared."""
    members, silent = members_at(directory)
    found = dict[Path, dict[str, Any]]()
    for root in members:
        try:
            found[root] = control_client.only(asking.state_dir(root), "fleet status")
        except SetupError as exc:
            if directory:
                raise
            silent.append(str(exc))
    if as_json:
        output.put(json.dumps(found[members[0]] if directory else list(found.values())))
    elif not (found or silent):
        output.put("No mounts of a fleet.")
    else:
        for lines in fleet_output.pictures(found):
            output.show(*lines)
    if silent:
        raise SetupError("\n".join(silent))


@command("fleet share", flag("--all", "everything", "All uploads from here that have a copy here."),
         argument("directory", "The mount point; all mounts of a fleet, without.", Path, count="?"), JSON)
def share(everything: bool, directory: Path | None, as_json: bool) -> None:
    """Put own uploads into the fleet's store that aren't there yet."""
    if not everything:
        raise SetupError("What is uploaded from now on is shared by itself; what was before, by `fleet share --all`.",
                         EXIT_USAGE)
    members, silent = members_at(directory)
    found = dict[str, dict[str, Any]]()
    for root in members:
        try:
            with Teller(f"looking for uploads on {root} that aren't in the store"):
                owed = control_client.only(asking.state_dir(root), "fleet share", patience_s=asking.ANSWER_S)
        except SetupError as exc:
            if directory:
                raise
            silent.append(f"{root}: {exc}")
            continue
        found[str(root)] = owed
        words = (f"{owed['files']} uploads, {shown_bytes(owed['bytes'])}, are being put into the store; "
                 "`anthrofs sync` waits for it") if owed["files"] else "nothing to be put there"
        if not as_json:
            output.show(f"{root}: {words}")
    if as_json:
        output.put(json.dumps(found))
    if silent:
        raise SetupError("\n".join(silent))


def members_at(directory: Path | None) -> tuple[list[Path], list[str]]:
    """Returns the mount there, or all of this user, as far as they are in a fleet; and why others gave no answer.
    Raises SetupError when the one gives none, or is in no fleet.
    """
    answers, silent = asking.ask_all(directory, "status")
    members = [root for root, answer in answers.items() if answer.get("fleet") is not None]
    if directory and not members:
        raise SetupError(f"{directory} is in no fleet: mount it with --store or --board.", EXIT_USAGE)
    return members, silent


def lacking(exc: ModuleNotFoundError) -> SetupError:
    """Says what to install."""
    return SetupError(f"A fleet needs {exc.name}: pip install 'anthrofs[fleet]'", EXIT_MISSING)
