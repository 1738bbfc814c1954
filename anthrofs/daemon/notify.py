"""Tells systemd how the mount is doing (sd_notify's protocol: one datagram of NAME=value lines).

Owns    nothing: the socket's address is $NOTIFY_SOCKET, given by the service manager.
Never   fails: a mount without systemd, or whose manager went away, goes on.
"""

import contextlib
import socket


class Notify:
    """One sender; without an address it says nothing."""

    def __init__(self, address: str | None) -> None:
        # A leading @ is systemd's spelling of Linux's abstract namespace, which sockets spell with NUL.
        self._address = "\0" + address[1:] if address and address.startswith("@") else address     # constant

    def ready(self, status: str) -> None:
        """The mount serves requests."""
        self._send(f"READY=1\nSTATUS={status}")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send(f"STATUS={text}")

    def stopping(self, text: str, extend_s: float) -> None:
        """The mount drains; asks for that much more time, from now, before it is killed."""
        self._send(f"STOPPING=1\nSTATUS={text}\nEXTEND_TIMEOUT_USEC={int(extend_s * 1_000_000)}")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(text.encode(), self._address)
