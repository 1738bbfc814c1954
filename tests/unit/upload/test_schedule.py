"""What is next: neither big files nor small ones keep the others waiting, and an empty file is waited for a moment."""

import random
from collections.abc import Callable, Collection, Iterator

import pytest

from anthrofs.model import ROOT, Attempt, FileId, NodeId, RemoteFile
from anthrofs.remote.gates import APART_S, Kind
from anthrofs.tree.database import Database
from anthrofs.tree.upload_queue import AT_ONCE, PASSED_OVER, Step
from anthrofs.upload.delete_order import FEW as FEW_DELETIONS
from anthrofs.upload.holdoffs import FEW, HOLD_S
from anthrofs.upload.inquiries import INQUIRE_S
from anthrofs.upload.permission import ASK_S
from anthrofs.upload.plans import SendPlan
from anthrofs.upload.send_order import BIG_THREADS, SAME, THREADS
from anthrofs.upload.work import Delete, Item, Pause, Prepare, Send
from tests.unit.upload.queued import BIG, SMALL, Queue, refused
from tests.unit.upload.working import Threads

# ---- the laws

def test_what_was_promised_first_is_sent_first_whichever_file_is_older(queue: Queue) -> None:
    old = queue.add("a")
    queue.add("b")
    queue.save(old)
    queue.add("c")
    assert queue.names() == ["b", "a", "c"]


def test_what_a_close_waits_for_goes_first(queue: Queue) -> None:
    nodes = [queue.add(name) for name in "abcd"]
    queue.wait_for(nodes[3], nodes[2])
    assert queue.names() == ["c", "d", "a", "b"]


def test_big_files_have_a_few_of_the_threads_and_small_ones_the_rest(queue: Queue) -> None:
    for number in range(10):
        queue.add(f"big {number}", BIG)
    assert [name for _ in range(THREADS) if (name := queue.take())] == [f"big {number}" for number in range(BIG_THREADS)]
    queue.add("small")
    assert queue.take() == "small"
    assert queue.take() is None


def test_a_big_file_gets_a_thread_however_many_small_ones_wait(queue: Queue) -> None:
    small = [queue.add(f"small {number}") for number in range(100)]
    queue.add("big 0", BIG)
    big = queue.add("big 1", BIG)
    taken = [queue.take() for _ in range(THREADS)]
    assert taken == ["big 0", *(f"small {number}" for number in range(THREADS - 1))]
    queue.wait_for(*small, big)
    queue.end("big 0")
    assert queue.take() == "big 1"


def test_renamed_big_files_are_prepared_by_a_few_of_the_threads_too_and_hide_no_small_ones(queue: Queue) -> None:
    bigs = [rename(queue, f"{number}", BIG) for number in range(THREADS + 5)]
    small = rename(queue, "small", SMALL)
    queue.add("big", BIG)
    taken = [queue.schedule.next() for _ in range(THREADS)]
    assert [type(item) for item in taken[:BIG_THREADS + 2]] == [Send, Prepare, Prepare, Prepare, Pause]
    prepared = [item for item in taken if isinstance(item, Prepare)]
    assert [item.node.node_id for item in prepared] == [bigs[0], bigs[1], small]
    queue.add("another big", BIG)
    assert queue.pause() is None
    queue.schedule.finish(prepared[0])
    assert queue.take() == "another big"                # it is its turn, and the last big one that there may be
    assert queue.pause() is None
    queue.end("another big")
    following = queue.schedule.next()
    assert isinstance(following, Prepare)
    assert following.node.node_id == bigs[0]


def rename(queue: Queue, name: str, size_bytes: int) -> NodeId:
    """A file that the server has under another name."""
    with queue.db.transaction(durable=True) as tx:
        node_id = tx.nodes.create(ROOT, name, 0o644, 0, name)
        tx.run("UPDATE node SET file_id = node_id, server_name = 'old', size_bytes = ? WHERE node_id = ?", size_bytes, node_id)
    with queue.db.transaction(durable=True) as tx:
        tx.nodes.set_resend(node_id, True)
    return node_id


def test_postponed_ones_hide_nothing_behind_them(queue: Queue) -> None:
    for number in range(2 * AT_ONCE + 1):
        queue.add(f"{number}")
    for _ in range(2 * AT_ONCE):
        queue.postpone(60)
    assert queue.names() == [f"{2 * AT_ONCE}"]
    assert queue.pause() == 60


