"""What is under way to the server: attempts to upload, and ids to be deleted.

Owns    the tables attempt and doomed (see schema.py).
Trusts  nothing it wrote before a crash more than that: SENDING after a start means "may have been stored".
Never   decides what is to be uploaded: that is derived, a node with unsent content, or with resend, and a wanted name. Name, type and
        expiry are the node's at the moment of sending.
"""

import enum
import errno
from collections.abc import Collection, Container, Iterable, Iterator
from typing import Any, Final

from anthrofs import names
from anthrofs.clock import Clock
from anthrofs.errors import FsError
from anthrofs.model import HIDDEN, Attempt, FileId, NodeId, RemoteFile, StageId
from anthrofs.tree.database import Database, Tx
from anthrofs.tree.gaps import Gap

QUEUED: Final = "queued"
SENDING: Final = "sending"
UNKNOWN: Final = "unknown"      # it may have been stored: ask the listing before sending again
FAILED: Final = "failed"        # refused: a person has to look; the bytes stay
DONE: Final = "done"            # the server has it; its row is removed


class Step(enum.Enum):
    """What can happen to an attempt."""

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

# A listing can lag behind a deletion: for so long it doesn't bring an id back that we deleted.
TOMBSTONE_NS: Final = 3600 * 10**9
# Clocks' bounds are rounded, and a created_at may be cut to seconds. So much earlier than the bound still counts as "after".
SLACK_NS: Final = 10**9

# Of those two queues the outbox has: a big file may take minutes, a small one a moment. schema.py has the same number.
BIG_BYTES: Final = 8388608
# Rows that a look for work reads at once: a queue of thousands must not be read whole for each of its files.
AT_ONCE: Final = 200

_COLUMNS: Final = "SELECT node_id, stage, state, size_bytes, name, mime_type, expires_s, sent_ns, tries, code, reason FROM attempt "


