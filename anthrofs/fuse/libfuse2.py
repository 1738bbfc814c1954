"""The border through libfuse 2 and fusepy, with what comes most often made cheap: the attributes of one path, the names
of a directory. binding.py imports this once the library is known to be there.

With nullpath_ok and nopath an operation that has a handle gets no path: else a waiting read or flush freezes the whole
directory.
"""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Final

import fuse

from anthrofs.config import Config
from anthrofs.fuse import mountpoint
from anthrofs.fuse.operations import SERVED, Operations
from anthrofs.fuse.served import Stat, answer

NAME: Final = "fusepy"
VERSION: Final = "{}.{}".format(*divmod(fuse._libfuse.fuse_version(), 10))     # noqa: SLF001 - it has no other
STAT: Final = Stat(fuse.c_stat)


def thread() -> int:
    """See operations.Request."""
    _, _, asking = fuse.fuse_get_context()
    return int(asking)


def interrupted() -> bool:
    """See operations.Request."""
    return bool(fuse._libfuse.fuse_interrupted())       # noqa: SLF001 - the binding has no name of its own for it


def serve(operations: Operations, config: Config) -> None:
    """Mounts, and returns when it is unmounted. Raises RuntimeError when libfuse refuses."""
    Libfuse2(_Gate(operations), str(config.mountpoint),
             foreground=True,               # libfuse's own fork would lose every thread and client
             fsname=mountpoint.source_of(config.label), subtype="anthrofs", raw_fi=True, use_ino=True, big_writes=True,
             default_permissions=True,      # else the kernel enforces no modes
             # 12 is the default: 16 stalled readers then stop all reads
             max_background=2048, congestion_threshold=1536,
             entry_timeout=config.refresh_s, attr_timeout=config.refresh_s, negative_timeout=1,
             allow_other=config.allow_other, noexec=config.noexec, ro=config.read_only)


class _Gate(SimpleNamespace):
    """The operations as fusepy wants them: called by name, an attribute for each that is served, and flags."""

    def __init__(self, operations: Operations) -> None:
        super().__init__(**{name: getattr(operations, name) for name in SERVED}, use_ns=True, flag_nullpath_ok=True,
                         flag_nopath=True,
                         flag_utime_omit_ok=True)       # else utimens is only called with both times given
        self._ask = operations      # given

    def __call__(self, operation: str, *arguments: Any) -> Any:
        return self._ask(operation, *arguments)


class Libfuse2(fuse.FUSE):  # type: ignore[misc]     # fusepy has no types
    """Serves until it is unmounted: the constructor returns then."""

    _wrapper = staticmethod(answer)

    def getattr(self, path: bytes, buffer: Any) -> int:
        STAT.fill(buffer.contents, [*self.operations("getattr", path.decode()).values()])
        return 0

    def readdir(self, _path: None, buffer: Any, filler: Callable[..., int], _offset: int, info: Any) -> int:
        """One structure for all entries: libfuse copies it."""
        stat = fuse.c_stat()

        def show(name: str, node_id: int, mode: int) -> None:
            stat.st_ino, stat.st_mode = node_id, mode
            filler(buffer, name.encode(), stat, 0)

        self.operations("readdir", show, info.contents.fh)
        return 0
