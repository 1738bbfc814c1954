"""The upload queue: attempts to bring a node's content to the server.

Owns    the table attempt (see schema.py).
Trusts  nothing it wrote before a crash more than that: SENDING after a start means "may have been stored".
Never   decides what is to be uploaded: that is derived, a node with unsent content, or with resend, and a wanted name.
        Name, type and expiry are the node's at the moment of sending.
"""

import enum
import errno
from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from typing import Any, Final

from anthrofs import names
from anthrofs.errors import FsError
from anthrofs.model import Attempt, NodeId, RemoteFile, StageId
from anthrofs.tree.gaps import Gap
from anthrofs.tree.nodes import OUT_OF_TREE
from anthrofs.tree.rows import Rows

QUEUED: Final = "queued"
SENDING: Final = "sending"
UNKNOWN: Final = "unknown"      # it may have been stored: ask the listing before sending again
FAILED: Final = "failed"        # refused: a person has to look; the bytes stay
DONE: Final = "done"            # the server has it; its row is removed


class Step(enum.Enum):
    """The things that can happen to an attempt."""

    SEND = enum.auto()
    STORED = enum.auto()
    TRY_LATER = enum.auto()     # surely not stored
    WRONG = enum.auto()         # stored with another size than was sent
    REFUSED = enum.auto()
    LOST = enum.auto()          # crash or cut answer
    FOUND = enum.auto()
    ABSENT = enum.auto()
    RETRY = enum.auto()


NEXT: Final = {
    (QUEUED, Step.SEND): SENDING,
    (QUEUED, Step.REFUSED): FAILED,     # never sent: it isn't whole
    (SENDING, Step.STORED): DONE,
    (SENDING, Step.TRY_LATER): QUEUED,
    (SENDING, Step.WRONG): QUEUED,
    (SENDING, Step.REFUSED): FAILED,
    (SENDING, Step.LOST): UNKNOWN,
    (UNKNOWN, Step.FOUND): DONE,
    (UNKNOWN, Step.ABSENT): QUEUED,
    (UNKNOWN, Step.REFUSED): FAILED,    # not stored, and what answered in the service's place would say no again
    (FAILED, Step.RETRY): QUEUED,
}
IN_FLIGHT: Final = (SENDING, UNKNOWN)

# Clocks' bounds are rounded, and a created_at may be cut to seconds. So much earlier than the bound still counts as
# "after".
SLACK_NS: Final = 10**9

# From this size on a file is in the queue of big ones: it may take minutes, a small one a moment. schema.py has the
# same number.
BIG_BYTES: Final = 8388608
# Rows that a look for work reads at once: a queue of thousands must not be read whole for each of its files.
AT_ONCE: Final = 200
PASSED_OVER: Final = 50         # of what is held off; what is behind those is nearly always held off, too

_COLUMNS: Final = ("SELECT node_id, stage, state, size_bytes, name, mime_type, expires_s, sent_ns, tries, code, reason "
                   "FROM attempt ")