class Outbox:
    """Rows; the uploader has the threads."""

    def __init__(self, db: Database, clock: Clock | None = None) -> None:
        self._db = db                       # given
        self._clock = clock or Clock()      # given

        self._ending = set[FileId]()        # of which a deletion is under way; guarded by the database's lock: who has a tx has it

    # ---- attempts

    def attempt(self, tx: Tx, node_id: NodeId, stage: StageId, size_bytes: int) -> StageId | None:
        """This stage is to be sent, as the node says when its turn comes. Returns the stage of an attempt that it replaces, which
        nobody needs any more.

        One of a stage that lacks something has failed at once, whoever asks for it.
        An attempt in flight stays as it is: what became of it has to be known first. Its end brings the newer stage's turn.
        """
        old = self.of(tx, node_id)
        if old is not None and old.state in IN_FLIGHT:
            return None
        tx.run("INSERT OR REPLACE INTO attempt (node_id, stage, state, size_bytes) VALUES (?, ?, ?, ?)", node_id, stage, QUEUED, size_bytes)
        lacks = tx.one("SELECT lacks_from, lacks_to, lacks_code FROM node WHERE node_id = ? AND stage = ? AND lacks_code IS NOT NULL", node_id, stage)
        new = self.of(tx, node_id)
        if lacks is not None and new is not None:
            self.step(tx, new, Step.REFUSED, code=lacks[2], reason=Gap.of(*lacks).words())
        return old.stage if old is not None and old.stage != stage else None

    def of(self, tx: Tx, node_id: NodeId) -> Attempt | None:
        """The node's attempt, if there is one."""
        return _attempt(tx.one(_COLUMNS + "WHERE node_id = ?", node_id))

    def look(self, node_id: NodeId) -> Attempt | None:
        """The node's attempt now."""
        with self._db.reading() as tx:
            return self.of(tx, node_id)

    def every(self) -> list[Attempt]:
        """All attempts, oldest first."""
        with self._db.reading() as tx:
            return [found for row in tx.all(_COLUMNS + "ORDER BY rowid") if (found := _attempt(row))]

    def candidates(self, tx: Tx, *, big: bool, among: Collection[NodeId] | None = None) -> Iterator[Attempt]:
        """What could take a step now, of big files or of small ones, oldest content first: stages are numbered as they are made.

        One that is SENDING and not worked on was left by a thread that failed. An unlinked node's waits for its end.
        """
        only = "" if among is None else f"node_id IN ({', '.join('?' * len(among))}) AND "
        # Not bound, so that SQLite sees which index it is.
        which = f"size_bytes {'>=' if big else '<'} {BIG_BYTES} AND state != '{FAILED}'"
        for row in _pages(tx, _COLUMNS + f"WHERE {only}{which} AND NOT EXISTS (SELECT 1 FROM node WHERE "
                          "node.node_id = attempt.node_id AND node.parent = ? AND attempt.state = ?)", "stage",
                          *(among or ()), HIDDEN, QUEUED):
            if found := _attempt(row):
                yield found

    def smallest(self, tx: Tx, not_now: Container[NodeId], count: int) -> list[Attempt]:
        """The smallest that are to be sent; of equal ones the oldest first."""
        rows = tx.all(_COLUMNS + "WHERE state = ? AND NOT EXISTS (SELECT 1 FROM node WHERE node.node_id = attempt.node_id AND node.parent = ?) "
                      "ORDER BY size_bytes, stage LIMIT ?", QUEUED, HIDDEN, AT_ONCE)
        return [found for row in rows if row[0] not in not_now and (found := _attempt(row))][:count]

    def new_among(self, tx: Tx, node_ids: Iterable[NodeId]) -> set[NodeId]:
        """Those of which the server has nothing yet, and nothing was tried."""
        return {node_id for node_id in node_ids if tx.one(
            "SELECT 1 FROM node JOIN attempt USING (node_id) WHERE node_id = ? AND file_id IS NULL AND state = ? AND tries = 0",
            node_id, QUEUED)}

    def send(self, tx: Tx, attempt: Attempt, name: str, mime_type: str, size_bytes: int, expires_s: int | None,
             sent_ns: int | None) -> Attempt:
        """The step SEND, with what is sent."""
        self.step(tx, attempt, Step.SEND)
        tx.run("UPDATE attempt SET name = ?, mime_type = ?, size_bytes = ?, expires_s = ?, sent_ns = ?, tries = tries + 1 WHERE node_id = ?",
               name, mime_type, size_bytes, expires_s, sent_ns, attempt.node_id)
        sending = self.of(tx, attempt.node_id)
        assert sending is not None
        return sending

    def step(self, tx: Tx, attempt: Attempt, step: Step, *, code: int | None = None, reason: str | None = None) -> str:
        """Take one step of the life cycle; DONE removes the row. Raises FsError for a step that isn't in the table."""
        state = NEXT.get((attempt.state, step))
        if state is None:
            raise FsError(f"bug: an attempt that is {attempt.state} can't take the step {step.name}")
        same = (attempt.node_id, attempt.stage, attempt.state)
        where = "WHERE node_id = ? AND stage = ? AND state = ?"
        if state == DONE:
            changed = tx.run(f"DELETE FROM attempt {where}", *same)
        else:
            changed = tx.run(f"UPDATE attempt SET state = ?, code = ?, reason = ? {where}", state, code, reason, *same)
        if not changed:
            raise FsError(f"bug: an attempt that was {attempt.state} is so no more, and can't take the step {step.name}")
        return state

    def drop(self, tx: Tx, node_id: NodeId) -> None:
        """Its node was unlinked and nothing is in flight, or it was superseded and has ended."""
        tx.run("DELETE FROM attempt WHERE node_id = ?", node_id)

    def in_flight(self, tx: Tx) -> list[Attempt]:
        """Those of which it has to be known first what became of them."""
        return [found for row in tx.all(_COLUMNS + "WHERE state IN (?, ?)", *IN_FLIGHT) if (found := _attempt(row))]

    def twins(self, tx: Tx, attempt: Attempt) -> int:
        """How many other attempts in flight one listed file could fit as well."""
        return int(tx.one("SELECT count(*) FROM attempt WHERE state IN (?, ?) AND name = ? AND size_bytes = ? AND node_id != ?",
                          *IN_FLIGHT, attempt.name, attempt.size_bytes, attempt.node_id)[0])

    def recover(self, tx: Tx) -> None:
        """After a start: a request that was under way may have been stored; a refused key may be another one now."""
        tx.run("UPDATE attempt SET state = ? WHERE state = ?", UNKNOWN, SENDING)
        tx.run("UPDATE attempt SET state = ?, code = NULL, reason = NULL WHERE state = ? AND code = ? AND NOT EXISTS "
               "(SELECT 1 FROM node WHERE node.node_id = attempt.node_id AND lacks_code IS NOT NULL)", QUEUED, FAILED, errno.EACCES)
        tx.run("UPDATE doomed SET doubt = NULL WHERE doubt >= 0")       # the gateway may be another one

    # ---- ids to be deleted

    def doom(self, tx: Tx, file: RemoteFile, saved_as: str | None = None) -> None:
        """The user doesn't want this id any more. `saved_as`: the server name that what replaces it gets, if it isn't its own."""
        tx.run("INSERT OR IGNORE INTO doomed (file_id, server_name, saved_as, server_mime, server_size, created_ns, downloadable, expires_ns, "
               "doomed_ns) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", file.file_id, file.name, saved_as, file.mime_type, file.size_bytes,
               file.created_ns, file.downloadable, file.expires_ns, self._clock.time_ns())

    def doom_wrong(self, tx: Tx, file: RemoteFile, stage: StageId, *, last: bool) -> None:
        """An upload of this stage arrived cut. The id stays until a right one is there, or, with the `last`, none is tried for any more."""
        self.doom(tx, file)
        tx.run("UPDATE doomed SET wrong = ? WHERE file_id = ?", stage, file.file_id)
        if last:
            tx.run("UPDATE doomed SET wrong = 0 WHERE wrong = ?", stage)

    def wrongs(self, tx: Tx, stage: StageId) -> int:
        """How many uploads of this stage have arrived cut so far."""
        return int(tx.one("SELECT count(*) FROM doomed WHERE wrong = ?", stage)[0])

    def reprieve(self, tx: Tx, server_name: str) -> RemoteFile | None:
        """The newest of that name that is not deleted yet, nor in this moment, stays after all. None: there is none."""
        rows = tx.all("SELECT file_id, server_name, server_mime, server_size, created_ns, downloadable, expires_ns FROM doomed "
                      "WHERE (server_name IN (?, ?) OR saved_as = ?) AND deleted_ns IS NULL AND doubt IS NULL AND wrong IS NULL AND created_ns IS NOT NULL "
                      "ORDER BY created_ns DESC, rowid DESC", *_spellings(server_name), server_name)
        row = next((row for row in rows if row[0] not in self._ending), None)
        if row is None:
            return None
        tx.run("DELETE FROM doomed WHERE file_id = ?", row[0])
        return RemoteFile(FileId(row[0]), row[1], row[2], row[3], row[4], bool(row[5]), row[6])

    def deleted(self, tx: Tx, file_id: FileId, now_ns: int) -> None:
        """The server has deleted it, or never had it."""
        tx.run("UPDATE doomed SET deleted_ns = ?, reason = NULL WHERE file_id = ?", now_ns, file_id)
        tx.run("DELETE FROM doomed WHERE deleted_ns < ?", now_ns - TOMBSTONE_NS)

    def bury(self, tx: Tx, file_id: FileId, now_ns: int, until_ns: int) -> None:
        """It is gone without our deleting it, and listings may still show it until then."""
        tx.run("INSERT OR IGNORE INTO doomed (file_id, server_name) VALUES (?, '')", file_id)
        self.deleted(tx, file_id, now_ns)
        tx.run("UPDATE doomed SET deleted_ns = ? WHERE file_id = ?", until_ns - TOMBSTONE_NS, file_id)

    def not_deleted(self, tx: Tx, file_id: FileId, reason: str) -> None:
        """It stays queued and visible in the status; the name stays gone."""
        tx.run("UPDATE doomed SET reason = ? WHERE file_id = ?", reason, file_id)

    def doubt(self, tx: Tx, file_id: FileId, reason: str) -> None:
        """Whether the server has deleted it can't be told from the answer: the next whole listing decides, see `decide`."""
        tx.run("UPDATE doomed SET reason = ?, doubt = ? WHERE file_id = ?", reason, int(tx.get_meta("listing") or 0), file_id)

    def saw(self, tx: Tx, file_id: FileId, listing: int) -> None:
        """A listing shows an id that may have been deleted."""
        tx.run("UPDATE doomed SET seen = max(seen, ?) WHERE file_id = ? AND doubt >= 0", listing, file_id)

    def decide(self, tx: Tx, listing: int) -> bool:
        """A whole listing has ended: the doubtful ids that it didn't show are gone, the others are to be asked for again. True: there were
        any.
        """
        return tx.run("UPDATE doomed SET doubt = iif(seen >= ?1, NULL, -1) WHERE doubt >= 0 AND doubt < ?1", listing) > 0

    def is_proved_gone(self, tx: Tx, file_id: FileId) -> bool:
        """A listing has decided so."""
        return tx.one("SELECT 1 FROM doomed WHERE file_id = ? AND doubt = -1", file_id) is not None

    def begin_deletion(self, tx: Tx, file_id: FileId) -> bool:
        """The server is about to be asked: until `end_deletion` it can't be reprieved. False: it isn't to be deleted any more."""
        waiting = tx.one("SELECT 1 FROM doomed WHERE file_id = ? AND deleted_ns IS NULL", file_id) is not None
        if waiting:
            self._ending.add(file_id)
        return waiting

    def end_deletion(self, file_id: FileId) -> None:
        """The request has ended, well or not."""
        with self._db.reading():
            self._ending.discard(file_id)

    def is_name_doomed(self, tx: Tx, server_name: str) -> bool:
        """Something of that name is still to be deleted."""
        return tx.one("SELECT 1 FROM doomed WHERE (server_name IN (?, ?) OR saved_as = ?) AND deleted_ns IS NULL",
                      *_spellings(server_name), server_name) is not None

    def is_deleted(self, tx: Tx, file_id: FileId) -> bool:
        """We had it deleted, not long ago."""
        return tx.one("SELECT 1 FROM doomed WHERE file_id = ? AND deleted_ns IS NOT NULL", file_id) is not None

    def is_empty(self, tx: Tx) -> bool:
        """Nothing is to be sent, to be deleted, or was deleted not long ago."""
        return tx.one("SELECT 1 FROM attempt UNION ALL SELECT 1 FROM doomed LIMIT 1") is None

    def is_doomed(self, tx: Tx, file_id: FileId) -> bool:
        """To be deleted, or deleted not long ago."""
        return tx.one("SELECT 1 FROM doomed WHERE file_id = ?", file_id) is not None

    def deletions(self) -> list[tuple[FileId, str, str | None]]:
        """(id, server name, reason of the last refusal) of what is still to be deleted."""
        with self._db.reading() as tx:
            return [(FileId(a), b, c) for a, b, c in tx.all(
                "SELECT file_id, server_name, reason FROM doomed WHERE deleted_ns IS NULL ORDER BY rowid")]

    def forget_server(self, tx: Tx) -> None:
        """For another workspace."""
        tx.run("DELETE FROM attempt")
        tx.run("DELETE FROM doomed")
        tx.run("DELETE FROM lost")
        tx.set_meta("uploads_downloadable", None)


def _spellings(server_name: str) -> tuple[str, str]:
    """A name as we save it, and as a tool may have, with / between its parts: the same file to whoever looks at the mount."""
    return server_name, server_name.replace(names.SLASH, "/")


def concerns(attempt: Attempt, file: RemoteFile) -> bool:
    """Where a listed file belongs, or the folder that it is in, depends on what becomes of this attempt: it may be what that has stored,
    or be newer than that, and then the name is its.
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
    """Which of the two queues it is in."""
    return attempt.size_bytes >= BIG_BYTES


def _pages(tx: Tx, statement: str, key: str, *values: Any) -> Iterator[Any]:
    """Its rows in the order of a key, which is their second column and above 0; read as far as they are asked for."""
    after = 0
    while rows := tx.all(f"{statement} AND {key} > ? ORDER BY {key} LIMIT {AT_ONCE}", *values, after):
        yield from rows
        after = rows[-1][1]


def _attempt(row: Any) -> Attempt | None:
    if row is None:
        return None
    node_id, stage, state, size_bytes, name, mime_type, expires_s, sent_ns, tries, code, reason = row
    return Attempt(NodeId(node_id), StageId(stage), state, size_bytes, name, mime_type, expires_s, sent_ns, tries, code, reason)
