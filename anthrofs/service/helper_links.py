"""The names by which mount(8) finds this program: links in /sbin, where alone it looks.

Never   replaces, or removes, what isn't a link to a program of this name.
"""

import os
from pathlib import Path
from typing import Final

from anthrofs.errors import EXIT_FAILED, EXIT_USAGE, SetupError
from anthrofs.service.mount_helper import MOUNTS

FOLDER: Final = Path("/sbin")
PROGRAM: Final = "anthrofs"


def paths() -> list[Path]:
    """All of them."""
    return [FOLDER / name for name in MOUNTS]


def make(program: Path) -> None:
    """Each name leads to the program. Raises SetupError."""
    for path in paths():
        _remove(path)
        try:
            path.symlink_to(program)
        except OSError as exc:
            raise _refused(path, exc) from exc


def remove() -> None:
    """None of them is there. Raises SetupError."""
    for path in paths():
        _remove(path)


def _remove(path: Path) -> None:
    try:
        if path.is_symlink() and path.readlink().name == PROGRAM:
            path.unlink()
        elif os.path.lexists(path):
            raise SetupError(f"{path} is there, and isn't this program's: move it away first.", EXIT_FAILED)
    except OSError as exc:
        raise _refused(path, exc) from exc


def _refused(path: Path, exc: OSError) -> SetupError:
    hint = " Only root can do that: sudo anthrofs service …" if os.geteuid() else ""
    return SetupError(f"{path} can't be changed: {exc.strerror}.{hint}", EXIT_USAGE)
