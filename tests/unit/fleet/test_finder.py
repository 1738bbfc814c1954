"""Others' uploads are found in the store: by one listing if they are many, else by a few looks at each."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from anthrofs.errors import StoreAway, StoreRefuses
from anthrofs.fleet.finder import AWAY_S, LOOKS_S, MOST_HEADS, WANTED_S, Finder
from anthrofs.fleet.keys import SECRET_BYTES, FleetKeys
from anthrofs.fleet.membership import Scope
from anthrofs.fleet.shelf import Shelf
from anthrofs.fs.kernel_cache import Surprises
from anthrofs.model import FileId
from anthrofs.tree.database import Database
from anthrofs.tree.mirror import Mirror
from tests.fakes import FakeClock
from tests.fleet.memory_objects import MemoryObjects
from tests.unit.tree.mirrored import NOBODY, remote

KEYS = FleetKeys([bytes(SECRET_BYTES)])


class House:
    """A tree of others' uploads, a store in memory, and a finder without its thread."""

    def __init__(self, base: Path) -> None:
        self.clock, self.objects = FakeClock(), MemoryObjects()
        self.db = Database(base / "state.db", clock=self.clock)
        self.mirror = Mirror(Surprises(self.clock, 10), "tree")
        self.scope: Scope | None = Scope("organization", "workspace")
        self.shelf = Shelf(self.objects, KEYS, lambda: self.scope)
        self.finder = Finder(self.db, self.shelf, lambda: self.scope is not None, self.clock)

    def list(self, *numbers: int, downloadable: bool = False) -> list[FileId]:
        """Listings show these."""
        with self.db.transaction() as tx:
            for number in numbers:
                self.mirror.show(tx, remote(number, f"{number}.txt", downloadable=downloadable), 1, NOBODY)
        self.finder.wake()
        return [FileId(f"file_{number}") for number in numbers]

    def put(self, *file_ids: FileId) -> None:
        for file_id in file_ids:
            self.shelf.put(file_id, 3, lambda *_: b"abc", create=False)

    def steps(self, seconds: float) -> None:
        """All that comes within that time."""
        while (due_s := self.finder.due_s()) <= seconds:
            self.clock.advance(due_s)
            seconds -= due_s
            self.finder.step()
        self.clock.advance(seconds)

    def shared(self) -> set[FileId]:
        with self.db.reading() as tx:
            return {FileId(file_id) for (file_id,) in tx.all("SELECT file_id FROM shared")}

    def looks(self) -> int:
        return self.objects.asked["has"]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    one = House(tmp_path)
    yield one
    one.db.close()


def test_at_a_mount_one_listing_tells_of_many(house: House) -> None:
    many = house.list(*range(1, 200))
    house.put(*many[::2])
    house.objects.asked.clear()
    house.steps(0)
    assert house.shared() == set(many[::2])
    assert (house.objects.asked["list"], house.looks()) == (len(KEYS.ids), 0)


def test_a_new_upload_is_looked_for_a_few_times_and_no_more(house: House) -> None:
    house.steps(0)
    [one] = house.list(1)
    house.steps(LOOKS_S[-1] + 1)
    assert house.looks() == len(LOOKS_S)
    assert house.finder.due_s() == float("inf")
    house.put(one)
    house.finder.want(one)      # somebody tries to read it
    house.steps(0)
    assert house.shared() == {one}


def test_what_is_found_is_looked_for_no_more(house: House) -> None:
    house.steps(0)
    [one] = house.list(1)
    house.steps(1)
    house.put(one)
    house.steps(5)
    assert (house.shared(), house.looks()) == ({one}, 2)
    house.steps(LOOKS_S[-1])
    assert house.looks() == 2


def test_what_somebody_tries_to_read_again_and_again_is_looked_for_once_a_moment(house: House) -> None:
    [one] = house.list(1)
    house.steps(LOOKS_S[-1] + 1)
    before = house.looks()
    for _ in range(50):
        house.finder.want(one)
        house.steps(WANTED_S / 10)
    assert 5 <= house.looks() - before <= 6


def test_generated_files_and_what_is_shared_are_not_looked_for(house: House) -> None:
    house.list(1, 2, downloadable=True)
    with house.db.transaction() as tx:
        tx.shares.found([FileId("file_3")])
    house.list(3)
    house.steps(100)
    assert house.looks() == 0


def test_a_store_that_is_away_is_asked_again_and_nothing_is_forgotten(house: House) -> None:
    def away(*_: str) -> None:
        raise StoreAway("no answer")

    [one] = house.list(1)
    house.put(one)
    house.objects.mishap = away
    house.steps(3 * AWAY_S)
    house.objects.mishap = lambda *_: None
    house.steps(AWAY_S)
    assert house.shared() == {one}


def test_nothing_is_asked_before_the_workspace_is_known(house: House) -> None:
    house.scope = None
    house.list(1)
    assert house.finder.due_s() == float("inf")
    assert not house.objects.asked


def test_old_uploads_that_are_not_there_cost_one_listing_and_the_newest_a_few_looks(house: House) -> None:
    house.list(*range(1, 101))
    house.steps(10_000)
    assert house.objects.asked["list"] == 1
    assert house.looks() == MOST_HEADS * (len(LOOKS_S) - 1)


def test_what_is_missed_is_closed_again_and_looked_for(house: House) -> None:
    [one] = house.list(1)
    house.put(one)
    house.steps(0)
    assert house.finder.missed(one)
    assert not house.finder.missed(one)
    assert (house.shared(), house.finder.facts()) == (set(), {"readable": 0, "unreadable": 1})
    house.finder.want(one)
    house.steps(WANTED_S)
    assert (house.shared(), house.finder.facts()) == ({one}, {"readable": 1, "unreadable": 0})


def test_what_is_owed_from_here_is_not_taken_for_paid_because_others_say_so(house: House) -> None:
    """They may mean another store, or have said it before this one lost it: then nobody would put it there again."""
    one, two = house.list(1, 2)
    with house.db.transaction() as tx:
        tx.shares.owe(one, 3)
    house.finder.found([one, two])
    with house.db.reading() as tx:
        assert tx.shares.is_owed(one)
    assert house.shared() == {two}


def test_who_may_not_list_the_store_learns_of_what_is_new_and_of_what_is_wanted(house: House) -> None:
    def refused(call: str, _: str) -> None:
        if call == "list":
            raise StoreRefuses("it answered 403")

    many = house.list(*range(1, 100))
    house.put(*many)
    house.objects.mishap = refused
    house.steps(LOOKS_S[-1])
    assert house.shared() == set(many[-MOST_HEADS:])
    for file_id in (many[0], many[1]):
        house.finder.want(file_id)
    [new] = house.list(100)
    house.put(new)
    house.steps(WANTED_S)
    assert house.shared() == {many[0], many[1], *many[-MOST_HEADS:], new}
    assert house.finder.due_s() == float("inf")


def test_what_somebody_wants_is_looked_for_before_what_is_merely_new(house: House) -> None:
    def refused(call: str, _: str) -> None:
        if call == "list":
            raise StoreRefuses("it answered 403")

    [old] = house.list(1)
    house.steps(LOOKS_S[-1] + WANTED_S)
    house.objects.mishap = refused
    many = house.list(*range(2, 100))
    house.put(old, *many)
    house.finder.want(old)
    house.steps(0)
    assert house.shared() == {old, *many[1 - MOST_HEADS:]}
