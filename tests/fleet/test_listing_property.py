"""Three mounts of one listing, a board that goes away, forgets and repeats itself, members and strangers that upload and delete: what is on
the server never goes from a mount, what has gone from it never comes back, and in the end all are alike.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pytest

from anthrofs.errors import RemoteError
from anthrofs.fleet.board import Moment
from anthrofs.fleet.keys import FleetKeys
from anthrofs.fleet.shared_listing import NEWS, SWEEP, Company, SharedListing
from anthrofs.model import FileId
from anthrofs.sync import news, scan, sweeper
from tests.fakes import FakeClock
from tests.memory_board import Wall, Written
from tests.unit.fleet.party import Dated, Member
from tests.unit.sync.parts import PAGE, State

STEPS: Final = 250
MOUNTS: Final = 3


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (scan, news, sweeper):
        monkeypatch.setattr(module, "PAGE_FILES", PAGE)
    monkeypatch.setattr(news, "NEWS_FILES", 3)


class Sharing(State):
    """One mount's tree, whose pages may be the others'."""

    def __init__(self, path: Path, files: Dated, clock: FakeClock, wall: Wall, keys: FleetKeys) -> None:
        self._wall, self._keys = wall, keys
        self.seen, self.dropped = set[str](), set[str]()
        super().__init__(path, files, clock)

    def mount(self) -> None:
        super().mount()
        self.member = Member(self._wall, self.files, self.clock, self._keys)
        member = self.member
        company = Company(member.board, member.notes, member.membership, member.absence, member.counts, self.clock, member.stopping,
                          self.merge.merged.admits)
        self.news._listings = SharedListing(self.files, company, NEWS, lambda own_s: own_s)
        self.sweeper._listings = SharedListing(self.files, company, SWEEP, lambda own_s: own_s)

    def _recognized(self) -> None:
        self.member.join()

    def check(self, there: set[str], words: str) -> None:
        shown = self.shown()
        went = self.seen - shown
        assert not went & there, f"{words}: {self.path.name} lost what is there"
        self.dropped |= went
        assert not shown & self.dropped, f"{words}: what had gone came back to {self.path.name}"
        self.seen = shown


class World:
    def __init__(self, base: Path, chance: random.Random) -> None:
        self.chance, self.clock = chance, FakeClock()
        self.clock.advance(10_000)
        self.files, self.wall, self.keys = Dated(self.clock), Wall(self.clock), FleetKeys([bytes(32)])
        self.files.took_s = 0.05
        for number in range(35):
            self.files.generate(f"{number}", b"!")
        self.mounts = [Sharing(base / f"{number}.db", self.files, self.clock, self.wall, self.keys) for number in range(MOUNTS)]
        self.late = list[tuple[Sharing, FileId]]()          # deletions that are announced later
        self.old = list[tuple[Any, Written, Moment]]()      # what the board had once
        for mount in self.mounts:
            mount.refresher.first(lambda _: None)
            mount.refresher.look()

    def step(self) -> str:
        mount = self.chance.choice(self.mounts)
        name = self.chance.choices(
            ["passes", "refresh", "sweep", "asked", "generate", "vanish", "stored", "deleted", "hears", "forget", "away", "back", "remount", "lie"],
            [30, 40, 30, 4, 12, 12, 10, 10, 10, 1, 2, 6, 1, 6])[0]
        with suppress(RemoteError):
            getattr(self, f"_{name}")(mount)
        self.old += [(key, *note) for key, note in self.wall.pages.items()][-2:]
        there = set[str](file.file_id for file in self.files.files)
        for each in self.mounts:
            each.check(there, name)
        return name

    def _passes(self, _: Sharing) -> None:
        self.clock.advance(self.chance.choice([0.1, 1, 3, 8, 40]))

    def _refresh(self, mount: Sharing) -> None:
        mount.refresher.look()
        mount.refresher.step()

    def _asked(self, mount: Sharing) -> None:
        before = len(self.files.asked)
        mount.refresher.ask()
        mount.refresher.step()
        assert len(self.files.asked) > before
        # Whoever asks sees at least all that is new.
        assert {file.file_id for file in self.files.files} <= mount.shown()

    def _sweep(self, mount: Sharing) -> None:
        mount.sweeper.step()

    def _generate(self, _: Sharing) -> None:
        for _number in range(self.chance.randrange(1, 4)):
            self.files.generate("new", b"!")

    def _vanish(self, _: Sharing) -> None:
        self.files.vanish(self.chance.choice(self.files.files).file_id)

    def _stored(self, mount: Sharing) -> None:
        file = self.files.generate("told", b"!", downloadable=False)
        for other in self.mounts:
            if other is not mount and self.chance.random() < 0.8:
                other.news.told([file], [])

    def _deleted(self, mount: Sharing) -> None:
        file = self.chance.choice(self.files.files)
        self.files.vanish(file.file_id)
        self.late += [(other, file.file_id) for other in self.mounts if other is not mount]

    def _hears(self, _: Sharing) -> None:
        for mount, file_id in self.late:
            mount.news.told([], [file_id])
        self.late.clear()

    def _forget(self, _: Sharing) -> None:
        self.wall.forget()

    def _away(self, _: Sharing) -> None:
        self.wall.away = "away"

    def _back(self, _: Sharing) -> None:
        self.wall.away = ""

    def _remount(self, mount: Sharing) -> None:
        self.late = [each for each in self.late if each[0] is not mount]
        mount.remount()
        mount.refresher.look()
        mount.refresher.step()

    def _lie(self, _: Sharing) -> None:
        """What stood on the board once stands there again, as if it had been asked for in this moment."""
        if self.old:
            key, written, _asked = self.chance.choice(self.old)
            self.wall.pages[key] = Written(written.body, self.clock.now_s(), 150.0), Moment(self.clock.time_ns() // 1000)


@contextmanager
def world(base: Path, chance: random.Random) -> Iterator[World]:
    made = World(base, chance)
    try:
        yield made
    finally:
        for mount in made.mounts:
            mount.db.close()


@pytest.mark.parametrize("seed", [*range(8), None])
def test_no_mount_ever_loses_what_is_there_or_shows_again_what_had_gone(tmp_path: Path, seed: int | None) -> None:
    seed = random.randrange(10**6) if seed is None else seed
    print("seed", seed)
    with world(tmp_path, random.Random(seed)) as one:
        for _ in range(STEPS):
            one.step()
        one.wall.away = ""
        one.clock.advance(1000)
        for mount in one.mounts:
            mount.refresher.ask()
            mount.refresher.step()
            mount.sweep()           # to the end of one that was begun before
            mount.sweep()
            assert mount.shown() == mount.on_server()
        spared = sum(mount.member.counts.of("spared") for mount in one.mounts)
        assert spared > 0
