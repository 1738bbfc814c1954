"""What is deleted on the server: never the old before the new is there, and never twice."""

from anthrofs.model import ROOT, FileId, StageId
from anthrofs.tree.database import Database
from anthrofs.tree.deletion_queue import TOMBSTONE_NS
from anthrofs.tree.lookups import Lookups
from anthrofs.tree.mirror import Mirror
from anthrofs.tree.upload_queue import Step
from tests.fakes import EPOCH_NS
from tests.unit.tree.mirrored import remote, stored

# ---- the deletion queue

def test_new_before_old_is_gone(db: Database, lookups: Lookups, mirror: Mirror) -> None:
    old, new, other = remote(1), remote(2, downloadable=False), remote(9, "other.txt")
    with db.transaction() as tx:
        node_id = tx.nodes.create(ROOT, "a.txt", 0o644, EPOCH_NS, "a.txt")
        tx.nodes.promise(node_id, StageId(1), 3, EPOCH_NS, "a.txt", sealed=True)
        tx.deletions.doom(old)
        tx.deletions.doom(other)

        assert tx.deletions.deletable() == [other.file_id]
        tx.uploads.attempt(node_id, StageId(1), 3)
        for step in (Step.SEND, Step.REFUSED):          # a refused save protects the old file, too
            attempt = tx.uploads.of(node_id)
            assert attempt is not None
            tx.uploads.step(attempt, step)
            assert tx.deletions.deletable() == [other.file_id]

        stored(tx, mirror, node_id, new)
        assert tx.deletions.deletable() == [old.file_id, other.file_id]


def test_a_name_that_stays_local_protects_nothing(db: Database, lookups: Lookups) -> None:
    with db.transaction() as tx:
        node_id = tx.nodes.create(ROOT, "a.txt~", 0o644, EPOCH_NS, None)
        tx.nodes.promise(node_id, StageId(1), 3, EPOCH_NS, None, sealed=True)
        tx.deletions.doom(remote(1))

        assert tx.deletions.deletable() == ["file_1"]


def test_a_deleted_id_leaves_a_tombstone_for_a_while(db: Database) -> None:
    first, second = FileId("file_1"), FileId("file_2")
    with db.transaction() as tx:
        tx.deletions.doom(remote(1))
        tx.deletions.doom(remote(2))
        tx.deletions.not_deleted(first, "no")
        assert tx.deletions.is_doomed(first)

        tx.deletions.deleted(first, EPOCH_NS)
        assert tx.deletions.is_doomed(first)
        assert tx.deletions.deletable() == [second]
        tx.deletions.doom(remote(1))                 # a lagging listing must not have it deleted twice
        assert tx.deletions.deletable() == [second]

        tx.deletions.deleted(second, EPOCH_NS + TOMBSTONE_NS + 1)
        tx.deletions.forget_old(EPOCH_NS + TOMBSTONE_NS)
        assert tx.deletions.is_doomed(first)
        tx.deletions.forget_old(EPOCH_NS + TOMBSTONE_NS + 1)
        assert not tx.deletions.is_doomed(first)
        assert tx.deletions.is_doomed(second)
        assert tx.deletions.every() == []


# ---- whose files a state mirrors

def test_what_is_being_deleted_in_this_moment_is_not_reprieved(db: Database) -> None:
    older, newer = remote(1, age_s=1000), remote(2, age_s=10)
    with db.transaction() as tx:
        tx.deletions.doom(older)
        tx.deletions.doom(newer)
        assert tx.deletions.begin(newer.file_id)
        assert tx.deletions.reprieve("a.txt") == older
        assert tx.deletions.reprieve("a.txt") is None
        assert tx.deletions.is_name_doomed("a.txt")
        assert not tx.deletions.begin(older.file_id)

        tx.deletions.ended(newer.file_id)          # it was refused
        assert tx.deletions.reprieve("a.txt") == newer
        assert not tx.deletions.is_name_doomed("a.txt")
