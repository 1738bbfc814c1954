"""The order of sending: neither big files nor small ones keep the others waiting, and a temporary file costs nothing."""

import os
import signal
import threading
import time
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from anthrofs.errors import Stopping, TimedOut
from anthrofs.model import ROOT, Attempt, NodeId, StageId
from anthrofs.remote.way import Way
from anthrofs.tree.database import Database
from anthrofs.tree.transaction import Tx
from anthrofs.tree.upload_queue import AT_ONCE, BIG_BYTES, Step
from anthrofs.upload.close_waits import Waits
from anthrofs.upload.schedule import BIG_THREADS, FEW, HELD, HOLD_S, THREADS, Turns
from anthrofs.upload.sendings import Sendings
from tests.fakes import FakeCarrier, FakeClock, body_of
from tests.mounting import Mount, asks, wait_until

SMALL, BIG = 1000, BIG_BYTES


class Queue:
    """An upload queue and the turns in it. Content is promised in the order of its stages, whatever the numbers of the nodes."""

    def __init__(self, db: Database, *, holds_new: bool = False) -> None:
        self.clock = FakeClock()
        self.db, self.index = db, db.nodes
        self.turns = Turns(self.clock, holds_new=holds_new)
        self.waited: set[NodeId] = set()
        self._stages = 0

    def add(self, name: str, size_bytes: int = SMALL) -> NodeId:
        self._stages += 1
        with self.db.transaction() as tx:
            node_id = tx.nodes.create(ROOT, name, 0o644, 0, name)
            tx.nodes.promise(node_id, StageId(self._stages), size_bytes, 0, name, sealed=True)
            tx.uploads.attempt(node_id, StageId(self._stages), size_bytes)
        self.turns.promised(node_id)
        return node_id

    def save(self, node_id: NodeId, size_bytes: int = SMALL) -> None:
        self._stages += 1
        with self.db.transaction() as tx:
            tx.nodes.promise(node_id, StageId(self._stages), size_bytes, 0, None, sealed=True)
            tx.uploads.attempt(node_id, StageId(self._stages), size_bytes)

    def look(self) -> tuple[list[Attempt], float | None]:
        with self.db.reading() as tx:
            return self.turns.look(tx, self.waited)

    def take(self) -> Attempt | None:
        """What a thread does."""
        taken = self.turns.take(self.look()[0], self.waited)
        return None if taken is None else taken[0]

    def postpone(self, seconds: float) -> None:
        taken = self.turns.take(self.look()[0], self.waited)
        assert taken is not None
        taken[1].not_before_s = self.clock.now_s() + seconds
        self.turns.ended(taken[0].node_id, done=False)

    def end(self, attempt: Attempt) -> None:
        with self.db.transaction() as tx:
            tx.uploads.drop(attempt.node_id)
        self.turns.ended(attempt.node_id, done=True)

    def send(self, tx: Tx, node_id: NodeId) -> Attempt:
        attempt = tx.uploads.of(node_id)
        assert attempt is not None
        return tx.uploads.send(attempt, "name", "text/plain", SMALL, None, None)

    def name(self, attempt: Attempt) -> str:
        return self.index.node(attempt.node_id).name

    def names(self) -> list[str]:
        """The rest of the queue, each sent before the next is taken."""
        found: list[str] = []
        while attempt := self.take():
            found.append(self.name(attempt))
            self.end(attempt)
        return found


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    one = Database(tmp_path / "state.db")
    yield one
    one.close()


@pytest.fixture
def queue(db: Database) -> Queue:
    return Queue(db)


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
        tx.run("UPDATE node SET resend = 1, size_bytes = iif(node_id = ?, ?, ?) WHERE NOT directory", small, SMALL, BIG)
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


def test_a_close_that_waits_for_its_turn_takes_others_progress_for_its_own(db: Database, tmp_path: Path) -> None:
    queue, sendings = Queue(db), Sendings()
    node_id = queue.add("a")
    waits = Waits(queue.db, queue.clock, sendings, Way(queue.clock), timeout_s=10)
    with body_of(tmp_path, bytes(1000)) as body:
        carrier = FakeCarrier(body)
        sendings.begin(NodeId(99), StageId(9), body)
        moves = 0

        def interrupted() -> bool:
            nonlocal moves
            moves += 1
            if moves < 200:                                 # 20 s
                carrier.left = 1000 - moves
            elif moves == 200:
                waits.stop()
            return False

        with pytest.raises(Stopping):
            waits.wait(node_id, StageId(1), interrupted)
        with db.transaction() as tx:                        # once it was tried, only its own counts
            queue.send(tx, node_id)
        moves = -1000
        waits = Waits(queue.db, queue.clock, sendings, Way(queue.clock), timeout_s=10)
        with pytest.raises(TimedOut):
            waits.wait(node_id, StageId(1), interrupted)


def test_a_resend_of_what_was_acknowledged_before_is_no_progress(db: Database, tmp_path: Path) -> None:
    """A gateway that takes all of it at once, and hangs up before it has passed it on, again and again."""
    queue, sendings = Queue(db), Sendings()
    node_id = queue.add("a")
    with db.transaction() as tx:
        queue.send(tx, node_id)
    waits = Waits(queue.db, queue.clock, sendings, Way(queue.clock), timeout_s=300)
    began_s, tries = queue.clock.now_s(), 0

    def interrupted() -> bool:
        nonlocal tries
        if queue.clock.now_s() - began_s >= 60 * tries:
            with body_of(tmp_path, bytes(1000)) as body:
                FakeCarrier(body).left = 0
                sendings.begin(node_id, StageId(1), body)
                if tries == 0:
                    assert sendings.look()[node_id].awaits_answer
                sendings.end(node_id, done=False)
            tries += 1
        return False

    with pytest.raises(TimedOut):
        waits.wait(node_id, StageId(1), interrupted)
    assert 300 <= queue.clock.now_s() - began_s < 302
    assert tries == 6
    assert sendings.progress(node_id, StageId(1))[0] == 1000
    assert sendings.progress(node_id, StageId(2))[0] == 0           # newer content begins anew


