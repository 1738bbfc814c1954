"""The sum of a state's database vouches for that file only."""

import json
import os
import zlib
from pathlib import Path

import pytest

from anthrofs.tree.database import Database
from anthrofs.tree.state_sum import is_as_left, write_sum


def left(folder: Path) -> Path:
    """A database as a mount has left it."""
    path = folder / "state.db"
    Database(path).close()
    write_sum(path)
    return path


def test_a_database_that_nobody_has_touched_is_as_it_was_left(tmp_path: Path) -> None:
    assert is_as_left(left(tmp_path)) is True


def test_one_that_was_moved_away_to_begin_anew_is_nobodys_damage(tmp_path: Path) -> None:
    path = left(tmp_path)
    path.unlink()
    assert is_as_left(path) is None
    Database(path).close()
    assert path.exists()


def test_the_sum_of_an_earlier_version_vouches_too(tmp_path: Path) -> None:
    path = left(tmp_path)
    place = path.with_name("state.db.sum")
    known = json.loads(place.read_text())
    del known["xxh3"]
    place.write_text(json.dumps({**known, "crc32": zlib.crc32(path.read_bytes())}))
    assert is_as_left(path) is True
    place.write_text(json.dumps({**known, "crc32": zlib.crc32(path.read_bytes()) ^ 1}))
    assert is_as_left(path) is False


@pytest.mark.parametrize("change", [{"xxh3": None}, {"xxh3": "x"}, {"bytes": None}, {"mtime_ns": 10**30}])
def test_a_sum_that_makes_no_sense_vouches_for_nothing(tmp_path: Path, change: dict[str, object]) -> None:
    path = left(tmp_path)
    place = path.with_name("state.db.sum")
    place.write_text(json.dumps({**json.loads(place.read_text()), **change}))
    assert is_as_left(path) is None
    place.write_text("[]")
    assert is_as_left(path) is None
    place.write_text("{}")
    assert is_as_left(path) is None


@pytest.mark.parametrize("place", [0, 2**20 - 1, 2**20, -1])
def test_one_bit_is_seen_wherever_it_is(tmp_path: Path, place: int) -> None:
    path = left(tmp_path)
    with path.open("r+b") as file:
        file.truncate(2**20 + 4096)
    write_sum(path)
    shown = path.stat()
    content = bytearray(path.read_bytes())
    content[place] ^= 4
    path.write_bytes(content)
    os.utime(path, ns=(shown.st_atime_ns, shown.st_mtime_ns))
    assert is_as_left(path) is False
