"""What a listing shows: who gets which name, what stays as it is here, and what a listing that lacks a file means."""

import errno
import itertools
import random
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anthrofs.clock import Clock
from anthrofs.errors import NotFound
from anthrofs.fs.kernel_cache import Surprises
from anthrofs.model import ROOT, Attempt, FileId, NodeId, RemoteFile, StageId
from anthrofs.names import id_name_of
from anthrofs.sync.merged import EVER_NS, NEVER_NS
from anthrofs.tree import intents
from anthrofs.tree.database import Database
from anthrofs.tree.gaps import Gap
from anthrofs.tree.lookups import Lookups
from anthrofs.tree.mirror import ASK_AGAIN, SETTLED_NS, YOUNG_NS, Mirror, Shown
from anthrofs.tree.transaction import Tx
from anthrofs.tree.upload_queue import SENDING
from tests.fakes import EPOCH_NS, SECOND_NS, entries, law
from tests.unit.tree.mirrored import NOBODY, remote, shown, stored

# ---- the index: who has which name

NAMES: Final = ("a.txt", "b.txt", "no_extension", "x.tar.gz", "ä：b.md")


@settings(law, max_examples=60)
@given(data=st.data())
def test_the_newest_has_the_plain_name_whatever_the_listings_order(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    names = data.draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=8))
    files = [remote(number, name) for number, name in enumerate(names)]
    order = data.draw(st.permutations(files))

    with closing(Database(tmp_path_factory.mktemp("index") / "state.db")) as db:
        lookups, mirror = db.nodes, Mirror(Surprises(Clock(), 10), "tree")
        for file in order:                              # pages of one file each
            with db.transaction() as tx:
                assert mirror.show(tx, file, 1, NOBODY) is Shown.NEW
        found = shown(lookups)

    expected: dict[str, str | None] = {}
    for file in files:
        newest = max(other.file_id for other in files if other.name == file.name)
        plain = file.name.replace("：", ":")
        expected[plain if file.file_id == newest else id_name_of(plain, file.file_id)] = file.file_id
    assert found == expected


def test_files_of_the_same_moment_have_an_order_too(tmp_path: Path) -> None:
    files = [RemoteFile(FileId(f"file_{n}"), "a.txt", "text/plain", 1, EPOCH_NS, downloadable=True) for n in range(4)]
    results = []
    for number, order in enumerate(itertools.permutations(files)):
        with closing(Database(tmp_path / f"{number}.db")) as db, db.transaction() as tx:
            lookups, mirror = db.nodes, Mirror(Surprises(Clock(), 10), "tree")
            for file in order:
                mirror.show(tx, file, 1, NOBODY)
            results.append(shown(lookups))

    assert all(result == results[0] for result in results)
    assert results[0]["a.txt"] == "file_3"


def test_removing_the_newest_makes_no_older_one_jump_into_its_place(db: Database, lookups: Lookups, mirror: Mirror) -> None:
    files = [remote(number) for number in range(3)]
    with db.transaction() as tx:
        for file in files:
            mirror.show(tx, file, 1, NOBODY)
        assert mirror.vanished(tx, files[2].file_id, NOBODY)
        for file in files[:2]:
            assert mirror.show(tx, file, 2, NOBODY) is Shown.KNOWN

    assert sorted(shown(lookups)) == ["a (file_0).txt", "a (file_1).txt"]

    with db.transaction() as tx:
        mirror.show(tx, remote(9), 3, NOBODY)            # a new arrival does take it
    assert shown(lookups)["a.txt"] == "file_9"


def test_two_hundred_files_of_one_name_are_all_shown(db: Database, lookups: Lookups, mirror: Mirror) -> None:
    files = [remote(number) for number in range(200)]
    random.Random(1).shuffle(files)
    with db.transaction() as tx:
        for file in files:
            mirror.show(tx, file, 1, NOBODY)

    found = shown(lookups)
    assert len(found) == 200
    assert found["a.txt"] == "file_199"
    assert set(found.values()) == {file.file_id for file in files}


