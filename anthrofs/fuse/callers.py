"""Processes that make kernel requests, as /proc shows them: who they are, what they have open, which signals wait for
them.

Trusts  nothing to be there: a process ends at any moment, another user's doesn't show what it has open, and one of
        another pid namespace has no number here. Each of these answers as if it had nothing open.
Never   asks for a file's attributes: on our own mount that would wait for ourselves.
"""

import contextlib
import os
import signal
from collections.abc import Iterable
from typing import Final

from anthrofs.model import NodeId

FACTS: Final = 8        # lines of a status or fdinfo file, from its top, that tell who it is and what is open
EVERY: Final = 200      # more than a status file has
MOST_BYTES: Final = 2**18       # a status file with 65,536 groups is as long


def _mask(signals: Iterable[signal.Signals]) -> int:
    return sum(1 << number - 1 for number in signals)


# What a person or an administrator sends to end a program: also when it has a handler, for that can't run before the
# call returns.
ASKS: Final = _mask({signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP})
# What ends no program that has no handler for it, see signal(7).
HARMLESS: Final = _mask({signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH, signal.SIGSTOP, signal.SIGTSTP,
                         signal.SIGTTIN, signal.SIGTTOU})
UNBLOCKABLE: Final = _mask({signal.SIGKILL})


def process_of(thread: int) -> tuple[int, int]:
    """The thread group of a thread, and its parent; 0: unknown."""
    with contextlib.suppress(OSError):
        facts = _facts(f"/proc/{thread}/status")
        return int(facts["Tgid"]), int(facts["PPid"])
    return 0, 0


def program_of(process: int) -> str:
    """The program's name, not one of its threads'; empty: unknown."""
    with contextlib.suppress(OSError):
        return _text(f"/proc/{process}/comm").removesuffix("\n")
    return ""


def writes_to(process: int, below: str, node_id: NodeId) -> bool:
    """Whether the process has the node open for writing, through a path that begins with `below`, the mount's. What is
    being closed isn't found: the kernel takes it off the process's table before it tells of the close.
    """
    folder = f"/proc/{process}"
    with contextlib.suppress(OSError):
        for number in os.listdir(f"{folder}/fd"):       # noqa: PTH208 - no Path: on the way of every close
            with contextlib.suppress(FileNotFoundError):        # closed meanwhile
                if os.readlink(f"{folder}/fd/{number}").startswith(below):      # noqa: PTH115 - the same
                    facts = _facts(f"{folder}/fdinfo/{number}")
                    # Linux before 5.14 doesn't tell the inode.
                    if facts.get("ino") == str(node_id) and int(facts["flags"], 8) & os.O_ACCMODE != os.O_RDONLY:
                        return True
    return False


def is_ending(thread: int) -> bool:
    """A signal waits for the thread, or its process, that asks it to end or will end it: not a timer's, a child's, or
    what Go wakes its threads with. True also if nobody can say (another pid namespace, or /proc is closed to us): what
    has been asked for is kept, and a program that can't be ended would be worse than one that is told EINTR for
    nothing.

    The kernel tells us of the first signal only, and whatever it was, that one stays pending as long as the call lasts.
    """
    try:
        facts = _facts(f"/proc/{thread}/status", EVERY)
        pending, caught, ignored, blocked = (int(facts[name], 16) for name in ("SigPnd", "SigCgt", "SigIgn", "SigBlk"))
        return ends(pending | int(facts["ShdPnd"], 16), caught, ignored, blocked)
    except (OSError, KeyError, ValueError):
        return True


def ends(pending: int, caught: int, ignored: int, blocked: int) -> bool:
    """Masks as /proc has them: bit 0 is signal 1. What kills without a core dump shows as SIGKILL of each thread at
    once.
    """
    comes = pending & (~blocked | UNBLOCKABLE) & ~ignored
    return bool(comes & ASKS or comes & ~caught & ~HARMLESS)


def _facts(path: str, most: int = FACTS) -> dict[str, str]:
    lines = _text(path).split("\n", most)[:most]
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _text(path: str) -> str:
    """Reads a file of /proc, which gives it whole: three calls, where a file object takes seven. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, MOST_BYTES).decode(errors="replace")
    finally:
        os.close(descriptor)