class Uploads:
    """Rows; the uploader has the threads."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows           # given

    def attempt(self, node_id: NodeId, stage: StageId, size_bytes: int) -> None:
        """Queues a stage to be sent, as the node says when its turn comes. Nobody needs the stage of an attempt that it
        replaces.

        One of a stage that lacks something has failed at once, whoever asks for it.
        An attempt in flight stays as it is: what became of it has to be known first. Its end brings the newer stage's
        turn.
        """
        old = self.of(node_id)
        if old is not None and old.state in IN_FLIGHT:
            return
        self._rows.run("INSERT OR REPLACE INTO attempt (node_id, stage, state, size_bytes) VALUES (?, ?, ?, ?)",
                       node_id, stage, QUEUED, size_bytes)
        lacks = self._rows.one("SELECT lacks_from, lacks_to, lacks_code FROM node WHERE node_id = ? AND stage = ? "
                               "AND lacks_code IS NOT NULL", node_id, stage)
        new = self.of(node_id)
        if lacks is not None and new is not None:
            self.step(new, Step.REFUSED, code=lacks[2], reason=Gap.of(*lacks).words())
        if old is not None and old.stage != stage:
            self._rows.unneeded(old.stage)

    def of(self, node_id: NodeId) -> Attempt | None:
        """The node's attempt, if there is one."""
        return _attempt(self._rows.one(_COLUMNS + "WHERE node_id = ?", node_id))

    def every(self) -> list[Attempt]:
        """All attempts, oldest first."""
        return [found for row in self._rows.all(_COLUMNS + "ORDER BY rowid") if (found := _attempt(row))]

    def refused(self) -> list[Attempt]:
        """The attempts that a person has to look at, oldest first."""
        return [found for row in self._rows.all(_COLUMNS + "WHERE state = ? ORDER BY rowid", FAILED)
                if (found := _attempt(row))]

    def waits(self, node_id: NodeId) -> bool:
        """Something of the node is to be sent, and wasn't refused."""
        return self._rows.one("SELECT 1 FROM attempt WHERE node_id = ? AND state != ? UNION SELECT 1 FROM node WHERE "
                              "node_id = ? AND resend AND stage IS NULL", node_id, FAILED, node_id) is not None

    def candidates(self, *, big: bool, among: Collection[NodeId] | None = None) -> Iterator[Attempt]:
        """The attempts that could take a step now, of big files or of small ones, oldest content first: stages are
        numbered as they are made.

        One that is SENDING and not worked on was left by a thread that failed. An unlinked node's waits for its end.
        """
        only = "" if among is None else f"node_id IN ({', '.join('?' * len(among))}) AND "
        # Not bound, so that SQLite sees which index it is.
        which = f"size_bytes {'>=' if big else '<'} {BIG_BYTES} AND state != '{FAILED}'"
        for row in _pages(self._rows, _COLUMNS + f"WHERE {only}{which} AND NOT EXISTS (SELECT 1 FROM node "
                          f"WHERE node.node_id = attempt.node_id AND {OUT_OF_TREE} AND attempt.state = ?)", "stage",
                          *(among or ()), QUEUED):
            if found := _attempt(row):
                yield found

    def sendable(self, most_big: int, most_small: int, *, not_now: Collection[NodeId], waited: Collection[NodeId],
                 held: Mapping[NodeId, bool]) -> tuple[list[Attempt], list[Attempt], list[NodeId]]:
        """Returns so many big files and so many small ones that could take a step now, and whom it has passed over as
        held off. Of each, what is `waited` for comes first, then the oldest content; nothing that is `not_now`.

        `held`: these are held off while they are empty and nobody waits for them; True: with content as well, if the
        server has nothing of them yet.
        """
        new, passed = self._new_among(node_id for node_id, anyway in held.items() if anyway), list[NodeId]()

        def first(count: int, *, big: bool) -> list[Attempt]:
            asked = self.candidates(big=big, among=waited) if waited else ()
            found = [attempt for attempt in asked if attempt.node_id not in not_now][:count]
            for attempt in self.candidates(big=big):
                if len(found) >= count or len(passed) > PASSED_OVER:
                    break
                if attempt.node_id in not_now or attempt.node_id in waited:
                    continue
                empty = not attempt.size_bytes
                if attempt.state == QUEUED and attempt.node_id in (held if empty else new):
                    passed.append(attempt.node_id)
                else:
                    found.append(attempt)
            return found

        return first(most_big, big=True), first(most_small, big=False), passed

    def smallest(self, not_now: Container[NodeId], count: int) -> list[Attempt]:
        """The smallest that are to be sent; of equal ones the oldest first."""
        rows = self._rows.all(_COLUMNS + "WHERE state = ? AND NOT EXISTS (SELECT 1 FROM node WHERE node.node_id = "
                              f"attempt.node_id AND {OUT_OF_TREE}) ORDER BY size_bytes, stage LIMIT ?", QUEUED, AT_ONCE)
        return [found for row in rows if row[0] not in not_now and (found := _attempt(row))][:count]

    def _new_among(self, node_ids: Iterable[NodeId]) -> set[NodeId]:
        """Returns those of which the server has nothing yet, and nothing was tried."""
        return {node_id for node_id in node_ids if self._rows.one(
            "SELECT 1 FROM node JOIN attempt USING (node_id) WHERE node_id = ? AND file_id IS NULL AND state = ? "
            "AND tries = 0",
            node_id, QUEUED)}

    def send(self, attempt: Attempt, name: str, mime_type: str, size_bytes: int, expires_s: int | None,
             sent_ns: int | None) -> Attempt:
        """The step SEND, with what is sent."""
        self.step(attempt, Step.SEND)
        self._rows.run("UPDATE attempt SET name = ?, mime_type = ?, size_bytes = ?, expires_s = ?, sent_ns = ?, tries "
                       "= tries + 1 WHERE node_id = ?",
                       name, mime_type, size_bytes, expires_s, sent_ns, attempt.node_id)
        sending = self.of(attempt.node_id)
        assert sending is not None
        return sending

    def step(self, attempt: Attempt, step: Step, *, code: int | None = None, reason: str | None = None) -> str:
        """Take one step of the life cycle; DONE removes the row. Raises FsError for a step that isn't in the table."""
        state = NEXT.get((attempt.state, step))
        if state is None:
            raise FsError(f"bug: an attempt that is {attempt.state} can't take the step {step.name}")
        same = (attempt.node_id, attempt.stage, attempt.state)
        where = "WHERE node_id = ? AND stage = ? AND state = ?"
        if state == DONE:
            changed = self._rows.run(f"DELETE FROM attempt {where}", *same)
        else:
            changed = self._rows.run(f"UPDATE attempt SET state = ?, code = ?, reason = ? {where}", state, code, reason,
                                     *same)
        if not changed:
            raise FsError(f"bug: an attempt that was {attempt.state} is so no more, and can't take the step "
                          f"{step.name}")
        return state

    def drop(self, node_id: NodeId) -> None:
        """The attempt's node was unlinked and nothing is in flight, or it was superseded and has ended."""
        self._rows.run("DELETE FROM attempt WHERE node_id = ?", node_id)

    def in_flight(self) -> list[Attempt]:
        """The attempts of which it has to be known first what became of them."""
        return [found for row in self._rows.all(_COLUMNS + "WHERE state IN (?, ?)", *IN_FLIGHT)
                if (found := _attempt(row))]

    def twins(self, attempt: Attempt) -> int:
        """How many other attempts in flight one listed file could fit as well."""
        return int(self._rows.one("SELECT count(*) FROM attempt WHERE state IN (?, ?) AND name = ? AND size_bytes = ? "
                                  "AND node_id != ?",
                                  *IN_FLIGHT, attempt.name, attempt.size_bytes, attempt.node_id)[0])

    def recover(self) -> None:
        """After a start: a request that was under way may have been stored; a refused key may be another one now."""
        self._rows.run("UPDATE attempt SET state = ? WHERE state = ?", UNKNOWN, SENDING)
        self._rows.run("UPDATE attempt SET state = ?, code = NULL, reason = NULL WHERE state = ? AND code = ? AND NOT "
                       "EXISTS (SELECT 1 FROM node WHERE node.node_id = attempt.node_id AND lacks_code IS NOT NULL)",
                       QUEUED, FAILED, errno.EACCES)

    def is_empty(self) -> bool:
        """Nothing is to be sent, or refused."""
        return self._rows.one("SELECT 1 FROM attempt LIMIT 1") is None

    def forget_all(self) -> None:
        """Another workspace begins with an empty queue."""
        self._rows.run("DELETE FROM attempt")
        self._rows.run("DELETE FROM lost")
        self._rows.set_meta("uploads_downloadable", None)


