"""A fleet, as --store, --board, --fleet-key and --share, or the variables of the same, name it.

Never   takes a password as an argument, nor quotes one: arguments are seen by everybody on the machine.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from anthrofs.config import Fleet, without_user
from anthrofs.errors import EXIT_MISSING, EXIT_USAGE, SetupError
from anthrofs.settings.environment import is_here
from anthrofs.settings.precedence import Settings

STORES: Final = ("s3", "gs", "az", "file")
BOARDS: Final = ("valkey", "valkeys", "redis", "rediss")
PASSWORD: Final = "ANTHROFS_BOARD_PASSWORD"     # noqa: S105 - a variable's name
OTHERWISE: Final = ("which everybody on this machine can see, or which is logged: give the board's by "
                    f"{PASSWORD}, and a store's by its own tools' variables.")
EXAMPLES: Final = {"--store": "s3://team-bucket/anthrofs", "--board": "valkeys://cache.internal:6379/0"}


def fleet_of(settings: Settings, environ: Mapping[str, str]) -> Fleet | None:
    """Returns the fleet that was set; None: neither a store nor a board is. Raises SetupError, also where a library for
    it isn't installed.
    """
    store, board, key, share = (settings[name] or "" for name in ("store", "board", "fleet_key", "share"))
    flagged = {name for name in ("store", "board", "fleet_key", "share") if settings.found[name].level == "flag"}
    if board and settings.found["board"].level != "environment" and _parts_of("--board", board).password is not None:
        raise SetupError(f"--board has a password in its address, {OTHERWISE}", EXIT_USAGE)
    if not store and (("share" in flagged and share != "all") or ("fleet_key" in flagged and not board)):
        raise SetupError(f"{'--share' if share != 'all' else '--fleet-key'} is of no use without --store"
                         f"{'' if share != 'all' else ' or --board'}.", EXIT_USAGE)
    # A demo is in no fleet of yours, unless you say so.
    elsewhere = settings["demo"] and not any(settings.found[name].level in ("flag", "profile")
                                             for name in ("store", "board"))
    if elsewhere or not (store or board):
        return None
    if not key:
        raise SetupError("--store and --board need --fleet-key FILE, the same on every machine: `anthrofs fleet key` "
                         "makes one.", EXIT_USAGE)
    fleet = Fleet(Path(os.path.realpath(key)), _store_of(store) if store else None, share=share)
    if board:
        parts = _board_of(board)
        fleet = replace(fleet, board_url=without_user(board), board_user=unquote(parts.username or "") or None,
                        board_password=environ.get(PASSWORD) or unquote(parts.password or "") or None)
    for library in ("cryptography", *(["obstore"] if store else []), *(["valkey"] if board else [])):
        if find_spec(library) is None:
            raise SetupError(f"A fleet needs {library}: pip install 'anthrofs[fleet]'", EXIT_MISSING)
    return fleet


def warnings(fleet: Fleet | None) -> list[str]:
    """Sentences about what a person may not expect of what was named."""
    board = urlsplit(fleet.board_url) if fleet is not None and fleet.board_url is not None else None
    if (fleet is None or board is None or fleet.board_password is None or board.scheme in ("valkeys", "rediss")
            or is_here(board.hostname or "")):
        return []
    return ["The board is asked without TLS: everybody on the way can read its password. With TLS it is valkeys://."]


def check_place(store_url: str, places: Iterable[Path]) -> None:
    """Raises SetupError for a store that is a directory in one of those mount points: a mount would ask itself."""
    parts = urlsplit(store_url)
    path = Path(os.path.realpath(unquote(parts.path)))
    for place in places if parts.scheme == "file" else ():
        if place in (path, *path.parents):
            raise SetupError(f"--store is in the mount point {place}: a store has to be somewhere else.", EXIT_USAGE)


def _parts_of(name: str, url: str) -> SplitResult:
    """Raises SetupError for what isn't an address at all, without quoting it: there may be a password in it."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise SetupError(f"{name} takes an address, like {EXAMPLES[name]}.", EXIT_USAGE) from None
    return parts


def _store_of(url: str) -> str:
    parts = _parts_of("--store", url)
    if "@" in parts.netloc:
        raise SetupError(f"--store has a name or a password in its address, {OTHERWISE}", EXIT_USAGE)
    if parts.scheme not in STORES or parts.query or parts.fragment or (
            parts.netloc or not parts.path.startswith("/") if parts.scheme == "file" else not parts.netloc):
        raise SetupError(f"--store takes {', '.join(f'{each}://' for each in STORES)} with a place in it, like "
                         f"{EXAMPLES['--store']} or file:///mnt/team.", EXIT_USAGE)
    return url.rstrip("/") if parts.path.strip("/") else url


def _board_of(url: str) -> SplitResult:
    parts = _parts_of("--board", url)
    if parts.scheme not in BOARDS or not parts.hostname or parts.query or parts.fragment or not (
            parts.path in ("", "/") or parts.path[1:].isdecimal()):
        raise SetupError(f"--board takes {', '.join(f'{each}://' for each in BOARDS)} with a host, a port and a "
                         f"number, like {EXAMPLES['--board']}.", EXIT_USAGE)
    return parts
