"""The kernel's memory of a path: attributes that others have changed since, and pages of the file that was read there.

Attributes stay in the kernel for as long as it was told. It may have been told a size just before others changed it:
Surprises knows the entries of which that may be so, for each open that would use the old size.

Pages stay until the next open of the path, whose answer says whether to keep them (keep_cache). They belong to the
path, not to the handle, so they may be kept only if all that they can hold is the very content that is opened now:
PageCache knows.

Owns    a few changed entries, each for as long as the kernel keeps attributes; and a note a path: the content that was
        last read there, once its handle is gone and nobody could have written.
Never   holds a lock while calling anybody, and never believes a writer: dirty pages whose write was refused can stay
        behind in the kernel, with no trace here.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, TypeVar

from anthrofs.clock import Clock
from anthrofs.model import FileId, NodeId

AGAIN_S: Final = 0.5        # longer than an open and its second try are apart
# An answer with old attributes, looked up just before a change, takes a while to reach the kernel. One that was asked
# for meanwhile is then ignored there: the kernel takes it for the older one (fuse_change_attributes compares the
# moments of asking).
SETTLE_S: Final = 0.1

FEW: Final = 1000           # more of them are looked through for those that have served
PATHS: Final = 10_000       # noted at most; one that was forgotten costs a read from the cache

Entry = tuple[NodeId, str]      # (directory, name)
Version = tuple[FileId, int]        # a file id's content never changes; what is thought to be its length can
K = TypeVar("K")


class _Moments(dict[K, float]):
    """Moments at which something happened, for as long as the kernel may not know it. Under the lock of whoever has
    them.
    """

    def __init__(self, known_s: float) -> None:
        self._known_s = known_s         # constant
        self._most = FEW

    def note(self, key: K, now_s: float) -> None:
        """Notes that it happens now. Old ones go when there are twice as many as were left the last time: of a change
        of thousands at once all are young, and looking through them at each would freeze the mount.
        """
        if len(self) >= self._most:
            for old in [known for known, at_s in self.items() if now_s - at_s >= self._known_s]:
                del self[old]
            self._most = max(FEW, 2 * len(self))
        self[key] = now_s


class Surprises:
    """Entries whose content others have changed lately, so that the kernel may still believe an old size."""

    def __init__(self, clock: Clock, attr_timeout_s: float) -> None:
        self._clock = clock                         # given
        self._attr_timeout_s = attr_timeout_s       # constant

        self._lock = threading.Lock()               # guards everything below; a leaf
        self._settling = threading.Condition(self._lock)
        self._changed_s = _Moments[Entry](attr_timeout_s)
        self._expected_s: dict[NodeId, float] = {}
        self._went_s = _Moments[tuple[Entry, bool]](attr_timeout_s)     # (entry, it was a directory)

    def note(self, entry: Entry, *, directory: bool = False) -> None:
        """Others change that file, or a directory goes. The caller says so before the change can be seen."""
        now_s = self._clock.now_s()
        with self._lock:
            self._went_s.note((entry, directory), now_s)
            if not directory:
                self._changed_s.note(entry, now_s)

    def moved(self, old: Entry, new: Entry) -> None:
        """A file goes from one name to another: what the kernel believes of it goes along."""
        with self._lock:
            if old in self._changed_s:
                self._changed_s[new] = self._changed_s.pop(old)

    def told(self, entry: Entry, asked_s: float) -> None:
        """The kernel gets attributes that were looked up after `asked_s`: what had settled by then is no surprise any
        more.
        """
        if self._changed_s:             # without the lock: nearly always empty
            with self._lock:
                if self._changed_s.get(entry, asked_s) + SETTLE_S <= asked_s:
                    del self._changed_s[entry]

    def swapped(self, entry: Entry, *, directory: bool) -> bool:
        """The kernel may believe that what it asks about is of the other kind: told so once, it asks for the name anew.
        (The other kind as an answer is an error of ours to it, EIO, for as long as it keeps the name.)
        """
        if not self._went_s:            # without the lock: nearly always empty
            return False
        with self._lock:
            at_s = self._went_s.pop((entry, not directory), None)
            swapped = at_s is not None and self._clock.now_s() - at_s < 2 * self._attr_timeout_s
            if swapped:
                self._changed_s.pop(entry, None)        # the other kind has a new inode there, without an old size
        return swapped

    def doubted(self, directory: NodeId) -> set[str]:
        """Returns the names in it of which the kernel may believe something that is no longer true."""
        if not self._changed_s and not self._went_s:        # without the lock: nearly always empty
            return set()
        with self._lock:
            return {name for parent, name in self._changed_s if parent == directory} | {
                name for (parent, name), _ in self._went_s if parent == directory}

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
        """An open of the node is answered with "ask again": the kernel does so once, then the program gets the
        error.
        """
        now_s = self._clock.now_s()
        with self._lock:
            self._expected_s = {known: at_s for known, at_s in self._expected_s.items() if now_s - at_s < AGAIN_S}
            self._expected_s[node_id] = now_s

    def expects(self, node_id: NodeId) -> bool:
        """The node is about to be opened again, so others' changes wait a moment."""
        with self._lock:
            return self._clock.now_s() - self._expected_s.get(node_id, float("-inf")) < AGAIN_S


class _Path:
    def __init__(self) -> None:
        # Guarded by PageCache._lock:
        self.holds: Version | None = None       # all that can be in the kernel; None: anything
        self.writers = 0                        # handles open for writing
        self.changes = 0                        # opens so far of content that may change


@dataclass(frozen=True, slots=True)
class _Sight:
    """One open, as `released` wants to see it again."""

    path: _Path
    version: Version | None
    writes: bool
    before: int             # _Path.changes at the open


class PageCache:
    """Notes by path; a rename makes them void."""

    def __init__(self) -> None:
        self._lock = threading.Lock()           # guards everything below; a leaf
        self._paths: OrderedDict[str, _Path] = OrderedDict()
        self._sights: dict[int, _Sight] = {}  # by the handle's number

    def opened(self, handle: int, name: str, version: Version | None, *, writes: bool) -> bool:
        """A handle is about to be open there with that content; None: with content that may change. True: the kernel
        may keep its pages.
        """
        with self._lock:
            path = self._paths.setdefault(name, _Path())
            self._paths.move_to_end(name)
            path.writers += writes
            if writes or version is None:
                path.holds = None
                path.changes += 1
            keep = not path.writers and version is not None and path.holds == version
            self._sights[handle] = _Sight(path, None if path.writers else version, writes, path.changes)
            if len(self._paths) > PATHS:
                self._paths.pop(next(each for each, known in self._paths.items() if not known.writers), None)
        return keep

    def released(self, handle: int, version: Version | None) -> None:
        """The handle is gone: the open's answer has surely come to the kernel, and dropped all older pages there.
        `version` is that of the content at the end: through another path it may have become a local one.
        """
        with self._lock:
            sight = self._sights.pop(handle, None)
            if sight is None:                  # it was never given out
                return
            sight.path.writers -= sight.writes
            if sight.version is not None and sight.version == version and sight.path.changes == sight.before:
                sight.path.holds = version

    def forget(self, *names: str) -> None:
        """Other files may come to these paths, or have gone from them. What is still open there notes into nothing."""
        with self._lock:
            for name in names:
                self._paths.pop(name, None)

    def forget_below(self, *directories: str) -> None:
        """Other files may come to all paths in these, or have gone from them."""
        prefixes = tuple(f"{path}/" for path in directories)
        with self._lock:
            for name in [name for name in self._paths if name.startswith(prefixes)]:
                del self._paths[name]
