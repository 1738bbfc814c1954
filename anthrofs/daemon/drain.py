"""Waiting until everything is on the server, and in the store of the mount's fleet: for `anthrofs sync`, and before a
mount ends.

Never   waits for what can't come: a way that is closed, a state that is gone, a deletion that was refused, a name whose
        upload was.
"""

import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

from anthrofs.clock import Clock
from anthrofs.daemon.last_closes import LastCloses
from anthrofs.daemon.left import Left
from anthrofs.daemon.notify import Notify
from anthrofs.daemon.sharing import Sharing
from anthrofs.remote.gates import Kind
from anthrofs.remote.way import Way
from anthrofs.store.state_guard import StateGuard
from anthrofs.upload.uploader import Uploader

CLOSED_S: Final = 5.0       # while the way to the service is closed, waiting longer is no use
FIRST_LOOK_S: Final = 0.01  # between two looks at the beginning
RELEASE_S: Final = 1.0      # the kernel tells of a close a moment later; a deletion waits for the last one
ENDING_S: Final = 5.0       # far longer than a thread takes to end what is removed and closed, with a disk to write to


class Drain:
    """Hurries what is queued, and looks until nothing is left."""

    def __init__(self, clock: Clock, stopping: threading.Event, last_closes: LastCloses, uploader: Uploader, way: Way,
                 left: Left, shared: Sharing, guard: StateGuard, notify: Notify, *, read_only: bool) -> None:
        self._clock = clock             # given
        self._stopping = stopping       # given: set once, when the mount has ended
        self._last_closes = last_closes # given
        self._uploader = uploader       # given
        self._way = way                 # given
        self._left = left               # given
        self._shared = shared             # given
        self._guard = guard             # given
        self._notify = notify           # given
        self._read_only = read_only     # constant

    def run(self, bound: Callable[[], float]) -> Iterator[dict[str, Any]]:
        """Yields what is left, again and again, until nothing is or the bound (seconds; it may shrink) has passed; at
        least once.
        """
        began_s = self._clock.now_s()
        self._shared.hurry()
        while True:
            self._uploader.hurry()
            finishing = bool(self._uploader.progress())         # before the rows: what it still does to them must show
                                                                # there
            left = self._left.now(self._last_closes.finish())
            yield left
            waited_s = self._clock.now_s() - began_s
            # A deletion that was refused is tried again and again, but not waited for.
            refused = self._uploader.refused_deletions()
            deletions = any(entry["file_id"] not in refused for entry in left["deletions"])
            hoped = finishing or left["waiting"] or deletions or left["unshared"]
            hoped = hoped or (left["open"] and waited_s < RELEASE_S) or (left["ending"] and waited_s < ENDING_S)
            closed = not ((left["waiting"] and not self._way.closed(Kind.UPLOAD))
                          or (deletions and not self._way.closed(Kind.DELETE))
                          or (left["unshared"] and not self._shared.reason()))
            bound_s = min(bound(), CLOSED_S) if closed else bound()
            if self._read_only or waited_s >= bound_s or not hoped or self._guard.lost():
                return
            if waited_s > 1:
                self._notify.status(f"draining: {len(left['waiting'])} files and {len(left['deletions'])} deletions "
                                    "left")
            # A look at a long queue costs something, and a short one is sent in a moment.
            self._clock.sleep(self._stopping, min(FIRST_LOOK_S + waited_s / 4, 0.1) if waited_s < 2 else 0.5)
