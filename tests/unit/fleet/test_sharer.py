"""What is owed to the store is done, in turn, however the store is; and nothing else is."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from anthrofs.errors import StoreAway
from anthrofs.fleet.counts import Counts
from anthrofs.fleet.keys import SECRET_BYTES, FleetKeys
from anthrofs.fleet.membership import Scope
from anthrofs.fleet.objects import objects_of
from anthrofs.fleet.sharer import FIRST_S, LONGEST_S, REFUSED_S, Sharer
from anthrofs.fleet.shelf import Shelf
from anthrofs.fs.kernel_cache import Surprises
from anthrofs.model import ROOT, FileId, StageId
from anthrofs.store.block_cache import BlockCache
from anthrofs.store.disk import Disk
from anthrofs.tree.database import Database
from anthrofs.tree.kept_copies import KeptCopies
from anthrofs.tree.mirror import Mirror
from anthrofs.tree.open_table import OpenTable
from anthrofs.tree.shares import WITHDRAW_NS, Task
from tests.fakes import EPOCH_NS, FakeClock
from tests.fleet.memory_objects import MemoryObjects
from tests.unit.tree.mirrored import NOBODY, remote, stored

KEYS = FleetKeys([bytes(SECRET_BYTES)])


class House:
    """A mount's rows and copies, a store in memory, and a sharer without its threads."""

    def __init__(self, base: Path, most_bytes: int | None = None) -> None:
        base.mkdir(exist_ok=True)
        self.base, self.clock, self.objects = base, FakeClock(), MemoryObjects()
        self.db = Database(base / "state.db", clock=self.clock)
        self.cache = BlockCache(base, Disk(), 10**9)
        self.cache.start()
        self.mirror = Mirror(Surprises(self.clock, 10), "tree")
        self.copies = KeptCopies(self.db, self.cache, OpenTable(), Disk(), base, most_bytes, 0)
        self.scope: Scope | None = Scope("organization", "workspace")
        self.shelf, self.put = Shelf(self.objects, KEYS, lambda: self.scope), list[FileId]()
        self.wrong = set[FileId]()      # reads have seen something else in its place
        self.sharer = self.new_sharer()

    def new_sharer(self) -> Sharer:
        return Sharer(self.db, self.mirror, self.cache, self.copies, self.shelf, lambda: self.scope is not None, self.clock,
                      Counts(self.clock), self.put.append, self.wrong.__contains__)

    def upload(self, number: int, content: bytes) -> FileId:
        """The service has it, from here."""
        file, stage = remote(number, f"{number}.txt", size_bytes=len(content), downloadable=False), self.base / f"stage {number}"
        stage.write_bytes(content)
        assert self.copies.adopt(file.name, file.file_id, stage)
        stage.unlink()
        self.cache.verify(file.file_id)
        with self.db.transaction(durable=True) as tx:
            node_id = tx.nodes.create(ROOT, file.name, 0o644, EPOCH_NS, file.name)
            tx.nodes.promise(node_id, StageId(1), len(content), EPOCH_NS, file.name, sealed=True)
            stored(tx, self.mirror, node_id, file)
            tx.shares.owe(file.file_id, len(content))
            going = self.copies.stored(tx, file.file_id, lasts=True)
        self.copies.remove(going)
        return file.file_id

    def listed(self, number: int, content: bytes | None = None) -> FileId:
        """A listing shows a generated file, of which the cache has all."""
        file = remote(number, f"{number}.txt", size_bytes=len(content or b""))
        with self.db.transaction() as tx:
            self.mirror.show(tx, file, 1, NOBODY)
        if content:
            self.cache.put(file.file_id, 0, [content])
        return file.file_id

    def end(self, file_id: FileId) -> None:
        """The user has removed it, and the service has deleted it."""
        with self.db.transaction() as tx:
            self.mirror.vanished(tx, file_id, NOBODY)
            tx.shares.ended(file_id, withdraw=True)

    def work(self) -> float | None:
        """All that can be done now. Returns how long there is nothing then."""
        for _ in range(100):
            worked, wait_s = self.sharer.step()
            if not worked:
                return wait_s
        raise AssertionError("it finds no end")

    def there(self, file_id: FileId) -> bytes | None:
        """What the store has of it."""
        return self.shelf.chunk(file_id, 0).data if self.shelf.has(file_id) else None

    def owed(self) -> list[tuple[str, str]]:
        with self.db.reading() as tx:
            return tx.all("SELECT file_id, task FROM share ORDER BY rowid")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    one = House(tmp_path)
    yield one
    one.db.close()


