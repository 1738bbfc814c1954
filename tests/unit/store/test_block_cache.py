"""Blocks come back right or not at all, whatever happens to their files, and within the bound."""

import errno
import itertools
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anthrofs.model import FileId
from anthrofs.store.block_cache import BlockCache
from anthrofs.store.block_file import sums_of
from anthrofs.store.block_map import BlockMap
from anthrofs.store.blocks import BLOCK_BYTES
from anthrofs.store.disk import Disk
from tests.fakes import law
from tests.strangers import strangers

A: Final = FileId("file_a")
B: Final = FileId("file_b")


def block(seed: int, size: int = BLOCK_BYTES) -> bytes:
    return random.Random(seed).randbytes(size)


def cache_at(path: Path, limit_bytes: int = 10**9, disk: Disk | None = None) -> BlockCache:
    """As after a start: nothing is in memory."""
    cache = BlockCache(path, disk or Disk(), limit_bytes)
    cache.start()
    return cache


def put(cache: BlockCache, file_id: FileId, number: int, data: bytes) -> None:
    cache.put(file_id, number, [data])


def test_a_block_comes_back_from_memory_and_after_a_start_from_disk(tmp_path: Path) -> None:
    cache = cache_at(tmp_path)
    blocks = {(A, 0): block(1), (A, 7): block(2), (B, 0): block(3, 17), (FileId("../../x\0"), 3): block(4)}
    for (file_id, number), data in blocks.items():
        put(cache, file_id, number, data)

    for each in (cache, cache_at(tmp_path)):
        for (file_id, number), data in blocks.items():
            assert each.get(file_id, number) == data
        assert each.get(A, 1) is None
        assert each.get(FileId("unknown"), 0) is None
    assert {path.name for path in tmp_path.iterdir()} == {"cache", "kept"}      # no id leads elsewhere


def _flip(path: Path, chance: random.Random) -> None:
    raw = bytearray(path.read_bytes())
    raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
    path.write_bytes(raw)


def _cut(path: Path, chance: random.Random) -> None:
    os.truncate(path, chance.randrange(path.stat().st_size))


def _zero(path: Path, chance: random.Random) -> None:
    start = chance.randrange(path.stat().st_size)
    with path.open("r+b") as file:
        file.seek(start)
        file.write(bytes(chance.randrange(1, 9)))


def _remove(path: Path, chance: random.Random) -> None:
    path.unlink()


def _swap(path: Path, chance: random.Random) -> None:
    other = chance.choice([each for each in sorted(path.parent.iterdir()) if each.suffix == path.suffix and len(each.stem) == 32])
    between = path.with_name("between")
    path.rename(between)
    other_path = between if other == path else other
    other_path.rename(path)
    if between.exists():
        between.rename(other)


DAMAGES: Final[tuple[Callable[[Path, random.Random], None], ...]] = (_flip, _cut, _zero, _remove, _swap)


@settings(law, max_examples=80)
@given(damages=st.lists(st.sampled_from(DAMAGES), min_size=1, max_size=4), seed=st.integers(0, 2**32), size=st.integers(1, 400))
def test_whatever_happens_to_the_cache_on_disk_a_wrong_byte_is_never_returned(
        tmp_path_factory: pytest.TempPathFactory, damages: list[Callable[[Path, random.Random], None]], seed: int, size: int) -> None:
    root = tmp_path_factory.mktemp("cache")
    blocks = {(file_id, number): block(seed + number, size) for file_id, number in itertools.product((A, B, FileId("c")), range(3))}
    cache = cache_at(root)
    for (file_id, number), data in blocks.items():
        put(cache, file_id, number, data + file_id.encode())
    chance = random.Random(seed)
    for damage in damages:
        paths = [path for path in sorted((root / "cache").iterdir()) if len(path.stem) == 32 and path.stat().st_size]
        if paths:
            damage(chance.choice(paths), chance)

    again = cache_at(root)
    for (file_id, number), data in blocks.items():
        assert again.get(file_id, number) in (None, data + file_id.encode())
        put(again, file_id, number, data + file_id.encode())                 # and what is fetched again heals it
    healed = cache_at(root)
    assert all(healed.get(file_id, number) == data + file_id.encode() for (file_id, number), data in blocks.items())


