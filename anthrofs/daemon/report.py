"""What a person is told of a running mount: its status, what is still to reach the server, and what each file is.

Never   changes anything.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from anthrofs.download.reader import Reader
from anthrofs.errors import NotFound, Offline
from anthrofs.fs.attributes import Attributes
from anthrofs.fs.paths import Tree
from anthrofs.model import Node
from anthrofs.remote.way import Way
from anthrofs.store.block_cache import BlockCache
from anthrofs.store.state_guard import Presence
from anthrofs.sync.listing import unreadable
from anthrofs.sync.refresher import Refresher
from anthrofs.tree.database import Database
from anthrofs.tree.kept_copies import Keeping
from anthrofs.tree.open_table import Handles
from anthrofs.tree.upload_queue import FAILED
from anthrofs.upload.uploader import Uploader

ENTRIES: Final = 500        # of a folder, told at once


class Report:
    """Of one mount."""

    def __init__(self, db: Database, tree: Tree, cache: BlockCache, keeping: Keeping, handles: Handles,
                 attributes: Attributes, reader: Reader, uploader: Uploader, refresher: Refresher, presence: Presence, way: Way,
                 budget: Callable[[], tuple[int, float]]) -> None:
        self._db = db                       # given
        self._tree = tree                   # given
        self._cache = cache                 # given
        self._keeping = keeping             # given
        self._handles = handles             # given
        self._attributes = attributes       # given
        self._reader = reader               # given
        self._uploader = uploader           # given
        self._refresher = refresher         # given
        self._presence = presence           # given
        self._way = way                     # given
        self._budget = budget               # given: see Pacer.waiting

    def left(self, stuck: Iterable[dict[str, Any]] = ()) -> dict[str, Any]:
        """What the server doesn't have yet, by what can be done about it: waiting, failed (and stuck on this machine), deletions,
        open; how many deletions are owed, and since when; and how long the minute's budget of requests keeps those that wait for it.

        Deletions that wait for a failed upload's sake (new before old is gone) are not listed: that one is. But they are owed.
        """
        waiting, failed = [], list(stuck)
        written = self._handles.unpromised()        # before the rows: what is promised in this moment must show there
        with self._db.reading() as tx:      # all of it at one moment: an upload's end is what makes the old id deletable
            nodes = {node.node_id: node for node in tx.nodes.unsent()}
            deletable = set(tx.deletions.deletable())
            # What the server is told at the last close: removed names, and content that is still being written.
            opened = [{"name": node.remote.name, "state": "removed"} for node in tx.nodes.hidden() if node.remote is not None]
            attempts = {attempt.node_id: attempt for attempt in tx.uploads.every()}
            damaged = [{"path": tx.nodes.path(node), "bytes": node.size_bytes, "reason": self._attributes.damage(node)}
                       for node in tx.nodes.damaged()]
            deletions = [{"file_id": file_id, "name": name, "reason": reason} for file_id, name, reason in tx.deletions.every()
                         if file_id in deletable]
            debts, since_ns = tx.deletions.count(), tx.deletions.since_ns()
        # So is what an fsync has promised, until its close hands it over.
        synced = [node_id for node_id, node in nodes.items() if node.stage is not None and not (node.sealed or node.local or node.is_hidden)]
        for node_id in dict.fromkeys([*written, *synced]):
            with contextlib.suppress(NotFound):
                opened.append({"name": self._db.nodes.path(self._db.nodes.node(node_id)), "state": "being written"})
        sent = self._uploader.progress()
        for node_id in {**attempts, **nodes}:           # oldest attempts first; then what has none yet
            node, attempt = nodes.get(node_id), attempts.get(node_id)
            if (node is not None and node.is_hidden) or (attempt is None and (node is None or node.stage is not None)):
                continue            # unlinked, and still open; local, or its close has not come
            entry = {"path": self._db.nodes.path(node) if node else f"{attempt.name if attempt else ''} (removed)",
                     "bytes": node.size_bytes if node else attempt.size_bytes if attempt else 0}
            if attempt is not None and attempt.state == FAILED:
                failed.append({**entry, "reason": attempt.reason})
            else:
                waiting.append({**entry, "sent": sent[node_id].acknowledged if node_id in sent else 0,
                                "state": self._attributes.state(node, attempt) if node else "waiting"})
        failed += damaged
        asking, next_s = self._budget()
        return {"waiting": waiting, "failed": failed, "deletions": deletions, "open": opened,
                "owed": {"deletions": debts, "since": None if since_ns is None else since_ns / 1e9},
                "budget": {"waiting": asking, "next_s": next_s}}

    def status(self) -> dict[str, Any]:
        """What `anthrofs status --json` prints of this mount."""
        files, used_bytes, local = self._db.nodes.totals()
        cached_bytes, copies, copy_bytes = self._cache.totals()
        error = self._refresher.error()
        running = self._reader.running()
        with self._db.reading() as tx:
            skipped = unreadable(tx)
            shown = tx.nodes.paths_of([file_id for file_id, _, _ in running])
        return {
            "files": files, "unreadable_entries": skipped, "bytes_on_server": used_bytes, "local_names": local, **self.left(),
            "cached_bytes": cached_bytes, "kept_copies": copies, "kept_bytes": copy_bytes, "uploads_without_copy": self._keeping.without(),
            "disk_low": self._keeping.low(),
            "downloads": [{"name": shown.get(file_id), "file_id": file_id, "bytes": done, "of": length} for file_id, done, length in running],
            "state_error": self._presence.lost() or None,
            "online": self._way.closed() is None and not isinstance(error, Offline),
            "closed": [{"for": notice.gate, "reason": notice.reason, "since": notice.since_ns / 1e9, "next_try_s": notice.next_s}
                       for notice in self._way.notices()],
            "refreshed_s_ago": self._refresher.age_s(), "refresh_error": None if error is None else str(error),
        }

    def entries(self, path: str) -> Iterator[list[dict[str, Any]]]:
        """State, id, size and name of what is in a folder, by name and some at a time; of a file, its own. Raises NotFound, NotADirectory."""
        node = self._tree.node(path)
        if not node.directory:
            yield [self._entry(node)]
            return
        found = self._db.nodes.following(node.node_id, "", ENTRIES)
        while found:
            yield [self._entry(each) for each in found]
            found = self._db.nodes.following(node.node_id, found[-1].name, ENTRIES)

    def _entry(self, node: Node) -> dict[str, Any]:
        if node.directory:
            return {"name": node.name, "state": "folder", "id": None, "size": None}
        content = self._handles.content_of(node.node_id)
        size_bytes, _ = (None if content is None else content.shown) or (node.size_bytes, 0)
        with self._db.reading() as tx:
            attempt = tx.uploads.of(node.node_id) if node.unsent else None
        return {"name": node.name, "state": self._attributes.state(node, attempt), "size": size_bytes,
                "id": None if node.remote is None else node.remote.file_id}
