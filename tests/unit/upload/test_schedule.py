"""The order of sending: neither big files nor small ones keep the others waiting, and an empty file is waited for a moment."""

from collections.abc import Collection, Iterator

import pytest

from anthrofs.model import ROOT, Attempt, NodeId
from anthrofs.tree.database import Database
from anthrofs.tree.upload_queue import AT_ONCE, BIG_BYTES, Step
from anthrofs.upload.schedule import BIG_THREADS, FEW, HELD, HOLD_S, THREADS
from tests.unit.upload.queued import BIG, SMALL, Queue

# ---- the laws

def test_what_was_promised_first_is_sent_first_whichever_file_is_older(queue: Queue) -> None:
    old = queue.add("a")
    queue.add("b")
    queue.save(old)
    queue.add("c")
    assert queue.names() == ["b", "a", "c"]


def test_what_a_close_waits_for_goes_first(queue: Queue) -> None:
    nodes = [queue.add(name) for name in "abcd"]
    queue.waited = {nodes[3], nodes[2]}
    assert queue.names() == ["c", "d", "a", "b"]


def test_big_files_have_half_of_the_threads_and_small_ones_the_rest(queue: Queue) -> None:
    for number in range(10):
        queue.add(f"big {number}", BIG)
    assert [queue.name(attempt) for _ in range(THREADS) if (attempt := queue.take())] == [f"big {number}" for number in range(BIG_THREADS)]
    queue.add("small")
    small = queue.take()
    assert small is not None
    assert queue.name(small) == "small"
    assert queue.take() is None


def test_a_big_file_gets_a_thread_however_many_small_ones_wait(queue: Queue) -> None:
    for number in range(100):
        queue.add(f"small {number}")
    queue.add("big 0", BIG)
    queue.add("big 1", BIG)
    taken = [attempt for _ in range(THREADS) if (attempt := queue.take())]
    assert [queue.name(attempt) for attempt in taken] == ["big 0", *(f"small {number}" for number in range(THREADS - 1))]
    queue.waited = {NodeId(each.node_id) for each in queue.look()[0]}
    queue.end(taken[0])
    following = queue.take()
    assert following is not None
    assert queue.name(following) == "big 1"


def test_renamed_big_files_are_prepared_by_half_of_the_threads_too_and_hide_no_small_ones(queue: Queue) -> None:
    with queue.db.transaction() as tx:
        bigs, [small] = ([tx.nodes.create(ROOT, f"{size} {number}", 0o644, 0, "name") for number in range(count)]
                         for size, count in ((BIG, THREADS + 5), (SMALL, 1)))
        tx.run("UPDATE node SET file_id = node_id, size_bytes = iif(node_id = ?, ?, ?) WHERE NOT directory", small, SMALL, BIG)
    with queue.db.transaction() as tx:
        for node_id in (*bigs, small):
            tx.nodes.set_resend(node_id, True)
    queue.add("big", BIG)
    assert queue.take() is not None
    reserved = [node_id for node_id in bigs if queue.turns.reserve(node_id, big=True)]
    assert (len(reserved), queue.turns.full()) == (BIG_THREADS - 1, True)
    queue.add("another big", BIG)
    assert queue.look()[0] == []
    with queue.db.reading() as tx:
        assert [node.node_id for node in tx.nodes.renamed(queue.turns.not_now(), THREADS, below_bytes=BIG_BYTES)] == [small]
    assert queue.turns.reserve(small, big=False)
    queue.turns.ended(reserved[0], done=False)
    assert queue.names() == ["another big"]
    assert queue.turns.reserve(bigs[-1], big=True)


def test_postponed_ones_hide_nothing_behind_them(queue: Queue) -> None:
    for number in range(2 * AT_ONCE + 1):
        queue.add(f"{number}")
    for _ in range(2 * AT_ONCE):
        queue.postpone(60)
    assert queue.names() == [f"{2 * AT_ONCE}"]
    assert queue.look()[1] == 60


def test_a_new_file_is_held_off_once_unless_it_is_one_of_a_batch(db: Database) -> None:
    queue = Queue(db, holds_new=True)
    queue.add("a")
    assert queue.look() == ([], HOLD_S)
    queue.clock.advance(0.4)
    queue.add("b")
    assert queue.look()[1] == pytest.approx(HOLD_S - 0.4)
    queue.clock.advance(HOLD_S - 0.4)
    assert queue.names() == ["a"]
    assert queue.turns.hurry()                          # somebody waits for everything
    assert queue.names() == ["b"]
    for number in range(FEW):
        queue.add(f"{number}")
    assert queue.take() is None
    queue.add("one more makes it a batch")
    assert queue.take() is not None
    queue.clock.advance(HOLD_S)
    queue.add("the next one is alone again")
    assert queue.names() == [*(f"{number}" for number in range(1, FEW)), "one more makes it a batch"]


