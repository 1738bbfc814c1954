"""Builds the parts of a mount whose fleet has a board: what it reads there, says there, and how it is of one listing.

Never   starts a thread, or asks the board.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from anthrofs.clock import Clock
from anthrofs.config import Config, Fleet
from anthrofs.daemon.build_share import StoreSharing
from anthrofs.fleet.absence import Absence
from anthrofs.fleet.announcer import Announced, Announcer
from anthrofs.fleet.common_budget import CommonBudget
from anthrofs.fleet.counts import Counts
from anthrofs.fleet.keys import FleetKeys
from anthrofs.fleet.membership import Membership
from anthrofs.fleet.mount_count import MountCount
from anthrofs.fleet.page_notes import PageNotes
from anthrofs.fleet.roll import Roll
from anthrofs.fleet.shared_listing import NEWS, SWEEP, Admits, Company, SharedListing
from anthrofs.fleet.tale import Tale
from anthrofs.fleet.valkey_board import ValkeyBoard
from anthrofs.model import FileId, RemoteFile
from anthrofs.remote.api import RemoteFiles
from anthrofs.sync.listings import Listings
from anthrofs.tree.arrivals import Told


@dataclass(frozen=True, slots=True)
class BoardParts:
    """The parts of a mount whose fleet has a board."""

    board: ValkeyBoard
    mounts: MountCount
    budget: CommonBudget
    roll: Roll
    announcer: Announcer
    keys: FleetKeys
    membership: Membership
    counts: Counts
    clock: Clock

    def join(self) -> None:
        """The workspace is known."""
        self.roll.wake()
        self.announcer.wake()

    def listings(self, news: RemoteFiles, sweeps: RemoteFiles, admits: Admits,
                 stopping: threading.Event) -> tuple[Listings, Listings]:
        """Returns the pages for what is new, and those for what is gone. `admits`: see sync/merged.py."""
        absence = Absence(self.clock, self.mounts.get)
        notes = PageNotes(self.board, self.keys, self.membership, self.counts, self.clock, news.clock)
        company = Company(self.board, notes, self.membership, absence, self.counts, self.clock, stopping, admits)
        return (SharedListing(news, company, NEWS, absence.refresh_s),
                SharedListing(sweeps, company, SWEEP, absence.sweep_s, self.announcer.sweep))

    def told(self) -> Told:
        """Returns who is told what becomes of this mount's files: the other mounts."""
        return Told(self.announcer.stored, self.announcer.deleted)

    def hear(self, told: Callable[[Iterable[RemoteFile], Iterable[FileId]], None], join: Callable[[], None]) -> None:
        """From now on `told` gets the files that other mounts have stored, and the ids that they have deleted; `join`
        is called when one has begun a sweep.
        """
        def heard(announced: Sequence[Announced]) -> None:
            told([each.file for each in announced if each.kind == "stored" and each.file is not None],
                 [each.file_id for each in announced if each.kind == "deleted" and each.file_id is not None])
            if any(each.kind == "sweep" for each in announced):
                join()

        self.announcer.listen(heard)

    def share(self, sharing: StoreSharing) -> None:
        """From now on the mounts tell each other what the fleet's store has got, and what it lacks."""
        def heard(announced: Sequence[Announced]) -> None:
            gone = {each.file_id for each in announced if each.kind == "deleted"}
            sharing.heard([each.file_id for each in announced
                           if each.kind == "shared" and each.file_id is not None and each.file_id not in gone],
                          [each.file_id for each in announced if each.kind == "lacks" and each.file_id is not None])
            if any(each.kind == "stored" for each in announced):
                sharing.refreshed()

        sharing.put.listen(self.announcer.shared)
        sharing.lost.listen(self.announcer.lacks)
        self.announcer.listen(heard)

    def start(self) -> None:
        """Begins what this mount does on the board beside what it is asked for."""
        self.roll.start()
        self.announcer.start()

    def stop(self, timeout_s: float) -> bool:
        """Ends that. False: a thread hangs in a request, and is left to the process's end."""
        ended = [each.stop(timeout_s) for each in (self.announcer, self.roll)]
        self.board.close()
        return all(ended)


def build_board(config: Config, fleet: Fleet, keys: FleetKeys, membership: Membership, tale: Tale, counts: Counts,
                clock: Clock) -> BoardParts | None:
    """Returns the parts, at rest; None: the fleet has no board."""
    if fleet.board_url is None:
        return None
    board = ValkeyBoard(fleet, membership, clock)
    mounts, most = MountCount(config.state_dir / "mounts"), config.requests_per_minute
    budget = CommonBudget(board, mounts, most, clock)
    roll = Roll(board, board.away, keys, membership, tale.told, budget.tell, clock, most)
    return BoardParts(board, mounts, budget, roll, Announcer(board, keys, membership, counts, clock), keys, membership,
                      counts, clock)
