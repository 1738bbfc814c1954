"""What a rename asks of the server, and what it costs here; and what libfuse hides, which is in doubt until a
replacement undoes it, or nothing has followed: then it was an unlink.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from anthrofs.errors import NotFound
from anthrofs.fs.kernel_cache import Surprises
from anthrofs.model import ROOT, FileId, NodeId, RemoteFile, StageId
from anthrofs.tree import intents
from anthrofs.tree.database import Database
from anthrofs.tree.lookups import Lookups
from anthrofs.tree.mirror import Mirror
from anthrofs.tree.open_table import OpenTable
from tests.fakes import EPOCH_NS, FakeClock, entries
from tests.unit.tree.mirrored import NOBODY, remote

FILE_ID = FileId("file_1")


class State:
    """One file, which the server has."""

    def __init__(self, path: Path) -> None:
        self.db, self.handles = Database(path), OpenTable()
        self.lookups = self.db.nodes
        with self.db.transaction() as tx:
            file = RemoteFile(FILE_ID, "a.txt", "text/plain", 3, EPOCH_NS, False)
            Mirror(Surprises(FakeClock(), 10), "tree").show(tx, file, 1, ())
        self.node_id = self.lookups.entry(ROOT, "a.txt").node_id

    def hide(self, *, by_libfuse: bool) -> None:
        with self.db.transaction() as tx:
            tx.nodes.hide(self.node_id, ".fuse_hidden0000000100000001", 1, by_libfuse=by_libfuse)

    def unhide(self) -> None:
        with self.db.transaction() as tx:
            tx.nodes.unhide(self.node_id)

    def settle(self) -> None:
        intents.unlink_hidden(self.db, self.handles, {self.node_id})

    def undecided(self) -> set[NodeId]:
        with self.db.reading() as tx:
            return {node.node_id for node in tx.nodes.hidden() if node.is_undecided}

    def doomed(self) -> bool:
        with self.db.reading() as tx:
            return tx.deletions.is_doomed(FILE_ID)

    def names(self) -> list[str]:
        return [name for name, _, _ in entries(self.lookups, ROOT)]


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    one = State(tmp_path / "state.db")
    yield one
    one.db.close()


def test_it_gets_its_name_back(state: State) -> None:
    state.hide(by_libfuse=True)
    assert (state.names(), state.undecided()) == ([], {state.node_id})
    state.unhide()
    state.settle()
    assert (state.names(), state.undecided(), state.doomed()) == (["a.txt"], set(), False)


def test_settled_it_is_unlinked_and_ends_at_its_last_release(state: State) -> None:
    handle = state.handles.open(state.node_id, reads=True, writes=False, process=1)
    state.hide(by_libfuse=True)
    state.settle()
    assert (state.undecided(), state.doomed()) == (set(), False)
    with pytest.raises(NotFound):
        state.unhide()
    assert state.handles.close(handle)
    assert state.handles.forget(handle.content)
    state.settle()
    assert state.doomed()
    with pytest.raises(NotFound):
        state.lookups.node(state.node_id)


def test_nobodys_hiding_but_libfuses_is_in_doubt(state: State) -> None:
    state.hide(by_libfuse=False)
    assert state.undecided() == set()
    with pytest.raises(NotFound):
        state.unhide()


# ---- a rename

def test_another_name_for_what_others_made_changes_one_row(db: Database, lookups: Lookups, mirror: Mirror) -> None:
    """The rename of a folder does this for each file in it, while the whole mount waits."""
    with db.transaction() as tx:
        mirror.show(tx, remote(1), 1, NOBODY)
        before = tx.one("SELECT total_changes()")[0]
        # To a name that stays here and back changes the totals, too.
        for wanted, changes in (("b.txt", 1), (None, 4), ("c.txt", 7)):
            intents.want(tx, lookups.holder(FileId("file_1")), wanted)
            node = lookups.holder(FileId("file_1"))
            assert (node.wanted, node.local, node.resend) == (wanted, wanted is None, False)
            assert tx.one("SELECT total_changes()")[0] - before == changes
            assert lookups.totals()[2] == (wanted is None)


def test_what_is_being_sent_stays_for_the_uploader_though_its_node_has_ended_before_the_last_release(tmp_path: Path) -> None:
    """A replacement takes the name just when the last handle of the old file goes: the node ends by the one, its stage is the other's."""
    discarded: list[StageId] = []
    db = Database(tmp_path / "state.db", discard=discarded.append)
    with db.transaction() as tx:
        node_id = tx.nodes.create(ROOT, "a.txt", 0o644, 1, "a.txt")
        tx.nodes.promise(node_id, StageId(7), 3, 1, "a.txt", sealed=True)
        tx.uploads.attempt(node_id, StageId(7), 3)
        attempt = tx.uploads.of(node_id)
        assert attempt is not None
        tx.uploads.send(attempt, "a.txt", "text/plain", 3, None, 1)
    with db.transaction() as tx:
        intents.unlink(tx, tx.nodes.node(node_id))
    assert intents.released(db, node_id, StageId(7))
    assert discarded == []
    db.close()
