"""Manual, promises: attributes that mean nothing to the service are kept on this machine; `rsync -X` and `cp -a` go
through.
"""

import errno
import os
import subprocess
from pathlib import Path

import pytest

from tests.mounting import Mount, asks

NOTE = "user.note"
TYPE = "user.mime_type"


def run(*command: str | Path) -> None:
    done = subprocess.run(command, text=True, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, ""), command


def ours(path: Path) -> dict[str, bytes]:
    """All that doesn't come from the service."""
    return {name: os.getxattr(path, name) for name in os.listxattr(path) if not name.startswith("user.anthropic.") and name != TYPE}


def test_they_belong_to_the_file_whatever_becomes_of_its_name_and_content(mount: Mount) -> None:
    files = mount.mount()
    (files / "a.txt").write_text("a")
    mount.emulator.generate("theirs.txt", b"x")
    mount.refresh()
    (files / "d").mkdir()
    value = bytes(range(256))
    with asks(mount):
        for name in ("a.txt", "theirs.txt", "d"):
            os.setxattr(files / name, NOTE, value)
            os.setxattr(files / name, "user.\u00fc", b"")
        with pytest.raises(FileExistsError):
            os.setxattr(files / "a.txt", NOTE, b"", os.XATTR_CREATE)
        with pytest.raises(OSError, match=os.strerror(errno.ENODATA)):
            os.setxattr(files / "a.txt", "user.absent", b"", os.XATTR_REPLACE)
    (files / "a.txt").write_text("newer")
    (files / "a.txt").rename(files / "d" / "b.txt")
    mount.remount()
    for name in ("d/b.txt", "theirs.txt", "d"):
        assert ours(files / name) == {NOTE: value, "user.\u00fc": b""}
    with asks(mount):
        os.removexattr(files / "d", NOTE)
    assert ours(files / "d") == {"user.\u00fc": b""}
    (files / "theirs.txt").unlink()
    (files / "theirs.txt").write_text("another file")
    assert ours(files / "theirs.txt") == {}


def test_there_is_room_for_as_much_as_linux_lists(mount: Mount) -> None:
    mount.expects("bytes of extended attributes")
    files = mount.mount()
    (files / "a.txt").write_text("a")
    os.setxattr(files / "a.txt", "user.big", bytes(60_000))
    with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        os.setxattr(files / "a.txt", "user.more", bytes(10_000))
    os.setxattr(files / "a.txt", "user.big", bytes(60_001))
    assert {name: len(value) for name, value in ours(files / "a.txt").items()} == {"user.big": 60_001}


def test_rsync_with_attributes_sends_each_file_once_and_again_nothing(mount: Mount, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "d").mkdir(parents=True)
    for name in ("a.bin", "d/b.bin"):
        (source / name).write_bytes(name.encode())
        os.setxattr(source / name, NOTE, b"from elsewhere")
        os.setxattr(source / name, TYPE, b"text/csv")
    os.setxattr(source / "d", NOTE, b"of a folder")
    files = mount.mount()
    with asks(mount, upload=2):
        run("rsync", "-aX", f"{source}/", f"{files}/")
    assert {file["mime_type"] for file in mount.emulator.files()} == {"text/csv"}
    assert ours(files / "a.bin") == ours(files / "d" / "b.bin") == {NOTE: b"from elsewhere"}
    assert ours(files / "d") == {NOTE: b"of a folder"}
    with asks(mount):
        run("rsync", "-aX", f"{source}/", f"{files}/")


def test_a_copy_of_the_mount_with_all_attributes_can_be_brought_back_for_no_request(mount: Mount, tmp_path: Path) -> None:
    mount.emulator.generate("made.csv", b"1,2", "text/csv")
    files = mount.mount()
    (files / "own.txt").write_text("own")
    for command in (["rsync", "-aX"], ["cp", "-a"]):
        copy = tmp_path / command[0]
        copy.mkdir()
        run(*command, f"{files}/.", f"{copy}/")
        assert os.getxattr(copy / "made.csv", "user.anthropic.downloadable") == b"true"
        with asks(mount):
            run("rsync", "-aX", f"{copy}/", f"{files}/")
    assert os.getxattr(files / "made.csv", "user.anthropic.downloadable") == b"true"


def test_what_is_only_told_cannot_be_changed_by_setting_it(mount: Mount) -> None:
    files = mount.mount()
    (files / "a.txt").write_text("a")
    before = {name: os.getxattr(files / "a.txt", name) for name in os.listxattr(files / "a.txt")}
    with asks(mount):
        os.setxattr(files / "a.txt", "user.anthropic.file_id", b"file_of_another")
        os.removexattr(files / "a.txt", "user.anthropic.state")
    assert {name: os.getxattr(files / "a.txt", name) for name in os.listxattr(files / "a.txt")} == before
