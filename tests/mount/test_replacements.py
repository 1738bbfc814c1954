"""Manual, promises: a rename over a file is one step, whoever has that one open, and whatever comes while the new
content is being synced.
"""

import contextlib
import errno
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from anthrofs.fuse import mountpoint
from tests.emulator.process import EmulatorProcess
from tests.mounting import Mount, asks, stored, wait_until


class Replacement:
    """`new.txt`, which is being written, is renamed over `f.txt`, which somebody has open; the rename has come as far as the sync."""

    def __init__(self, mount: Mount) -> None:
        self.mount, self.gate = mount, mount.state_dir.with_name("gate")
        self.failed = 0                 # errno of the rename
        self.descriptors: list[int] = []
        mount.mount()
        (mount.path / "f.txt").write_bytes(b"OLD")
        mount.umount()
        self.program = subprocess.Popen([sys.executable, "-m", "tests.held_sync", "stage:data", self.gate, "mount", "--foreground", "--state-dir",
                                         mount.state_dir, "--upload", "queue", mount.path], env=mount.environment,
                                        cwd=Path(__file__).parents[2], stderr=subprocess.DEVNULL)
        wait_until(lambda: mountpoint.is_mounted(mount.path), "it is mounted")
        self._thread = threading.Thread(target=self._rename)

    def begin(self, flags: int = os.O_RDONLY) -> int:
        """Returns the descriptor of `f.txt`."""
        files = self.mount.path
        old, new = os.open(files / "f.txt", flags), os.open(files / "new.txt", os.O_RDWR | os.O_CREAT)
        self.descriptors += [new, old]
        if flags != os.O_RDONLY:
            os.write(old, b"EDITED")
        os.write(new, b"NEW")
        self._thread.start()
        wait_until(self.gate.with_name("gate.reached").exists, "the new content is being synced")
        return old

    def close(self, descriptor: int) -> None:
        self.descriptors.remove(descriptor)
        os.close(descriptor)

    def end(self, *, full: bool = False) -> None:
        """The sync ends; the rename has returned, and nobody has anything open."""
        self.gate.with_name("gate.new").write_text("full" if full else "")
        self.gate.with_name("gate.new").rename(self.gate)
        self._thread.join()
        self._leave()

    def kill(self) -> None:
        self.program.kill()
        self._thread.join()
        self._leave()
        self.program.wait(30)
        subprocess.run(["fusermount3", "-u", "-z", str(self.mount.path)], check=True, timeout=30)

    def finish(self) -> None:
        if self._thread.is_alive():
            self.end()
        self._leave()
        self.mount.finish()
        self.program.wait(30)

    def _leave(self) -> None:
        while self.descriptors:
            with contextlib.suppress(OSError):      # of a dead mount
                os.close(self.descriptors.pop())

    def _rename(self) -> None:
        try:
            (self.mount.path / "new.txt").rename(self.mount.path / "f.txt")
        except OSError as exc:
            self.failed = exc.errno or -1


@pytest.fixture
def replacement(mount: Mount) -> Iterator[Replacement]:
    one = Replacement(mount)
    try:
        yield one
    finally:
        mount.emulator.clear_faults()
        one.finish()


def shown(mount: Mount) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in mount.path.iterdir()}


def test_it_replaces_the_file_here_and_on_the_server(replacement: Replacement, mount: Mount) -> None:
    replacement.begin()
    assert stored(mount) == {"f.txt": b"OLD"}
    replacement.end()
    assert replacement.failed == 0
    assert shown(mount) == {"f.txt": b"NEW"}
    mount.sync()
    assert stored(mount) == {"f.txt": b"NEW"}


def killed_it_leaves_the_old_one(replacement: Replacement, mount: Mount) -> None:
    mount.expects("was being written", "was being replaced")
    mount.leaves("belongs to nothing")
    replacement.kill()
    mount.mount()
    mount.sync()
    assert b"OLD" in shown(mount).values()
    assert b"OLD" in stored(mount).values()


