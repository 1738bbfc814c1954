"""Mounts that have left their directory while their process still has something to do: detached (`umount --lazy`, a
file browser's eject) as long as a program has a file open there, or unmounted and still sending.

Trusts  a mount's own word for where it is: it may well be mounted where this process can't see it.
Never   ends one: it ends by itself, when the last program has left it and everything is sent.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from anthrofs.client import asking, control_client
from anthrofs.client.known_states import known_states, last_process
from anthrofs.daemon.control_address import NAME
from anthrofs.errors import EXIT_BUSY, SetupError
from anthrofs.fuse import mountpoint
from anthrofs.state_place import states_root
from anthrofs.text import printable

ANSWER_S: Final = 5.0                  # it knows that by itself


class Detached(NamedTuple):
    """One such mount."""

    mountpoint: Path            # where it was
    state_dir: Path
    pid: int
    device: str | None          # the kernel's number of its file system
    ending: bool                # it has been left: it sends what is queued, and then ends

    def why(self) -> SetupError:
        """The reason for which its process still runs, and what helps."""
        from anthrofs.fuse.holders import held_by  # noqa: PLC0415 - few have one

        where = printable(str(self.mountpoint))
        if self.ending:
            return SetupError(f"{where} is unmounted, and its process ({self.pid}) still sends what is queued. Wait "
                              f"for that with: anthrofs umount {where}", EXIT_BUSY)
        who = held_by(self.device) or "held by programs that can't be seen from here"
        return SetupError(f"{where} was detached (by `umount --lazy`, or a file browser's eject), and its process "
                          f"({self.pid}) goes on until the last program has left it, {who}. Close those and wait with: "
                          f"anthrofs umount {where}. Or end it, which sends what they have saved: kill {self.pid}",
                          EXIT_BUSY)


def detached_from(directory: Path) -> Detached | None:
    """The one that was mounted there until a moment ago, or longer."""
    place = mountpoint.resolved(directory)
    return next((found for found in every_detached() if found.mountpoint == place), None)


def every_detached() -> Iterator[Detached]:
    """All of this user."""
    for state_dir in known_states(states_root(os.environ)):
        if (found := of_state(state_dir)) is not None:
            yield found


def of_state(state_dir: Path, *, silence: bool = False) -> Detached | None:
    """The one that uses that state. None: nobody does, or a mount that is where it belongs. With `silence` it raises
    SetupError for one that says nothing.
    """
    if not os.path.exists(state_dir / NAME):     # noqa: PTH110 - false, whatever the system says of it
        return None
    try:
        found = control_client.only(state_dir, "where", patience_s=ANSWER_S)
        if found["place"] is not None:
            return None
        return Detached(Path(found["mountpoint"]), state_dir, found["pid"], found["device"], found["ending"])
    except control_client.Silent as exc:
        if silence:
            raise SetupError(f"The state directory {printable(str(state_dir))} is in use by a process that doesn't "
                             f"answer ({last_process(state_dir)}). Continue it, if it is stopped (kill -CONT), or end "
                             "it (kill -9), and mount again: what it has not sent is kept.", EXIT_BUSY) from exc
        return None
    except SetupError:          # it has ended; or it is of an earlier version, which doesn't tell
        return None


def refuse_detached(state_dir: Path) -> None:
    """Raises SetupError, if one of them still uses the state that a mount is to have."""
    if (found := of_state(state_dir, silence=True)) is not None:
        raise SetupError(f"The state directory {printable(str(state_dir))} is still in use: {found.why()}",
                         EXIT_BUSY)


def statuses(directory: Path | None, known: asking.Mounts | None = None) -> tuple[list[dict[str, Any]], list[str]]:
    """The status of the mount on a directory, or of all of this user, and of those that have left it; and why others
    gave none. `known`: those of the looks before. Raises SetupError when the one gives none.
    """
    try:
        answers, silent = asking.ask_all(directory, "status", known)
    except control_client.Silent:
        raise
    except SetupError:
        if directory is None or (gone := detached_from(directory)) is None:
            raise
        return [_status(gone)], []
    found = list(answers.values())
    for gone in () if directory else every_detached():
        with contextlib.suppress(SetupError):       # it has ended meanwhile
            found.append(_status(gone))
    return found, silent


def _status(gone: Detached) -> dict[str, Any]:
    return {**control_client.only(gone.state_dir, "status"), "detached": str(gone.why())}
