"""Copies of own uploads: which of them may go, and that no other does. The service gives an upload back to nobody."""

from pathlib import Path

import pytest

from anthrofs.model import ROOT, FileId, NodeId, StageId
from anthrofs.store.block_cache import BlockCache
from anthrofs.store.disk import Disk
from anthrofs.tree import intents
from anthrofs.tree.database import Database
from anthrofs.tree.kept_copies import KeptCopies
from anthrofs.tree.mirror import Mirror
from anthrofs.tree.open_table import OpenTable
from tests.fakes import EPOCH_NS
from tests.unit.tree.mirrored import remote, stored

SIZE = 10


class Kept:
    """A few uploads, each with its copy."""

    def __init__(self, base: Path, db: Database, mirror: Mirror, most_bytes: int | None = None) -> None:
        self.db, self.mirror, self.base = db, mirror, base
        self.handles, disk = OpenTable(), Disk()
        self.cache = BlockCache(base, disk)
        self.cache.start()
        self.copies = KeptCopies(db, self.cache, self.handles, disk, base, most_bytes, 0)

    def upload(self, number: int) -> NodeId:
        file, stage = remote(number, f"{number}.txt", size_bytes=SIZE, downloadable=False), self.base / f"stage {number}"
        stage.write_bytes(b"x" * SIZE)
        assert self.copies.adopt(file.name, file.file_id, stage)
        stage.unlink()
        with self.db.transaction() as tx:
            node_id = tx.nodes.create(ROOT, file.name, 0o644, EPOCH_NS, file.name)
            tx.nodes.promise(node_id, StageId(1), SIZE, EPOCH_NS, file.name, sealed=True)
        with self.db.transaction() as tx:
            stored(tx, self.mirror, node_id, file)
            going = self.copies.stored(tx, file.file_id, lasts=True)
        self.copies.remove(going)
        return node_id

    def give_up(self, node_id: NodeId) -> bool:
        with self.db.transaction() as tx:
            node = tx.nodes.node(node_id)
            gone = self.copies.give_up(tx, node)
        if gone:
            assert node.remote is not None
            self.copies.remove([node.remote.file_id])
        return gone

    def here(self, *numbers: int) -> list[bool]:
        return [self.cache.has_kept(FileId(f"file_{number}")) for number in numbers]


@pytest.fixture
def kept(tmp_path: Path, db: Database, mirror: Mirror) -> Kept:
    return Kept(tmp_path, db, mirror)


def test_a_copy_that_only_makes_a_file_readable_may_be_given_up(kept: Kept) -> None:
    node_id = kept.upload(1)
    assert (kept.here(1), kept.copies.without()) == ([True], 0)
    assert kept.give_up(node_id)
    assert (kept.here(1), kept.copies.without()) == ([False], 1)
    with kept.db.transaction() as tx:
        tx.shares.found([FileId("file_1")])
    assert kept.copies.without() == 0           # the store of a fleet has it
    assert not kept.give_up(node_id)


def test_a_copy_that_is_to_be_sent_again_stays(kept: Kept) -> None:
    """Renamed, it is the only thing that the new name can be made of."""
    node_id = kept.upload(1)
    with kept.db.transaction() as tx:
        intents.want(tx, tx.nodes.node(node_id), "new.txt")
    assert not kept.give_up(node_id)
    assert kept.here(1) == [True]


def test_a_copy_that_a_backup_will_live_on_stays(kept: Kept) -> None:
    node_id = kept.upload(1)
    with kept.db.transaction() as tx:
        intents.want(tx, tx.nodes.node(node_id), None)
    assert not kept.give_up(node_id)


def test_a_copy_that_waits_for_its_deletion_goes_with_that(kept: Kept) -> None:
    """Its name may get it back until then."""
    node_id = kept.upload(1)
    with kept.db.transaction() as tx:
        node = tx.nodes.node(node_id)
        assert node.remote is not None
        tx.deletions.doom(node.remote)
    assert not kept.give_up(node_id)


def test_a_copy_stays_while_somebody_has_its_file_open(kept: Kept) -> None:
    node_id = kept.upload(1)
    handle = kept.handles.open(node_id, reads=True, writes=False, process=1)
    assert not kept.give_up(node_id)
    kept.handles.close(handle)
    kept.handles.forget(handle.content)
    assert kept.give_up(node_id)


def test_above_the_bound_the_oldest_go_that_may(tmp_path: Path, db: Database, mirror: Mirror) -> None:
    kept = Kept(tmp_path, db, mirror, most_bytes=2 * SIZE)
    first = kept.upload(1)
    kept.handles.open(first, reads=True, writes=False, process=1)
    second = kept.upload(2)
    with db.transaction() as tx:
        intents.want(tx, tx.nodes.node(second), "renamed.txt")
    kept.upload(3)
    assert kept.here(1, 2, 3) == [True, True, False]        # the bound gives way to what is needed
    with db.transaction() as tx:
        intents.want(tx, tx.nodes.node(second), "2.txt")
    kept.upload(4)
    assert kept.here(1, 2, 3, 4) == [True, False, False, True]


def test_what_a_kill_has_cut_is_finished_by_the_next_start(kept: Kept) -> None:
    node_id = kept.upload(1)
    with kept.db.transaction() as tx:
        assert kept.copies.give_up(tx, tx.nodes.node(node_id))
    assert kept.here(1) == [True]                           # killed before the file was removed
    kept.copies.start()
    assert (kept.here(1), kept.copies.without()) == ([False], 1)