def _whole(cache_root: Path, file_id: FileId) -> tuple[Path, Path]:
    """(content, map) of the only file there."""
    content, = (path for path in cache_root.iterdir() if len(path.name) == 32)
    return content, content.with_suffix(".map")


def test_content_without_its_map_is_absent_and_swapped_files_are_too(tmp_path: Path) -> None:
    for name, file_id in (("one", A), ("two", B)):
        put(cache_at(tmp_path / name), file_id, 0, block(1))
    one, two = _whole(tmp_path / "one" / "cache", A), _whole(tmp_path / "two" / "cache", B)

    for theirs, mine in zip(two, one, strict=True):         # B's blocks, with B's map, in A's place
        theirs.rename(mine)
    assert cache_at(tmp_path / "one").get(A, 0) is None

    put(cache_at(tmp_path / "one"), A, 0, block(1))
    assert cache_at(tmp_path / "one").get(A, 0) == block(1)
    one[1].unlink()
    assert cache_at(tmp_path / "one").get(A, 0) is None


def test_eviction_keeps_the_cache_within_its_limit_and_takes_the_least_used(tmp_path: Path) -> None:
    limit = 10 * BLOCK_BYTES
    cache = cache_at(tmp_path, limit)
    ids = [FileId(f"file_{number}") for number in range(30)]
    for number, file_id in enumerate(ids):
        put(cache, file_id, 0, block(number))
        put(cache, ids[0], 1, block(99)) if number == 5 else cache.get(ids[0], 0)
        cache._memory.clear()           # so that the disk is what is used

    on_disk = sum(path.stat().st_size for path in (tmp_path / "cache").iterdir() if len(path.name) == 32)
    assert on_disk <= limit
    again = cache_at(tmp_path, limit)
    assert again.get(ids[0], 0) == block(0)         # used all the time
    assert again.get(ids[-1], 0) == block(29)
    assert again.get(ids[1], 0) is None
    maps = {path.stem for path in (tmp_path / "cache").glob("*.map")}
    assert maps == {path.name for path in (tmp_path / "cache").iterdir() if len(path.name) == 32}


def test_what_is_open_never_gives_way(tmp_path: Path) -> None:
    """Else a file that is bigger than the cache would evict its own beginning, and whoever reads two files the other one."""
    cache = cache_at(tmp_path, limit_bytes=3 * BLOCK_BYTES)
    for number in range(3):
        put(cache, A, number, block(number))
    assert not cache.put(B, 0, [block(7)], pinned={A})
    assert cache_at(tmp_path, 3 * BLOCK_BYTES).is_whole(A, 3 * BLOCK_BYTES)
    assert not cache.put(A, 3, [block(3)])
    assert cache_at(tmp_path, 3 * BLOCK_BYTES).is_whole(A, 3 * BLOCK_BYTES)
    assert cache.put(B, 0, [block(7)])
    assert not cache_at(tmp_path, 3 * BLOCK_BYTES).has(A, 0)


def test_a_start_counts_what_an_earlier_mount_left(tmp_path: Path) -> None:
    for number in range(10):
        put(cache_at(tmp_path), FileId(f"file_{number}"), 0, block(number))

    smaller = cache_at(tmp_path, 3 * BLOCK_BYTES)
    put(smaller, A, 0, block(1))

    assert sum(path.stat().st_size for path in (tmp_path / "cache").iterdir() if len(path.name) == 32) <= 3 * BLOCK_BYTES


def test_a_kept_copy_is_read_and_survives_stage_eviction_and_start(tmp_path: Path) -> None:
    content = block(1, 2 * BLOCK_BYTES + 5)
    stage = tmp_path / "stage"
    stage.write_bytes(content)
    cache = cache_at(tmp_path, BLOCK_BYTES)
    cache.adopt(A, stage)
    stage.unlink()
    cache.verify(A)
    for number in range(20):
        put(cache, FileId(f"file_{number}"), 0, block(number))

    for each in (cache, cache_at(tmp_path, BLOCK_BYTES)):
        assert b"".join(each.get(A, number) or b"?" for number in range(3)) == content
        assert kept_path(each).read_bytes() == content
        assert each.has_kept(A)
        assert not each.has_kept(B)