def test_a_kill_loses_nothing_though_a_listing_was_written_down_meanwhile(replacement: Replacement, mount: Mount) -> None:
    mount.emulator.generate("other.txt", b"other")
    replacement.begin()
    mount.refresh()                     # transactions of others
    killed_it_leaves_the_old_one(replacement, mount)


def test_a_reader_that_leaves_meanwhile_takes_nothing_along(replacement: Replacement, mount: Mount) -> None:
    replacement.close(replacement.begin())
    mount.refresh()
    assert stored(mount) == {"f.txt": b"OLD"}
    killed_it_leaves_the_old_one(replacement, mount)


def test_one_that_fails_changes_nothing_though_a_reader_has_left_meanwhile(replacement: Replacement, mount: Mount) -> None:
    replacement.close(replacement.begin())
    replacement.end(full=True)
    assert replacement.failed == errno.ENOSPC
    mount.sync()
    assert shown(mount)["f.txt"] == b"OLD"
    assert stored(mount)["f.txt"] == b"OLD"


def test_one_whose_content_is_refused_leaves_the_old_one_on_the_server(replacement: Replacement, mount: Mount) -> None:
    mount.expects("was refused", "not on the server yet")
    replacement.close(replacement.begin())
    mount.emulator.fault("upload", {"kind": "status", "status": 413}, times=-1)
    replacement.end()
    assert replacement.failed == 0
    wait_until(lambda: mount.status()["failed"], "the refusal")
    assert shown(mount) == {"f.txt": b"NEW"}
    assert stored(mount) == {"f.txt": b"OLD"}
    mount.emulator.clear_faults()
    mount.ok("retry", "--all", mount.path)
    mount.sync()
    assert stored(mount) == {"f.txt": b"NEW"}


def test_what_a_writer_has_closed_meanwhile_is_sent_if_it_fails(replacement: Replacement, mount: Mount) -> None:
    replacement.close(replacement.begin(os.O_WRONLY))
    replacement.end(full=True)
    assert replacement.failed == errno.ENOSPC
    mount.sync()
    assert shown(mount)["f.txt"] == b"EDITED"
    assert stored(mount)["f.txt"] == b"EDITED"


def test_whoever_has_the_old_one_open_goes_on_with_it(mount: Mount) -> None:
    files = mount.mount()
    (files / "f.txt").write_bytes(b"OLD")
    (files / "new.txt").write_bytes(b"NEW!")
    descriptor = os.open(files / "f.txt", os.O_RDWR)
    (files / "new.txt").rename(files / "f.txt")
    assert os.fstat(descriptor).st_size == 3
    assert os.pread(descriptor, 10, 0) == b"OLD"
    os.ftruncate(descriptor, 2)
    assert os.fstat(descriptor).st_size == 2
    os.close(descriptor)
    mount.sync()
    assert stored(mount) == {"f.txt": b"NEW!"}


def test_a_refused_rename_to_an_id_takes_nothing_away(mount: Mount) -> None:
    made = mount.emulator.generate("report.csv", b"only there")
    files = mount.mount()
    (files / "other.csv").write_bytes(b"other")
    with (files / ".by-id" / made["id"]).open("rb") as file, asks(mount, download=1):
        with pytest.raises(PermissionError):
            (files / "other.csv").rename(files / ".by-id" / made["id"])
        assert (files / ".by-id" / made["id"]).stat().st_size == 10
        assert sorted(os.listdir(files)) == ["other.csv", "report.csv"]
        assert file.read() == b"only there"


def test_removing_an_id_that_is_open_removes_the_file(mount: Mount, emulator: EmulatorProcess) -> None:
    made = emulator.generate("report.csv", b"only there")
    files = mount.mount()
    with (files / ".by-id" / made["id"]).open("rb") as file, asks(mount, download=1, delete=1):
        (files / ".by-id" / made["id"]).unlink()
        assert os.listdir(files) == []
        assert not (files / ".by-id" / made["id"]).exists()
        assert file.read() == b"only there"
        file.close()
    assert emulator.files() == []
