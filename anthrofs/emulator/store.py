"""The files of the workspace: metadata in SQLite, content beside it.

Owns    <data>/emulator.db: its schema, its one connection, the order of listings, and who the workspace is.
Trusts  values made by rules.py; SQLite's WAL, so that a killed process loses no committed file.
Never   decides what a client may see or ask: it is told which view of the past a listing shows.
"""

from __future__ import annotations

import sqlite3
import threading
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .content import Contents, Incoming
from .model import LISTED_AFTER_EXPIRY_US, Position, StoredFile, new_id, now_us

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;        -- survives kill -9, which is what tests do
CREATE TABLE IF NOT EXISTS file (
    created_us   INTEGER PRIMARY KEY,       -- µs since 1970; unique and the rowid, because listings go along it
    id           TEXT NOT NULL UNIQUE,
    filename     TEXT NOT NULL,             -- as sent; that of a generated file is not checked
    mime_type    TEXT NOT NULL,
    size_bytes   INTEGER NOT NULL,
    sha256       TEXT NOT NULL,             -- hex
    content      TEXT NOT NULL,             -- name under content/; shared by files made in bulk
    downloadable INTEGER NOT NULL,          -- 0 or 1
    scope_id     TEXT,                      -- agent session; NULL: the workspace's
    expires_us   INTEGER,                   -- NULL: never
    recorded_us  INTEGER NOT NULL,          -- when this server took it, whatever created_us pretends
    deleted_us   INTEGER                    -- NULL: exists; else it is only listed, until the lag has passed
);
CREATE INDEX IF NOT EXISTS file_scope ON file (scope_id);
CREATE INDEX IF NOT EXISTS file_content ON file (content);
CREATE INDEX IF NOT EXISTS file_deleted ON file (deleted_us) WHERE deleted_us IS NOT NULL;
CREATE TABLE IF NOT EXISTS grave (          -- where deleted files stood, for cursors that name them
    id           TEXT PRIMARY KEY,
    created_us   INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS identity (
    organization_id TEXT NOT NULL,          -- a uuid
    workspace_id    TEXT NOT NULL           -- wrkspc_…; the table has one row
);
"""
COLUMNS = ("created_us, id, filename, mime_type, size_bytes, sha256, content, downloadable, scope_id, expires_us")
PLACES = ", ".join("?" * 12)

#: order → (column that places a file, whether the listing descends). Ids are random, so their order is a shuffle.
ORDERS = {"newest_first": ("created_us", True), "oldest_first": ("created_us", False), "shuffled": ("id", False)}


class QuotaExceeded(Exception):
    """The content was not stored: it would exceed the quota."""


@dataclass(frozen=True, slots=True)
class NewFile:
    filename: str
    mime_type: str
    downloadable: bool = False
    scope_id: str | None = None
    lifetime_s: int | None = None       # counted from its creation
    created_us: int | None = None       # None: now


@dataclass(frozen=True, slots=True)
class View:
    """A listing's view: the workspace or one session, in which order, and how late it notices changes."""

    order: str = "newest_first"
    scope_id: str | None = None
    listing_lag_us: int = 0
    deletion_lag_us: int = 0
    metadata_lag_us: int = 0


class Store:
    def __init__(self, data: Path, clock_us: Callable[[], int] = now_us) -> None:
        self.contents = Contents(data)              # constant after construction
        self._clock_us = clock_us

        self._lock = threading.Lock()               # guards everything below
        self._db = sqlite3.connect(data / "emulator.db", check_same_thread=False)
        self._db.executescript(SCHEMA)
        self._db.execute("DELETE FROM file WHERE expires_us <= ?", (clock_us() - LISTED_AFTER_EXPIRY_US,))
        self._db.commit()
        self._last_us = 0                           # newest created_us this clock has given
        self._used_bytes: int = self._one("SELECT coalesce(sum(size_bytes), 0) FROM file WHERE deleted_us IS NULL")[0]
        self.contents.forget_incoming()
        self.contents.sweep({name for (name,) in self._db.execute("SELECT DISTINCT content FROM file")})
        self.organization_id, self.workspace_id = self._identity()      # constant

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def add(self, new: NewFile, incoming: Incoming, *, quota_bytes: int | None = None) -> StoredFile:
        """Store what arrived. Raises QuotaExceeded; then nothing is stored and `incoming` is still the caller's."""
        file_id = new_id("file")
        # Uploads that end at the same moment may exceed the quota together; a test of the quota doesn't need more.
        with self._lock:
            if quota_bytes is not None and self._used_bytes + incoming.size_bytes > quota_bytes:
                raise QuotaExceeded
        # Content before row: a crash in between leaves content without a row, which the next start sweeps.
        sha256 = self.contents.adopt(incoming, file_id)
        with self._lock, self._db:
            created_us = self._free_moment_locked(new.created_us)
            expires_us = None if new.lifetime_s is None else created_us + new.lifetime_s * 1_000_000
            file = StoredFile(file_id, created_us, new.filename, new.mime_type, incoming.size_bytes, sha256,
                              file_id, new.downloadable, new.scope_id, expires_us)
            self._insert_locked([file])
        return file

    def add_many(self, names: Sequence[str], mime_type: str, incoming: Incoming) -> None:
        """Many downloadable files with one content, the last name newest, in one transaction."""
        content = new_id("bulk")
        sha256 = self.contents.adopt(incoming, content)
        with self._lock, self._db:
            # Back-dated where there is room, so that none lies in the future.
            first_us = max(self._clock_us() - len(names), self._last_us) + 1
            taken = {us for (us,) in self._db.execute("SELECT created_us FROM file WHERE created_us >= ?", (first_us,))}
            files = []
            for name in names:
                while first_us in taken:
                    first_us += 1
                files.append(StoredFile(new_id("file"), first_us, name, mime_type, incoming.size_bytes, sha256,
                                        content, True, None, None))
                first_us += 1
            self._last_us = first_us - 1
            self._insert_locked(files)

    def get(self, file_id: str) -> StoredFile | None:
        """None also when it is deleted, or expired for so long that nothing is left of it."""
        with self._lock:
            row = self._one(f"SELECT {COLUMNS} FROM file WHERE id = ? AND deleted_us IS NULL", file_id)
        file = None if row is None else _file_of(row)
        return None if file is None or file.forgotten(self._clock_us()) else file

    def get_late(self, file_id: str, lag_us: int) -> StoredFile | None:
        """As `get`, by somebody who notices deletions that late."""
        with self._lock:
            row = self._one(f"SELECT {COLUMNS} FROM file WHERE id = ? AND deleted_us > ?", file_id,
                            self._clock_us() - lag_us)
        return self.get(file_id) if row is None else _file_of(row)

    def get_many(self, file_ids: Sequence[str], view: View) -> list[StoredFile]:
        """The files among these that exist, in listing order; of one session if the view says so."""
        found = [file for file in map(self.get, file_ids) if file is not None]
        found = [file for file in found if view.scope_id in (None, file.scope_id)]
        column, descending = ORDERS[view.order]
        return sorted(found, key=lambda file: file.file_id if column == "id" else file.created_us, reverse=descending)

    def delete(self, file_id: str) -> bool:
        """Deletes a file. False: there is no such file."""
        if self.get(file_id) is None:
            return False
        with self._lock, self._db:
            deleted = self._db.execute("UPDATE file SET deleted_us = ? WHERE id = ? AND deleted_us IS NULL",
                                       (self._clock_us(), file_id)).rowcount
            if not deleted:
                return False
            self._db.execute("INSERT OR IGNORE INTO grave SELECT id, created_us FROM file WHERE id = ?", (file_id,))
            size, content = self._one("SELECT size_bytes, content FROM file WHERE id = ?", file_id)
            self._used_bytes -= size
            shared = self._one("SELECT 1 FROM file WHERE content = ? AND deleted_us IS NULL LIMIT 1", content)
        if shared is None:
            self.contents.remove(content)
        return True

    def place_of(self, file_id: str, view: View) -> Position | None:
        """Where a listed file stands; None when it isn't listed."""
        clause, values = self._listed(view)
        with self._lock:
            row = self._one(f"SELECT {COLUMNS} FROM file WHERE id = ? AND {clause}", file_id, *values)
        return None if row is None else _file_of(row).position

    def grave_of(self, file_id: str) -> Position | None:
        """Where a deleted file stood; None: there was none."""
        with self._lock:
            row = self._one("SELECT created_us, id FROM grave WHERE id = ?", file_id)
        return None if row is None else Position(*row)

    def page(self, view: View, limit: int, start: Position | None = None, *,
             backwards: bool = False) -> tuple[list[StoredFile], bool]:
        """Up to `limit` files next to `start` (after it, or before it), always in listing order; and whether
        more lie beyond them in the same direction."""
        column, descending = ORDERS[view.order]
        downwards = descending != backwards
        clause, values = self._listed(view)
        if start is not None:
            clause += f" AND {column} {'<' if downwards else '>'} ?"
            values.append(start.file_id if column == "id" else start.created_us)
        query = (f"SELECT {COLUMNS} FROM file WHERE {clause} "
                 f"ORDER BY {column} {'DESC' if downwards else 'ASC'} LIMIT ?")
        with self._lock:
            with self._db:
                noticed_us = self._clock_us() - max(view.deletion_lag_us, view.metadata_lag_us)
                self._db.execute("DELETE FROM file WHERE deleted_us <= ?", (noticed_us,))
            rows = self._db.execute(query, (*values, limit + 1)).fetchall()
        files = [_file_of(row) for row in rows[:limit]]
        return files[::-1] if backwards else files, len(rows) > limit

    def everything(self) -> list[StoredFile]:
        """All that exist, newest first, whatever their scope."""
        with self._lock:
            rows = self._db.execute(f"SELECT {COLUMNS} FROM file WHERE deleted_us IS NULL "
                                    "ORDER BY created_us DESC").fetchall()
        now = self._clock_us()
        return [file for file in map(_file_of, rows) if not file.forgotten(now)]

    def clear(self) -> None:
        """As if no file had ever been there."""
        with self._lock:
            with self._db:
                self._db.execute("DELETE FROM file")
                self._db.execute("DELETE FROM grave")
            self._used_bytes = 0
            self.contents.sweep(known=())

    def _listed(self, view: View) -> tuple[str, list[Any]]:
        now = self._clock_us()
        clause = ("scope_id IS ? AND recorded_us <= ? AND (deleted_us IS NULL OR deleted_us > ?) "
                  "AND (expires_us IS NULL OR expires_us > ?)")
        return clause, [view.scope_id, now - view.listing_lag_us, now - view.deletion_lag_us,
                        now - LISTED_AFTER_EXPIRY_US]

    def _free_moment_locked(self, wanted_us: int | None) -> int:
        """A created_us nobody has. Without a wish it is later than all that were given without a wish."""
        moment = wanted_us
        if moment is None:
            moment = max(self._clock_us(), self._last_us + 1)
        while self._one("SELECT 1 FROM file WHERE created_us = ?", moment) is not None:
            moment += 1
        if wanted_us is None:
            self._last_us = moment
        return moment

    def _insert_locked(self, files: Sequence[StoredFile]) -> None:
        now = self._clock_us()
        self._db.executemany(f"INSERT INTO file VALUES ({PLACES})", (
            (file.created_us, file.file_id, file.filename, file.mime_type, file.size_bytes, file.sha256, file.content,
             file.downloadable, file.scope_id, file.expires_us, now, None) for file in files))
        self._used_bytes += sum(file.size_bytes for file in files)

    def _identity(self) -> tuple[str, str]:
        with self._db:
            if self._one("SELECT 1 FROM identity") is None:
                self._db.execute("INSERT INTO identity VALUES (?, ?)", (str(uuid.uuid4()), new_id("wrkspc")))
        organization_id, workspace_id = self._one("SELECT organization_id, workspace_id FROM identity")
        return organization_id, workspace_id

    def _one(self, query: str, *values: object) -> Any:
        return self._db.execute(query, values).fetchone()


def _file_of(row: tuple[Any, ...]) -> StoredFile:
    created_us, file_id, filename, mime_type, size_bytes, sha256, content, downloadable, scope_id, expires_us = row
    return StoredFile(file_id, created_us, filename, mime_type, size_bytes, sha256, content, bool(downloadable),
                      scope_id, expires_us)


