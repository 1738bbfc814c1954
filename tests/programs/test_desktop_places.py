"""Manual, desktop: what a desktop looks for in every folder costs nothing, and its "unmount" loses nothing."""

import contextlib
import os
import subprocess
from pathlib import Path
from typing import Final

import pytest

from anthrofs.fuse import mountpoint
from tests.desk import Desk
from tests.mounting import BOUND_S, Mount, asks, stored, wait_until

pytestmark = pytest.mark.desktop

# Wastebaskets, a folder's own settings and names, thumbnails that others have made, what a medium starts, covers, and marks of indexers.
LOOKED_FOR: Final = (
    ".Trash", f".Trash/{os.getuid()}", f".Trash-{os.getuid()}", ".Trash-1000", ".hidden", ".directory", ".xdg-volume-info", ".sh_thumbnails/normal",
    ".thumbnails", "autorun.inf", ".autorun", "autorun", "autorun.sh", "Autorun.inf", "AUTORUN", ".DS_Store", ".localized", "desktop.ini", "Thumbs.db",
    "folder.jpg", ".folder.png", "cover.jpg", ".trackerignore", ".nomedia", ".git", "lost+found", ".fseventsd", ".VolumeIcon.icns")


def gio(mount: Mount, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["gio", *map(str, words)], env={**mount.environment, "GIO_USE_VFS": "local", "HOME": str(mount.path.parent)}, text=True,
                          capture_output=True, timeout=BOUND_S, check=False)


def test_the_names_that_a_desktop_looks_for_cost_no_request(desk: Desk) -> None:
    desk.prepare("mkdir box; echo a > a.txt; echo b > box/b.txt")
    with asks(desk.mount):
        for folder in (desk.files, desk.files / "box"):
            for name in LOOKED_FOR:
                assert not os.path.lexists(folder / name)
                with contextlib.suppress(FileNotFoundError):
                    (folder / name).read_bytes()
        assert "filesystem::free" in gio(desk.mount, "info", "-f", desk.files).stdout


def test_a_wastebasket_cant_be_made_so_the_browser_asks(desk: Desk) -> None:
    desk.prepare("echo a > a.txt")
    with asks(desk.mount):
        done = gio(desk.mount, "trash", desk.files / "a.txt")
    assert done.returncode != 0
    assert "trash directory" in done.stderr
    assert sorted(os.listdir(desk.files)) == ["a.txt"]


def test_a_browsers_unmount_sends_what_is_queued_behind_it(mount: Mount) -> None:
    mount.mount("--upload", "queue")
    pid = mount.pid()
    mount.emulator.fault("upload", {"kind": "delay", "seconds": 2.0})
    (mount.path / "paper.pdf").write_text("kept")
    assert gio(mount, "mount", "-u", mount.path).returncode == 0
    assert not mountpoint.is_mounted(mount.path)
    wait_until(lambda: stored(mount) == {"paper.pdf": b"kept"}, "it is sent")
    mount.wait_for_end(pid)


def test_a_desktop_knows_a_mount_by_its_directory(mount: Mount) -> None:
    """It shows it, with a way to unmount it."""
    mount.mount()
    listed = gio(mount, "mount", "-l", "-i").stdout
    assert f": {mount.path.name} -> {mount.path.as_uri()}\n" in listed
    assert "can_unmount=1" in listed.partition(mount.path.as_uri())[2]
