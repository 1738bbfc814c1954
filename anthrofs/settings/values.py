"""Texts that people set, as values. Each reader raises SetupError with what it takes: who calls it says where it stood.

Never   quotes the text: a key may have come to the wrong place.
"""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from anthrofs.errors import EXIT_USAGE, SetupError

# Made into patterns by their first use: every command imports this, and few read one of these.
SIZE: Final = r"(?P<number>\d{1,12}(\.\d{1,3})?) ?(?P<unit>[kmgt])?b?"
DURATION: Final = r"(?P<number>\d{1,9}) ?(?P<unit>[dhms])?"
ID: Final = r"[A-Za-z0-9_-][A-Za-z0-9_.-]*"
LARGEST_BYTES: Final = 2**62        # no disk has more, and no database takes much more
LARGEST_ID: Final = 2**32 - 2       # of a user or a group; the next one means: none
SWITCH: Final = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False,
                 "0": False}

Reader = Callable[[str], Any]


def unfit(takes: str) -> SetupError:
    """The rest of a sentence that begins with what was set."""
    return SetupError(f"it takes {takes}.", EXIT_USAGE)


def switch(text: str) -> bool:
    """A variable's true or false, in the usual spellings."""
    if (found := SWITCH.get(text.strip().lower())) is None:
        raise unfit("true or false")
    return found


def choice(*known: str) -> Reader:
    """Reads one of those words."""
    def read(text: str) -> str:
        if text not in known:
            raise unfit(f"{', '.join(known[:-1])} or {known[-1]}")
        return text
    return read


def number(least: float, most: float, *, whole: bool = False) -> Reader:
    """Reads one between those. NaN isn't."""
    def read(text: str) -> float:
        try:
            found = int(text) if whole else float(text)
        except ValueError:
            found = math.nan
        if not least <= found <= most:
            raise unfit(f"a {'whole ' if whole else ''}number from {least:g} to {most:.0f}")
        return found
    return read


def size(text: str) -> int:
    """10G, 500M, 64k, 0: powers of 1000, as disks are sold."""
    match = re.fullmatch(SIZE, text.strip(), re.ASCII | re.IGNORECASE)
    if match is None:
        raise unfit("a size, like 10G, 500M or 0")
    found = float(match["number"]) * 1000 ** " kmgt".index((match["unit"] or " ").lower())
    return int(min(found, LARGEST_BYTES))


def kept(text: str) -> int | None:
    """None for all, 0 for none."""
    words = text.strip().lower()
    if words in ("all", "none"):
        return None if words == "all" else 0
    # A forgotten unit would cost what nothing brings back; elsewhere 0 means no bound.
    if words.removesuffix("b")[-1:].isdigit() or re.fullmatch(SIZE, words, re.ASCII | re.IGNORECASE) is None:
        raise unfit("all, none, or a size with its unit, like 20G")
    return size(words)


def bound(text: str) -> int | None:
    """None for all, 0 for none, else a size."""
    given = text.strip().lower()
    if given in ("all", "none"):
        return None if given == "all" else 0
    return size(text)


def expiry(text: str) -> int | None:
    """7d, 12h, 90m, 3600s, 3600, in seconds; None for never."""
    if text.strip().lower() == "never":
        return None
    from anthrofs.tree.xattrs import EXPIRES_S  # noqa: PLC0415 - with it comes SQLite: most commands need neither

    match = re.fullmatch(DURATION, text.strip(), re.ASCII | re.IGNORECASE)
    found = (int(match["number"]) * {"d": 86400, "h": 3600, "m": 60, "s": 1}[(match["unit"] or "s").lower()]
             if match is not None else -1)
    if found not in EXPIRES_S:
        raise unfit("never, or a time from 1h to 90d, like 7d or 12h")
    return found


def owner(text: str) -> int:
    """The number of a user or a group."""
    if not (text.isascii() and text.isdigit() and int(text) <= LARGEST_ID):
        raise unfit("a number, like 1000")
    return int(text)


def octal(text: str) -> int:
    """A umask."""
    try:
        found = int(text, 8)
    except ValueError:
        found = -1
    if not 0 <= found <= 0o7777:
        raise unfit("an octal number, like 027")
    return found & 0o777


def named(example: str) -> Reader:
    """Reads an id of the service's."""
    def read(text: str) -> str:
        if not re.fullmatch(ID, text, re.ASCII):
            raise unfit(f"an id, like {example}")
        return text
    return read


def path(text: str) -> Path:
    """A path; ~ is the home directory, as in a shell, which is not there to read a file or a variable."""
    if not text or "\0" in text:
        raise unfit("a path")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise unfit("a path of somebody's that this machine knows: there is no such home directory") from None


def words(text: str) -> tuple[str, ...]:
    """A command, as a shell splits it. (The file has it in pieces.)"""
    import shlex  # noqa: PLC0415 - few have a command

    try:
        found = tuple(shlex.split(text))
    except ValueError:
        found = ()
    if not found or "\0" in text:
        raise unfit("a command with its arguments, like: pass show anthropic")
    return found


def line(text: str) -> str:
    """Any text on one line."""
    if not text or not text.isprintable():
        raise unfit("a text on one line")
    return text
