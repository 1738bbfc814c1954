"""Manual, desktop: reads that nobody asked for, as a kernel tells of them. The real programs are in tests/programs/."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.mounting import BOUND_S, Mount, asks
from tests.samples import noise

SIZE: Final = 1_200_000         # two of them fit into the hour of these mounts
READ: Final = """
import os, sys
name, flags, size, *paths = sys.argv[1:]
open("/proc/self/comm", "w").write(name)
for path in paths:
    file = os.open(path, os.O_RDONLY | int(flags))
    try:
        print(len(os.read(file, int(size))))
    except OSError as exc:
        print(exc.strerror)
"""


def looks(program: str, flags: int, size: int, *paths: Path) -> list[str]:
    """What a program of that name gets of the first bytes of each file."""
    done = subprocess.run([sys.executable, "-c", READ, program, str(flags), str(size), *map(str, paths)], text=True, capture_output=True,
                          timeout=BOUND_S, check=True)
    return done.stdout.splitlines()


def files_of(mount: Mount, *options: str) -> list[Path]:
    for number in range(4):
        mount.emulator.generate(f"file {number}", noise(SIZE), "application/octet-stream")
    mount.mount("--glances", "2500K", "--refresh", "300", *options)
    return [mount.path / f"file {number}" for number in range(4)]


@pytest.mark.parametrize(("program", "flags", "size"), [("tumblerd", 0, 65536), ("pcmanfm", 0, 8192), ("gimp", os.O_NOATIME, 4096)],
                         ids=["thumbnailer", "browser", "type"])
def test_a_glance_downloads_no_more_than_the_hour_has(mount: Mount, program: str, flags: int, size: int) -> None:
    files = files_of(mount)
    with asks(mount, download=2):
        assert looks(program, flags, size, *files) == [str(size), str(size), "Permission denied", "Permission denied"]
    with asks(mount):
        assert looks(program, flags, size, *files[:2]) == [str(size)] * 2       # what is here anybody gets
    with asks(mount, download=2):
        assert [path.read_bytes() for path in files] == [noise(SIZE)] * 4       # and who asks for it gets all
    with asks(mount):
        assert looks(program, flags, size, *files) == [str(size)] * 4


COPY: Final = """
import os, sys
name, *paths = sys.argv[1:]
open("/proc/self/comm", "w").write(name)
out, into = os.pipe()
for path in paths:
    file, found = os.open(path, os.O_RDONLY), b""
    while some := os.splice(file, into, 65536):
        found += os.read(out, some)
    print(len(found))
"""


def test_a_browser_copies_small_files_too_when_the_hours_looks_are_used_up(mount: Mount) -> None:
    """As GIO does it, by splice: the kernel asks for whole pages, and for no more than the file has."""
    sizes = [1, 100, 4095, 4096, 4097, 10_000, 16_383, 16_384, 16_385, 70_000]
    for size in sizes:
        mount.emulator.generate(f"file {size}", noise(size), "application/octet-stream")
    mount.mount("--glances", "none", "--refresh", "300")
    done = subprocess.run([sys.executable, "-c", COPY, "nautilus", *(mount.path / f"file {size}" for size in sizes)], text=True, capture_output=True,
                          timeout=BOUND_S, check=False)
    assert (done.stdout.split(), done.stderr) == ([str(size) for size in sizes], "")


@pytest.mark.parametrize(("program", "flags", "size"), [("cp", 0, 4096), ("thunar", 0, 65536), ("borg", os.O_NOATIME, 65536), ("tar", os.O_NOATIME, 3584),
                                                        ("own", os.O_NOATIME, 1000)], ids=["copy", "browser copies", "backup", "archive", "own"])
def test_who_reads_for_somebody_is_not_bounded(mount: Mount, program: str, flags: int, size: int) -> None:
    files = files_of(mount)
    with asks(mount, download=4):
        assert looks(program, flags, size, *files) == [str(size)] * 4


def test_a_person_may_let_them_have_all(mount: Mount) -> None:
    files = files_of(mount, "--glances", "all")
    with asks(mount, download=4):
        assert looks("tumblerd", 0, 4096, *files) == ["4096"] * 4


def test_a_glance_makes_no_neighbour_come_early(mount: Mount) -> None:
    """Files that are read in order come early: not for those."""
    for number in range(9):
        mount.emulator.generate(f"file {number}", noise(1000), "application/octet-stream")
    mount.mount("--refresh", "300")
    with asks(mount, download=5):
        assert looks("tumblerd", 0, 4096, *(mount.path / f"file {number}" for number in range(5))) == ["1000"] * 5
