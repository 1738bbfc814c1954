"""What is kept on disk: rows that commit or don't, names that stay put, bytes that are right or missing."""

import dataclasses
import errno
import itertools
import json
import os
import random
import sqlite3
import stat
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anthrofs.clock import Clock
from anthrofs.config import Credentials, Service
from anthrofs.errors import EXIT_BUSY, DiskFull, FsError, NotFound, SetupError
from anthrofs.fs.surprises import Surprises
from anthrofs.model import ROOT, Attempt, FileId, NodeId, RemoteFile, StageId, Workspace
from anthrofs.names import id_name_of
from anthrofs.store.block_cache import BlockCache
from anthrofs.store.blocks import BLOCK_BYTES
from anthrofs.store.disk import FICLONE, Disk
from anthrofs.store.staging import ROOM_CHECK_BYTES, Staging
from anthrofs.store.state_dir import StateDir
from anthrofs.sync import workspace
from anthrofs.sync.listing import EVER_NS, NEVER_NS
from anthrofs.sync.workspace import Match
from anthrofs.tree import renaming
from anthrofs.tree.database import Database
from anthrofs.tree.deletion_queue import TOMBSTONE_NS
from anthrofs.tree.lookups import Lookups
from anthrofs.tree.lost import fits
from anthrofs.tree.mirror import ASK_AGAIN, SETTLED_NS, Mirror, Shown
from anthrofs.tree.schema import VERSION
from anthrofs.tree.transaction import Tx
from anthrofs.tree.upload_queue import DONE, FAILED, IN_FLIGHT, NEXT, QUEUED, SENDING, UNKNOWN, Step
from tests.fakes import EPOCH_NS, SECOND_NS, entries, law

NOBODY: Final[frozenset[NodeId]] = frozenset()


@contextmanager
def database(path: Path) -> Iterator[Database]:
    db = Database(path)
    try:
        yield db
    finally:
        db.close()


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    with database(tmp_path / "state.db") as db:
        yield db


@pytest.fixture
def index(db: Database) -> Lookups:
    return db.nodes


@pytest.fixture
def mirror() -> Mirror:
    return Mirror(Surprises(Clock(), 10), "tree")


def remote(number: int, name: str = "a.txt", *, age_s: float = 1000.0, size_bytes: int = 3, downloadable: bool = True) -> RemoteFile:
    """A file whose id says when it was made: a higher number is newer."""
    return RemoteFile(FileId(f"file_{number}"), name, "text/plain", size_bytes, EPOCH_NS - round(age_s * SECOND_NS) + number, downloadable)


def stored(tx: Tx, mirror: Mirror, node_id: NodeId, file: RemoteFile) -> None:
    """Stage 1 of the node has become this file."""
    mirror.stored(tx, Attempt(node_id, StageId(1), SENDING, file.size_bytes, file.name, file.mime_type, None, None, 1, None, None), file,
                  found=False, copied=True)


def shown(index: Lookups) -> dict[str, str | None]:
    """Name → id of everything in the root."""
    nodes = [index.node(node_id) for _, node_id, _ in entries(index, ROOT)]
    return {node.name: None if node.remote is None else str(node.remote.file_id) for node in nodes}


# ---- the database

class Stop(Exception):
    """A test's own."""


def test_a_transaction_that_fails_leaves_nothing_of_it(db: Database) -> None:
    with db.transaction() as tx:
        tx.set_meta("kept", "1")

    def fail() -> None:
        with db.transaction(durable=True) as tx:
            tx.set_meta("kept", "2")
            tx.set_meta("lost", "1")
            raise Stop

    with pytest.raises(Stop):
        fail()

    with db.reading() as tx:
        assert tx.get_meta("kept") == "1"
        assert tx.get_meta("lost") is None
    with db.transaction() as tx:            # and the next one works
        tx.set_meta("kept", None)
        assert tx.get_meta("kept") is None


def test_what_was_committed_is_there_after_a_start(tmp_path: Path) -> None:
    for durable in (False, True):
        with database(tmp_path / "state.db") as db, db.transaction(durable=durable) as tx:
            tx.set_meta(f"durable {durable}", "1")

    with database(tmp_path / "state.db") as db, db.reading() as tx:
        assert tx.get_meta("durable False") == tx.get_meta("durable True") == "1"


def test_another_thread_never_sees_half_a_transaction(db: Database) -> None:
    seen: list[str | None] = []
    looked = threading.Event()

    def look() -> None:
        with db.reading() as tx:
            seen.append(tx.get_meta("one"))
        looked.set()

    thread = threading.Thread(target=look)

    def fail() -> None:
        with db.transaction() as tx:
            tx.set_meta("one", "1")
            thread.start()
            looked.wait(0.1)        # it can't, so this always takes as long
            raise Stop

    with pytest.raises(Stop):
        fail()
    thread.join()

    assert seen == [None]


def test_a_state_of_another_version_is_refused_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    with database(path):
        pass
    raw = sqlite3.connect(path)
    raw.execute(f"PRAGMA user_version = {VERSION + 1}")
    raw.close()

    with pytest.raises(SetupError, match=rf"schema {VERSION + 1}, this one knows {VERSION}"):
        Database(path)


