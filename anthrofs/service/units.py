"""The two units, and the files that they are in. Pure, but for the text that comes with the package.

Never   puts a key, or a word of the user's that a unit would take for more than a word, into a unit.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

from anthrofs.errors import EXIT_USAGE, SetupError
from anthrofs.text import printable

SUFFIX: Final = ".service"
TEMPLATE: Final = f"anthrofs@{SUFFIX}"
PLACE: Final = "@anthrofs@"
USERS_DROP_IN: Final = "user.conf"
# What stands for itself in the name of an instance. (A dash does, too, where nobody asks for a path of it.)
NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9:_.-]*", re.ASCII)
USER: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\$?", re.ASCII)
ENVIRONMENT: Final = """\
# For the service anthrofs@{name}: one NAME=value a line, as far as the profile {name} of the configuration doesn't say
# it. Without the # in front, for instance:
#ANTHROPIC_API_KEY=sk-ant-...
#ANTHROFS_DIR=/home/you/files
#ANTHROFS_OPTIONS=--upload queue
"""


@dataclass(frozen=True, slots=True)
class Folders:
    """Where one manager's files are."""

    units: Path
    environments: Path      # NAME.env

    def template(self) -> Path:
        """The unit of all instances."""
        return self.units / TEMPLATE

    def drop_in(self, name: str) -> Path:
        """The file that says as whom an instance of the machine's runs."""
        return self.units / f"{unit_of(name)}.d" / USERS_DROP_IN

    def environment(self, name: str) -> Path:
        """The file of variables of an instance."""
        return self.environments / f"{name}.env"


SYSTEM: Final = Folders(Path("/etc/systemd/system"), Path("/etc/anthrofs"))


def users_folders(environ: Mapping[str, str]) -> Folders:
    """Returns those of whoever asks. Raises SetupError."""
    base = environ.get("XDG_CONFIG_HOME", "")
    try:
        root = Path(base) if base.startswith("/") else Path.home() / ".config"      # XDG: relative ones don't count
    except RuntimeError:
        raise SetupError("There is no home directory to put a service into: set HOME.", EXIT_USAGE) from None
    return Folders(root / "systemd" / "user", root / "anthrofs")


def unit_of(name: str) -> str:
    """The instance of that name."""
    return TEMPLATE.replace("@", f"@{name}")


def checked(name: str) -> str:
    """The name. Raises SetupError for one that a unit can't have as it is."""
    if name.endswith(SUFFIX):
        raise SetupError(f"A service's name is that of its profile: {printable(name.removesuffix(SUFFIX))}, not that "
                         "of a unit.", EXIT_USAGE)
    if not NAME.fullmatch(name):
        raise SetupError(f"A service's name has letters, digits, and : _ . - only, not {printable(name)!a}: give the "
                         "profile such a name.", EXIT_USAGE)
    return name


def text(program: tuple[str, ...], *, system: bool) -> str:
    """The unit, which starts this very program."""
    source = resources.files("anthrofs") / "service" / ("system.service" if system else "user.service")
    return source.read_text(encoding="utf-8").replace(PLACE, " ".join(map(_word, program)))


def drop_in_text(user: str) -> str:
    """Says as whom an instance runs. Raises SetupError."""
    if not USER.fullmatch(user):
        raise SetupError(f"{printable(user)!a} can't be a user's name.", EXIT_USAGE)
    return f"[Service]\nUser={user}\n"


def _word(text: str) -> str:
    """A word of a command line in a unit. Raises SetupError for what systemd takes in none."""
    if not text.isprintable() or set(text) & set("\"'\\"):
        raise SetupError(f"The path of this program, {text!a}, can't be written into a unit: install it elsewhere.",
                         EXIT_USAGE)
    quoted = text.replace("%", "%%")
    return f'"{quoted}"' if re.search(r"[^A-Za-z0-9/._+=:,@%-]", quoted) else quoted
