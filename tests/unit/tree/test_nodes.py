"""Nodes are numbered once, and made in folders that are there."""

import pytest

from anthrofs.errors import NotFound
from anthrofs.model import ROOT
from anthrofs.tree.database import Database
from anthrofs.tree.lookups import Lookups
from anthrofs.tree.mirror import Mirror
from anthrofs.tree.nodes import Entry
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


@pytest.mark.parametrize("limit", [1, 3, 1000])
def test_a_folder_is_read_piece_by_piece_by_name_with_what_stat_shows_of_each(db: Database, lookups: Lookups, mirror: Mirror, limit: int) -> None:
    with db.transaction() as tx:
        for number, name in enumerate(["b", "B", "ä", "a", "a a", "\U0001f600", "c\uff0fd"]):
            mirror.show(tx, remote(number + 1, name), 1, NOBODY)
        changed = tx.nodes.create(ROOT, "own", 0o600, 7, "own")
        tx.nodes.set_mtime(changed, 5, 9)
        mirror.show(tx, remote(50, "other\uff0fbelow"), 1, NOBODY)
    found = list[Entry]()
    while more := lookups.entries_after(ROOT, found[-1].name if found else "", limit):
        assert len(more) <= limit
        found += more
    shown = list[str]()
    lookups.each_entry(ROOT, lambda name, _number, _directory: shown.append(name))
    assert [entry.name for entry in found] == shown
    for entry in found:
        node = lookups.entry(ROOT, entry.name)
        assert entry == (node.name, node.node_id, node.directory, node.mode, node.size_bytes, node.mtime_ns, node.ctime_ns)


def test_what_stays_shows_once_while_a_folder_changes_between_two_pieces_of_it(db: Database, lookups: Lookups) -> None:
    names = [f"{number:03}" for number in range(20)]
    with db.transaction() as tx:
        numbers = {name: tx.nodes.create(ROOT, name, 0o644, 0, name) for name in names}
    found = [entry.name for entry in lookups.entries_after(ROOT, "", 10)]
    with db.transaction() as tx:
        for name in ("000", "009", "010"):      # behind, the last of the piece, and the next one
            tx.nodes.remove(numbers[name])
        tx.nodes.create(ROOT, "005a", 0o644, 0, "005a")
        tx.nodes.create(ROOT, "015a", 0o644, 0, "015a")
    found += [entry.name for entry in lookups.entries_after(ROOT, found[-1], 100)]
    assert found == [*names[:10], *names[11:16], "015a", *names[16:]]


def test_a_piece_of_a_folder_costs_no_look_at_the_rest(db: Database) -> None:
    with db.reading() as tx:
        plan = tx.all("EXPLAIN QUERY PLAN SELECT name, mode FROM node WHERE parent = ? AND name > ? ORDER BY name LIMIT ?", ROOT, "a", 10)
    assert [row[3] for row in plan] == ["SEARCH node USING INDEX sqlite_autoindex_node_2 (parent=? AND name>?)"]
