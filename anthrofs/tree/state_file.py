"""The file state.db: made, opened, or taken over from an earlier version, after a copy of it was kept.

Owns    state.db.<version>, copies of the index as it was before a newer version took it over.
Trusts  nothing in the file before it was looked through.
Never   changes a file that is damaged, of another program, or of a version that it doesn't know.
"""

import contextlib
import logging
import os
import sqlite3
from pathlib import Path
from typing import Final

from anthrofs.errors import EXIT_FAILED, SetupError
from anthrofs.store.disk import sync_names
from anthrofs.tree.schema import SCHEMA, VERSION
from anthrofs.tree.state_sum import forget_sum, is_as_left
from anthrofs.tree.strange_rows import strange_rows
from anthrofs.tree.upgrades import STEPS

log = logging.getLogger(__name__)

# Failures of the disk below, not ours. The lowest byte of a code is its kind.
FULL: Final = sqlite3.SQLITE_FULL
DISK: Final = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM})
_TABLES: Final = "meta, node, attempt, doomed, kept"


def kind(exc: sqlite3.Error) -> int:
    """Returns the lowest byte of its code, which FULL and DISK name."""
    return int(getattr(exc, "sqlite_errorcode", 0)) & 0xFF


def opened(path: Path) -> sqlite3.Connection:
    """Returns a connection to a database of this version. Raises SetupError, having changed nothing."""
    connection: sqlite3.Connection | None = None
    try:
        # SQLite takes the changes of a missing or empty database for another one's, and deletes them.
        if not _bytes(path) and _bytes(changes := path.with_name(f"{path.name}-wal")):
            raise SetupError(f"{path} is missing or empty, but {changes} has changes to it. {_way_out(path)}",
                             EXIT_FAILED)
        if path.exists() and not _bytes(path) and _was_used(path.parent):
            raise SetupError(f"{path} is empty, but this state was used. {_way_out(path)}", EXIT_FAILED)
        as_left = is_as_left(path)
        if as_left is False:
            raise sqlite3.DatabaseError("it isn't as the last mount has left it: the disk has changed it")
        connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
        # One mount at a time has it, so SQLite needs no shared memory: that would take room, also for reading.
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        # Tables with triggers have each statement noted, to be undone: in a file 2 GB were written for 100,000 files.
        connection.execute("PRAGMA temp_store = MEMORY")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 0 and not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            forget_sum(path)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
            return connection
        if version == VERSION or version in STEPS:
            connection.execute(f"SELECT 1 FROM {_TABLES} LIMIT 0")
            if not as_left:
                # 40 ms for 100,000 files; else damage shows in the middle of somebody's work.
                words = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
                if words != "ok":
                    raise sqlite3.DatabaseError(" ".join(words.split()))
            if version == VERSION and not as_left and (words := strange_rows(connection)) is not None:
                raise sqlite3.DatabaseError(words)
            forget_sum(path)
            connection.execute("PRAGMA journal_mode = WAL")
            if version < VERSION:
                _keep_copy(connection, copy_of(path, version))
            for step in range(version, VERSION):
                connection.executescript(f"BEGIN; {STEPS[step]} PRAGMA user_version = {step + 1}; COMMIT;")
            return connection
    except (sqlite3.Error, OSError) as exc:
        if connection is not None:
            connection.close()
        if isinstance(exc, OSError) or kind(exc) in (FULL, *DISK):
            raise SetupError(f"The state's database {path} can't be used: {exc}. Nothing was changed. Look at its disk "
                             "(df) and its owner, then mount again, or choose another with --state-dir.",
                             EXIT_FAILED) from exc
        raise SetupError(f"The state's database {path} can't be used: {exc}. {_way_out(path)}", EXIT_FAILED) from exc
    connection.close()
    raise SetupError(f"The state in {path.parent} was written by another version of anthrofs (schema {version}, this "
                     f"one knows {VERSION}), or by another program. Use that version, or another "
                     f"--state-dir.{_way_back(path)}", EXIT_FAILED)


def copy_of(path: Path, version: int) -> Path:
    """Returns where the database is kept as it was before the step from that version."""
    return path.with_name(f"{path.name}.{version}")


def _keep_copy(connection: sqlite3.Connection, copy: Path) -> None:
    """Makes the copy durable before anything is changed; whole, or not there. An older copy of the same version is
    replaced: somebody has gone back to it since, and gone on from there. Raises sqlite3.Error and OSError: then nothing
    was changed.
    """
    part = copy.with_name(f"{copy.name}.part")
    try:
        part.unlink(missing_ok=True)
        with contextlib.closing(sqlite3.connect(part)) as target:
            connection.backup(target)
        descriptor = os.open(part, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        part.replace(copy)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    sync_names(copy.parent)
    log.info("the state is taken over from an earlier version; %s is a copy of its index as it was", copy)


def _way_back(path: Path) -> str:
    """The copy that a newer version has kept of a state that this one can read, if there is one."""
    copy = copy_of(path, VERSION)
    if not copy.exists():
        return ""
    return (f" {copy} is the index as it was before that version took it over. To go back to it, move {path} and "
            f"{path.name}-wal away together and copy it to {path}: what was saved, renamed or removed since then isn't "
            "in it.")


def _bytes(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _was_used(state_dir: Path) -> bool:
    """A mount that has ended there has left a sum; one that was killed perhaps content that nothing else has."""
    return (state_dir / "state.db.sum").exists() or any(
        any((state_dir / name).iterdir()) for name in ("staging", "kept") if (state_dir / name).is_dir())


def _way_out(path: Path) -> str:
    return (f"Nothing was changed. To go on with an empty index, move {path} and {path.name}-wal away together, or use "
            f"another --state-dir; content that was not sent yet is in {path.parent / 'staging'}, as plain files: copy "
            "it out.")
