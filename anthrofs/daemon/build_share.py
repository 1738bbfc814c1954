"""Builds what puts contents into the store of a fleet, and finds others' there.

Never   starts a thread, or asks the store.
"""

from collections.abc import Sequence
from typing import Any

from anthrofs.clock import Clock
from anthrofs.config import Fleet
from anthrofs.daemon.bell import Bell
from anthrofs.daemon.local import Local
from anthrofs.fleet.counts import Counts
from anthrofs.fleet.finder import Finder
from anthrofs.fleet.membership import Membership
from anthrofs.fleet.seal import CHUNK_BYTES
from anthrofs.fleet.sharer import Sharer
from anthrofs.fleet.shelf import Shelf
from anthrofs.fleet.sightings import Sightings
from anthrofs.model import FileId, RemoteFile


class StoreSharing:
    """The parts by which a mount shares contents."""

    def __init__(self, sharer: Sharer | None, finder: Finder, put: Bell[[FileId]], sightings: Sightings, *,
                 shares_all: bool) -> None:
        """`sharer`: None, if this mount puts nothing there. `put`: the store has this one by now, from here.
        `shares_all`: what was downloaded is put there, too.
        """
        self.sharer = sharer        # given
        self.put = put              # given
        self.lost = Bell[[FileId]]()        # the store was thought to have this one, and hasn't
        self._finder = finder       # given
        self._sightings = sightings         # given
        self._shares_all = shares_all       # constant

    def start(self) -> None:
        """Begins with what an earlier mount left."""
        if self.sharer is not None:
            self.sharer.start()
        self._finder.start()

    def joined(self) -> None:
        """The workspace is known."""
        self.arrived()
        self._finder.wake()

    def refreshed(self) -> None:
        """A refresh has ended."""
        self._finder.wake()

    def missed(self, file_id: FileId) -> None:
        """A reader hasn't got it from the store."""
        if self._finder.missed(file_id):
            self.lost.ring(file_id)
            self.arrived()
            self._finder.want(file_id)

    def heard(self, shared: Sequence[FileId], lacking: Sequence[FileId]) -> None:
        """Other mounts say what the store has, and what it has lost. Raises FsError."""
        self._finder.found(shared)
        if any([self._finder.missed(file_id) for file_id in lacking]):      # noqa: C419 - each of them
            self.arrived()

    def facts(self) -> dict[str, Any]:
        """Returns what status tells of it."""
        return {**self._finder.facts(), **({} if self.sharer is None else self.sharer.facts())}

    def stop(self, timeout_s: float) -> bool:
        """Ends the threads. False: one hangs in a request."""
        ended = [self._finder.stop(timeout_s), self.sharer is None or self.sharer.stop(timeout_s)]
        return all(ended)

    # ---- see Sharing

    def left(self) -> list[dict[str, Any]]:
        """See Sharing."""
        return [] if self.sharer is None else self.sharer.left()

    def reason(self) -> str:
        """See Sharing."""
        return "" if self.sharer is None else self.sharer.reason()

    def hurry(self) -> None:
        """See Sharing."""
        if self.sharer is not None:
            self.sharer.hurry()

    def arrived(self) -> None:
        """See Sharing."""
        if self.sharer is not None:
            self.sharer.wake()

    def closed(self, file_id: FileId) -> None:
        """See Sharing."""
        self._finder.want(file_id)

    def fetched(self, file_id: FileId, size_bytes: int) -> None:
        """See Sharing."""
        if self.sharer is not None and self._shares_all and not self._sightings.is_given(file_id):
            self.sharer.fetched(file_id, size_bytes)

    def grain(self, file: RemoteFile) -> int:
        """See Sharing."""
        return CHUNK_BYTES if file.shared or self._sightings.is_given(file.file_id) else 1


def build_sharing(fleet: Fleet, local: Local, shelf: Shelf, membership: Membership, clock: Clock,
                  counts: Counts, sightings: Sightings) -> StoreSharing:
    """Returns the parts, at rest."""
    put = Bell[[FileId]]()

    def ready() -> bool:
        return membership.scope is not None

    sharer = None if fleet.share == "none" else Sharer(local.db, local.mirror, local.cache, local.kept_copies, shelf,
                                                       ready, clock, counts, put.ring,
                                                       sightings.is_wrong)
    return StoreSharing(sharer, Finder(local.db, shelf, ready, clock), put, sightings,
                        shares_all=fleet.share == "all")
