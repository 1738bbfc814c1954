"""Copies of our own uploads, which keep those readable here. The service gives an upload back to nobody, so a copy that
goes is gone for good.

Owns    of the table kept who has a copy (`here`); when a copy is given up, and that copies don't take the last of the
        disk.
Trusts  the rows, and of what is open the handles: a node that somebody has open on its copy keeps it.
Never   gives up what is to be sent again: a rename, a refused upload, a backup that lives on its copy. Never without
        being told to (--keep-uploads, `anthrofs free`); when the disk runs low, what is kept stays, and only what is
        sent from then on isn't.
"""

import logging
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from anthrofs.model import FileId, Node
from anthrofs.store.block_cache import BlockCache
from anthrofs.store.disk import Disk
from anthrofs.tree.database import Database
from anthrofs.tree.nodes import OUT_OF_TREE
from anthrofs.tree.open_table import OpenTable
from anthrofs.tree.transaction import Tx

log = logging.getLogger(__name__)

ROOM_BYTES: Final = 2**20   # a name's worth of room, and some
GOING: Final = 2            # of kept.here, see schema
# A copy that only makes a file readable. The others are content that is still to be sent: again, after a refusal, or to
# a new name; or that the server doesn't have whole; or that the store of a fleet is still to get; or that a backup will
# live on; or that a name may get back. An empty one takes nothing. (The + keeps SQLite from the index that has sizes:
# the oldest would have to be sorted out of all.)
_SPARE: Final = ("kept.here = 1 AND +kept.bytes > 0 AND NOT EXISTS (SELECT 1 FROM doomed WHERE doomed.file_id = "
                 "kept.file_id) AND NOT EXISTS (SELECT 1 FROM attempt WHERE attempt.node_id = node.node_id) "
                 "AND NOT EXISTS (SELECT 1 FROM share WHERE share.file_id = kept.file_id AND share.task = 'own') "
                 "AND (node.node_id IS NULL OR NOT (node.resend OR node.stage IS NOT NULL OR node.listed_bytes IS NOT "
                 f"NULL OR node.local OR {OUT_OF_TREE}))")


