"""Builds the parts by which a mount is in a fleet. Only for such a mount build.py imports this: with it come the
libraries for the store, the board and the seals.

Never   starts a thread, or asks the store or the board.
"""

import logging
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from anthrofs.clock import Clock
from anthrofs.config import Config, Fleet
from anthrofs.daemon.build_board import BoardParts, build_board
from anthrofs.daemon.build_share import StoreSharing, build_sharing
from anthrofs.daemon.fleet_requests import FleetRequests
from anthrofs.daemon.local import Local
from anthrofs.daemon.sharing import NOT_SHARED, Sharing
from anthrofs.errors import NotFound
from anthrofs.fleet import keys
from anthrofs.fleet.board import Board
from anthrofs.fleet.counts import Counts
from anthrofs.fleet.download_leases import DownloadLeases
from anthrofs.fleet.fetcher import Fetcher
from anthrofs.fleet.garbage import Garbage
from anthrofs.fleet.intents import Intents
from anthrofs.fleet.keys import FleetKeys
from anthrofs.fleet.membership import Membership
from anthrofs.fleet.objects import Objects, objects_of
from anthrofs.fleet.picture import Picture
from anthrofs.fleet.probe import Probe
from anthrofs.fleet.seal import is_one_delivery
from anthrofs.fleet.sharer import refuse_all
from anthrofs.fleet.shelf import Shelf
from anthrofs.fleet.sightings import Sightings
from anthrofs.fleet.store_files import Knowledge, StoreFiles, StoreReads
from anthrofs.fleet.tale import Tale
from anthrofs.model import FileId, RemoteFile, Workspace
from anthrofs.remote.api import RemoteFiles
from anthrofs.tree.claims import ALONE, Claims
from anthrofs.tree.database import Database

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StoreParts:
    """The parts of a mount whose fleet has a store."""

    place: str                  # as the state remembers it: the address, and the key
    objects: Objects
    shelf: Shelf
    sharing: StoreSharing
    reads: StoreReads
    probe: Probe

    def facts(self) -> dict[str, Any]:
        """Returns what status tells of the store."""
        return {**self.objects.facts(), **self.sharing.facts()}


@dataclass(frozen=True, slots=True)
class FleetParts:
    """The parts that a mount of a fleet has besides."""

    keys: FleetKeys
    membership: Membership
    workspace: Callable[[], Workspace]      # as the service's last answer named it
    counts: Counts
    picture: Picture
    store: StoreParts | None    # None: this fleet has no store
    board: BoardParts | None    # None: it has no board
    requests: FleetRequests

    def files(self, service: RemoteFiles) -> RemoteFiles:
        """The Files API, whose downloads come from the fleet's store if they can."""
        return service if self.store is None else StoreFiles(service, self.store.reads)

    def place(self) -> str | None:
        """Returns the store's, as the state remembers it; None: there is none."""
        return None if self.store is None else self.store.place

    def expect_store(self) -> None:
        """The store is known to have something."""
        if self.store is not None:
            self.store.objects.expect()

    def begin(self) -> None:
        """Begins to look whether this mount can be in its fleet."""
        if self.store is not None:
            self.store.probe.begin()

    def see(self) -> None:
        """Says what was seen. Raises SetupError."""
        if self.store is not None:
            self.store.probe.end()

    def join(self) -> None:
        """The service has answered, for the workspace of this state."""
        self.membership.join(self.workspace())
        if self.board is not None:
            self.board.join()
        if self.store is not None:
            self.store.sharing.joined()

    def claims(self, db: Database) -> Claims:
        """Returns what the fleet's mounts say of their uploads, of which this is one."""
        return ALONE if self.board is None else Intents(self.board.board, self.keys, self.membership, db)

    def hear(self, told: Callable[[Iterable[RemoteFile], Iterable[FileId]], None], join: Callable[[], None]) -> None:
        """See BoardParts: others' files first, then what the store has of them."""
        if self.board is not None:
            self.board.hear(told, join)
            if self.store is not None:
                self.board.share(self.store.sharing)

    def start(self) -> None:
        """Begins what this mount does for its fleet beside what it is asked for."""
        if self.board is not None:
            self.board.start()
        if self.store is not None:
            self.store.sharing.start()

    def stop(self, timeout_s: float) -> bool:
        """Ends that, and leaves the fleet. False: a thread hangs in a request, and is left to the process's end."""
        if self.store is not None:
            self.store.objects.stop()       # so that nobody waits for a store that is silent
        shared = self.store is None or self.store.sharing.stop(timeout_s)
        return (self.board is None or self.board.stop(timeout_s)) and shared

    @property
    def shared(self) -> Sharing:
        """The sharing of contents, if there is a store."""
        return NOT_SHARED if self.store is None else self.store.sharing

    def refreshed(self) -> None:
        """A refresh has ended."""
        if self.store is not None:
            self.store.sharing.refreshed()


