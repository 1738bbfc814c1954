"""How long a close waits: by its clock, and by what of its file has arrived."""

from pathlib import Path

import pytest

from anthrofs.errors import Interrupted, Stopping, TimedOut
from anthrofs.model import NodeId, StageId
from anthrofs.remote.way import Way
from anthrofs.tree.database import Database
from anthrofs.upload.close_waits import CloseWaits
from anthrofs.upload.progress import Progress
from tests.fakes import FakeCarrier, body_of
from tests.unit.upload.queued import Queue


def test_a_close_that_waits_for_its_turn_takes_others_progress_for_its_own(db: Database, tmp_path: Path) -> None:
    queue, progress = Queue(db), Progress()
    node_id = queue.add("a")
    waits = CloseWaits(queue.db, queue.clock, queue.schedule, progress, Way(queue.clock), timeout_s=10)
    with body_of(tmp_path, bytes(1000)) as body:
        carrier = FakeCarrier(body)
        progress.begin(NodeId(99), StageId(9), body)
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
        waits = CloseWaits(queue.db, queue.clock, queue.schedule, progress, Way(queue.clock), timeout_s=10)
        with pytest.raises(TimedOut):
            waits.wait(node_id, StageId(1), interrupted)


def test_a_resend_of_what_was_acknowledged_before_is_no_progress(db: Database, tmp_path: Path) -> None:
    """A gateway that takes all of it at once, and hangs up before it has passed it on, again and again."""
    queue, progress = Queue(db), Progress()
    node_id = queue.add("a")
    with db.transaction() as tx:
        queue.send(tx, node_id)
    waits = CloseWaits(queue.db, queue.clock, queue.schedule, progress, Way(queue.clock), timeout_s=300)
    began_s, tries = queue.clock.now_s(), 0

    def interrupted() -> bool:
        nonlocal tries
        if queue.clock.now_s() - began_s >= 60 * tries:
            with body_of(tmp_path, bytes(1000)) as body:
                FakeCarrier(body).left = 0
                progress.begin(node_id, StageId(1), body)
                if tries == 0:
                    assert progress.now()[node_id].awaits_answer
                progress.end(node_id, done=False)
            tries += 1
        return False

    with pytest.raises(TimedOut):
        waits.wait(node_id, StageId(1), interrupted)
    assert 300 <= queue.clock.now_s() - began_s < 302
    assert tries == 6
    assert progress.of(node_id, StageId(1))[0] == 1000
    assert progress.of(node_id, StageId(2))[0] == 0           # newer content begins anew


def test_a_wake_while_a_close_looks_at_the_rows_is_not_missed(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it read is old by then: it reads again at once."""
    queue, progress, waited = Queue(db), Progress(), list[object]()
    node_id = queue.add("a")
    waits = CloseWaits(queue.db, queue.clock, queue.schedule, progress, Way(queue.clock), timeout_s=10)
    moved = progress.of

    def of(*asked: object) -> object:
        waits.wake()
        return moved(*asked)                # type: ignore[arg-type]

    monkeypatch.setattr(progress, "of", of)
    monkeypatch.setattr(queue.clock, "wait", lambda *_: waited.append("waited"))
    with pytest.raises(Interrupted):
        waits.wait(node_id, StageId(1), lambda: True)
    assert waited == []
