"""Manual, limits: what programs meet there, as it says."""

import errno
import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.mounting import Mount, asks, shell, wait_until


@pytest.mark.parametrize("follow", ["-f", "-F"])
def test_tail_goes_on_with_the_old_file_while_it_holds_it_and_so_does_the_name(mount: Mount, follow: str) -> None:
    mount.emulator.generate("log.txt", b"one\n")
    files = mount.mount("--refresh", "0.1")
    with subprocess.Popen(["tail", "-s", "0.1", follow, files / "log.txt"], stdout=subprocess.PIPE) as tail:
        assert tail.stdout is not None
        assert tail.stdout.readline() == b"one\n"
        mount.emulator.generate("log.txt", b"one\ntwo\n")
        for _ in range(2):
            mount.refresh()
        assert (files / "log.txt").stat().st_size == 4
        tail.terminate()
        assert tail.stdout.read() == b""
    wait_until(lambda: (files / "log.txt").read_bytes() == b"one\ntwo\n", "it has left, so the name shows the new one")


def test_a_picture_that_is_delivered_three_times_as_long_is_copied_whole(mount: Mount, tmp_path: Path) -> None:
    mount.emulator.switch(delivered_extra_bytes=52_000)
    made = mount.emulator.generate("photo.jpg", os.urandom(26_000), "image/jpeg")
    files = mount.mount()
    with asks(mount, download=1):
        assert (files / "photo.jpg").stat().st_size == 26_000
        assert shell(f"cp photo.jpg {tmp_path}/copy.jpg && cat photo.jpg > {tmp_path}/cat.jpg", files).returncode == 0
    copied = (tmp_path / "copy.jpg").read_bytes()
    assert (len(copied), (tmp_path / "cat.jpg").read_bytes()) == (78_000, copied)
    assert copied.startswith(mount.emulator.content(made["id"]))


def test_space_is_reserved_by_a_write_into_each_block(mount: Mount) -> None:
    files = mount.mount()
    with asks(mount, upload=1):
        descriptor = os.open(files / "a.bin", os.O_RDWR | os.O_CREAT)
        os.posix_fallocate(descriptor, 0, 1_000_000)
        os.close(descriptor)
    assert [file["size_bytes"] for file in mount.emulator.files()] == [1_000_000]
    done = shell("fallocate -l 1M b.bin", files)            # util-linux: without glibc's way around it
    assert (done.returncode, os.strerror(errno.EOPNOTSUPP) in done.stderr) == (1, True)


@pytest.mark.root
def test_a_kernel_overlay_has_the_mount_below_and_not_above(mount: Mount) -> None:
    mount.emulator.generate("a.txt", b"a")
    files = mount.mount()
    (files / "up").mkdir()
    (files / "work").mkdir()
    overlay = "mount -t tmpfs upper {0} && mkdir {0}/up {0}/work {0}/low {0}/merged && mount -t overlay overlay -o {1} {0}/merged"
    with tempfile.TemporaryDirectory() as base:
        below = overlay.format(base, f"lowerdir={files},upperdir={base}/up,workdir={base}/work")
        seen = f"cat {base}/merged/a.txt && echo new > {base}/merged/b.txt && ls {base}/up"
        with asks(mount, download=1):
            done = subprocess.run(["unshare", "-m", "bash", "-c", f"{below} && {seen}"], capture_output=True, text=True, check=False, timeout=60)
            assert (done.returncode, done.stdout) == (0, "ab.txt\n"), done.stderr
        above = overlay.format(base, f"lowerdir={base}/low,upperdir={files}/up,workdir={files}/work")
        assert subprocess.run(["unshare", "-m", "bash", "-c", above], capture_output=True, check=False, timeout=60).returncode != 0
