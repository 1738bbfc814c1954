"""The entry in a desktop's menu, as freedesktop's specification has it: what it says, and where it lies.

Never   writes anything: text and paths only.
"""

import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Final

NAME: Final = "anthrofs.desktop"
ICON: Final = "anthrofs.svg"
RESERVED: Final = re.compile(r"""[^A-Za-z0-9_@%+=:,./-]""")        # a word with one of these is quoted


def paths(data: Path) -> tuple[Path, Path]:
    """Where the entry lies, and its icon, below a user's directory for data ($XDG_DATA_HOME)."""
    return data / "applications" / NAME, data / "icons" / "hicolor" / "scalable" / "apps" / ICON


def data_home(environ: Mapping[str, str]) -> Path | None:
    """The user's directory for data; None: there is no home."""
    if (named := environ.get("XDG_DATA_HOME", "")).startswith("/"):
        return Path(named)
    return Path(environ["HOME"], ".local", "share") if environ.get("HOME") else None


def icon() -> bytes:
    """The icon's picture."""
    return (resources.files(__package__) / ICON).read_bytes()


def entry(program: Sequence[str], profiles: Sequence[str], *, page: bool) -> str:
    """The entry's text. `program` starts anthrofs; each profile has an action that opens it, and so has the `page`, if
    there is such a command.
    """
    actions: dict[str, tuple[str, tuple[str, ...]]] = {
        f"profile-{number}": (f"Open {name}", ("desktop", "open", name)) for number, name in enumerate(profiles)}
    if page:
        actions["page"] = ("Show what is under way", ("web",))
    main = ["[Desktop Entry]", "Type=Application", "Name=Anthropic Files", "GenericName=Remote files",
            "Comment=Mount a workspace of the Anthropic Files API, and show its files",
            f"Exec={_line([*program, 'desktop', 'open'])}", "Icon=anthrofs", "Terminal=false",
            "Categories=Network;FileTransfer;", "Keywords=Claude;API;mount;",
            f"Actions={''.join(f'{key};' for key in actions)}"]
    groups = [["", f"[Desktop Action {key}]", f"Name={_escaped(name)}", f"Exec={_line([*program, *words])}"]
              for key, (name, words) in actions.items()]
    return "\n".join([*main, *(line for group in groups for line in group), ""])


def _line(words: Sequence[str]) -> str:
    """A command line: each word quoted as such entries have it, then the whole as a value."""
    return _escaped(" ".join(map(_quoted, words)))


def _quoted(word: str) -> str:
    word = word.replace("%", "%%")
    return word if word and not RESERVED.search(word) else '"' + re.sub(r'(["`$\\])', r"\\\1", word) + '"'


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r")
