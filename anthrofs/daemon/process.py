"""A mount's own process: its log, its signals, its limits, its heap, and who may look into it.

Never   hands the key on: neither to a program that it starts, nor to a core dump.
"""

import contextlib
import ctypes
import logging
import logging.handlers
import os
import re
import resource
import signal
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Final

from anthrofs.daemon.log_bound import Bound
from anthrofs.journal import for_journal, is_journal, number_of
from anthrofs.store.state_dir import log_path
from anthrofs.text import printable, printable_lines

SIGNALS: Final = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
DESCRIPTORS: Final = 65536      # each file that is open for writing costs one, and 1024 is what most sessions have
LOG_BYTES: Final = 2**20
M_ARENA_MAX: Final = -8         # malloc.h
PR_SET_DUMPABLE: Final = 4      # linux/prctl.h
PRIVATE: Final = 0o077          # umask: all that it makes is for its user only
# Names of variables with a key, a token or a password in them, or where those are.
SECRET: Final = re.compile(r"ANTHROPIC_.*|.*_proxy", re.IGNORECASE)
SECRET_OF_FLEETS: Final = re.compile(r"(ANTHROFS_BOARD|ANTHROFS_STORE|AWS|AZURE|GOOGLE).*", re.IGNORECASE)


def keep_private() -> None:
    """Nothing that this process makes can be read by others, whatever umask it was given, and no core dump holds the
    key. (As ssh-agent does it. That also closes /proc/PID/environ and mem to this user's other programs.)
    """
    os.umask(PRIVATE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # A core_pattern that is a pipe ignores the limit. Another C library, or a kernel that refuses it, has the limit.
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def forget_secrets(*, fleets: bool) -> None:
    """Programs that are started from now on (fusermount) get no key by the environment: all that is needed of it was
    read. `fleets`: that of the fleet's store and board, too.
    """
    for name in list(os.environ):
        if SECRET.fullmatch(name) or (fleets and SECRET_OF_FLEETS.fullmatch(name)):
            del os.environ[name]


def has_terminal() -> bool:
    """A terminal is this process's own: SIGHUP is its word that it has gone."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


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


class LogFile(logging.handlers.RotatingFileHandler):
    """A log that goes through no link, and has no second name elsewhere."""

    def _open(self) -> TextIOWrapper:
        path = Path(self.baseFilename)
        with contextlib.suppress(FileNotFoundError):
            if path.stat(follow_symlinks=False).st_nlink > 1:
                path.unlink()
        found = open(path, self.mode, encoding=self.encoding, errors=self.errors, opener=_own)      # noqa: SIM115
        assert isinstance(found, TextIOWrapper)
        return found


def _own(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)


class Lines(logging.Formatter):
    """One line a record: names and answers in it may hold what a terminal obeys, or the start of another line. What
    belongs to a traceback is set in.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:       # noqa: N802 - logging's
        """See logging.Formatter."""
        record.message = printable(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:                       # noqa: N802 - logging's
        """See logging.Formatter."""
        return printable_lines(super().formatException(ei)).replace("\n", "\n  ")


class JournalLines(Lines):
    """The same as systemd's journal takes them."""

    def __init__(self) -> None:
        super().__init__("%(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        return for_journal(super().format(record), number_of(record.levelno))


def log_to(state_dir: Path, *, foreground: bool) -> None:
    """A log file of three times LOG_BYTES at most, made at the first line; in the foreground to standard error, too,
    in the journal's way where that is the journal. Raises SetupError.
    """
    path = log_path(state_dir)
    logging.raiseExceptions = False     # a line that a full disk doesn't take is not worth a traceback
    handlers: list[logging.Handler] = [LogFile(
        path, maxBytes=LOG_BYTES, backupCount=2, delay=True, encoding="utf-8", errors="backslashreplace")]
    handlers[0].setFormatter(lines := Lines("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    if foreground:
        handlers.append(shown := logging.StreamHandler())
        shown.setFormatter(JournalLines() if is_journal(2) else lines)
    logging.basicConfig(level=logging.INFO, handlers=[Bound(handlers)], force=True)
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)       # a line a request would bury the rest
