"""Sums, folder by folder, of what is on this machine's disk: blocks that were downloaded, and copies of own uploads.

Never   changes anything, and holds the database for no longer than some files take.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from anthrofs.errors import NotFound
from anthrofs.model import ROOT, NodeId
from anthrofs.store.block_cache import BlockCache
from anthrofs.tree.database import Database

PIECE: Final = 1000         # files that are looked at at once
TELL: Final = 20            # pieces between two words: who asks is told that it goes on
FOLDERS: Final = 200        # that are told, those with the most here


@dataclass(slots=True)
class _Sum:
    files: int = 0
    size_bytes: int = 0
    cached: int = 0
    kept: int = 0

    @property
    def order(self) -> tuple[int, int]:
        return self.cached + self.kept, self.size_bytes


class FolderSums:
    """Adds up one mount's files by their folders."""

    def __init__(self, db: Database, cache: BlockCache) -> None:
        self._db = db               # given
        self._cache = cache         # given

    def now(self) -> Iterator[dict[str, Any]]:
        """Yields how many files are counted, now and then; at last the folders, those with the most on this disk first,
        and how many more there are. A folder's sum is of the files in it, not of the folders in it.
        """
        sums, number, pieces = dict[NodeId, _Sum](), 0, 0
        while True:
            with self._db.reading() as tx:
                found = tx.nodes.holdings_after(number, PIECE)
            for _, parent, file_id, size_bytes, kept in found:
                folder = sums.setdefault(parent, _Sum())
                folder.files += 1
                folder.size_bytes += size_bytes
                folder.kept += kept
                folder.cached += 0 if file_id is None else self._cache.blocks_bytes(file_id)
            if len(found) < PIECE:
                break
            number, pieces = found[-1][0], pieces + 1
            if pieces % TELL == 0:
                yield {"counted": pieces * PIECE}
        most = sorted(sums.items(), key=lambda each: each[1].order, reverse=True)
        yield {"folders": [told for parent, folder in most[:FOLDERS] if (told := self._told(parent, folder))],
               "more": max(0, len(most) - FOLDERS)}

    def _told(self, parent: NodeId, folder: _Sum) -> dict[str, Any] | None:
        """Returns nothing of one that has gone meanwhile."""
        try:
            with self._db.reading() as tx:
                path = tx.nodes.path(tx.nodes.node(parent)) if parent != ROOT else ""
        except NotFound:
            return None
        return {"path": path, "files": folder.files, "bytes": folder.size_bytes, "cached": folder.cached,
                "kept": folder.kept}