def kept_path(cache: BlockCache) -> Path:
    [path] = [path for path in cache._kept_root.iterdir() if not path.suffix]
    return path


def test_a_kept_copy_is_readable_before_its_checksums_are_written(tmp_path: Path) -> None:
    content = block(1, BLOCK_BYTES + 5)
    (tmp_path / "stage").write_bytes(content)
    cache = cache_at(tmp_path)
    cache.adopt(A, tmp_path / "stage")

    assert (cache.get(A, 0) or b"") + (cache.get(A, 1) or b"") == content


@settings(law, max_examples=60)
@given(seed=st.integers(0, 2**32), damage=st.sampled_from([_flip, _cut, _zero]), on_map=st.booleans())
def test_a_damaged_kept_copy_is_missing_and_never_returned(
        tmp_path_factory: pytest.TempPathFactory, seed: int, damage: Callable[[Path, random.Random], None], on_map: bool) -> None:
    root, content = tmp_path_factory.mktemp("kept"), block(seed, BLOCK_BYTES + 100)
    (root / "stage").write_bytes(content)
    cache = cache_at(root)
    cache.adopt(A, root / "stage")
    cache.verify(A)
    kept = kept_path(cache)
    damage(kept.with_suffix(".map") if on_map else kept, random.Random(seed))

    again = cache_at(root)
    assert again.get(A, 0) in (None, content[:BLOCK_BYTES])
    assert again.get(A, 1) in (None, content[BLOCK_BYTES:])


def test_the_checksums_of_an_earlier_copy_do_not_judge_a_newer_one(tmp_path: Path) -> None:
    cache = cache_at(tmp_path)
    for content in (b"earlier, before a crash", b"newer"):
        (tmp_path / "stage").unlink(missing_ok=True)
        (tmp_path / "stage").write_bytes(content)
        cache.adopt(A, tmp_path / "stage")
        assert cache_at(tmp_path).get(A, 0) == content
        cache.verify(A)
        assert cache_at(tmp_path).get(A, 0) == content


@pytest.mark.parametrize("size_bytes", [0, 1, BLOCK_BYTES, 8 * BLOCK_BYTES + 1, 20 * BLOCK_BYTES])
def test_checksums_that_were_made_on_the_way_are_those_of_the_copy(tmp_path: Path, size_bytes: int) -> None:
    content, sums = block(1, size_bytes), BlockMap.empty()
    for offset in [*[0] * (size_bytes > 0), *range(0, size_bytes, 8 * BLOCK_BYTES)]:      # its beginning twice: it was sent on
        sums.take(offset, content[offset:offset + 8 * BLOCK_BYTES])
    (tmp_path / "stage").write_bytes(content)

    assert bytes(sums) == sums_of(tmp_path / "stage")


def test_a_dropped_file_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "stage").write_bytes(b"kept")
    cache = cache_at(tmp_path)
    put(cache, A, 0, block(1))
    cache.adopt(A, tmp_path / "stage")
    cache.verify(A)
    cache.get(A, 0)

    cache.drop(A)
    cache.drop(B)               # unknown: nothing to do

    assert cache.get(A, 0) is None
    assert cache.used_bytes() == 0
    assert [path.name for path in (*(tmp_path / "cache").iterdir(), *(tmp_path / "kept").iterdir())] == ["CACHEDIR.TAG"]


def test_a_block_that_the_disk_did_not_take_is_not_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its map never promises what its content hasn't: else each look finds it, and each read misses."""
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    cache = cache_at(tmp_path)
    for number in range(3):
        put(cache, B, number, block(number))        # gives way when the cache is turned off
    put(cache, A, 0, block(1))
    monkeypatch.setattr(os, "pwritev", full)
    put(cache, A, 1, block(2))
    after = cache_at(tmp_path)
    assert [after.has(A, number) for number in (0, 1)] == [True, False]
    assert after.get(A, 1) is None


