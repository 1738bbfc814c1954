"""Downloads that ask the fleet's store before the service: a wrapper of RemoteFiles outside retry and pace.

    generated   the store's chunk, if it comes soon; else the service
    uploads     the store's chunk, with more patience: the service gives them to nobody. It is asked only for why

Owns    what is remembered of the files that were asked for, and of a store that was late.
Trusts  the shelf: a chunk that isn't right is none. It is said once a file.
Never   lets a store that is away fail what the service gives, or slow it but once in a while.
"""

import contextlib
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from anthrofs.clock import Clock
from anthrofs.errors import FleetAway, Forged, FsError, NoAnswer, NotStored, Refused, StoreAway
from anthrofs.fleet.counts import Counts
from anthrofs.fleet.fetcher import Fetcher
from anthrofs.fleet.seal import CHUNK_BYTES, Chunk
from anthrofs.fleet.store_body import StoreDownload
from anthrofs.model import Cursor, FileId, Page, RemoteFile, ServerClock, Workspace
from anthrofs.remote.api import Body, Download, RemoteFiles
from anthrofs.store.blocks import BLOCK_BYTES

log = logging.getLogger(__name__)

HEDGE_S: Final = 0.5            # without a byte of the store, until the service is asked as well
LATE_S: Final = 3.0             # without all of a chunk
QUIET_S: Final = 5.0            # after that generated files are asked of the service alone
REMEMBERED: Final = 4096        # files


@dataclass(frozen=True, slots=True)
class Knowledge:
    """The tree and the disk, as far as downloads have to do with them."""

    file: Callable[[FileId], RemoteFile]            # as listed. Raises NotFound
    keep: Callable[[FileId, int, list[bytes]], object]      # blocks from that number on, which came besides
    missed: Callable[[FileId], None] = lambda _: None       # told that the store hasn't got it as it should be


@dataclass(slots=True)
class _Seen:
    """A file that was asked for."""

    file: RemoteFile | None         # as it was listed then: it may have gone while it is read. None: it wasn't
    told: str = ""                  # what the log has said of it


