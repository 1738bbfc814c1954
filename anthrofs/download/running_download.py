"""One running request of a file: where it is, who waits for what it brings, and how far it may run ahead of them.

Trusts  the reader's lock, which guards each. Pure: no thread, no network, no disk.
"""

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from anthrofs.download.bodies import WHOLE_BYTES, Expected
from anthrofs.errors import FsError
from anthrofs.store.blocks import BLOCK_BYTES

if TYPE_CHECKING:
    from anthrofs.remote.api import Download

WINDOW_BYTES: Final = 2**20             # ahead of the furthest reader; doubled by each read that follows the one before
WINDOW_MOST_BYTES: Final = 32 * 2**20
FLEETING_BYTES: Final = 2**18           # the window when the disk keeps nothing
FLEETING_BLOCKS: Final = 16             # that a feed holds then: the window, a run, readers that overtake each other
NEAR_BYTES: Final = 4 * 2**20           # a reader so far ahead of a feed waits for it; beyond, it gets its own request


class Want:
    """One reader's wait for one block."""

    def __init__(self) -> None:
        # Guarded by Reader._lock; no longer changed once `settled` is set:
        self.data: bytes | None = None
        self.error: FsError | None = None       # neither of the two: its feed was closed before it came by, ask anew

        self.settled = threading.Event()


class RunningDownload:
    """One running request, guarded by Reader._lock; its thread is in reader.py."""

    def __init__(self, lock: threading.Lock, expected: Expected, first: int, last: int | None, *, early: bool) -> None:
        self.expected = expected        # constant
        self.file_id = expected.file.file_id    # constant
        self.first = first              # constant: byte that was asked for at first
        self.last = last                # constant: last byte asked for; None: to the end
        self.length = expected.length   # constant: what the file is thought to have
        self.early = early              # constant: nobody had asked for it when it began
        self.asked = threading.Condition(lock)      # notified when `wanted` may have changed

        # Guarded by that lock:
        self.position = first           # of the next byte to hand out; a block boundary
        self.demand = first             # end of the furthest block that was asked for
        self.window = WINDOW_BYTES
        self.wants: dict[int, list[Want]] = {}
        self.brought: list[Want] = []   # whose block has come
        self.lasting = True             # the cache keeps on the disk what comes
        self.fresh: dict[int, bytes] = {}       # blocks that came and aren't in the cache, or won't stay there
        self.put_to = 0                 # the first of them that wasn't offered to the cache yet
        self.abandoned = False          # the last reader left
        self.moved_s = 0.0              # when bytes came last
        self.flows = False              # bytes of this answer have come, and the next ones are awaited
        self.stalled = False            # they didn't come in time, so it was cut
        self.body: Download | None = None       # the answer that is being read

    def will_bring(self, number: int, *, ranges: bool) -> bool:
        """Whether to wait for this one, rather than ask for the block itself. Without ranges there is no other way."""
        ahead = number * BLOCK_BYTES - self.position
        return (not self.abandoned and ahead >= 0 and (self.last is None or number * BLOCK_BYTES <= self.last)
                and (not ranges or self.length <= WHOLE_BYTES or ahead <= NEAR_BYTES))

    def ask(self, number: int, want: Want) -> None:
        """A reader wants that block: the want is settled when it comes by, or when the feed ends."""
        self.wants.setdefault(number, []).append(want)
        if (number + 1) * BLOCK_BYTES > self.demand:
            self.demand = (number + 1) * BLOCK_BYTES
            self.window = min(WINDOW_MOST_BYTES, self.window * 2)
        self.asked.notify_all()

    def wanted(self, *, ranges: bool) -> bool | None:
        """Whether to read on; None: not now. One that couldn't be resumed runs to its end."""
        if self.abandoned:
            return False
        if not ranges or (self.lasting and self.length <= WHOLE_BYTES):
            return True
        return True if self.position < self.demand + (self.window if self.lasting else FLEETING_BYTES) else None

    def bring(self, blocks: Iterable[bytes]) -> None:
        """The blocks from `position` on have come. Who waits for one is told by `wake`, or looks for itself."""
        number = self.position // BLOCK_BYTES
        for block in blocks:
            self.fresh[number] = block
            for want in self.wants.pop(number, ()):
                want.data = block
                self.brought.append(want)
            self.position += len(block)
            number += 1

    def wake(self) -> None:
        """Readers get what was brought for them."""
        for want in self.brought:
            want.settled.set()
        self.brought.clear()

    def was_put(self, *, lasting: bool) -> None:
        """All that came was offered to the cache. What it has no room for stays here until its readers had the time to
        come.
        """
        self.lasting, self.put_to = lasting, -(-self.position // BLOCK_BYTES)
        for number in list(self.fresh)[:None if lasting else -FLEETING_BLOCKS]:
            del self.fresh[number]

    def begin_again(self, position: int) -> None:
        """The next piece begins there, and nothing of what came before is there any more."""
        self.position, self.put_to = position, -(-position // BLOCK_BYTES)
        self.fresh.clear()

    def hurry(self, now_s: float, patience_s: float) -> None:
        """Somebody waits: an answer that has stopped in its middle for so long is cut, to be resumed."""
        if self.flows and self.body is not None and now_s - self.moved_s > patience_s:
            self.flows, self.stalled = False, True
            self.body.abort()

    def end(self, error: FsError | None, *, ended: bool) -> None:
        """No more comes. `ended`: because the file ended, so what is wanted lies beyond."""
        self.wake()
        for want in [want for wants in self.wants.values() for want in wants]:
            want.error, want.data = error, b"" if ended else None
            want.settled.set()
        self.wants.clear()

    def abandon(self) -> None:
        """Nobody wants it any more: a read of the network that may hang ends, too."""
        self.abandoned = True
        if self.body is not None:
            self.body.abort()
        self.asked.notify_all()
