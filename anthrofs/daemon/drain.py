"""Waiting until everything is on the server: for `anthrofs sync`, and before a mount ends.

Never   waits for what can't come: a way that is closed, a state that is gone, a deletion that was refused, a name whose upload was.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

from anthrofs.clock import Clock
from anthrofs.daemon.notify import Notify
from anthrofs.daemon.report import Report
from anthrofs.errors import FsError
from anthrofs.fs.contents import Contents
from anthrofs.remote.gates import Kind
from anthrofs.remote.way import Way
from anthrofs.store.staging import Staging
from anthrofs.store.state_guard import Presence
from anthrofs.tree.database import Database
from anthrofs.tree.open_table import Handles
from anthrofs.upload.uploader import Uploader

CLOSED_S: Final = 5.0       # while the way to the service is closed, waiting longer is no use
RELEASE_S: Final = 1.0      # the kernel tells of a close a moment later; a deletion waits for the last one


class Drain:
    """Of one mount."""

    def __init__(self, clock: Clock, stopping: threading.Event, db: Database, staging: Staging, handles: Handles, contents: Contents,
                 uploader: Uploader, way: Way, report: Report, presence: Presence, notify: Notify, *, read_only: bool) -> None:
        self._clock = clock             # given
        self._stopping = stopping       # given: set once, when the mount has ended
        self._db = db                   # given
        self._staging = staging         # given
        self._handles = handles         # given
        self._contents = contents       # given
        self._uploader = uploader       # given
        self._way = way                 # given
        self._report = report           # given
        self._presence = presence       # given
        self._notify = notify           # given
        self._read_only = read_only     # constant

    def run(self, bound: Callable[[], float]) -> Iterator[dict[str, Any]]:
        """What is left, again and again, until nothing is or the bound (seconds; it may shrink) has passed; at least once."""
        began_s = self._clock.now_s()
        while True:
            self._uploader.hurry()
            finishing = bool(self._uploader.progress())         # before the rows: what it still does to them must show there
            left = self._report.left(self._finish_closed())
            yield left
            waited_s = self._clock.now_s() - began_s
            # A deletion that was refused is tried again and again, but not waited for.
            refused = self._uploader.refused_deletions()
            deletions = any(entry["file_id"] not in refused for entry in left["deletions"])
            hoped = finishing or left["waiting"] or deletions or (left["open"] and waited_s < RELEASE_S)
            closed = not ((left["waiting"] and not self._way.closed(Kind.UPLOAD)) or (deletions and not self._way.closed(Kind.DELETE)))
            bound_s = min(bound(), CLOSED_S) if closed else bound()
            if self._read_only or waited_s >= bound_s or not hoped or self._presence.lost():
                return
            if waited_s > 1:
                self._notify.status(f"draining: {len(left['waiting'])} files and {len(left['deletions'])} deletions left")
            self._clock.sleep(self._stopping, 0.1 if waited_s < 2 else 0.5)     # a long queue costs a look, too

    def _finish_closed(self) -> Iterator[dict[str, Any]]:
        """What a full disk has kept from being promised at its last close: there may be room now, else it is named."""
        for content in self._handles.closed():
            try:
                if self._contents.finish(content):
                    self._uploader.wake()
            except (FsError, OSError) as exc:
                with contextlib.suppress(FsError), content.lock:
                    if content.stage is not None:
                        yield {"path": self._db.nodes.node(content.node_id).name, "bytes": content.stage.size_bytes(),
                               "reason": f"{exc}. What was written is in {self._staging.path(content.stage.number)}"}