class StoreReads:
    """The store, for all downloads of one mount."""

    def __init__(self, fetcher: Fetcher, knows: Knowledge, counts: Counts, clock: Clock) -> None:
        self._fetcher = fetcher         # given
        self._knows = knows             # given
        self._counts = counts           # given
        self._clock = clock             # given

        self._lock = threading.Lock()   # guards the following, and what is in it; a leaf
        self._seen: dict[FileId, _Seen] = {}
        self._quiet_until_s = 0.0       # until then the store isn't asked for what the service gives, too

    def download(self, service: RemoteFiles, file_id: FileId, first: int, last: int | None) -> Download:
        """See RemoteFiles. Raises StoreAway for an upload: it can't be had now."""
        file = self._file(file_id)
        try:
            found = self._found(file_id, file, first, last)
        except FleetAway:
            if _is_upload(file):
                raise
            found = None
        return found or service.download(file_id, first, last)

    def stop(self, timeout_s: float) -> bool:
        """Every wait for the store ends. False: a thread was left to the process's end."""
        return self._fetcher.stop(timeout_s)

    def _found(self, file_id: FileId, file: RemoteFile | None, first: int, last: int | None) -> Download | None:
        """The store's answer; None: it has none. Raises StoreAway, Stopping, and Refused beyond the end."""
        number, upload = first // CHUNK_BYTES, _is_upload(file)
        if not upload:
            self._refuse_while_quiet()
        patience_s, bound_s = (None, None) if upload else (HEDGE_S, LATE_S)
        try:
            chunk = self._fetcher.fetch(file_id, number, patience_s, bound_s).result()
        except (NotStored, Forged) as exc:
            self._counts.add("misses")
            self._is_missing(file_id, exc)
            return None
        except FleetAway as exc:
            self._is_away(file_id, exc, upload=upload)
            raise
        if first and first >= chunk.size_bytes:
            raise Refused(f"the file ends before byte {first}", status=416)
        self._gave(file_id)
        self._counts.add("hits")
        self._counts.add("spared", 0 if upload else 1)
        if last is not None:
            self._keep(file_id, number, chunk, first, last)
        return StoreDownload(first, last, chunk, lambda number: self._fetcher.fetch(file_id, number, None, bound_s),
                             lambda number: self._fetcher.early(file_id, number, bound_s),
                             lambda exc: self._failed(file_id, exc, upload=upload))

    def _failed(self, file_id: FileId, exc: FsError, *, upload: bool) -> FsError:
        """A later chunk didn't come. Returns what the reader is told: NoAnswer, and it asks from there, of whom it may.
        """
        if isinstance(exc, FleetAway):
            self._is_away(file_id, exc, upload=upload)
            if upload:
                return exc
        else:
            self._is_missing(file_id, exc)
        return NoAnswer(f"the store gave the file's beginning only: {exc}")

    def _is_missing(self, file_id: FileId, exc: FsError) -> None:
        """The store was thought to have it, and hasn't, or has something else in its place."""
        self._knows.missed(file_id)
        if isinstance(exc, Forged):
            self._counts.add("wrong")
            self._tell(file_id, f"isn't right in the store, and that isn't used: {exc}")

    def _is_away(self, file_id: FileId, exc: FleetAway, *, upload: bool) -> None:
        if upload:
            self._tell(file_id, f"can't be read now, for only the store gives it out: {exc}")
            return
        with self._lock:
            self._quiet_until_s = self._clock.now_s() + QUIET_S

    def _refuse_while_quiet(self) -> None:
        with self._lock:
            if self._clock.now_s() < self._quiet_until_s:
                raise StoreAway("the store was late a moment ago")

    def _gave(self, file_id: FileId) -> None:
        with self._lock:
            self._quiet_until_s = 0.0
            if (seen := self._seen.get(file_id)) is not None:
                seen.told = ""

    def _file(self, file_id: FileId) -> RemoteFile | None:
        """As it is listed, or was when it was asked for; None: nobody knows it."""
        file = None
        with contextlib.suppress(FsError):
            file = self._knows.file(file_id)
        with self._lock:
            seen = self._seen.setdefault(file_id, _Seen(file))
            seen.file = file or seen.file
            if len(self._seen) > REMEMBERED:
                del self._seen[next(iter(self._seen))]
            return seen.file

    def _tell(self, file_id: FileId, words: str) -> None:
        """Once, until the store has given of the file again."""
        with self._lock:
            seen = self._seen.setdefault(file_id, _Seen(None))
            known, seen.told = seen.told, words
        if not known:
            log.warning("%s (%s) %s", "a file" if seen.file is None else seen.file.name, file_id, words)

    def _keep(self, file_id: FileId, number: int, chunk: Chunk, first: int, last: int) -> None:
        """All of the chunk besides what was asked for: who jumps about in a file would fetch it again and again."""
        base = number * CHUNK_BYTES
        for start, end in ((base, first - first % BLOCK_BYTES),
                           (last + 1 + -(last + 1) % BLOCK_BYTES, base + len(chunk.data))):
            content = memoryview(chunk.data)[start - base:max(start, end) - base]
            blocks = [bytes(content[place:place + BLOCK_BYTES]) for place in range(0, len(content), BLOCK_BYTES)]
            if blocks:
                self._knows.keep(file_id, start // BLOCK_BYTES, blocks)


class StoreFiles:
    """A RemoteFiles whose downloads come from the store, if they can."""

    def __init__(self, inner: RemoteFiles, reads: StoreReads) -> None:
        self._inner = inner         # given
        self._reads = reads         # given

    def list(self, limit: int, cursor: Cursor | None = None) -> Page:
        """See RemoteFiles."""
        return self._inner.list(limit, cursor)

    def stat(self, file_id: FileId) -> RemoteFile:
        """See RemoteFiles."""
        return self._inner.stat(file_id)

    def download(self, file_id: FileId, first: int = 0, last: int | None = None) -> Download:
        """See RemoteFiles."""
        return self._reads.download(self._inner, file_id, first, last)

    def upload(self, name: str, mime_type: str, body: Body, expires_s: int | None = None) -> RemoteFile:
        """See RemoteFiles."""
        return self._inner.upload(name, mime_type, body, expires_s)

    def delete(self, file_id: FileId) -> None:
        """See RemoteFiles."""
        self._inner.delete(file_id)

    def clock(self) -> ServerClock | None:
        """See RemoteFiles."""
        return self._inner.clock()

    def workspace(self) -> Workspace:
        """See RemoteFiles."""
        return self._inner.workspace()


def _is_upload(file: RemoteFile | None) -> bool:
    """The service gives it to nobody."""
    return file is not None and not file.downloadable
