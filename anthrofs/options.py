"""Mount options as mount(8) spells them: comma-separated, given with -o any number of times.

Serves  cli. Pure: a configuration in, a configuration out.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from anthrofs.config import Config
from anthrofs.errors import EXIT_USAGE, SetupError

# What mount(8) and fstab add to any file system, and what has no meaning or is always so here.
HARMLESS: Final = frozenset({"rw", "nosuid", "nodev", "noatime", "relatime", "nodiratime", "default_permissions", "noauto", "auto",
                             "user", "users", "_netdev", "nofail", "async"})


def with_options(config: Config, given: Sequence[str]) -> Config:
    """The configuration with the options applied. Raises SetupError naming the one that isn't known or makes no sense."""
    for option in [part for text in given for part in text.split(",") if part]:
        name, _, value = option.partition("=")
        if name in HARMLESS:
            continue
        if name == "uid":
            config = replace(config, uid=_number(option, value, 10))
        elif name == "gid":
            config = replace(config, gid=_number(option, value, 10))
        elif name == "umask":
            config = replace(config, umask=_number(option, value, 8) & 0o777)
        elif name in ("ro", "allow_other") and not value:
            config = replace(config, read_only=True) if name == "ro" else replace(config, allow_other=True)
        else:
            raise SetupError(f"-o {option}: not an option of this file system. Known: ro, allow_other, uid=N, gid=N, umask=OCTAL.",
                             EXIT_USAGE)
    return config


def _number(option: str, value: str, base: int) -> int:
    try:
        number = int(value, base)
    except ValueError:
        number = -1
    if number < 0:
        raise SetupError(f"-o {option}: needs {'an octal number, like umask=027' if base == 8 else 'a number'}.", EXIT_USAGE)
    return number
