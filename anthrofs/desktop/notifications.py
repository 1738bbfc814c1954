"""Notifications, as freedesktop's specification has them: a sentence that a desktop shows to whoever sits there.

Trusts  the notification server for nothing: what it can't do is done without.
Never   raises, and waits no longer than two calls do: a mount's thread of its own calls it.
"""

import contextlib
import logging
import time
from html import escape
from typing import Final

from anthrofs.desktop.session_bus import SessionBus
from anthrofs.text import printable

log = logging.getLogger(__name__)

NAME: Final = "org.freedesktop.Notifications"
PATH: Final = "/org/freedesktop/Notifications"
TITLE: Final = 100          # characters; what is longer is cut
TEXT: Final = 600
REST_S: Final = 60.0        # after a server that said nothing: it isn't asked again at once
NORMAL: Final = 1
FOREVER: Final = 0          # of an error: until it is clicked away
ITS_OWN: Final = -1         # however long the desktop shows one


class Notifications:
    """The notification server of one session."""

    def __init__(self, bus: SessionBus) -> None:
        self._bus = bus                 # given

        # Of the one thread that calls:
        self._markup: bool | None = None        # whether texts are taken for markup; None: not asked yet
        self._not_before_s = float("-inf")

    def show(self, title: str, text: str, *, error: bool, instead_of: int = 0) -> int:
        """Shows a notification, `instead_of` the one with that number if it is still there. Returns its number; 0:
        nobody could be told.
        """
        if time.monotonic() < self._not_before_s:
            return 0
        try:
            if self._markup is None:
                [known] = self._bus.call(NAME, PATH, f"{NAME}.GetCapabilities")
                self._markup = "body-markup" in known
            shown = shortened(text, TEXT)
            hints = {"desktop-entry": ("s", "anthrofs"), "urgency": ("y", NORMAL),
                     "category": ("s", "transfer.error" if error else "transfer.complete")}
            [number] = self._bus.call(NAME, PATH, f"{NAME}.Notify", "susssasa{sv}i", (
                "anthrofs", instead_of, "anthrofs", shortened(title, TITLE), escape(shown) if self._markup else shown,
                [], hints, FOREVER if error else ITS_OWN))
            return int(number)
        except (OSError, ValueError, TypeError) as exc:
            log.info("the desktop wasn't told %r: %s", title, exc)
            self._markup, self._not_before_s = None, time.monotonic() + REST_S
            return 0

    def close(self) -> None:
        """Leaves the bus. What is shown stays, where the desktop lets it."""
        with contextlib.suppress(OSError):
            self._bus.close()


def shortened(text: str, most: int) -> str:
    """One paragraph that a desktop can show: nothing that it would obey, and no longer than it has room for."""
    said = printable(" ".join(text.split()))
    return said if len(said) <= most else said[:most - 1] + "…"
