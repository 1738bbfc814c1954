"""link(2) of a helper file: how some programs publish (zarr 3, git's objects): the name gets a file of its own; all else is EPERM."""

import contextlib
import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from anthrofs.fuse.mountpoint import is_mounted
from tests.mounting import ROOT, Mount, asks, state_of, wait_until


def errno_of(old: Path, new: Path) -> int | None:
    try:
        os.link(old, new)
    except OSError as exc:
        return exc.errno
    return None


@pytest.mark.parametrize("upload", ["wait", "queue"])
@pytest.mark.parametrize("content", [b"published", b""])
def test_a_helper_file_is_published_by_link_and_unlink_for_one_upload(mount: Mount, upload: str, content: bytes) -> None:
    files = mount.mount("--upload", upload)
    (files / "store").mkdir()
    x, y = files / "store" / "x.json.partial", files / "store" / "x.json"
    with asks(mount, upload=1):
        x.write_bytes(content)
        os.setxattr(x, "user.colour", b"green")
        x.chmod(0o640)
        os.link(x, y)
        assert (x.stat().st_nlink, y.stat().st_nlink) == (1, 1)
        assert x.stat().st_ino != y.stat().st_ino
        assert (x.read_bytes(), y.read_bytes()) == (content, content)
        assert (y.stat().st_mode, y.stat().st_size, y.stat().st_mtime_ns) == (x.stat().st_mode, len(content), x.stat().st_mtime_ns)
        assert (state_of(x), os.getxattr(y, "user.colour")) == ("local", b"green")
        x.unlink()
        wait_until(lambda: state_of(y) == "remote", "it is sent")
    assert [(file["filename"], mount.emulator.content(file["id"])) for file in mount.emulator.files()] == [("store／x.json", content)]
    mount.remount()
    assert y.read_bytes() == content
    assert os.listdir(files / "store") == ["x.json"]


def test_what_is_written_to_one_name_later_is_not_in_the_other(mount: Mount) -> None:
    files = mount.mount()
    x, y = files / "x.partial", files / "y"
    x.write_bytes(b"first")
    with asks(mount, upload=1):
        os.link(x, y)
        mount.sync()
        x.write_bytes(b"second")
        with x.open("ab") as file:
            file.write(b", third")
    assert (x.read_bytes(), y.read_bytes()) == (b"second, third", b"first")
    with asks(mount, upload=1, delete=1), y.open("r+b") as file:
        file.write(b"F")
    assert (x.read_bytes(), y.read_bytes()) == (b"second, third", b"First")
    os.link(x, files / "z")
    os.link(x, files / "other.partial")         # stays here, too
    mount.sync()
    assert sorted((f["filename"], mount.emulator.content(f["id"])) for f in mount.emulator.files()) == [("y", b"First"), ("z", b"second, third")]
    assert state_of(files / "other.partial") == "local"
    assert (files / "other.partial").read_bytes() == b"second, third"


def test_all_else_is_refused_and_changes_nothing(mount: Mount) -> None:
    mount.expects("has more than 255 bytes")
    mount.emulator.generate("theirs.txt", b"theirs")
    files = mount.mount()
    (files / "folder").mkdir()
    (files / "mine.txt").write_text("mine")
    (files / "x.partial").write_text("x")
    os.rename(files / "theirs.txt", files / "theirs.txt~")
    mount.sync()
    with asks(mount):
        assert errno_of(files / "mine.txt", files / "new") == errno.EPERM
        assert errno_of(files / "theirs.txt~", files / "new") == errno.EPERM
        assert errno_of(files / "folder", files / "new") == errno.EPERM
        assert errno_of(files / "x.partial", files / "mine.txt") == errno.EEXIST
        assert errno_of(files / "x.partial", files / "folder") == errno.EEXIST
        assert errno_of(files / "missing.partial", files / "new") == errno.ENOENT
        assert errno_of(files / "x.partial", files / "missing" / "new") == errno.ENOENT
        assert errno_of(files / "x.partial", files / ".Trash-0") == errno.EPERM
        assert errno_of(files / "x.partial", files / ("n" * 256)) == errno.ENAMETOOLONG
        with (files / "x.partial").open("ab") as writer:
            assert errno_of(files / "x.partial", files / "new") == errno.EPERM
            writer.write(b"more")
            writer.flush()
            assert errno_of(files / "x.partial", files / "new") == errno.EPERM
        file_id = os.getxattr(files / "mine.txt", "user.anthropic.file_id").decode()
        assert errno_of(files / ".by-id" / file_id, files / "new") == errno.EPERM
    assert sorted(os.listdir(files)) == ["folder", "mine.txt", "theirs.txt~", "x.partial"]


