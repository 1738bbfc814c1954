"""Manual, promises: what a write refused is never sent: it is kept, and shown as refused; what was there before stays
on the server.
"""

import errno
import mmap
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from anthrofs.config import Config, Credentials, Service
from tests.mounting import Mount, asks, shell, state_of, stored, wait_until

LIMIT: Final = Config(Path("/"), Path("/"), Service("", Credentials("", ""))).max_file_bytes
MB: Final = 10**6
BOTH: Final = pytest.mark.parametrize("upload", ["wait", "queue"])
SMALL: Final = ["--staging-size", "1M"]


@pytest.fixture
def ready(mount: Mount, upload: str) -> Mount:
    """With an own upload, and room for one MB that isn't sent."""
    files = mount.mount("--upload", upload, *SMALL)
    (files / "a.bin").write_bytes(b"OLD")
    mount.sync()
    mount.emulator.forget_requests()
    mount.expects("was refused", "--staging-size allows", "takes files up to", "not on the server yet")
    return mount


def state(mount: Mount, name: str = "a.bin") -> str:
    return state_of(mount.path / name)


def write_on(descriptor: int, piece: bytes = b"x" * 100_000) -> tuple[int, int]:
    """Until a write is refused: how much was taken, and the errno."""
    taken = 0
    while True:
        try:
            taken += os.write(descriptor, piece)
        except OSError as exc:
            return taken, exc.errno or 0


def refused(mount: Mount, name: str, code: int, flags: int = os.O_WRONLY | os.O_CREAT | os.O_TRUNC) -> None:
    """A program writes until it is refused, and closes, which says so, too."""
    descriptor = os.open(mount.path / name, flags, 0o644)
    if code == errno.EFBIG:
        assert os.pwrite(descriptor, bytes(100), LIMIT - 10) == 10
        os.lseek(descriptor, 0, os.SEEK_END)
    assert write_on(descriptor)[1] == code
    with pytest.raises(OSError) as raised:
        os.close(descriptor)
    assert raised.value.errno == code


def kill(mount: Mount, descriptor: int) -> None:
    """Ends anthrofs in the middle of a write; the program that has the file open closes it afterwards."""
    mount.kill()
    with pytest.raises(OSError):
        os.close(descriptor)


@BOTH
@pytest.mark.parametrize("code", [errno.EFBIG, errno.ENOSPC], ids=errno.errorcode.get)
def test_it_is_kept_and_shown_and_never_sent(ready: Mount, code: int) -> None:
    mount = ready
    with asks(mount):
        refused(mount, "a.bin", code)
        size = (mount.path / "a.bin").stat().st_size
        assert state(mount).startswith("failed: a write at byte ")
        assert os.strerror(code) in state(mount)
        assert [entry["path"] for entry in mount.status()["failed"]] == ["a.bin"]
        assert mount.status()["bytes_on_server"] == len(b"OLD")
        assert f"send it as it is: anthrofs retry --as-is {mount.path / 'a.bin'}" in mount.ok("status", mount.path)
        done = mount.run("retry", "--all", mount.path)
        assert (done.returncode, done.stdout) == (1, "Nothing is sent again.\n")
        assert "a write was refused" in done.stderr
        (mount.path / "a.bin").rename(mount.path / "b.bin")         # what was refused by its name would be tried again
        assert state(mount, "b.bin").startswith("failed: a write at byte ")
    mount.kill()
    mount.mount(*SMALL)
    with asks(mount, list=1):
        mount.refresh()
        assert (mount.path / "b.bin").stat().st_size == size
        assert state(mount, "b.bin").startswith("failed: a write at byte ")
    assert stored(mount) == {"a.bin": b"OLD"}
    mount.ok("discard", mount.path / "b.bin")
    mount.sync()
    assert [(mount.path / name).read_bytes() for name in os.listdir(mount.path)] == [b"OLD"]
    assert list(stored(mount).values()) == [b"OLD"]


@BOTH
def test_a_copy_that_ends_with_no_space_leaves_the_old_file_and_a_new_copy_replaces_it(ready: Mount, tmp_path: Path) -> None:
    mount = ready
    (tmp_path / "big.bin").write_bytes(bytes(3 * MB))
    (tmp_path / "small.bin").write_bytes(b"NEW")
    with asks(mount):
        done = shell(f"cp {tmp_path}/big.bin a.bin", mount.path)
        assert (done.returncode, "No space left" in done.stderr) == (1, True)
    assert stored(mount) == {"a.bin": b"OLD"}
    (tmp_path / "smaller.bin").write_bytes(bytes(900_000))      # there is room, now that it takes the place of the other
    for name in ("small.bin", "smaller.bin"):
        with asks(mount, upload=1, delete=1):
            assert shell(f"cp {tmp_path}/{name} a.bin", mount.path).returncode == 0
    assert stored(mount) == {"a.bin": bytes(900_000)}


