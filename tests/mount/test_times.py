"""Manual, limits: modes and times that you set are kept on this machine, over saves and remounts: to the nanosecond, in
every century.
"""

import os
import stat
import subprocess
import time
from pathlib import Path
from typing import Final

import pytest

from tests.mounting import Mount, asks, shell

SECOND_NS: Final = 10**9
# Before 1970, the second in which libfuse's marks lie, sub-second, after 2038, after 2106; what ext4 can hold.
TIMES_NS: Final = [-SECOND_NS - 500_000_000, -1, 0, 1, 1_073_741_824, 10**18 + 123_456_789, 4_102_444_800 * SECOND_NS + 7, 2**32 * SECOND_NS]
MODES: Final = [0o600, 0o664, 0o777, 0o640, 0o700, 0o444, 0o400, 0o666]


def mtime(path: Path) -> int:
    return path.stat().st_mtime_ns


def test_every_time_is_kept_as_it_was_set(mount: Mount) -> None:
    files = mount.mount()
    with asks(mount, upload=len(TIMES_NS)):
        for number, moment in enumerate(TIMES_NS):
            (files / f"{number}").write_text("x")
            os.utime(files / f"{number}", ns=(moment, moment))
    for step in (mount.refresh, mount.remount):
        assert [mtime(files / f"{number}") for number in range(len(TIMES_NS))] == TIMES_NS
        step()
    assert [mtime(files / f"{number}") for number in range(len(TIMES_NS))] == TIMES_NS


def test_a_time_beyond_all_that_is_kept_becomes_the_last_one(mount: Mount) -> None:
    files = mount.mount()
    (files / "f").write_text("x")
    assert shell("touch -d '3000-01-01 UTC' f && touch -d '1066-10-14 UTC' g~", files).returncode == 0
    assert (mtime(files / "f"), mtime(files / "g~")) == (2**63 - 1, -2**63)


def test_a_time_that_is_set_between_write_and_close_holds_and_a_later_write_moves_it_on(mount: Mount) -> None:
    files = mount.mount()
    with (files / "f").open("wb", buffering=0) as file:
        file.write(b"one")
        os.utime(file.fileno(), ns=(5, 5))
        assert os.fstat(file.fileno()).st_mtime_ns == 5
        os.fsync(file.fileno())
        os.utime(file.fileno(), ns=(7, 7))
    assert mtime(files / "f") == 7
    mount.sync()
    assert mtime(files / "f") == 7

    with (files / "f").open("r+b", buffering=0) as file:
        assert mtime(files / "f") == 7
        before_ns = time.time_ns()
        file.write(b"two")
        assert mtime(files / "f") >= before_ns - 10**7
        os.utime(files / "f", ns=(9, 9))
        file.truncate(2)
        assert mtime(files / "f") >= before_ns - 10**7
    assert mtime(files / "f") >= before_ns - 10**7
    mount.remount()
    assert mtime(files / "f") >= before_ns - 10**7


def test_a_mode_is_kept_over_saves_and_remounts_and_can_be_set_while_the_file_is_written(mount: Mount) -> None:
    files = mount.mount()
    with (files / "f").open("w") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write("one")
    for mode in (0o600, 0o755, 0o640):
        (files / "f").chmod(mode)
        with asks(mount, upload=1, delete=1):
            (files / "f").write_text(f"{mode}")
        mount.refresh()
        assert stat.S_IMODE((files / "f").stat().st_mode) == mode
    mount.remount()
    assert stat.S_IMODE((files / "f").stat().st_mode) == 0o640


def test_a_file_that_was_removed_while_it_is_open_still_takes_all_that_a_disk_lets_it(mount: Mount) -> None:
    files = mount.mount()
    for name in ("f", "f~"):
        descriptor = os.open(files / name, os.O_RDWR | os.O_CREAT)
        os.write(descriptor, b"content")
        with asks(mount):
            (files / name).unlink()
            os.fchmod(descriptor, 0o600)
            os.utime(descriptor, ns=(5, 5))
            shown = os.fstat(descriptor)
            assert (stat.S_IMODE(shown.st_mode), shown.st_mtime_ns, shown.st_size) == (0o600, 5, 7)
            os.pwrite(descriptor, b"more", 7)
            os.ftruncate(descriptor, 9)
            os.fsync(descriptor)
            assert os.pread(descriptor, 100, 0) == b"contentmo"
            os.close(descriptor)
    assert mount.emulator.files() == []


@pytest.mark.parametrize("command", ["rsync -a {0}/ ./", "rsync -a --inplace {0}/ ./", "cp -p {0}/* .", "tar -C {0} --format=posix -cf - . | tar -xpf -"],
                         ids=lambda command: " ".join(command.split()[:3]))
def test_copies_have_the_times_and_modes_of_their_originals(mount: Mount, tmp_path: Path, command: str) -> None:
    files = mount.mount()
    source = tmp_path / "source"
    source.mkdir()
    for number, moment in enumerate(TIMES_NS):
        (source / f"{number}.bin").write_bytes(os.urandom(100 * number + 1))
        (source / f"{number}.bin").chmod(MODES[number])
        os.utime(source / f"{number}.bin", ns=(moment, moment))
    with asks(mount, upload=len(TIMES_NS)):
        assert shell(command.format(source), files).returncode == 0
    for _ in range(2):
        for number, moment in enumerate(TIMES_NS):
            shown = (files / f"{number}.bin").stat()
            assert (shown.st_mtime_ns, stat.S_IMODE(shown.st_mode)) == (moment, MODES[number]), (number, command)
        mount.refresh()
    with asks(mount):
        told = subprocess.run(["rsync", "-a", "--itemize-changes", f"{source}/", f"{files}/"], text=True, capture_output=True, check=False)
    assert [line for line in told.stdout.splitlines() if not line.endswith("./")] == []
