"""The two sides: a disk's directory and a mount, each of which runs every row.

Owns    the disk's directory: the temporary directory's own file system if that is ext4; else, for root, an ext4 image on a loop device;
        else whatever is there: all answers are compared that file systems agree on. `kind` says which it is.
"""

import ctypes
import itertools
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.emulator.process import EmulatorProcess
from tests.mounting import BOUND_S, USER, Mount, ordinary_user, owned
from tests.posix import calls_directories, calls_looks, calls_names, calls_open
from tests.posix.place import VERBS, Place, removed
from tests.posix.row import Call, Row

EXT4: Final = 0xEF53
CONTENT: Final = b"content"
SETTLE: Final = ("settle",)
FAST: Final = Path("/dev/shm")      # for the mount's state: a disk whose syncs cost nothing
IMAGE_BYTES: Final = 64 * 2**20
WORDS: Final = (calls_names, calls_looks, calls_open, calls_directories)      # each import fills VERBS


class Sides:
    """Where rows are run."""

    def __init__(self, disk: Path, mount: Path, settle: Callable[[], None]) -> None:
        assert all(module.__name__ for module in WORDS)
        assert VERBS
        self.kind = kind_of(disk)
        self.disk = disk
        self.mount = mount
        self._settle = settle
        self._numbers = itertools.count(1)

    def answers(self, row: Row) -> tuple[str, str]:
        """(the disk's, the mount's). Each row has a directory of its own."""
        name = f"{next(self._numbers):04}"
        with _below(self.disk / name, self.mount) as place:
            disk = _answers(place, row)
        with _below(self.mount / name, self.disk) as place:
            return disk, _answers(place, row)

    def answers_each(self, script: Sequence[Call]) -> tuple[list[str], list[str]]:
        """(the disk's, the mount's), each call's by itself. `settle` is the moment by which the server has everything."""
        name = f"{next(self._numbers):04}"
        with _below(self.disk / name, self.mount) as place:
            disk = [place.answer(call) for call in script if call != SETTLE]
        mount = list[str]()
        with _below(self.mount / name, self.disk) as place:
            for call in script:
                if call == SETTLE:
                    with calls_looks.person(os.geteuid()):
                        self._settle()
                else:
                    mount.append(place.answer(call))
        return disk, mount

    def answers_as_it_is(self, row: Row) -> tuple[str, str]:
        """The same, without one."""
        found = list[str]()
        for place in (Place(self.disk, self.mount), Place(self.mount, self.disk)):
            with ordinary_user():
                try:
                    found.append(_answers(place, row))
                finally:
                    place.closed()
        return found[0], found[1]


@contextmanager
def _below(base: Path, elsewhere: Path) -> Iterator[Place]:
    """A directory for the block, which an ordinary user runs in it."""
    with ordinary_user():
        base.mkdir()
        place = Place(base, elsewhere)
        try:
            yield place
        finally:
            place.closed()
            base.chmod(0o755)
            removed(base)


def _answers(place: Place, row: Row) -> str:
    place.prepare(row.before)
    return place.run(row.asked)


def kind_of(path: Path) -> str:
    """Its file system's kind: ext4, or a number as statfs(2) has it."""
    found = ctypes.create_string_buffer(256)
    assert ctypes.CDLL(None).statfs(os.fsencode(path), found) == 0
    magic = int.from_bytes(found.raw[:8], "little")
    return "ext4" if magic == EXT4 else f"{magic:#x}"


@contextmanager
def both_sides(remote: Iterable[str] = (), upload: str = "queue") -> Iterator[Sides]:
    """`remote`: the names of files that the server has below remote/, and the disk as well."""
    with _open_to_all(FAST if FAST.is_dir() else None) as here, _open_to_all(None) as there, EmulatorProcess(here / "server" / "data") as emulator:
        mount = Mount(here / "mounted", emulator)
        mount.hurried = True
        mount.expects("has more than 255 (bytes|characters)", "takes files up to", "was refused .File too large.")
        with _disk(there) as disk:
            with ordinary_user():
                (disk / "remote").mkdir()
                for name in remote:
                    (disk / "remote" / name).write_bytes(CONTENT)
            for name in remote:
                emulator.generate(f"remote／{name}", CONTENT)
            mount.mount("--upload", upload, "--refresh", "300", *owned())
            try:
                yield Sides(disk, mount.path, mount.sync)
            finally:
                mount.finish()


@contextmanager
def frozen_sides() -> Iterator[Sides]:
    """Both have d/f, and can't be changed. Root alone can make such a disk."""
    with _open_to_all(FAST if FAST.is_dir() else None) as here, _open_to_all(None) as there, EmulatorProcess(here / "server" / "data") as emulator:
        emulator.generate("d／f", CONTENT)
        mount = Mount(here / "mounted", emulator)
        with _disk(there) as disk:
            with ordinary_user():
                (disk / "d").mkdir()
                (disk / "d" / "f").write_bytes(CONTENT)
            subprocess.run(["mount", "--bind", "-o", "ro", str(disk), str(disk)], check=True, timeout=BOUND_S)
            subprocess.run(["mount", "-o", "remount,bind,ro", str(disk)], check=True, timeout=BOUND_S)
            try:
                mount.mount("--read-only", "--refresh", "300", *owned())
                yield Sides(disk, mount.path, mount.sync)
            finally:
                mount.finish()
                subprocess.run(["umount", str(disk)], check=True, timeout=BOUND_S)


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
    image = os.geteuid() == 0 and kind_of(base) != "ext4" and _mounted(base / "image", place)
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
        subprocess.run(["mkfs.ext4", "-q", "-F", "-b", "4096", str(image)], check=True, capture_output=True, timeout=BOUND_S)
        subprocess.run(["mount", "-o", "loop", str(image), str(place)], check=True, capture_output=True, timeout=BOUND_S)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True
