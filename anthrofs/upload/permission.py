"""The permission to send: this mount has seen whose files the service's are, and they are those that its state mirrors.

Owns    whether it is given, and when it is asked for again: less and less often, and only when there is work for it.
"""

import threading
from collections.abc import Callable
from typing import Final

from anthrofs.clock import Clock

ASK_S: Final = (5.0, 60.0)      # between questions: doubled up to


class Permission:
    """The permission of one mount to change what is on the server."""

    def __init__(self, clock: Clock, ask: Callable[[], None]) -> None:
        self._clock = clock             # given
        self._ask = ask                 # given: asks for a refresh, without waiting

        self._lock = threading.Lock()   # guards everything below; a leaf
        self._given = False
        self._ask_s = 0.0               # when to ask again
        self._asks = 0                  # how often it was asked in vain

    def give(self) -> bool:
        """The service answers, and its files are ours. Returns whether that is news."""
        with self._lock:
            news, self._given, self._asks = not self._given, True, 0
        return news

    def withdraw(self) -> None:
        """The service's files are somebody else's: nothing is sent until they are ours again."""
        with self._lock:
            self._given = False

    def ask_soon(self) -> None:
        """The service may answer again: who wants to send asks at once."""
        with self._lock:
            self._ask_s, self._asks = 0.0, 0

    def awaited_s(self) -> float | None:
        """Returns after how many seconds to come again; None: it is given. Asks for it, when it is time."""
        now_s = self._clock.now_s()
        with self._lock:
            if self._given:
                return None
            if now_s < self._ask_s:
                return self._ask_s - now_s
            wait_s = min(ASK_S[1], ASK_S[0] * 2.0 ** min(self._asks, 10))
            self._ask_s, self._asks = now_s + wait_s, self._asks + 1
        self._ask()
        return wait_s
