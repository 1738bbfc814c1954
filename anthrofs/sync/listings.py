"""How a mount comes by pages of the listing: from the service alone, or from other mounts that have asked it lately.

Never   asks anything: a fleet's way is its own, and this room doesn't know it.
"""

from typing import Protocol

from anthrofs.remote.api import RemoteFiles


class Listings(Protocol):
    """One asker's way to the pages, and the pace that goes with it."""

    def since(self, moment_s: float) -> RemoteFiles:
        """Returns the service, whose `list` may also answer with others' pages, if they were asked for since that
        moment of our clock; infinite: with none of them.
        """
        ...

    def pause_s(self, own_s: float) -> float:
        """Returns how long to wait between two refreshes or sweeps, where a mount for itself waits for so long;
        infinite: none is to be made now.
        """
        ...


class OwnPages:
    """A mount for itself asks the service."""

    def __init__(self, remote: RemoteFiles) -> None:
        self._remote = remote       # given

    def since(self, _: float) -> RemoteFiles:
        """See Listings."""
        return self._remote

    def pause_s(self, own_s: float) -> float:
        """See Listings."""
        return own_s
