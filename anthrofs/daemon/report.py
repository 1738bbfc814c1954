"""Status: what a person is told of a running mount.

Never   changes anything.
"""

import os
from collections.abc import Callable
from typing import Any

from anthrofs.config import Config
from anthrofs.daemon.left import Left
from anthrofs.download.reader import Reader
from anthrofs.errors import Offline
from anthrofs.remote.way import Way
from anthrofs.store.block_cache import BlockCache
from anthrofs.store.state_guard import StateGuard
from anthrofs.sync.merge import unreadable
from anthrofs.sync.refresher import Refresher
from anthrofs.tree.database import Database
from anthrofs.tree.kept_copies import KeptCopies


class Report:
    """Collects it from the parts."""

    def __init__(self, config: Config, db: Database, cache: BlockCache, kept_copies: KeptCopies, reader: Reader,
                 refresher: Refresher, guard: StateGuard, way: Way, left: Left,
                 facts: Callable[[], dict[str, Any]]) -> None:
        self._config = config               # given
        self._db = db                       # given
        self._cache = cache                 # given
        self._kept_copies = kept_copies     # given
        self._reader = reader               # given
        self._refresher = refresher         # given
        self._guard = guard                 # given
        self._way = way                     # given
        self._left = left                   # given
        self._facts = facts                 # given: of the borders: requests that were sent, what carries the kernel's

    def files(self) -> int:
        """Counts the files that are shown."""
        return self._db.nodes.totals()[0]

    def reasons(self) -> dict[str, Any]:
        """Returns why what waits does: see Left.reasons."""
        return self._left.reasons()

    def status(self) -> dict[str, Any]:
        """Returns what `anthrofs status --json` prints of this mount."""
        files, used_bytes, local = self._db.nodes.totals()
        copies, copy_bytes = self._kept_copies.totals()
        error = self._refresher.error()
        running = self._reader.running()
        with self._db.reading() as tx:
            skipped = unreadable(tx)
            # The sum has each name's size: where newer content is only here, the server has another one's.
            used_bytes += sum(node.remote.size_bytes - node.size_bytes for node in tx.nodes.unsent()
                              if node.remote is not None and not node.is_hidden)
            shown = tx.nodes.paths_of([file_id for file_id, _, _ in running])
        config = self._config
        return {
            "mountpoint": str(config.mountpoint), "pid": os.getpid(), "state_dir": str(config.state_dir),
            "service": config.service.base_url, "api": config.service.shape, "upload": config.upload,
            "read_only": config.read_only, **self._facts(),
            "files": files, "unreadable_entries": skipped, "bytes_on_server": used_bytes, "local_names": local,
            **self._left.now(), "cached_bytes": self._cache.used_bytes(), "kept_copies": copies,
            "kept_bytes": copy_bytes,
            "uploads_without_copy": self._kept_copies.without(), "disk_low": self._kept_copies.low(),
            "downloads": [{"name": shown.get(file_id), "file_id": file_id, "bytes": done, "of": length}
                          for file_id, done, length in running],
            "state_error": self._guard.lost() or None,
            "online": self._way.closed() is None and not isinstance(error, Offline),
            "refreshed_s_ago": self._refresher.age_s(), "refresh_error": None if error is None else str(error),
        }
