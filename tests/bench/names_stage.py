"""What is listed: files of three bytes, as many as a row needs, on both servers; and mounts that haven't been looked at.

Owns    which files anthrofs' server has: those of the last `serve`. rclone's has all of them, each set in its own directory.
"""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.builds import Build, BuiltMount
from tests.bench.peers import READS, RcloneMount, S3fsMount, S3Server
from tests.bench.stage import Stage
from tests.bench.wire import Wire

CONTENT: Final = b"012"
LINKS: Final = 10_000               # names of one file at rclone's server: one file each takes minutes to remove on a disk that discards
SEPARATOR: Final = "\uff0f"         # in a server's name it stands for /


@dataclass(frozen=True, slots=True)
class NamesSizes:
    """How much is measured."""

    repetitions: int = 3
    page: int = 1000                # the API's limit
    all: int = 100_000              # files of the biggest directory
    some: int = 10_000
    few: int = 1000
    folders: int = 1000             # in which `all` files are, too
    missing: int = 1000             # lookups of names that don't exist
    s3fs: int = 10_000              # files of its bucket: it takes 25 s for them, so once
    million: int = 10**6            # files of a catalogue; each version lists them once
    quick: int = 10_000             # and of a small one, which is to feel the same
    quick_repetitions: int = 5      # of what is quick on both
    commands: int = 10              # repetitions of a command


SHORT: Final = NamesSizes(repetitions=1, all=3000, some=1000, few=500, folders=30, missing=300, s3fs=100, million=5000, quick=1000,
                          quick_repetitions=1, commands=2)


class NamesStage(Stage):
    """`with NamesStage(builds, SHORT, with_rclone=True) as stage: ...`"""

    def __init__(self, builds: Sequence[Build], sizes: NamesSizes, *, with_rclone: bool) -> None:
        super().__init__(builds, writable=False, with_rclone=with_rclone)
        self.sizes = sizes                      # constant
        self._served = ""                       # the set that anthrofs' server has

    def serve(self, count: int, folders: int = 0) -> None:
        """From now on anthrofs' server has so many files; in folders, if there are any."""
        name = _set(count, folders)
        if self._served != name:
            self.emulator.forget_files()
            for prefix, files in _pieces(count, folders, SEPARATOR):
                self.emulator.bulk(files, prefix, len(CONTENT), ".csv")
            self._served = name

    @contextmanager
    def fresh(self, build: Build, *options: str, url: str | None = None) -> Iterator[BuiltMount]:
        """Mounted; nobody has looked at it."""
        with self.unlooked(build, url) as mount:
            mount.mount(*options)
            yield mount

    @contextmanager
    def peer(self, count: int, folders: int = 0, *, direct: bool = False) -> Iterator[RcloneMount]:
        """rclone's mount of such files; nobody has looked at it. `direct`: without the wire."""
        with self._place() as place:
            mount = RcloneMount(place, f"{self.rclone_url(direct=direct)}/{_set(count, folders)}", READS)
            try:
                mount.mount()
                yield mount
            finally:
                mount.end()

    @contextmanager
    def s3fs(self, count: int) -> Iterator[tuple[S3fsMount, Wire]]:
        """s3fs's mount of a bucket with so many files, on a wire of its own; nobody has looked at it."""
        with self._place() as place, S3Server(count) as server, Wire([server.address]) as wire, S3fsMount(place, wire.url(0)) as mount:
            yield mount, wire

    def _make_files(self) -> None:
        if not self.with_rclone:
            return
        for count, folders in ((self.sizes.all, 0), (self.sizes.some, 0), (self.sizes.few, 0), (self.sizes.all, self.sizes.folders)):
            for prefix, files in _pieces(count, folders, "/"):
                path = self.origin / _set(count, folders) / prefix
                path.parent.mkdir(parents=True, exist_ok=True)
                for number in range(files):
                    name = f"{path}{number:06}.csv"
                    if number % LINKS == 0:
                        Path(name).write_bytes(CONTENT)
                        first = name
                    else:
                        os.link(first, name)


def ls(path: Path, *options: str) -> None:
    subprocess.run(["ls", *options, str(path)], stdout=subprocess.DEVNULL, check=True)


def _set(count: int, folders: int) -> str:
    return f"{count}-in-{folders}"


def _pieces(count: int, folders: int, separator: str) -> Iterator[tuple[str, int]]:
    """(prefix, how many files)"""
    if not folders:
        yield "bulk-", count
    for number in range(folders):
        yield f"folder-{number:04}{separator}bulk-", count // folders
