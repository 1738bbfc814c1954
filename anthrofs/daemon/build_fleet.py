"""Builds the parts by which a mount is in a fleet. Only for such a mount build.py imports this: with it come the
libraries for the store, the board and the seals.

Never   starts a thread, or asks the store or the board.
"""

import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass

from anthrofs.clock import Clock
from anthrofs.config import Config, Fleet
from anthrofs.daemon.fleet_requests import FleetRequests
from anthrofs.errors import NotFound
from anthrofs.fleet import keys
from anthrofs.fleet.counts import Counts
from anthrofs.fleet.fetcher import Fetcher
from anthrofs.fleet.intents import Intents
from anthrofs.fleet.keys import FleetKeys
from anthrofs.fleet.membership import Membership
from anthrofs.fleet.objects import objects_of
from anthrofs.fleet.picture import Picture
from anthrofs.fleet.probe import Probe
from anthrofs.fleet.roll import Roll
from anthrofs.fleet.shelf import Shelf
from anthrofs.fleet.store_files import Knowledge, StoreFiles, StoreReads
from anthrofs.fleet.tale import Tale
from anthrofs.fleet.valkey_board import ValkeyBoard
from anthrofs.model import FileId, RemoteFile, Workspace
from anthrofs.remote.api import RemoteFiles
from anthrofs.store.block_cache import BlockCache
from anthrofs.tree.claims import ALONE, Claims
from anthrofs.tree.database import Database

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BoardParts:
    """The parts of a mount whose fleet has a board."""

    board: ValkeyBoard
    roll: Roll


@dataclass(frozen=True, slots=True)
class FleetParts:
    """The parts that a mount of a fleet has besides."""

    keys: FleetKeys
    membership: Membership
    workspace: Callable[[], Workspace]      # as the service's last answer named it
    counts: Counts
    picture: Picture
    shelf: Shelf | None         # None: this fleet has no store
    board: BoardParts | None    # None: it has no board
    requests: FleetRequests
    reads: StoreReads | None    # None, too: this fleet has no store
    probe: Probe | None         # the same

    def files(self, service: RemoteFiles) -> RemoteFiles:
        """The Files API, whose downloads come from the fleet's store if they can."""
        return service if self.reads is None else StoreFiles(service, self.reads)

    def begin(self) -> None:
        """Begins to look whether this mount can be in its fleet."""
        if self.probe is not None:
            self.probe.begin()

    def see(self) -> None:
        """Says what was seen. Raises SetupError."""
        if self.probe is not None:
            self.probe.end()

    def join(self) -> None:
        """The service has answered, for the workspace of this state."""
        self.membership.join(self.workspace())
        if self.board is not None:
            self.board.roll.wake()

    def claims(self, db: Database) -> Claims:
        """Returns what the fleet's mounts say of their uploads, of which this is one."""
        return ALONE if self.board is None else Intents(self.board.board, self.keys, self.membership, db)

    def start(self) -> None:
        """Begins what this mount does for its fleet beside what it is asked for."""
        if self.board is not None:
            self.board.roll.start()

    def stop(self, timeout_s: float) -> bool:
        """Ends that, and leaves the fleet. False: a thread hangs in a request, and is left to the process's end."""
        if self.board is None:
            return True
        ended = self.board.roll.stop(timeout_s)
        self.board.board.close()
        return ended


def build_fleet(config: Config, fleet: Fleet, clock: Clock, workspace: Callable[[], Workspace],
                requests: Callable[[], int], db: Database, cache: BlockCache) -> FleetParts:
    """Returns the parts of a mount in that fleet, at rest. `requests`: how many the mount has made so far. Raises
    SetupError for a key file that can't be used.
    """
    found, membership = keys.read(fleet.key_path), Membership(config.service, f"{socket.gethostname()}:"
                                                                              f"{config.mountpoint}")
    log.info("%s is member %s of a fleet with %s: store %s (shares %s), board %s (as %s, %s password)",
             membership.label, membership.member, found, fleet.store_url, fleet.share, fleet.board_url,
             fleet.board_user or "nobody", "with a" if fleet.board_password else "without a")
    counts = Counts(clock)
    tale, board = Tale(fleet, membership, counts, clock, requests), None
    if fleet.board_url is not None:
        notes = ValkeyBoard(fleet, membership, clock)
        board = BoardParts(notes, Roll(notes, notes.away, found, membership, tale.told, clock,
                                       config.requests_per_minute))
    objects = None if fleet.store_url is None else objects_of(fleet.store_url, clock)
    picture = Picture(fleet, found, membership, tale, store=dict if objects is None else objects.facts,
                      board=dict if board is None else board.roll.facts,
                      others=dict if board is None else board.roll.others)
    shelf = None if objects is None else Shelf(objects, found, lambda: membership.scope)
    reads = None if shelf is None else StoreReads(Fetcher(shelf, counts, clock), _knowledge(db, cache), counts,
                                                   clock)
    return FleetParts(found, membership, workspace, counts, picture, shelf, board, FleetRequests(picture), reads,
                      None if objects is None else Probe(objects, found, clock))


def _knowledge(db: Database, cache: BlockCache) -> Knowledge:
    def file(file_id: FileId) -> RemoteFile:
        found = db.nodes.holder(file_id).remote
        if found is None:
            raise NotFound(file_id)
        return found

    return Knowledge(file, cache.put)