@BOTH
def test_a_new_copy_has_the_room_of_the_one_that_was_refused(ready: Mount, tmp_path: Path) -> None:
    mount = ready
    (tmp_path / "big.bin").write_bytes(bytes(3 * MB))
    (tmp_path / "right.bin").write_bytes(os.urandom(900_000))
    assert shell(f"cp {tmp_path}/big.bin a.bin", mount.path).returncode == 1
    with asks(mount, upload=1, delete=1):
        assert shell(f"cp {tmp_path}/right.bin a.bin", mount.path).returncode == 0
    assert stored(mount) == {"a.bin": (tmp_path / "right.bin").read_bytes()}


@BOTH
def test_a_kill_while_it_is_written_anew_leaves_it_refused(ready: Mount) -> None:
    mount = ready
    refused(mount, "a.bin", errno.ENOSPC)
    descriptor = os.open(mount.path / "a.bin", os.O_WRONLY | os.O_TRUNC)
    os.write(descriptor, b"half")
    kill(mount, descriptor)
    mount.leaves("belongs to nothing: it was being written when")
    assert mount.run("check", "--state-dir", mount.state_dir).stdout.count("\n") == 1         # what was written anew
    mount.mount(*SMALL)
    with asks(mount, list=1):
        mount.refresh()
    assert state(mount).startswith("failed: a write at byte ")
    assert stored(mount) == {"a.bin": b"OLD"}


@BOTH
def test_what_is_written_anew_is_sent(ready: Mount) -> None:
    mount = ready
    refused(mount, "a.bin", errno.EFBIG)
    with asks(mount, upload=1, delete=1):
        (mount.path / "a.bin").write_bytes(b"NEW")
    assert (stored(mount), state(mount)) == ({"a.bin": b"NEW"}, "remote")


@BOTH
def test_what_is_cut_below_the_refusal_is_sent(ready: Mount) -> None:
    mount = ready
    with asks(mount, upload=1):
        descriptor = os.open(mount.path / "b.bin", os.O_WRONLY | os.O_CREAT)
        os.write(descriptor, b"abc")
        os.lseek(descriptor, LIMIT, os.SEEK_SET)
        assert write_on(descriptor) == (0, errno.EFBIG)
        with pytest.raises(OSError, match="File too large"):
            os.close(descriptor)
        assert state(mount, "b.bin").startswith("failed")
        os.truncate(mount.path / "b.bin", 3)
    assert stored(mount)["b.bin"] == b"abc"


@BOTH
def test_a_copy_whose_holes_reach_too_far_is_not_sent(ready: Mount, tmp_path: Path) -> None:
    """cp makes a hole at a file's end by ftruncate."""
    mount = ready
    with (tmp_path / "big.bin").open("wb") as big:
        big.truncate(LIMIT + 2**20)
    with asks(mount):
        for name in ("a.bin", "b.bin"):
            done = shell(f"cp {tmp_path}/big.bin {name}", mount.path)
            assert (done.returncode, "File too large" in done.stderr) == (1, True)
        wait_until(lambda: sorted(entry["path"] for entry in mount.status()["failed"]) == ["a.bin", "b.bin"], "its last release")
        assert state(mount, "b.bin").startswith("failed: a write at byte 0 was refused (File too large)")
    assert stored(mount) == {"a.bin": b"OLD"}
    with asks(mount, upload=1):
        (mount.path / "b.bin").write_bytes(b"NEW")
    assert stored(mount) == {"a.bin": b"OLD", "b.bin": b"NEW"}


@BOTH
def test_a_file_that_was_only_to_be_made_too_long_stays_as_it_is(ready: Mount) -> None:
    mount = ready
    with asks(mount):
        assert shell(f"truncate -s {LIMIT + 1} a.bin", mount.path).returncode == 1
        with pytest.raises(OSError, match="File too large"):
            os.truncate(mount.path / "a.bin", LIMIT + 1)
        assert (state(mount), mount.status()["failed"]) == ("remote", [])
    assert stored(mount) == {"a.bin": b"OLD"}


@BOTH
def test_a_write_that_is_taken_when_it_is_tried_again_leaves_nothing_lacking(ready: Mount) -> None:
    mount = ready
    (mount.path / ".other.swp").write_bytes(bytes(600_000))
    descriptor = os.open(mount.path / "a.bin", os.O_WRONLY | os.O_TRUNC)
    written, code = write_on(descriptor, b"y" * 100_000)
    assert code == errno.ENOSPC
    (mount.path / ".other.swp").unlink()
    while written < 800_000:
        written += os.write(descriptor, b"y" * (800_000 - written))
    with asks(mount, upload=1, delete=1):
        os.close(descriptor)
    assert stored(mount) == {"a.bin": b"y" * 800_000}


@BOTH
def test_what_an_fsync_has_promised_is_not_sent_after_a_kill_either(ready: Mount) -> None:
    mount = ready
    descriptor = os.open(mount.path / "a.bin", os.O_WRONLY | os.O_TRUNC)
    os.write(descriptor, b"begin")
    os.fsync(descriptor)
    assert write_on(descriptor)[1] == errno.ENOSPC
    kill(mount, descriptor)
    mount.mount(*SMALL)
    with asks(mount, list=1):
        mount.refresh()
        assert state(mount).startswith("failed: a write at byte ")
    assert stored(mount) == {"a.bin": b"OLD"}


