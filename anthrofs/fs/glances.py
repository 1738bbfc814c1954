"""Glances: reads that nobody asked for. A file browser that shows a folder looks into what it can't tell by its name, a
thumbnailer reads every picture, an indexer everything.

Owns    how much such reads have had downloaded within the last hour.
Trusts  a program's name, and the flag O_NOATIME, which GIO sets where it wants to know a file's type.
Never   hinders a read of what is here, of a program that it doesn't know, or of a browser that copies.
"""

import logging
import os
import threading
from collections import deque
from typing import Final

from anthrofs.clock import Clock
from anthrofs.errors import NotReadable
from anthrofs.model import Caller, Node
from anthrofs.store.block_cache import BlockCache

log = logging.getLogger(__name__)

HOUR_S: Final = 3600.0
LEAST_BYTES: Final = 10**6      # a file counts as much at least: each is a request
ANY: Final = 2**62              # every read is one
GIO_BYTES: Final = 4096         # of a file GIO reads so much at most, in one go
BROWSER_BYTES: Final = 16384    # and a browser so much at once for itself; a copy takes 64 KiB and more

# As the kernel has their names, which are 15 bytes long.
READERS: Final = frozenset({
    "tumblerd", "gdk-pixbuf-thum", "glycin-thumbnai", "totem-video-thu", "ffmpegthumbnail", "evince-thumbnai",
    "papers-thumbnai", "atril-thumbnail", "xreader-thumbna", "gnome-thumbnail", "gnome-epub-thum", "gsf-office-thum",
    "raw-thumbnailer", "thumbnail.so",
    "tracker-extract", "localsearch-ext", "localsearch-3", "tracker-miner-f", "baloo_file", "baloo_file_extr",
    "recollindex"})
BROWSERS: Final = frozenset({
    "Thunar", "thunar", "nautilus", "nemo", "caja", "pcmanfm", "pcmanfm-qt", "dolphin", "spacefm", "io.elementary.f",
    "cosmic-files"})       # and neither konqueror nor krusader, which show a file themselves when a person opens it
# They set the flag, and read whatever room the archive has at the moment.
ARCHIVERS: Final = frozenset({"tar", "bsdtar"})


class Glances:
    """The allowance of one mount."""

    def __init__(self, cache: BlockCache, clock: Clock, limit_bytes: int | None) -> None:
        """`limit_bytes`: within an hour; None: no bound."""
        self._cache = cache                 # given
        self._clock = clock                 # given
        self._limit_bytes = limit_bytes     # constant

        self._lock = threading.Lock()       # guards everything below; a leaf
        self._had: deque[tuple[float, int]] = deque()       # when, and how much it counts
        self._had_bytes = 0                 # the sum of them
        self._said_s = float("-inf")        # when the log was told

    def most(self, node: Node, flags: int, caller: Caller) -> int:
        """How long a first read through a new handle is at most, if it is a glance; 0: none is. The node's content is
        to be read only, and isn't a stage.
        """
        if self._limit_bytes is None:
            return 0
        program = caller.program()
        if program in READERS:
            most_bytes = ANY
        elif program in BROWSERS:
            # A copy of a small file asks for all of it at once, as a look does, but without the flag.
            most_bytes = BROWSER_BYTES if flags & os.O_NOATIME or node.size_bytes > BROWSER_BYTES else 0
        else:
            # A backup sets the flag, too, and reads a small file by its length.
            looks = flags & os.O_NOATIME and node.size_bytes != GIO_BYTES and program not in ARCHIVERS
            most_bytes = GIO_BYTES if looks else 0
        # Last: of 500 MB that are here it takes 8 ms, block by block.
        return 0 if most_bytes and self._is_here(node) else most_bytes

    @staticmethod
    def is_one(most: int, size: int, offset: int, size_bytes: int) -> bool:
        """Whether the first read through a handle is one. `most`: as it was said then."""
        if most in (ANY, 0):
            return most == ANY
        fits = size == GIO_BYTES if most == GIO_BYTES else size <= most
        return fits and offset == 0 and size != size_bytes

    def take(self, node: Node) -> None:
        """A glance is about to be taken. Raises NotReadable, when the hour's are used up, and counts it, if not."""
        if self._limit_bytes is None or self._is_here(node):
            return
        now_s, cost_bytes = self._clock.now_s(), max(LEAST_BYTES, node.size_bytes)
        with self._lock:
            while self._had and now_s - self._had[0][0] >= HOUR_S:
                self._had_bytes -= self._had.popleft()[1]
            fits = self._had_bytes + cost_bytes <= self._limit_bytes
            says = not fits and now_s - self._said_s >= HOUR_S
            if fits:
                self._had.append((now_s, cost_bytes))
                self._had_bytes += cost_bytes
            elif says:
                self._said_s = now_s
        if says:
            log.info("%s isn't downloaded for a thumbnail, an index or a look at its type: such looks have the %d "
                     "MB of an hour (--glances)", node.name, self._limit_bytes // 10**6)
        if not fits:
            raise NotReadable(f"{node.name} isn't downloaded for a look that nobody asked for")

    def _is_here(self, node: Node) -> bool:
        return node.remote is None or self._cache.is_whole(node.remote.file_id, node.size_bytes)
