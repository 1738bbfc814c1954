"""What SQLite's log has of a database, and from which commit on it may be lost with the power.

In WAL mode a commit is appended to <database>-wal, and the database itself is changed by checkpoints only. So the log, cut
behind any commit since the last checkpoint, is the state at that commit: nothing has to be copied before power is lost. A
commit with synchronous = FULL syncs the log, all before it included; NORMAL ones since may be lost, from some moment on. A
commit that changes nothing writes nothing and syncs nothing.

Owns    how far the log is durable.
Trusts  SQLite, and nothing more than its file format (https://www.sqlite.org/fileformat2.html#the_write_ahead_log).
"""

import errno
import os
import random
import sqlite3
import struct
from pathlib import Path
from typing import Any, Final, Protocol

from tests.simulation.durable import Mode

HEAD_BYTES: Final = 32
FRAME: Final = struct.Struct(">II8s8s")         # page, pages of the database behind a commit (else 0), salt, sum
CHECKPOINT_FRAMES: Final = 1000                 # SQLite makes one behind the commit that reaches this


class Steps(Protocol):
    """Whoever is told of commits, before and after; either may raise, and then it hasn't happened, or nobody knows."""

    def before(self, label: str) -> None:
        """Raises OSError where the disk doesn't take it."""

    def after(self, label: str) -> None:
        """It is done."""


class Commits:
    """The log of one open database."""

    def __init__(self, database: Path, before: "Commits | None" = None) -> None:
        """`before`: whose log this one's is, as a kill has left it. Without one, all that was committed is durable."""
        self._database = database                       # constant
        self._log = os.open(f"{database}-wal", os.O_RDONLY | os.O_CLOEXEC)      # constant
        self._salt = b""                                # of the log since it was begun anew
        self._frame_bytes = 0
        self._ends = [HEAD_BYTES]                       # of commits: the last durable one, and all behind it
        if before is not None:
            self._salt, self._frame_bytes, self._ends = before._salt, before._frame_bytes, list(before._ends)
        self.note(durable=before is None)

    def __del__(self) -> None:
        os.close(self._log)

    def note(self, *, durable: bool) -> None:
        """A commit has been made."""
        head = os.pread(self._log, HEAD_BYTES, 0)
        if len(head) == HEAD_BYTES and head[16:24] != self._salt:
            self._salt, self._frame_bytes = head[16:24], FRAME.size + int.from_bytes(head[8:12], "big")
            self._ends = [HEAD_BYTES]                   # behind a checkpoint: what was before is in the database
        end = place = self._ends[-1]
        while self._salt:
            frame = os.pread(self._log, FRAME.size, place)
            if len(frame) < FRAME.size:
                break
            _, pages, salt, _ = FRAME.unpack(frame)
            if salt != self._salt:
                break
            place += self._frame_bytes
            end = place if pages else end
        if end != self._ends[-1]:
            self._ends.append(end)
            if durable or end >= HEAD_BYTES + CHECKPOINT_FRAMES * self._frame_bytes:
                self._ends = [end]

    def lose(self, target: Path, mode: Mode, chance: random.Random) -> None:
        """Makes the two files in a directory, as they would be found."""
        end = self._ends[0] if mode == "all" else self._ends[-1] if mode == "none" else chance.choice(self._ends)
        (target / self._database.name).write_bytes(self._database.read_bytes())
        (target / f"{self._database.name}-wal").write_bytes(os.pread(self._log, end, 0))


class Watched:
    """A connection whose commits somebody is told of."""

    def __init__(self, connection: sqlite3.Connection, commits: Commits, steps: Steps) -> None:
        self.connection = connection            # given
        self._commits = commits                 # given
        self._steps = steps                     # given
        self._durable = False

    def close(self) -> None:
        """See sqlite3."""
        self.connection.close()

    @property
    def in_transaction(self) -> bool:
        """See sqlite3."""
        return self.connection.in_transaction

    def execute(self, statement: str, values: Any = ()) -> sqlite3.Cursor:
        """See sqlite3."""
        if statement == "COMMIT":
            return self._commit()
        if statement.startswith("PRAGMA synchronous"):
            self._durable = statement.endswith("FULL")
        return self.connection.execute(statement, values)

    def _commit(self) -> sqlite3.Cursor:
        try:
            self._steps.before("commit")
        except OSError as exc:
            raise _as_sqlite_says(exc) from exc
        cursor = self.connection.execute("COMMIT")
        self._commits.note(durable=self._durable)
        self._steps.after("commit")
        return cursor


def _as_sqlite_says(exc: OSError) -> sqlite3.OperationalError:
    said = sqlite3.OperationalError("database or disk is full" if exc.errno == errno.ENOSPC else "disk I/O error")
    said.sqlite_errorcode = sqlite3.SQLITE_FULL if exc.errno == errno.ENOSPC else sqlite3.SQLITE_IOERR
    return said
