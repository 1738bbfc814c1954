"""The sharing of contents by the store of a fleet, as the rest of a mount has to do with it.

Never   is anything for a mount that has no such store: then nothing is owed to one, and nobody listens.
"""

from typing import Any, Final, Protocol

from anthrofs.model import FileId, RemoteFile


class Sharing(Protocol):
    """Own uploads are put into the store, and others' are found there."""

    def left(self) -> list[dict[str, Any]]:
        """Names own uploads that the store is still to get: path, bytes and state of each."""
        ...

    def reason(self) -> str:
        """Why nothing can be put there now; empty: nothing has failed lately."""
        ...

    def hurry(self) -> None:
        """Somebody waits until all of it is there."""
        ...

    def arrived(self) -> None:
        """The service has got an upload."""
        ...

    def closed(self, file_id: FileId) -> None:
        """Somebody wants to read what nobody here can."""
        ...

    def fetched(self, file_id: FileId, size_bytes: int) -> None:
        """A download has brought all of it onto this disk."""
        ...

    def grain(self, file: RemoteFile) -> int:
        """Returns the bytes in which it comes, as far as is known; 1: as they are asked for."""
        ...


class NotShared:
    """Nothing is shared."""

    def left(self) -> list[dict[str, Any]]:
        """See Sharing."""
        return []

    def reason(self) -> str:
        """See Sharing."""
        return ""

    def hurry(self) -> None:
        """See Sharing."""

    def arrived(self) -> None:
        """See Sharing."""

    def closed(self, file_id: FileId) -> None:
        """See Sharing."""

    def fetched(self, file_id: FileId, size_bytes: int) -> None:
        """See Sharing."""

    def grain(self, file: RemoteFile) -> int:  # noqa: ARG002 - all of them
        """See Sharing."""
        return 1


NOT_SHARED: Final = NotShared()
