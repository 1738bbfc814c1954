"""Reads through the fleet's store: right bytes or an error, and no request that the store can spare."""

import errno
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from anthrofs.clock import Clock
from anthrofs.download.reader import Reader
from anthrofs.errors import FsError, NotDownloadable, NotFound, NotStored, NotTheFile, Stopping, StoreAway
from anthrofs.fleet.counts import Counts
from anthrofs.fleet.download_leases import DownloadLeases
from anthrofs.fleet.fetcher import Fetch, Fetcher
from anthrofs.fleet.keys import SECRET_BYTES, FleetKeys
from anthrofs.fleet.membership import Scope
from anthrofs.fleet.seal import CHUNK_BYTES
from anthrofs.fleet.shelf import Shelf
from anthrofs.fleet.sightings import Sightings
from anthrofs.fleet.store_files import Knowledge, StoreFiles, StoreReads
from anthrofs.model import FileId, RemoteFile
from anthrofs.store.block_cache import BlockCache
from anthrofs.store.blocks import BLOCK_BYTES
from anthrofs.store.disk import Disk
from tests.fakes import FakeFiles
from tests.fleet.memory_objects import MemoryObjects

WAIT_S: Final = 20.0
KEYS: Final = FleetKeys([bytes(range(SECRET_BYTES))])
LARGE: Final = random.Random(1).randbytes(3 * CHUNK_BYTES - 5)
SMALL: Final = LARGE[:3 * BLOCK_BYTES + 7]


class Setting:
    """A mount's reader, the service, and a store that others have filled."""

    def __init__(self, base: Path) -> None:
        clock = Clock()
        self.service, self.objects = FakeFiles(clock), MemoryObjects()
        self.cache = BlockCache(base, Disk(), 10**9)
        self.cache.start()
        self.counts = Counts(clock)
        self.shelf = Shelf(self.objects, KEYS, lambda: Scope("organization", "workspace"))
        self.fetcher = Fetcher(self.shelf, self.counts, clock)
        self.missed, self.sightings = list[FileId](), Sightings()
        self.reads = StoreReads(self.fetcher, DownloadLeases(None, KEYS, clock), self.sightings,
                                Knowledge(self._file, self.cache.put, lambda _: True, self.missed.append), self.counts, clock)
        self.reader = Reader(self.cache, StoreFiles(self.service, self.reads), clock, 5.0, lambda *_: None, lambda *_: None,
                             lambda: True, str, grain=lambda file: CHUNK_BYTES if file.shared or not file.downloadable else 1)

    def _file(self, file_id: FileId) -> RemoteFile:
        for file in self.service.files:
            if file.file_id == file_id:
                return file
        raise NotFound(file_id)

    def put(self, content: bytes, *, downloadable: bool) -> RemoteFile:
        """A file that is in the store."""
        file = self.service.generate("a.bin", content, downloadable=downloadable)
        self.shelf.put(file.file_id, len(content), lambda offset, size: content[offset:offset + size], create=False)
        self.objects.asked.clear()
        self.service.asked.clear()
        return file

    def read(self, file: RemoteFile, offset: int = 0, size: int = 2**30) -> bytes:
        return self.reader.read(file, file.size_bytes, offset, size, lambda: False)

    def path(self, file: RemoteFile, number: int) -> str:
        """Where the store has a chunk."""
        return f"{self.shelf._folder(KEYS.ids[0], file.file_id)}/{number}"


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    one = Setting(tmp_path)
    yield one
    one.objects.mishap = lambda *_: None
    assert one.reader.stop(WAIT_S)
    assert one.fetcher.stop(WAIT_S)