@pytest.mark.parametrize("content", [b"this is no database at all" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_database_is_refused_with_a_sentence_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(content)

    with pytest.raises(SetupError, match="can't be used"):
        Database(path)

    assert path.read_bytes() == content


def test_a_database_that_cannot_be_made_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="can't be used"):
        Database(tmp_path / "missing" / "state.db")


def test_a_failing_statement_is_an_error_of_ours(db: Database) -> None:
    with pytest.raises(FsError) as caught, db.transaction() as tx:
        tx.run("UPDATE nothing SET x = 1")

    assert caught.value.code == errno.EIO


def test_a_full_disk_under_the_database_is_told_as_such(db: Database) -> None:
    with db.reading() as tx:
        pages = tx.one("PRAGMA page_count")[0]
        tx.all(f"PRAGMA max_page_count = {pages}")

    with pytest.raises(DiskFull), db.transaction() as tx:
        tx.set_meta("much", "x" * 1_000_000)

    with db.reading() as tx:
        assert tx.get_meta("much") is None


# ---- the upload queue: the life of an attempt

def test_the_life_cycle_has_no_dead_ends() -> None:
    states = {state for state, _ in NEXT} | set(NEXT.values())

    def reached(start: str) -> set[str]:
        found, todo = {start}, deque([start])
        while todo:
            now = todo.popleft()
            new = {after for (before, _), after in NEXT.items() if before == now} - found
            found |= new
            todo.extend(new)
        return found

    assert reached(QUEUED) == states                            # every state is reachable
    assert all(DONE in reached(state) for state in states)      # and DONE from every one
    assert not [step for state, step in NEXT if state == DONE]  # where it ends
    assert {step for _, step in NEXT} == set(Step)              # no step is for nothing
    assert {state for state, step in NEXT if step is Step.SEND} == {QUEUED}     # what may be stored is never sent again


def attempt_in(tx: Tx, state: str) -> Attempt:
    """An attempt that came to this state by legal steps."""
    ways: dict[str, list[Step]] = {QUEUED: [], SENDING: [Step.SEND], UNKNOWN: [Step.SEND, Step.LOST], FAILED: [Step.SEND, Step.REFUSED]}
    node_id = NodeId(77)
    tx.uploads.attempt(node_id, StageId(1), 3)
    for step in ways[state]:
        now = tx.uploads.of(node_id)
        assert now is not None
        if step is Step.SEND:
            tx.uploads.send(now, "a.txt", "text/plain", 3, None, 5)
        else:
            tx.uploads.step(now, step, code=errno.EFBIG, reason="too large")
    found = tx.uploads.of(node_id)
    assert found is not None
    assert found.state == state
    return found


@pytest.mark.parametrize("step", list(Step))
@pytest.mark.parametrize("state", [QUEUED, SENDING, UNKNOWN, FAILED])
def test_a_step_is_in_the_table_or_one_error_that_names_both_sides(db: Database, state: str, step: Step) -> None:
    with db.transaction() as tx:
        attempt = attempt_in(tx, state)
        if (state, step) in NEXT:
            assert tx.uploads.step(attempt, step) == NEXT[state, step]
            after = tx.uploads.of(attempt.node_id)
            assert (DONE if after is None else after.state) == NEXT[state, step]
        else:
            with pytest.raises(FsError, match=rf"{state}.*{step.name}"):
                tx.uploads.step(attempt, step)
            assert tx.uploads.of(attempt.node_id) == attempt


def test_a_refusal_is_remembered_and_forgotten_by_a_retry(db: Database) -> None:
    with db.transaction() as tx:
        failed = attempt_in(tx, FAILED)
        assert (failed.code, failed.reason, failed.tries, failed.sent_ns) == (errno.EFBIG, "too large", 1, 5)

        tx.uploads.step(failed, Step.RETRY)

        again = tx.uploads.of(failed.node_id)
        assert again is not None
        assert (again.state, again.code, again.reason) == (QUEUED, None, None)


@pytest.mark.parametrize("state", [QUEUED, FAILED])
def test_newer_content_replaces_an_attempt_that_is_not_in_flight(db: Database, state: str) -> None:
    with db.transaction() as tx:
        old = attempt_in(tx, state)
        tx.uploads.attempt(old.node_id, StageId(2), 9)
        assert list(tx.superfluous) == [old.stage]

        new = tx.uploads.of(old.node_id)
        assert new == Attempt(old.node_id, StageId(2), QUEUED, 9, None, None, None, None, 0, None, None)


@pytest.mark.parametrize("state", IN_FLIGHT)
def test_an_attempt_in_flight_is_never_replaced(db: Database, state: str) -> None:
    with db.transaction() as tx:
        flying = attempt_in(tx, state)
        tx.uploads.attempt(flying.node_id, StageId(2), 9)
        assert not tx.superfluous
        assert tx.uploads.of(flying.node_id) == flying


def test_after_a_start_what_was_being_sent_may_be_stored_and_a_refused_key_is_tried_again(db: Database) -> None:
    with db.transaction() as tx:
        for number, state, code in ((1, QUEUED, None), (2, SENDING, None), (3, UNKNOWN, None), (4, FAILED, errno.EACCES),
                                    (5, FAILED, errno.EFBIG)):
            tx.uploads.attempt(NodeId(number), StageId(number), 1)
            tx.run("UPDATE attempt SET state = ?, code = ? WHERE node_id = ?", state, code, number)
        tx.uploads.recover()

        assert [attempt.state for attempt in tx.uploads.every()] == [QUEUED, UNKNOWN, UNKNOWN, QUEUED, FAILED]


def test_only_what_can_take_a_step_is_a_candidate(db: Database) -> None:
    with db.transaction() as tx:
        for number, state in enumerate((QUEUED, SENDING, UNKNOWN, FAILED, QUEUED), start=1):
            tx.uploads.attempt(NodeId(number), StageId(number), 1)
            tx.run("UPDATE attempt SET state = ? WHERE node_id = ?", state, number)

        assert [attempt.node_id for attempt in tx.uploads.candidates(big=False)] == [1, 2, 3, 5]     # 2: a thread failed at it


@pytest.mark.parametrize(("change", "expected"), [
    ({}, True), ({"name": "b.txt"}, False), ({"size_bytes": 4}, False), ({"mime_type": "text/csv"}, False),
    ({"downloadable": True}, False),            # the service has said of an upload that it can't be
    ({"created_ns": EPOCH_NS - 2 * 10**9}, False),  # it was there before
    ({"created_ns": EPOCH_NS - 1000}, True),    # clocks' bounds are rounded
    ({"created_ns": EPOCH_NS + 10**12}, True),
])
def test_a_listed_file_fits_an_attempt_that_may_have_made_it(change: dict[str, str | int | bool], expected: bool) -> None:
    attempt = Attempt(NodeId(7), StageId(1), UNKNOWN, 3, "a.txt", "text/plain", None, EPOCH_NS, 1, None, None)
    file = RemoteFile(FileId("f"), "a.txt", "text/plain", 3, EPOCH_NS, downloadable=False)

    changed = dataclasses.replace(file, **change)  # type: ignore[arg-type]
    assert fits(attempt, changed, downloadable=False) is expected
    assert fits(attempt, changed, downloadable=None) is (expected or "downloadable" in change)      # it has said nothing yet
    assert fits(attempt, changed, downloadable=True) is ("downloadable" in change)
    if "created_ns" in change:                  # without a server's clock any time fits
        assert fits(dataclasses.replace(attempt, sent_ns=None), changed, downloadable=False)


# ---- the deletion queue

def test_new_before_old_is_gone(db: Database, index: Lookups, mirror: Mirror) -> None:
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


def test_a_name_that_stays_local_protects_nothing(db: Database, index: Lookups) -> None:
    with db.transaction() as tx:
        node_id = tx.nodes.create(ROOT, "a.txt~", 0o644, EPOCH_NS, None)
        tx.nodes.promise(node_id, StageId(1), 3, EPOCH_NS, None, sealed=True)
        tx.deletions.doom(remote(1))

        assert tx.deletions.deletable() == ["file_1"]


def test_another_name_for_what_others_made_changes_one_row(db: Database, index: Lookups, mirror: Mirror) -> None:
    """The rename of a folder does this for each file in it, while the whole mount waits."""
    with db.transaction() as tx:
        mirror.show(tx, remote(1), 1, NOBODY)
        before = tx.one("SELECT total_changes()")[0]
        for wanted, changes in (("b.txt", 1), (None, 4), ("c.txt", 7)):       # to a name that stays here and back: the totals, too
            renaming.want(tx, index.holder(FileId("file_1")), wanted)
            node = index.holder(FileId("file_1"))
            assert (node.wanted, node.local, node.resend) == (wanted, wanted is None, False)
            assert tx.one("SELECT total_changes()")[0] - before == changes
            assert index.totals()[2] == (wanted is None)


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
        assert not tx.deletions.is_doomed(first)
        assert tx.deletions.is_doomed(second)
        assert tx.deletions.every() == []


# ---- the index: who has which name

NAMES: Final = ("a.txt", "b.txt", "no_extension", "x.tar.gz", "ä：b.md")


@settings(law, max_examples=60)
@given(data=st.data())
def test_the_newest_has_the_plain_name_whatever_the_listings_order(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    names = data.draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=8))
    files = [remote(number, name) for number, name in enumerate(names)]
    order = data.draw(st.permutations(files))

    with database(tmp_path_factory.mktemp("index") / "state.db") as db:
        index, mirror = db.nodes, Mirror(Surprises(Clock(), 10), "tree")
        for file in order:                              # pages of one file each
            with db.transaction() as tx:
                assert mirror.show(tx, file, 1, NOBODY) is Shown.NEW
        found = shown(index)

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
        with database(tmp_path / f"{number}.db") as db, db.transaction() as tx:
            index, mirror = db.nodes, Mirror(Surprises(Clock(), 10), "tree")
            for file in order:
                mirror.show(tx, file, 1, NOBODY)
            results.append(shown(index))

    assert all(result == results[0] for result in results)
    assert results[0]["a.txt"] == "file_3"