@pytest.mark.parametrize("name", ["a.txt", "a", "n" * 251 + ".txt", "n" * 255, "ü" * 127, "日" * 85])
@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_a_file_that_really_has_an_id_name_loses_nothing_and_costs_nobody_a_name(
        db: Database, lookups: Lookups, mirror: Mirror, name: str, order: tuple[int, ...]) -> None:
    old, new = remote(1, name), remote(2, name)
    real = remote(3, id_name_of(name, old.file_id))
    again = remote(4, id_name_of(real.name, old.file_id))
    files = [old, new, real, again]
    with db.transaction() as tx:
        for number in order:
            mirror.show(tx, files[number], 1, NOBODY)

    found = shown(lookups)
    assert sorted(str(file_id) for file_id in found.values()) == [file.file_id for file in files]
    assert found[name] == new.file_id
    assert all(len(entry.encode()) <= 255 for entry in found)


@pytest.mark.parametrize("name", ["", ".", "..", "a//b", "a/", "a%22b", "/etc/passwd", "../../up", "a\0b", ".by-id", ".fuse_hidden0001", "x" * 400, "\n", "con:"])
def test_a_hostile_name_becomes_a_safe_entry_and_is_never_sent_as_one(db: Database, lookups: Lookups, mirror: Mirror, name: str) -> None:
    with db.transaction() as tx:
        for number in range(3):
            mirror.show(tx, remote(number, name), 1, NOBODY)

    shown = entries(lookups, ROOT)
    assert len(shown) == 3
    for entry, node_id, _ in shown:
        assert entry not in ("", ".", "..", ".by-id")
        assert "/" not in entry
        assert "\0" not in entry
        assert len(entry.encode()) <= 255
        assert lookups.node(node_id).wanted is None       # display sends nothing


@pytest.mark.parametrize("local", ["unsent", "being made", "directory"])
def test_a_node_with_local_changes_keeps_its_name(db: Database, lookups: Lookups, mirror: Mirror, local: str) -> None:
    with db.transaction() as tx:
        if local == "directory":
            node_id = NodeId(tx.insert("INSERT INTO node (parent, name, directory, mode, mtime_ns, size_bytes) VALUES (1, 'a.txt', 1, 493, 0, 0)"))
        else:
            node_id = tx.nodes.create(ROOT, "a.txt", 0o644, EPOCH_NS, "a.txt")
        if local == "unsent":
            tx.nodes.promise(node_id, StageId(1), 3, EPOCH_NS, "a.txt", sealed=True)
        assert mirror.show(tx, remote(1, age_s=-1000), 1, NOBODY) is Shown.NEW       # newer than all

    assert lookups.entry(ROOT, "a.txt").node_id == node_id
    assert shown(lookups) == {"a.txt": None, "a (file_1).txt": "file_1"}


def test_an_edited_server_file_keeps_its_name_too(db: Database, lookups: Lookups, mirror: Mirror) -> None:
    with db.transaction() as tx:
        mirror.show(tx, remote(1), 1, NOBODY)
        node_id = lookups.entry(ROOT, "a.txt").node_id
        tx.nodes.promise(node_id, StageId(1), 3, EPOCH_NS, "a.txt", sealed=True)
        mirror.show(tx, remote(2), 2, NOBODY)

    assert shown(lookups) == {"a.txt": "file_1", "a (file_2).txt": "file_2"}


def test_a_name_in_use_is_held_and_an_older_file_does_not_need_it(db: Database, lookups: Lookups, mirror: Mirror) -> None:
    with db.transaction() as tx:
        mirror.show(tx, remote(2), 1, NOBODY)
        busy = {lookups.entry(ROOT, "a.txt").node_id}

        assert mirror.show(tx, remote(3), 1, busy) is Shown.HELD
        assert mirror.show(tx, remote(1), 1, busy) is Shown.NEW
        assert shown(lookups) == {"a.txt": "file_2", "a (file_1).txt": "file_1"}
        assert mirror.show(tx, remote(3), 2, NOBODY) is Shown.NEW

    assert shown(lookups)["a.txt"] == "file_3"


