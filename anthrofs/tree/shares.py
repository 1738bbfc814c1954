"""Shares: what of this workspace's contents is in the store of a fleet, and what is still to be put there or removed.

An own upload is owed to the store from the transaction that notes its id on; what was downloaded may be put there, too.
What a mount has had deleted it removes from the store, later: somebody may be reading it there.

Owns    the tables share and shared (see schema.py).
Trusts  `shared` as a hint only: what is found missing there is forgotten, and an own copy of it is owed again.
Never   asks the store.
"""

import enum
from typing import Final

from anthrofs.clock import Clock
from anthrofs.model import FileId
from anthrofs.tree.rows import Rows

WITHDRAW_NS: Final = 600 * 10**9        # after its deletion: who reads it there has that long


class Task(enum.Enum):
    """Kinds of what is owed."""

    OWN = "own"                 # put it there, from the kept copy: it is the truth, whatever is there
    WITHDRAW = "withdraw"       # remove it from there


class Shares:
    """Rows; the sharer has the threads."""

    def __init__(self, rows: Rows, clock: Clock) -> None:
        self._rows = rows           # given
        self._clock = clock         # given

    # ---- what is owed

    def owe(self, file_id: FileId, size_bytes: int, task: Task = Task.OWN) -> None:
        """The store is to have its content, unless it has that already."""
        if not self.has(file_id):
            self._rows.run("INSERT INTO share (file_id, task, size_bytes, due_ns) VALUES (?, ?, ?, 0) ON CONFLICT "
                           "(file_id) DO UPDATE SET task = excluded.task, size_bytes = excluded.size_bytes, due_ns = 0 "
                           "WHERE share.task != 'own'", file_id, task.value, size_bytes)

    def ended(self, file_id: FileId, *, withdraw: bool) -> None:
        """The service has it no more. `withdraw`: it is this mount's to remove it from the store, if it may be there;
        it may be there in part when it was still owed.
        """
        gone = self._rows.run("DELETE FROM shared WHERE file_id = ?", file_id)
        gone += self._rows.run("DELETE FROM share WHERE file_id = ? AND task != ?", file_id, Task.WITHDRAW.value)
        if gone and withdraw:
            self._rows.run("INSERT OR IGNORE INTO share (file_id, task, size_bytes, due_ns) VALUES (?, ?, 0, ?)",
                           file_id, Task.WITHDRAW.value, self._clock.time_ns() + WITHDRAW_NS)

    # ---- looks

    def has(self, file_id: FileId) -> bool:
        """Whether the store has it, as far as is known."""
        return self._rows.one("SELECT 1 FROM shared WHERE file_id = ?", file_id) is not None

    def forget_all(self) -> None:
        """Another workspace begins with nothing, or another store."""
        self._rows.run("DELETE FROM share")
        self._rows.run("DELETE FROM shared")
