"""A mount's own process: its log, its signals, its limits, its heap.

"""

import contextlib
import ctypes
import logging
import logging.handlers
import resource
import signal
from pathlib import Path
from typing import Final

from anthrofs.store.state_dir import log_path

SIGNALS: Final = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
DESCRIPTORS: Final = 65536      # each file that is open for writing costs one, and 1024 is what most sessions have
M_ARENA_MAX: Final = -8         # malloc.h


def prepare() -> None:
    """Before any thread exists."""
    # Blocked in all threads: libfuse's own handlers never run, and sigwait gets them.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, DESCRIPTORS)), hard))
    # glibc gives each thread a heap of its own, and none ever shrinks: reading 500 MB through libfuse's threads was
    # measured to end with 97 MB instead of 61. Another C library has no such call.
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


def log_to(state_dir: Path, *, foreground: bool) -> None:
    """A bounded log file, made at the first line; in the foreground to standard error, too. Raises SetupError."""
    path = log_path(state_dir)
    logging.raiseExceptions = False     # a line that a full disk doesn't take is not worth a traceback
    handlers: list[logging.Handler] = [logging.handlers.RotatingFileHandler(
        path, maxBytes=2**20, backupCount=2, delay=True, encoding="utf-8", errors="backslashreplace")]
    if foreground:
        handlers.append(logging.StreamHandler())
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", handlers=handlers,
                        force=True)
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)       # a line a request would bury the rest