def test_a_file_that_another_process_is_writing_is_not_published(mount: Mount) -> None:
    files = mount.mount()
    script = "import sys; f = open(sys.argv[1], 'w'); f.write('half'); f.flush(); print(1, flush=True); sys.stdin.read()"
    writer = subprocess.Popen([sys.executable, "-c", script, files / "x.partial"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert writer.stdin is not None
    assert writer.stdout is not None
    with writer:
        writer.stdout.readline()
        assert errno_of(files / "x.partial", files / "y") == errno.EPERM
        writer.stdin.close()
    with asks(mount, upload=1):
        wait_until(lambda: errno_of(files / "x.partial", files / "y") is None, "it is closed")
    assert (files / "y").read_text() == "half"


def test_a_file_of_which_a_write_was_refused_is_not_published(mount: Mount) -> None:
    mount.expects("takes files up to|isn't whole")
    files = mount.mount()
    descriptor = os.open(files / "x.partial", os.O_WRONLY | os.O_CREAT)
    os.write(descriptor, b"begun")
    with pytest.raises(OSError, match="File too large"):
        os.pwrite(descriptor, b"x", 10**12)
    with contextlib.suppress(OSError):          # it may say so again
        os.close(descriptor)
    with asks(mount):
        assert errno_of(files / "x.partial", files / "y") == errno.EPERM
    assert os.listdir(files) == ["x.partial"]


def test_read_only_mounts_have_no_links(mount: Mount) -> None:
    files = mount.mount()
    (files / "x.partial").write_text("x")
    mount.remount("--read-only")
    assert errno_of(files / "x.partial", files / "y") == errno.EROFS


@pytest.mark.parametrize("step", ["link:link", "link:link+", "link:dir", "link:dir+", "linked", "unlinked", "kept:link", "kept:dir+", "staging:remove",
                                  "staging:remove+"])
def test_a_kill_leaves_one_name_or_both_and_no_half(mount: Mount, step: str) -> None:
    """A link that was answered is kept; one that was not, is there whole or not at all."""
    label = step if ":" in step else "never"
    killed = subprocess.Popen([sys.executable, "-m", "tests.crash_at", label, "1", "mount", "--foreground", "--upload", "queue", "--state-dir",
                               mount.state_dir, mount.path], env=mount.environment, cwd=ROOT, stderr=subprocess.DEVNULL)
    wait_until(lambda: is_mounted(mount.path), "it is mounted")
    x, y = mount.path / "x.partial", mount.path / "y"
    x.write_bytes(b"published")
    answered = errno_of(x, y) is None
    if step == "unlinked":
        x.unlink()
    if label == "never":
        killed.kill()
    assert killed.wait(30) == -9
    subprocess.run(["fusermount3", "-u", "-z", str(mount.path)], check=True, timeout=30)

    files = mount.mount()
    mount.sync()
    assert answered == (not step.startswith("link:"))
    assert x.exists() == (step != "unlinked")
    assert y.exists() == answered
    for path in files.iterdir():
        assert path.read_bytes() == b"published"
    assert [file["filename"] for file in mount.emulator.files()] == ["y"] * answered
