"""A state that no mount uses, as somebody sees it who thinks of removing it: whose files it has, and what would be
lost.

Trusts  its rows as they are, of any version: what one can't tell isn't known, and never taken for nothing. Of copies
        the disk: of a state that has become another workspace's no row of a file leads to them any more.
Never   changes a file of it: SQLite is shown the database as one that nobody writes to, or, with a log beside it, a
        copy of both. So it takes no lock, and a mount that begins meanwhile isn't in its way.
"""

import contextlib
import os
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from anthrofs.model import FileId
from anthrofs.store.block_file import name_of

_SENT: Final = "SELECT count(*) FROM node WHERE stage IS NOT NULL"
_UNSENT: Final = "SELECT count(*) FROM node WHERE (stage IS NOT NULL OR resend) AND NOT local"
_LOCAL: Final = "SELECT count(*) FROM node WHERE local AND parent != 2"
_DELETIONS: Final = "SELECT count(*) FROM doomed WHERE deleted_ns IS NULL"
# Ids whose copy nobody misses, if there still is a file of it: it was given up, or its upload is deleted, or is one
# that the service gives to everybody.
_NOT_MISSED: Final = ("SELECT file_id FROM kept WHERE here != 1", "SELECT file_id FROM doomed",
                      "SELECT file_id FROM node WHERE downloadable")


@dataclass(frozen=True, slots=True)
class LeftState:
    """The things in a state that somebody may miss."""

    version: int                    # of the schema; 0: its database can't be read
    service: str | None             # the address; None: it has never seen one
    workspace: str | None           # the id of the session or workspace; None: the service named none
    unsent: int                     # files whose content, or name, the server lacks
    local: int                      # helper files, which are on this machine only
    deletions: int                  # ids that are still to be deleted there
    copies: int                     # of own uploads that the server has: nobody else can read those
    copy_bytes: int
    stages: int                     # files in staging/, whatever the rows say of them

    @property
    def unsent_files(self) -> int:
        """Files that the server lacks, also those that no row knows of: they were being written at a kill."""
        return max(self.unsent, self.stages - self.local)


def look(state_dir: Path) -> LeftState:
    """Raises OSError for a directory that can't be read."""
    stages = _entries(state_dir / "staging")
    try:
        with _shown(state_dir / "state.db") as db:
            version = int(db.execute("PRAGMA user_version").fetchone()[0])
            facts = dict(db.execute("SELECT name, value FROM meta").fetchall())
            not_missed = {name_of(file_id) for statement in _NOT_MISSED for file_id in _ids(db, statement)}
            copies, copy_bytes = _copies(state_dir, not_missed)
            (unsent,) = _of(db, _UNSENT) or _of(db, _SENT) or (stages,)
            (local,), (deletions,) = _of(db, _LOCAL) or (0,), _of(db, _DELETIONS) or (0,)
            return LeftState(version, facts.get("base_url"), facts.get("scope_id") or facts.get("workspace_id"),
                             unsent, local, deletions, copies, copy_bytes, stages)
    except sqlite3.Error:
        return LeftState(0, None, None, stages, 0, 0, *_copies(state_dir, set()), stages)


def _copies(state_dir: Path, not_missed: set[str]) -> tuple[int, int]:
    """Returns how many copies are on the disk, and their bytes."""
    sizes = {name: size for name, size in _sizes(state_dir / "kept") if name not in not_missed}
    return len(sizes), sum(sizes.values())


def _ids(db: sqlite3.Connection, statement: str) -> list[FileId]:
    """Returns none for a version without such columns."""
    try:
        return [FileId(row[0]) for row in db.execute(statement) if isinstance(row[0], str)]
    except sqlite3.OperationalError:
        return []


def _of(db: sqlite3.Connection, statement: str) -> tuple[int, ...] | None:
    """Returns the row; None: this version has no such columns."""
    try:
        return tuple(map(int, db.execute(statement).fetchone()))
    except sqlite3.OperationalError:
        return None


@contextlib.contextmanager
def _shown(path: Path) -> Iterator[sqlite3.Connection]:
    """The database, without a change to any of its files. Raises sqlite3.Error, OSError."""
    log = path.with_name(f"{path.name}-wal")
    for each in (path, log):        # a pipe would be waited for, and a link may lead to one
        if os.path.lexists(each) and not stat.S_ISREG(each.lstat().st_mode):
            raise sqlite3.OperationalError(f"{each.name} is no plain file")
    with contextlib.ExitStack() as ends:
        if log.exists() and log.stat().st_size:         # a mount was killed
            copies = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="anthrofs-look-")))
            shutil.copyfile(log, copies / log.name)
            path = Path(shutil.copyfile(path, copies / path.name))
            uri = f"{path.as_uri()}?mode=rw"
        else:
            uri = f"{path.as_uri()}?mode=ro&immutable=1"
        yield ends.enter_context(contextlib.closing(sqlite3.connect(uri, uri=True)))


def _entries(directory: Path) -> int:
    """Returns how many files with content are in it."""
    return sum(1 for _ in _sizes(directory))


def _sizes(directory: Path) -> Iterator[tuple[str, int]]:
    """The name and the bytes of each file with content that is in it."""
    with contextlib.suppress(FileNotFoundError), os.scandir(directory) as entries:
        for entry in entries:
            if not entry.name.endswith((".map", ".new")):
                with contextlib.suppress(FileNotFoundError):        # a mount gives it up at this moment
                    yield entry.name, entry.stat(follow_symlinks=False).st_size