@pytest.mark.parametrize("trouble", ["full", "short"])
def test_a_full_disk_turns_the_cache_off_with_one_log_line_and_fails_no_read(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, trouble: str) -> None:
    cache = cache_at(tmp_path)
    put(cache, A, 0, block(0))

    def pwrite(descriptor: int, data: bytes, offset: int) -> int:
        if trouble == "full":
            raise OSError(errno.ENOSPC, "No space left on device")
        return len(data) // 2

    monkeypatch.setattr(os, "pwrite", pwrite)
    for number in range(5):
        put(cache, B, number, block(number))
    monkeypatch.undo()
    put(cache, B, 9, block(9))                   # it stays off

    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "space left" in caplog.text
    assert all(cache.get(B, number) == block(number) for number in range(5))        # from memory
    again = cache_at(tmp_path)
    assert again.get(A, 0) is None          # half of what was there made room for others
    assert all(again.get(B, number) is None for number in (*range(5), 9))


# ---- in the cache

X: Final = FileId("x")


@pytest.fixture
def place_of_x(tmp_path: Path) -> str:
    """Where the cache keeps the file `x`; nothing is there."""
    (tmp_path / "thesis").write_text("mine")
    put(cache_at(tmp_path), X, 0, b"block")
    place, = (path for path in (tmp_path / "cache").iterdir() if len(path.name) == 32)
    place.unlink()
    place.with_suffix(".map").unlink()
    return place.name


def test_the_cache_takes_no_stock_of_strangers(tmp_path: Path, place_of_x: str) -> None:
    for folder in ("cache", "kept"):
        strangers(tmp_path / folder, tmp_path / "thesis", *(f"{number}" * 32 for number in range(5)))
        (tmp_path / folder / ("not hexadecimal" * 3)[:32]).write_bytes(b"mine")
    assert cache_at(tmp_path).used_bytes() == 512 * (tmp_path / "cache" / (32 * "0")).stat().st_blocks


@pytest.mark.parametrize("suffix", ["", ".map"])
def test_the_cache_goes_through_no_link_and_waits_for_no_pipe(tmp_path: Path, place_of_x: str, suffix: str) -> None:
    for kind in ("link", "pipe", "directory"):
        place = tmp_path / "cache" / f"{place_of_x}{suffix}"
        if kind == "link":
            place.symlink_to(tmp_path / "thesis")
        elif kind == "pipe":
            os.mkfifo(place)
        else:
            place.mkdir()
        cache = cache_at(tmp_path)
        assert cache.get(X, 0) is None
        put(cache, X, 0, b"block")
        assert cache.get(X, 0) == b"block"        # from memory
        assert cache_at(tmp_path).get(X, 0) is None
        assert (tmp_path / "thesis").read_text() == "mine"
        place.rmdir() if kind == "directory" else place.unlink()
        (tmp_path / "cache" / place_of_x).unlink(missing_ok=True)


def test_neither_a_link_nor_a_pipe_is_a_kept_copy(tmp_path: Path, place_of_x: str) -> None:
    place = tmp_path / "kept" / place_of_x
    for link in (True, False):
        place.symlink_to(tmp_path / "thesis") if link else os.mkfifo(place)
        cache = cache_at(tmp_path)
        assert cache.get(X, 0) is None
        assert not cache.has_kept(X)
        place.unlink()


def test_checksums_are_written_through_no_link_and_wait_for_no_pipe(tmp_path: Path, place_of_x: str) -> None:
    cache = cache_at(tmp_path)
    (tmp_path / "stage").write_bytes(b"content")
    for link in (True, False):
        cache.adopt(X, tmp_path / "stage")
        made = tmp_path / "kept" / f"{place_of_x}.new"
        made.symlink_to(tmp_path / "thesis") if link else os.mkfifo(made)
        cache.verify(X)
        assert (tmp_path / "kept" / f"{place_of_x}.map").stat().st_size == 20
        assert (tmp_path / "thesis").read_text() == "mine"
