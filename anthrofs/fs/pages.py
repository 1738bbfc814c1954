"""What the kernel's page cache may hold under each path: whether an open may leave it as it is.

The kernel drops a file's pages at each open, unless the answer says to keep them (keep_cache). Pages belong to the path, not to
the handle, so they may be kept only if all that they can hold is the very content that is opened now.

Owns    a note a path: the content that was last read there, once its handle is gone and nobody could have written.
Never   believes a writer: dirty pages whose write was refused can stay behind in the kernel, with no trace here.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from anthrofs.model import FileId

PATHS: Final = 10_000       # noted at most; one that was forgotten costs a read from the cache

Version = tuple[FileId, int]        # a file id's content never changes; what is thought to be its length can


class _Path:
    def __init__(self) -> None:
        # Guarded by Pages._lock:
        self.holds: Version | None = None       # all that can be in the kernel; None: anything
        self.writers = 0                        # handles open for writing
        self.changes = 0                        # opens so far of content that may change


@dataclass(frozen=True, slots=True)
class _Glance:
    """One open, as `released` wants to see it again."""

    path: _Path
    version: Version | None
    writes: bool
    before: int             # _Path.changes at the open


class Pages:
    """Notes by path; a rename makes them void."""

    def __init__(self) -> None:
        self._lock = threading.Lock()           # guards everything below; a leaf
        self._paths: OrderedDict[str, _Path] = OrderedDict()
        self._glances: dict[int, _Glance] = {}  # by the handle's number

    def opened(self, handle: int, name: str, version: Version | None, *, writes: bool) -> bool:
        """A handle is about to be open there with that content; None: with content that may change. True: the kernel may keep its pages."""
        with self._lock:
            path = self._paths.setdefault(name, _Path())
            self._paths.move_to_end(name)
            path.writers += writes
            if writes or version is None:
                path.holds = None
                path.changes += 1
            keep = not path.writers and version is not None and path.holds == version
            self._glances[handle] = _Glance(path, None if path.writers else version, writes, path.changes)
            if len(self._paths) > PATHS:
                self._paths.pop(next(each for each, known in self._paths.items() if not known.writers), None)
        return keep

    def released(self, handle: int, version: Version | None) -> None:
        """The handle is gone: the open's answer has surely come to the kernel, and dropped all older pages there. `version`
        is that of the content at the end: through another path it may have become a local one.
        """
        with self._lock:
            glance = self._glances.pop(handle, None)
            if glance is None:                  # it was never given out
                return
            glance.path.writers -= glance.writes
            if glance.version is not None and glance.version == version and glance.path.changes == glance.before:
                glance.path.holds = version

    def forget(self, *names: str) -> None:
        """Other files may come to these paths, or have gone from them. What is still open there notes into nothing."""
        with self._lock:
            for name in names:
                self._paths.pop(name, None)

    def forget_below(self, *directories: str) -> None:
        """The same for all that is in these."""
        prefixes = tuple(f"{path}/" for path in directories)
        with self._lock:
            for name in [name for name in self._paths if name.startswith(prefixes)]:
                del self._paths[name]
