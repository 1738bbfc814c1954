"""The body of a download that comes from the store, chunk by chunk.

Trusts  the shelf: a chunk that it gives is that of this file, at its place.
Never   asks the service: what is missing midway, wrong or late is said as NoAnswer, and the running download goes on
        from its byte by its own rule.
"""

import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Final, Self

from anthrofs.errors import FleetAway, Forged, FsError, NoAnswer, NotStored
from anthrofs.fleet.fetcher import Fetch
from anthrofs.fleet.seal import CHUNK_BYTES, Chunk
from anthrofs.remote.api import Piece

PIECE_BYTES: Final = 2**18          # handed on at once


class StoreDownload:
    """A body that comes from the store; see Download."""

    def __init__(self, first: int, last: int | None, chunk: Chunk, fetch: Callable[[int], Fetch],
                 early: Callable[[int], Fetch | None], failed: Callable[[FsError], FsError]) -> None:
        """`chunk`: the one that holds the first byte. `failed`: told why a later one didn't come, and says what the
        reader is told.
        """
        self._fetch = fetch             # given
        self._early = early             # given
        self._failed = failed           # given
        self.offset = first             # constant
        self.ranged = first > 0 or last is not None     # constant
        self.total: int | None = chunk.size_bytes       # constant
        self.mime_type = ""             # constant: the store doesn't say
        self.encoding = ""              # constant
        self.signed = True              # constant: by the fleet's key
        self._end = chunk.size_bytes if last is None else min(last + 1, chunk.size_bytes)      # constant
        self._chunk = chunk             # of the thread that iterates

        self._lock = threading.Lock()   # guards the following; a leaf
        self._awaited: Fetch | None = None      # the chunk that is fetched, or was fetched early
        self._over = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.abort()

    def abort(self) -> None:
        """See Download."""
        with self._lock:
            self._over, awaited = True, self._awaited
        if awaited is not None:
            awaited.leave()

    def take_as_it_is(self) -> None:
        """See Download. Nothing was said of an encoding."""

    def park(self) -> None:
        """See Download. No connection waits: chunks come when they are asked for."""

    def resume(self) -> None:
        """See Download."""

    def __iter__(self) -> Iterator[Piece]:
        """See Download."""
        place, flows = self.offset, False       # flows: who has asked for a second chunk goes on
        while place < self._end:
            number, start = divmod(place, CHUNK_BYTES)
            if place != self.offset and not start:
                self._chunk, flows = self._next(number), True
            content = memoryview(self._chunk.data)
            end = min(len(content), start + self._end - place)
            while start < end:
                if place + end - start < self._end and (flows or start >= CHUNK_BYTES // 2):
                    self._look_ahead(number + 1)
                piece = content[start:min(end, start + PIECE_BYTES)]
                start, place = start + len(piece), place + len(piece)
                self._refuse_if_over()
                yield piece

    def _look_ahead(self, number: int) -> None:
        """Begins to fetch a chunk before it is wanted."""
        if self._awaited is None and (fetch := self._early(number)) is not None:
            self._await(fetch)

    def _next(self, number: int) -> Chunk:
        fetch = self._awaited
        try:
            if fetch is None:
                fetch = self._fetch(number)
                self._await(fetch)
            chunk = fetch.result()
            if chunk.size_bytes != self.total:
                raise Forged("its file is said to have another length than before")
        except (FleetAway, Forged, NotStored) as exc:
            raise self._failed(exc) from exc
        finally:
            with self._lock:
                self._awaited = None
        return chunk

    def _await(self, fetch: Fetch) -> None:
        with self._lock:
            self._awaited, over = fetch, self._over
        if over:
            fetch.leave()

    def _refuse_if_over(self) -> None:
        with self._lock:
            if self._over:
                raise NoAnswer("the download was ended")
