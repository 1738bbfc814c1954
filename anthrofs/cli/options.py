"""Mount options as mount(8) spells them: comma-separated, given with -o any number of times."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from anthrofs.config import Config
from anthrofs.errors import EXIT_USAGE, SetupError
from anthrofs.tree.xattrs import EXPIRES_S

# What mount(8) and fstab add to any file system, and what has no meaning or is always so here.
HARMLESS: Final = frozenset({"rw", "nosuid", "nodev", "noatime", "relatime", "nodiratime", "default_permissions",
                             "noauto", "auto", "user", "users", "_netdev", "nofail", "async"})

SIZE: Final = re.compile(r"(?P<number>\d{1,12}(\.\d{1,3})?) ?(?P<unit>[kmgt])?b?", re.ASCII | re.IGNORECASE)

LARGEST_BYTES: Final = 2**62        # no disk has more, and no database takes much more
LARGEST_ID: Final = 2**32 - 2       # of a user or a group; the next one means: none

DURATION: Final = re.compile(r"(?P<number>\d{1,9}) ?(?P<unit>[dhms])?", re.ASCII | re.IGNORECASE)


def with_options(config: Config, given: Sequence[str]) -> Config:
    """The configuration with the options applied. Raises SetupError naming the one that isn't known or makes no sense.
    """
    for option in [part for text in given for part in text.split(",") if part]:
        name, _, value = option.partition("=")
        if name in HARMLESS:
            continue
        if name == "uid":
            config = replace(config, uid=_number(option, value, 10, LARGEST_ID))
        elif name == "gid":
            config = replace(config, gid=_number(option, value, 10, LARGEST_ID))
        elif name == "umask":
            config = replace(config, umask=_number(option, value, 8, 0o7777) & 0o777)
        elif name in ("ro", "allow_other") and not value:
            config = replace(config, read_only=True) if name == "ro" else replace(config, allow_other=True)
        else:
            raise SetupError(f"-o {option}: not an option of this file system. Known: ro, allow_other, uid=N, gid=N, "
                             "umask=OCTAL.",
                             EXIT_USAGE)
    return config


def byte_count(option: str, text: str) -> int:
    """10G, 500M, 64k, 0: powers of 1000, as disks are sold. Raises SetupError naming the option."""
    match = SIZE.fullmatch(text.strip())
    if match is None:
        raise SetupError(f"{option} {text}: needs a size, like 10G, 500M or 0.", EXIT_USAGE)
    found = float(match["number"]) * 1000 ** " kmgt".index((match["unit"] or " ").lower())
    return int(min(found, LARGEST_BYTES))


def most_kept(text: str) -> int | None:
    """The value of --keep-uploads: None for all, 0 for none. Raises SetupError."""
    words = text.strip().lower()
    if words in ("all", "none"):
        return None if words == "all" else 0
    # A forgotten unit would cost what nothing brings back; elsewhere 0 means no bound.
    if words.removesuffix("b")[-1:].isdigit() or SIZE.fullmatch(words) is None:
        raise SetupError(f"--keep-uploads {text}: needs all, none, or a size with its unit, like 20G.", EXIT_USAGE)
    return byte_count("--keep-uploads", text)


def most_glances(text: str) -> int | None:
    """The value of --glances: None for no bound, 0 for none. Raises SetupError."""
    words = text.strip().lower()
    return {"all": None, "none": 0}[words] if words in ("all", "none") else byte_count("--glances", text)


def one_of(option: str, text: str, *known: str) -> None:
    """Raises SetupError for another value than those."""
    if text not in known:
        raise SetupError(f"{option} takes {' or '.join(known)}, not {text!r}.", EXIT_USAGE)


def expiry_s(text: str) -> int | None:
    """The value of --expires-in; None, when it is empty: never. Raises SetupError."""
    found = seconds("--expires-in", text) if text else None
    if found is not None and found not in EXPIRES_S:
        raise SetupError(f"--expires-in takes 1h to 90d, not {text}.", EXIT_USAGE)
    return found


def seconds(option: str, text: str) -> int:
    """7d, 12h, 90m, 3600s, 3600. Raises SetupError naming the option."""
    match = DURATION.fullmatch(text.strip())
    if match is None:
        raise SetupError(f"{option} {text}: needs a time, like 7d, 12h or 3600.", EXIT_USAGE)
    return int(match["number"]) * {"d": 86400, "h": 3600, "m": 60, "s": 1}[(match["unit"] or "s").lower()]


def _number(option: str, value: str, base: int, most: int) -> int:
    try:
        number = int(value, base)
    except ValueError:
        number = -1
    if not 0 <= number <= most:
        raise SetupError(f"-o {option}: needs {'an octal number, like umask=027' if base == 8 else 'a number'}.",
                         EXIT_USAGE)
    return number
