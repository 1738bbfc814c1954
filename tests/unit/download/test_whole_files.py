"""A stage is the whole file, or there is none: an edit, or what is sent again, replaces the good file on the server."""

import os
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from anthrofs.clock import Clock
from anthrofs.download.reader import Reader
from anthrofs.download.whole_files import FETCH_BYTES, EditCopies, SealedCopies
from anthrofs.errors import Gone, Interrupted, NotReadable, NotTheFile, Unavailable
from anthrofs.model import ROOT, Node, NodeId, RemoteFile, StageId
from anthrofs.store.block_cache import BlockCache
from anthrofs.store.blocks import BLOCK_BYTES
from anthrofs.store.disk import Disk
from anthrofs.store.staging import Stage, Staging
from tests.fakes import FakeFiles

BYTES: Final = FETCH_BYTES + BLOCK_BYTES + 17
CONTENT: Final = random.Random(1).randbytes(BYTES)


class State:
    """A service, a cache, and the stages that come of both."""

    def __init__(self, path: Path) -> None:
        disk, clock = Disk(), Clock()
        self.staging, self.cache = Staging(path / "staging", disk, 0), BlockCache(path, disk, 10**9)
        self.staging.start(set())
        self.cache.start()
        self.service = FakeFiles(clock)
        self.reader = Reader(self.cache, self.service, clock, 5.0, lambda *_: None, lambda *_: None, lambda: True, str)
        self.edited = EditCopies(self.staging, self.cache, self.reader)
        self.sent = SealedCopies(self.staging, self.cache, self.service, clock)

    def keep(self, file: RemoteFile, content: bytes) -> None:
        """The file was uploaded from here, and its copy stays."""
        stage = self.staging.create()
        stage.write(content, 0)
        stage.close()
        self.cache.adopt(file.file_id, stage.path)
        self.cache.verify(file.file_id)
        self.staging.remove(stage.number)

    def fill(self, file: RemoteFile, content: bytes) -> None:
        """All of the file was read."""
        for number, start in enumerate(range(0, len(content), BLOCK_BYTES)):
            self.cache.put(file.file_id, number, [content[start:start + BLOCK_BYTES]])

    def fetch(self, file: RemoteFile, length: int = BYTES, *, exact: bool = True, interrupted: bool = False) -> Stage:
        return self.edited.fetch(file, length, lambda: interrupted, exact=exact)

    def content_of(self, number: StageId) -> bytes:
        return self.staging.path(number).read_bytes()

    def downloads(self) -> int:
        return sum(operation == "download" for operation, _ in self.service.asked)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    one = State(tmp_path)
    yield one
    assert one.reader.stop(5)


def node_of(file: RemoteFile, *, kept: bool = False, confirmed: bool = False) -> Node:
    return Node(NodeId(7), ROOT, file.name, directory=False, mode=0o644, mtime_ns=0, size_bytes=file.size_bytes,
                wanted=file.name, local=False, mime_type=None, expires_s=None, stage=None, sealed=False, resend=True,
                confirmed=confirmed, remote=file, kept=kept)


def damage(path: Path) -> None:
    with path.open("r+b") as copy:
        copy.seek(BLOCK_BYTES + 1)
        byte = copy.read(1)
        copy.seek(BLOCK_BYTES + 1)
        copy.write(bytes([byte[0] ^ 1]))


# ---- to be edited

def test_what_is_edited_comes_with_one_request(state: State) -> None:
    stage = state.fetch(state.service.generate("a.bin", CONTENT))
    assert stage.read(BYTES + 1, 0) == CONTENT
    stage.close()
    assert state.downloads() == 1


@pytest.mark.parametrize(("came", "exact"), [(BYTES - 1, True), (BYTES - 1, False), (BYTES + 1, True)])
def test_what_did_not_come_whole_is_not_edited(
        state: State, monkeypatch: pytest.MonkeyPatch, came: int, exact: bool) -> None:
    file = state.service.generate("a.png", CONTENT, "image/png")
    delivered = CONTENT[:came].ljust(came, b".")
    monkeypatch.setattr(state.reader, "read", lambda _file, _length, offset, size, *_, **__: delivered[offset:offset + size])
    with pytest.raises(NotTheFile):
        state.fetch(file, exact=exact)
    assert state.staging.numbers() == set()


def test_more_than_was_listed_is_edited_where_nobody_knew_the_length(state: State) -> None:
    stage = state.fetch(state.service.generate("a.png", CONTENT, "image/png"), BYTES - 1000, exact=False)
    assert stage.read(BYTES + 1, 0) == CONTENT
    stage.close()


