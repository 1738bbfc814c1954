"""This very program, started again from elsewhere: by a service manager, or a desktop."""

import os
import sys
from pathlib import Path


def program() -> tuple[str, ...]:
    """The words that start it, from wherever."""
    typed_as = Path(sys.argv[0])
    if typed_as.name == "anthrofs" and os.access(typed_as, os.X_OK):
        return (str(Path.cwd() / typed_as),)    # a link of pipx or uv stays one: it outlives an upgrade
    return (sys.executable, "-m", "anthrofs")
