"""How many requests may begin now: the moments of the last ones, and what is kept for which work.

In any WINDOW_S at most `most` of them begin, whichever way a service counts its minute. A part of that is out of reach
for the others until its own work has used it: so a folder that is saved leaves something for who reads, and neither of
them hides what is new.

Owns    the moments of the requests of the last WINDOW_S, in memory and in <state>/requests: a remount within the minute
        goes on with them, after a kill as well. (Not after the power was cut; a boot takes about as long.)
Trusts  its caller: pace holds its lock meanwhile.
        nothing in that file but moments that can be: a damaged one delays requests for a minute at most.
Never   waits, and never fails: where the file can't be used, it goes on without.
"""

import enum
import math
import os
import stat
import struct
from collections import Counter, deque
from contextlib import suppress
from pathlib import Path
from typing import Final

from anthrofs.remote.minutes import Minutes

WINDOW_S: Final = 61.0          # a minute, and one second for requests that are slower on their way than those before
                                # them
HEAD: Final = b"anthrofs moments 1\n".ljust(32, b"\0")      # what the file is; then doubles, seconds of CLOCK_MONOTONIC
SLOT: Final = struct.Struct("<d")


class Work(enum.Enum):
    """The three kinds of people who wait for requests."""

    READS = enum.auto()
    SAVES = enum.auto()
    NEWS = enum.auto()


KEPT: Final = {                 # one of so many requests, at least
    Work.READS: 10,             # somebody waits in read() while a folder is saved
    Work.SAVES: 10,             # and in close() while somebody else reads a thousand small files
    Work.NEWS: 90,              # one each 12 s: what others do shows though this mount is busy
}


class Moments:
    """The file: a ring of as many moments as a window may have."""

    def __init__(self, path: Path | None) -> None:
        """Without a path the moments are forgotten with the process."""
        self._path = path                   # constant
        self._descriptor: int | None = None     # constant after `start`
        self._slots = 1                         # constant after `start`

    def start(self, most: int, now_s: float) -> list[float]:
        """The moments that were noted within the last window, in order; from now on there is room for `most`."""
        found: list[float] = []
        if self._path is None:
            return found
        with suppress(OSError):
            self._descriptor = _own(self._path)
            content = os.pread(self._descriptor, 2**20, 0)
            if content.startswith(HEAD):
                whole = (len(content) - len(HEAD)) // SLOT.size * SLOT.size
                found = sorted(moment for (moment,) in SLOT.iter_unpack(content[len(HEAD):len(HEAD) + whole])
                               if math.isfinite(moment) and max(0.0, now_s - WINDOW_S) < moment <= now_s)
            # In one write, and cut after it: a kill in between leaves each moment in its old place or in its new one.
            self._slots = max(most, len(found))
            length = os.pwrite(self._descriptor, HEAD + b"".join(map(SLOT.pack, found))
                               + bytes(SLOT.size * (self._slots - len(found))), 0)
            os.ftruncate(self._descriptor, length)
        return found

    def note(self, number: int, moment_s: float) -> None:
        """The moment of a request that is about to be sent; they are numbered in order, with those that `start` has
        found.
        """
        if self._descriptor is not None:
            with suppress(OSError):
                os.pwrite(self._descriptor, SLOT.pack(moment_s), len(HEAD) + number % self._slots * SLOT.size)

    def close(self) -> None:
        """No more calls after this."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _own(path: Path) -> int:
    """The file, opened. One that has a second name elsewhere keeps that one, and its bytes. Raises OSError."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
        return descriptor
    os.close(descriptor)
    path.unlink()
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


class Budget:
    """A sliding window. Not threadsafe: its owner has a lock."""

    def __init__(self, most: int, earlier_s: list[float]) -> None:
        self._most = most                                                           # constant
        self._kept = {work: most // each for work, each in KEPT.items()}           # constant
        self._moments = deque((moment_s, Work.SAVES) for moment_s in earlier_s)     # oldest first
        self._used = Counter(work for _, work in self._moments)                     # how many of them each has
        self._held = Counter[Work]()        # that may begin as soon as somebody else has said so, too

        self.minutes = Minutes()            # what this mount has begun, for who looks on

        # requests so far, with those of an earlier mount
        self.noted = len(earlier_s)

    def note(self, work: Work, now_s: float) -> int:
        """One begins now. Returns its number."""
        self._moments.append((now_s, work))
        self._used[work] += 1
        self.minutes.note(work, now_s)
        self.noted += 1
        return self.noted - 1

    def hold(self, work: Work) -> None:
        """One may begin, and waits for another's word: the others find its place taken until it is let go."""
        self._held[work] += 1

    def let_go(self, work: Work) -> None:
        """The word has come."""
        self._held[work] -= 1

    def allows(self, work: Work, now_s: float) -> bool:
        """One may begin now."""
        self._forget(now_s)
        return self._fits(work, len(self._moments) + self._held.total(), self._used + self._held)

    def begun(self, now_s: float) -> int:
        """How many have begun within the window."""
        self._forget(now_s)
        return len(self._moments)

    def wait_s(self, work: Work, now_s: float) -> float:
        """Until one may begin, if no other does before."""
        self._forget(now_s)
        left, used = len(self._moments), self._used.copy()
        if self._fits(work, left, used):
            return 0.0
        for moment_s, its in self._moments:
            left -= 1
            used[its] -= 1
            if self._fits(work, left, used):
                return moment_s + WINDOW_S - now_s
        raise AssertionError("an empty window has room for each work")

    def next_s(self, now_s: float) -> float:
        """Until the oldest request leaves the window: no answer changes by time alone before that."""
        self._forget(now_s)
        return self._moments[0][0] + WINDOW_S - now_s if self._moments else WINDOW_S

    def left(self, now_s: float) -> int:
        """How many could begin now, if nothing were kept."""
        self._forget(now_s)
        return max(0, self._most - len(self._moments))

    def _fits(self, work: Work, begun: int, used: Counter[Work]) -> bool:
        kept = sum(max(0, self._kept[other] - used[other]) for other in Work if other is not work)
        return begun + kept < self._most

    def _forget(self, now_s: float) -> None:
        while self._moments and self._moments[0][0] <= now_s - WINDOW_S:
            self._used[self._moments.popleft()[1]] -= 1
