"""The work of a feed's thread: bytes into blocks, blocks to who waits for them and into the cache.

Owns    nothing but what was learnt of the server: whether it honours ranges.
Trusts  the reader's lock, which guards the feeds; the reader's threads run this, one a feed.
        course.py for what comes.
Never   holds the lock while it waits, or reads from the socket far ahead of the feed's readers.
"""

import threading
from collections.abc import Callable, Collection
from typing import Final

from anthrofs.clock import Clock
from anthrofs.download.course import Course, Ranges
from anthrofs.download.running_download import RunningDownload
from anthrofs.errors import NoAnswer, NotTheFile, OtherLength
from anthrofs.model import FileId
from anthrofs.remote.api import Download, RemoteFiles
from anthrofs.store.block_cache import BlockCache
from anthrofs.store.blocks import Cutter

IDLE_S: Final = 5.0                     # without a question a feed is closed, if it can be resumed by range
# Waking a reader costs more than a block's worth of work: when blocks come fast, readers are woken for several
# together.
RUN_BLOCKS: Final = 4
RUN_S: Final = 0.005


class Transfers:
    """One reader's."""

    def __init__(self, cache: BlockCache, remote: RemoteFiles, clock: Clock, lock: threading.Lock,
                 pinned: Callable[[], Collection[FileId]], delivered: Callable[[FileId, int], None],
                 whole: Callable[[FileId, int], None]) -> None:
        self._cache = cache             # given
        self._remote = remote           # given
        self._clock = clock             # given
        self._lock = lock               # given: the reader's, which guards every feed
        self._pinned = pinned           # given: under the lock, the files whose blocks stay in the cache
        self._delivered = delivered     # given: told the true length of what may be longer than listed
        self._whole = whole             # given: told of a file of which the disk has all, and its length
        self._ranges = Ranges()         # constant

    @property
    def ranges(self) -> bool:
        """Whether a part can be asked for, as far as is known."""
        return self._ranges.honoured

    def run(self, feed: RunningDownload) -> int | None:
        """Until the end has come, or nobody wants the rest. Returns where the file ends; None: it goes on.

        Raises NotTheFile, and what else RemoteFiles.download and its pieces do.
        """
        course = Course(self._remote, self._ranges, feed.expected, feed.position, feed.last,
                        wanted=lambda: not feed.abandoned, opened=lambda body: self._opened(feed, body),
                        refused=lambda: self._refused(feed), pause=lambda seconds: self._pause(feed, seconds))
        try:
            if not self._pour(feed, course):
                return None
        except OtherLength as exc:
            self._cache.drop_blocks(feed.file_id)       # what is kept of it doesn't go with what comes
            self._delivered(feed.file_id, exc.length)
            raise
        except NotTheFile as exc:
            if feed.stalled:
                raise NoAnswer(f"of {feed.expected.file.name} {feed.position} of {feed.length} bytes came, and then "
                               "nothing more in time") from exc
            raise
        if course.end is not None and self._cache.is_whole(feed.file_id, course.end):
            self._whole(feed.file_id, course.end)
        return course.end

    def _opened(self, feed: RunningDownload, body: Download) -> None:
        with self._lock:
            feed.body, feed.moved_s, feed.flows, feed.stalled = body, self._clock.now_s(), False, False
            if feed.abandoned:
                body.abort()

    def _pause(self, feed: RunningDownload, seconds: float) -> None:
        """Before it is asked for again."""
        until_s = self._clock.now_s() + seconds
        with self._lock:
            while not feed.abandoned and (left_s := until_s - self._clock.now_s()) > 0:
                self._clock.wait(feed.asked, left_s)

    def _pour(self, feed: RunningDownload, course: Course) -> bool:
        """Bytes into blocks. False: nobody wants the rest, or the mount ends."""
        cutter = Cutter()
        handed_s, waiting = self._clock.now_s(), 0
        pieces = course.pieces()
        try:
            for body, place, piece in pieces:
                if feed.abandoned:
                    return False
                if place != feed.position + cutter.held_bytes:
                    cutter.clear()      # the server ignores ranges, and sends all from 0; or it was refused
                    with self._lock:
                        feed.begin_again(place)
                feed.flows = True
                if blocks := list(cutter.push(piece)):
                    self._bring(feed, blocks)
                    waiting += len(blocks)
                feed.moved_s = now_s = self._clock.now_s()      # one float: no lock for each piece
                if waiting >= RUN_BLOCKS or (waiting and now_s - handed_s >= RUN_S):
                    self._hand_out(feed)
                    handed_s, waiting = now_s, 0
                    if not self._wanted(feed, body):
                        return False
            if course.end is not None and feed.expected.file.may_grow:      # of all else the length is known
                self._delivered(feed.file_id, course.end)       # before anybody has the last block, and looks again
            if course.end is not None and cutter.held_bytes:
                self._bring(feed, [cutter.rest()])
        finally:
            pieces.close()
            self._hand_out(feed)
        return True

    def _refused(self, feed: RunningDownload) -> None:
        """Drops all that came: it was perhaps something else than the file."""
        with self._lock:
            feed.begin_again(feed.first)
        self._cache.drop_blocks(feed.file_id)

    def _bring(self, feed: RunningDownload, blocks: Collection[bytes]) -> None:
        with self._lock:
            feed.bring(blocks)

    def _hand_out(self, feed: RunningDownload) -> None:
        """Gives readers and the cache what was brought since the last time."""
        with self._lock:
            feed.wake()
            run = {number: block for number, block in feed.fresh.items() if number >= feed.put_to}
            pinned = self._pinned()
        if run:
            # While the readers go on:
            lasting = self._cache.put(feed.file_id, min(run), list(run.values()), pinned)
            with self._lock:
                feed.was_put(lasting=lasting)

    def _wanted(self, feed: RunningDownload, body: Download) -> bool:
        """Whether to read on. While nobody is near it is held back, and others have its slot. False: close it."""
        with self._lock:
            wanted = feed.wanted(ranges=self.ranges)
        if wanted is not None:
            return wanted
        feed.flows = False
        body.park()
        until_s = self._clock.now_s() + IDLE_S
        with self._lock:
            while (wanted := feed.wanted(ranges=self.ranges)) is None and (left_s := until_s - self._clock.now_s()) > 0:
                self._clock.wait(feed.asked, left_s)
        if wanted:
            body.resume()
            feed.moved_s, feed.flows = self._clock.now_s(), True
        return wanted is True
