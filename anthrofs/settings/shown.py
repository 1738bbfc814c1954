"""Settings as a person is shown them: each value, and where it is from. Secrets are masked.

Never   reads a key, and never shows what stands in an address before the @.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from anthrofs.errors import SetupError
from anthrofs.settings.environment import who_says
from anthrofs.settings.precedence import Settings
from anthrofs.settings.table import DIRECTORY, KEYS, SETTINGS

MASK: Final = "********"
ADDRESSES: Final = ("base_url", "store", "board")


class Shown(NamedTuple):
    """A line of `anthrofs config show`."""

    name: str
    value: str
    level: str          # see precedence.LEVELS
    where: str


def shown(settings: Settings, environ: Mapping[str, str]) -> list[Shown]:
    """All of them; whose value nobody has set, and which have none built in, are left out."""
    rows = list[Shown]()
    if settings.directory is not None:
        rows.append(Shown(DIRECTORY.name, str(settings.directory), "profile",
                          settings.file.where("profile", settings.profile or "", DIRECTORY.name)))
    rows += _key(settings, environ)
    for name in SETTINGS:
        found = settings.found[name]
        if name not in KEYS and found.text:
            rows.append(Shown(name, masked(found.text) if name in ADDRESSES else found.text, found.level, found.where))
    if environ.get("ANTHROFS_BOARD_PASSWORD", ""):
        rows.append(Shown("board_password", MASK, "environment", "ANTHROFS_BOARD_PASSWORD"))
    if environ.get("ANTHROPIC_CUSTOM_HEADERS", "").strip():
        rows.append(Shown("custom_headers", MASK, "environment", "ANTHROPIC_CUSTOM_HEADERS"))
    return rows


def masked(address: str) -> str:
    """An address without the name and the password in it."""
    try:
        parts = urlsplit(address)
        before, at, host = parts.netloc.rpartition("@")
    except ValueError:
        return MASK
    # What isn't an address at all may be anything.
    return parts._replace(netloc=MASK + at + host, query="", fragment="").geturl() if before or "@" in address else (
        address)


def as_json(settings: Settings, rows: list[Shown]) -> dict[str, Any]:
    """The same for programs."""
    return {"file": None if settings.file.path is None else str(settings.file.path), "profile": settings.profile,
            "profiles": sorted(settings.file.profiles),
            "options": {row.name: {"value": row.value, "level": row.level, "where": row.where} for row in rows}}


def _key(settings: Settings, environ: Mapping[str, str]) -> Iterator[Shown]:
    if settings["demo"]:
        return
    try:
        said = who_says(environ, settings)
    except SetupError:          # a line of the custom headers is none: a mount says it
        said = "ANTHROPIC_CUSTOM_HEADERS"
    for name in KEYS:           # what was said, and where: also what doesn't count
        found = settings.found[name]
        if found.text:
            # A command's words may have a secret among them, though they shouldn't.
            text = f"{found.value[0]} …" if name == "key_command" and len(found.value) > 1 else found.text
            yield Shown(name, text, found.level, found.where + ("" if name == said else
                                                                     f" (not used: {said} goes before it)"))
    if said is not None and said not in KEYS:
        yield Shown("key", MASK, "environment", said)
    elif said == "credential" and not settings.found[said].text:
        yield Shown("key", MASK, "environment", "CREDENTIALS_DIRECTORY")