def test_what_the_server_has_or_was_tried_before_is_not_held_off(db: Database) -> None:
    queue = Queue(db, holds_new=True)
    known, tried = queue.add("known"), queue.add("tried")
    with db.transaction() as tx:
        tx.run("UPDATE node SET file_id = 'file_1', server_name = 'known' WHERE node_id = ?", known)
        tx.uploads.step(queue.send(tx, tried), Step.TRY_LATER)
    assert queue.names() == ["known", "tried"]


# ---- files that are empty for a moment

EMPTY = 0


@pytest.mark.parametrize("holds_new", [False, True])
def test_an_empty_file_is_held_off_for_a_second_also_as_one_of_a_batch_or_of_what_the_server_has(db: Database, holds_new: bool) -> None:
    queue = Queue(db, holds_new=holds_new)
    for number in range(2 * FEW):
        queue.add(f"{number}", EMPTY)
    with db.transaction() as tx:
        tx.run("UPDATE node SET file_id = 'file_1', server_name = '0' WHERE name = '0'")
    assert queue.look() == ([], HOLD_S)
    queue.add("with content")
    assert [queue.name(attempt) for attempt in queue.look()[0]] == ["with content"]
    queue.clock.advance(HOLD_S)
    assert queue.names() == [*(f"{number}" for number in range(2 * FEW)), "with content"]


def test_an_empty_file_that_gets_content_is_sent_with_it_at_once_and_one_that_is_emptied_again_is_held_off_again(queue: Queue) -> None:
    node_id = queue.add("a", EMPTY)
    queue.clock.advance(HOLD_S / 2)
    queue.save(node_id)
    queue.turns.promised(node_id)
    [attempt], _ = queue.look()
    assert attempt.size_bytes == SMALL
    queue.clock.advance(HOLD_S)
    queue.save(node_id, EMPTY)
    queue.turns.promised(node_id)
    assert queue.look() == ([], HOLD_S)


def test_empty_files_that_somebody_waits_for_are_not_held_off(queue: Queue) -> None:
    one = queue.add("one", EMPTY)
    queue.add("two", EMPTY)
    queue.waited = {one}
    assert [queue.name(attempt) for attempt in queue.look()[0]] == ["one"]
    queue.waited = set()
    assert queue.turns.hurry()
    assert queue.names() == ["one", "two"]


def test_thousands_of_empty_files_are_not_looked_through_for_each_other_file(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at = 0
    uploads = queue.db._tx.uploads
    candidates = uploads.candidates

    def counted(*, big: bool, among: Collection[NodeId] | None = None) -> Iterator[Attempt]:
        nonlocal looked_at
        for attempt in candidates(big=big, among=among):
            looked_at += 1
            yield attempt

    monkeypatch.setattr(uploads, "candidates", counted)
    for number in range(4 * HELD):
        queue.add(f"{number}", EMPTY)
    assert queue.look() == ([], HOLD_S)
    assert looked_at <= HELD + 2
    queue.clock.advance(HOLD_S)
    assert len(queue.names()) == 4 * HELD


def test_what_nobody_waits_for_has_a_turn_now_and_then(queue: Queue) -> None:
    nodes = [queue.add(f"{number}") for number in range(20)]
    queue.waited = set(nodes[10:])
    names = queue.names()
    assert names[:5] == ["10", "11", "12", "0", "13"]
    assert [name for name in names if int(name) < 10] == [f"{number}" for number in range(10)]


def test_a_plan_lasts_no_longer_than_what_is_in_it(queue: Queue) -> None:
    node_id = queue.add("a")
    plan = queue.turns.reserve(node_id, big=False)
    assert plan is not None
    queue.turns.ended(node_id, done=False)
    assert queue.turns._plans == {}
    queue.postpone(60)
    assert queue.look() == ([], 60)
    assert queue.turns.not_now() == {node_id}
    assert queue.take() is None
    queue.turns.retry_now()
    assert (queue.turns._plans, queue.turns._later_s) == ({}, {})
    queue.postpone(60)
    queue.clock.advance(60)
    assert len(queue.look()[0]) == 1
    assert queue.turns._plans == {}
