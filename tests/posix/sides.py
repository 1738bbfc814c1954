"""The two sides: a disk's directory and a mount, each of which runs every row.

Owns    the disk's directory: the temporary directory's own file system if that is ext4; else, for root, an ext4 image on a loop device;
        else whatever is there, and then its answers are compared where disks agree.
"""

import ctypes
import itertools
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.emulator.process import EmulatorProcess
from tests.mounting import BOUND_S, USER, Mount, ordinary_user, owned
from tests.posix import calls_directories, calls_looks, calls_names, calls_open
from tests.posix.place import VERBS, Place
from tests.posix.row import Row

EXT4: Final = 0xEF53
FAST: Final = Path("/dev/shm")      # for the mount's state: a disk whose syncs cost nothing
IMAGE_BYTES: Final = 64 * 2**20
WORDS: Final = (calls_names, calls_looks, calls_open, calls_directories)      # each import fills VERBS


class Sides:
    """Where rows are run."""

    def __init__(self, disk: Path, mount: Mount) -> None:
        assert all(module.__name__ for module in WORDS)
        assert VERBS
        self.mount = mount
        self.is_ext4 = magic_of(disk) == EXT4
        self._disk = disk
        self._numbers = itertools.count(1)

    def answers(self, row: Row) -> tuple[str, str]:
        """(the disk's, the mount's)."""
        number = next(self._numbers)
        return (_answers(row, self._disk / f"{number:04}", self.mount.path),
                _answers(row, self.mount.path / f"{number:04}", self._disk))


def _answers(row: Row, base: Path, elsewhere: Path) -> str:
    with ordinary_user():
        base.mkdir()
        place = Place(base, elsewhere)
        try:
            place.prepare(row.before)
            return place.run(row.asked)
        finally:
            place.closed()


def magic_of(path: Path) -> int:
    """The number of its kind of file system."""
    found = ctypes.create_string_buffer(256)
    assert ctypes.CDLL(None).statfs(os.fsencode(path), found) == 0
    return int.from_bytes(found.raw[:8], "little")


@contextmanager
def both_sides() -> Iterator[Sides]:
    with _open_to_all(FAST if FAST.is_dir() else None) as here, _open_to_all(None) as there, EmulatorProcess(here / "server" / "data") as emulator:
        mount = Mount(here / "mounted", emulator)
        mount.hurried = True
        mount.expects("has more than 255 (bytes|characters)", "takes files up to", "was refused .File too large.")
        with _disk(there) as disk:
            mount.mount("--upload", "queue", "--refresh", "300", *owned())
            try:
                yield Sides(disk, mount)
            finally:
                mount.finish()


@contextmanager
def _open_to_all(parent: Path | None) -> Iterator[Path]:
    """A new directory, into which any user may go."""
    with tempfile.TemporaryDirectory(prefix="anthrofs-test-", dir=parent) as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def _disk(base: Path) -> Iterator[Path]:
    place = base / "disk"
    place.mkdir()
    image = os.geteuid() == 0 and magic_of(base) != EXT4 and _mounted(base / "image", place)
    try:
        home = place / "home"
        home.mkdir()
        if os.geteuid() == 0:
            os.chown(home, USER, USER)
        yield home
    finally:
        if image:
            subprocess.run(["umount", str(place)], check=True, timeout=BOUND_S)


def _mounted(image: Path, place: Path) -> bool:
    """Whether a new ext4 could be mounted there: a container's root may lack the tools, loop devices, or the right."""
    image.touch()
    os.truncate(image, IMAGE_BYTES)
    try:
        subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True, capture_output=True, timeout=BOUND_S)
        subprocess.run(["mount", "-o", "loop", str(image), str(place)], check=True, capture_output=True, timeout=BOUND_S)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True