def test_an_upload_is_put_and_known_to_be_there(house: House) -> None:
    one = house.upload(1, b"by A\n")
    assert house.sharer.left() == [{"path": "1.txt", "bytes": 5, "state": "not in the fleet's store yet"}]
    assert house.work() is None
    assert (house.there(one), house.put, house.owed(), house.sharer.left()) == (b"by A\n", [one], [], [])
    with house.db.reading() as tx:
        assert tx.shares.has(one)


def test_nothing_is_asked_before_the_workspace_is_known(house: House) -> None:
    house.scope, scope = None, house.scope
    house.upload(1, b"by A\n")
    assert house.work() is None
    assert not house.objects.asked
    house.scope = scope
    house.work()
    assert house.put


def test_while_the_store_is_away_pauses_double_up_to_a_minute_and_a_person_ends_them(house: House) -> None:
    def away(*_: str) -> None:
        raise StoreAway("no answer")

    one, house.objects.mishap = house.upload(1, b"by A\n"), away
    waits = []
    for _ in range(6):
        waits.append(house.work())
        house.clock.advance(waits[-1] or 0)
    assert waits == [FIRST_S, 2 * FIRST_S, 4 * FIRST_S, 8 * FIRST_S, LONGEST_S, LONGEST_S]
    assert house.sharer.reason() == "no answer"
    assert house.sharer.left()[0]["state"] == "not in the fleet's store yet: no answer"
    house.work()
    house.objects.mishap = lambda *_: None
    house.sharer.hurry()
    assert house.work() is None
    assert (house.there(one), house.sharer.reason()) == (b"by A\n", "")


def test_what_the_store_refuses_lets_others_have_their_turns(house: House) -> None:
    one, two = house.upload(1, b"one"), house.upload(2, b"two")
    house.objects.refuses = "no room"
    assert house.work() == FIRST_S
    house.objects.refuses = ""
    house.clock.advance(FIRST_S)
    assert house.work() == REFUSED_S - FIRST_S
    assert (house.there(one), house.there(two)) == (None, b"two")
    assert [entry["state"] for entry in house.sharer.left()] == ["not in the fleet's store yet: no room"]      # whatever it takes of others
    house.clock.advance(REFUSED_S)
    house.work()
    assert house.there(one) == b"one"
    assert house.sharer.left() == []


