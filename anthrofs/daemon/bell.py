"""A bell: the one who rings it needn't know who hears it, nor be built after them.

What the running program calls back, against the direction in which its parts are built, goes through one; build.py has
them all.
"""

from collections.abc import Callable
from typing import Generic, ParamSpec

P = ParamSpec("P")


class Bell(Generic[P]):
    """Calls its listeners, in the order in which they began to listen, whenever somebody rings."""

    def __init__(self) -> None:
        self._listeners: list[Callable[P, None]] = []       # all begin to listen before the first thread starts

    def listen(self, listener: Callable[P, None]) -> None:
        """Calls it at each ring from now on."""
        self._listeners.append(listener)

    def ring(self, *values: P.args, **named: P.kwargs) -> None:
        """Raises what a listener raises."""
        for listener in self._listeners:
            listener(*values, **named)
