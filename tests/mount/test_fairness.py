"""No kind of work starves another: deletions, renames and saves each have their share, whatever the load."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthrofs.clock import Clock
from anthrofs.errors import NoAnswer, RemoteError, Unavailable
from anthrofs.fs.kernel_cache import Surprises
from anthrofs.model import ROOT, FileId, NodeId
from anthrofs.remote.way import Way
from anthrofs.store.block_cache import BlockCache
from anthrofs.store.disk import Disk
from anthrofs.store.staging import Staging
from anthrofs.store.state_guard import Presence
from anthrofs.tree import intents
from anthrofs.tree.database import Database
from anthrofs.tree.deletion_queue import Place
from anthrofs.tree.fsck import problems
from anthrofs.tree.kept_copies import Keeping
from anthrofs.tree.mirror import Mirror
from anthrofs.tree.open_table import OpenTable
from anthrofs.tree.upload_queue import Step
from anthrofs.upload.deletion import FEW, LOOKED_AT, Deletion
from anthrofs.upload.shares import Shares
from anthrofs.upload.uploader import Uploader
from tests.fakes import EPOCH_NS, SECOND_NS, FakeClock, FakeFiles, law
from tests.mounting import Mount, wait_until


class House:
    """What is below the verbs, with an uploader that takes one piece of work when it is told to."""

    def __init__(self, root: Path, clock: Clock, files: FakeFiles) -> None:
        self.root, self.clock, self.files = root, clock, files
        disk, presence, surprises, self.handles = Disk(), Presence(), Surprises(clock, 10), OpenTable()
        self.staging = Staging(root / "staging", disk, 0)
        self.db = Database(root / "state.db", presence, clock, self.staging.remove)
        self.index = self.db.nodes
        self.mirror = Mirror(surprises, "tree")
        self.staging.start(set())
        self.cache = BlockCache(root, disk)
        self.cache.start()
        keeping = Keeping(self.db, self.cache, self.handles, disk, root, None, 0)
        self.uploader = Uploader(self.db, self.mirror, self.staging, self.cache, keeping, self.handles, files, files,
                                 clock, random.Random(1), presence, Way(clock), lambda: None, 300, holds_new=True)
        self.uploader.allow()

    def close(self) -> None:
        self.uploader.stop(1)
        self.db.close()

    # ---- what a user does

    def nodes(self) -> dict[str, NodeId]:
        found: dict[str, NodeId] = {}
        self.index.each_entry(ROOT, lambda name, node_id, _: found.update({name: node_id}))
        return found

    def save(self, name: str, content: bytes = b"content") -> NodeId:
        stage = self.staging.create()
        stage.write(content, 0)
        stage.close()
        with self.db.transaction() as tx:
            node_id = self.nodes().get(name) or tx.nodes.create(ROOT, name, 0o644, self.clock.time_ns(), name)
            tx.nodes.promise(node_id, stage.number, len(content), self.clock.time_ns(), name, sealed=True)
            tx.uploads.attempt(node_id, stage.number, len(content))
        self.uploader.promised(node_id)
        return node_id

    def rename(self, old: str, new: str) -> None:
        with self.db.transaction() as tx:
            node, there = self.index.entry(ROOT, old), self.nodes().get(new)
            if there is not None:
                intents.unlink(tx, self.index.node(there), self.clock.time_ns())
            tx.nodes.move(node.node_id, ROOT, new, self.clock.time_ns())
            intents.want(tx, node, new)

    def remove(self, name: str) -> None:
        with self.db.transaction() as tx:
            intents.unlink(tx, self.index.entry(ROOT, name), self.clock.time_ns())

    # ---- what the uploader does

    def work(self) -> bool:
        """One piece of it. False: there is none now."""
        work, _ = self.uploader._take()
        if work is not None:
            work()
        return work is not None

    def owed(self) -> int:
        with self.db.reading() as tx:
            return tx.deletions.count()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    clock = FakeClock()
    one = House(tmp_path, clock, FakeFiles(clock))
    yield one
    one.close()
    assert [line for line in problems(tmp_path) if "noted" in line or "missing" in line] == []


# ---- shares

@law
@given(st.lists(st.sampled_from([0.25, 0.5, 1.0, 3.0]), min_size=1, max_size=4), st.integers(0, 10**6))
def test_each_kind_has_its_share_of_any_stretch_of_time(shares: list[float], seed: int) -> None:
    chance, rounds = random.Random(seed), Shares[int]()
    for _ in range(chance.randrange(100)):              # kinds that had nothing to do have saved up nothing
        rounds.served(chance.choice(rounds.order(range(len(shares)))), chance.choice(shares))
    counts = [0] * len(shares)
    rounds.order(range(len(shares)))
    turns = 200
    for _ in range(turns):
        kind = rounds.order(range(len(shares)))[0]
        rounds.served(kind, shares[kind])
        counts[kind] += 1
    for kind, share in enumerate(shares):
        assert abs(counts[kind] - turns * share / sum(shares)) <= 12 * max(1.0, share)


def test_a_kind_that_had_nothing_to_do_for_long_does_not_shut_the_others_out() -> None:
    rounds = Shares[str]()
    for _ in range(1000):
        rounds.served("send", 1)
    order = []
    for _ in range(10):
        order.append(rounds.order(["send", "delete"])[0])
        rounds.served(order[-1], 1)
    assert order.count("delete") == 5


# ---- the order of deletions

def doom(house: House, *names: str) -> list[FileId]:
    files = [house.files.generate(name, b"x", downloadable=False) for name in names]
    with house.db.transaction() as tx:
        for file in files:
            tx.deletions.doom(file)
    return [file.file_id for file in files]


def test_of_a_name_that_is_still_to_be_sent_only_the_newest_stays_on_the_server(house: House) -> None:
    house.save("a")
    ids = doom(house, "a", "a", "a", "b")
    with house.db.reading() as tx:
        assert tx.deletions.deletable() == [*ids[:2], ids[3]]
        assert tx.deletions.reprieve("a") == house.files._known(ids[2])


def test_of_a_name_that_the_server_has_nothing_stays_of_what_was_there_before(house: House) -> None:
    node_id = house.save("a")
    house.clock.advance(2)                      # type: ignore[attr-defined]
    assert house.work()
    [old] = doom(house, "a")
    house.save("a", b"newer")
    with house.db.transaction() as tx:
        assert tx.deletions.deletable() == [old]
        attempt = tx.uploads.of(node_id)
        assert attempt is not None
        for step in (Step.SEND, Step.REFUSED):
            now = tx.uploads.of(node_id)
            assert now is not None
            tx.uploads.step(now, step)
            assert tx.deletions.deletable() == [old]


def deletion(house: House) -> Deletion:
    return house.uploader._deletion


def test_what_waits_for_its_replacement_hides_nothing_and_is_not_looked_through_each_time(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3 * LOOKED_AT):
        house.save(f"blocked {number}")
    doom(house, *(f"blocked {number}" for number in range(3 * LOOKED_AT)))
    [free] = doom(house, "free")
    looked_at: list[int] = []
    deletions = house.db._tx.deletions
    after = deletions.after

    def looks_at(place: Place, limit: int) -> list[tuple[Place, FileId, bool, bool]]:
        page = after(place, limit)
        looked_at.append(len(page))
        return page

    monkeypatch.setattr(deletions, "after", looks_at)
    with house.db.reading() as tx:
        looks = [deletion(house).look(tx, 10, briefly=True)[0] for _ in range(5)]
        assert looks == [[], [], [], [free], [free]]
        assert max(looked_at) <= LOOKED_AT
        assert len(looked_at) == 5
        tx.deletions.deleted(free, 1)
        assert deletion(house).look(tx, 10, briefly=False) == ([], None)        # once around, and not for ever
        assert len(looked_at) <= 11
        [another] = doom_in(house, "another")
        assert deletion(house).look(tx, 10, briefly=False)[0] == [another]      # what is new is found at once
        tx.deletions.deleted(another, 1)
        looked_at.clear()
        for _ in range(3):                                                      # not all of them again and again
            found, wait_s = deletion(house).look(tx, 10, briefly=False)
            assert (found, wait_s is not None and 0 < wait_s <= 1) == ([], True)
        assert len(looked_at) == 3
        house.clock.advance(1)                  # type: ignore[attr-defined]
        [freed] = doom_in(house, "blocked 0")
        deletion(house).look(tx, 10, briefly=False)
        assert len(looked_at) > 5
        assert freed not in tx.deletions.deletable()


def doom_in(house: House, name: str) -> list[FileId]:
    file = house.files.generate(name, b"x", downloadable=False)
    house.db._tx.deletions.doom(file)
    return [file.file_id]


def test_refused_deletions_hide_nothing_behind_them_and_are_tried_again(house: House) -> None:
    doom(house, *(f"{number}" for number in range(2 * LOOKED_AT)))
    house.files.fail("delete", *[Unavailable("no")] * (2 * LOOKED_AT))
    while house.work():
        pass
    assert house.owed() == 2 * LOOKED_AT
    [late] = doom(house, "late")
    assert house.work()
    assert late not in {file.file_id for file in house.files.files}
    assert not house.work()
    with house.db.reading() as tx:
        assert 0 < (deletion(house).look(tx, 10, briefly=False)[1] or 0) < 10
    house.clock.advance(10)                     # type: ignore[attr-defined]
    while house.work():
        pass
    assert house.owed() == 0
    assert house.files.files == []


def test_what_is_owed_and_since_when(house: House) -> None:
    with house.db.reading() as tx:
        assert (tx.deletions.count(), tx.deletions.since_ns()) == (0, None)
    doom(house, "a")
    house.clock.advance(100)                    # type: ignore[attr-defined]
    doom(house, "b", "c")
    with house.db.reading() as tx:
        assert (tx.deletions.count(), tx.deletions.since_ns()) == (3, EPOCH_NS)
    assert house.work()
    with house.db.reading() as tx:
        assert (tx.deletions.count(), tx.deletions.since_ns()) == (2, EPOCH_NS + 100 * SECOND_NS)


# ---- the invariant

@pytest.mark.parametrize(("seed", "names", "faults"), [(1, 120, 0.05), (2, 12, 0.05), (3, 120, 0.0), (4, 1, 0.0), (5, 40, 0.3)])
def test_the_server_never_has_more_than_twice_what_is_wanted_and_a_hundred_however_fast_saves_come(
        house: House, seed: int, names: int, faults: float) -> None:
    """Two things are done to the files for each piece of work that is done for the server, for 800 pieces."""
    chance = random.Random(seed)
    wanted = 0
    mishaps: list[tuple[RemoteError, bool]] = [
        (NoAnswer("cut"), True), (NoAnswer("cut"), False), (Unavailable("503", maybe_stored=False), False)]
    done: dict[str, int] = {}
    for number in range(800):
        for _ in range(2):
            name, what, there = f"{chance.randrange(names)}", chance.random(), house.nodes()
            if what < 0.6 or name not in there:
                house.save(name, b"%d" % number)
            elif what < 0.85:
                if (new := f"{chance.randrange(names)}") != name:
                    house.rename(name, new)
            else:
                house.remove(name)
        if chance.random() < faults:
            exc, after = chance.choice(mishaps)
            # An upload that is stored without an answer, and whose name goes meanwhile, is left there.
            house.files.fail("delete" if after else chance.choice(["upload", "delete"]), exc, after=after)
        house.clock.advance(chance.choice([0.0, 0.1, 1.5]))         # type: ignore[attr-defined]
        house.work()
        wanted = max(wanted, len(house.nodes()))
        assert len(house.files.files) <= 2 * wanted + 100, (number, house.owed())
    for operation, _ in house.files.asked:
        done[operation] = done.get(operation, 0) + 1
    assert done["upload"] > 200                     # and saves had their turn
    house.uploader.hurry()
    for _ in range(100):
        while house.work():
            pass
        house.clock.advance(61)                     # type: ignore[attr-defined]
    assert (house.owed(), sorted(file.name for file in house.files.files)) == (0, sorted(house.nodes()))
    assert len(list((house.root / "kept").iterdir())) == 2 * len(house.nodes())        # each with its map: a copy goes with its id
    assert house.uploader._turns._plans == {}
    assert house.uploader._deletion._later == {}


def test_many_removed_files_are_caught_up_with_while_saves_come(house: House) -> None:
    for number in range(400):
        house.save(f"{number}")
    house.uploader.hurry()
    while house.work():
        pass
    for number in range(400):
        house.remove(f"{number}")
    uploads = len(house.files.asked)
    for number in range(1000):
        house.save(f"new {number % 20}")
        house.clock.advance(2)                      # type: ignore[attr-defined]
        assert house.work()
    assert house.owed() <= 20 + FEW + 1
    assert [operation for operation, _ in house.files.asked[uploads:]].count("upload") > 250


def test_what_was_renamed_is_sent_while_saves_come(house: House) -> None:
    house.save("old")
    house.uploader.hurry()
    assert house.work()
    house.rename("old", "renamed")
    for number in range(100):
        house.save(f"{number}")
        house.save(f"{number + 1}")
        house.clock.advance(2)                      # type: ignore[attr-defined]
        assert house.work()
    assert "renamed" in {name for operation, name in house.files.asked if operation == "upload"}


# ---- on a mount

def test_a_steady_stream_of_saves_leaves_no_more_than_it_may(mount: Mount) -> None:
    """The queue is never empty, and one of twenty requests fails."""
    names, chance = [f"{number}.txt" for number in range(25)], random.Random(1)
    mount.expects("could not be deleted", "may have been stored by an earlier try", "not be refreshed", "can't be sent under its new name",
                  "was removed or renamed here before it was known")
    files = mount.mount("--upload", "queue", "--requests-per-minute", "100000")
    mount.emulator.switch(latency_ms=100)
    for number in range(20):
        mount.emulator.fault("any", {"kind": "status", "status": 503}, skip=20 * number)
        mount.emulator.fault("any", {"kind": "cut", "when": "before_commit"}, skip=20 * number + 10)
        mount.emulator.fault("delete", {"kind": "cut", "when": "after_commit"}, skip=10 * number)
    most = 0
    for number in range(400):
        if number > 30:
            wait_until(lambda: len(mount.status()["waiting"]) < 18, "the queue is short enough")
        name, what = files / chance.choice(names), chance.random()
        if what < 0.7 or not name.exists():
            name.write_bytes(b"%d" % number)
        elif what < 0.9:
            name.rename(files / chance.choice(names))
        else:
            name.unlink()
        if number % 10 == 0:
            most = max(most, len(mount.emulator.files()))
    assert most <= 2 * len(names) + 100
    asked = [request["operation"] for request in mount.emulator.requests()]
    assert asked.count("upload") > 150              # else it was no stream
    mount.emulator.clear_faults()
    mount.sync()
    assert mount.status()["owed"] == {"deletions": 0, "since": None}
    assert sorted(file["filename"] for file in mount.emulator.files()) == sorted(path.name for path in files.iterdir())
    assert mount.status()["kept_copies"] == len(list(files.iterdir()))