def test_removing_the_newest_makes_no_older_one_jump_into_its_place(db: Database, index: Lookups, mirror: Mirror) -> None:
    files = [remote(number) for number in range(3)]
    with db.transaction() as tx:
        for file in files:
            mirror.show(tx, file, 1, NOBODY)
        assert mirror.vanished(tx, files[2].file_id, NOBODY)
        for file in files[:2]:
            assert mirror.show(tx, file, 2, NOBODY) is Shown.KNOWN

    assert sorted(shown(index)) == ["a (file_0).txt", "a (file_1).txt"]

    with db.transaction() as tx:
        mirror.show(tx, remote(9), 3, NOBODY)            # a new arrival does take it
    assert shown(index)["a.txt"] == "file_9"


def test_two_hundred_files_of_one_name_are_all_shown(db: Database, index: Lookups, mirror: Mirror) -> None:
    files = [remote(number) for number in range(200)]
    random.Random(1).shuffle(files)
    with db.transaction() as tx:
        for file in files:
            mirror.show(tx, file, 1, NOBODY)

    found = shown(index)
    assert len(found) == 200
    assert found["a.txt"] == "file_199"
    assert set(found.values()) == {file.file_id for file in files}


@pytest.mark.parametrize("name", ["a.txt", "a", "n" * 251 + ".txt", "n" * 255, "ü" * 127, "日" * 85])
@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_a_file_that_really_has_an_id_name_loses_nothing_and_costs_nobody_a_name(
        db: Database, index: Lookups, mirror: Mirror, name: str, order: tuple[int, ...]) -> None:
    old, new = remote(1, name), remote(2, name)
    real = remote(3, id_name_of(name, old.file_id))
    again = remote(4, id_name_of(real.name, old.file_id))
    files = [old, new, real, again]
    with db.transaction() as tx:
        for number in order:
            mirror.show(tx, files[number], 1, NOBODY)

    found = shown(index)
    assert sorted(str(file_id) for file_id in found.values()) == [file.file_id for file in files]
    assert found[name] == new.file_id
    assert all(len(entry.encode()) <= 255 for entry in found)


@pytest.mark.parametrize("name", ["", ".", "..", "a//b", "a/", "a%22b", "/etc/passwd", "../../up", "a\0b", ".by-id", ".fuse_hidden0001", "x" * 400, "\n", "con:"])
def test_a_hostile_name_becomes_a_safe_entry_and_is_never_sent_as_one(db: Database, index: Lookups, mirror: Mirror, name: str) -> None:
    with db.transaction() as tx:
        for number in range(3):
            mirror.show(tx, remote(number, name), 1, NOBODY)

    shown = entries(index, ROOT)
    assert len(shown) == 3
    for entry, node_id, _ in shown:
        assert entry not in ("", ".", "..", ".by-id")
        assert "/" not in entry
        assert "\0" not in entry
        assert len(entry.encode()) <= 255
        assert index.node(node_id).wanted is None       # display sends nothing


@pytest.mark.parametrize("local", ["unsent", "being made", "directory"])
def test_a_node_with_local_changes_keeps_its_name(db: Database, index: Lookups, mirror: Mirror, local: str) -> None:
    with db.transaction() as tx:
        if local == "directory":
            node_id = NodeId(tx.insert("INSERT INTO node (parent, name, directory, mode, mtime_ns, size_bytes) VALUES (1, 'a.txt', 1, 493, 0, 0)"))
        else:
            node_id = tx.nodes.create(ROOT, "a.txt", 0o644, EPOCH_NS, "a.txt")
        if local == "unsent":
            tx.nodes.promise(node_id, StageId(1), 3, EPOCH_NS, "a.txt", sealed=True)
        assert mirror.show(tx, remote(1, age_s=-1000), 1, NOBODY) is Shown.NEW       # newer than all

    assert index.entry(ROOT, "a.txt").node_id == node_id
    assert shown(index) == {"a.txt": None, "a (file_1).txt": "file_1"}


