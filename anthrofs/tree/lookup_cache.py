"""Lookups that go along a directory, as `ls -l`, tar and rsync make them: rows read from the database many at once.

Owns    rows of a few directories, as they are since the last change of the database.
Trusts  Database.version to move before any row can change: what was read under a version is true while it holds.
Never   holds more than PLACES times MOST rows, and never reads ahead for somebody who jumps about.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol

from anthrofs.model import NodeId
from anthrofs.tree.rows import Rows

MOST: Final = 128       # rows of one directory. From about 64 on a row costs what it costs to read it and nothing else
PLACES: Final = 8       # directories: those of one path, and some walks at the same time
Row = Any               # of nodes.COLUMNS


class Reading(Protocol):
    """The database, as far as lookups need it."""

    version: int
    writing: bool

    def reading(self) -> AbstractContextManager[Rows]: ...


class Batch:
    """All entries of a directory from one name to another."""

    def __init__(self, version: int, rows: dict[str, Row], last: str) -> None:
        self.version = version      # constant
        self.rows = rows            # constant
        self.last = last            # constant
        self.served = 1             # of rows, about: threads may lose a count


class LookupCache:
    """A batch a directory; each one as far as the walk goes on is twice as long as the one before."""

    def __init__(self, db: Reading, read: Callable[[Rows, NodeId, str, int], list[tuple[str, Row]]]) -> None:
        self._db = db               # given
        self._read = read           # given: (name, row) of up to so many entries from a name on, by name
        self._batches: dict[NodeId, Batch] = {}     # by directory, the oldest first. Changed under the database's lock;
                                                    # read without, for a batch is never changed

    def row(self, parent: NodeId, name: str) -> Row:
        """The entry's row; None: there is no such entry."""
        batch = self._batches.get(parent)
        if batch is not None and (row := batch.rows.get(name)) is not None and batch.version == self._db.version:
            batch.served += 1
            return row
        with self._db.reading() as tx:
            found = self._read(tx, parent, name, _worth(batch, name))
            if not found or found[0][0] != name:
                return None
            if not self._db.writing:        # else the rows may still change under this version
                self._keep(parent, Batch(self._db.version, dict(found), found[-1][0]))
        return found[0][1]

    def _keep(self, parent: NodeId, batch: Batch) -> None:
        self._batches.pop(parent, None)
        if len(self._batches) >= PLACES:
            del self._batches[next(iter(self._batches))]
        self._batches[parent] = batch


def _worth(batch: Batch | None, name: str) -> int:
    """How many rows to read: more only for one who has come to the end of what was read, and used most of it."""
    if batch is None or name <= batch.last or 2 * batch.served <= len(batch.rows):
        return 1
    return min(MOST, 2 * len(batch.rows))
