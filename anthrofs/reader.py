"""Downloads: one running request of a file serves all its readers and fills the cache as bytes come.

Owns    the feeds (running requests) and their threads, one each; the pacer's slots bound how many run.
Serves  filesystem.read.
Trusts  the cache to forget anything at any time: a waiting reader is handed its block directly.
Never   reads from the socket far ahead of its readers, or keeps a connection that nobody asked anything of for a while.
        Its lock is the last in the order: content, database, cache, reader.
"""

import logging
import threading
from collections.abc import Callable
from typing import Final

from anthrofs.blocks import BLOCK_BYTES, spans
from anthrofs.cache import BlockCache
from anthrofs.clock import Clock
from anthrofs.errors import FsError, Gone, Interrupted, NoAnswer, Stopping
from anthrofs.model import FileId
from anthrofs.remote import Download, RemoteFiles

log = logging.getLogger(__name__)

WHOLE_BYTES: Final = 8 * 2**20          # files up to that are fetched whole: asking twice costs more than the bytes
WINDOW_BYTES: Final = 4 * 2**20         # ahead of the furthest reader; doubled by each read that follows the one before
WINDOW_MOST_BYTES: Final = 32 * 2**20
NEAR_BYTES: Final = 4 * 2**20           # a reader so far ahead of a feed waits for it; a further one gets its own request
# The kernel's readahead comes through several threads, so neighbours overtake each other: a request begins a little before
# the place of the first read that asks for it.
OVERTAKE_BYTES: Final = 2 * BLOCK_BYTES
START_BYTES: Final = 2**20              # so near to the start, a first read is taken for a reader of the whole file
JUMP_BYTES: Final = 2**20               # of the first request after a jump; four times as much if the next one follows it
SILENT_S: Final = 1.0                   # a small file's download that nobody waits for runs to its end, unless it hangs
IDLE_S: Final = 5.0                     # without a question a feed is closed, if it can be resumed by range
RESUMES: Final = 5                      # in a row, without a byte between them
POLL_S: Final = 0.1                     # how soon a waiting reader sees that its program got a signal


class _Want:
    """One reader's wait for one block."""

    def __init__(self) -> None:
        # Guarded by Reader._changed:
        self.data: bytes | None = None
        self.error: FsError | None = None
        self.again = False              # its feed was closed before it came by: ask anew


class _Feed:
    """One running request of a file."""

    def __init__(self, file_id: FileId, first: int, last: int | None, length: int) -> None:
        self.file_id = file_id          # constant
        self.last = last                # constant: last byte asked for; None: to the end
        self.length = length            # constant: what the file is thought to have

        # Guarded by Reader._changed:
        self.position = first           # of the next byte to hand out; a block boundary
        self.demand = first             # end of the furthest block that was asked for
        self.window = WINDOW_BYTES
        self.wants: dict[int, list[_Want]] = {}
        self.abandoned = False          # the last reader left
        self.moved_s = 0.0              # when bytes came last
        self.body: Download | None = None       # the answer that is being read

    def ahead_of(self, offset: int, near: int | None) -> bool:
        """Whether this feed will come by there soon; near None: however far."""
        return self.position <= offset and (self.last is None or offset <= self.last) and (
            near is None or offset - self.position <= near)


