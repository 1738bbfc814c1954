"""Reads: from one running download a file, whatever it answers; nothing but the file's bytes is returned or kept."""

import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from anthrofs.clock import Clock
from anthrofs.download.bodies import PAGE_BYTES
from anthrofs.download.reader import Reader
from anthrofs.errors import NotDownloadable, NotTheFile
from anthrofs.model import FileId, RemoteFile
from anthrofs.remote.api import Download
from anthrofs.store.block_cache import BlockCache
from anthrofs.store.blocks import BLOCK_BYTES
from anthrofs.store.disk import Disk
from tests.fakes import FakeDownload, FakeFiles

WAIT_S: Final = 10.0
BIG: Final = random.Random(1).randbytes(9 * 2**20 + 5)      # more than is fetched whole


class Scripted(FakeFiles):
    """Its downloads are what a test makes of them."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.made: Callable[[bytes, int], FakeDownload] | None = None

    def download(self, file_id: FileId, first: int = 0, last: int | None = None) -> Download:
        if self.made is None:
            return super().download(file_id, first, last)
        self.asked.append(("download", file_id))
        return self.made(self.contents[file_id], first)


class Setting:
    """A reader and its service."""

    def __init__(self, base: Path) -> None:
        clock = Clock()
        self.files = Scripted(clock)
        self.cache = BlockCache(base, Disk(), 10**9)
        self.cache.start()
        self.reader = Reader(self.cache, self.files, clock, 5.0, lambda *_: None, lambda *_: None, lambda: False, str)

    def read(self, file: RemoteFile, offset: int, size: int) -> bytes:
        return self.reader.read(file, file.size_bytes, offset, size, lambda: False)


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    one = Setting(tmp_path)
    yield one
    assert one.reader.stop(WAIT_S)


@pytest.mark.parametrize("ranges", [True, False])
def test_a_read_in_the_middle_gets_what_is_there_also_where_the_server_knows_no_ranges(setting: Setting, ranges: bool) -> None:
    setting.files.ranges = ranges
    file = setting.files.generate("a.bin", BIG)
    for offset in (5 * 2**20 + 3, 0, 9 * 2**20, 7 * 2**20):
        assert setting.read(file, offset, 3 * BLOCK_BYTES) == BIG[offset:offset + 3 * BLOCK_BYTES]


def test_nothing_stays_of_what_turned_out_not_to_be_the_file(setting: Setting) -> None:
    """More than a page has, without a length and without the service's mark: it was handed on, and then ends too early."""
    class Page(FakeDownload):
        def __init__(self) -> None:
            super().__init__(b"<html>" * ((PAGE_BYTES + 4 * BLOCK_BYTES) // 6), 0, None, ranged=False)
            self.signed = False

    file = setting.files.generate("a.bin", BIG[:3 * 2**20])
    setting.files.made = lambda *_: Page()
    with pytest.raises(NotTheFile):
        setting.read(file, 2 * 2**20, 10)
    assert [setting.cache.has(file.file_id, number) for number in range(24)] == [False] * 24
    setting.files.made = None
    setting.reader.leave(file.file_id)
    assert setting.read(file, 0, 10) == BIG[:10]


def test_a_shared_upload_that_the_store_lacked_can_be_read_on_when_it_is_put_there_again(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody may have it open for days."""
    def lacking(_: bytes, __: int) -> FakeDownload:
        raise NotDownloadable("the service gives uploads to nobody")

    monkeypatch.setattr("anthrofs.download.reader.AGAIN_S", 0.0)
    file = replace(setting.files.generate("a.bin", b"content"), downloadable=False, shared=True)
    setting.files.made = lacking
    with pytest.raises(NotDownloadable):
        setting.read(file, 0, 7)
    setting.files.made = None
    assert setting.read(file, 0, 7) == b"content"


def test_a_download_gives_its_slot_back_while_nobody_reads_on(setting: Setting) -> None:
    parked, resumed = threading.Event(), threading.Event()

    class Body(FakeDownload):
        def park(self) -> None:
            parked.set()

        def resume(self) -> None:
            resumed.set()

    file = setting.files.generate("a.bin", BIG)
    setting.files.made = lambda content, first: Body(content[first:], first, len(content), ranged=first > 0)
    assert setting.read(file, 0, BLOCK_BYTES) == BIG[:BLOCK_BYTES]
    assert parked.wait(WAIT_S)
    assert not resumed.is_set()
    for offset in range(BLOCK_BYTES, len(BIG), BLOCK_BYTES):
        assert setting.read(file, offset, BLOCK_BYTES) == BIG[offset:offset + BLOCK_BYTES]
    assert resumed.is_set()
    assert setting.files.asked == [("download", file.file_id)]
