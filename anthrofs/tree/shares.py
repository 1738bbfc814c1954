"""Shares: what of this workspace's contents is in the store of a fleet, and what is still to be put there or removed.

An own upload is owed to the store from the transaction that notes its id on; what was downloaded may be put there, too.
What a mount has had deleted it removes from the store, later: somebody may be reading it there.

Owns    the tables share and shared (see schema.py), and the fact share_place in the table meta.
Trusts  `shared` as a hint only: what is found missing there is forgotten, and an own copy of it is owed again.
Never   asks the store: fleet/sharer.py does what is owed here, fleet/finder.py finds what others have put there.
"""

import enum
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from anthrofs.clock import Clock
from anthrofs.model import FileId
from anthrofs.tree.rows import Rows

WITHDRAW_NS: Final = 600 * 10**9        # after its deletion: who reads it there has that long
AT_ONCE: Final = 32                     # rows in memory
PLACE: Final = "share_place"            # the store that the rows are about, and the key
_UNLESS_OWED: Final = ("ON CONFLICT (file_id) DO UPDATE SET task = excluded.task, size_bytes = excluded.size_bytes, "
                       "due_ns = 0 WHERE share.task NOT IN ('own', 'doubted')")
_WANTED: Final = "NOT EXISTS (SELECT 1 FROM doomed WHERE doomed.file_id = share.file_id)"
# Uploads by others, or from here without a copy, that nobody here can read.
_CLOSED: Final = ("file_id IS NOT NULL AND NOT downloadable AND NOT EXISTS (SELECT 1 FROM kept WHERE kept.file_id = "
                  "node.file_id AND kept.here = 1) AND NOT EXISTS (SELECT 1 FROM shared WHERE shared.file_id = "
                  "node.file_id)")


class Task(enum.Enum):
    """Kinds of what is owed, in the order in which they are done."""

    OWN = "own"                 # put it there, from the kept copy: it is the truth, whatever is there
    FETCHED = "fetched"         # put it there, from the cache, if that has all of it by then
    WITHDRAW = "withdraw"       # remove it from there
    DOUBTED = "doubted"         # never: a listing showed what a lost answer was about, and it may be somebody else's,
                                # whose readers would get our bytes for theirs


@dataclass(frozen=True, slots=True)
class Share:
    """A row of what is owed."""

    file_id: FileId
    task: Task
    size_bytes: int