def test_what_the_store_refuses_of_one_file_doesnt_stop_the_others(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """In a directory something else stands in its place. Status doesn't say that the store takes nothing."""
    house, clock = House(tmp_path / "house"), FakeClock()
    store = tmp_path / "store"
    store.mkdir()
    objects = objects_of(f"file://{store}", clock)
    house.shelf = Shelf(objects, KEYS, lambda: house.scope)
    house.sharer = house.new_sharer()
    one, two = house.upload(1, b"one"), house.upload(2, b"two")
    in_the_way = store / house.shelf.place(one, 0)
    in_the_way.mkdir(parents=True)
    assert house.work() == REFUSED_S
    assert (house.there(one), house.there(two)) == (None, b"two")
    assert [entry["state"] for entry in house.sharer.left()] == [f"not in the fleet's store yet: {in_the_way} is in the way, and no mount's: remove it"]
    assert (house.sharer.reason(), objects.facts()["refused"]) == ("", None)
    assert [record.message for record in caplog.records] == [f"the store can't get 1.txt: {in_the_way} is in the way, and no mount's: remove it"]
    in_the_way.rmdir()
    house.sharer.hurry()
    house.work()
    assert house.there(one) == b"one"
    house.db.close()


def test_what_the_store_has_refused_an_earlier_mount_is_put_at_once(house: House) -> None:
    one = house.upload(1, b"one")
    house.objects.refuses = "no room"
    house.work()
    house.objects.refuses = ""
    house.sharer = house.new_sharer()
    house.sharer.begin()
    house.work()
    assert house.there(one) == b"one"


def test_own_uploads_go_before_what_was_downloaded_and_over_whatever_is_there(house: House) -> None:
    fetched, own = house.listed(1, b"generated"), house.upload(2, b"own")
    house.sharer.fetched(fetched, 9)
    house.shelf.put(own, 5, lambda *_: b"wrong", create=False)
    house.work()
    assert house.put == [own, fetched]
    assert (house.there(own), house.there(fetched)) == (b"own", b"generated")


def test_what_was_downloaded_is_put_only_if_it_is_not_there_and_the_service_gives_it_out(house: House) -> None:
    one, two = house.listed(1, b"generated"), house.upload(2, b"own")
    house.work()
    house.shelf.put(one, 9, lambda *_: b"generated", create=False)
    house.objects.asked.clear()
    house.sharer.fetched(one, 9)
    house.sharer.fetched(two, 3)
    house.sharer.fetched(FileId("unknown"), 3)
    house.work()
    assert (house.objects.asked["put"], house.objects.asked["has"]) == (0, 1)


def test_what_is_wrong_in_the_store_is_put_over_by_who_has_it_right(house: House) -> None:
    one = house.listed(1, b"generated")
    house.shelf.put(one, 9, lambda *_: b"generated", create=False)
    [path] = house.objects.bodies
    house.objects.bodies[path] = house.objects.bodies[path][:-1] + b"\0"
    house.wrong.add(one)
    house.sharer.fetched(one, 9)
    house.work()
    assert house.there(one) == b"generated"


def test_what_the_cache_has_let_go_is_owed_no_more(house: House) -> None:
    one = house.listed(1, b"generated")
    house.sharer.fetched(one, 9)
    house.cache.drop_blocks(one)
    assert house.work() is None
    assert (house.owed(), house.objects.bodies) == ([], {})


def test_a_copy_that_is_damaged_is_said_so_and_never_put(house: House, caplog: pytest.LogCaptureFixture) -> None:
    one = house.upload(1, b"by A\n")
    house.cache.kept_path(one).write_bytes(b"by B\n")
    house.work()
    assert house.objects.bodies == {}
    assert "the copy of 1.txt that was kept on this machine is damaged" in caplog.text
    assert house.owed() == []


def test_the_copies_that_a_bound_gives_up_go_when_the_store_has_them(tmp_path: Path) -> None:
    house = House(tmp_path, most_bytes=0)
    one, two = house.upload(1, b"one"), house.upload(2, b"two")
    house.sharer.step()
    assert [house.cache.has_kept(each) for each in (one, two)] == [False, True]
    house.work()
    assert [house.cache.has_kept(each) for each in (one, two)] == [False, False]
    assert [house.there(each) for each in (one, two)] == [b"one", b"two"]
    house.db.close()


def test_what_was_deleted_is_withdrawn_ten_minutes_later_and_not_if_it_is_listed_again(house: House) -> None:
    one, two = house.upload(1, b"one"), house.upload(2, b"two")
    house.work()
    for each in (one, two):
        house.end(each)
    assert house.work() == WITHDRAW_NS / 1e9
    house.clock.advance(WITHDRAW_NS / 1e9)
    with house.db.transaction() as tx:
        house.mirror.show(tx, remote(2, "2.txt", size_bytes=3, downloadable=False), 2, NOBODY)
    house.work()
    assert (house.there(one), house.there(two), house.owed()) == (None, b"two", [])
    assert house.shelf.place(two, 0) not in house.objects.removed


@pytest.mark.parametrize("before", ["owed", "put", "doubted"])
def test_an_upload_that_a_listing_lacked_for_a_while_is_owed_again_unless_it_is_doubted(house: House, before: str) -> None:
    """Else nobody would ever put it there, and nobody say so."""
    one = house.upload(1, b"one")
    if before == "put":
        house.work()
    elif before == "doubted":
        with house.db.transaction() as tx:
            tx.run("DELETE FROM share")
            tx.shares.owe(one, 3, Task.DOUBTED)
    with house.db.transaction() as tx:
        house.mirror.vanished(tx, one, NOBODY)
    with house.db.transaction() as tx:
        house.mirror.show(tx, remote(1, "1.txt", size_bytes=3, downloadable=False), 2, NOBODY)
    house.clock.advance(WITHDRAW_NS / 1e9)
    house.work()
    assert (house.there(one), house.owed()) == ((None, [(one, "doubted")]) if before == "doubted" else (b"one", []))
    assert house.sharer.left() == []
    with house.db.reading() as tx:
        assert tx.shares.has(one) == (before != "doubted")


def test_an_upload_that_is_removed_while_it_is_put_is_withdrawn_all_the_same(house: House) -> None:
    one, calls = house.upload(1, b"one"), itertools.count()

    def removed(call: str, _: str) -> None:
        if call == "put" and not next(calls):
            house.end(one)

    house.objects.mishap = removed
    assert house.work() == WITHDRAW_NS / 1e9
    assert (house.put, house.owed()) == ([], [(one, Task.WITHDRAW.value)])
    house.clock.advance(WITHDRAW_NS / 1e9)
    house.work()
    assert house.objects.bodies == {}


def test_what_is_doomed_is_not_put_and_is_when_it_is_wanted_again(house: House) -> None:
    one = house.upload(1, b"one")
    with house.db.transaction() as tx:
        node = tx.nodes.holder(one)
        assert node.remote is not None
        tx.deletions.doom(node.remote)
    assert house.work() is None
    assert (house.there(one), house.sharer.left()) == (None, [])
    with house.db.transaction() as tx:
        assert tx.deletions.reprieve("1.txt") is not None
    house.work()
    assert house.there(one) == b"one"


def test_what_the_store_has_lost_is_owed_again_if_its_copy_is_here(house: House) -> None:
    one = house.upload(1, b"one")
    house.work()
    house.objects.bodies.clear()
    assert house.sharer.share_all() == {"files": 1, "bytes": 3}
    house.work()
    assert house.there(one) == b"one"
    assert house.sharer.share_all() == {"files": 0, "bytes": 0}


def test_another_store_gets_what_is_still_owed_and_nothing_of_the_old_one_is_believed(house: House) -> None:
    one, two = house.upload(1, b"one"), house.upload(2, b"two")
    with house.db.transaction() as tx:
        tx.shares.begin("s3://one")
        tx.shares.found([one])
    with house.db.transaction() as tx:
        tx.shares.begin("s3://one")
        assert tx.shares.has(one)
        tx.shares.begin("s3://two")
        assert not tx.shares.has(one)
    assert house.owed() == [(two, "own")]


def test_what_may_be_somebody_elses_is_never_put_whatever_becomes_of_it(house: House) -> None:
    """A mount that took another's upload for its own lost one would put its bytes there in the other's name."""
    one = house.upload(1, b"one")
    with house.db.transaction() as tx:
        tx.run("DELETE FROM share")
        tx.shares.owe(one, 3, Task.DOUBTED)
    house.work()
    house.sharer.share_all()
    for step in ("owe", "found", "missed"):
        with house.db.transaction() as tx:
            {"owe": lambda: tx.shares.owe(one, 3), "found": lambda: tx.shares.found([one]), "missed": lambda: tx.shares.missed(one)}[step]()
        house.work()
    assert (house.objects.bodies, house.owed(), house.sharer.left()) == ({}, [(one, "doubted")], [])
    house.end(one)
    assert house.owed() == [(one, "withdraw")]


def test_who_waits_is_not_told_of_a_failure_that_has_passed_while_a_big_file_is_put(house: House) -> None:
    """A drain gives up early what can't come."""
    reasons = list[str]()
    house.objects.refuses = "no room"
    house.upload(1, b"one")
    house.work()
    assert "no room" in house.sharer.reason()
    house.objects.refuses, house.objects.mishap = "", lambda *_: reasons.append(house.sharer.reason())
    house.sharer.hurry()
    house.work()
    assert (reasons, house.owed()) == ([""], [])
