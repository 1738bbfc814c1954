"""Downloads: one running request of a file serves all its readers and fills the cache as bytes come.

Owns    the feeds (running requests) and their threads, one each; the pacer's slots bound how many run.
Trusts  the cache to forget anything at any time: a waiting reader is handed its block directly.
Never   reads from the socket far ahead of its readers, or keeps a connection that nobody asked anything of for a while.
        Its lock is the last in the order: content, database, cache, reader.
"""

import logging
import threading
from collections.abc import Callable
from typing import Final

from anthrofs.clock import Clock
from anthrofs.download.bodies import WHOLE_BYTES, Expected
from anthrofs.download.extents import Extents
from anthrofs.download.running_download import RunningDownload, Want
from anthrofs.download.transfers import Transfers
from anthrofs.errors import Expired, FsError, Gone, Interrupted, NotDownloadable, NotTheFile, Refused, Stopping
from anthrofs.model import FileId, RemoteFile
from anthrofs.remote.api import RemoteFiles
from anthrofs.store.block_cache import BlockCache
from anthrofs.store.blocks import BLOCK_BYTES, spans

log = logging.getLogger(__name__)

SILENT_S: Final = 1.0                   # a small file's download that nobody waits for runs to its end, unless it hangs
POLL_S: Final = 0.1                     # how soon a waiting reader sees that its program got a signal
AGAIN_S: Final = 5.0                    # a file couldn't be had whole: who has it open is told so without a download
LOOK_S: Final = 0.01                    # after which a waiting reader looks whether its block came ahead of its run
EARLY_FEEDS: Final = 5                  # at once, of files that nobody has asked for yet