def test_a_new_file_is_held_off_once_unless_it_is_one_of_a_batch(db: Database) -> None:
    queue = Queue(db, holds_new=True)
    queue.add("a")
    assert queue.pause() == HOLD_S
    queue.clock.advance(0.4)
    queue.add("b")
    assert queue.pause() == pytest.approx(HOLD_S - 0.4)
    queue.clock.advance(HOLD_S - 0.4)
    assert queue.names() == ["a"]
    assert queue.schedule.hurry()                          # somebody waits for everything
    assert queue.names() == ["b"]
    for number in range(FEW):
        queue.add(f"{number}")
    assert queue.take() is None
    queue.add("one more makes it a batch")
    assert queue.take() == "0"
    queue.clock.advance(HOLD_S)
    queue.add("the next one is alone again")
    assert queue.names() == [*(f"{number}" for number in range(1, FEW)), "one more makes it a batch"]


def test_what_the_server_has_or_was_tried_before_is_not_held_off(db: Database) -> None:
    queue = Queue(db, holds_new=True)
    known, tried = queue.add("known"), queue.add("tried")
    with db.transaction(durable=True) as tx:
        tx.run("UPDATE node SET file_id = 'file_1', server_name = 'known' WHERE node_id = ?", known)
        tx.uploads.step(queue.send(tx, tried), Step.TRY_LATER)
    assert queue.names() == ["known", "tried"]


# ---- three kinds of work

def doom(queue: Queue, *ids: str) -> None:
    with queue.db.transaction(durable=True) as tx:
        for file_id in ids:
            tx.deletions.doom(RemoteFile(FileId(file_id), f"name of {file_id}", "text/plain", 1, 1, downloadable=False))


def test_what_was_promised_goes_first_then_what_was_renamed_then_an_id_and_each_is_its_takers_alone(queue: Queue) -> None:
    doom(queue, "file_1")
    rename(queue, "renamed", SMALL)
    queue.add("saved")
    items = [queue.schedule.next() for _ in range(4)]
    assert [type(item) for item in items] == [Send, Prepare, Delete, Pause]
    assert queue.pause() is None                        # until the rows change
    for item in items[:3]:
        assert not isinstance(item, Pause)
        queue.schedule.finish(item)
    assert {type(queue.schedule.next()) for _ in range(3)} == {Send, Prepare, Delete}


def test_deletions_have_a_share_that_grows_with_what_is_owed(queue: Queue) -> None:
    for number in range(400):
        queue.add(f"{number}")

    def deletions(turns: int) -> int:
        taken: list[Item] = []
        for _ in range(turns):
            item = queue.schedule.next()
            assert not isinstance(item, Pause)
            taken.append(item)
            if isinstance(item, Send):
                with queue.db.transaction(durable=True) as tx:
                    tx.uploads.drop(item.attempt.node_id)
            queue.schedule.finish(item)                 # a deletion is only tried: it stays
        return sum(isinstance(item, Delete) for item in taken)

    doom(queue, "file_0")
    assert deletions(50) == pytest.approx(50 / 5, abs=1)
    doom(queue, *(f"file_{number}" for number in range(1, FEW_DELETIONS + 1)))
    assert deletions(50) == pytest.approx(50 / 2, abs=1)
    doom(queue, *(f"file_{number}" for number in range(FEW_DELETIONS + 1, FEW_DELETIONS + 402)))
    assert deletions(50) == pytest.approx(50 * 3 / 4, abs=1)


# ---- back-offs

def test_an_id_that_was_refused_is_tried_again_when_it_is_time_or_somebody_asks(queue: Queue) -> None:
    doom(queue, "file_1")

    def refuse(seconds: float) -> None:
        item = queue.schedule.next()
        assert isinstance(item, Delete)
        item.plan.refused += 1
        item.plan.not_before_s = queue.clock.now_s() + seconds
        queue.schedule.finish(item)

    refuse(60)
    assert (queue.pause(), queue.schedule.refused_deletions()) == (60, {FileId("file_1")})
    queue.clock.advance(60)
    assert queue.schedule.refused_deletions() == set()      # it is about to be tried again
    refuse(120)
    assert queue.pause() == 120
    queue.schedule.retry_now()
    assert queue.schedule.refused_deletions() == set()
    item = queue.schedule.next()
    assert isinstance(item, Delete)
    assert item.plan.refused == 0
    queue.schedule.finish(item)
    assert queue.schedule._deletes.every() == {}


def test_an_id_that_a_listing_has_shown_to_be_gone_waits_for_nothing(queue: Queue) -> None:
    doom(queue, "file_1")
    queue.postpone(60)
    assert queue.pause() == 60
    with queue.db.transaction(durable=True) as tx:
        tx.run("UPDATE doomed SET doubt = -1")
    item = queue.schedule.next()
    assert isinstance(item, Delete)
    assert isinstance(queue.schedule.next(), Pause)
    item.plan.hasten()
    queue.schedule.finish(item)
    assert queue.schedule._deletes.every() == {}


