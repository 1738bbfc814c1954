"""Where this user's states are, which every command must know, also those that import little."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

DEFAULT_STATE: Final = "default"        # of a mount for which no profile is named


def states_root(environ: Mapping[str, str]) -> Path | None:
    """$XDG_STATE_HOME/anthrofs. None: there is no home directory."""
    base = environ.get("XDG_STATE_HOME", "")
    try:
        # XDG: relative ones don't count
        return (Path(base) if base.startswith("/") else Path.home() / ".local" / "state") / "anthrofs"
    except RuntimeError:
        return None