def test_an_edited_server_file_keeps_its_name_too(db: Database, index: Lookups, mirror: Mirror) -> None:
    with db.transaction() as tx:
        mirror.show(tx, remote(1), 1, NOBODY)
        node_id = index.entry(ROOT, "a.txt").node_id
        tx.nodes.promise(node_id, StageId(1), 3, EPOCH_NS, "a.txt", sealed=True)
        mirror.show(tx, remote(2), 2, NOBODY)

    assert shown(index) == {"a.txt": "file_1", "a (file_2).txt": "file_2"}


def test_a_name_in_use_is_held_and_an_older_file_does_not_need_it(db: Database, index: Lookups, mirror: Mirror) -> None:
    with db.transaction() as tx:
        mirror.show(tx, remote(2), 1, NOBODY)
        busy = {index.entry(ROOT, "a.txt").node_id}

        assert mirror.show(tx, remote(3), 1, busy) is Shown.HELD
        assert mirror.show(tx, remote(1), 1, busy) is Shown.NEW
        assert shown(index) == {"a.txt": "file_2", "a (file_1).txt": "file_1"}
        assert mirror.show(tx, remote(3), 2, NOBODY) is Shown.NEW

    assert shown(index)["a.txt"] == "file_3"


def test_a_known_file_keeps_name_mode_time_and_number(db: Database, index: Lookups, mirror: Mirror) -> None:
    with db.transaction() as tx:
        mirror.show(tx, remote(1), 1, NOBODY)
        node = index.entry(ROOT, "a.txt")
        tx.nodes.set_mode(node.node_id, 0o755)
        tx.nodes.set_mtime(node.node_id, 12)
        assert mirror.show(tx, remote(1), 2, NOBODY) is Shown.KNOWN
        stored(tx, mirror, node.node_id, remote(5, size_bytes=9, downloadable=False))

    after = index.entry(ROOT, "a.txt")
    assert (after.node_id, after.mode, after.mtime_ns) == (node.node_id, 0o755, 12)
    assert after.kept


def test_node_numbers_are_never_used_again(db: Database, index: Lookups) -> None:
    with db.transaction() as tx:
        first = tx.nodes.create(ROOT, "a", 0o644, 0, None)
        tx.nodes.remove(first)
        assert tx.nodes.create(ROOT, "a", 0o644, 0, None) > first


def test_nothing_is_made_in_a_folder_that_has_gone_with_the_last_file_of_others(db: Database, index: Lookups, mirror: Mirror) -> None:
    file = remote(1, "runs\uff0fout.csv")
    with db.transaction() as tx:
        mirror.show(tx, file, 1, NOBODY)
    folder = index.entry(ROOT, "runs").node_id         # a create has looked it up, and then the listing comes
    with db.transaction() as tx:
        mirror.vanished(tx, file.file_id, NOBODY)
    with pytest.raises(NotFound), db.transaction() as tx:
        tx.nodes.create(folder, "new.txt", 0o644, 0, "runs\uff0fnew.txt")
    with pytest.raises(NotFound), db.transaction() as tx:
        tx.nodes.make_directory(folder, "new", 0o755, 0)


def test_an_upload_that_a_listing_showed_first_is_one_file(db: Database, index: Lookups, mirror: Mirror) -> None:
    with db.transaction() as tx:
        node_id = tx.nodes.create(ROOT, "a.txt", 0o644, EPOCH_NS, "a.txt")
        tx.nodes.promise(node_id, StageId(1), 3, EPOCH_NS, "a.txt", sealed=True)
        mirror.show(tx, remote(1, downloadable=False), 1, NOBODY)
        stored(tx, mirror, node_id, remote(1, downloadable=False))

    assert shown(index) == {"a.txt": "file_1"}
    assert index.entry(ROOT, "a.txt").stage is None


def test_newer_promised_content_stays_promised_when_the_older_is_stored(db: Database, index: Lookups, mirror: Mirror) -> None:
    with db.transaction() as tx:
        node_id = tx.nodes.create(ROOT, "a.txt", 0o644, EPOCH_NS, "a.txt")
        tx.nodes.promise(node_id, StageId(1), 3, EPOCH_NS, "a.txt", sealed=True)
        tx.nodes.promise(node_id, StageId(2), 7, EPOCH_NS, "a.txt", sealed=True)
        stored(tx, mirror, node_id, remote(1))

    node = index.node(node_id)
    assert (node.stage, node.size_bytes) == (2, 7)


# ---- the index: what a listing lacks

def test_a_sweep_removes_only_what_was_listed_before(db: Database, index: Lookups, mirror: Mirror) -> None:
    with db.transaction() as tx:
        for number in (1, 2, 3):
            mirror.show(tx, remote(number, f"{number}.txt"), 1, NOBODY)
        mirror.show(tx, remote(1, "1.txt"), 2, NOBODY)
        mirror.show(tx, remote(4, "4.txt"), 2, NOBODY)

        assert mirror.missing(tx, 2) == (2, 4)
        assert mirror.doubtful(tx, 2, EPOCH_NS, NEVER_NS, NOBODY, 9) == ["file_2", "file_3"]
        mirror.sweep(tx, 2, NEVER_NS, EVER_NS, NOBODY)

    assert sorted(shown(index)) == ["1.txt", "4.txt"]


def uploaded(tx: Tx, index: Lookups, mirror: Mirror, file: RemoteFile, node_id: NodeId | None = None) -> NodeId:
    node_id = node_id or tx.nodes.create(ROOT, file.name, 0o644, EPOCH_NS, file.name)
    tx.nodes.promise(node_id, StageId(1), file.size_bytes, EPOCH_NS, file.name, sealed=True)
    stored(tx, mirror, node_id, file)
    return node_id