def lose(queue: Queue, node_id: NodeId) -> SendPlan:
    """Its answer is lost, and the first inquiry has told nothing."""
    assert queue.take() is not None
    [item] = queue.taken.values()
    with queue.db.transaction(durable=True) as tx:
        tx.uploads.step(queue.send(tx, node_id), Step.LOST)
    item.plan.lost_s, item.plan.inquiries_s = queue.clock.now_s(), INQUIRE_S[1:]
    queue.clock.advance(INQUIRE_S[0])
    item.plan.not_before_s = item.plan.lost_s + INQUIRE_S[1]
    queue.schedule.finish(item)
    return item.plan


def test_what_became_of_a_lost_answer_is_asked_when_it_is_time_whoever_hurries(queue: Queue) -> None:
    lose(queue, queue.add("a"))
    assert queue.pause() == INQUIRE_S[1] - INQUIRE_S[0]
    queue.schedule.retry_now()
    assert queue.pause() == INQUIRE_S[1] - INQUIRE_S[0]


def test_newer_content_has_it_asked_at_once_unless_asking_has_failed(queue: Queue) -> None:
    node_id = queue.add("a")
    plan = lose(queue, node_id)
    plan.failed_s = queue.clock.now_s()
    queue.schedule.promised(node_id)
    assert queue.pause() == INQUIRE_S[1] - INQUIRE_S[0]
    plan.failed_s = None
    queue.schedule.promised(node_id)
    assert queue.take() == "a"


# ---- the way, and whose the files are

def close_way(queue: Queue, kind: Kind) -> None:
    """Two refusals, a moment apart."""
    for _ in range(2):
        queue.way.hear(kind, refused())
        queue.clock.advance(APART_S)


def test_while_uploads_are_refused_the_smallest_goes_as_a_probe_and_not_always_the_same(queue: Queue) -> None:
    queue.add("bigger", 3)
    queue.add("smallest", 1)
    queue.add("small", 2)
    close_way(queue, Kind.UPLOAD)
    probed = []
    for _ in range(3 * SAME):
        queue.clock.advance(queue.pause() or 0)
        name = queue.take()
        assert name is not None
        probed.append(name)
        assert queue.pause() is not None                # one at a time
        item = queue.taken.pop(name)
        item.plan.refused += 1
        queue.way.hear(Kind.UPLOAD, refused())
        queue.schedule.finish(item)
    assert probed == [*["smallest"] * SAME, *["small"] * SAME, *["bigger"] * SAME]
    queue.way.hear(Kind.UPLOAD, None)
    assert sorted(queue.names()) == ["bigger", "small", "smallest"]


def test_while_deletions_are_refused_one_goes_as_a_probe_and_uploads_go_on(queue: Queue) -> None:
    doom(queue, "file_1", "file_2")
    close_way(queue, Kind.DELETE)
    queue.add("a")
    assert queue.names() == ["a"]
    queue.clock.advance(queue.pause() or 0)
    assert isinstance(queue.schedule.next(), Delete)
    assert queue.pause() is not None


def test_a_probe_that_another_thread_has_claimed_is_waited_for(queue: Queue) -> None:
    doom(queue, "file_1", "file_2")
    close_way(queue, Kind.DELETE)
    queue.clock.advance(queue.pause() or 0)
    ready = queue.schedule._read()
    assert isinstance(queue.schedule.next(), Delete)
    assert queue.schedule._take_due(ready) is None


def test_nothing_is_sent_before_it_is_known_whose_the_files_are_and_that_is_asked_less_and_less_often(queue: Queue) -> None:
    queue.permission.withdraw()
    assert (queue.pause(), queue.asked) == (None, 0)     # nobody asks for nothing
    queue.add("a")
    for number in range(6):
        wait_s = min(ASK_S[1], ASK_S[0] * 2 ** number)
        assert (queue.pause(), queue.pause(), queue.asked) == (wait_s, wait_s, number + 1)
        queue.clock.advance(wait_s)
    queue.permission.ask_soon()
    assert queue.pause() == ASK_S[0]
    assert queue.permission.give()
    assert not queue.permission.give()
    assert queue.names() == ["a"]


# ---- files that are empty for a moment

EMPTY = 0


