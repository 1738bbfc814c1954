"""Places that people name: by a path, by the name that `df` shows of a mount, or by a profile of their file."""

import os
from pathlib import Path

from anthrofs.fuse import mountpoint


def mount_point(word: str) -> Path:
    """A path that is there is itself; else a mount of yours that has this name, else where the profile of this name is
    mounted; else the path, about which whoever needs it says what is wrong. Raises SetupError for a file of settings
    that can't be read.
    """
    path = Path(word)
    if "/" in word or not word or mountpoint.is_there(path):
        return path
    if (named := mountpoint.named(word)) is not None:
        return named
    from anthrofs.settings.config_file import read_config  # noqa: PLC0415 - most words are paths
    from anthrofs.settings.precedence import directory_of  # noqa: PLC0415 - the same

    return directory_of(read_config(os.environ), word) or path
