"""Manual, commands: `umount --lazy` detaches a mount that is in use; its process still ends when it is told to, and
loses nothing that was promised.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest

from anthrofs.fuse import mountpoint
from tests.mounting import BOUND_S, Mount, runs, stored, wait_until

STALL: Final = {"kind": "stall", "seconds": 300}
BOTH: Final = pytest.mark.parametrize("upload", ["wait", "queue"])


def detach(mount: Mount) -> None:
    mountpoint.unmount(mount.path, lazy=True)


@contextmanager
def opened(path: Path, flags: int = os.O_RDONLY) -> Iterator[int]:
    """By a program that stays in it; the mount may end meanwhile."""
    descriptor = os.open(path, flags, 0o644)
    try:
        yield descriptor
    finally:
        with suppress(OSError):
            os.close(descriptor)


@pytest.mark.parametrize("options", [["--upload", "wait"], ["--upload", "queue"], ["--read-only"]], ids=" ".join)
def test_the_first_signal_ends_it_though_a_file_is_open(mount: Mount, options: list[str]) -> None:
    mount.emulator.generate("a.txt", b"a")
    files, pid = mount.mount(*options), mount.pid()
    with opened(files / "a.txt"):
        detach(mount)
        os.kill(pid, signal.SIGTERM)
        mount.wait_for_end(pid)
    assert "ended" in mount.log()


@BOTH
def test_what_is_queued_is_sent_first(mount: Mount, upload: str) -> None:
    files, pid = mount.mount("--upload", upload), mount.pid()
    (files / "a.txt").write_text("a")
    with opened(files / "a.txt"):
        for number in range(5):
            (files / f"{number}.txt").write_text(f"{number}")
        detach(mount)
        os.kill(pid, signal.SIGTERM)
        mount.wait_for_end(pid)
    assert stored(mount) == {"a.txt": b"a", **{f"{number}.txt": b"%d" % number for number in range(5)}}


def test_what_cant_be_sent_is_named_and_sent_by_the_next_mount(mount: Mount) -> None:
    mount.expects("not on the server yet, kept for the next mount: b.txt", "may be a gateway's", "way")
    files, pid = mount.mount("--upload", "queue"), mount.pid()
    (files / "a.txt").write_text("a")
    mount.sync()
    mount.emulator.fault("upload", STALL, times=-1)
    with opened(files / "a.txt"):
        (files / "b.txt").write_text("b")
        detach(mount)
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: mount.log().count("got SIGTERM") == 1, "the first: it waits for the upload, within its bound")
        os.kill(pid, signal.SIGTERM)
        mount.wait_for_end(pid)
    mount.emulator.clear_faults()
    mount.mount()
    mount.sync()
    assert stored(mount) == {"a.txt": b"a", "b.txt": b"b"}


def test_a_close_that_waits_is_told_and_its_bytes_are_kept(mount: Mount) -> None:
    mount.expects("not on the server yet, kept for the next mount: b.txt", "the mount is ending")
    files, pid = mount.mount(), mount.pid()
    mount.emulator.fault("upload", STALL, times=-1)
    program = "import os, sys\nf = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)\nos.write(f, b'b')\ntry: os.close(f)\nexcept OSError as exc: print(exc.errno)"
    with subprocess.Popen([sys.executable, "-c", program, files / "b.txt"], stdout=subprocess.PIPE, text=True) as waiting:
        wait_until(lambda: mount.emulator.requests("upload"), "it waits")
        detach(mount)
        for count in (1, 2):
            os.kill(pid, signal.SIGTERM)
            wait_until(lambda count=count: mount.log().count("got SIGTERM") == count, "it was seen")      # type: ignore[misc]
        assert waiting.communicate(timeout=BOUND_S)[0] == "5\n"        # EIO, and not that the connection is gone
    mount.wait_for_end(pid)
    mount.emulator.clear_faults()
    mount.mount()
    mount.sync()
    assert stored(mount) == {"b.txt": b"b"}


@BOTH
def test_what_was_still_being_written_is_named_and_what_an_fsync_promised_is_sent(mount: Mount, upload: str) -> None:
    mount.expects("still being written by programs that have it open", "half.txt' was being written when")
    mount.leaves("belongs to nothing: it was being written when")
    files, pid = mount.mount("--upload", upload), mount.pid()
    flags = os.O_WRONLY | os.O_CREAT
    with opened(files / "half.txt", flags) as half, opened(files / "synced.txt", flags) as synced:
        os.write(half, b"half")
        os.write(synced, b"synced")
        os.fsync(synced)
        detach(mount)
        os.kill(pid, signal.SIGTERM)
        mount.wait_for_end(pid)
    [line] = [line for line in mount.log().splitlines() if "still being written" in line]
    assert sorted(line.rpartition(": ")[2].split(", ")) == ["half.txt", "synced.txt"]
    mount.mount()
    mount.sync()
    assert stored(mount) == {"synced.txt": b"synced"}
    assert os.listdir(files) == ["synced.txt"]


def test_the_mount_that_took_its_place_is_left_alone(mount: Mount, tmp_path: Path) -> None:
    mount.emulator.generate("a.txt", b"a")
    files, pid = mount.mount(), mount.pid()
    with opened(files / "a.txt"):
        detach(mount)
        mount.ok("mount", "--state-dir", tmp_path / "another", files)
        try:
            os.kill(pid, signal.SIGTERM)
            mount.wait_for_end(pid)
            assert (files / "a.txt").read_bytes() == b"a"
        finally:
            mount.ok("umount", files)


def test_one_whose_directory_was_renamed_is_unmounted_where_it_is(mount: Mount, tmp_path: Path) -> None:
    base = tmp_path / "above"
    moved = Mount(base, mount.emulator)
    moved.mount()
    pid = moved.pid()
    base.rename(tmp_path / "renamed")
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not runs(pid), "it ends")
    assert tmp_path / "renamed" / "files" not in mountpoint.mounts()
    assert os.listdir(tmp_path / "renamed" / "files") == []
