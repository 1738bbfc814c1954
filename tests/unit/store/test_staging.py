"""Stages: numbers that are never used again, copies that are whole, and room that is asked for before it is taken."""

import errno
import os
import random
import resource
import threading
from collections import deque
from pathlib import Path

import pytest

from anthrofs.errors import DiskFull, StagingFull
from anthrofs.model import StageId
from anthrofs.store.disk import FICLONE, Disk
from anthrofs.store.staging import LEAST_BYTES, ROOM_CHECK_BYTES, Staging
from tests.strangers import strangers


class SmallDisk(Disk):
    """With as much free space as a test says."""

    def __init__(self, free: int) -> None:
        self.free = free

    def free_bytes(self, path: Path) -> int:
        return self.free


def staging_at(root: Path, disk: Disk | None = None, spare_bytes: int = 0) -> Staging:
    staging = Staging(root, disk or Disk(), spare_bytes)
    staging.start(set())
    return staging


def test_a_number_is_never_used_again(tmp_path: Path) -> None:
    staging = staging_at(tmp_path)
    numbers = []
    for _ in range(5):
        stage = staging.create()
        stage.close()
        numbers.append(stage.number)
        if len(numbers) % 2:
            staging.remove(stage.number)
    assert len(set(numbers)) == 5
    assert staging.numbers() == set(numbers[1::2])

    for promised in (0, 1000, 0):               # 1000 is promised, though its bytes are lost
        highest = max(*staging.numbers(), promised)
        again = Staging(tmp_path, Disk(), 0)
        again.start({StageId(promised)})
        stage = again.create()
        stage.close()
        assert stage.number > highest


def test_many_threads_never_get_the_same_number(tmp_path: Path) -> None:
    staging, numbers = staging_at(tmp_path), deque[StageId]()

    def make() -> None:
        for _ in range(50):
            stage = staging.create()
            stage.close()
            numbers.append(stage.number)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(numbers)) == len(numbers) == 400


def test_a_stage_is_read_and_written_by_position_and_grows_by_holes(tmp_path: Path) -> None:
    stage = staging_at(tmp_path).create()
    stage.write(b"world", 6)
    stage.write(b"hello", 0)
    assert stage.read(100, 0) == b"hello\0world"
    stage.truncate(3)
    stage.truncate(5)
    assert (stage.read(100, 0), stage.size_bytes()) == (b"hel\0\0", 5)
    assert stage.path.stat().st_mode & 0o777 == 0o600
    stage.close()


@pytest.mark.parametrize("reflink", [True, False])
def test_a_copy_has_the_same_content_and_is_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reflink: bool) -> None:
    asked = []

    def ioctl(target: int, request: int, source: int) -> int:
        asked.append(request)
        if not reflink:
            raise OSError(errno.EOPNOTSUPP, "not here")
        os.sendfile(target, source, 0, 10**9)
        return 0

    monkeypatch.setattr("fcntl.ioctl", ioctl)
    source = tmp_path / "source"
    source.write_bytes(random.Random(1).randbytes(3_000_000))
    stage = staging_at(tmp_path / "staging").copy_of(source)
    try:
        assert asked == [FICLONE]
        assert stage.read(10**7, 0) == source.read_bytes()
        stage.write(b"x", 0)
        assert source.read_bytes() == random.Random(1).randbytes(3_000_000)
    finally:
        stage.close()


def test_a_copy_that_fails_leaves_nothing(tmp_path: Path) -> None:
    staging = staging_at(tmp_path / "staging")
    with pytest.raises(FileNotFoundError):
        staging.copy_of(tmp_path / "missing")
    with pytest.raises(IsADirectoryError):
        staging.copy_of(tmp_path)

    assert staging.numbers() == set()


def test_writing_is_refused_while_the_last_of_the_disk_is_still_free(tmp_path: Path) -> None:
    disk = SmallDisk(free=1_000_000)
    staging = staging_at(tmp_path, disk, spare_bytes=1_000_000)
    staging.create().close()                    # nothing more is needed for it

    with pytest.raises(DiskFull) as caught:
        staging.reserve(ROOM_CHECK_BYTES)
    assert caught.value.code == errno.ENOSPC
    for _ in range(3):                          # and again, however little is asked
        with pytest.raises(DiskFull):
            staging.reserve(1)
    with pytest.raises(DiskFull):
        staging.copy_of(Path(__file__))

    disk.free += 10**9                          # somebody made room
    staging.reserve(1)
    staging.create().close()


def test_small_writes_are_counted_until_they_are_worth_a_look(tmp_path: Path) -> None:
    disk = SmallDisk(free=10**9)
    staging = staging_at(tmp_path, disk, spare_bytes=0)
    staging.create().close()
    disk.free = 0

    def write_much() -> None:
        for _ in range(ROOM_CHECK_BYTES // 4096):
            staging.reserve(4096)

    with pytest.raises(DiskFull):
        write_much()


def test_a_big_write_is_looked_at_before_it_is_made(tmp_path: Path) -> None:
    staging = staging_at(tmp_path, SmallDisk(free=100 * ROOM_CHECK_BYTES), spare_bytes=ROOM_CHECK_BYTES)

    staging.reserve(99 * ROOM_CHECK_BYTES)
    with pytest.raises(DiskFull):
        staging.reserve(99 * ROOM_CHECK_BYTES + 1)


# ---- others' files in it

def test_a_new_stage_takes_the_next_number_that_nobody_has(tmp_path: Path) -> None:
    staging = Staging(tmp_path / "staging", Disk(), 0)
    staging.start(set())
    strangers(tmp_path / "staging", tmp_path / "thesis", "1", "2", "3", "4", "5")
    (tmp_path / "staging" / "٦").write_text("theirs")
    (tmp_path / "staging" / ("9" * 30)).write_text("theirs")
    stage = staging.create()
    stage.close()
    assert (stage.number, staging.numbers()) == (6, {1, 6})


def test_the_disk_is_asked_only_when_the_bound_may_be_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    staging = Staging(tmp_path, Disk(), 0, 100 * LEAST_BYTES)
    staging.start(set())
    counts: list[int] = []
    monkeypatch.setattr(staging, "used_bytes", lambda: counts.append(Staging.used_bytes(staging)) or counts[-1])        # type: ignore[func-returns-value]
    for _ in range(100):
        stage = staging.create()
        stage.write(b"x" * LEAST_BYTES, 0)
        stage.close()
    assert len(counts) == 1
    for _ in range(3):
        with pytest.raises(StagingFull):
            staging.create()
    staging.remove(stage.number)
    staging.create().close()


# ---- where the API or the disk takes no more

def test_a_write_just_before_the_disk_is_full_says_how_much_it_wrote(tmp_path: Path) -> None:
    staging = Staging(tmp_path / "staging", Disk(), 0)
    staging.start(set())
    stage = staging.create()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))         # the nearest to a full disk that needs none
    try:
        assert stage.write_some(bytes(600), 0) == 600
        assert stage.write_some(bytes(600), 600) == 400
        with pytest.raises(OSError):
            stage.write(bytes(600), 600)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert stage.size_bytes() == 1000
    stage.close()
