"""Others' files in a state directory, for tests."""

import os
from pathlib import Path


def strangers(directory: Path, target: Path, *names: str) -> list[Path]:
    """A file, a directory, a link to somebody's file, a link to nothing and a pipe, by the given names in this order."""
    directory.mkdir(exist_ok=True)
    paths = [directory / name for name in names]
    paths[0].write_text("theirs")
    paths[1].mkdir()
    paths[2].symlink_to(target)
    paths[3].symlink_to(target.with_name("nowhere"))
    os.mkfifo(paths[4])
    return paths
