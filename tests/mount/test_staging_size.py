"""Manual, errors: 'ENOSPC … the bound of `--staging-size` is reached' and 'what is queued stays so, and there is room
again'.
"""

import errno
import os
from pathlib import Path

import pytest

from anthrofs.store.staging import LEAST_BYTES
from tests.mounting import Mount

DOWN = {"kind": "status", "status": 503, "error_type": "api_error"}
SAYS = "--staging-size allows"
NOT_SENT = "a write at byte .* was refused"


def fill(files: Path, size_bytes: int) -> list[str]:
    """Files of that size until one doesn't fit; the names of those that did, in order."""
    done: list[str] = []
    for number in range(1000):
        name = f"{number:03}.bin"
        try:
            (files / name).write_bytes(name[:3].encode() * (size_bytes // 3))
        except OSError as exc:
            assert exc.errno == errno.ENOSPC            # noqa: PT017 - any of a file's steps may be the one
            (files / name).unlink(missing_ok=True)
            return done
        done.append(name)
    raise AssertionError("there is no bound")


def write_for_ever(descriptor: int) -> None:
    for _ in range(1000):
        os.write(descriptor, b"x" * 100_000)


@pytest.mark.parametrize(("size_bytes", "bound"), [(300, 100_000), (300_000, 1_000_000)])
def test_unsent_content_is_bounded_nothing_promised_is_lost_and_there_is_room_again(mount: Mount, size_bytes: int, bound: int) -> None:
    files = mount.mount("--upload", "queue", "--staging-size", str(bound))
    mount.emulator.fault("upload", DOWN, times=-1)
    mount.expects(SAYS, NOT_SENT)

    promised = fill(files, size_bytes)
    assert len(promised) == bound // (-(-size_bytes // LEAST_BYTES) * LEAST_BYTES)
    for _ in range(3):
        with pytest.raises(OSError) as raised:
            (files / "more.bin").write_bytes(b"x" * size_bytes)
        assert raised.value.errno == errno.ENOSPC
    assert mount.log().count(SAYS) == 1
    assert all((files / name).read_bytes() == name[:3].encode() * (size_bytes // 3) for name in promised)

    mount.emulator.clear_faults()
    mount.sync()
    (files / "more.bin").write_bytes(b"x" * size_bytes)
    mount.sync()
    assert {file["filename"]: file["size_bytes"] for file in mount.emulator.files()} == dict.fromkeys([*promised, "more.bin"], size_bytes)


def test_what_was_queued_before_counts_after_a_remount(mount: Mount) -> None:
    files = mount.mount("--upload", "queue")
    mount.emulator.fault("upload", DOWN, times=-1)
    mount.expects(SAYS, NOT_SENT, "not on the server yet")
    (files / "a.bin").write_bytes(b"a" * 900_000)
    mount.end_now()
    mount.mount("--upload", "queue", "--staging-size", "1M")
    with pytest.raises(OSError, match="No space left"):
        (files / "b.bin").write_bytes(b"b" * 200_000)
    mount.emulator.clear_faults()
    mount.sync()
    (files / "b.bin").write_bytes(b"b" * 200_000)
    mount.sync()
    assert {file["filename"]: file["size_bytes"] for file in mount.emulator.files()} == {"a.bin": 900_000, "b.bin": 200_000}


def test_a_rename_and_holes_cost_no_space(mount: Mount) -> None:
    files = mount.mount("--staging-size", "1M")
    mount.expects(SAYS)
    for name in ("a.bin", "b.bin", "c.bin"):            # each more than a half of the bound
        (files / name).write_bytes(name.encode() * 120_000)
    mount.emulator.fault("upload", DOWN, times=-1)
    for name in ("a.bin", "b.bin", "c.bin"):            # each is to be sent again, from its kept copy
        (files / name).rename(files / f"new {name}")
    with (files / "sparse.bin").open("wb") as sparse:
        sparse.truncate(400_000_000)
        sparse.truncate(3)
        mount.emulator.clear_faults()
    (files / "d.bin").write_bytes(b"d" * 600_000)
    mount.sync()
    assert {file["filename"] for file in mount.emulator.files()} == {"new a.bin", "new b.bin", "new c.bin", "sparse.bin", "d.bin"}


def test_a_file_that_is_bigger_than_the_bound_says_so_and_can_be_made_smaller(mount: Mount) -> None:
    files = mount.mount("--staging-size", "1M")
    mount.expects(SAYS)
    descriptor = os.open(files / "a.bin", os.O_WRONLY | os.O_CREAT)
    with pytest.raises(OSError, match="No space left"):
        write_for_ever(descriptor)
    os.ftruncate(descriptor, 3)
    os.close(descriptor)
    assert [mount.emulator.content(file["id"]) for file in mount.emulator.files()] == [b"xxx"]


@pytest.mark.parametrize("size", ["much", "-1"])
def test_a_size_that_cant_be_understood_is_refused(mount: Mount, size: str) -> None:
    done = mount.run("mount", "--state-dir", mount.state_dir, f"--staging-size={size}", mount.path)
    assert done.returncode == 2
    assert f"--staging-size {size!r}: it takes a size" in done.stderr