def test_a_new_upload_that_no_listing_showed_is_never_taken_for_gone_but_asked_for_when_it_is_old(
        db: Database, index: Lookups, mirror: Mirror) -> None:
    with db.transaction() as tx:
        uploaded(tx, index, mirror, remote(1, age_s=1))

        assert mirror.doubtful(tx, 1, EPOCH_NS, NEVER_NS, NOBODY, 9) == []
        assert mirror.doubtful(tx, 2, EPOCH_NS + SETTLED_NS // 2, NEVER_NS, NOBODY, 9) == []
        assert mirror.doubtful(tx, 3, EPOCH_NS + SETTLED_NS, NEVER_NS, NOBODY, 9) == ["file_1"]
        mirror.sweep(tx, 3, NEVER_NS, EVER_NS, NOBODY)
        assert shown(index) == {"a.txt": "file_1"}
        mirror.saw(tx, FileId("file_1"), 3)
        for number in range(3, 3 + ASK_AGAIN):
            assert mirror.doubtful(tx, number, EPOCH_NS + SETTLED_NS, NEVER_NS, NOBODY, 9) == []
            mirror.sweep(tx, number, NEVER_NS, EVER_NS, NOBODY)
        assert mirror.doubtful(tx, 3 + ASK_AGAIN, EPOCH_NS + SETTLED_NS, NEVER_NS, NOBODY, 9) == ["file_1"]
        assert shown(index) == {"a.txt": "file_1"}


def test_a_save_over_a_listed_file_is_a_new_upload_as_well(db: Database, index: Lookups, mirror: Mirror) -> None:
    with db.transaction() as tx:
        mirror.show(tx, remote(1), 1, NOBODY)
        node_id = index.entry(ROOT, "a.txt").node_id
        uploaded(tx, index, mirror, remote(2, age_s=1, downloadable=False), node_id)

        mirror.sweep(tx, 2, NEVER_NS, EVER_NS, NOBODY)             # it began before the save, or lags behind it

    assert shown(index) == {"a.txt": "file_2"}


def test_what_is_in_use_waits_for_the_next_sweep(db: Database, index: Lookups, mirror: Mirror) -> None:
    with db.transaction() as tx:
        mirror.show(tx, remote(1), 1, NOBODY)
        node_id = index.entry(ROOT, "a.txt").node_id

        mirror.sweep(tx, 2, NEVER_NS, EVER_NS, {node_id})
        assert mirror.doubtful(tx, 2, EPOCH_NS, NEVER_NS, {node_id}, 9) == []
        assert not mirror.vanished(tx, FileId("file_1"), {node_id})
        assert shown(index) == {"a.txt": "file_1"}
        mirror.sweep(tx, 3, NEVER_NS, EVER_NS, NOBODY)

    assert shown(index) == {}


def test_unsent_content_survives_that_its_file_is_gone(db: Database, index: Lookups, mirror: Mirror) -> None:
    with db.transaction() as tx:
        mirror.show(tx, remote(1), 1, NOBODY)
        node_id = index.entry(ROOT, "a.txt").node_id
        tx.nodes.promise(node_id, StageId(9), 100, EPOCH_NS, "a.txt", sealed=True)
        mirror.sweep(tx, 2, NEVER_NS, EVER_NS, NOBODY)

        node = index.node(node_id)
        assert (node.stage, node.remote, node.size_bytes, node.wanted) == (9, None, 100, "a.txt")
        mirror.sweep(tx, 3, NEVER_NS, EVER_NS, NOBODY)
        assert [each.node_id for each in tx.nodes.unsent()] == [node_id]


def test_local_files_are_never_missing_from_a_listing(db: Database, index: Lookups, mirror: Mirror) -> None:
    with db.transaction() as tx:
        tx.nodes.create(ROOT, "a.txt~", 0o644, EPOCH_NS, None)

        assert mirror.missing(tx, 100) == (0, 0)
        assert mirror.doubtful(tx, 100, EPOCH_NS * 2, NEVER_NS, NOBODY, 9) == []
        mirror.sweep(tx, 100, NEVER_NS, EVER_NS, NOBODY)
        assert len(shown(index)) == 1


# ---- the cache

A: Final = FileId("file_a")
B: Final = FileId("file_b")


def block(seed: int, size: int = BLOCK_BYTES) -> bytes:
    return random.Random(seed).randbytes(size)


def cache_at(path: Path, limit_bytes: int = 10**9, disk: Disk | None = None) -> BlockCache:
    """As after a start: nothing is in memory."""
    cache = BlockCache(path, disk or Disk(), limit_bytes)
    cache.start()
    return cache


def put(cache: BlockCache, file_id: FileId, number: int, data: bytes) -> None:
    cache.put(file_id, number, [data])


def test_a_block_comes_back_from_memory_and_after_a_start_from_disk(tmp_path: Path) -> None:
    cache = cache_at(tmp_path)
    blocks = {(A, 0): block(1), (A, 7): block(2), (B, 0): block(3, 17), (FileId("../../x\0"), 3): block(4)}
    for (file_id, number), data in blocks.items():
        put(cache, file_id, number, data)

    for each in (cache, cache_at(tmp_path)):
        for (file_id, number), data in blocks.items():
            assert each.get(file_id, number) == data
        assert each.get(A, 1) is None
        assert each.get(FileId("unknown"), 0) is None
    assert {path.name for path in tmp_path.iterdir()} == {"cache", "kept"}      # no id leads elsewhere


def _flip(path: Path, chance: random.Random) -> None:
    raw = bytearray(path.read_bytes())
    raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
    path.write_bytes(raw)


def _cut(path: Path, chance: random.Random) -> None:
    os.truncate(path, chance.randrange(path.stat().st_size))


def _zero(path: Path, chance: random.Random) -> None:
    start = chance.randrange(path.stat().st_size)
    with path.open("r+b") as file:
        file.seek(start)
        file.write(bytes(chance.randrange(1, 9)))


def _remove(path: Path, chance: random.Random) -> None:
    path.unlink()


def _swap(path: Path, chance: random.Random) -> None:
    other = chance.choice([each for each in sorted(path.parent.iterdir()) if each.suffix == path.suffix and len(each.stem) == 32])
    between = path.with_name("between")
    path.rename(between)
    other_path = between if other == path else other
    other_path.rename(path)
    if between.exists():
        between.rename(other)


DAMAGES: Final[tuple[Callable[[Path, random.Random], None], ...]] = (_flip, _cut, _zero, _remove, _swap)


@settings(law, max_examples=80)
@given(damages=st.lists(st.sampled_from(DAMAGES), min_size=1, max_size=4), seed=st.integers(0, 2**32), size=st.integers(1, 400))
def test_whatever_happens_to_the_cache_on_disk_a_wrong_byte_is_never_returned(
        tmp_path_factory: pytest.TempPathFactory, damages: list[Callable[[Path, random.Random], None]], seed: int, size: int) -> None:
    root = tmp_path_factory.mktemp("cache")
    blocks = {(file_id, number): block(seed + number, size) for file_id, number in itertools.product((A, B, FileId("c")), range(3))}
    cache = cache_at(root)
    for (file_id, number), data in blocks.items():
        put(cache, file_id, number, data + file_id.encode())
    chance = random.Random(seed)
    for damage in damages:
        paths = [path for path in sorted((root / "cache").iterdir()) if len(path.stem) == 32 and path.stat().st_size]
        if paths:
            damage(chance.choice(paths), chance)

    again = cache_at(root)
    for (file_id, number), data in blocks.items():
        assert again.get(file_id, number) in (None, data + file_id.encode())
        put(again, file_id, number, data + file_id.encode())                 # and what is fetched again heals it
    healed = cache_at(root)
    assert all(healed.get(file_id, number) == data + file_id.encode() for (file_id, number), data in blocks.items())


def _whole(cache_root: Path, file_id: FileId) -> tuple[Path, Path]:
    """(content, map) of the only file there."""
    content, = (path for path in cache_root.iterdir() if len(path.name) == 32)
    return content, content.with_suffix(".map")


def test_content_without_its_map_is_absent_and_swapped_files_are_too(tmp_path: Path) -> None:
    for name, file_id in (("one", A), ("two", B)):
        put(cache_at(tmp_path / name), file_id, 0, block(1))
    one, two = _whole(tmp_path / "one" / "cache", A), _whole(tmp_path / "two" / "cache", B)

    for theirs, mine in zip(two, one, strict=True):         # B's blocks, with B's map, in A's place
        theirs.rename(mine)
    assert cache_at(tmp_path / "one").get(A, 0) is None

    put(cache_at(tmp_path / "one"), A, 0, block(1))
    assert cache_at(tmp_path / "one").get(A, 0) == block(1)
    one[1].unlink()
    assert cache_at(tmp_path / "one").get(A, 0) is None


def test_eviction_keeps_the_cache_within_its_limit_and_takes_the_least_used(tmp_path: Path) -> None:
    limit = 10 * BLOCK_BYTES
    cache = cache_at(tmp_path, limit)
    ids = [FileId(f"file_{number}") for number in range(30)]
    for number, file_id in enumerate(ids):
        put(cache, file_id, 0, block(number))
        put(cache, ids[0], 1, block(99)) if number == 5 else cache.get(ids[0], 0)
        cache._memory.clear()           # so that the disk is what is used

    on_disk = sum(path.stat().st_size for path in (tmp_path / "cache").iterdir() if len(path.name) == 32)
    assert on_disk <= limit
    again = cache_at(tmp_path, limit)
    assert again.get(ids[0], 0) == block(0)         # used all the time
    assert again.get(ids[-1], 0) == block(29)
    assert again.get(ids[1], 0) is None
    maps = {path.stem for path in (tmp_path / "cache").glob("*.map")}
    assert maps == {path.name for path in (tmp_path / "cache").iterdir() if len(path.name) == 32}


def test_a_start_counts_what_an_earlier_mount_left(tmp_path: Path) -> None:
    for number in range(10):
        put(cache_at(tmp_path), FileId(f"file_{number}"), 0, block(number))

    smaller = cache_at(tmp_path, 3 * BLOCK_BYTES)
    put(smaller, A, 0, block(1))

    assert sum(path.stat().st_size for path in (tmp_path / "cache").iterdir() if len(path.name) == 32) <= 3 * BLOCK_BYTES


def test_a_kept_copy_is_read_and_survives_stage_eviction_and_start(tmp_path: Path) -> None:
    content = block(1, 2 * BLOCK_BYTES + 5)
    stage = tmp_path / "stage"
    stage.write_bytes(content)
    cache = cache_at(tmp_path, BLOCK_BYTES)
    cache.adopt(A, stage)
    stage.unlink()
    cache.verify(A)
    for number in range(20):
        put(cache, FileId(f"file_{number}"), 0, block(number))

    for each in (cache, cache_at(tmp_path, BLOCK_BYTES)):
        assert b"".join(each.get(A, number) or b"?" for number in range(3)) == content
        assert each.totals()[1:] == (1, len(content))
        assert kept_path(each).read_bytes() == content
        assert each.has_kept(A)
        assert not each.has_kept(B)


def kept_path(cache: BlockCache) -> Path:
    [path] = [path for path in cache._kept_root.iterdir() if not path.suffix]
    return path


def test_a_copy_that_is_dropped_while_copies_are_counted_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stage").write_bytes(b"content")
    cache = cache_at(tmp_path)
    cache.adopt(A, tmp_path / "stage")

    def dropped(entry: os.DirEntry[str]) -> bool:
        os.unlink(entry.path)
        return True

    monkeypatch.setattr("anthrofs.store.block_cache._is_ours", dropped)
    assert cache.totals() == (0, 0, 0)


def test_a_kept_copy_is_readable_before_its_checksums_are_written(tmp_path: Path) -> None:
    content = block(1, BLOCK_BYTES + 5)
    (tmp_path / "stage").write_bytes(content)
    cache = cache_at(tmp_path)
    cache.adopt(A, tmp_path / "stage")

    assert (cache.get(A, 0) or b"") + (cache.get(A, 1) or b"") == content


@settings(law, max_examples=60)
@given(seed=st.integers(0, 2**32), damage=st.sampled_from([_flip, _cut, _zero]), on_map=st.booleans())
def test_a_damaged_kept_copy_is_missing_and_never_returned(
        tmp_path_factory: pytest.TempPathFactory, seed: int, damage: Callable[[Path, random.Random], None], on_map: bool) -> None:
    root, content = tmp_path_factory.mktemp("kept"), block(seed, BLOCK_BYTES + 100)
    (root / "stage").write_bytes(content)
    cache = cache_at(root)
    cache.adopt(A, root / "stage")
    cache.verify(A)
    kept = kept_path(cache)
    damage(kept.with_suffix(".map") if on_map else kept, random.Random(seed))

    again = cache_at(root)
    assert again.get(A, 0) in (None, content[:BLOCK_BYTES])
    assert again.get(A, 1) in (None, content[BLOCK_BYTES:])


def test_the_checksums_of_an_earlier_copy_do_not_judge_a_newer_one(tmp_path: Path) -> None:
    cache = cache_at(tmp_path)
    for content in (b"earlier, before a crash", b"newer"):
        (tmp_path / "stage").unlink(missing_ok=True)
        (tmp_path / "stage").write_bytes(content)
        cache.adopt(A, tmp_path / "stage")
        assert cache_at(tmp_path).get(A, 0) == content
        cache.verify(A)
        assert cache_at(tmp_path).get(A, 0) == content


def test_a_dropped_file_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "stage").write_bytes(b"kept")
    cache = cache_at(tmp_path)
    put(cache, A, 0, block(1))
    cache.adopt(A, tmp_path / "stage")
    cache.verify(A)
    cache.get(A, 0)

    cache.drop(A)
    cache.drop(B)               # unknown: nothing to do

    assert cache.get(A, 0) is None
    assert cache.totals() == (0, 0, 0)
    assert [path.name for path in (*(tmp_path / "cache").iterdir(), *(tmp_path / "kept").iterdir())] == ["CACHEDIR.TAG"]