def test_a_known_file_keeps_name_mode_time_and_number(db: Database, lookups: Lookups, mirror: Mirror) -> None:
    with db.transaction() as tx:
        mirror.show(tx, remote(1), 1, NOBODY)
        node = lookups.entry(ROOT, "a.txt")
        tx.nodes.set_mode(node.node_id, 0o755, 13)
        tx.nodes.set_mtime(node.node_id, 12, 13)
        assert mirror.show(tx, remote(1), 2, NOBODY) is Shown.KNOWN
        stored(tx, mirror, node.node_id, remote(5, size_bytes=9, downloadable=False))

    after = lookups.entry(ROOT, "a.txt")
    assert (after.node_id, after.mode, after.mtime_ns) == (node.node_id, 0o755, 12)
    assert after.kept


def test_an_upload_that_a_listing_showed_first_is_one_file(db: Database, lookups: Lookups, mirror: Mirror) -> None:
    with db.transaction() as tx:
        node_id = tx.nodes.create(ROOT, "a.txt", 0o644, EPOCH_NS, "a.txt")
        tx.nodes.promise(node_id, StageId(1), 3, EPOCH_NS, "a.txt", sealed=True)
        mirror.show(tx, remote(1, downloadable=False), 1, NOBODY)
        stored(tx, mirror, node_id, remote(1, downloadable=False))

    assert shown(lookups) == {"a.txt": "file_1"}
    assert lookups.entry(ROOT, "a.txt").stage is None


def test_a_file_that_is_to_expire_does_so_when_it_was_told_to_also_where_the_service_does_not_say(db: Database, lookups: Lookups,
                                                                                                 mirror: Mirror) -> None:
    with db.transaction() as tx:
        node_id = tx.nodes.create(ROOT, "a.txt", 0o644, 1, "a.txt")
        tx.nodes.promise(node_id, StageId(1), 3, 5, "a.txt", sealed=True, expires_s=3600)
        file = remote(1)
        mirror.stored(tx, Attempt(node_id, StageId(1), SENDING, 3, "a.txt", "text/plain", 3600, None, 1, None, None), file, found=False, copied=True)
        assert mirror.next_expiry(tx, file.created_ns) == file.created_ns + 3600 * SECOND_NS
        assert mirror.expired(tx, file.created_ns + 3599 * SECOND_NS) == []
        assert len(mirror.expired(tx, file.created_ns + 3600 * SECOND_NS)) == 1


def test_a_file_that_is_renamed_while_it_is_sent_is_sent_again(db: Database, lookups: Lookups, mirror: Mirror) -> None:
    with db.transaction() as tx:
        node_id = tx.nodes.create(ROOT, "a.txt", 0o644, EPOCH_NS, "a.txt")
        tx.nodes.promise(node_id, StageId(1), 3, EPOCH_NS, "a.txt", sealed=True)
    with db.transaction() as tx:
        intents.want(tx, tx.nodes.node(node_id), "b.txt")
    with db.transaction() as tx:
        stored(tx, mirror, node_id, remote(1))
    node = lookups.node(node_id)
    assert (node.stage, node.wanted, node.resend) == (None, "b.txt", True)


def test_newer_promised_content_stays_promised_when_the_older_is_stored(db: Database, lookups: Lookups, mirror: Mirror) -> None:
    with db.transaction() as tx:
        node_id = tx.nodes.create(ROOT, "a.txt", 0o644, EPOCH_NS, "a.txt")
        tx.nodes.promise(node_id, StageId(1), 3, EPOCH_NS, "a.txt", sealed=True)
        tx.nodes.promise(node_id, StageId(2), 7, EPOCH_NS, "a.txt", sealed=True)
        stored(tx, mirror, node_id, remote(1))

    node = lookups.node(node_id)
    assert (node.stage, node.size_bytes) == (2, 7)


