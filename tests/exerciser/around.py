"""What is around the files of an exercise: a server, others, an end of the mount."""

from collections import Counter
from typing import Protocol


class Around(Protocol):
    """The directory is a mount: what can be done to it, and behind it. Names are paths below it."""

    def make(self, name: str, content: bytes) -> None:
        """Others make a file, and it shows."""

    def replace(self, name: str, content: bytes, *, shows: bool) -> None:
        """Others put another one in the place of theirs; `shows`: returns when the name has it, else at once when it was listed."""

    def wait_until_shown(self, name: str) -> None:
        """Until the last one that others made has that name."""

    def free(self, name: str) -> None:
        """What was downloaded of it is given up."""

    def slow(self, times: int, seconds: float) -> None:
        """So many uploads from now on take that long."""

    def settle(self) -> None:
        """Nothing is open: everything is on the server."""

    def remount(self) -> None: ...

    def has(self, expected: Counter[tuple[str, str]]) -> None:
        """The server has exactly that: names and SHA-256 of contents. Raises AssertionError."""

    def conditions(self, name: str) -> str:
        """The state that the file is in now."""
