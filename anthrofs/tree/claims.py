"""Claims: whose a listed file can be that fits an upload of ours whose answer was lost, as far as other mounts say.

A mount says what it is about to send before it sends it, and what was stored as soon as it knows. So two mounts that
save the same name, size and type at once don't take each other's file for their own.

Trusts  nobody who is silent: a mount for itself, or one that nobody heard, is told UNTOLD, and goes by the listing.
"""

import enum
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from anthrofs.model import Attempt, FileId, RemoteFile


class Whose(enum.Enum):
    """A listed file's owner, of those who can have stored it."""

    UNTOLD = enum.auto()    # whether another mount has sent such a file isn't known
    OURS = enum.auto()      # since before ours was sent no other mount has sent such a file
    OTHERS = enum.auto()    # another mount was told that it is its own
    DISPUTED = enum.auto()  # another mount has sent such a file, and doesn't know its id yet


class Claims(Protocol):
    """The mounts' claims. No call is within a transaction: each may ask others. Each returns soon, and never fails."""

    def intend(self, attempt: Attempt) -> None:
        """The attempt is about to be sent, as it says."""

    def claim(self, attempt: Attempt, file: RemoteFile) -> None:
        """The server has it, as this file."""

    def withdraw(self, attempt: Attempt) -> None:
        """This try has surely not been stored."""

    def whose(self, attempt: Attempt, files: Sequence[RemoteFile]) -> Mapping[FileId, Whose]:
        """Returns whose these files are, each of which the attempt can have stored."""
        ...


class Alone:
    """The claims of a mount for itself: nobody else says anything."""

    def intend(self, attempt: Attempt) -> None:
        """Nobody listens."""

    def claim(self, attempt: Attempt, file: RemoteFile) -> None:
        """Nobody listens."""

    def withdraw(self, attempt: Attempt) -> None:
        """Nobody listens."""

    def whose(self, attempt: Attempt, files: Sequence[RemoteFile]) -> Mapping[FileId, Whose]:
        """Nobody tells."""
        del attempt
        return {file.file_id: Whose.UNTOLD for file in files}


ALONE: Final = Alone()