def test_what_is_stored_lacks_nothing_whatever_a_later_write_was_told(db: Database, mirror: Mirror) -> None:
    """A write after the close was refused, and that was written down while the closed content was on its way."""
    with db.transaction() as tx:
        node_id = tx.nodes.create(ROOT, "a.txt", 0o644, EPOCH_NS, "a.txt")
        tx.nodes.promise(node_id, StageId(1), 3, EPOCH_NS, "a.txt", sealed=True)
        tx.nodes.set_gap(node_id, StageId(1), Gap.of(3, 6, errno.ENOSPC))
        stored(tx, mirror, node_id, remote(1))
        assert tx.nodes.gap(node_id) is None


# ---- the index: what a listing lacks

def test_a_sweep_removes_only_what_was_listed_before(db: Database, lookups: Lookups, mirror: Mirror) -> None:
    with db.transaction() as tx:
        for number in (1, 2, 3):
            mirror.show(tx, remote(number, f"{number}.txt"), 1, NOBODY)
        mirror.show(tx, remote(1, "1.txt"), 2, NOBODY)
        mirror.show(tx, remote(4, "4.txt"), 2, NOBODY)

        assert mirror.missing(tx, 2) == (2, 4)
        assert mirror.doubtful(tx, 2, EPOCH_NS, NEVER_NS, NOBODY, 9) == ["file_2", "file_3"]
        mirror.sweep(tx, 2, EVER_NS, NEVER_NS, EVER_NS, NOBODY)

    assert sorted(shown(lookups)) == ["1.txt", "4.txt"]


def uploaded(tx: Tx, lookups: Lookups, mirror: Mirror, file: RemoteFile, node_id: NodeId | None = None) -> NodeId:
    node_id = node_id or tx.nodes.create(ROOT, file.name, 0o644, EPOCH_NS, file.name)
    tx.nodes.promise(node_id, StageId(1), file.size_bytes, EPOCH_NS, file.name, sealed=True)
    stored(tx, mirror, node_id, file)
    return node_id


