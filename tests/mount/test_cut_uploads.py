"""Manual, promises: an upload that arrives cut is not saved: it is sent again, and what the server had before stays
there until the right one is.
"""

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from anthrofs.fuse import mountpoint
from tests.mounting import Mount, asks, state_of, wait_until

OLD, NEW = b"o" * 4000, b"n" * 6000
HALF = {"kind": "stored_short", "bytes": 3000}


def on_server(mount: Mount) -> list[tuple[str, bytes]]:
    return sorted((file["filename"], mount.emulator.content(file["id"])) for file in mount.emulator.files())


@pytest.mark.parametrize("mode", ["wait", "queue"])
@pytest.mark.parametrize("times", [1, 2])
def test_what_arrives_cut_is_sent_again_and_the_cut_ones_are_deleted(mount: Mount, mode: str, times: int) -> None:
    mount.expects("a.txt' arrived cut: of 6000 bytes that were sent, the server has stored 3000")
    files = mount.mount("--upload", mode)
    (files / "a.txt").write_bytes(OLD)
    mount.sync()
    mount.emulator.fault("upload", HALF, times=times)
    with asks(mount, upload=1 + times, delete=1 + times):
        (files / "a.txt").write_bytes(NEW)
    assert on_server(mount) == [("a.txt", NEW)]
    assert (files / "a.txt").read_bytes() == NEW
    assert mount.refresh()
    assert os.listdir(files) == ["a.txt"]


def test_what_arrives_cut_three_times_has_failed_with_both_sizes_and_the_old_one_stays(mount: Mount) -> None:
    mount.expects("arrived cut", "is not on the server", "was refused: of 6000", "kept for the next mount")
    files = mount.mount()
    (files / "a.txt").write_bytes(OLD)
    mount.emulator.fault("upload", HALF, times=-1)
    with asks(mount, upload=3, delete=3), pytest.raises(OSError) as raised:
        (files / "a.txt").write_bytes(NEW)
    assert raised.value.errno == errno.EIO
    assert on_server(mount) == [("a.txt", OLD)]
    assert (files / "a.txt").read_bytes() == NEW
    [failed] = mount.status()["failed"]
    assert re.search(r"of 6000 bytes that were sent, the server has stored 3000 \(file_\w+\), 3 times", failed["reason"])
    assert state_of(files / "a.txt") == f"failed: {failed['reason']}"
    mount.refresh()
    assert os.listdir(files) == ["a.txt"]

    mount.emulator.clear_faults()
    mount.remount()
    assert mount.ok("retry", files / "a.txt").startswith("a.txt is on the server: file_")
    mount.sync()
    assert on_server(mount) == [("a.txt", NEW)]


def test_a_cut_file_that_is_removed_or_saved_anew_leaves_nothing_behind(mount: Mount) -> None:
    mount.expects("arrived cut")
    files = mount.mount("--upload", "queue")
    for name in ("a.txt", "b.txt"):
        mount.emulator.fault({"operation": "upload", "filename": name}, HALF)
        (files / name).write_bytes(NEW)
    mount.ok("sync", files)
    mount.emulator.fault("upload", HALF, times=2)
    for name in ("c.txt", "d.txt"):
        (files / name).write_bytes(NEW)
    wait_until(lambda: len(mount.emulator.files()) >= 4, "they have arrived cut")
    (files / "c.txt").unlink()
    (files / "d.txt").write_bytes(OLD)
    mount.sync()
    assert on_server(mount) == [("a.txt", NEW), ("b.txt", NEW), ("d.txt", OLD)]


@pytest.mark.parametrize(("label", "strays"), [("step:WRONG", 1), ("step:WRONG+", 0), ("step:REFUSED+", 0)])
def test_a_kill_after_a_cut_upload_loses_nothing(mount: Mount, label: str, strays: int) -> None:
    """Between the answer and its commit nobody knows yet whose the cut one is: it is left, and shows beside the right one."""
    mount.expects("arrived cut", "is not on the server", "perhaps a cut try of ours")
    files = mount.mount()
    (files / "a.txt").write_bytes(OLD)
    mount.umount()
    mount.emulator.fault("upload", HALF, times=3 if "REFUSED" in label else 1)
    killed = subprocess.Popen([sys.executable, "-m", "tests.crash_at", label, "1", "mount", "--foreground", "--upload", "queue", "--state-dir",
                               mount.state_dir, mount.path], env=mount.environment, cwd=Path(__file__).parents[2], stderr=subprocess.DEVNULL)
    wait_until(lambda: mountpoint.is_mounted(mount.path), "it is mounted")
    (files / "a.txt").write_bytes(NEW)
    assert killed.wait(60) == -9
    subprocess.run(["fusermount3", "-u", "-z", str(mount.path)], check=True, timeout=30)
    assert ("a.txt", OLD) in on_server(mount)

    mount.mount()
    assert (files / "a.txt").read_bytes() == NEW
    if "REFUSED" in label:
        mount.ok("retry", files / "a.txt")
    mount.sync()
    assert on_server(mount) == sorted([*[("a.txt", NEW[:3000])] * strays, ("a.txt", NEW)])
    mount.refresh()
    assert sorted(len((files / name).read_bytes()) if name == "a.txt" else 0 for name in os.listdir(files)) == [0] * strays + [6000]


def test_a_listing_that_says_later_that_less_is_there_deletes_nothing_and_retry_sends_the_copy(mount: Mount) -> None:
    mount.expects("kept for the next mount")
    files = mount.mount()
    mount.emulator.fault("upload", {**HALF, "honest": False})
    (files / "a.txt").write_bytes(NEW)
    (files / "b.txt").write_bytes(OLD)
    mount.refresh()
    for _ in range(2):
        assert "lists 3000 bytes of it, and 6000 were sent" in state_of(files / "a.txt")
        assert state_of(files / "a.txt").startswith("failed: ")
        assert (state_of(files / "b.txt"), (files / "a.txt").read_bytes()) == ("remote", NEW)
        [failed] = mount.status()["failed"]
        assert (failed["path"], "6000 were sent" in failed["reason"]) == ("a.txt", True)
        assert on_server(mount) == [("a.txt", NEW[:3000]), ("b.txt", OLD)]
        mount.remount()

    with asks(mount, upload=1, delete=1):
        assert mount.ok("retry", files).startswith("a.txt is on the server: file_")
    assert on_server(mount) == [("a.txt", NEW), ("b.txt", OLD)]
    mount.refresh()
    assert (state_of(files / "a.txt"), mount.status()["failed"]) == ("remote", [])
