"""Manual, costs: listing costs nothing but local reads. Names that are looked up one after the other are read many at
once, and never as they were.
"""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthrofs.errors import NotFound
from anthrofs.model import ROOT, NodeId
from anthrofs.tree.database import Database
from anthrofs.tree.lookup_cache import MOST, PLACES, LookupCache
from anthrofs.tree.lookups import Lookups
from anthrofs.tree.rows import Rows


class Reads:
    """What `LookupCache` is given: the names of all directories, and how many rows it has asked for."""

    def __init__(self, names: list[str]) -> None:
        self.names = sorted(names)
        self.asked: list[int] = []

    def __call__(self, _rows: Rows, parent: NodeId, name: str, limit: int) -> list[tuple[str, Any]]:
        self.asked.append(limit)
        return [(each, (parent, each)) for each in self.names if each >= name][:limit]


def make(db: Database, lookups: Lookups, name: str, parent: NodeId = ROOT) -> NodeId:
    with db.transaction() as tx:
        return tx.nodes.create(parent, name, 0o644, 1, name)


def names(count: int) -> list[str]:
    return [f"{number:06}" for number in range(count)]


def test_a_walk_reads_few_times_and_never_much_at_once(db: Database) -> None:
    reads = Reads(names(10_000))
    batches = LookupCache(db, reads)
    for name in reads.names:
        assert batches.row(ROOT, name) == (ROOT, name)
    assert len(reads.asked) < 10_000 / MOST + 10
    assert max(reads.asked) == MOST


def test_who_jumps_about_reads_hardly_more_than_what_was_asked_for(db: Database) -> None:
    reads = Reads(names(1000))
    batches = LookupCache(db, reads)
    for number in range(1000):
        batches.row(ROOT, reads.names[number * 7919 % 1000])
    assert sum(reads.asked) < 2000


def test_walks_in_some_directories_at_once_dont_disturb_each_other(db: Database) -> None:
    reads = Reads(names(2000))
    batches = LookupCache(db, reads)
    for name in reads.names:
        for number in range(PLACES):
            assert batches.row(NodeId(10 + number), name) == (10 + number, name)
    assert len(reads.asked) < PLACES * (2000 / MOST + 10)


def test_what_is_held_is_bounded(db: Database) -> None:
    reads = Reads(names(300))
    batches = LookupCache(db, reads)
    for number in range(100):
        for name in reads.names:
            batches.row(NodeId(10 + number), name)
    held = [batch.rows for batch in batches._batches.values()]
    assert len(held) <= PLACES
    assert max(map(len, held)) <= MOST


def test_a_change_shows_at_once_in_the_middle_of_a_walk(db: Database, lookups: Lookups) -> None:
    nodes = {name: make(db, lookups, name) for name in names(200)}
    for name in names(50):
        lookups.entry(ROOT, name)
    with db.transaction() as tx:
        tx.nodes.set_mtime(nodes["000055"], 7, 7)
        tx.nodes.move(nodes["000056"], ROOT, "new", 2)
        tx.nodes.remove(nodes["000057"])
        assert lookups.entry(ROOT, "000055").mtime_ns == 7       # its own changes, before the commit
    assert lookups.entry(ROOT, "000055").mtime_ns == 7
    assert lookups.entry(ROOT, "new").node_id == nodes["000056"]
    for gone in ("000056", "000057"):
        with pytest.raises(NotFound):
            lookups.entry(ROOT, gone)


def test_what_was_read_in_a_transaction_that_fails_is_not_kept(db: Database, lookups: Lookups) -> None:
    nodes = [make(db, lookups, name) for name in names(10)]

    def fail() -> None:
        with db.transaction() as tx:
            tx.nodes.set_mtime(nodes[3], 99, 99)
            for name in names(10):
                lookups.entry(ROOT, name)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert lookups.entry(ROOT, "000003").mtime_ns == 1


Step = tuple[Callable[..., str], int, int]


def look(db: Database, lookups: Lookups, number: int, _: int) -> str:
    """By the index, and by its row alone."""
    with db.reading() as tx:
        row = tx.one("SELECT node_id, mtime_ns FROM node WHERE parent = 1 AND name = ?", f"{number:06}")
    try:
        node = lookups.entry(ROOT, f"{number:06}")
    except NotFound:
        assert row is None
    else:
        assert row == (node.node_id, node.mtime_ns)
    return "look"


def walk(db: Database, lookups: Lookups, number: int, count: int) -> str:
    for each in range(number, number + count):
        look(db, lookups, each, 0)
    return "walk"


def add(db: Database, lookups: Lookups, number: int, _: int) -> str:
    with db.transaction() as tx:
        if tx.one("SELECT 1 FROM node WHERE parent = 1 AND name = ?", f"{number:06}") is None:
            tx.nodes.create(ROOT, f"{number:06}", 0o644, number, None)
        look(db, lookups, number, 0)
    return "add"


def change(db: Database, lookups: Lookups, number: int, mtime_ns: int) -> str:
    walk(db, lookups, max(0, number - 3), 2)
    with db.transaction() as tx:
        walk(db, lookups, number, 2)
        tx.run("UPDATE node SET mtime_ns = ? WHERE parent = 1 AND name = ?", mtime_ns, f"{number:06}")
        walk(db, lookups, number, 2)
    return "change"


def take(db: Database, lookups: Lookups, number: int, _: int) -> str:
    with db.transaction() as tx:
        tx.run("DELETE FROM node WHERE parent = 1 AND name = ?", f"{number:06}")
    return "take"


@given(steps=st.lists(st.tuples(st.sampled_from([look, walk, walk, add, change, take]), st.integers(0, 40), st.integers(1, 30)), max_size=40))
def test_a_lookup_says_what_the_row_says(tmp_path_factory: pytest.TempPathFactory, steps: list[Step]) -> None:
    db = Database(tmp_path_factory.mktemp("state") / "state.db")
    lookups = db.nodes
    try:
        for number in range(0, 40, 2):
            add(db, lookups, number, 0)
        for act, number, count in steps:
            act(db, lookups, number, count)
    finally:
        db.close()
