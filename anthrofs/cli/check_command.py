"""The command `anthrofs check`.

Never   mends anything, and looks at a state that a mount has only by asking that mount.
"""

import json
import os
import sys
from pathlib import Path

from anthrofs.cli import output
from anthrofs.cli.common_options import JSON
from anthrofs.cli.places import mount_point
from anthrofs.cli.syntax import argument, command, option
from anthrofs.cli.teller import Teller
from anthrofs.client import asking, control_client
from anthrofs.errors import EXIT_FAILED, EXIT_USAGE, SetupError
from anthrofs.text import printable


@command("check", argument("directory", "A mount, whose state is looked at while it goes on.", count="?"),
         option("--profile", "profile", "NAME", "Name of the state. Without: `default`."),
         option("--state-dir", "state_dir", "DIR", "The state, by its directory.", Path), JSON)
def check(directory: str | None, profile: str | None, state_dir: Path | None, as_json: bool) -> None:
    """Look for damage in a state: of a mount, or of a workspace that isn't mounted. Mends nothing."""
    if directory is not None and (profile is not None or state_dir is not None):
        raise SetupError("Name a mount, or a state; not both.", EXIT_USAGE)
    found = (_damage_of_mount(mount_point(directory)) if directory is not None
             else _damage_of_state(profile, state_dir))
    if as_json:
        output.put(json.dumps(found))
    else:
        output.show("\n".join(map(printable, found)) or "All is well.")
    if found:
        sys.exit(EXIT_FAILED)


def _damage_of_mount(directory: Path) -> list[str]:
    """As its program finds it."""
    try:
        root, state_dir = asking.mount_of(directory)
    except SetupError:
        if os.path.exists(directory / "state.db"):      # noqa: PTH110 - false, whatever the system says of it
            raise SetupError(f"{printable(str(directory))} is a state, and no mount. Look at it with --state-dir.",
                             EXIT_USAGE) from None
        raise
    found = list[str]()
    with Teller(f"looking at the state of {root}"):
        for answer in control_client.ask(state_dir, "check", patience_s=asking.ANSWER_S):
            found += answer.get("problems", ())
    return found


def _damage_of_state(profile: str | None, state_dir: Path | None) -> list[str]:
    """As it is found in one that nobody mounts. Raises SetupError."""
    from anthrofs.settings.choosing import state_named
    from anthrofs.store.state_dir import StateDir
    from anthrofs.tree.fsck import problems

    path = state_dir or state_named(profile, os.environ)
    try:
        (path / "state.db").stat()
    except PermissionError:
        raise SetupError(f"The state in {path} is another user's: it can't be looked into.", EXIT_USAGE) from None
    except OSError:
        raise SetupError(f"There is no state in {path}.", EXIT_USAGE) from None
    os.umask(0o077)             # what SQLite makes beside its file is as private as that
    lock = StateDir(path, "(a check)", passing=True)
    try:
        with Teller(f"looking at the state in {path}"):
            return problems(path)
    finally:
        lock.close()
