"""The command `anthrofs umount`: the end of a mount, whatever has become of it.

Never   takes away what is another user's or program's, nor a mount whose program lives, but by the way that drains.
"""

import json
import os
import time
from pathlib import Path
from typing import Any, Final

from anthrofs.cli import draining, output
from anthrofs.cli.common_options import JSON, TIMEOUT
from anthrofs.cli.mount_command import DIRECTORY
from anthrofs.cli.syntax import command, flag
from anthrofs.cli.teller import Teller
from anthrofs.client import asking, control_client
from anthrofs.client.detached import Detached, detached_from, of_state
from anthrofs.client.mount_again import mount_there_again, states_at
from anthrofs.errors import EXIT_LEFT, EXIT_USAGE, SetupError
from anthrofs.fuse import mountpoint

LAZY_S: Final = 3.0         # after a lazy unmount: for a process that nobody keeps
END_S: Final = 400.0        # after an unmount: above the daemon's own bound
SOON_S: Final = 1.0         # a detached mount that ends within that needs no words


@command("umount", DIRECTORY, TIMEOUT, flag("--lazy", "lazy", "Detach now, also while files are open."), JSON)
def umount(directory: Path, timeout: float, lazy: bool, as_json: bool) -> None:
    """Send what is queued, then unmount. What is left after the timeout is named, kept, and sent after the next mount.

    What is left of a mount whose program was killed is cleared; one that was detached is waited for.
    """
    directory = mountpoint.resolved(directory)
    _step_out(directory)
    left = _ended(directory, timeout, lazy=lazy)
    if as_json:
        output.put(json.dumps(left))
    try:
        draining.say_left(left)
    except SetupError as exc:
        raise SetupError(f"{directory} is unmounted. What is left:\n{exc}", exc.exit_code) from exc


def _step_out(directory: Path) -> None:
    """This process holds nobody up: neither by standing there, nor by what it has inherited and doesn't use."""
    from anthrofs.fuse.holders import let_go

    os.chdir("/")
    let_go(mountpoint.device_of(directory))


def _ended(directory: Path, timeout: float, *, lazy: bool) -> dict[str, Any]:
    """Returns what is left to be sent."""
    if mountpoint.clear_dead(directory):
        _say_cleared(directory)
        return draining.NOTHING_LEFT
    try:
        root, state_dir = asking.mount_of(directory)
    except control_client.Silent:
        raise
    except SetupError:
        if (gone := detached_from(directory)) is None:
            raise
        _await_end(gone, 0.0 if lazy else timeout)
        return draining.NOTHING_LEFT
    if root != directory:
        raise SetupError(f"{directory} is in the mount on {root}: anthrofs umount {root}", EXIT_USAGE)
    left = draining.drained(state_dir, timeout, last=True)
    ending = control_client.ask(state_dir, "wait", patience_s=LAZY_S if lazy else END_S)
    next(ending)            # connected: from now on its end can't be missed
    mountpoint.unmount(root, lazy=lazy)
    try:
        with Teller(f"{root} is unmounted; waiting for the end of its process"):
            for _ in ending:
                pass
    except control_client.Silent:
        gone = of_state(state_dir)
        output.complain(f"{root} is detached; its process ends when the last program has left it." if gone is None
                        else str(gone.why()))
    except SetupError:
        pass            # the connection's end is the process's: that is what we wait for
    return left


def _say_cleared(directory: Path) -> None:
    """Raises SetupError for what wasn't sent yet."""
    from anthrofs.client.unsent import refuse_unsent

    place = directory
    output.complain(f"The program of the mount on {place} had ended without unmounting it. What was left of that is "
                    "cleared.")
    states = states_at(place)
    for state_dir in states:
        refuse_unsent(state_dir, place)
    if not states:
        raise SetupError("What it had not sent yet, if there is anything, is kept, and the next mount sends it: "
                         f"{mount_there_again(place)}", EXIT_LEFT)


def _await_end(gone: Detached, timeout_s: float) -> None:
    """Until its process has ended. Raises SetupError for what it had to leave, and when it doesn't end in time."""
    from anthrofs.client.unsent import refuse_unsent

    until_s = time.monotonic() + timeout_s
    if not _ends(gone, min(SOON_S, timeout_s)):
        if timeout_s > SOON_S:
            output.complain(str(gone.why()))
        with Teller(f"waiting for the end of the mount that was on {gone.mountpoint}"):
            ends = _ends(gone, until_s - time.monotonic())
        if not ends:
            raise gone.why()
    refuse_unsent(gone.state_dir, gone.mountpoint)


def _ends(gone: Detached, within_s: float) -> bool:
    if within_s > 0:
        try:
            for _ in control_client.ask(gone.state_dir, "wait", patience_s=within_s):
                pass
        except control_client.Silent:
            return False
        except SetupError:
            pass        # as above
    return of_state(gone.state_dir) is None
