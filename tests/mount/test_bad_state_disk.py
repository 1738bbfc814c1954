"""The disk of the state is full, or takes no changes: what can be read is read, what can't be kept is said, nothing is lost."""

import errno
import mmap
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from anthrofs.fuse import mountpoint
from tests.mounting import Mount, runs, wait_until

pytestmark = pytest.mark.root      # disks are mounted

FULL = ("no room on the disk", "would stay free", "could not be made durable", "can't be written")


class SmallDisk:
    """A disk of its own for the state, whose room can be taken and given back."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2g", "tmpfs", path], check=True)
        (path / "filler").write_text("size=0 would be no limit")

    def fill(self) -> None:
        """Not a page is left: no memory is used up for that."""
        now = os.statvfs(self.path)
        self._resize(str((now.f_blocks - now.f_bfree) * now.f_frsize))

    def make_room(self) -> None:
        self._resize("2g")

    def _resize(self, size: str) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", self.path], check=True)

    def read_only(self, yes: bool) -> None:
        subprocess.run(["mount", "-o", "remount,ro" if yes else "remount,rw", self.path], check=True)


@pytest.fixture
def disk(mount: Mount, tmp_path: Path) -> Iterator[SmallDisk]:
    one = SmallDisk(tmp_path / "disk")
    mount.state_dir = one.path / "state"
    try:
        yield one
        mount.finish()
    finally:
        subprocess.run(["umount", "-l", one.path], check=True)


@pytest.fixture
def failing_disk(mount: Mount, tmp_path: Path) -> Iterator[str]:
    """A disk that the kernel makes read-only at its first error, as it does on most machines. Yields the file that makes one."""
    image, path = tmp_path / "image", tmp_path / "disk"
    path.mkdir()
    with image.open("wb") as file:
        file.truncate(2 * 2**30)
    made = subprocess.run(["mkfs.ext4", "-q", image], check=False, capture_output=True)
    if made.returncode or subprocess.run(["mount", "-o", "loop,errors=remount-ro", image, path], check=False).returncode:
        pytest.skip("no loop devices here")
    mount.state_dir = path / "state"
    device = subprocess.run(["findmnt", "-n", "-o", "SOURCE", path], check=True, capture_output=True, text=True).stdout.strip()
    try:
        yield f"/sys/fs/ext4/{Path(device).name}/trigger_fs_error"
        mount.finish()
    finally:
        subprocess.run(["umount", "-l", path], check=True)



def refused(mount: Mount, says: str) -> None:
    done = mount.run("mount", "--foreground", "--state-dir", mount.state_dir, mount.path)
    assert (done.returncode, done.stdout, "Traceback" in done.stderr) == (1, "", False), done.stderr
    assert says in done.stderr
    assert not mountpoint.is_mounted(mount.path)


def use_up_the_reserve(path: Path) -> None:
    """SQLite's file of changes has room for a few more."""
    for number in range(10_000):
        path.chmod(0o600 + number % 2)


# ---- full


def test_a_first_mount_on_a_full_disk_says_so_and_goes_on_when_there_is_room(mount: Mount, disk: SmallDisk) -> None:
    mount.emulator.generate("a.txt", b"a")
    disk.fill()
    refused(mount, "disk is full")
    disk.make_room()
    assert (mount.mount() / "a.txt").read_bytes() == b"a"


def test_on_a_full_disk_a_known_workspace_is_mounted_and_can_be_read(mount: Mount, disk: SmallDisk) -> None:
    mount.expects(*FULL)
    mount.emulator.generate("known.txt", b"known")
    mount.emulator.generate("new.bin", b"n" * 3_000_000)
    mount.mount()
    mount.umount()
    disk.fill()

    files = mount.mount()

    assert sorted(os.listdir(files)) == ["known.txt", "new.bin"]
    assert (files / "new.bin").read_bytes() == b"n" * 3_000_000
    assert (files / "known.txt").read_bytes() == b"known"
    with pytest.raises(OSError, match="No space left"):
        (files / "mine.txt").write_text("mine")
    with pytest.raises(OSError, match="No space left"):
        (files / "known.txt").chmod(0o600)
    assert mount.log().count("reads go on without it") <= 1

    disk.make_room()
    (files / "mine.txt").write_text("mine")
    (files / "known.txt").unlink()
    mount.sync()
    assert sorted(file["filename"] for file in mount.emulator.files()) == ["mine.txt", "new.bin"]