@pytest.mark.parametrize("trouble", ["full", "short"])
def test_a_full_disk_turns_the_cache_off_with_one_log_line_and_fails_no_read(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, trouble: str) -> None:
    cache = cache_at(tmp_path)
    put(cache, A, 0, block(0))

    def pwrite(descriptor: int, data: bytes, offset: int) -> int:
        if trouble == "full":
            raise OSError(errno.ENOSPC, "No space left on device")
        return len(data) // 2

    monkeypatch.setattr(os, "pwrite", pwrite)
    for number in range(5):
        put(cache, B, number, block(number))
    monkeypatch.undo()
    put(cache, B, 9, block(9))                   # it stays off

    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "space left" in caplog.text
    assert all(cache.get(B, number) == block(number) for number in range(5))        # from memory
    again = cache_at(tmp_path)
    assert again.get(A, 0) is None          # half of what was there made room for others
    assert all(again.get(B, number) is None for number in (*range(5), 9))


# ---- staging

class SmallDisk(Disk):
    """With as much free space as a test says."""

    def __init__(self, free: int) -> None:
        self.free = free

    def free_bytes(self, path: Path) -> int:
        return self.free


def staging_at(root: Path, disk: Disk | None = None, spare_bytes: int = 0) -> Staging:
    staging = Staging(root, disk or Disk(), spare_bytes)
    staging.start(set())
    return staging


