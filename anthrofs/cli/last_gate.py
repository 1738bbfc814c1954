"""The last gate: an exception that nobody expected becomes one sentence for a person, and its details a file.

Owns    <states>/unexpected.log: the newest of them, without secrets, for its user only.
Never   raises, and never shows a traceback to who has typed a command.
"""

import contextlib
import os
import platform
import stat
import time
import traceback
from pathlib import Path
from typing import Final

from anthrofs.doctor.masks import Masks, secrets_of
from anthrofs.errors import EXIT_FAILED, EXIT_MISSING, SetupError
from anthrofs.state_place import states_root

NAME: Final = "unexpected.log"
MOST_BYTES: Final = 2**18       # then the older ones go


def sentence_of(exc: Exception, *secrets: str) -> SetupError:
    """The words about it; the details are written down. `secrets`: that the environment doesn't have."""
    masks = Masks([*secrets, *secrets_of(os.environ)])
    place = _written(exc, masks)
    details = f" The details are in {place}." if place else ""
    if isinstance(exc, ModuleNotFoundError):
        return SetupError(f"A package that anthrofs needs is missing ({exc.name}): install anthrofs again, as it was "
                          f"installed.{details}", EXIT_MISSING)
    if isinstance(exc, OSError):
        where = f": {masks.masked(str(exc.filename))}" if exc.filename else ""
        return SetupError(f"The system refused what anthrofs needs: {exc.strerror or type(exc).__name__}{where}."
                          f"{details}", EXIT_FAILED)
    return SetupError("Something happened that anthrofs didn't expect, which is a fault of its own "
                      f"({_short(exc, masks)}). Nothing that was saved is lost by that.{details} To report it: "
                      "anthrofs doctor --bundle FILE", EXIT_FAILED)


def _written(exc: Exception, masks: Masks) -> Path | None:
    """The file that has the details now. None: there is no place for it."""
    root = states_root(os.environ)
    if root is None:
        return None
    path = root / NAME
    with contextlib.suppress(Exception):        # a second fault must not hide the first
        words = masks.masked("".join(traceback.format_exception(exc)))
        head = f"{time.strftime('%Y-%m-%d %H:%M:%S')} Python {platform.python_version()}, process {os.getpid()}\n"
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1 or found.st_uid != os.geteuid():
                return None         # somebody has put another file there
            os.fchmod(descriptor, 0o600)
            if found.st_size > MOST_BYTES:
                os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{head}{words}\n".encode(errors="backslashreplace"))
        finally:
            os.close(descriptor)
        return path
    return None


def _short(exc: Exception, masks: Masks) -> str:
    last = traceback.extract_tb(exc.__traceback__)[-1:]
    place = "".join(f" in {Path(each.filename).name}, line {each.lineno}" for each in last)
    with contextlib.suppress(Exception):
        return masks.masked(f"{type(exc).__name__}: {exc}"[:200]) + place
    return type(exc).__name__ + place
