"""The life of an attempt to upload is a table, and no step leaves it."""

import errno
from collections import deque

import pytest

from anthrofs.errors import FsError
from anthrofs.model import Attempt, NodeId, StageId
from anthrofs.tree.database import Database
from anthrofs.tree.transaction import Tx
from anthrofs.tree.upload_queue import DONE, FAILED, IN_FLIGHT, NEXT, QUEUED, SENDING, UNKNOWN, Step


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
    with db.transaction(durable=True) as tx:
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
    with db.transaction(durable=True) as tx:
        failed = attempt_in(tx, FAILED)
        assert (failed.code, failed.reason, failed.tries, failed.sent_ns) == (errno.EFBIG, "too large", 1, 5)

        tx.uploads.step(failed, Step.RETRY)

        again = tx.uploads.of(failed.node_id)
        assert again is not None
        assert (again.state, again.code, again.reason) == (QUEUED, None, None)


@pytest.mark.parametrize("state", [QUEUED, FAILED])
def test_newer_content_replaces_an_attempt_that_is_not_in_flight(db: Database, state: str) -> None:
    with db.transaction(durable=True) as tx:
        old = attempt_in(tx, state)
        tx.uploads.attempt(old.node_id, StageId(2), 9)
        assert list(tx.superfluous) == [old.stage]

        new = tx.uploads.of(old.node_id)
        assert new == Attempt(old.node_id, StageId(2), QUEUED, 9, None, None, None, None, 0, None, None)


@pytest.mark.parametrize("state", IN_FLIGHT)
def test_an_attempt_in_flight_is_never_replaced(db: Database, state: str) -> None:
    with db.transaction(durable=True) as tx:
        flying = attempt_in(tx, state)
        tx.uploads.attempt(flying.node_id, StageId(2), 9)
        assert not tx.superfluous
        assert tx.uploads.of(flying.node_id) == flying


def test_after_a_start_what_was_being_sent_may_be_stored_and_a_refused_key_is_tried_again(db: Database) -> None:
    with db.transaction(durable=True) as tx:
        for number, state, code in ((1, QUEUED, None), (2, SENDING, None), (3, UNKNOWN, None), (4, FAILED, errno.EACCES),
                                    (5, FAILED, errno.EFBIG)):
            tx.uploads.attempt(NodeId(number), StageId(number), 1)
            tx.run("UPDATE attempt SET state = ?, code = ? WHERE node_id = ?", state, code, number)
        tx.uploads.recover()

        assert [attempt.state for attempt in tx.uploads.every()] == [QUEUED, UNKNOWN, UNKNOWN, QUEUED, FAILED]


def test_only_what_can_take_a_step_is_a_candidate(db: Database) -> None:
    with db.transaction(durable=True) as tx:
        for number, state in enumerate((QUEUED, SENDING, UNKNOWN, FAILED, QUEUED), start=1):
            tx.uploads.attempt(NodeId(number), StageId(number), 1)
            tx.run("UPDATE attempt SET state = ? WHERE node_id = ?", state, number)

        assert [attempt.node_id for attempt in tx.uploads.candidates(big=False)] == [1, 2, 3, 5]     # 2: a thread failed at it
