"""Mount options as mount(8) spells them: comma-separated, given with -o any number of times. All that is an option of a
mount is one of these, too, as it is named in the file.
"""

from collections.abc import Sequence
from typing import Final

from anthrofs.errors import EXIT_USAGE, SetupError
from anthrofs.settings.findings import nearest
from anthrofs.settings.table import SETTINGS
from anthrofs.text import printable

# What mount(8) and fstab add to any file system, and what has no meaning or is always so here.
HARMLESS: Final = frozenset({"rw", "nosuid", "nodev", "noatime", "relatime", "nodiratime", "default_permissions",
                             "noauto", "auto", "user", "users", "_netdev", "nofail", "async"})
ALIASES: Final = {"ro": "read_only"}
PROFILE: Final = "profile"


def flags_of(given: Sequence[str]) -> dict[str, str | bool]:
    """The options by their names, as if they had been flags; `profile` among them. Raises SetupError naming the one
    that isn't known or makes no sense.
    """
    found: dict[str, str | bool] = {}
    for option in [part for text in given for part in text.split(",") if part]:
        name, equals, value = option.partition("=")
        if name in HARMLESS or name.startswith("x-") or name == "comment":
            continue
        setting = SETTINGS.get(ALIASES.get(name, name))
        try:
            if name == PROFILE and value:
                found[PROFILE] = value
            elif setting is None:
                raise unfit_option(name)
            elif setting.is_switch and (name in ALIASES or not equals):
                if equals:
                    raise SetupError("it takes no value, for its name says all.")
                found[setting.name] = True
            else:
                read = setting.read(value)
                found[setting.name] = read if setting.is_switch else value
        except SetupError as exc:
            raise SetupError(f"-o {printable(option)}: {exc}", EXIT_USAGE) from None
    return found


def unfit_option(name: str) -> SetupError:
    """The rest of a sentence about one that isn't known."""
    if name == "remount":
        return SetupError("a mount stays as it is: unmount it, and mount it with the options that you want.")
    hint = nearest(name, [*SETTINGS, *ALIASES])
    return SetupError("not an option of this file system. Known are ro, allow_other, uid=N, gid=N, umask=OCTAL, and "
                      f"all of `anthrofs mount --help`, like upload=queue{f': {hint}' if hint else '.'}")