def test_a_number_is_never_used_again(tmp_path: Path) -> None:
    staging = staging_at(tmp_path)
    numbers = []
    for _ in range(5):
        stage = staging.create()
        stage.close()
        numbers.append(stage.number)
        if len(numbers) % 2:
            staging.remove(stage.number)
    assert len(set(numbers)) == 5
    assert staging.numbers() == set(numbers[1::2])

    for promised in (0, 1000, 0):               # 1000 is promised, though its bytes are lost
        highest = max(*staging.numbers(), promised)
        again = Staging(tmp_path, Disk(), 0)
        again.start({StageId(promised)})
        stage = again.create()
        stage.close()
        assert stage.number > highest


def test_many_threads_never_get_the_same_number(tmp_path: Path) -> None:
    staging, numbers = staging_at(tmp_path), deque[StageId]()

    def make() -> None:
        for _ in range(50):
            stage = staging.create()
            stage.close()
            numbers.append(stage.number)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(numbers)) == len(numbers) == 400


def test_a_stage_is_read_and_written_by_position_and_grows_by_holes(tmp_path: Path) -> None:
    stage = staging_at(tmp_path).create()
    stage.write(b"world", 6)
    stage.write(b"hello", 0)
    assert stage.read(100, 0) == b"hello\0world"
    stage.truncate(3)
    stage.truncate(5)
    assert (stage.read(100, 0), stage.size_bytes()) == (b"hel\0\0", 5)
    assert stage.path.stat().st_mode & 0o777 == 0o600
    stage.close()


@pytest.mark.parametrize("reflink", [True, False])
def test_a_copy_has_the_same_content_and_is_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reflink: bool) -> None:
    asked = []

    def ioctl(target: int, request: int, source: int) -> int:
        asked.append(request)
        if not reflink:
            raise OSError(errno.EOPNOTSUPP, "not here")
        os.sendfile(target, source, 0, 10**9)
        return 0

    monkeypatch.setattr("fcntl.ioctl", ioctl)
    source = tmp_path / "source"
    source.write_bytes(block(1, 3_000_000))
    stage = staging_at(tmp_path / "staging").copy_of(source)
    try:
        assert asked == [FICLONE]
        assert stage.read(10**7, 0) == source.read_bytes()
        stage.write(b"x", 0)
        assert source.read_bytes() == block(1, 3_000_000)
    finally:
        stage.close()


def test_a_copy_that_fails_leaves_nothing(tmp_path: Path) -> None:
    staging = staging_at(tmp_path / "staging")
    with pytest.raises(FileNotFoundError):
        staging.copy_of(tmp_path / "missing")
    with pytest.raises(IsADirectoryError):
        staging.copy_of(tmp_path)

    assert staging.numbers() == set()


def test_writing_is_refused_while_the_last_of_the_disk_is_still_free(tmp_path: Path) -> None:
    disk = SmallDisk(free=1_000_000)
    staging = staging_at(tmp_path, disk, spare_bytes=1_000_000)
    staging.create().close()                    # nothing more is needed for it

    with pytest.raises(DiskFull) as caught:
        staging.reserve(ROOM_CHECK_BYTES)
    assert caught.value.code == errno.ENOSPC
    for _ in range(3):                          # and again, however little is asked
        with pytest.raises(DiskFull):
            staging.reserve(1)
    with pytest.raises(DiskFull):
        staging.copy_of(Path(__file__))

    disk.free += 10**9                          # somebody made room
    staging.reserve(1)
    staging.create().close()


