"""Manual, desktop: what thumbnailers, indexers and a browser's look at a file's type may have downloaded in an hour."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from anthrofs.errors import NotReadable
from anthrofs.fs.glances import ANY, BROWSER_BYTES, BROWSERS, GIO_BYTES, HOUR_S, READERS, Glances
from anthrofs.model import Caller, FileId
from anthrofs.store.block_cache import BlockCache
from anthrofs.store.blocks import BLOCK_BYTES
from anthrofs.store.disk import Disk
from tests.fakes import FakeClock

MB = 10**6


@pytest.fixture
def cache(tmp_path: Path) -> BlockCache:
    one = BlockCache(tmp_path, Disk(), 10**9)
    one.start()
    return one


def node(name: str = "picture", size_bytes: int = 2 * MB, file_id: str = "file_a") -> Any:
    return SimpleNamespace(name=name, size_bytes=size_bytes, remote=SimpleNamespace(file_id=FileId(file_id)))


def caller(program: str) -> Caller:
    return Caller(1, 0, program=lambda: program, interrupted=lambda: False, writes_to=lambda _, __: False)


def test_an_hour_has_so_much_and_then_it_is_the_next_one(cache: BlockCache) -> None:
    clock = FakeClock()
    glances = Glances(cache, clock, 5 * MB)
    glances.take(node())
    clock.advance(HOUR_S / 2)
    glances.take(node())
    with pytest.raises(NotReadable):
        glances.take(node())
    clock.advance(HOUR_S / 2)           # the first has left the hour
    glances.take(node())
    with pytest.raises(NotReadable):
        glances.take(node())


def test_a_small_file_counts_as_a_request_does(cache: BlockCache) -> None:
    glances = Glances(cache, FakeClock(), 3 * MB)
    for _ in range(3):
        glances.take(node(size_bytes=1))
    with pytest.raises(NotReadable):
        glances.take(node(size_bytes=1))


def test_what_is_here_costs_nothing(cache: BlockCache) -> None:
    glances = Glances(cache, FakeClock(), 0)
    small = node(size_bytes=10)
    with pytest.raises(NotReadable):
        glances.take(small)
    cache.put(FileId("file_a"), 0, [b"0123456789"])
    glances.take(small)
    assert glances.most(small, os.O_RDONLY, caller("tumblerd")) == 0
    assert BLOCK_BYTES > 10


def test_no_bound_is_none(cache: BlockCache) -> None:
    glances = Glances(cache, FakeClock(), None)
    assert glances.most(node(), os.O_RDONLY, caller("tumblerd")) == 0
    for _ in range(1000):
        glances.take(node())


@pytest.mark.parametrize(("program", "flags", "size_bytes", "most"), [
    ("tumblerd", 0, 2 * MB, ANY), ("tracker-extract", 0, 2 * MB, ANY),
    ("thunar", 0, 2 * MB, BROWSER_BYTES), ("pcmanfm", os.O_NOATIME, 2 * MB, BROWSER_BYTES),
    ("thunar", 0, BROWSER_BYTES, 0), ("thunar", os.O_NOATIME, BROWSER_BYTES, BROWSER_BYTES), ("tar", os.O_NOATIME, 2 * MB, 0),
    ("gimp", os.O_NOATIME, 2 * MB, GIO_BYTES), ("borg", os.O_NOATIME, 4096, 0),
    ("cp", 0, 2 * MB, 0), ("", 0, 2 * MB, 0), ("vipsthumbnail", 0, 2 * MB, 0)])
def test_who_glances_is_known_by_name_or_by_flag(cache: BlockCache, program: str, flags: int, size_bytes: int, most: int) -> None:
    """vipsthumbnail is what a person types: it isn't one."""
    assert Glances(cache, FakeClock(), MB).most(node(size_bytes=size_bytes), os.O_RDONLY | flags, caller(program)) == most


def test_names_are_as_the_kernel_cuts_them() -> None:
    assert [name for name in READERS | BROWSERS if len(name) > 15] == []


def test_what_another_program_opens_is_not_looked_for_on_the_disk() -> None:
    """A big file that is here takes milliseconds for that, block by block."""
    glances = Glances(cast("BlockCache", None), FakeClock(), 0)
    assert glances.most(node(), os.O_RDONLY, caller("cat")) == 0
