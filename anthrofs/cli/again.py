"""This very program, started again from elsewhere: by a service manager, or a desktop."""

import os
import stat
import sys
from pathlib import Path


def program() -> tuple[str, ...]:
    """The words that start it, from wherever."""
    typed_as = Path(sys.argv[0])
    if typed_as.name == "anthrofs" and os.access(typed_as, os.X_OK):
        return (str(Path.cwd() / typed_as),)    # a link of pipx or uv stays one: it outlives an upgrade
    return (sys.executable, "-m", "anthrofs")


def others_place() -> Path | None:
    """Returns a part of this program's way that somebody else than root may change: root must not trust it. None:
    there is none.
    """
    for start in (Path(program()[0]), Path(sys.executable), Path(__file__).parent):
        for each in (start.resolve(), start.parent.resolve(), *start.resolve().parents, *start.parents):
            found = each.stat()
            shared = found.st_mode & 0o022 and not (found.st_mode & stat.S_ISVTX)
            if found.st_uid or shared:
                return each
    return None