class Shares:
    """Rows; the sharer has the threads."""

    def __init__(self, rows: Rows, clock: Clock) -> None:
        self._rows = rows           # given
        self._clock = clock         # given

    # ---- what is owed

    def owe(self, file_id: FileId, size_bytes: int, task: Task = Task.OWN) -> None:
        """The store is to have its content, unless it has that already. What is doubted stays so."""
        if task is Task.DOUBTED or not self.has(file_id):
            self._rows.run(f"INSERT INTO share (file_id, task, size_bytes, due_ns) VALUES (?, ?, ?, 0) {_UNLESS_OWED}",
                           file_id, task.value, size_bytes)

    def owe_kept(self) -> None:
        """All own uploads that have a copy here are owed, unless the store has them."""
        self._rows.run("INSERT INTO share (file_id, task, size_bytes, due_ns) SELECT kept.file_id, 'own', kept.bytes, "
                       "0 FROM kept JOIN node USING (file_id) WHERE kept.here = 1 AND kept.file_id NOT IN (SELECT "
                       f"file_id FROM shared) {_UNLESS_OWED}")

    def done(self, share: Share) -> bool:
        """The store has what was put, or has no more what was withdrawn. False: the row has changed meanwhile."""
        same = self._rows.run("DELETE FROM share WHERE file_id = ? AND task = ?", share.file_id, share.task.value) > 0
        if same and share.task is not Task.WITHDRAW:
            self._rows.run("INSERT OR IGNORE INTO shared VALUES (?)", share.file_id)
        return same

    def drop(self, share: Share) -> None:
        """There is nothing to put, or nothing to withdraw."""
        self._rows.run("DELETE FROM share WHERE file_id = ? AND task = ?", share.file_id, share.task.value)

    def postpone(self, share: Share, seconds: float) -> None:
        """Not before then: the others have their turns."""
        self._rows.run("UPDATE share SET due_ns = ? WHERE file_id = ? AND task = ?",
                       self._clock.time_ns() + round(seconds * 1e9), share.file_id, share.task.value)

    def hasten(self) -> None:
        """Somebody waits for what is to be put: nothing is held off."""
        self._rows.run("UPDATE share SET due_ns = 0 WHERE task = 'own' AND due_ns > 0")

    def ended(self, file_id: FileId, *, withdraw: bool) -> None:
        """The service has it no more. `withdraw`: it is this mount's to remove it from the store, if it may be there;
        it may be there in part when it was still owed. What has its copy here remembers that until then.
        """
        doubted = self._rows.run("DELETE FROM share WHERE file_id = ? AND task = 'doubted'", file_id)
        gone = doubted + self._rows.run("DELETE FROM shared WHERE file_id = ?", file_id)
        gone += self._rows.run("DELETE FROM share WHERE file_id = ? AND task != 'withdraw'", file_id)
        if gone and withdraw:
            row = self._rows.one("SELECT bytes FROM kept WHERE file_id = ? AND here = 1", file_id)
            self._rows.run("INSERT OR IGNORE INTO share (file_id, task, size_bytes, due_ns) VALUES (?, 'withdraw', ?, "
                           "?)", file_id, 0 if doubted or row is None else row[0], self._clock.time_ns() + WITHDRAW_NS)

    def back(self, share: Share) -> None:
        """A listing has lagged: this isn't gone. With a copy here it is owed again, or doubted again."""
        self.drop(share)
        row = self._rows.one("SELECT bytes FROM kept WHERE file_id = ? AND here = 1", share.file_id)
        if row is not None:
            self.owe(share.file_id, row[0], Task.OWN if share.size_bytes == row[0] else Task.DOUBTED)

    # ---- what the store has

    def found(self, file_ids: Iterable[FileId]) -> None:
        """The store has these."""
        for file_id in file_ids:
            self._rows.run("INSERT OR IGNORE INTO shared VALUES (?)", file_id)
            self._rows.run("DELETE FROM share WHERE file_id = ? AND task IN ('own', 'fetched')", file_id)

    def missed(self, file_id: FileId) -> None:
        """The store doesn't have it, or not as it should be, whatever was known: an own copy is owed again."""
        if self._rows.run("DELETE FROM shared WHERE file_id = ?", file_id):
            row = self._rows.one("SELECT bytes FROM kept WHERE file_id = ? AND here = 1", file_id)
            if row is not None:
                self.owe(file_id, row[0])

    def begin(self, place: str | None) -> None:
        """This mount's store; None: it has none. What is known of another one means nothing here; what is still to be
        put is put into this one.
        """
        if self._rows.get_meta(PLACE) != place:
            self._rows.run("DELETE FROM shared")
            self._rows.run("DELETE FROM share WHERE task = 'withdraw'")
            self._rows.set_meta(PLACE, place)
        elif place is not None:     # announced, and never listed; or gone since
            self._rows.run("DELETE FROM shared WHERE NOT EXISTS (SELECT 1 FROM node WHERE node.file_id = "
                           "shared.file_id) AND file_id NOT IN (SELECT file_id FROM doomed)")

    def forget_all(self) -> None:
        """Another workspace begins with nothing."""
        self._rows.run("DELETE FROM share")
        self._rows.run("DELETE FROM shared")

    # ---- looks

    def claimed(self) -> set[FileId]:
        """All ids that anything here is about, but for those that are gone or that are to be removed from there."""
        return {FileId(row[0]) for row in self._rows.all(
            "SELECT file_id FROM node WHERE file_id IS NOT NULL UNION SELECT file_id FROM doomed WHERE deleted_ns IS "
            "NULL UNION SELECT file_id FROM share WHERE task != 'withdraw'")}

    def has(self, file_id: FileId) -> bool:
        """Whether the store has it, as far as is known."""
        return self._rows.one("SELECT 1 FROM shared WHERE file_id = ?", file_id) is not None

    def any(self) -> bool:
        """Whether it has something, as far as is known."""
        return self._rows.one("SELECT 1 FROM shared LIMIT 1") is not None

    def is_owed(self, file_id: FileId) -> bool:
        """Whether an own upload is still to be put there."""
        return self._rows.one("SELECT 1 FROM share WHERE file_id = ? AND task = 'own'", file_id) is not None

    def due(self, not_now: Collection[FileId]) -> Share | None:
        """The next that can be done now; None: there is none."""
        for task in (Task.OWN, Task.FETCHED, Task.WITHDRAW):
            rows = self._rows.all(f"SELECT file_id, task, size_bytes FROM share WHERE task = ? AND due_ns <= ? AND "
                                  f"{_WANTED if task is not Task.WITHDRAW else 'TRUE'} ORDER BY due_ns, rowid LIMIT ?",
                                  task.value, self._clock.time_ns(), AT_ONCE)
            for file_id, _, size_bytes in rows:
                if file_id not in not_now:
                    return Share(FileId(file_id), task, size_bytes)
        return None

    def next_s(self) -> float | None:
        """Seconds until the next one is due that isn't due now; None: there is none."""
        now_ns = self._clock.time_ns()
        row = self._rows.one("SELECT min(due_ns) FROM share WHERE due_ns > ?", now_ns)
        return None if row[0] is None else float(row[0] - now_ns) / 1e9

    def waiting(self) -> tuple[int, int]:
        """(own uploads that are still to be put there, their bytes)."""
        count, size_bytes = self._rows.one("SELECT count(*), coalesce(sum(size_bytes), 0) FROM share WHERE task = "
                                           f"'own' AND {_WANTED}")
        return int(count), int(size_bytes)

    def first_waiting(self, limit: int) -> list[tuple[FileId, int]]:
        """(id, bytes) of some of these, oldest first."""
        return [(FileId(file_id), int(size_bytes)) for file_id, size_bytes in self._rows.all(
            f"SELECT file_id, size_bytes FROM share WHERE task = 'own' AND {_WANTED} ORDER BY rowid LIMIT ?", limit)]

    def closed(self, since_ns: int | None = None) -> list[tuple[FileId, int]]:
        """(id, when it was made, by the server's clock) of all that nobody here can read; of what was made since then.
        """
        rows = (self._rows.all(f"SELECT file_id, created_ns FROM node WHERE {_CLOSED}") if since_ns is None else
                self._rows.all("SELECT file_id, created_ns FROM node INDEXED BY node_created WHERE created_ns >= ? AND "
                               f"{_CLOSED}", since_ns))
        return [(FileId(file_id), int(created_ns)) for file_id, created_ns in rows]

    def kept(self) -> list[FileId]:
        """Own uploads that have a copy here, and that the store has."""
        return [FileId(file_id) for (file_id,) in self._rows.all("SELECT file_id FROM shared JOIN kept USING (file_id) "
                                                                 "WHERE kept.here = 1")]

    def readable(self) -> int:
        """How many uploads only the store makes readable here."""
        return int(self._rows.one("SELECT count(*) FROM shared CROSS JOIN node USING (file_id) WHERE NOT downloadable "
                                  "AND NOT EXISTS (SELECT 1 FROM kept WHERE kept.file_id = shared.file_id AND "
                                  "kept.here = 1)")[0])
