"""The exerciser finds what it is for; on a plain directory and on a mount it finds nothing."""

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.emulator.process import EmulatorProcess
from tests.exerciser.__main__ import OnAMount
from tests.exerciser.checked import WrongError
from tests.exerciser.epochs import Counts, FailedError, keep, kept, replay, run_epoch, shrunk
from tests.exerciser.hands import Hands
from tests.exerciser.operations import AROUND, WEIGHTS, Op
from tests.exerciser.stamps import origin, stamped
from tests.mounting import Mount

if TYPE_CHECKING:
    from tests.exerciser.around import Around

SEED = 3


class Plain:
    """A directory of this machine's disk."""

    def __init__(self, files: Path) -> None:
        self.files = files
        self.around: Around | None = None

    def begin(self, _chance: random.Random) -> None:
        self.clear()

    def clear(self) -> None:
        shutil.rmtree(self.files, ignore_errors=True)
        (self.files / "d").mkdir(parents=True)


@pytest.fixture
def plain(tmp_path: Path) -> Plain:
    return Plain(tmp_path / "files")


@pytest.mark.parametrize(("offset", "length"), [(0, 1), (0, 8), (5, 2), (7, 100), (131_071, 9), (4096, 70_000)])
def test_a_stamp_of_a_part_is_that_part_of_the_whole_stamp(offset: int, length: int) -> None:
    assert stamped(77, offset, length) == stamped(77, 0, offset + length)[offset:]


def test_no_byte_of_two_operations_at_one_place_is_the_same() -> None:
    """So whatever an operation leaves out shows."""
    first, second = stamped(300, 1000, 4000), stamped(301, 1000, 4000)
    assert all(one != other for one, other in zip(first, second, strict=True))


def test_a_stamp_tells_its_operation_and_its_place_also_where_a_copy_has_brought_it() -> None:
    content = bytes(13) + stamped(4711, 1000, 64) + bytes(20)
    assert origin(content, 13 + 20, 0, 5000) == "operation 4711 wrote it for byte 1020"
    assert origin(content, 90, 0, 5000) == "nobody wrote it: a hole"


def test_what_is_left_of_a_word_still_tells_its_operation() -> None:
    content = stamped(20, 1000, 3) + stamped(21, 1003, 3) + bytes(10)
    assert origin(content, 1, 1000, 30) == "operation 20 wrote it, and 2 beside it"
    assert origin(content, 3, 1000, 30) == "operation 21 wrote it, and 2 beside it"


def test_on_a_plain_directory_nothing_is_wrong_and_every_kind_is_done(plain: Plain) -> None:
    """So the model says what a disk does."""
    counts = Counts()
    for epoch in range(3):
        run_epoch(plain, SEED, epoch, 3000, counts)
    assert set(counts.kinds) == set(WEIGHTS)
    assert counts.verified_bytes > 10**6


def test_a_byte_that_changes_is_found_and_the_run_cut_down_to_what_shows_it(plain: Plain, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A disk on which every ftruncate of a file that is longer than a page cuts a byte too much and gives it back as a hole."""
    def cut(descriptor: int, size: int) -> None:
        if size > 4096:
            truncate(descriptor, size - 1)
        truncate(descriptor, size)

    truncate = os.ftruncate
    monkeypatch.setattr(os, "ftruncate", cut)
    with pytest.raises(FailedError) as failed:
        run_epoch(plain, SEED, 0, 3000, Counts())
    assert "expected operation" in str(failed.value)
    assert "found    nobody wrote it: a hole" in str(failed.value)

    ops = shrunk(plain, failed.value.ops, seconds=20)
    assert len(ops) <= 5
    keep(tmp_path / "ops", ops)
    assert kept(tmp_path / "ops") == ops
    with pytest.raises(WrongError):
        replay(plain, ops)
    monkeypatch.undo()
    replay(plain, ops)


def test_a_file_that_should_not_be_there_is_found(plain: Plain) -> None:
    plain.clear()
    hands = Hands(plain.files, None)
    hands.do(Op(1, "open", path=1, flags=os.O_RDWR | os.O_CREAT))
    hands.do(Op(2, "write", length=10))
    (plain.files / "other").touch()
    with pytest.raises(WrongError, match="other"):
        hands.finish(2)


@pytest.fixture
def on_a_mount(emulator: EmulatorProcess, mount: Mount) -> Iterator[OnAMount]:
    mount.hurried = True
    yield OnAMount(mount)
    assert emulator.running


def test_on_a_mount_nothing_is_wrong(on_a_mount: OnAMount) -> None:
    """scripts/exercise does it for longer."""
    counts = Counts()
    run_epoch(on_a_mount, SEED, 0, 1500, counts)
    assert set(counts.kinds) & set(AROUND)
    assert len(counts.conditions) >= 2
