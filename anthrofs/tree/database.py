"""The state's database: one SQLite file, its transactions; the tables are in schema.py.

Owns    <state>/state.db and the only connection to it.
Trusts  whoever is handed a `tx` to write through it; a function without one only reads.
        SQLite's WAL: after a crash the state is that of the last commit; after power loss that of the last durable one.
Never   is held while anybody waits for the network or syncs big data. Second in the lock order: content, database,
        cache, reader.
"""

import contextlib
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from anthrofs.clock import Clock
from anthrofs.errors import DiskFull, FsError
from anthrofs.model import StageId
from anthrofs.store.state_guard import StateGuard
from anthrofs.tree.lookups import Lookups
from anthrofs.tree.state_file import DISK, FULL, kind, opened
from anthrofs.tree.state_sum import write_sum
from anthrofs.tree.transaction import Tx

log = logging.getLogger(__name__)

COPIED_PAGES: Final = 256       # 1 MiB, at a time
TURN_S: Final = 0.0005          # for who waits meanwhile


class Database:
    """One connection behind one lock: a reader on a shared connection would else see another thread's uncommitted rows.
    """

    def __init__(self, path: Path, guard: StateGuard | None = None, clock: Clock | None = None,
                 discard: Callable[[StageId], None] = lambda _: None) -> None:
        """`discard` removes a stage's file. Raises SetupError when the file is of another version or damaged."""
        self._path = path                               # constant
        self._guard = guard or StateGuard()         # given
        self._discard = discard                         # given
        self._lock = threading.RLock()          # guards everything below; reentrant: a read inside a transaction
        self.writing = False                    # in a transaction: written under the lock, and read by whoever holds it
        self.version = 0                        # moves before anything changes; read without the lock
        self._connection = opened(path)
        self._guard.watch(*(each for each in (path, path.with_name(f"{path.name}-wal")) if each.exists()))
        self._tx = Tx(self._connection, clock or Clock())
        self.nodes = Lookups(self)                      # constant: the tree as it is now

    @contextmanager
    def reading(self) -> Iterator[Tx]:
        """A consistent look."""
        with self._lock, _told():
            yield self._tx

    @contextmanager
    def transaction(self, *, durable: bool = False) -> Iterator[Tx]:
        """All of it or nothing; `durable` ones survive power loss once this returns. Not nested. Raises StateLost.

        Stages that nobody needs any more are removed after the commit.
        """
        self._guard.check()
        with self._lock, _told():
            assert not self.writing, "one transaction at a time"
            # Outside of a transaction this takes effect at once. NORMAL doesn't sync; a later FULL commit syncs all
            # before.
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._connection.execute("BEGIN IMMEDIATE")
            self.writing = True
            self.version += 1
            try:
                yield self._tx
                assert durable or not self._tx.superfluous, "power loss would bring the row back, and not the stage"
                self._connection.execute("COMMIT")
            except BaseException:
                self._tx.superfluous.clear()
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            finally:
                self.writing = False
            superfluous = list(self._tx.superfluous)
            self._tx.superfluous.clear()
        for stage in superfluous:       # a crash before this leaves files, which `check` names
            self._discard(stage)

    @contextmanager
    def copied(self) -> Iterator[Tx]:
        """All rows as they are at one moment, in a file of SQLite's own that nobody else sees. Others wait for a few
        pages of that at most. Raises FsError.
        """
        def let_in(*_progress: int) -> None:
            self._lock.release()
            time.sleep(TURN_S)          # a lock that is only given back would be taken again before anybody wakes
            self._lock.acquire()

        with contextlib.closing(sqlite3.connect("", check_same_thread=False, isolation_level=None)) as copy, _told():
            with self._lock:            # what others write meanwhile by this connection, SQLite writes to the copy, too
                self._connection.backup(copy, pages=COPIED_PAGES, progress=let_in)
            yield Tx(copy, Clock())

    def close(self) -> None:
        """No more calls after this."""
        lost = self._guard.lost()
        with self._lock:
            self._connection.close()
        if not lost:
            write_sum(self._path)
        self._guard.close()


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as exc:
        if kind(exc) == FULL:
            raise DiskFull("no room on the disk of the state directory") from exc
        if kind(exc) not in DISK:
            log.exception("the state's database failed")
        raise FsError(f"the state's database failed: {exc}") from exc