@pytest.fixture
def allowed(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Warnings so far."""
    return lambda: [record.getMessage() for record in caplog.records if record.levelname != "INFO"]


# ---- what is there

@pytest.mark.parametrize("downloadable", [True, False])
@pytest.mark.parametrize("content", [b"x", SMALL, LARGE[:CHUNK_BYTES], LARGE[:CHUNK_BYTES + 1], LARGE])
def test_a_read_costs_a_get_a_chunk_and_no_request_and_the_next_read_nothing(setting: Setting, downloadable: bool, content: bytes) -> None:
    file = setting.put(content, downloadable=downloadable)
    assert setting.read(file) == content
    assert setting.objects.gets() == -(-len(content) // CHUNK_BYTES)
    setting.reader.leave(file.file_id)
    assert setting.read(file) == content
    assert setting.objects.gets() == -(-len(content) // CHUNK_BYTES)
    assert setting.service.asked == []
    assert setting.counts.of("bytes") == len(content)


@pytest.mark.parametrize("seed", range(5))
def test_a_kilobyte_anywhere_is_one_chunk_and_so_are_all_others_of_that_chunk(setting: Setting, seed: int) -> None:
    content, chance = random.Random(2).randbytes(5 * CHUNK_BYTES - 1000), random.Random(seed)
    file, number = setting.put(content, downloadable=False), chance.randrange(1, 5)     # who begins at the start reads on
    for _ in range(50):
        place = number * CHUNK_BYTES + chance.randrange(CHUNK_BYTES - 2024)
        assert setting.read(file, place, 1024) == content[place:place + 1024]
    assert setting.objects.gets() == 1


def test_reads_in_any_order_are_the_files_bytes(setting: Setting) -> None:
    file, chance = setting.put(LARGE, downloadable=False), random.Random(4)
    for _ in range(100):
        place, size = chance.randrange(len(LARGE)), chance.choice([1, 1024, BLOCK_BYTES, 2**20])
        assert setting.read(file, place, size) == LARGE[place:place + size]
    assert setting.service.asked == []


def test_a_chunk_that_cant_be_fetched_early_for_want_of_a_thread_is_fetched_when_it_is_wanted(setting: Setting,
                                                                                           monkeypatch: pytest.MonkeyPatch) -> None:
    """It isn't the read that fails."""
    file = setting.put(LARGE, downloadable=False)

    def no_thread(*_: Any) -> Fetch:
        raise StoreAway("no thread for a chunk")

    with monkeypatch.context() as patched:
        patched.setattr(setting.fetcher, "fetch", no_thread)
        assert setting.fetcher.early(file.file_id, 1, None) is None
    assert setting.read(file) == LARGE


def test_an_image_whose_length_only_a_download_shows_has_the_stores(setting: Setting) -> None:
    file = setting.service.generate("a.png", SMALL, "image/png")
    longer = SMALL + b"provenance"
    setting.shelf.put(file.file_id, len(longer), lambda offset, size: longer[offset:offset + size], create=False)
    assert setting.reader.read(file, file.size_bytes, 0, 2**20, lambda: False, exact=False) == longer
    assert setting.reader.read(file, file.size_bytes, len(longer), 2**20, lambda: False, exact=False) == b""
    assert setting.service.asked == []


def test_a_clip_that_was_cut_goes_on_where_it_began(setting: Setting) -> None:
    """The store may have another delivery of the same length."""
    file = setting.put(SMALL[::-1], downloadable=True)
    clip = replace(file, mime_type="video/mp4")
    setting.service.files[0] = clip
    with setting.reads.download(setting.service, clip.file_id, BLOCK_BYTES, None) as body:
        assert bytes(next(iter(body))) != b""
    assert setting.objects.gets() == 0
    assert setting.service.asked == [("download", clip.file_id)]
    assert setting.read(clip) == SMALL[::-1]        # from its beginning
    assert setting.objects.gets() == 1
    with setting.reads.download(setting.service, clip.file_id, BLOCK_BYTES, None):
        assert setting.objects.gets() == 2          # it began there
    assert len(setting.service.asked) == 1


# ---- what isn't

def test_what_the_store_lacks_the_service_gives(setting: Setting) -> None:
    file = setting.service.generate("a.bin", LARGE)
    assert setting.read(file) == LARGE
    assert setting.service.asked == [("download", file.file_id)]
    assert setting.counts.of("misses") == 1
    assert not setting.sightings.is_given(file.file_id)


def test_an_upload_that_the_store_lost_is_what_the_service_says_of_it_and_that_is_noted(setting: Setting) -> None:
    file = setting.service.generate("a.bin", SMALL, downloadable=False)
    with pytest.raises(NotDownloadable):
        setting.read(file)
    assert setting.missed == [file.file_id]


def _flipped(body: bytes) -> bytes:
    return body[:-1] + bytes([body[-1] ^ 1])


def _as_longer(body: bytes) -> bytes:
    return body[:4] + (int.from_bytes(body[4:12], "big") + CHUNK_BYTES).to_bytes(8, "big") + body[12:]


LIES: Final[dict[str, Callable[[bytes], bytes]]] = {
    "flipped": _flipped, "cut": lambda body: body[:-1], "nothing": lambda _: b"", "longer": lambda body: body + b"x",
    "another length": _as_longer, "another format": lambda body: b"AFS2" + body[4:]}


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_chunk_that_was_changed_is_none_and_the_service_gives_the_rest(setting: Setting, allowed: Callable[[], list[str]],
                                                                        lie: Callable[[bytes], bytes], number: int) -> None:
    file = setting.put(LARGE, downloadable=True)
    path = setting.path(file, number)
    setting.objects.bodies[path] = lie(setting.objects.bodies[path])
    assert setting.read(file) == LARGE
    assert setting.service.asked == [("download", file.file_id)]
    assert setting.missed[0] == file.file_id
    assert setting.sightings.is_wrong(file.file_id)         # so it is put there again, over it
    assert not setting.sightings.is_given(file.file_id)
    assert len(allowed()) == 1
    assert "isn't right in the store" in allowed()[0]


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_of_an_upload_no_changed_byte_is_shown(setting: Setting, allowed: Callable[[], list[str]], lie: Callable[[bytes], bytes], number: int) -> None:
    file = setting.put(LARGE, downloadable=False)
    path = setting.path(file, number)
    setting.objects.bodies[path] = lie(setting.objects.bodies[path])
    for part in range(3):
        setting.reader.leave(file.file_id)      # opened anew: to who has it open what was said of it stays said
        if part == number:
            with pytest.raises(NotDownloadable):
                setting.read(file, part * CHUNK_BYTES + 4 * BLOCK_BYTES, 1000)
            assert setting.missed[0] == file.file_id
        else:
            place = part * CHUNK_BYTES + 4 * BLOCK_BYTES
            assert setting.read(file, place, 1000) == LARGE[place:place + 1000]
    assert len(allowed()) == 1


@pytest.mark.parametrize("downloadable", [True, False])
def test_chunks_of_another_file_or_place_are_none(setting: Setting, downloadable: bool, allowed: Callable[[], list[str]]) -> None:
    file, other = setting.put(LARGE, downloadable=downloadable), setting.put(LARGE[::-1], downloadable=downloadable)
    bodies = setting.objects.bodies
    for number in range(3):
        bodies[setting.path(file, number)], bodies[setting.path(other, number)] = (bodies[setting.path(other, number)],
                                                                                   bodies[setting.path(file, number)])
    for each, content in ((file, LARGE), (other, LARGE[::-1])):
        if downloadable:
            assert setting.read(each) == content
        else:
            with pytest.raises(NotDownloadable):
                setting.read(each)
    assert len(allowed()) == 2


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("downloadable", [True, False])
def test_a_chunk_of_the_same_file_with_another_length_is_none(setting: Setting, downloadable: bool, number: int, allowed: Callable[[], list[str]]) -> None:
    """Whoever has the key has put it there."""
    file = setting.put(LARGE, downloadable=downloadable)
    mine = dict(setting.objects.bodies)
    setting.shelf.put(file.file_id, len(LARGE) - 1, lambda offset, size: LARGE[1 + offset:1 + offset + size], create=False)
    others, path = dict(setting.objects.bodies), setting.path(file, number)
    setting.objects.bodies = mine | {path: others[path]}
    if downloadable:
        assert setting.read(file) == LARGE
        assert setting.service.asked == [("download", file.file_id)]
    else:
        with pytest.raises(NotDownloadable):
            setting.read(file)
    assert len(allowed()) == 1


def test_a_clip_of_several_chunks_is_the_services(setting: Setting) -> None:
    """Whoever has put it there: two of them at once have put chunks of two deliveries, which may have one length."""
    file = setting.put(LARGE[::-1], downloadable=True)
    setting.service.files[0] = clip = replace(file, mime_type="video/mp4")
    assert setting.read(clip) == setting.service.contents[clip.file_id]
    assert setting.service.asked == [("download", clip.file_id)]


def test_what_is_missing_midway_the_service_gives_from_there(setting: Setting) -> None:
    file = setting.put(LARGE, downloadable=True)
    del setting.objects.bodies[setting.path(file, 1)]
    assert setting.read(file) == LARGE
    assert setting.service.asked == [("download", file.file_id)]


# ---- a store that is away

def test_with_a_store_that_is_away_generated_files_are_the_services_and_uploads_wait_for_it(setting: Setting, allowed: Callable[[], list[str]]) -> None:
    def away(*_: str) -> None:
        raise StoreAway("there is nobody")

    generated, upload = setting.put(SMALL, downloadable=True), setting.put(SMALL, downloadable=False)
    setting.objects.mishap = away
    assert setting.read(generated) == SMALL
    assert setting.service.asked == [("download", generated.file_id)]
    for _ in range(2):
        with pytest.raises(StoreAway) as caught:
            setting.read(upload)
        assert caught.value.code == errno.EIO
    assert ["there is nobody" in line for line in allowed()] == [True]     # once, not for each read
    setting.objects.mishap = lambda *_: None
    assert setting.read(upload) == SMALL
    assert setting.missed == []


def test_a_store_that_goes_away_midway_costs_a_generated_file_one_request(setting: Setting) -> None:
    def away(call: str, path: str) -> None:
        if not path.endswith("/0"):
            raise StoreAway("there is nobody")

    file = setting.put(LARGE, downloadable=True)
    setting.objects.mishap = away
    assert setting.read(file) == LARGE
    assert setting.service.asked == [("download", file.file_id)]


def test_a_silent_store_is_waited_for_once_in_a_while(setting: Setting) -> None:
    """Its client gives up after its patience, which is short for what the service gives."""
    def silent(call: str, path: str) -> None:
        assert call == "patient get"
        raise StoreAway("it hasn't begun to answer")

    files = [setting.put(SMALL, downloadable=True) for _ in range(5)]
    setting.objects.mishap = silent
    for file in files:
        assert setting.read(file) == SMALL
    assert setting.objects.gets() == 1
    assert len(setting.service.asked) == 5


@pytest.mark.parametrize("downloadable", [True, False])
def test_a_reader_of_a_silent_store_ends_with_the_mount(setting: Setting, downloadable: bool) -> None:
    """Whatever its client does."""
    silent, spoken = threading.Event(), threading.Event()

    def silence(call: str, path: str) -> None:
        if not path.endswith("/0"):
            silent.set()
            spoken.wait(WAIT_S)

    file, ended = setting.put(LARGE, downloadable=downloadable), list[FsError]()
    setting.objects.mishap = silence

    def read() -> None:
        with pytest.raises(FsError) as caught:
            setting.read(file)
        ended.append(caught.value)

    reader = threading.Thread(target=read)
    reader.start()
    assert silent.wait(WAIT_S)
    assert setting.reader.stop(WAIT_S)          # its threads end, though the store's client doesn't
    reader.join(WAIT_S)
    assert [type(each) for each in ended] == [Stopping]
    spoken.set()


def test_the_chunks_first_byte_decides_that_a_part_begins_beyond_the_end(setting: Setting) -> None:
    file = setting.put(SMALL, downloadable=True)
    with pytest.raises(FsError) as caught:
        setting.reads.download(setting.service, file.file_id, len(SMALL), None)
    assert getattr(caught.value, "status", None) == 416
    assert setting.service.asked == []


# ---- anything at once

@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("downloadable", [True, False])
def test_whatever_a_store_does_a_read_is_right_or_an_error_and_of_generated_files_right(setting: Setting, downloadable: bool, seed: int) -> None:
    print(f"seed {seed}")
    chance, guard = random.Random(seed), threading.Lock()
    file = setting.put(LARGE, downloadable=downloadable)
    whole = dict(setting.objects.bodies)

    def mishap(call: str, path: str) -> None:
        with guard:
            kind = chance.randrange(8)
            if kind == 0:
                raise StoreAway("it is away")
            if kind == 1:
                raise NotStored("it isn't there")
            body = whole[path]
            if kind == 2:
                body = _flipped(body)
            elif kind == 3:
                body = body[:chance.randrange(len(body))]
            elif kind == 4:
                body = whole[chance.choice(sorted(whole))]
            setting.objects.bodies[path] = body

    setting.objects.mishap = mishap
    for _ in range(20):
        place, size = chance.randrange(len(LARGE)), chance.choice([1, BLOCK_BYTES, 2 * CHUNK_BYTES])
        if chance.random() < 0.3:
            setting.cache.drop_blocks(file.file_id)
            setting.reader.leave(file.file_id)
        try:
            assert setting.read(file, place, size) == LARGE[place:place + size]
        except (StoreAway, NotDownloadable, NotTheFile):
            assert not downloadable
