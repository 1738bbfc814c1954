"""Where a mount's control socket is, and whose program is at its other end.

Trusts  the kernel for who asks, and who answers.
"""

import socket
import struct
from typing import Final

NAME: Final = "control.sock"


def address(directory: int) -> str:
    """A socket's address has 108 bytes; a state directory's path can be longer, this is not."""
    return f"/proc/self/fd/{directory}/{NAME}"


def user_of(connection: socket.socket) -> int:
    """The user whose process is at the other end."""
    said = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("iII"))
    _, user, _ = struct.unpack("iII", said)
    return int(user)
