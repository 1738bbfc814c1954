"""A person's file of settings, told without what may be secret in it: no comment, no value of a name that isn't an
option's, or that its option doesn't take, no word of a command but the first.

Never   quotes a line as it stands: a key may have come anywhere.
"""

import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any, Final

from anthrofs.doctor.masks import MASK
from anthrofs.errors import SetupError
from anthrofs.settings.findings import text_of
from anthrofs.settings.shown import ADDRESSES, masked
from anthrofs.settings.table import DIRECTORY, SETTINGS

KNOWN: Final = {**SETTINGS, DIRECTORY.name: DIRECTORY}
NAMED: Final = frozenset({"credential", "keyring", "login"})     # a key that was pasted there looks like a name, too
TABLE: Final = re.compile(r"\s*(?P<names>\[\s*(?:defaults|profile\s*\.[^\[\]#=]+)\])")
OPTION: Final = re.compile(r"\s*[\"']?(?P<names>[A-Za-z_-]+)[\"']?\s*=", re.ASCII)


def told(text: str) -> str:
    """Returns what is in a file of that text; of one that makes no sense, the names."""
    try:
        top = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        names = list(_names(text))
        return "# it can't be read as TOML: names only\n" + "".join(f"{name}\n" for name in names)
    return "".join(f"{line}\n" for line in _lines(top, ()))


def command_told(words: object) -> str:
    """Returns a command without its arguments, in which a secret may be."""
    program, *more = (words if isinstance(words, list) else str(words).split(maxsplit=1)) or [""]
    name = MASK if "=" in str(program) else str(program)        # NAME=value, as before a shell's command
    return f"{name} …" if more else name


def place_told(text: str) -> str:
    """Returns a path. What isn't one may be what was to be in that file."""
    return text if text.startswith(("/", "~")) else MASK


def _names(text: str) -> Iterator[str]:
    """Names of tables and options: anything else may be a line of something pasted."""
    for line in text.splitlines():
        if match := TABLE.match(line):
            yield match["names"]
        elif (match := OPTION.match(line)) and match["names"].replace("-", "_") in KNOWN:
            yield f"{match['names']} ="


def _lines(table: dict[str, Any], above: tuple[str, ...]) -> Iterator[str]:
    inner = {name: value for name, value in table.items() if isinstance(value, dict)}
    for name, value in table.items():
        if name not in inner:
            yield f"{json.dumps(name)} = {json.dumps(_told(name, value), default=str, ensure_ascii=False)}"
    for name, value in inner.items():
        where = (*above, name)
        yield f"[{'.'.join(map(json.dumps, where))}]"
        yield from _lines(value, where)


def _told(name: str, value: Any) -> Any:
    name = name.replace("-", "_")
    if name == "key_command":
        return command_told(value)
    if name not in KNOWN or name in NAMED:
        return MASK
    try:
        text = text_of(KNOWN[name], value)
        KNOWN[name].read(str(text))
    except SetupError:      # it doesn't take that: anything may be there
        return MASK
    return value if name not in ADDRESSES else masked(str(text)) if "://" in text else MASK
