"""Manual, files: 'Don't move or delete it under a mount: from then on nothing can be changed there (EIO) … what can be
read still can'.
"""

import errno
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from anthrofs.fuse import mountpoint
from tests.mounting import Mount, wait_until

SAYS = "Nothing can be changed or sent until it is back"
# What each change that was refused says of itself, and the end.
ALSO = ("could not be made durable", "could not be written down", "reads go on without it", "not on the server yet")
REMOVED = {"the state's directory": ".", "the database": "state.db", "its file of changes": "state.db-wal", "staging": "staging"}


@pytest.fixture
def used(mount: Mount) -> Mount:
    """A file of others that was read, one of ours, one that is queued, and one that is open with something written."""
    mount.expects(SAYS, *ALSO)
    mount.leaves("belongs to nothing")
    mount.emulator.generate("theirs.txt", b"theirs")
    mount.emulator.generate("unread.txt", b"unread")
    files = mount.mount("--upload", "queue")
    assert (files / "theirs.txt").read_bytes() == b"theirs"
    (files / "ours.txt").write_text("ours")
    (files / "queued.txt").write_text("older")         # what is new would be held off
    mount.sync()
    mount.emulator.fault("upload", {"kind": "status", "status": 503, "retry_after_ms": 600_000}, times=-1)
    (files / "queued.txt").write_text("queued")
    mount.emulator.wait_for_requests(3, "upload")
    wait_until(lambda: os.getxattr(files / "queued.txt", "user.anthropic.state") == b"waiting", "it waits for its next try")
    mount.emulator.forget_requests()
    return mount


def end(mount: Mount, pid: int) -> None:
    mountpoint.unmount(mount.path)
    mount.wait_for_end(pid)


def changes(files: Path, descriptor: int) -> list[Callable[[], object]]:
    return [partial(os.write, descriptor, b"more"), partial(os.fsync, descriptor), partial((files / "new.txt").write_text, "new"),
            partial((files / "ours.txt").write_text, "new"), partial((files / "ours.txt").unlink), partial((files / "queued.txt").unlink),
            partial((files / "ours.txt").rename, files / "other.txt"), partial((files / "ours.txt").chmod, 0o600),
            partial(os.utime, files / "ours.txt"), partial(os.truncate, files / "ours.txt", 0)]


def assert_nothing_can_be_changed(files: Path, descriptor: int) -> None:
    before = sorted(os.listdir(files))
    for change in changes(files, descriptor):
        with pytest.raises(OSError, match="Input/output error") as raised:
            change()
        assert raised.value.errno == errno.EIO, change
    assert sorted(os.listdir(files)) == before


@pytest.mark.parametrize("what", REMOVED)
def test_a_state_that_was_removed_takes_no_changes_and_what_can_be_read_still_can(used: Mount, what: str) -> None:
    files, pid = used.path, used.pid()
    log = os.open(used.state_dir / "anthrofs.log", os.O_RDONLY)
    descriptor = os.open(files / "open.txt", os.O_WRONLY | os.O_CREAT)
    os.write(descriptor, b"open")
    gone = used.state_dir / REMOVED[what]
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()

    assert_nothing_can_be_changed(files, descriptor)
    with pytest.raises(OSError, match="Input/output error"):
        os.close(descriptor)

    assert (files / "theirs.txt").read_bytes() == b"theirs"
    assert (files / "unread.txt").read_bytes() == b"unread"
    assert os.stat(files / "ours.txt").st_size == 4
    if (used.state_dir / "control.sock").exists():
        assert f"{gone} was removed under the mount" in used.ok("status", files)
        assert used.status()["state_error"] == f"{gone} was removed under the mount"
        done = used.run("sync", files)                  # it doesn't wait for what can't come
        assert (done.returncode, "queued.txt" in done.stderr) == (5, True)
    used.emulator.clear_faults()
    end(used, pid)
    assert used.emulator.requests("upload") == used.emulator.requests("delete") == []
    assert os.read(log, 10**6).count(SAYS.encode()) == 1
    os.close(log)
    if what != "staging":
        shutil.rmtree(used.state_dir, ignore_errors=True)       # `anthrofs check` finds no state there, and says so
    else:
        used.leaves("is not in staging")


@pytest.mark.parametrize("what", ["the state's directory", "the database", "staging"])
def test_a_state_that_was_moved_is_said_and_goes_on_when_it_is_back(used: Mount, tmp_path: Path, what: str) -> None:
    used.expects("the mount goes on")
    files, log = used.path, used.state_dir / "anthrofs.log"
    descriptor = os.open(files / "open.txt", os.O_WRONLY | os.O_CREAT)
    os.write(descriptor, b"open")
    place, away = (used.state_dir / REMOVED[what]).resolve(), tmp_path / "away"
    place.rename(away)
    place.mkdir() if away.is_dir() else place.touch()   # something else is there now
    if log.parent.exists() and log.exists():
        assert f"{place} was moved to {away} under the mount" in used.status()["state_error"]

    assert_nothing_can_be_changed(files, descriptor)

    if what == "the database":
        assert (files / "queued.txt").read_text() == "queued"
    place.rmdir() if away.is_dir() else place.unlink()
    away.rename(place)
    os.write(descriptor, b" again")
    os.close(descriptor)
    (files / "new.txt").write_text("new")
    (files / "ours.txt").unlink()
    used.emulator.clear_faults()
    used.sync()
    assert {file["filename"]: file["size_bytes"] for file in used.emulator.files()} == {
        "theirs.txt": 6, "unread.txt": 6, "queued.txt": 6, "open.txt": 10, "new.txt": 3}
    assert used.log().count(SAYS) == 1


def test_the_end_of_a_mount_whose_state_is_gone_takes_nothing_from_the_next_one(used: Mount, tmp_path: Path) -> None:
    """SQLite removes its file of changes by name when it is closed, unless the database has moved."""
    pid = used.pid()
    shutil.rmtree(used.state_dir)
    other = Mount(tmp_path / "other", used.emulator)
    other.state_dir = used.state_dir
    other.mount("--upload", "queue")
    (other.path / "precious.txt").write_text("precious")

    end(used, pid)

    assert other.status()["waiting"]
    other.kill()
    used.emulator.clear_faults()
    other.mount()
    other.sync()
    assert [file["filename"] for file in used.emulator.files()].count("precious.txt") == 1
    other.finish()