def concerns(attempt: Attempt, file: RemoteFile) -> bool:
    """Where a listed file belongs, or the folder that it is in, depends on what becomes of this attempt: it may be what
    that has stored, or be newer than that, and then the name is its.
    """
    assert attempt.name is not None, "it was sent"
    return (file.name == attempt.name or file.name.startswith(attempt.name + names.SLASH)) and is_later(attempt, file)


def is_later(attempt: Attempt, file: RemoteFile) -> bool:
    """Whether it can have been made by it, by the time."""
    earliest_ns = since_ns(attempt)
    return earliest_ns is None or file.created_ns >= earliest_ns


def since_ns(attempt: Attempt) -> int | None:
    """The earliest time that what it has stored can show, by the server's clock; None: not known."""
    return None if attempt.sent_ns is None else attempt.sent_ns - SLACK_NS


def is_big(attempt: Attempt) -> bool:
    """Whether the attempt is in the queue of big files."""
    return attempt.size_bytes >= BIG_BYTES


def _pages(rows: Rows, statement: str, key: str, *values: Any) -> Iterator[Any]:
    """A statement's rows in the order of a key, which is their second column and above 0; read as far as they are asked
    for.
    """
    after = 0
    while found := rows.all(f"{statement} AND {key} > ? ORDER BY {key} LIMIT {AT_ONCE}", *values, after):
        yield from found
        after = found[-1][1]


def _attempt(row: Any) -> Attempt | None:
    if row is None:
        return None
    node_id, stage, state, size_bytes, name, mime_type, expires_s, sent_ns, tries, code, reason = row
    return Attempt(NodeId(node_id), StageId(stage), state, size_bytes, name, mime_type, expires_s, sent_ns, tries, code,
                   reason)
