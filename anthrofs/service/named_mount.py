"""The mount of a service: where it is, which words start it, and what it leaves when it was killed.

Owns    nothing: the profile says where, else $ANTHROFS_DIR, else it is ~/anthrofs/NAME.
Never   takes away a mount that answers, or one of another program.
"""

import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from anthrofs.errors import EXIT_USAGE, SetupError
from anthrofs.fuse import mountpoint
from anthrofs.service.units import checked
from anthrofs.settings.config_file import read_config
from anthrofs.settings.precedence import directory_of
from anthrofs.text import printable

DIRECTORY: Final = "ANTHROFS_DIR"
OPTIONS: Final = "ANTHROFS_OPTIONS"


def place(name: str, environ: Mapping[str, str]) -> Path:
    """Where it is. Raises SetupError."""
    if said := environ.get(DIRECTORY, ""):
        return Path(said).expanduser()
    if (found := directory_of(read_config(environ), checked(name))) is not None:
        return found
    try:
        return Path.home() / "anthrofs" / name
    except RuntimeError:
        raise SetupError(f"There is no home directory to mount {name} in: set HOME, or {DIRECTORY}.",
                         EXIT_USAGE) from None


def words(name: str, directory: Path, environ: Mapping[str, str]) -> list[str]:
    """The command that becomes the mount. Raises SetupError."""
    try:
        options = shlex.split(environ.get(OPTIONS, ""))
    except ValueError as exc:
        raise SetupError(f"{OPTIONS} can't be split into words ({exc}): see its quotes.", EXIT_USAGE) from None
    return ["mount", "--foreground", "--profile", checked(name), *options, "--", str(directory)]


def variables_in(path: Path) -> dict[str, str]:
    """The directory that a file of variables names, as systemd reads it; of the rest, which may be a key, nothing."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        named = [line.partition("=")[2].strip() for line in lines if line.startswith(f"{DIRECTORY}=")]
        return {DIRECTORY: "".join(shlex.split(named[-1]))} if named else {}
    except (OSError, ValueError):
        return {}


@contextmanager
def prepared(directory: Path) -> Iterator[None]:
    """The directory is there, and nothing of a killed mount on it. What was made of it goes again when the mount fails
    before it begins. Raises SetupError.
    """
    mountpoint.clear_dead(directory)
    made = [each for each in (directory, *directory.parents) if not os.path.lexists(each)]
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise SetupError(f"{printable(str(directory))} can't be made: {exc.strerror}.", EXIT_USAGE) from exc
    try:
        yield
    except SetupError:
        with suppress(OSError):     # something is in it meanwhile
            for each in made:
                each.rmdir()
        raise