def test_what_a_full_disk_kept_from_being_closed_is_sent_when_there_is_room(mount: Mount, disk: SmallDisk) -> None:
    """Manual, promises: 'If `close` fails, … the bytes are kept'."""
    mount.expects(*FULL)
    files = mount.mount()
    descriptor = os.open(files / "mine.txt", os.O_WRONLY | os.O_CREAT)
    os.write(descriptor, b"m" * 100_000)
    disk.fill()
    with pytest.raises(OSError, match="No space left"):
        os.fsync(descriptor)
    with pytest.raises(OSError, match="No space left"):
        os.close(descriptor)
    assert (files / "mine.txt").read_bytes() == b"m" * 100_000

    disk.make_room()
    mount.ok("umount", files)

    assert [(file["filename"], file["size_bytes"]) for file in mount.emulator.files()] == [("mine.txt", 100_000)]


def test_a_close_that_a_full_disk_refused_leaves_nothing_behind_when_the_writing_goes_on(mount: Mount, disk: SmallDisk) -> None:
    mount.expects(*FULL)
    files = mount.mount()
    one, other = (os.open(files / "mine.txt", os.O_WRONLY | os.O_CREAT) for _ in range(2))
    os.write(one, b"m" * 100_000)
    disk.fill()
    with pytest.raises(OSError, match="No space left"):
        os.close(one)
    disk.make_room()
    os.pwrite(other, b"more", 100_000)
    os.close(other)
    mount.sync()
    assert [(file["filename"], file["size_bytes"]) for file in mount.emulator.files()] == [("mine.txt", 100_004)]
    assert os.listdir(mount.state_dir / "staging") == []


def test_a_map_that_a_full_disk_does_not_take_says_so_at_the_next_sync_and_close(mount: Mount, disk: SmallDisk) -> None:
    mount.expects(*FULL, "flush: map.bin: a write at byte")
    files = mount.mount()
    descriptor = os.open(files / "map.bin", os.O_RDWR | os.O_CREAT)
    os.ftruncate(descriptor, 2_000_000)
    with mmap.mmap(descriptor, 2_000_000) as view:
        disk.fill()
        view[:] = b"m" * 2_000_000
        with pytest.raises(OSError, match="No space left"):
            view.flush()
        disk.make_room()
        view[:] = b"n" * 2_000_000
        view.flush()
    os.close(descriptor)
    mount.sync()
    [stored] = mount.emulator.files()
    assert mount.emulator.content(stored["id"]) == b"n" * 2_000_000


def test_what_can_not_be_kept_at_the_unmount_is_named_with_the_place_of_its_bytes(mount: Mount, disk: SmallDisk) -> None:
    mount.expects(*FULL, "not on the server yet", "nothing of it was promised")
    mount.leaves("belongs to nothing")
    files = mount.mount()
    descriptor = os.open(files / "mine.txt", os.O_WRONLY | os.O_CREAT)
    os.write(descriptor, b"mine")
    disk.fill()
    with pytest.raises(OSError, match="No space left"):
        os.close(descriptor)

    done = mount.run("umount", files)

    assert done.returncode == 5
    place = done.stderr.rstrip().rpartition("What was written is in ")[2]
    assert "mine.txt: " in done.stderr
    assert Path(place).read_bytes() == b"mine"
    disk.make_room()


