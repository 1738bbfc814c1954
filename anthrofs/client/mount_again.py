"""The command that mounts a state again, as it is told to a person.

Trusts  names: a session's, a workspace's and the demo's state is called by its id, and any other below the directory of
        all is a profile's, whether somebody has written that profile or not.
Never   reads a person's settings.
"""

import os
import shlex
from pathlib import Path
from typing import Final

from anthrofs.client.known_states import known_states, last_place
from anthrofs.state_place import DEFAULT_STATE, states_root
from anthrofs.text import printable

OPTIONS: Final = (("wrkspc_", "--workspace"), ("sesn_", "--scope"))     # by how the id begins


def mount_again(state_dir: Path, place: Path | None) -> str:
    """The command for that state. Without a place, somebody has to choose one."""
    where = "DIR" if place is None else _word(place)
    if state_dir.parent != states_root(os.environ):
        return f"anthrofs mount --state-dir {_word(state_dir)} {where}"
    name = state_dir.name
    if name == DEFAULT_STATE:
        return f"anthrofs mount {where}"
    if name == "demo" and (state_dir / "emulator").is_dir():
        return f"anthrofs mount --demo {where}"
    option = next((option for start, option in OPTIONS if name.startswith(start)), "--profile")
    return f"anthrofs mount {option} {_word(name)} {where}"


def mount_there_again(place: Path) -> str:
    """The command for the state that was mounted there last."""
    found = states_at(place)
    return mount_again(found[-1], place) if found else f"anthrofs mount {_word(place)}"


def states_at(place: Path) -> list[Path]:
    """All states whose last mount was there, the last of them last."""
    return sorted((each for each in known_states(states_root(os.environ)) if last_place(each) == place), key=_begun)


def _begun(state_dir: Path) -> float:
    try:
        return (state_dir / "lock").stat(follow_symlinks=False).st_mtime       # a mount writes there where it is
    except OSError:
        return 0.0


def _word(text: Path | str) -> str:
    """One word for a shell."""
    return shlex.quote(printable(str(text)))
