"""Hidden files end once it is sure that their hiding was an unlink; an open one at its last release."""

from anthrofs.errors import NotFound
from anthrofs.model import HIDDEN, ROOT, NodeId
from anthrofs.tree import intents
from anthrofs.tree.database import Database
from anthrofs.tree.hidden_nodes import SETTLE_S, HiddenNodes
from anthrofs.tree.open_table import OpenTable
from tests.fakes import FakeClock


def hide(db: Database, name: str) -> NodeId:
    """libfuse does, instead of unlinking a file that it takes for open."""
    with db.transaction() as tx:
        node_id = tx.nodes.create(ROOT, name, 0o644, 0, name)
    with db.transaction() as tx:
        tx.nodes.hide(node_id, f".hidden-{name}", 0, by_libfuse=True)
    return node_id


def is_there(db: Database, node_id: NodeId) -> bool:
    try:
        return db.nodes.node(node_id).parent == HIDDEN
    except NotFound:
        return False


def test_a_hidden_file_that_nobody_has_open_ends_but_not_at_once(db: Database) -> None:
    clock = FakeClock()
    hidden = HiddenNodes(db, OpenTable(), clock)
    assert hidden.settle() is None
    first = hide(db, "first")
    assert hidden.settle() == SETTLE_S
    clock.advance(SETTLE_S / 2)
    second = hide(db, "second")
    assert (hidden.settle(), is_there(db, first)) == (SETTLE_S, True)
    clock.advance(SETTLE_S / 2)
    assert (hidden.settle(), is_there(db, first), is_there(db, second)) == (SETTLE_S, False, True)
    clock.advance(SETTLE_S)
    assert (hidden.settle(), is_there(db, second)) == (None, False)


def test_an_open_one_is_settled_and_stays_until_its_last_release(db: Database) -> None:
    clock, handles = FakeClock(), OpenTable()
    hidden = HiddenNodes(db, handles, clock)
    node_id = hide(db, "open")
    handles.open(node_id, reads=True, writes=False, process=1)
    assert hidden.settle() == SETTLE_S
    clock.advance(SETTLE_S)
    assert (hidden.settle(), is_there(db, node_id)) == (None, True)
    assert not db.nodes.node(node_id).is_undecided
    assert hidden.settle() is None


def test_nobody_waits_at_the_end_of_a_mount(db: Database) -> None:
    node_id = hide(db, "a")
    assert HiddenNodes(db, OpenTable(), FakeClock()).settle(0.0) is None
    assert not is_there(db, node_id)


def test_what_libfuse_has_hidden_outlives_its_last_release_until_it_is_decided(db: Database) -> None:
    """The second half of a replacement may still come, and fail: then the name gets it back."""
    node_id = hide(db, "a")
    assert not intents.released(db, node_id, None)
    assert is_there(db, node_id)
    with db.transaction() as tx:
        tx.nodes.settle(node_id)
    assert intents.released(db, node_id, None)
    assert not is_there(db, node_id)
