"""The operations, done: to the files of a directory by system calls, and to the model; each answer is compared at once.

Owns    the descriptors and maps, which it closes at the end.
Never   waits for anything itself: what is around the files does `Around`.
"""

import contextlib
import os
from typing import TYPE_CHECKING

from tests.exerciser.at_once import AtOnce
from tests.exerciser.checked import WrongError
from tests.exerciser.handles import Handles
from tests.exerciser.maps import Maps
from tests.exerciser.names import Names
from tests.exerciser.operations import Op

if TYPE_CHECKING:
    from collections.abc import Callable


class Hands(Handles, Maps, Names, AtOnce):
    """One run, from an empty directory."""

    def do(self, op: Op) -> None:
        """Does it if it can be done. Raises WrongError."""
        self.number = op.number
        deed: Callable[[Op], bool] = getattr(self, f"_do_{op.kind}")
        try:
            if deed(op):
                self.done[op.kind] += 1
        except OSError as exc:
            raise WrongError(f"operation {op}: {exc}, which should have succeeded") from exc

    def drop(self) -> None:
        """Everything is closed, whatever that says."""
        for mapped in self.model.maps.values():
            with contextlib.suppress(OSError):
                mapped.view.close()
        for handle in self.model.handles.values():
            with contextlib.suppress(OSError):
                os.close(handle.descriptor)
        self.model.maps.clear()
        self.model.handles.clear()

    def finish(self, number: int) -> None:
        """All is closed; then every file is there with its content, no other one is, and the server has them, once."""
        self.number = number
        self._close_all()
        self._has_all()
        if self._around is not None:
            self._around.settle()
            self._around.has(self.model.at_server())
