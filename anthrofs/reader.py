"""Downloads: one running request of a file serves all its readers and fills the cache as bytes come.

Owns    the feeds (running requests) and their threads, one each; the pacer's slots bound how many run.
Serves  contents (read), openfiles (leave), and walks through daemon (early).
Trusts  the cache to forget anything at any time: a waiting reader is handed its block directly.
Never   reads from the socket far ahead of its readers, or keeps a connection that nobody asked anything of for a while.
        Its lock is the last in the order: content, database, cache, reader.
"""

import logging
import threading
from collections.abc import Callable
from typing import Final

from anthrofs.blocks import BLOCK_BYTES, Cutter, spans
from anthrofs.cache import BlockCache
from anthrofs.clock import Clock
from anthrofs.errors import Expired, FsError, Gone, Interrupted, NoAnswer, Refused, Stopping
from anthrofs.extents import Extents
from anthrofs.feed import WHOLE_BYTES, Feed, Want
from anthrofs.model import FileId
from anthrofs.remote import Download, RemoteFiles

log = logging.getLogger(__name__)

SILENT_S: Final = 1.0                   # a small file's download that nobody waits for runs to its end, unless it hangs
IDLE_S: Final = 5.0                     # without a question a feed is closed, if it can be resumed by range
RESUMES: Final = 5                      # in a row, without a byte between them
POLL_S: Final = 0.1                     # how soon a waiting reader sees that its program got a signal
# Waking a reader costs more than a block's worth of work: when blocks come fast, readers are woken for several together.
RUN_BLOCKS: Final = 4
RUN_S: Final = 0.005
LOOK_S: Final = 0.01                    # after which a waiting reader looks whether its block came without the others of its run
EARLY_FEEDS: Final = 5                  # at once, of files that nobody has asked for yet


