"""Statements on the state's database, for as long as the `with` that gave them.

Owns    nothing on disk: the connection is database.py's, the rows are their tables'.
Never   removes a stage: those that a transaction makes superfluous are removed by the database after its commit.
"""

import sqlite3
from collections.abc import Iterator
from typing import Any

from anthrofs.model import StageId

Connection = sqlite3.Connection

class Rows:
    """The right to execute statements."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection       # given

        self.superfluous = dict[StageId, None]()        # in order; guarded by the database's lock, and emptied by its
                                                        # commit or rollback

    def all(self, statement: str, *values: Any) -> list[Any]:
        """Every row."""
        return self._connection.execute(statement, values).fetchall()

    def each(self, statement: str, *values: Any) -> Iterator[Any]:
        """Row by row: nothing may be changed until the last."""
        return self._connection.execute(statement, values)

    def one(self, statement: str, *values: Any) -> Any:
        """The first row, or None."""
        return self._connection.execute(statement, values).fetchone()

    def run(self, statement: str, *values: Any) -> int:
        """Rows changed."""
        return self._connection.execute(statement, values).rowcount

    def insert(self, statement: str, *values: Any) -> int:
        """The new row's id."""
        return self._connection.execute(statement, values).lastrowid or 0

    def get_meta(self, name: str) -> str | None:
        """A single fact."""
        row = self.one("SELECT value FROM meta WHERE name = ?", name)
        return None if row is None else str(row[0])

    def set_meta(self, name: str, value: str | None) -> None:
        """None removes the fact."""
        if value is None:
            self.run("DELETE FROM meta WHERE name = ?", name)
        else:
            self.run("INSERT OR REPLACE INTO meta VALUES (?, ?)", name, value)

    def unneeded(self, stage: StageId | None) -> None:
        """Marks a stage that nobody needs once this is committed; its file is removed then."""
        if stage is not None:
            self.superfluous[stage] = None

    def needed(self, stage: StageId) -> None:
        """Takes `unneeded` back: an upload in flight sends it."""
        self.superfluous.pop(stage, None)
