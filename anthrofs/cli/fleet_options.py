"""A fleet, as --store, --board, --fleet-key and --share, or the variables of the same, name it.

Never   takes a password as an argument, nor quotes one: arguments are seen by everybody on the machine.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

from anthrofs.cli.options import one_of
from anthrofs.config import Fleet, without_user
from anthrofs.errors import EXIT_USAGE, SetupError

STORES: Final = ("s3", "gs", "az", "file")
BOARDS: Final = ("valkey", "valkeys", "redis", "rediss")
PASSWORD: Final = "ANTHROFS_BOARD_PASSWORD"     # noqa: S105 - a variable's name
EXAMPLES: Final = {"--store": "s3://team-bucket/anthrofs", "--board": "valkeys://cache.internal:6379/0"}


def fleet_of(store: str, board: str, key: str, share: str, environ: Mapping[str, str]) -> Fleet | None:
    """Returns the fleet that options and environment name; None: neither a store nor a board is. Raises SetupError."""
    for name, url in (("--store", store), ("--board", board)):
        if _parts_of(name, url).password is not None:
            raise SetupError(f"{name} has a password in its address, which everybody on this machine can see: give "
                             f"the board's by {PASSWORD}, a store's by its own tools' variables.", EXIT_USAGE)
    store, board = store or environ.get("ANTHROFS_STORE", ""), board or environ.get("ANTHROFS_BOARD", "")
    key = key or environ.get("ANTHROFS_FLEET_KEY_FILE", "")
    one_of("--share", share, "uploads", "all", "none")
    if not store and not board:
        return None
    if not key:
        raise SetupError("--store and --board need --fleet-key FILE, the same on every machine: `anthrofs fleet key` "
                         "makes one.", EXIT_USAGE)
    found = _board_of(board) if board else None
    return Fleet(Path(os.path.realpath(key)), _store_of(store) if store else None,
                 None if found is None else without_user(board), (found.username or None) if found else None,
                 environ.get(PASSWORD) or (found.password if found else None), share)


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
    if parts.scheme not in STORES or parts.query or parts.fragment or (
            not parts.path.startswith("/") if parts.scheme == "file" else not parts.netloc):
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