def test_small_writes_are_counted_until_they_are_worth_a_look(tmp_path: Path) -> None:
    disk = SmallDisk(free=10**9)
    staging = staging_at(tmp_path, disk, spare_bytes=0)
    staging.create().close()
    disk.free = 0

    def write_much() -> None:
        for _ in range(ROOM_CHECK_BYTES // 4096):
            staging.reserve(4096)

    with pytest.raises(DiskFull):
        write_much()


def test_a_big_write_is_looked_at_before_it_is_made(tmp_path: Path) -> None:
    staging = staging_at(tmp_path, SmallDisk(free=100 * ROOM_CHECK_BYTES), spare_bytes=ROOM_CHECK_BYTES)

    staging.reserve(99 * ROOM_CHECK_BYTES)
    with pytest.raises(DiskFull):
        staging.reserve(99 * ROOM_CHECK_BYTES + 1)


# ---- one mount a state directory

def test_a_second_mount_on_a_state_is_refused_and_told_by_whom(tmp_path: Path) -> None:
    first = StateDir(tmp_path / "state", "/mnt/files")

    with pytest.raises(SetupError, match=rf"process {os.getpid()}, mounted on /mnt/files") as caught:
        StateDir(tmp_path / "state", "/mnt/other")
    assert caught.value.exit_code == EXIT_BUSY
    assert json.loads((tmp_path / "state" / "lock").read_text()) == {"pid": os.getpid(), "mountpoint": "/mnt/files"}

    first.close()
    StateDir(tmp_path / "state", "/mnt/x").close()
    assert json.loads((tmp_path / "state" / "lock").read_text())["mountpoint"] == "/mnt/x"     # shorter, and nothing of before


@pytest.mark.parametrize("said", [b"", b"garbage", b"[]", b'{"pid": "x"}', b"\xff", b'{"pid": 1}'])
def test_a_lock_that_says_nothing_useful_still_locks(tmp_path: Path, said: bytes) -> None:
    first = StateDir(tmp_path, "/mnt/files")
    (tmp_path / "lock").write_bytes(said)

    with pytest.raises(SetupError, match="in use by another process"):
        StateDir(tmp_path, "/mnt/other")
    first.close()


def test_a_state_is_private_even_if_its_directory_was_not(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    StateDir(tmp_path, "/mnt").close()

    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "lock").stat().st_mode) == 0o600


def test_a_state_directory_that_cannot_be_made_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")

    with pytest.raises(SetupError, match="--state-dir"):
        StateDir(tmp_path / "file" / "state", "/mnt")


# ---- whose files a state mirrors

def service(key: str = "key", url: str = "http://one", workspace_id: str | None = None) -> Service:
    return Service(url, Credentials("x-api-key", key), workspace_id)


ORG: Final = Workspace("org", None)
WORK: Final = Workspace("org", "wrkspc")
SILENT: Final = Workspace(None, None)


@pytest.mark.parametrize(("before", "who", "named", "expected"), [
    # before the server was asked
    (WORK, service(), None, Match.SAME), (SILENT, service(), None, Match.SAME), (WORK, service("new key"), None, Match.UNSURE),
    (WORK, service(url="http://two"), None, Match.UNSURE), (WORK, service(workspace_id="other"), None, Match.UNSURE),
    # where it names the workspace, that alone counts
    (WORK, service(), WORK, Match.SAME), (WORK, service("new key"), WORK, Match.SAME), (WORK, service(url="http://two"), WORK, Match.SAME),
    (WORK, service(), Workspace("org", "other"), Match.OTHER), (WORK, service("new key"), Workspace("other", "other"), Match.OTHER),
    # an organization alone can only tell apart
    (ORG, service(), ORG, Match.SAME), (ORG, service("new key"), ORG, Match.OTHER), (ORG, service(), Workspace("other", None), Match.OTHER),
    (ORG, service(), WORK, Match.SAME), (WORK, service(), ORG, Match.SAME), (WORK, service("new key"), ORG, Match.OTHER),
    # where it names nothing, the key and the address do
    (SILENT, service(), SILENT, Match.SAME), (SILENT, service("new key"), SILENT, Match.OTHER),
    (SILENT, service(url="http://two"), SILENT, Match.OTHER), (WORK, service(), SILENT, Match.SAME), (SILENT, service(), WORK, Match.SAME),
])
def test_a_state_knows_its_workspace(db: Database, before: Workspace, who: Service, named: Workspace | None, expected: Match) -> None:
    with db.transaction() as tx:
        assert workspace.match(tx, service(), None) is Match.NEW
        assert workspace.match(tx, service(), WORK) is Match.NEW
        workspace.remember(tx, service(), before)

        assert workspace.match(tx, who, named) is expected

        workspace.forget(tx)
        assert workspace.match(tx, who, named) is Match.NEW


def test_what_a_server_does_not_name_any_more_stays_known(db: Database) -> None:
    with db.transaction() as tx:
        workspace.remember(tx, service(), WORK)
        workspace.remember(tx, service(), SILENT)

        assert workspace.match(tx, service(), Workspace("org", "other")) is Match.OTHER


def test_no_key_is_written_into_the_state(db: Database, tmp_path: Path) -> None:
    with db.transaction(durable=True) as tx:
        workspace.remember(tx, service("sk-secret-key"), WORK)

    assert all(b"sk-secret-key" not in path.read_bytes() for path in tmp_path.iterdir())


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


def test_another_workspace_begins_with_nothing_of_the_old_one(db: Database, index: Lookups, mirror: Mirror) -> None:
    with db.transaction() as tx:
        mirror.show(tx, remote(1), 1, NOBODY)
        tx.uploads.attempt(NodeId(7), StageId(1), 1)
        tx.deletions.doom(remote(2))
        mirror.forget_server(tx)
        tx.uploads.forget_all()
        tx.deletions.forget_all()
        assert tx.uploads.every() == []
        assert tx.deletions.every() == []

    assert entries(index, ROOT) == []
    with pytest.raises(NotFound):
        index.entry(ROOT, "a.txt")


# ---- stages that a transaction makes superfluous

def test_a_stage_that_nobody_needs_is_removed_after_the_commit_and_not_before(tmp_path: Path) -> None:
    removed: list[tuple[StageId, bool]] = []
    state: Database = Database(tmp_path / "state.db", discard=lambda stage: removed.append((stage, state.writing)))
    with state.transaction() as tx:
        for stage in (3, None, 1, 3, 2):
            tx.unneeded(None if stage is None else StageId(stage))
        tx.needed(StageId(2))
        assert removed == []
    assert removed == [(3, False), (1, False)]
    with state.transaction():
        removed.clear()
    assert removed == []
    state.close()


def test_a_transaction_that_fails_removes_no_stage_and_the_next_one_remembers_none(tmp_path: Path) -> None:
    removed: list[StageId] = []
    db = Database(tmp_path / "state.db", discard=removed.append)

    def fails() -> None:
        with db.transaction() as tx:
            tx.unneeded(StageId(1))
            raise NotFound("x")

    with pytest.raises(NotFound):
        fails()
    with db.transaction() as tx:
        tx.unneeded(StageId(2))
    assert removed == [2]
    db.close()
