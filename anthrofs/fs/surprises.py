"""Entries whose content others have changed lately, so that the kernel may still believe an old size.

Owns    a few entries, each for as long as the kernel keeps attributes.
Never   holds its lock while calling anybody.
"""

import threading
from typing import Final, TypeVar

from anthrofs.clock import Clock
from anthrofs.model import NodeId

AGAIN_S: Final = 0.5        # longer than an open and its second try are apart
# An answer with old attributes, looked up just before a change, takes a while to reach the kernel. One that was asked for meanwhile is
# then ignored there: the kernel takes it for the older one (fuse_change_attributes compares the moments of asking).
SETTLE_S: Final = 0.1

FEW: Final = 1000           # more of them are looked through for those that have served

Entry = tuple[NodeId, str]      # (directory, name)
K = TypeVar("K")


class _Moments(dict[K, float]):
    """When something happened, for as long as the kernel may not know it. Under the lock of whoever has it."""

    def __init__(self, known_s: float) -> None:
        self._known_s = known_s         # constant
        self._most = FEW

    def note(self, key: K, now_s: float) -> None:
        """It happened now. Old ones go when there are twice as many as were left the last time: of a change of thousands at once
        all are young, and looking through them at each would freeze the mount.
        """
        if len(self) >= self._most:
            for old in [known for known, at_s in self.items() if now_s - at_s >= self._known_s]:
                del self[old]
            self._most = max(FEW, 2 * len(self))
        self[key] = now_s


class Surprises:
    """Entries with the moment of their change."""

    def __init__(self, clock: Clock, attr_timeout_s: float) -> None:
        self._clock = clock                         # given
        self._attr_timeout_s = attr_timeout_s       # constant

        self._lock = threading.Lock()               # guards everything below; a leaf
        self._settling = threading.Condition(self._lock)
        self._changed_s = _Moments[Entry](attr_timeout_s)
        self._expected_s: dict[NodeId, float] = {}
        self._went_s = _Moments[tuple[Entry, bool]](attr_timeout_s)     # (entry, it was a directory)

    def note(self, entry: Entry, *, directory: bool = False) -> None:
        """Called before the change can be seen, of a file; or of a directory that goes."""
        now_s = self._clock.now_s()
        with self._lock:
            self._went_s.note((entry, directory), now_s)
            if not directory:
                self._changed_s.note(entry, now_s)

    def told(self, entry: Entry, asked_s: float) -> None:
        """The kernel gets attributes that were looked up after `asked_s`: what had settled by then is no surprise any more."""
        if self._changed_s:             # without the lock: nearly always empty
            with self._lock:
                if self._changed_s.get(entry, asked_s) + SETTLE_S <= asked_s:
                    del self._changed_s[entry]

    def swapped(self, entry: Entry, *, directory: bool) -> bool:
        """The kernel may believe that what it asks about is of the other kind: told so once, it asks for the name anew. (The other
        kind as an answer is an error of ours to it, EIO, for as long as it keeps the name.)
        """
        if not self._went_s:            # without the lock: nearly always empty
            return False
        with self._lock:
            at_s = self._went_s.pop((entry, not directory), None)
            swapped = at_s is not None and self._clock.now_s() - at_s < 2 * self._attr_timeout_s
            if swapped:
                self._changed_s.pop(entry, None)        # the other kind has a new inode there, without an old size
        return swapped

    def recent(self, entry: Entry) -> bool:
        """The kernel may believe a size that is no longer true."""
        with self._lock:
            at_s = self._changed_s.get(entry)
        # Twice: a commit can come a while after its note.
        return at_s is not None and self._clock.now_s() - at_s < 2 * self._attr_timeout_s

    def settle(self, entry: Entry) -> None:
        """Wait until the attributes that the kernel asks for next are sure to be believed: SETTLE_S at most."""
        with self._settling:
            until_s = self._changed_s.get(entry, float("-inf")) + SETTLE_S
            while (left_s := until_s - self._clock.now_s()) > 0:
                self._clock.wait(self._settling, left_s)

    def expect(self, node_id: NodeId) -> None:
        """Its open is answered with "ask again": the kernel does so once, then the program gets the error."""
        now_s = self._clock.now_s()
        with self._lock:
            self._expected_s = {known: at_s for known, at_s in self._expected_s.items() if now_s - at_s < AGAIN_S}
            self._expected_s[node_id] = now_s

    def expects(self, node_id: NodeId) -> bool:
        """It is about to be opened again, so others' changes wait a moment."""
        with self._lock:
            return self._clock.now_s() - self._expected_s.get(node_id, float("-inf")) < AGAIN_S