# ---- on a mount

def uploads(mount: Mount) -> list[str]:
    """Names, in the order in which they were begun."""
    return [request["filename"] for request in mount.emulator.requests("upload") if request["filename"]]


def test_a_small_file_goes_at_once_while_big_ones_are_sent(mount: Mount) -> None:
    files = mount.mount()
    mount.emulator.fault("upload", {"kind": "slow_body", "bytes_per_s": 500_000}, times=4)
    writers = [threading.Thread(target=(files / f"big{number}.bin").write_bytes, args=(bytes(BIG),)) for number in range(4)]
    for writer in writers:
        writer.start()
    wait_until(lambda: len(uploads(mount)) == BIG_THREADS, "big files are being sent")
    mount.emulator.clear_faults()

    (files / "small.txt").write_text("small")

    assert [file["filename"] for file in mount.emulator.files()] == ["small.txt"]
    assert all(writer.is_alive() for writer in writers)
    for number in range(4):                             # a close ends when its file is removed
        (files / f"big{number}.bin").unlink()
    for writer in writers:
        writer.join()


def test_a_renamed_folder_of_big_files_is_sent_under_its_new_name(mount: Mount) -> None:
    files = mount.mount("--upload", "queue")
    (files / "old").mkdir()
    for number in range(5):
        with (files / "old" / f"{number}.bin").open("wb") as file:
            file.truncate(BIG)
    mount.sync()

    (files / "old").rename(files / "new")

    mount.sync()
    assert sorted(file["filename"] for file in mount.emulator.files()) == [f"new\uff0f{number}.bin" for number in range(5)]


def test_a_big_file_is_sent_while_many_small_ones_wait(mount: Mount) -> None:
    mount.expects("no connection to", "listing could not be refreshed")
    files = mount.mount("--upload", "queue")
    mount.emulator.stop()
    for number in range(30):
        (files / f"{number}.txt").write_text("x")
    (files / "big.bin").write_bytes(bytes(BIG))
    mount.emulator.start()
    mount.sync()
    assert uploads(mount).index("big.bin") < 2 * THREADS
    assert len(mount.emulator.files()) == 31


def test_a_temporary_file_with_any_name_costs_nothing(mount: Mount) -> None:
    """Manual, promises: 'a new file a second later, so that a temporary one … costs nothing'."""
    files = mount.mount("--upload", "queue")
    with asks(mount):
        (files / "scratch-8Jk2").write_text("x")
        (files / "scratch-8Jk2").unlink()
    with asks(mount, upload=1):
        (files / "report-9sQx").write_text("report")
        (files / "report-9sQx").rename(files / "report.txt")
    assert [file["filename"] for file in mount.emulator.files()] == ["report.txt"]


def test_a_new_file_is_sent_a_second_later_and_an_old_one_at_once(mount: Mount) -> None:
    files = mount.mount("--upload", "queue")
    began_s = time.time()
    (files / "a.txt").write_text("new")
    [first] = mount.emulator.wait_for_requests(1, "upload")
    assert first["started"] - began_s >= HOLD_S
    assert min(_seconds_until_sent(mount, number) for number in range(3)) < HOLD_S / 2


def _seconds_until_sent(mount: Mount, number: int) -> float:
    mount.sync()
    mount.emulator.forget_requests()
    began_s = time.time()
    (mount.path / "a.txt").write_text(f"save {number}")
    return float(mount.emulator.wait_for_requests(1, "upload")[0]["started"]) - began_s


def test_a_batch_of_new_files_begins_to_be_sent_at_once(mount: Mount) -> None:
    files = mount.mount("--upload", "queue")
    began_s = time.time()
    for number in range(50):
        (files / f"{number:02}.txt").write_text("x")
    sent = mount.emulator.wait_for_requests(45, "upload")
    assert sent[0]["started"] - began_s < HOLD_S
    mount.sync()
    assert len(mount.emulator.files()) == 50


@pytest.mark.parametrize("ends", ["sync", "sigterm"])
def test_who_waits_for_the_queue_never_waits_for_a_hold_off(mount: Mount, ends: str) -> None:
    def seconds(number: int) -> float:
        files = mount.mount("--upload", "queue")
        mount.emulator.forget_requests()
        began_s = time.time()
        (files / f"{number}.txt").write_text("x")
        if ends == "sync":
            mount.umount()                  # its first step
        else:
            os.kill(mount.pid(), signal.SIGTERM)
            mount.wait_for_end()
        [sent] = mount.emulator.requests("upload")
        return float(sent["started"]) - began_s

    assert min(seconds(number) for number in range(3)) < HOLD_S / 2     # a busy machine may stop one of the tries for as long


def test_in_wait_mode_nothing_is_held_off(mount: Mount) -> None:
    files = mount.mount()
    took_s = []
    for number in range(3):
        began_s = time.monotonic()
        (files / f"{number}.txt").write_text("x")
        took_s.append(time.monotonic() - began_s)
    assert min(took_s) < HOLD_S / 2


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