@pytest.mark.parametrize("holds_new", [False, True])
def test_an_empty_file_is_held_off_for_a_second_also_as_one_of_a_batch_or_of_what_the_server_has(db: Database, holds_new: bool) -> None:
    queue = Queue(db, holds_new=holds_new)
    for number in range(2 * FEW):
        queue.add(f"{number}", EMPTY)
    with db.transaction(durable=True) as tx:
        tx.run("UPDATE node SET file_id = 'file_1', server_name = '0' WHERE name = '0'")
    assert queue.pause() == HOLD_S
    queue.add("with content")
    assert queue.take() == "with content"
    assert queue.pause() == HOLD_S
    queue.schedule.finish(queue.taken.pop("with content"))
    queue.clock.advance(HOLD_S)
    assert queue.names() == [*(f"{number}" for number in range(2 * FEW)), "with content"]


def test_an_empty_file_that_gets_content_is_sent_with_it_at_once_and_one_that_is_emptied_again_is_held_off_again(queue: Queue) -> None:
    node_id = queue.add("a", EMPTY)
    queue.clock.advance(HOLD_S / 2)
    queue.save(node_id)
    queue.schedule.promised(node_id)
    item = queue.schedule.next()
    assert isinstance(item, Send)
    assert item.attempt.size_bytes == SMALL
    queue.schedule.finish(item)
    queue.clock.advance(HOLD_S)
    queue.save(node_id, EMPTY)
    queue.schedule.promised(node_id)
    assert queue.pause() == HOLD_S


def test_empty_files_that_somebody_waits_for_are_not_held_off(queue: Queue) -> None:
    one = queue.add("one", EMPTY)
    queue.add("two", EMPTY)
    queue.wait_for(one)
    assert queue.names() == ["one"]
    queue.wait_for()
    assert queue.schedule.hurry()
    assert queue.names() == ["two"]


def test_thousands_of_empty_files_are_not_read_through_for_each_other_file(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    read = 0
    uploads = queue.db._tx.uploads
    candidates = uploads.candidates

    def counted(*, big: bool, among: Collection[NodeId] | None = None) -> Iterator[Attempt]:
        nonlocal read
        for attempt in candidates(big=big, among=among):
            read += 1
            yield attempt

    monkeypatch.setattr(uploads, "candidates", counted)
    for number in range(4 * PASSED_OVER):
        queue.add(f"{number}", EMPTY)
    assert queue.pause() == HOLD_S
    assert read <= PASSED_OVER + 2
    queue.clock.advance(HOLD_S)
    assert len(queue.names()) == 4 * PASSED_OVER


def test_what_nobody_waits_for_has_a_turn_now_and_then(queue: Queue) -> None:
    nodes = [queue.add(f"{number}") for number in range(20)]
    queue.wait_for(*nodes[10:])
    names = queue.names()
    assert names[:5] == ["10", "11", "12", "0", "13"]
    assert [name for name in names if int(name) < 10] == [f"{number}" for number in range(10)]


def test_a_plan_lasts_no_longer_than_what_is_in_it(queue: Queue) -> None:
    queue.add("a")
    assert queue.take() == "a"
    assert not queue.schedule.finish(queue.taken["a"])
    assert plans(queue) == {}
    queue.postpone(60)
    assert queue.pause() == 60
    assert len(plans(queue)) == 1
    queue.schedule.retry_now()
    assert plans(queue) == {}
    queue.postpone(60)
    queue.clock.advance(60)
    assert queue.take() == "a"
    queue.end("a")
    assert plans(queue) == {}


def plans(queue: Queue) -> dict[NodeId, SendPlan]:
    return queue.schedule._sends.every()


# ---- whatever comes in whatever order

@pytest.mark.parametrize("seed", range(12))
def test_each_piece_of_work_is_one_threads_at_its_time_and_all_of_it_comes(db: Database, seed: int) -> None:
    chance = random.Random(seed)
    queue = Queue(db, holds_new=bool(seed % 2))
    threads = Threads(queue, chance)
    acts: list[Callable[[], object]] = [
        threads.save, threads.rename, threads.doom, threads.take, threads.take, threads.take, threads.finish, threads.finish,
        threads.retry_now, threads.wait_for, queue.schedule.hurry, lambda: queue.clock.advance(chance.choice([0.1, HOLD_S, 60.0]))]
    for _ in range(200):
        chance.choice(acts)()
    assert threads.tried > 10
    for _ in range(1000):
        while threads.take():
            pass
        threads.finish(well=True)
        if not threads.busy:
            pause = queue.schedule.next()
            assert isinstance(pause, Pause)
            if pause.seconds is None:
                break
            queue.clock.advance(pause.seconds + 0.001)
    assert not threads.busy
    with db.reading() as tx:
        assert (tx.uploads.every(), tx.nodes.renamed((), 100), tx.deletions.every()) == ([], [], [])
    assert queue.schedule._sends.busy() == set()
    assert queue.schedule._deletes.every() == {}
