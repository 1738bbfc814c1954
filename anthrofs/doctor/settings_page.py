"""A person's file of settings, told without what may be secret in it: no comment, no value of a name that isn't an
option's, no word of a command but the first.

Trusts  an option's value to be none, but for addresses and commands.
Never   quotes a line as it stands: a key may have come anywhere.
"""

import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any, Final

from anthrofs.doctor.masks import MASK
from anthrofs.settings.shown import ADDRESSES, masked
from anthrofs.settings.table import DIRECTORY, SETTINGS

NAMES: Final = re.compile(r"\s*(?P<names>\[+[^\[\]#=]+\]+|[^\s#=\[\]\"']+\s*=)", re.ASCII)


def told(text: str) -> str:
    """Returns what is in a file of that text; of one that makes no sense, the names."""
    try:
        top = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        names = [match["names"] for line in text.splitlines() if (match := NAMES.match(line))]
        return "# it can't be read as TOML: names only\n" + "".join(f"{name}\n" for name in names)
    return "".join(f"{line}\n" for line in _lines(top, ()))


def command_told(words: object) -> str:
    """Returns a command without its arguments, in which a secret may be."""
    program, *more = (words if isinstance(words, list) else str(words).split(maxsplit=1)) or [""]
    return f"{program} …" if more else str(program)


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
    if name in ADDRESSES:
        return masked(str(value))
    return value if name in SETTINGS or name == DIRECTORY.name else MASK