def test_a_full_disk_costs_the_server_no_storm_and_sends_nothing_twice(mount: Mount, disk: SmallDisk) -> None:
    """The server has done what it was asked, and that can't be written down."""
    mount.expects(*FULL, "nothing can be sent now", "runs low")
    files = mount.mount("--upload", "queue")
    for name in ("old.txt", "other.txt"):
        (files / name).write_text(name)
    mount.sync()
    mount.emulator.forget_requests()
    mount.emulator.switch(latency_ms=1500)
    (files / "new.txt").write_text("new")
    (files / "old.txt").unlink()
    wait_until(lambda: {"upload", "delete"} <= {request["operation"] for request in mount.emulator.requests()}, "both are asked")
    disk.fill()
    with pytest.raises(OSError, match="No space left"):
        use_up_the_reserve(files / "other.txt")
    wait_until(lambda: all(request["finished"] for request in mount.emulator.requests()), "both are answered")
    mount.emulator.switch(latency_ms=0)
    time.sleep(1.5)     # what fails is tried again after 5 s
    asked = [request["operation"] for request in mount.emulator.requests()]
    assert (asked.count("upload"), asked.count("delete")) == (1, 1)

    disk.make_room()
    mount.sync()
    assert [request["operation"] for request in mount.emulator.requests()].count("upload") == 1
    assert sorted(file["filename"] for file in mount.emulator.files()) == ["new.txt", "other.txt"]


# ---- read-only


def test_a_read_only_disk_is_said_and_a_known_workspace_comes_back_with_it(mount: Mount, disk: SmallDisk) -> None:
    mount.emulator.generate("a.txt", b"a")
    disk.read_only(True)
    refused(mount, "Read-only file system")
    disk.read_only(False)
    mount.mount()
    mount.umount()
    disk.read_only(True)
    refused(mount, "Read-only file system")
    disk.read_only(False)
    assert (mount.mount() / "a.txt").read_bytes() == b"a"


def test_a_disk_that_turns_read_only_keeps_nobody_from_reading_or_unmounting(mount: Mount, failing_disk: str, tmp_path: Path) -> None:
    mount.emulator.generate("a.txt", b"a")
    mount.emulator.generate("new.txt", b"new")
    files = mount.mount("--upload", "queue")
    assert (files / "a.txt").read_bytes() == b"a"
    mount.emulator.fault("upload", {"kind": "status", "status": 503, "retry_after_ms": 60_000}, times=-1)
    (files / "queued.txt").write_text("queued")
    mount.emulator.wait_for_requests(1, "upload")
    wait_until(lambda: os.getxattr(files / "queued.txt", "user.anthropic.state") == b"waiting", "it waits for its next try")
    descriptor = os.open(files / "open.txt", os.O_WRONLY | os.O_CREAT)
    os.write(descriptor, b"open")
    pid = mount.pid()
    Path(failing_disk).write_text("1")

    assert [(files / name).read_text() for name in ("a.txt", "new.txt", "queued.txt")] == ["a", "new", "queued"]
    changes: list[Callable[[], object]] = [
        partial((files / "b.txt").write_text, "b"), (files / "a.txt").unlink, partial((files / "a.txt").chmod, 0o600),
        partial(os.write, descriptor, b"more"), partial(os.close, descriptor)]
    for change in changes:
        with pytest.raises(OSError, match=r"Input/output error|Read-only file system") as raised:
            change()
        assert raised.value.errno in (errno.EIO, errno.EROFS)
    done = mount.run("umount", "--timeout", "1", files)
    assert done.returncode == 5
    assert "queued.txt: waiting" in done.stderr
    wait_until(lambda: not runs(pid), "the process ends")

    subprocess.run(["umount", tmp_path / "disk"], check=True)
    subprocess.run(["mount", "-o", "loop", tmp_path / "image", tmp_path / "disk"], check=True)
    mount.emulator.clear_faults()
    mount.expects("open.txt.* nothing of it was promised")
    mount.leaves("belongs to nothing")
    assert sorted(os.listdir(mount.mount())) == ["a.txt", "new.txt", "queued.txt"]
    mount.sync()
    assert "queued.txt" in [file["filename"] for file in mount.emulator.files()]
