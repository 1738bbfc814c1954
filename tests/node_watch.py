"""Watches the rows of nodes from commit to commit: each is in one state, and came there by transitions of the table."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from weakref import WeakKeyDictionary

import pytest

from anthrofs.tree.database import Database
from anthrofs.tree.node_states import TRANSITIONS, State, states_of
from anthrofs.tree.nodes import COLUMNS, node_of
from anthrofs.tree.rows import Rows
from anthrofs.tree.transaction import Tx

States = dict[int, State]
# In one transaction a link is created and promised; so do tests.
AT_ONCE: Final = {(None, State.SYNCED), (None, State.SEALED), (None, State.LOCAL)}
LEGAL: Final = AT_ONCE | {(start, each.end) for each in TRANSITIONS for start in each.starts}


def rows(tx: Rows, where: str = "", *values: int) -> States:
    found = {}
    for row in tx.all(COLUMNS + where, *values):
        node = node_of(row, "")
        states = states_of(node)
        assert len(states) == 1, f"{node} is in {states}"
        found[int(node.node_id)] = next(iter(states))
    return found


def watch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every database from now on, until the test ends."""
    transaction, known = Database.transaction, WeakKeyDictionary[Database, States]()

    @contextmanager
    def watched(self: Database, *, durable: bool = False) -> Iterator[Tx]:
        before = known.get(self)
        if before is None:
            with self.reading() as tx:
                before = known[self] = rows(tx)
                tx.run("CREATE TEMP TABLE touched (node_id INTEGER PRIMARY KEY)")
                for number, (event, row) in enumerate([("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")]):
                    tx.run(f"CREATE TEMP TRIGGER touched_{number} AFTER {event} ON main.node BEGIN "
                           f"INSERT OR IGNORE INTO touched VALUES ({row}.node_id); END")
        with transaction(self, durable=durable) as tx:
            yield tx
        with self.reading() as tx:
            touched = [int(row[0]) for row in tx.all("SELECT node_id FROM touched")]
            tx.run("DELETE FROM touched")
            now: States = {}
            for node_id in touched:
                now |= rows(tx, "WHERE node_id = ?", node_id)
        for node_id in touched:
            old, new = before.pop(node_id, None), now.get(node_id)
            assert old is new or (old, new) in LEGAL, f"node {node_id} came from {old} to {new}, which is in no table"
            if new is not None:
                before[node_id] = new

    monkeypatch.setattr(Database, "transaction", watched)