class Reader:
    """Blocks on demand; daemon.py stops it."""

    def __init__(self, cache: BlockCache, remote: RemoteFiles, clock: Clock, delivered: Callable[[FileId, int], None],
                 gone: Callable[[FileId, bool], None], spare: Callable[[], bool]) -> None:
        self._cache = cache                 # given
        self._remote = remote               # given
        self._clock = clock                 # given
        self._delivered = delivered         # given: told the true length at each clean end
        self._gone = gone                   # given: told that the server no longer has an id, and whether it has expired
        self._spare = spare                 # given: whether a request now would be in nobody's way

        self._lock = threading.Lock()       # guards everything below, and every feed
        self._feeds: dict[FileId, list[Feed]] = {}
        self._extents: dict[FileId, Extents] = {}           # of an open file: what was asked for
        self._lengths: dict[FileId, int] = {}       # that a download has shown to be another than was thought
        self._ranges = True                 # False once the server answered 200 to a range
        self._ended = 0                     # feeds so far
        self._threads: set[threading.Thread] = set()
        self._stopping = False

    def read(self, file_id: FileId, length: int, offset: int, size: int, interrupted: Callable[[], bool], *,
             exact: bool = True) -> bytes:
        """Content of [offset, offset + size), shorter only at the end. `length` is what the file has, or, if that isn't
        `exact`, what it is thought to have.

        Raises Gone, NotDownloadable, Unavailable, NoAnswer, Offline, Interrupted, Stopping.
        """
        if not exact:
            with self._lock:
                length, exact = self._lengths.get(file_id, length), file_id in self._lengths
        pieces = []
        for span in spans(offset, max(0, min(size, length - offset)) if exact else size):
            block = self._cache.get(file_id, span.number)
            if block is None or (exact and len(block) < min(BLOCK_BYTES, length - span.number * BLOCK_BYTES)):
                block = self._fetch(file_id, length, span.number, interrupted, exact=exact)
            pieces.append(block[span.start:span.start + span.length])
            if len(block) < span.start + span.length:
                break
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def early(self, file_id: FileId, length: int, *, exact: bool) -> bool:
        """Somebody will probably ask for this small file soon: fetch it now. False: not now, it would be in somebody's way."""
        with self._lock:
            running, ended = [feed for feeds in self._feeds.values() for feed in feeds], self._ended
        if any(feed.file_id == file_id for feed in running) or self._cache.has(file_id, 0):
            return True
        if sum(feed.early for feed in running) >= EARLY_FEEDS or not self._spare():
            return False
        with self._lock:
            if ended != self._ended or file_id in self._feeds or self._stopping:
                return False            # it may have come meanwhile
            self._run_locked(Feed(self._lock, file_id, 0, None, length, exact=exact, early=True))
        return True

    def leave(self, file_id: FileId) -> None:
        """Nobody has the file open any more: what isn't nearly done stops within a piece."""
        with self._lock:
            self._extents.pop(file_id, None)
            self._lengths.pop(file_id, None)
            now_s = self._clock.now_s()
            for feed in self._feeds.get(file_id, ()):
                if feed.length > WHOLE_BYTES or now_s - feed.moved_s > SILENT_S:
                    feed.abandon()

    def stop(self, timeout_s: float) -> bool:
        """Every wait ends with Stopping. False: a thread hangs in a read of the network and was left to the process's end."""
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

    def _fetch(self, file_id: FileId, length: int, number: int, interrupted: Callable[[], bool], *, exact: bool) -> bytes:
        while True:
            want = Want()
            data = self._ask(file_id, length, number, want, exact=exact)
            if data is not None:
                return data
            pause_s = LOOK_S
            while not self._clock.sleep(want.settled, pause_s):
                if interrupted():
                    raise Interrupted("a signal came while reading")
                # It may have come, while those that are to wake us with it don't come.
                data, pause_s = self._here(file_id, length, number), POLL_S
                if data is not None:
                    return data
            if want.error is not None:
                raise want.error
            if want.data is not None:
                return want.data

    def _ask(self, file_id: FileId, length: int, number: int, want: Want, *, exact: bool) -> bytes | None:
        """The block, if it has come meanwhile; else a feed will settle the want."""
        while True:
            with self._lock:
                if self._joined_locked(file_id, number, want):
                    return None
                ended = self._ended
            # A feed that brought it may have ended between the look into the cache and the one at the feeds.
            data = self._here(file_id, length, number)
            if data is not None:
                return data
            with self._lock:
                if self._joined_locked(file_id, number, want):
                    return None
                if ended == self._ended:
                    extents = self._extents.setdefault(file_id, Extents())
                    first, last = extents.next(length, number * BLOCK_BYTES, ranges=self._ranges)
                    feed = Feed(self._lock, file_id, first, last, length, exact=exact, early=False)
                    feed.demand = (number + 1) * BLOCK_BYTES
                    feed.wants[number] = [want]
                    self._run_locked(feed)
                    return None

    def _here(self, file_id: FileId, length: int, number: int) -> bytes | None:
        """The block, if it has come. It is in the cache before it leaves its feed."""
        with self._lock:
            data = next((feed.fresh[number] for feed in self._feeds.get(file_id, ()) if number in feed.fresh), None)
        data = self._cache.get(file_id, number) if data is None else data
        return data if data is not None and len(data) >= min(BLOCK_BYTES, length - number * BLOCK_BYTES) else None

    def _joined_locked(self, file_id: FileId, number: int, want: Want) -> bool:
        """Whether a feed that runs will settle it."""
        if self._stopping:
            raise Stopping("the mount is ending")
        for feed in self._feeds.get(file_id, ()):
            if feed.will_bring(number, ranges=self._ranges):
                feed.ask(number, want)
                return True
        return False

    def _run_locked(self, feed: Feed) -> None:
        thread = threading.Thread(target=self._run, args=(feed,), name="download", daemon=True)
        try:
            thread.start()
        except RuntimeError as exc:         # the system gives no more threads
            raise FsError(f"no thread for a download: {exc}") from exc
        self._feeds.setdefault(feed.file_id, []).append(feed)
        self._threads.add(thread)

    # ---- a feed's thread

    def _run(self, feed: Feed) -> None:
        error: FsError | None = None
        ended = False
        try:
            ended = self._deliver(feed)
        except Gone as exc:
            self._gone(feed.file_id, isinstance(exc, Expired))
            error = exc
        except FsError as exc:
            ended = isinstance(exc, Refused) and exc.status == 416      # nobody knew the length: this is beyond it
            error = None if ended or feed.abandoned else exc            # who joined meanwhile asks anew
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
                feed.end(error, ended=ended)

    def _deliver(self, feed: Feed) -> bool:
        """Requests until the end is there: a cut body is resumed from its last byte. False: the file goes on, but nobody
        wants the rest, or it wasn't asked for.
        """
        cutter = Cutter()
        fruitless = 0
        doubted: int | None = None      # a length that isn't the listing's: believed when it is said twice
        while True:
            start = feed.position + cutter.held_bytes
            opened = False
            if feed.abandoned:
                return False
            try:
                with self._remote.download(feed.file_id, start, feed.last) as body:
                    opened = True
                    if feed.exact and body.total not in (None, feed.length, doubted):
                        doubted = body.total
                        raise NoAnswer(f"{doubted} bytes are announced instead of {feed.length}")
                    with self._lock:
                        if feed.abandoned:
                            return False
                        feed.body, feed.moved_s = body, self._clock.now_s()
                        if body.offset != start:        # it ignores ranges: from 0, and everything is kept
                            self._ranges = False
                            feed.position = body.offset
                            feed.put_to = 0
                            feed.fresh.clear()
                            cutter.clear()
                    if not self._pour(feed, body, cutter):
                        return False
                    end = feed.position + cutter.held_bytes
                    whole = end == body.total if body.total is not None else body.sure or end >= feed.length
                    if not whole and (feed.last is None or end <= feed.last):
                        raise NoAnswer("the answer ended before the file did")
                if cutter.held_bytes:
                    self._bring(feed, cutter.rest())
                    self._hand_out(feed)
                if whole:
                    with self._lock:
                        if not feed.exact or end != feed.length:
                            self._lengths[feed.file_id] = end
                    self._delivered(feed.file_id, end)
                return whole
            except NoAnswer:
                fruitless = 0 if feed.position + cutter.held_bytes > start else fruitless + 1
                if not opened or feed.abandoned or fruitless >= RESUMES:
                    raise           # not opened: that was tried again already

    def _pour(self, feed: Feed, body: Download, cutter: Cutter) -> bool:
        """Bytes into blocks. False: nobody wants the rest, or the mount ends."""
        handed_s, waiting = self._clock.now_s(), 0
        try:
            for piece in body:
                if feed.abandoned:
                    return False
                for block in cutter.push(piece):
                    self._bring(feed, block)
                    waiting += 1
                feed.moved_s = now_s = self._clock.now_s()      # one float: no lock for each piece
                if waiting >= RUN_BLOCKS or (waiting and now_s - handed_s >= RUN_S):
                    self._hand_out(feed)
                    handed_s, waiting = now_s, 0
                    if not self._wanted(feed, body):
                        return False
        finally:
            self._hand_out(feed)
        return True

    def _bring(self, feed: Feed, block: bytes) -> None:
        with self._lock:
            feed.bring(block)

    def _hand_out(self, feed: Feed) -> None:
        """What was brought since the last time."""
        with self._lock:
            feed.wake()
            run = {number: block for number, block in feed.fresh.items() if number >= feed.put_to}
            pinned = self._extents.keys() | self._feeds.keys()        # what is open, and was asked for
        if run:
            lasting = self._cache.put(feed.file_id, min(run), list(run.values()), pinned)       # while the readers go on
            with self._lock:
                feed.was_put(lasting=lasting)

    def _wanted(self, feed: Feed, body: Download) -> bool:
        """Whether to read on. While nobody is near it is held back, and others have its slot. False: close it."""
        with self._lock:
            wanted = feed.wanted(ranges=self._ranges)
        if wanted is not None:
            return wanted
        body.park()
        until_s = self._clock.now_s() + IDLE_S
        with self._lock:
            while (wanted := feed.wanted(ranges=self._ranges)) is None and (left_s := until_s - self._clock.now_s()) > 0:
                self._clock.wait(feed.asked, left_s)
        if wanted:
            body.resume()
        return wanted is True