def build_fleet(config: Config, fleet: Fleet, local: Local, clock: Clock, workspace: Callable[[], Workspace],
                requests: Callable[[], int], service: Callable[[], RemoteFiles]) -> FleetParts:
    """Returns the parts of a mount in that fleet, at rest. `requests`: how many the mount has made so far. `service`:
    the Files API, once all is built. Raises SetupError for a key file that can't be used.
    """
    found, membership = keys.read(fleet.key_path), Membership(config.service, f"{socket.gethostname()}:"
                                                                              f"{config.mountpoint}")
    log.info("%s is member %s of a fleet with %s: store %s (shares %s), board %s (as %s, %s password)",
             membership.label, membership.member, found, fleet.store_url, fleet.share, fleet.board_url,
             fleet.board_user or "nobody", "with a" if fleet.board_password else "without a")
    counts = Counts(clock)
    tale = Tale(fleet, membership, counts, clock, requests)
    board = build_board(config, fleet, found, membership, tale, counts, clock)
    store = None if fleet.store_url is None else _store(fleet, fleet.store_url, local, found, membership, clock, counts,
                                                        None if board is None else board.board)
    picture = Picture(fleet, found, membership, tale, store=dict if store is None else store.facts,
                      board=dict if board is None else board.roll.facts,
                      others=dict if board is None else board.roll.others)
    if store is not None and board is not None:
        board.share(store.sharing)
    sharer = None if store is None else store.sharing.sharer
    garbage = None if store is None else Garbage(store.objects, store.shelf, membership, local.db, service,
                                                clock)
    return FleetParts(found, membership, workspace, counts, picture, store, board,
                      FleetRequests(picture, (lambda: None) if board is None else board.roll.step,
                                    refuse_all if sharer is None else sharer.share_all, garbage))


def _store(fleet: Fleet, url: str, local: Local, found: FleetKeys, membership: Membership, clock: Clock,
           counts: Counts, board: Board | None) -> StoreParts:
    objects = objects_of(url, clock)
    shelf = Shelf(objects, found, lambda: membership.scope)
    sightings, leases = Sightings(), DownloadLeases(board, found, clock)
    sharing = build_sharing(fleet, local, shelf, membership, clock, counts, sightings)
    sharing.put.listen(leases.end)
    reads = StoreReads(Fetcher(shelf, counts, clock), leases, sightings, _knowledge(fleet, local, sharing), counts,
                       clock)
    return StoreParts(f"{url} {found.ids[0]}", objects, shelf, sharing, reads,
                      Probe(objects, found, clock, writes=fleet.share != "none"))


def _knowledge(fleet: Fleet, local: Local, sharing: StoreSharing) -> Knowledge:
    def file(file_id: FileId) -> RemoteFile:
        found = local.db.nodes.holder(file_id).remote
        if found is None:
            raise NotFound(file_id)
        return found

    def puts(file: RemoteFile) -> bool:
        return (fleet.share == "all" and local.cache.may_keep(file.size_bytes) and not sharing.reason()
                and is_one_delivery(file, file.size_bytes))

    return Knowledge(file, local.cache.put, puts, sharing.missed)
