"""The state of a mount, found without a look at the mount.

A look would have the mount ask the service for what is new, and go on with it for a while: a page that looks each
second would keep it asking for as long as it is open.

Never   touches the mount's files: it asks the mounts of this user, by their sockets, which of them is the one.
"""

import contextlib
import os
from pathlib import Path
from typing import Final

from anthrofs.client import asking, control_client
from anthrofs.client.known_states import known_states
from anthrofs.daemon.control_address import NAME
from anthrofs.errors import SetupError
from anthrofs.state_place import states_root

ANSWER_S: Final = 5.0       # a mount knows that by itself


def state_of(path: Path, device: str | None) -> Path:
    """The state directory of the mount there, whose file system has that number. A mount that can't be found so, as one
    of an earlier version, is looked at. Raises SetupError.
    """
    for state_dir in known_states(states_root(os.environ)):
        if device is not None and os.path.exists(state_dir / NAME):     # noqa: PTH110 - false, whatever the system says
            with contextlib.suppress(SetupError):       # it has just ended, or doesn't know
                if control_client.only(state_dir, "where", patience_s=ANSWER_S)["device"] == device:
                    return state_dir
    return asking.state_dir(path)
