"""Last closes that a full disk has kept from being promised: finished when there is room again, or named.

Never   loses what was written: it stays in staging, as a plain file.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

from anthrofs.errors import FsError
from anthrofs.fs.contents import Contents
from anthrofs.store.staging import Staging
from anthrofs.tree.database import Database
from anthrofs.tree.open_table import OpenTable
from anthrofs.upload.uploader import Uploader


class LastCloses:
    """Tries them again, before a mount ends."""

    def __init__(self, db: Database, staging: Staging, handles: OpenTable, contents: Contents,
                 uploader: Uploader) -> None:
        self._db = db                   # given
        self._staging = staging         # given
        self._handles = handles         # given
        self._contents = contents       # given
        self._uploader = uploader       # given

    def finish(self) -> Iterator[dict[str, Any]]:
        """Promises what can be promised now, and yields what still can't, with the reason and the place of its bytes.
        """
        for content in self._handles.closed():
            try:
                if self._contents.finish(content):
                    self._uploader.wake()
            except (FsError, OSError) as exc:
                staged = content.staged()
                with contextlib.suppress(FsError):
                    if staged is not None:
                        number, size_bytes = staged
                        yield {"path": self._db.nodes.node(content.node_id).name, "bytes": size_bytes,
                               "reason": f"{exc}. What was written is in {self._staging.path(number)}"}
