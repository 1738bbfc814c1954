"""Chunks on their way from the store, each by a thread of its own: a client of a store can't be told to give a call up,
but whoever waits for one can be told to go.

Owns    the threads, and what is under way.
Never   lets anybody wait longer than the shelf's own bounds, or beyond the mount's end.
"""

import contextlib
import logging
import threading
from typing import Final

from anthrofs.clock import Clock
from anthrofs.errors import FsError, NoAnswer, Stopping, StoreAway
from anthrofs.fleet.counts import Counts
from anthrofs.fleet.seal import Chunk
from anthrofs.fleet.shelf import Shelf
from anthrofs.model import FileId

log = logging.getLogger(__name__)

EARLY: Final = 8            # at once: beyond, no chunk is fetched before somebody waits for it
BOUND_S: Final = 30.0       # over what a shelf takes at most: it answers by itself


class Fetch:
    """One chunk on its way; one waits for it."""

    def __init__(self, clock: Clock, bound_s: float) -> None:
        self._clock = clock                     # given
        self._bound_s = bound_s                 # constant: of whoever waits
        self._settled = threading.Event()

        self._lock = threading.Lock()           # guards the following; a leaf
        self._came: Chunk | FsError | None = None

    def settle(self, came: Chunk | FsError) -> None:
        """From any thread. Of two, the first counts."""
        with self._lock:
            if self._came is None:
                self._came = came
        self._settled.set()

    def result(self) -> Chunk:
        """The chunk, once it is there. Raises what Shelf.chunk does, StoreAway after the bound, and what else it was
        settled with.
        """
        if not self._clock.sleep(self._settled, self._bound_s):
            self.settle(StoreAway("the store hasn't answered in time"))
        with self._lock:
            came = self._came
        assert came is not None
        if isinstance(came, FsError):
            raise came
        return came

    def leave(self) -> None:
        """Nobody waits for it any more: who does gets NoAnswer."""
        self.settle(NoAnswer("the download was ended"))


class Fetcher:
    """One shelf's, for all downloads of a mount."""

    def __init__(self, shelf: Shelf, counts: Counts, clock: Clock) -> None:
        self._shelf = shelf                     # given
        self._counts = counts                   # given
        self._clock = clock                     # given

        self._lock = threading.Lock()           # guards the following; a leaf
        self._under_way: dict[threading.Thread, Fetch] = {}
        self._stopping = False

    def fetch(self, file_id: FileId, number: int, patience_s: float | None, bound_s: float | None) -> Fetch:
        """A chunk that somebody is going to wait for: so long for its first byte (see Shelf.chunk), and for all of it;
        None: as long as the shelf itself does. Raises Stopping, StoreAway.
        """
        fetch = Fetch(self._clock, BOUND_S if bound_s is None else bound_s)
        thread = threading.Thread(target=self._run, args=(fetch, file_id, number, patience_s), name="fetch",
                                  daemon=True)
        with self._lock:
            if self._stopping:
                raise Stopping("the mount is ending")
            self._under_way[thread] = fetch
        try:
            thread.start()
        except RuntimeError as exc:         # the system gives no more threads
            with self._lock:
                del self._under_way[thread]
            raise StoreAway(f"no thread for a chunk: {exc}") from exc
        return fetch

    def early(self, file_id: FileId, number: int, bound_s: float | None) -> Fetch | None:
        """A chunk that will probably be wanted soon; None: not now. Raises Stopping."""
        with self._lock:
            if len(self._under_way) >= EARLY:
                return None
        with contextlib.suppress(StoreAway):        # no thread: nobody waits for it yet
            return self.fetch(file_id, number, None, bound_s)
        return None

    def stop(self, timeout_s: float) -> bool:
        """Every wait ends with Stopping. False: a thread was left to the process's end."""
        with self._lock:
            self._stopping = True
            under_way = dict(self._under_way)
        for fetch in under_way.values():
            fetch.settle(Stopping("the mount is ending"))
        return self._clock.join(under_way, timeout_s)

    def _run(self, fetch: Fetch, file_id: FileId, number: int, patience_s: float | None) -> None:
        try:
            chunk = self._shelf.chunk(file_id, number, patience_s)
            self._counts.add("bytes", len(chunk.data))
            fetch.settle(chunk)
        except FsError as exc:
            fetch.settle(exc)
        except Exception as exc:
            log.exception("bug in a fetch")
            fetch.settle(StoreAway(str(exc)))
        finally:
            with self._lock:
                del self._under_way[threading.current_thread()]