class KeptCopies:
    """The keeper of one mount's copies."""

    def __init__(self, db: Database, cache: BlockCache, handles: OpenTable, disk: Disk, root: Path,
                 most_bytes: int | None, spare_bytes: int) -> None:
        self._db = db                       # given
        self._cache = cache                 # given
        self._handles = handles             # given
        self._disk = disk                   # given
        self._root = root                   # constant: the state directory
        self._most_bytes = most_bytes       # constant; None: all are kept
        self._spare_bytes = spare_bytes     # constant

        self._lock = threading.Lock()       # guards the following; a leaf
        self._low = False                   # the disk was, at the last upload

    def start(self) -> None:
        """Finishes what a kill has cut, and brings the copies within the bound of this mount."""
        with self._db.transaction(durable=True) as tx:
            going = [FileId(row[0]) for row in tx.all("SELECT file_id FROM kept WHERE here = ?", GOING)]
            going += self._give_way(tx)
            gone = [FileId(row[0]) for row in tx.all("SELECT file_id FROM kept WHERE here = 0 UNION ALL "
                                                     "SELECT file_id FROM doomed WHERE deleted_ns IS NOT NULL")]
        self.remove([*going, *self._left_of(gone)])

    def _left_of(self, gone: list[FileId]) -> list[FileId]:
        """Returns those that are there nevertheless: their removal was cut, or power loss has undone it."""
        names = {entry.name for entry in os.scandir(self._root / "kept")} if gone else set()
        return [file_id for file_id in gone if self._cache.kept_path(file_id).name in names] if names else []

    # ---- what was stored

    def adopt(self, name: str | None, file_id: FileId, stage: Path) -> bool | None:
        """A second name for the sealed content that the server has just taken. False: it can't stay, for the disk runs
        low. None: there is none, and the stage must stay in its place.
        """
        try:
            try:
                self._cache.adopt(file_id, stage)
            except OSError:
                self._cache.give_way(ROOM_BYTES)        # a full disk may have room for a name then
                self._cache.adopt(file_id, stage)
        except OSError as exc:
            log.warning("%r is on the server, but no readable copy of it could be kept (%s), and the service doesn't "
                        "give uploads back: %s has its content", name, exc, stage)
            return None
        # A second name of a copy that is kept, as that of a renamed file, takes no room.
        return not self._runs_low() or self._cache.is_shared(file_id)

    def stored(self, tx: Tx, file_id: FileId, *, lasts: bool) -> list[FileId]:
        """Mirror has noted an upload with its copy. Returns the copies that go, perhaps this one, for the caller to
        `remove` after the commit. `lasts`: as `adopt` has said.
        """
        going = self._give_way(tx)
        if not lasts and file_id not in going and self._is_spare(tx, file_id):
            going.append(file_id)
            self._mark(tx, [file_id])
        return going

    def _runs_low(self) -> bool:
        """Less than twice the spare bytes is free, although what can be fetched again has made room."""
        lacking = self._lacking()
        if lacking > 0:
            self._cache.give_way(lacking)
            lacking = self._lacking()
        with self._lock:
            changed, self._low = self._low != (lacking > 0), lacking > 0
        if changed and lacking > 0:
            log.warning("the disk of %s runs low: what is sent from now on is not kept here, so nobody can read it any "
                        "more. What is kept stays; `anthrofs free` gives up copies that aren't needed", self._root)
        elif changed:
            log.info("the disk of %s has room again: what is sent is kept", self._root)
        return lacking > 0

    def remove(self, going: Iterable[FileId]) -> int:
        """The files of copies that a commit has given up. Returns how many bytes of the disk that was. Raises DiskFull
        and the like: the next start goes on with it.
        """
        freed, done = 0, list(going)
        for file_id in done:
            freed += self._cache.drop(file_id)
        if done:
            with self._db.transaction() as tx:
                for file_id in done:
                    tx.run("UPDATE kept SET here = 0 WHERE file_id = ? AND here = ?", file_id, GOING)
        return freed

    # ---- what a person gives up

    def give_up(self, tx: Tx, node: Node) -> bool:
        """The node's copy goes when the caller calls `remove` after the commit. False: it is needed, or there is none.
        """
        if node.remote is None or not node.kept or not self._is_spare(tx, node.remote.file_id):
            return False
        self._mark(tx, [node.remote.file_id])
        return True

    def without(self) -> int:
        """How many of our own uploads have a copy neither here nor, as far as is known, in the store of a fleet."""
        with self._db.reading() as tx:
            return int(tx.one("SELECT copyless - (SELECT count(*) FROM shared CROSS JOIN kept USING (file_id) WHERE "
                              "here != 1) FROM total")[0])

    def totals(self) -> tuple[int, int]:
        """(copies, their bytes)."""
        with self._db.reading() as tx:
            copies, size_bytes = tx.one("SELECT copies, copy_bytes FROM total")
        return int(copies), int(size_bytes)

    def low(self) -> bool:
        """The disk was running low at the last upload."""
        with self._lock:
            return self._low

    # ---- in the caller's transaction

    def _give_way(self, tx: Tx) -> list[FileId]:
        """Oldest first, until the rest is within the bound. What waits for its deletion isn't counted: it goes by
        itself.
        """
        if self._most_bytes is None:
            return []
        kept, doomed = tx.one("SELECT (SELECT copy_bytes FROM total), "
                              "(SELECT coalesce(sum(bytes), 0) "
                              # CROSS: from the few doomed
                              "FROM doomed CROSS JOIN kept USING (file_id) WHERE here = 1)")
        lacking, going = kept - doomed - self._most_bytes, list[FileId]()
        if lacking <= 0:
            return []
        for file_id, size_bytes, node_id in tx.each("SELECT kept.file_id, kept.bytes, node.node_id FROM kept LEFT "
                                                    f"JOIN node USING (file_id) WHERE {_SPARE} ORDER BY kept.rowid"):
            if lacking <= 0:
                break
            if not self._handles.leans_on(node_id, file_id):
                going.append(FileId(file_id))
                lacking -= size_bytes
        self._mark(tx, going)
        if going:
            log.info("%d copies of uploads are given up, the oldest: --keep-uploads allows %d bytes", len(going),
                     self._most_bytes)
        return going

    def _is_spare(self, tx: Tx, file_id: FileId) -> bool:
        row: Any = tx.one("SELECT node.node_id FROM kept LEFT JOIN node USING (file_id) WHERE kept.file_id = ? "
                          f"AND {_SPARE}", file_id)
        return row is not None and not self._handles.leans_on(row[0], file_id)

    @staticmethod
    def _mark(tx: Tx, going: Iterable[FileId]) -> None:
        for file_id in going:
            tx.run("UPDATE kept SET here = ? WHERE file_id = ?", GOING, file_id)

    def _lacking(self) -> int:
        """How many bytes the disk has less than it should have."""
        try:
            return 2 * self._spare_bytes - self._disk.free_bytes(self._root)
        except OSError:
            return 0                # the state itself has gone: that is said elsewhere


def why_closed(node: Node) -> str:
    """Why nobody here can read it, to be put behind its name."""
    if node.ours:
        return "was uploaded from here, its copy was not kept, and the service doesn't give uploads back"
    return "was uploaded elsewhere, and the service doesn't give uploads back"
