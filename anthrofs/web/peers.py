"""The user whose program is at the other end of a connection on this machine's loopback.

Trusts  the kernel's table of connections, /proc/net/tcp, which names the user of each end.
Never   takes silence for consent: an end that isn't found, or is closed already, is nobody's.
"""

import os
import socket
import sys
from pathlib import Path
from typing import Final

TABLE: Final = Path("/proc/net/tcp")
ESTABLISHED: Final = "01"
LOOKS: Final = 3            # the kernel gives its table out page by page, and an entry can be skipped while another one
                            # goes

Address = tuple[str, int]


def is_own(ours: Address, theirs: Address) -> bool:
    """Whether the program at the other end is this user's, or root's."""
    return user_of(ours, theirs) in (os.geteuid(), 0)


def user_of(ours: Address, theirs: Address) -> int | None:
    """The user who has opened the other end of a connection. None: it can't be told."""
    ends = [_shown(theirs), _shown(ours)]
    for _ in range(LOOKS):
        for line in TABLE.read_text().splitlines()[1:]:
            _, local, remote, state, _, _, _, user, *_ = line.split()
            if [local, remote] == ends and state == ESTABLISHED:
                return int(user)
    return None


def _shown(address: Address) -> str:
    """As the table has it: the four bytes as this machine's number, and the port."""
    host, port = address
    return f"{int.from_bytes(socket.inet_aton(host), sys.byteorder):08X}:{port:04X}"
