"""Downloads that ask the fleet's store before the service: a wrapper of RemoteFiles outside retry and pace.

    generated   the store's chunk, if it comes soon; else a lease, and the store once more: another may have put it
                there meanwhile; else the service
    uploads     the store's chunk, with more patience: the service gives them to nobody. It is asked only for why

Owns    for how long a store that was late isn't asked.
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
from anthrofs.errors import FleetAway, Forged, FsError, NoAnswer, NotDownloadable, NotStored, Refused, StoreAway
from anthrofs.fleet.counts import Counts
from anthrofs.fleet.download_leases import DownloadLeases
from anthrofs.fleet.fetcher import Fetcher
from anthrofs.fleet.seal import CHUNK_BYTES, Chunk, is_one_delivery
from anthrofs.fleet.sightings import Sightings
from anthrofs.fleet.store_body import StoreDownload
from anthrofs.model import Cursor, FileId, Page, RemoteFile, ServerClock, Workspace
from anthrofs.remote.api import Body, Download, RemoteFiles
from anthrofs.store.blocks import BLOCK_BYTES

log = logging.getLogger(__name__)

HEDGE_S: Final = 0.5            # without a byte of the store, until the service is asked as well
LATE_S: Final = 3.0             # without all of a chunk
QUIET_S: Final = 5.0            # after that generated files are asked of the service alone
WAITS_BYTES: Final = 64 * 2**20     # of a larger file nobody waits until another has all of it


@dataclass(frozen=True, slots=True)
class Knowledge:
    """The tree and the disk, as far as downloads have to do with them."""

    file: Callable[[FileId], RemoteFile]            # as listed. Raises NotFound
    keep: Callable[[FileId, int, list[bytes]], object]      # blocks from that number on, which came besides
    puts: Callable[[RemoteFile], bool]  # whether it goes into the store once it was downloaded
    missed: Callable[[FileId], None]    # told that the store lacks it, or has something else in its place


class StoreReads:
    """The store, for all downloads of one mount."""

    def __init__(self, fetcher: Fetcher, leases: DownloadLeases, sightings: Sightings, knows: Knowledge,
                 counts: Counts, clock: Clock) -> None:
        self._fetcher = fetcher         # given
        self._leases = leases           # given
        self._sightings = sightings     # given
        self._knows = knows             # given
        self._counts = counts           # given
        self._clock = clock             # given

        self._lock = threading.Lock()   # guards the following; a leaf
        self._quiet_until_s = 0.0       # until then the store isn't asked for what the service gives, too

    def download(self, service: RemoteFiles, file_id: FileId, first: int, last: int | None) -> Download:
        """See RemoteFiles. Raises StoreAway for an upload: it can't be had now."""
        file = self._file(file_id)
        try:
            found = self._found(file_id, file, first, last)
            # Who asks for a part doesn't bring the whole, for which others could wait.
            if found is None and last is None and file is not None and file.downloadable and self._puts(file):
                return self._leased(service, file, first)
        except FleetAway:
            if _is_upload(file):
                raise
            found = None
        return found or service.download(file_id, first, last)

    def _puts(self, file: RemoteFile) -> bool:
        return file.size_bytes <= WAITS_BYTES and self._knows.puts(file)

    def _leased(self, service: RemoteFiles, file: RemoteFile, first: int) -> Download:
        """From that byte on: from the store, if another has brought it there meanwhile. Raises StoreAway."""
        if not self._leases.take(file.file_id):
            return service.download(file.file_id, first)
        found = None
        with contextlib.suppress(FleetAway):
            found = self._found(file.file_id, file, first, None)
        if found is not None:
            self._leases.end(file.file_id)
            return found
        try:
            return self._leases.taken(file.file_id, service.download(file.file_id, first))
        except BaseException:
            self._leases.end(file.file_id)
            raise

    def stop(self, timeout_s: float) -> bool:
        """Every wait for the store ends. False: a thread was left to the process's end."""
        self._leases.stop()
        return self._fetcher.stop(timeout_s)

    def _found(self, file_id: FileId, file: RemoteFile | None, first: int, last: int | None) -> Download | None:
        """The store's answer; None: it has none. Raises StoreAway, Stopping, NotDownloadable for an upload that isn't
        right there, and Refused beyond the end.
        """
        number, upload = first // CHUNK_BYTES, _is_upload(file)
        if not upload:
            self._refuse_while_quiet()
            if first and self._may_be_another(file_id, file):
                return None
        patience_s, bound_s = (None, None) if upload else (HEDGE_S, LATE_S)
        try:
            chunk = self._fetcher.fetch(file_id, number, patience_s, bound_s).result()
            _judge(file, chunk)
        except (NotStored, Forged) as exc:
            self._counts.add("misses")
            if upload or isinstance(exc, Forged) or (file is not None and file.shared):
                self._is_missing(file_id, exc)
            if upload and isinstance(exc, Forged):      # the service has it, and needn't be asked
                raise NotDownloadable("it isn't right in the store, and the service gives uploads to nobody") from exc
            return None
        except FleetAway as exc:
            self._is_away(file_id, exc, upload=upload)
            raise
        if first and first >= chunk.size_bytes:
            raise Refused(f"the file ends before byte {first}", status=416)
        self._sightings.gave(file_id)
        with self._lock:
            self._quiet_until_s = 0.0
        self._counts.add("hits")
        self._counts.add("spared", 0 if upload else 1)
        self._keep(file_id, number, chunk, first, chunk.size_bytes - 1 if last is None else last)
        return StoreDownload(first, last, chunk, lambda number: self._fetcher.fetch(file_id, number, None, bound_s),
                             lambda number: self._fetcher.early(file_id, number, bound_s),
                             lambda exc: self._failed(file_id, exc, upload=upload))

    def _may_be_another(self, file_id: FileId, file: RemoteFile | None) -> bool:
        """Whether what the store has of it may be of another delivery than what has come so far."""
        grows = file is not None and file.may_grow
        return self._sightings.is_wrong(file_id) or (grows and not self._sightings.is_given(file_id))

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
        self._sightings.missed(file_id, wrong=isinstance(exc, Forged))
        if isinstance(exc, Forged):
            self._counts.add("wrong")
            self._tell(file_id, f"isn't right in the store, and that isn't used: {exc}")
        self._knows.missed(file_id)

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

    def _file(self, file_id: FileId) -> RemoteFile | None:
        """As it is listed, or was when it was asked for; None: nobody knows it."""
        file = None
        with contextlib.suppress(FsError):
            file = self._knows.file(file_id)
        return self._sightings.asked(file_id, file)

    def _tell(self, file_id: FileId, words: str) -> None:
        """Once, until the store has given of the file again."""
        news, name = self._sightings.tells(file_id)
        if news:
            log.warning("%s (%s) %s", name, file_id, words)

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


def _judge(file: RemoteFile | None, chunk: Chunk) -> None:
    """Raises Forged for a chunk of a file that can't have that length, NotStored for one that can't be relied on."""
    if file is None:
        return
    exact = not file.may_grow or _is_upload(file)
    if chunk.size_bytes < file.size_bytes or (exact and chunk.size_bytes > file.size_bytes):
        raise Forged(f"its file is said to have {chunk.size_bytes} bytes instead of {file.size_bytes}")
    if not is_one_delivery(file, chunk.size_bytes):
        raise NotStored("its chunks may be of several deliveries")


def _is_upload(file: RemoteFile | None) -> bool:
    """The service gives it to nobody."""
    return file is not None and not file.downloadable