@pytest.mark.parametrize("exc", [Gone("not found", from_service=True, status=404, maybe_stored=False),
                                 Unavailable("try again", from_service=True, status=503, maybe_stored=False)])
def test_a_refused_download_leaves_no_stage(state: State, exc: Exception) -> None:
    file = state.service.generate("a.bin", CONTENT)
    state.service.fail("download", exc)     # type: ignore[arg-type]    # both are what a service raises
    with pytest.raises(type(exc)):
        state.fetch(file)
    assert state.staging.numbers() == set()


def test_a_signal_leaves_no_stage(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    file = state.service.generate("a.bin", CONTENT)

    def interrupted(*_: object, **__: object) -> bytes:
        raise Interrupted("a signal came")
    monkeypatch.setattr(state.reader, "read", interrupted)
    with pytest.raises(Interrupted):
        state.fetch(file)
    assert state.staging.numbers() == set()


def test_an_own_upload_is_edited_from_its_copy_without_a_request(state: State) -> None:
    file = state.service.generate("a.bin", CONTENT, downloadable=False)
    state.keep(file, CONTENT)
    stage = state.edited.of_kept(file.file_id, BYTES)
    assert stage.read(BYTES + 1, 0) == CONTENT
    stage.close()
    assert state.service.requests() == 0


def test_a_damaged_copy_is_not_edited_and_leaves_no_stage(state: State) -> None:
    file = state.service.generate("a.bin", CONTENT, downloadable=False)
    state.keep(file, CONTENT)
    damage(state.cache.kept_path(file.file_id))
    with pytest.raises(NotReadable, match="damaged"):
        state.edited.of_kept(file.file_id, BYTES)
    assert state.staging.numbers() == set()


# ---- to be sent

def test_an_own_upload_is_sent_again_by_a_second_name_of_its_copy(state: State) -> None:
    file = state.service.generate("a.bin", CONTENT, downloadable=False)
    state.keep(file, CONTENT)
    number = state.sent.stage_of(node_of(file, kept=True))
    assert os.path.samefile(state.staging.path(number), state.cache.kept_path(file.file_id))
    assert state.service.requests() == 0


def test_a_damaged_copy_is_never_sent_again(state: State) -> None:
    file = state.service.generate("a.bin", CONTENT, downloadable=False)
    state.keep(file, CONTENT)
    damage(state.cache.kept_path(file.file_id))
    with pytest.raises(NotReadable, match="damaged or gone"):
        state.sent.stage_of(node_of(file, kept=True))
    assert state.staging.numbers() == set()


def test_what_the_service_gives_nobody_is_not_asked_for(state: State) -> None:
    file = state.service.generate("a.bin", CONTENT, downloadable=False)
    with pytest.raises(NotReadable):
        state.sent.stage_of(node_of(file))
    assert state.service.requests() == 0


def test_what_was_read_whole_is_not_downloaded_again(state: State) -> None:
    file = state.service.generate("a.bin", CONTENT)
    state.fill(file, CONTENT)
    assert state.content_of(state.sent.stage_of(node_of(file))) == CONTENT
    assert state.downloads() == 0


def test_what_is_lacking_is_downloaded_with_one_request(state: State) -> None:
    file = state.service.generate("a.bin", CONTENT)
    state.fill(file, CONTENT[:BLOCK_BYTES])
    assert state.content_of(state.sent.stage_of(node_of(file))) == CONTENT
    assert state.downloads() == 1


@pytest.mark.parametrize("confirmed", [False, True])
def test_a_length_that_nobody_has_seen_is_not_taken_from_the_listing(state: State, confirmed: bool) -> None:
    listed = CONTENT[:BYTES - 100]
    file = replace(state.service.generate("a.png", CONTENT, "image/png"), size_bytes=len(listed))
    state.fill(file, listed)
    number = state.sent.stage_of(node_of(file, confirmed=confirmed))
    assert state.content_of(number) == (listed if confirmed else CONTENT)
    assert (state.downloads() == 0) is confirmed


def test_a_download_that_fails_leaves_no_stage(state: State) -> None:
    file = state.service.generate("a.bin", CONTENT)
    state.service.fail("download", Gone("not found", from_service=True, status=404, maybe_stored=False))
    with pytest.raises(Gone):
        state.sent.stage_of(node_of(file))
    assert state.staging.numbers() == set()
