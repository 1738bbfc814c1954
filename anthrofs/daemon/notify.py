"""Tells systemd how the mount is doing (sd_notify's protocol: one datagram of NAME=value lines).

Owns    nothing: the socket's address is $NOTIFY_SOCKET, given by the service manager.
Never   fails: a mount without systemd, or whose manager went away, goes on.
"""

import contextlib
import os
import socket
from collections.abc import Mapping


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

    def failed(self, text: str) -> None:
        """The reason why there is no mount: `systemctl status` shows it also after the end."""
        self._send("STATUS=" + text.replace("\n", " "))

    def alive(self) -> None:
        """The watchdog hears that the mount answers."""
        self._send("WATCHDOG=1")

    def stopping(self, text: str, extend_s: float) -> None:
        """The mount drains; asks for that much more time, from now, before it is killed."""
        self._send(f"STOPPING=1\nSTATUS={text}\nEXTEND_TIMEOUT_USEC={int(extend_s * 1_000_000)}")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(text.encode(errors="replace"), self._address)


def watchdog_s(environ: Mapping[str, str]) -> float | None:
    """The time within which a manager wants to hear from this process again and again; None: nobody does."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None             # it is meant for the one that has started us
    try:
        asked_s = int(environ.get("WATCHDOG_USEC", "")) / 1e6
    except ValueError:
        return None
    return asked_s if asked_s > 0 else None
