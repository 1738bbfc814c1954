"""Nodes are numbered once, and made in folders that are there."""

import pytest

from anthrofs.errors import NotFound
from anthrofs.model import ROOT
from anthrofs.tree.database import Database
from anthrofs.tree.lookups import Lookups
from anthrofs.tree.mirror import Mirror
from tests.unit.tree.mirrored import NOBODY, remote


def test_node_numbers_are_never_used_again(db: Database, lookups: Lookups) -> None:
    with db.transaction() as tx:
        first = tx.nodes.create(ROOT, "a", 0o644, 0, None)
        tx.nodes.remove(first)
        assert tx.nodes.create(ROOT, "a", 0o644, 0, None) > first


def test_nothing_is_made_in_a_folder_that_has_gone_with_the_last_file_of_others(db: Database, lookups: Lookups, mirror: Mirror) -> None:
    file = remote(1, "runs\uff0fout.csv")
    with db.transaction() as tx:
        mirror.show(tx, file, 1, NOBODY)
    folder = lookups.entry(ROOT, "runs").node_id         # a create has looked it up, and then the listing comes
    with db.transaction() as tx:
        mirror.vanished(tx, file.file_id, NOBODY)
    with pytest.raises(NotFound), db.transaction() as tx:
        tx.nodes.create(folder, "new.txt", 0o644, 0, "runs\uff0fnew.txt")
    with pytest.raises(NotFound), db.transaction() as tx:
        tx.nodes.make_directory(folder, "new", 0o755, 0)


def test_what_was_removed_while_it_is_open_has_no_path(db: Database, lookups: Lookups, mirror: Mirror) -> None:
    file = remote(1, "a.csv")
    with db.transaction() as tx:
        mirror.show(tx, file, 1, NOBODY)
    node = lookups.entry(ROOT, "a.csv")
    with db.transaction() as tx:
        tx.nodes.hide(node.node_id, ".fuse_hidden0000000100000001", 0, by_libfuse=True)
    hidden = lookups.node(node.node_id)
    assert (lookups.path(hidden), lookups.paths_of([file.file_id])) == ("a.csv", {})       # it may come back
    with db.transaction() as tx:
        tx.nodes.settle(node.node_id)
    with pytest.raises(NotFound):
        lookups.path(hidden)
    assert lookups.paths_of([file.file_id]) == {}
