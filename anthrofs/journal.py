"""Lines for systemd's journal: it has the time by itself, and reads each line's level in front of it (sd-daemon(3)).

Trusts  JOURNAL_STREAM only where it names the very stream: a service's children inherit the variable, not the stream.
"""

import os
from collections.abc import Mapping
from typing import Final

ERROR: Final = 3
# Python's levels, the worst first, by the journal's numbers.
LEVELS: Final = ((50, 2), (40, ERROR), (30, 4), (20, 6), (0, 7))


def is_journal(descriptor: int, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the journal gets what is written there."""
    try:
        found = os.fstat(descriptor)
    except OSError:
        return False
    return environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def for_journal(text: str, number: int) -> str:
    """The text with its level before each line: to the journal each is an entry."""
    return "\n".join(f"<{number}>{line}" for line in text.split("\n"))


def number_of(level: int) -> int:
    """The journal's number of one of Python's levels."""
    return next(number for least, number in LEVELS if level >= least)