def test_a_new_upload_that_no_listing_showed_is_never_taken_for_gone_but_asked_for_when_it_is_old(
        db: Database, lookups: Lookups, mirror: Mirror) -> None:
    with db.transaction() as tx:
        uploaded(tx, lookups, mirror, remote(1, age_s=1))

        assert mirror.doubtful(tx, 1, EPOCH_NS, NEVER_NS, NOBODY, 9) == []
        assert mirror.doubtful(tx, 2, EPOCH_NS + SETTLED_NS // 2, NEVER_NS, NOBODY, 9) == []
        assert mirror.doubtful(tx, 3, EPOCH_NS + SETTLED_NS, NEVER_NS, NOBODY, 9) == ["file_1"]
        mirror.sweep(tx, 3, EVER_NS, NEVER_NS, EVER_NS, NOBODY)
        assert shown(lookups) == {"a.txt": "file_1"}
        mirror.saw(tx, FileId("file_1"), 3)
        for number in range(3, 3 + ASK_AGAIN):
            assert mirror.doubtful(tx, number, EPOCH_NS + SETTLED_NS, NEVER_NS, NOBODY, 9) == []
            mirror.sweep(tx, number, EVER_NS, NEVER_NS, EVER_NS, NOBODY)
        assert mirror.doubtful(tx, 3 + ASK_AGAIN, EPOCH_NS + SETTLED_NS, NEVER_NS, NOBODY, 9) == ["file_1"]
        assert shown(lookups) == {"a.txt": "file_1"}


def test_a_save_over_a_listed_file_is_a_new_upload_as_well(db: Database, lookups: Lookups, mirror: Mirror) -> None:
    with db.transaction() as tx:
        mirror.show(tx, remote(1), 1, NOBODY)
        node_id = lookups.entry(ROOT, "a.txt").node_id
        uploaded(tx, lookups, mirror, remote(2, age_s=1, downloadable=False), node_id)

        mirror.sweep(tx, 2, EVER_NS, NEVER_NS, EVER_NS, NOBODY)             # it began before the save, or lags behind it

    assert shown(lookups) == {"a.txt": "file_2"}


def test_an_own_upload_that_was_listed_a_moment_ago_is_asked_for_before_it_is_taken_for_gone(db: Database, lookups: Lookups, mirror: Mirror) -> None:
    with db.transaction() as tx:
        uploaded(tx, lookups, mirror, remote(1, age_s=1))
        mirror.show(tx, remote(2, "others.txt", age_s=1), 1, NOBODY)
        mirror.show(tx, remote(1, age_s=1), 1, NOBODY)

        mirror.sweep(tx, 2, EPOCH_NS, NEVER_NS, EVER_NS, NOBODY)
        assert shown(lookups) == {"a.txt": "file_1"}
        assert mirror.doubtful(tx, 2, EPOCH_NS, NEVER_NS, NOBODY, 9) == ["file_1"]
        mirror.sweep(tx, 2, EPOCH_NS + YOUNG_NS, NEVER_NS, EVER_NS, NOBODY)
    assert shown(lookups) == {}


def test_what_is_in_use_waits_for_the_next_sweep(db: Database, lookups: Lookups, mirror: Mirror) -> None:
    with db.transaction() as tx:
        mirror.show(tx, remote(1), 1, NOBODY)
        node_id = lookups.entry(ROOT, "a.txt").node_id

        mirror.sweep(tx, 2, EVER_NS, NEVER_NS, EVER_NS, {node_id})
        assert mirror.doubtful(tx, 2, EPOCH_NS, NEVER_NS, {node_id}, 9) == []
        assert not mirror.vanished(tx, FileId("file_1"), {node_id})
        assert shown(lookups) == {"a.txt": "file_1"}
        mirror.sweep(tx, 3, EVER_NS, NEVER_NS, EVER_NS, NOBODY)

    assert shown(lookups) == {}


def test_unsent_content_survives_that_its_file_is_gone(db: Database, lookups: Lookups, mirror: Mirror) -> None:
    with db.transaction() as tx:
        mirror.show(tx, remote(1), 1, NOBODY)
        node_id = lookups.entry(ROOT, "a.txt").node_id
        tx.nodes.promise(node_id, StageId(9), 100, EPOCH_NS, "a.txt", sealed=True)
        mirror.sweep(tx, 2, EVER_NS, NEVER_NS, EVER_NS, NOBODY)

        node = lookups.node(node_id)
        assert (node.stage, node.remote, node.size_bytes, node.wanted) == (9, None, 100, "a.txt")
        mirror.sweep(tx, 3, EVER_NS, NEVER_NS, EVER_NS, NOBODY)
        assert [each.node_id for each in tx.nodes.unsent()] == [node_id]


def test_local_files_are_never_missing_from_a_listing(db: Database, lookups: Lookups, mirror: Mirror) -> None:
    with db.transaction() as tx:
        tx.nodes.create(ROOT, "a.txt~", 0o644, EPOCH_NS, None)

        assert mirror.missing(tx, 100) == (0, 0)
        assert mirror.doubtful(tx, 100, EPOCH_NS * 2, NEVER_NS, NOBODY, 9) == []
        mirror.sweep(tx, 100, EVER_NS, NEVER_NS, EVER_NS, NOBODY)
        assert len(shown(lookups)) == 1


# ---- whose files a state mirrors

def test_another_workspace_begins_with_nothing_of_the_old_one(db: Database, lookups: Lookups, mirror: Mirror) -> None:
    with db.transaction() as tx:
        mirror.show(tx, remote(1), 1, NOBODY)
        tx.uploads.attempt(NodeId(7), StageId(1), 1)
        tx.deletions.doom(remote(2))
        mirror.forget_server(tx)
        tx.uploads.forget_all()
        tx.deletions.forget_all()
        assert tx.uploads.every() == []
        assert tx.deletions.every() == []

    assert entries(lookups, ROOT) == []
    with pytest.raises(NotFound):
        lookups.entry(ROOT, "a.txt")
