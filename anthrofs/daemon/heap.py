"""The C library's heap: what lies free in it goes back to the system.

Owns    when that was done last. libc does the rest.
"""

import contextlib
import ctypes
from typing import Final

from anthrofs.clock import Clock

PAUSE_S: Final = 60.0


class Heap:
    """Free memory at its end glibc gives back by itself, but not what lies between things that stay."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock                     # given
        self._trimmed_s = float("-inf")         # the refresher's thread alone has it

    def trim(self) -> None:
        """After each refresh: those go on for a while after the last look, so this comes once more when all is quiet.
        Another C library has no such call.
        """
        if self._clock.now_s() - self._trimmed_s >= PAUSE_S:
            self._trimmed_s = self._clock.now_s()
            with contextlib.suppress(AttributeError):
                ctypes.CDLL(None).malloc_trim(0)
