"""Members of one fleet in one process: one service, one wall for their notes, a clock that moves when somebody waits."""

import threading
from collections.abc import Callable
from dataclasses import replace

from anthrofs.config import Credentials, Service
from anthrofs.errors import BoardAway
from anthrofs.fleet.absence import Absence
from anthrofs.fleet.counts import Counts
from anthrofs.fleet.keys import FleetKeys
from anthrofs.fleet.membership import Membership
from anthrofs.fleet.page_notes import PageNotes
from anthrofs.fleet.shared_listing import NEWS, SWEEP, Company, SharedListing
from anthrofs.model import Cursor, Page, ServerClock, Workspace
from tests.fakes import SECOND_NS, FakeClock, FakeFiles
from tests.memory_board import MemoryBoard, Wall

SERVICE = Service("http://fake", Credentials("x-api-key", "key"))
NAMED = Workspace("organization", "wrkspc_fake")


class Dated(FakeFiles):
    """Its pages have their moments, and take a while to come."""

    took_s = 0.0

    def list(self, limit: int, cursor: Cursor | None = None) -> Page:
        asked_s = self._clock.now_s()
        page = super().list(limit, cursor)
        self._clock.advance(self.took_s)        # type: ignore[attr-defined]
        return page.between(asked_s, self._clock.now_s())


class Shaky(MemoryBoard):
    """One member's board. `broken` calls fail; `before` is called with each call's name."""

    broken: frozenset[str] = frozenset()
    before: Callable[[str], None] | None = None

    def __getattribute__(self, name: str) -> object:
        found = super().__getattribute__(name)
        if name.startswith("_") or name in ("broken", "before"):
            return found
        if name in self.broken:
            raise BoardAway(f"{name} fails")
        if self.before is not None:
            self.before(name)
        return found


class Member:
    """One mount's part of it."""

    def __init__(self, wall: Wall, files: FakeFiles, clock: FakeClock, keys: FleetKeys, service: Service = SERVICE) -> None:
        self.files, self.clock = files, clock
        self.membership = Membership(service, "host:/mnt")
        self.board, self.counts = Shaky(wall, self.membership), Counts(clock)
        self.absence, self.stopping = Absence(clock, lambda: 5), threading.Event()
        self.admitted, self.began = True, 0
        self.jumped_ns = 0                      # this machine's wall clock, which the service's bounds follow at an answer
        self.notes = PageNotes(self.board, keys, self.membership, self.counts, clock, lambda: ServerClock(
            self.jumped_ns - SECOND_NS, self.jumped_ns + SECOND_NS))
        company = Company(self.board, self.notes, self.membership, self.absence, self.counts, clock, self.stopping,
                          lambda _, *, first: self.admitted)
        self.news = SharedListing(files, company, NEWS, self.absence.refresh_s)
        self.sweeps = SharedListing(files, company, SWEEP, self.absence.sweep_s, self._begin)

    def _begin(self) -> None:
        self.began += 1

    def join(self, named: Workspace = NAMED) -> "Member":
        self.membership.join(named)
        return self

    def ask(self, age_s: float = 10.0, limit: int = 30, cursor: Cursor | None = None, *, sweep: bool = False) -> tuple[Page, int]:
        """A page of that age at most, and how many requests it cost."""
        before = len(self.files.asked)
        listing = self.sweeps if sweep else self.news
        page = listing.since(self.clock.now_s() - age_s).list(limit, cursor)
        return page, len(self.files.asked) - before


class Party:
    """The members, of whom some have joined."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.clock.advance(1000)
        self.files, self.wall = Dated(self.clock), Wall(self.clock)
        self.files.generate("a", b"a")
        self.keys = FleetKeys([bytes(32)])
        self.one, self.other = self.member().join(), self.member().join()

    def member(self, keys: FleetKeys | None = None, service: Service = SERVICE) -> Member:
        return Member(self.wall, self.files, self.clock, keys or self.keys, service)

    def body(self) -> tuple[str, bytes]:
        """Where the only page stands, and its body."""
        ((_, name), (written, _)), = self.wall.pages.items()
        return name, written.body

    def lie(self, body: bytes) -> None:
        """The only page has that body, and is as young as can be."""
        (key, (written, _)), = self.wall.pages.items()
        self.wall.pages[key] = replace(written, body=body, at_s=self.clock.now_s()), self.one.board.now()