class Reader:
    """Blocks on demand; mount.py stops it."""

    def __init__(self, cache: BlockCache, remote: RemoteFiles, clock: Clock, stall_s: float,
                 delivered: Callable[[FileId, int], None], gone: Callable[[FileId, bool], None],
                 spare: Callable[[], bool], name_of: Callable[[FileId], str],
                 whole: Callable[[FileId, int], None] = lambda _, __: None,
                 grain: Callable[[RemoteFile], int] = lambda _: 1) -> None:
        """`whole`: told of a download that has brought a file whole, and of its length. `grain`: see Extents.next."""
        self._cache = cache                 # given
        self._clock = clock                 # given
        self._stall_s = stall_s             # constant: the longest that a reader waits for the next byte of an answer
        self._gone = gone                   # given: told that the server has no such id any more, and if it has expired
        self._spare = spare                 # given: whether a request now would be in nobody's way
        self._name_of = name_of             # given: what a file is called, for the log
        self._grain = grain                 # given

        self._lock = threading.Lock()       # guards everything below, and every feed
        self._feeds: dict[FileId, list[RunningDownload]] = {}
        self._extents: dict[FileId, Extents] = {}           # of an open file: what was asked for
        self._lengths: dict[FileId, int] = {}       # of an open file, where a download has shown another
        # Of an open file: why it can't be had, and until when that is said.
        self._refusals: dict[FileId, tuple[FsError, float]] = {}
        self._ended = 0                     # feeds so far
        self._threads: set[threading.Thread] = set()
        self._transfers = Transfers(cache, remote, clock, self._lock, self._pinned_locked, delivered,
                                    whole)
        self._stopping = False

    def read(self, file: RemoteFile, length: int, offset: int, size: int, interrupted: Callable[[], bool], *,
             exact: bool = True) -> bytes:
        """Content of [offset, offset + size), shorter only at the end. `length` is what the file has, or, if that isn't
        `exact`, what it has at least.

        Raises Gone, NotDownloadable, Unavailable, NoAnswer, NotTheFile, Offline, Interrupted, Stopping.
        """
        file_id = file.file_id
        if not exact:
            with self._lock:
                length, exact = self._lengths.get(file_id, length), file_id in self._lengths
        expected = Expected(file, length, exact)
        pieces = []
        for span in spans(offset, max(0, min(size, length - offset)) if exact else size):
            block = self._cache.get(file_id, span.number)
            if block is None or not expected.has_block(span.number, len(block)):
                block = self._fetch(expected, span.number, interrupted)
            pieces.append(block[span.start:span.start + span.length])
            if len(block) < span.start + span.length:
                if span.number * BLOCK_BYTES + len(block) < expected.least:
                    # The kernel would take it for the end, for everybody.
                    log.warning("%s (%s) goes on after what came of it: the read fails", file.name, file_id)
                    raise NotTheFile(f"{file.name} goes on after what came of it")
                break
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def early(self, file: RemoteFile, length: int, *, exact: bool) -> bool:
        """Somebody will probably ask for this small file soon: fetch it now. False: not now, it would be in somebody's
        way.
        """
        file_id = file.file_id
        with self._lock:
            running, ended = [feed for feeds in self._feeds.values() for feed in feeds], self._ended
        if any(feed.file_id == file_id for feed in running) or self._cache.has(file_id, 0):
            return True
        if sum(feed.early for feed in running) >= EARLY_FEEDS or not self._spare():
            return False
        with self._lock:
            if ended != self._ended or file_id in self._feeds or self._stopping:
                return False            # it may have come meanwhile
            try:
                self._run_locked(RunningDownload(self._lock, Expected(file, length, exact), 0, None, early=True))
            except FsError:             # no thread: whoever reads another file isn't told so
                return False
        return True

    def leave(self, file_id: FileId) -> None:
        """Nobody has the file open any more: what isn't nearly done stops within a piece."""
        with self._lock:
            self._extents.pop(file_id, None)
            self._lengths.pop(file_id, None)
            self._refusals.pop(file_id, None)
            now_s = self._clock.now_s()
            for feed in self._feeds.get(file_id, ()):
                if feed.length > WHOLE_BYTES or now_s - feed.moved_s > SILENT_S:
                    feed.abandon()

    def stop(self, timeout_s: float) -> bool:
        """Every wait ends with Stopping. False: a thread hangs in a read of the network and was left to the process's
        end.
        """
        with self._lock:
            self._stopping = True
            for feed in [feed for feeds in self._feeds.values() for feed in feeds]:
                feed.end(Stopping("the mount is ending"), ended=False)
                feed.abandon()
            threads = list(self._threads)
        return self._clock.join(threads, timeout_s)

    def running(self) -> list[tuple[FileId, int, int]]:
        """(file, bytes so far, length) of each download under way."""
        with self._lock:
            return [(feed.file_id, feed.position, feed.length) for feeds in self._feeds.values() for feed in feeds]

    # ---- a reader's thread

    def _fetch(self, expected: Expected, number: int, interrupted: Callable[[], bool]) -> bytes:
        while True:
            want = Want()
            data = self._ask(expected, number, want)
            if data is not None:
                return data
            pause_s = LOOK_S
            while not self._clock.sleep(want.settled, pause_s):
                if interrupted():
                    raise Interrupted("a signal came while reading")
                # It may have come, while those that are to wake us with it don't come.
                data, pause_s = self._here(expected, number), POLL_S
                if data is not None:
                    return data
                with self._lock:
                    for feed in self._feeds.get(expected.file.file_id, ()):
                        feed.hurry(self._clock.now_s(), self._stall_s)
            if want.error is not None:
                raise want.error
            if want.data is not None:
                return want.data

    def _ask(self, expected: Expected, number: int, want: Want) -> bytes | None:
        """The block, if it has come meanwhile; else a feed will settle the want. Raises what was said a moment ago of
        the file.
        """
        file_id, grain = expected.file.file_id, self._grain(expected.file)
        while True:
            with self._lock:
                if self._joined_locked(file_id, number, want):
                    return None
                ended = self._ended
            # A feed that brought it may have ended between the look into the cache and the one at the feeds.
            data = self._here(expected, number)
            if data is not None:
                return data
            with self._lock:
                if self._joined_locked(file_id, number, want):
                    return None
                if ended == self._ended:
                    refusal, until_s = self._refusals.get(file_id, (None, 0.0))
                    if refusal is not None and self._clock.now_s() < until_s:
                        raise refusal.with_traceback(None)       # else it grows by each of them
                    first, last = self._extents[file_id].next(expected.length, number * BLOCK_BYTES,
                                                              ranges=self._transfers.ranges, grain=grain)
                    feed = RunningDownload(self._lock, expected, first, last, early=False)
                    feed.demand = (number + 1) * BLOCK_BYTES
                    feed.wants[number] = [want]
                    self._run_locked(feed)
                    return None

    def _here(self, expected: Expected, number: int) -> bytes | None:
        """The block, if it has come. It is in the cache before it leaves its feed."""
        file_id = expected.file.file_id
        with self._lock:
            data = next((feed.fresh[number] for feed in self._feeds.get(file_id, ()) if number in feed.fresh), None)
        data = self._cache.get(file_id, number) if data is None else data
        return data if data is not None and expected.has_block(number, len(data)) else None

    def _joined_locked(self, file_id: FileId, number: int, want: Want) -> bool:
        """Whether a feed that runs will settle it."""
        if self._stopping:
            raise Stopping("the mount is ending")
        self._extents.setdefault(file_id, Extents())
        for feed in self._feeds.get(file_id, ()):
            if feed.will_bring(number, ranges=self._transfers.ranges):
                feed.ask(number, want)
                return True
        return False

    def _pinned_locked(self) -> set[FileId]:
        """Returns the files that are open, and were asked for."""
        return self._extents.keys() | self._feeds.keys()

    def _run_locked(self, feed: RunningDownload) -> None:
        thread = threading.Thread(target=self._run, args=(feed,), name="download", daemon=True)
        try:
            thread.start()
        except RuntimeError as exc:         # the system gives no more threads
            raise FsError(f"no thread for a download: {exc}") from exc
        self._feeds.setdefault(feed.file_id, []).append(feed)
        self._threads.add(thread)

    # ---- a feed's thread

    def _run(self, feed: RunningDownload) -> None:
        error: FsError | None = None
        ended = False
        try:
            end = self._transfers.run(feed)
            ended = end is not None
            if end is not None and not feed.expected.exact:
                with self._lock:
                    self._lengths[feed.file_id] = end
        except Gone as exc:
            self._gone(feed.file_id, isinstance(exc, Expired))
            error = exc
        except NotTheFile as exc:
            error = None if feed.abandoned else self._explained(feed, exc)      # None: who joined meanwhile asks anew
        except FsError as exc:
            ended = isinstance(exc, Refused) and exc.status == 416      # nobody knew the length: this is beyond it
            error = None if ended or feed.abandoned else exc
        except Exception as exc:
            log.exception("bug in a download")
            error = FsError(str(exc))
        finally:
            with self._lock:
                feed.body = None
                self._feeds[feed.file_id].remove(feed)
                if not self._feeds[feed.file_id]:
                    del self._feeds[feed.file_id]
                self._ended += 1
                self._threads.discard(threading.current_thread())
                if feed.wants and isinstance(error, (Gone, NotDownloadable, NotTheFile)):
                    # An id that is gone doesn't come back. What only the store of a fleet gives may be put there again.
                    lasting = isinstance(error, Gone) or (feed.expected.file.downloadable
                                                          and not isinstance(error, NotTheFile))
                    self._refusals[feed.file_id] = error, float("inf") if lasting else self._clock.now_s() + AGAIN_S
                feed.end(error, ended=ended)

    def _explained(self, feed: RunningDownload, exc: NotTheFile) -> NotTheFile:
        with self._lock:
            waited_for = bool(feed.wants)
        words = (f"{self._name_of(feed.file_id)} ({feed.file_id}) can't be read: {exc}. It was asked for again, in "
                 "vain, so something on the way, a proxy or a gateway, cuts or replaces it. Nothing of that is shown, "
                 "kept or edited. Read it again later, or by another way (ANTHROPIC_BASE_URL, NO_PROXY)")
        if waited_for:
            log.warning(words)
        return NotTheFile(words)
