"""A person's file of settings: ~/.config/anthrofs/config.toml, or what ANTHROFS_CONFIG names.

    [defaults]                  what holds for every mount
    upload = "queue"

    [profile.work]              what `anthrofs mount work` is
    directory = "~/work"
    key_file = "~/.config/anthrofs/work.key"

Trusts  the file's owner only: it names commands that are run, so one that others can change is refused.
Never   quotes a value: a key may have come to the wrong place.
"""

import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from anthrofs.errors import EXIT_USAGE, SetupError
from anthrofs.text import printable

VARIABLE: Final = "ANTHROFS_CONFIG"
LIMIT_BYTES: Final = 2**20
DEFAULTS: Final = "defaults"
PROFILE: Final = "profile"
HEADER: Final = re.compile(r"\s*\[+(?P<keys>[^\[\]]+)\]+\s*(#.*)?")
PLACE: Final = re.compile(r"(?P<words>.*?) \(at (line (?P<line>\d+), column (?P<column>\d+)|end of document)\)",
                          re.DOTALL)
ASSIGNED: Final = re.compile(r"\s*(?P<keys>[^=#\[\]{}]+?)\s*=")


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """The file's content, as it stands there."""

    path: Path | None                   # None: there is no place for one
    top: Mapping[str, Any] = field(default_factory=dict, repr=False)
    lines: Mapping[tuple[str, ...], int] = field(default_factory=dict)      # of each key, by the way to it

    @property
    def defaults(self) -> Mapping[str, Any]:
        """Options of every mount."""
        return _table(self.top.get(DEFAULTS))

    @property
    def profiles(self) -> Mapping[str, Mapping[str, Any]]:
        """Profiles by their names, with their options."""
        return {name: _table(table) for name, table in _table(self.top.get(PROFILE)).items()}

    def line(self, *keys: str) -> int:
        """The line of a key, else of what it is in; 0: neither was found."""
        return next((self.lines[keys[:end]] for end in range(len(keys), 0, -1) if keys[:end] in self.lines), 0)

    def where(self, *keys: str) -> str:
        """The place of a key, as editors and compilers have it."""
        return f"{printable(str(self.path))}{f':{found}' if (found := self.line(*keys)) else ''}"


def config_path(environ: Mapping[str, str]) -> Path | None:
    """Where the file is, or would be. None: there is no home directory."""
    if named := environ.get(VARIABLE, ""):
        return Path(os.path.abspath(named))     # noqa: PTH100 - a link's name is what a person knows it by
    base = environ.get("XDG_CONFIG_HOME", "")
    try:
        # XDG: relative ones don't count
        root = Path(base) if base.startswith("/") else Path.home() / ".config"
    except RuntimeError:
        return None
    return root / "anthrofs" / "config.toml"


def read_config(environ: Mapping[str, str], *, made: bool = False) -> ConfigFile:
    """The file; one that isn't there says nothing, unless it was named and isn't about to be made. Raises SetupError.
    """
    path = config_path(environ)
    if path is None:
        return ConfigFile(None)
    try:
        text = _text(path)
    except FileNotFoundError:
        if environ.get(VARIABLE, "") and not made:
            raise SetupError(f"{VARIABLE} names {printable(str(path))}, and that does not exist. Make it: anthrofs "
                             f"init; or unset {VARIABLE}.", EXIT_USAGE) from None
        return ConfigFile(path)
    except NotADirectoryError:
        return ConfigFile(path)
    return parsed(path, text)


def parsed(path: Path, text: str) -> ConfigFile:
    """The file of that text. Raises SetupError, with the line and the column."""
    import tomllib  # noqa: PLC0415 - most commands read no file

    try:
        top = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as exc:
        match = PLACE.fullmatch(str(exc))
        at = f":{match['line']}:{match['column']}" if match and match["line"] else f":{text.count(chr(10)) + 1}"
        said = match["words"] if match else "it can't be read as TOML"
        raise SetupError(f"{printable(str(path))}{at}: {_about(said)}.", EXIT_USAGE) from None
    return ConfigFile(path, top, dict(_lines(text)))


def _about(words: str) -> str:
    """The library's words, without what it quotes: a key may have come there. Its sentences begin with a capital."""
    quoted = words.find("'") if words.startswith(("Illegal", "Found invalid", "Duplicate")) else -1
    return printable(words if quoted < 0 else words[:quoted].rstrip()).rstrip(".")


def _text(path: Path) -> str:
    """Raises SetupError, FileNotFoundError, NotADirectoryError."""
    shown = printable(str(path))
    try:
        # A pipe without a writer isn't waited for. The file that is looked at is the one that is read.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as exc:
        raise SetupError(f"{shown} can't be read: {exc.strerror}.", EXIT_USAGE) from exc
    try:
        found = os.fstat(descriptor)
        if stat.S_ISCHR(found.st_mode):
            return ""                   # /dev/null: no settings at all
        if not stat.S_ISREG(found.st_mode):
            raise SetupError(f"{shown} is no plain file.", EXIT_USAGE)
        if found.st_mode & 0o022:
            raise SetupError(f"{shown} can be changed by others than you, and it can name commands: chmod go-w "
                             f"{shown}", EXIT_USAGE)
        if found.st_uid not in (0, os.geteuid()):
            raise SetupError(f"{shown} belongs to another user, and it can name commands: have one of your own.",
                             EXIT_USAGE)
        with os.fdopen(os.dup(descriptor), "rb") as file:
            data = file.read(LIMIT_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(data) > LIMIT_BYTES:
        raise SetupError(f"{shown} is longer than any file of settings: {LIMIT_BYTES} bytes at most.", EXIT_USAGE)
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        raise SetupError(f"{shown}:{line}: the file is not UTF-8: save it as UTF-8.", EXIT_USAGE) from None


def _lines(text: str) -> Iterator[tuple[tuple[str, ...], int]]:
    """Where each key stands. Text that only looks like one is given a place, too: nobody asks for that."""
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.split("\n"), 1):
        if (match := HEADER.fullmatch(line)) and (keys := _keys(match["keys"])):
            table = keys
            for end in range(1, len(table) + 1):
                yield table[:end], number
        elif (match := ASSIGNED.match(line)) and (keys := _keys(match["keys"])):
            for end in range(1, len(keys) + 1):
                yield (*table, *keys[:end]), number


def _keys(text: str) -> tuple[str, ...]:
    """The keys that are written with points between them; nothing, if they can't be read."""
    import tomllib  # noqa: PLC0415 - as above

    try:
        found: Any = tomllib.loads(f"{text} = 0")
    except tomllib.TOMLDecodeError:
        return ()
    keys = list[str]()
    while isinstance(found, dict):
        (name, found), = found.items()
        keys.append(name)
    return tuple(keys)


def _table(found: object) -> Mapping[str, Any]:
    return found if isinstance(found, dict) else {}