@BOTH
def test_a_map_whose_pages_find_no_room_is_not_sent(ready: Mount) -> None:
    mount = ready
    descriptor = os.open(mount.path / "map.bin", os.O_RDWR | os.O_CREAT)
    os.ftruncate(descriptor, 3 * MB)
    with mmap.mmap(descriptor, 3 * MB) as pages:
        pages[:] = b"m" * 3 * MB
        with pytest.raises(OSError):
            pages.flush()
    with pytest.raises(OSError):
        os.close(descriptor)
    with asks(mount):
        wait_until(lambda: state(mount, "map.bin").startswith("failed"), "the last release")
    assert stored(mount) == {"a.bin": b"OLD"}


@BOTH
@pytest.mark.parametrize("name", ["b.bin.part", "new.bin"])
def test_one_that_is_put_in_the_place_of_a_good_one_leaves_that_on_the_server(ready: Mount, name: str) -> None:
    mount = ready
    with asks(mount):
        part = os.open(mount.path / name, os.O_WRONLY | os.O_CREAT)
        assert write_on(part)[1] == errno.ENOSPC
        if name.endswith(".part"):
            os.close(part)                  # it stays here, so nothing is promised that isn't kept
        else:
            with pytest.raises(OSError, match="No space left"):
                os.close(part)
        (mount.path / name).rename(mount.path / "a.bin")
        assert state(mount).startswith("failed: a write at byte ")
    assert stored(mount) == {"a.bin": b"OLD"}
    mount.ok("discard", mount.path / "a.bin")
    assert (mount.path / "a.bin").read_bytes() == b"OLD"


@BOTH
def test_one_is_not_published_by_a_link(ready: Mount) -> None:
    mount = ready
    part = os.open(mount.path / "b.part", os.O_WRONLY | os.O_CREAT)
    assert write_on(part)[1] == errno.ENOSPC
    os.close(part)
    with asks(mount), pytest.raises(PermissionError):
        os.link(mount.path / "b.part", mount.path / "b.bin")
    assert sorted(os.listdir(mount.path)) == ["a.bin", "b.part"]
    assert stored(mount) == {"a.bin": b"OLD"}


@BOTH
def test_a_person_may_insist(ready: Mount) -> None:
    mount = ready
    refused(mount, "a.bin", errno.ENOSPC)
    content = (mount.path / "a.bin").read_bytes()
    with asks(mount, upload=1, delete=1):
        assert mount.ok("retry", "--as-is", mount.path / "a.bin").startswith("a.bin is on the server: file_")
    assert stored(mount) == {"a.bin": content}
    assert state(mount) == "remote"


@BOTH
def test_a_refusal_before_anything_was_changed_changes_nothing(ready: Mount) -> None:
    mount = ready
    with (mount.path / "a.bin").open("rb") as reader:
        with asks(mount):
            descriptor = os.open(mount.path / "a.bin", os.O_WRONLY)
            with pytest.raises(OSError, match="File too large"):
                os.pwrite(descriptor, b"x", LIMIT)
            os.close(descriptor)
        assert state(mount) == "remote"
        with asks(mount, upload=1, delete=1), (mount.path / "a.bin").open("ab") as other:       # while the reader has it open
            other.write(b" and new")
        assert reader.read() == b"OLD and new"
    assert stored(mount) == {"a.bin": b"OLD and new"}
    with asks(mount):
        descriptor = os.open(mount.path / "a.bin", os.O_WRONLY)
        with pytest.raises(OSError, match="File too large"):
            os.pwrite(descriptor, b"x", LIMIT)
        os.write(descriptor, b"half")                   # this it takes, the first is lacking
        with pytest.raises(OSError, match="File too large"):
            os.close(descriptor)
    assert state(mount).startswith("failed")


@BOTH
def test_what_was_refused_before_somebody_else_cut_the_file_is_not_lacking(ready: Mount) -> None:
    mount = ready
    descriptor = os.open(mount.path / "a.bin", os.O_WRONLY)
    with pytest.raises(OSError, match="File too large"):
        os.pwrite(descriptor, b"x", LIMIT)
    os.truncate(mount.path / "a.bin", 0)
    os.pwrite(descriptor, b"NEW", 0)
    with asks(mount, upload=1, delete=1):
        os.close(descriptor)
    assert (stored(mount), state(mount)) == ({"a.bin": b"NEW"}, "remote")


@BOTH
def test_what_only_the_last_release_hands_over_is_not_sent_either(ready: Mount) -> None:
    """Nothing of it was taken: an empty file is handed over by no close."""
    mount = ready
    program = "import os, sys\nf = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)\ntry: os.pwrite(f, b'x', int(sys.argv[2]))\nexcept OSError: os._exit(3)"
    with asks(mount):
        assert subprocess.run([sys.executable, "-c", program, mount.path / "new.bin", str(LIMIT)], check=False, timeout=60).returncode == 3
        wait_until(lambda: state(mount, "new.bin").startswith("failed: a write at byte "), "its release")
    assert stored(mount) == {"a.bin": b"OLD"}
