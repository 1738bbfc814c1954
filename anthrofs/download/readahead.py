"""Directories that are read file by file, in order, as cp -r, tar and grep -r do: the next small files are fetched
early.

Owns    for each such directory how far the reading has come and what comes next.
Never   asks for anything after a single file or two, for a file browser's listing, or twice; and never more than a
        little: a walk that stops has cost at most AHEAD_FILES requests.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from anthrofs.clock import Clock
from anthrofs.model import Node, NodeId

SMALL_BYTES: Final = 2**20      # bigger files take longer than their request's latency: early ones would win little
SURE: Final = 3                 # files in order, until it is taken for a walk
SKIPPED: Final = 4              # files that may be left out between two (a pattern), or overtaken by their neighbours
# With so many left out more than read, it is a pattern, and what it leaves out isn't fetched.
WASTED: Final = 4
PAUSE_S: Final = 5.0            # between two files; after a longer one it begins anew
AHEAD_FILES: Final = 16         # doubled with each file up to that
AHEAD_BYTES: Final = 3 * 2**20  # less than what the cache holds in memory: they stay, even if the disk is full
LOOK_FILES: Final = 64          # directory entries looked at in one go
WALKS: Final = 32               # remembered at most

Following = Callable[[NodeId, str, int], list[Node]]


class _Walk:
    def __init__(self, name: str) -> None:
        # Guarded by Readahead._lock:
        self.run = 0                            # files so far, in order
        self.at_s = 0.0                         # when the last one was read
        self.ahead: list[Node] = []             # small files that can be fetched, next first
        self.asked: set[NodeId] = set()         # of them, those that were fetched early
        self.overtaken: set[NodeId] = set()
        self.wasted = 0                         # fetched early and left out, less those that were read
        self.looked: str | None = name          # last name that was looked at; None: the directory's end


class Readahead:
    """Told of each first read of a handle."""

    def __init__(self, clock: Clock, following: Following, early: Callable[[Node], bool]) -> None:
        self._clock = clock             # given
        self._following = following     # given: entries of a directory after a name, in listing order
        self._early = early             # given: False: not now

        self._lock = threading.Lock()   # guards everything below; a leaf
        self._walks: OrderedDict[NodeId, _Walk] = OrderedDict()

    def step(self, node: Node) -> None:
        """This one is being read."""
        if not is_small(node):
            return
        with self._lock:
            walk = self._moved_locked(node)
            lacking = walk is not None and walk.run >= SURE - 1 and len(walk.ahead) < AHEAD_FILES
            looked = None if walk is None or not (lacking or walk.run == 1) else walk.looked
        if walk is None:
            return
        if looked is not None:
            entries = self._following(node.parent, looked, LOOK_FILES)
            with self._lock:
                if walk.looked == looked:
                    walk.looked = entries[-1].name if len(entries) == LOOK_FILES else None
                    walk.ahead += [each for each in entries if is_small(each)]
        with self._lock:
            chosen = self._chosen_locked(walk)
        for each in chosen:
            if not self._early(each):
                return
            with self._lock:
                walk.asked.add(each.node_id)

    def _moved_locked(self, node: Node) -> _Walk | None:
        """The directory's walk, moved to this file or begun with it; None: it doesn't matter to it."""
        walk, now_s = self._walks.get(node.parent), self._clock.now_s()
        if walk is not None and node.node_id in walk.overtaken:
            walk.overtaken.discard(node.node_id)
            return None
        if walk is not None and now_s - walk.at_s < PAUSE_S:
            ids = [each.node_id for each in walk.ahead[:SKIPPED + 1]]
            if node.node_id in ids:
                place = ids.index(node.node_id)
                walk.overtaken = {*ids[:place], *(walk.overtaken if len(walk.overtaken) < LOOK_FILES else ())}
                walk.wasted += len(walk.asked & {*ids[:place]}) - (node.node_id in walk.asked)
                walk.asked.difference_update(ids[:place + 1])
                del walk.ahead[:place + 1]
                walk.run, walk.at_s = walk.run + 1, now_s
                return walk
        walk = self._walks[node.parent] = _Walk(node.name)
        self._walks.move_to_end(node.parent)
        walk.run, walk.at_s = 1, now_s
        if len(self._walks) > WALKS:
            self._walks.popitem(last=False)
        return walk

    @staticmethod
    def _chosen_locked(walk: _Walk) -> list[Node]:
        chosen: list[Node] = []
        if walk.run >= SURE and walk.wasted <= WASTED:
            left_bytes = AHEAD_BYTES
            for each in walk.ahead[:min(AHEAD_FILES, 2 ** (walk.run - SURE + 1))]:
                left_bytes -= each.size_bytes
                if left_bytes < 0:
                    break
                if each.node_id not in walk.asked:
                    chosen.append(each)
        return chosen


def is_small(node: Node) -> bool:
    """Can be fetched, and at once."""
    return node.fetchable is not None and 0 < node.size_bytes <= SMALL_BYTES