class Reader:
    """Blocks on demand; daemon.py stops it."""

    def __init__(self, cache: BlockCache, remote: RemoteFiles, clock: Clock,
                 delivered: Callable[[FileId, int], None], gone: Callable[[FileId], None]) -> None:
        self._cache = cache                 # given
        self._remote = remote               # given
        self._clock = clock                 # given
        self._delivered = delivered         # given: told the true length at each clean end
        self._gone = gone                   # given: told that the server no longer has an id

        self._changed = threading.Condition()       # guards everything below
        self._feeds: dict[FileId, list[_Feed]] = {}
        self._jumps: dict[FileId, tuple[int, int]] = {}     # end and size of the last bounded request of an open file
        self._ranges = True                 # False once the server answered 200 to a range
        self._threads: set[threading.Thread] = set()
        self._stopping = False

    def read(self, file_id: FileId, length: int, offset: int, size: int, interrupted: Callable[[], bool], *,
             exact: bool = True) -> bytes:
        """Content of [offset, offset + size), shorter only at the end. `length` is what the file has, or, if that isn't
        `exact`, what it is thought to have.

        Raises Gone, NotDownloadable, Unavailable, NoAnswer, Offline, Interrupted, Stopping.
        """
        pieces = []
        for span in spans(offset, max(0, min(size, length - offset)) if exact else size):
            block = self._cache.get(file_id, span.number)
            if block is None or (exact and len(block) < min(BLOCK_BYTES, length - span.number * BLOCK_BYTES)):
                block = self._fetch(file_id, length, span.number, interrupted)
            pieces.append(block[span.start:span.start + span.length])
            if len(block) < span.start + span.length:
                break
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def leave(self, file_id: FileId) -> None:
        """Nobody has the file open any more: what isn't nearly done stops within a piece."""
        with self._changed:
            self._jumps.pop(file_id, None)
            now_s = self._clock.now_s()
            feeds = [feed for feed in self._feeds.get(file_id, ()) if feed.length > WHOLE_BYTES or now_s - feed.moved_s > SILENT_S]
            for feed in feeds:
                feed.abandoned = True
                if feed.body is not None:
                    feed.body.abort()       # it may hang in a read that nobody waits for
            self._changed.notify_all()

    def stop(self, timeout_s: float) -> bool:
        """Every wait ends with Stopping. False: a thread hangs in a read of the network and was left to the process's end."""
        with self._changed:
            self._stopping = True
            for feed in [feed for feeds in self._feeds.values() for feed in feeds if feed.body is not None]:
                assert feed.body is not None
                feed.body.abort()
            self._changed.notify_all()
            threads = list(self._threads)
        until_s = self._clock.now_s() + timeout_s
        for thread in threads:
            thread.join(max(0.0, until_s - self._clock.now_s()))
        return not any(thread.is_alive() for thread in threads)

    def running(self) -> list[tuple[FileId, int, int]]:
        """(file, bytes so far, length) of each download under way."""
        with self._changed:
            return [(feed.file_id, feed.position, feed.length) for feeds in self._feeds.values() for feed in feeds]

    def _fetch(self, file_id: FileId, length: int, number: int, interrupted: Callable[[], bool]) -> bytes:
        while True:
            data = self._wait(file_id, length, number, interrupted)
            if data is not None:
                return data

    def _wait(self, file_id: FileId, length: int, number: int, interrupted: Callable[[], bool]) -> bytes | None:
        """The block; None when the feed that would have brought it was closed: ask anew."""
        want = _Want()
        with self._changed:
            joined = self._join_locked(file_id, number, want)
        if not joined:
            # The feed that brought it may have passed between the look into the cache and ours.
            data = self._cache.get(file_id, number)
            if data is not None and len(data) >= min(BLOCK_BYTES, length - number * BLOCK_BYTES):
                return data
            with self._changed:
                if not self._join_locked(file_id, number, want):
                    self._start_locked(file_id, length, number, want)
        while True:
            with self._changed:
                if want.data is None and want.error is None and not want.again and not self._stopping:
                    self._clock.wait(self._changed, POLL_S)
                if want.data is not None or want.again:
                    return want.data
                if want.error is not None:
                    raise want.error
                if self._stopping:
                    raise Stopping("the mount is ending")
            if interrupted():
                raise Interrupted("a signal came while reading")

    def _join_locked(self, file_id: FileId, number: int, want: _Want) -> bool:
        offset = number * BLOCK_BYTES
        for feed in self._feeds.get(file_id, ()):
            near = NEAR_BYTES if self._ranges and feed.length > WHOLE_BYTES else None
            if not feed.abandoned and feed.ahead_of(offset, near):
                feed.wants.setdefault(number, []).append(want)
                if offset + BLOCK_BYTES > feed.demand:
                    feed.demand = offset + BLOCK_BYTES
                    feed.window = min(WINDOW_MOST_BYTES, feed.window * 2)
                self._changed.notify_all()
                return True
        return False

    def _start_locked(self, file_id: FileId, length: int, number: int, want: _Want) -> None:
        first, last = self._extent_locked(file_id, length, number * BLOCK_BYTES)
        feed = _Feed(file_id, first, last, length)
        feed.demand = (number + 1) * BLOCK_BYTES
        feed.wants[number] = [want]
        self._feeds.setdefault(file_id, []).append(feed)
        thread = threading.Thread(target=self._run, args=(feed,), name="download", daemon=True)
        try:
            thread.start()
        except RuntimeError as exc:         # the system gives no more threads: nobody may wait for this feed
            self._remove_locked(feed)
            raise FsError(f"no thread for a download: {exc}") from exc
        self._threads.add(thread)

    def _extent_locked(self, file_id: FileId, length: int, offset: int) -> tuple[int, int | None]:
        """What to ask for: everything, or a bounded part after a jump that grows while it turns out to be a walk."""
        end, size = self._jumps.get(file_id, (-1, 0))
        walking = offset == end
        if length <= WHOLE_BYTES or not self._ranges or (offset < START_BYTES and not walking):
            return 0, None
        size = size * 4 if walking else JUMP_BYTES
        offset -= 0 if walking else OVERTAKE_BYTES
        if size > WINDOW_MOST_BYTES or offset + size >= length:
            return offset, None
        self._jumps[file_id] = (offset + size, size)
        return offset, offset + size - 1

    # ---- the feed's thread

    def _run(self, feed: _Feed) -> None:
        error: FsError | None = None
        ended = False
        try:
            ended = self._deliver(feed)
        except Gone as exc:
            self._gone(feed.file_id)
            error = exc
        except FsError as exc:
            error = None if feed.abandoned else exc         # who joined meanwhile asks anew
        except Exception as exc:
            log.exception("bug in a download")
            error = FsError(str(exc))
        finally:
            with self._changed:
                feed.body = None
                self._remove_locked(feed)
                self._threads.discard(threading.current_thread())
                for want in [want for wants in feed.wants.values() for want in wants]:
                    want.error = error
                    if error is None:
                        want.again = not ended
                        want.data = b"" if ended else None      # beyond the end
                self._changed.notify_all()

    def _remove_locked(self, feed: _Feed) -> None:
        self._feeds[feed.file_id].remove(feed)
        if not self._feeds[feed.file_id]:
            del self._feeds[feed.file_id]

    def _deliver(self, feed: _Feed) -> bool:
        """Requests until the end is there: a cut body is resumed from its last byte. False: the file goes on, but nobody
        wants the rest, or it wasn't asked for.
        """
        rest = bytearray()
        fruitless = 0
        while True:
            start = feed.position + len(rest)
            opened = False
            try:
                with self._remote.download(feed.file_id, start, feed.last) as body:
                    opened = True
                    self._begin(feed, body)
                    if body.offset != start:        # it ignores ranges: from 0, and everything is kept
                        with self._changed:
                            self._ranges = False
                            feed.position = body.offset
                        rest.clear()
                    if not self._pour(feed, body, rest):
                        return False
                    end = feed.position + len(rest)
                    whole = end == body.total if body.total is not None else body.sure or end >= feed.length
                    if not whole and (feed.last is None or end <= feed.last):
                        raise NoAnswer("the answer ended before the file did")
                if rest:
                    self._hand_out(feed, bytes(rest))
                if whole:
                    self._delivered(feed.file_id, end)
                return whole
            except NoAnswer:
                fruitless = 0 if feed.position + len(rest) > start else fruitless + 1
                if not opened or feed.abandoned or fruitless >= RESUMES or self._stopping:
                    raise           # not opened: that was tried again already

    def _begin(self, feed: _Feed, body: Download) -> None:
        with self._changed:
            feed.body, feed.moved_s = body, self._clock.now_s()

    def _pour(self, feed: _Feed, body: Download, rest: bytearray) -> bool:
        """Bytes into blocks. False: nobody wants the rest, or the mount ends."""
        for piece in body:
            rest += piece
            feed.moved_s = self._clock.now_s()      # one float: no lock for each piece
            while len(rest) >= BLOCK_BYTES:
                block = bytes(memoryview(rest)[:BLOCK_BYTES])
                del rest[:BLOCK_BYTES]
                self._hand_out(feed, block)
            if not self._wanted(feed, body):
                return False
        return True

    def _hand_out(self, feed: _Feed, block: bytes) -> None:
        number = feed.position // BLOCK_BYTES
        self._cache.put(feed.file_id, number, block)
        with self._changed:
            feed.position += len(block)
            for want in feed.wants.pop(number, ()):
                want.data = block
            self._changed.notify_all()

    def _wanted(self, feed: _Feed, body: Download) -> bool:
        """Whether to read on. While nobody is near it is held back, and others have its slot. False: close it."""
        with self._changed:
            if self._wanted_locked(feed) is not None:
                return self._wanted_locked(feed) is True
        with body.parked():
            until_s = self._clock.now_s() + IDLE_S
            with self._changed:
                while (wanted := self._wanted_locked(feed)) is None and (left_s := until_s - self._clock.now_s()) > 0:
                    self._clock.wait(self._changed, left_s)
        return wanted is True

    def _wanted_locked(self, feed: _Feed) -> bool | None:
        """None: not now."""
        if self._stopping or feed.abandoned:
            return False
        # One that couldn't be resumed runs to its end.
        return True if feed.length <= WHOLE_BYTES or not self._ranges or feed.position < feed.demand + feed.window else None
