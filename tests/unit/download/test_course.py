"""However the answers to a download go wrong: all of the right bytes come, or an error after few requests; and nobody waits for ever."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthrofs.clock import Clock
from anthrofs.config import Credentials, Service, Timeouts
from anthrofs.download.bodies import PAGE_BYTES, Expected
from anthrofs.download.course import RESUMES, TRIES, Course, Ranges
from anthrofs.download.reader import Reader
from anthrofs.download.running_download import RunningDownload
from anthrofs.errors import BodyCut, FsError, Gone, NotTheFile, Refused
from anthrofs.model import FileId, RemoteFile
from anthrofs.remote.http import HttpFiles, connect
from anthrofs.store.block_cache import BlockCache
from anthrofs.store.disk import Disk
from tests.emulator.process import EmulatorProcess
from tests.fakes import FakeFiles, law

if TYPE_CHECKING:
    from anthrofs.remote.api import RemoteFiles

CONTENT = bytes(range(251)) * 8000              # two pages
PAGE = b"<html>log in first</html>"


def file_of(content: bytes, mime_type: str = "text/csv") -> RemoteFile:
    return RemoteFile(FileId("file_1"), "a.csv", mime_type, len(content), 0, downloadable=True)


@dataclass
class Mishap:
    """Of one answer."""

    ends: float = 1.0           # part of what was asked for, after which it ends
    cut: bool = False           # by a cut of the connection; else cleanly
    says_length: bool = True
    signed: bool = True
    page: bool = False          # another thing altogether, 200
    ranges: bool = True
    longer: int = 0             # bytes that don't belong to the file, behind it

    def answer(self, content: bytes, first: int, last: int | None) -> "Body":
        asked = (first > 0 or last is not None) and self.ranges
        if self.page:
            return Body(PAGE, 0, len(PAGE) if self.says_length else None, ranged=False, signed=False, mime_type="text/html")
        stop = len(content) if last is None else min(len(content), last + 1)
        part = content[first:stop] if asked else content + b"?" * self.longer
        kept = part[:round(len(part) * self.ends)]
        # Without a word about the length a cut can be taken for the end; a length that is said is that of what comes.
        total = len(content) if asked else len(part if self.cut else kept) if self.says_length else None
        return Body(kept, first if asked else 0, total, ranged=asked, signed=self.signed, cut=self.cut and len(kept) < len(part))


@dataclass
class Body:
    content: bytes
    offset: int
    total: int | None
    ranged: bool
    signed: bool
    cut: bool = False
    mime_type: str = ""
    encoding: str = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None) -> None:
        pass

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self.content), 100_000):
            yield self.content[start:start + 100_000]
        if self.cut:
            raise BodyCut("the connection ended")

    def take_as_it_is(self) -> None:
        pass

    def abort(self) -> None:
        pass

    def park(self) -> None:
        pass

    def resume(self) -> None:
        pass


@dataclass
class Server:
    """Only downloads; after the script's end all goes well, or the last mishap goes on."""

    content: bytes
    script: list[Mishap]
    for_ever: bool = False
    asked: list[tuple[int, int | None]] = field(default_factory=list)

    def download(self, _: FileId, first: int = 0, last: int | None = None) -> Body:
        self.asked.append((first, last))
        if first >= len(self.content):
            raise Refused("no such bytes", status=416)
        place = len(self.asked) - 1
        mishap = self.script[place] if place < len(self.script) else self.script[-1] if self.for_ever and self.script else Mishap()
        return mishap.answer(self.content, first, last)


def fetched(server: Server, file: RemoteFile, *, exact: bool = True) -> bytes:
    """What a reader has at the end. Raises what the course does."""
    got = bytearray()
    course = Course(cast("RemoteFiles", server), Ranges(), Expected(file, file.size_bytes, exact), 0, None, wanted=lambda: True,
                    opened=lambda _: None, refused=got.clear, pause=lambda _: None)
    for _, place, piece in course.pieces():
        assert place <= len(got), "no hole"
        got[place:] = piece
    assert course.end == len(got)
    return bytes(got)


mishaps = st.builds(Mishap, ends=st.sampled_from([0.0, 0.001, 0.3, 0.7, 1.0]), cut=st.booleans(), says_length=st.booleans(),
                    signed=st.booleans(), page=st.sampled_from([False, False, True]), ranges=st.booleans(), longer=st.sampled_from([0, 0, 5]))


@law
@given(script=st.lists(mishaps, max_size=6), for_ever=st.booleans(), size=st.sampled_from([1, 1000, PAGE_BYTES, len(CONTENT)]))
def test_all_of_the_right_bytes_come_or_an_error(script: list[Mishap], for_ever: bool, size: int) -> None:
    server = Server(CONTENT[:size], script, for_ever)
    try:
        assert fetched(server, file_of(CONTENT[:size])) == CONTENT[:size]
    except NotTheFile:
        assert script
    assert len(server.asked) <= len(script) * 3 + 2 * RESUMES + 20, "it ends"
    assert all(0 <= first < size and (last is None or first <= last < size) for first, last in server.asked)


@law
@given(script=st.lists(mishaps, max_size=4), extra=st.sampled_from([0, 7, 50_000]))
def test_a_picture_comes_whole_or_as_an_error_whatever_its_length_is(script: list[Mishap], extra: int) -> None:
    listed, delivered = CONTENT[:300_000], CONTENT[:300_000 + extra]
    server = Server(delivered, [mishap for mishap in script if mishap.ranges], for_ever=False)
    try:
        got = fetched(server, file_of(listed, "image/png"), exact=False)
    except NotTheFile:
        return
    # A length that is said and isn't so can't be told from provenance data; what nobody says a length of is asked for at its end.
    said = any(mishap.says_length and not mishap.cut and (mishap.ends < 1 or mishap.longer) for mishap in server.script)
    longer = any(mishap.longer for mishap in server.script)
    assert got == delivered or ((said or longer) and len(got) >= len(listed) and got[:len(listed)] == listed)


@pytest.mark.parametrize(("mishap", "requests"), [
    (Mishap(page=True), TRIES), (Mishap(page=True, says_length=False), TRIES), (Mishap(ends=0.5, ranges=False), TRIES),
    (Mishap(ends=0.5, says_length=False, ranges=False), TRIES), (Mishap(ends=0.0, cut=True), RESUMES), (Mishap(longer=1, ranges=False), TRIES),
    (Mishap(longer=1, ranges=False, says_length=False), TRIES)], ids=str)
def test_what_comes_each_time_costs_few_requests(mishap: Mishap, requests: int) -> None:
    server = Server(CONTENT[:400_000], [mishap], for_ever=True)
    try:
        assert fetched(server, file_of(CONTENT[:400_000])) == CONTENT[:400_000]
    except NotTheFile:
        assert len(server.asked) == requests


def test_what_was_refused_after_it_had_been_handed_on_is_begun_again_from_its_first_byte() -> None:
    """Longer than a page, signed and without a length: handed on as it came, until it ended early. It may have been anything."""
    server = Server(CONTENT, [Mishap(ends=0.7, says_length=False)])
    assert fetched(server, file_of(CONTENT)) == CONTENT
    assert server.asked == [(0, None), (0, len(CONTENT) - 1)]


@pytest.mark.parametrize(("signed", "begins_again"), [(False, True), (True, False)])
def test_what_was_cut_and_doesnt_bear_the_services_mark_is_begun_again_from_its_first_byte(signed: bool, begins_again: bool) -> None:
    """A page longer than pages are, cut in its middle, would otherwise be the file's beginning for ever."""
    class Odd(Server):
        def download(self, file_id: FileId, first: int = 0, last: int | None = None) -> Body:
            body = super().download(file_id, first, last)
            if len(self.asked) > 1:
                return body
            begins = (CONTENT if signed else b"x" * len(CONTENT))[:PAGE_BYTES + 200_000]
            return Body(begins, 0, None, ranged=False, signed=signed, cut=True)
    server = Odd(CONTENT, [])
    assert fetched(server, file_of(CONTENT)) == CONTENT
    assert server.asked == [(0, None), (0, len(CONTENT) - 1) if begins_again else (PAGE_BYTES + 200_000, None)]


# ---- patience


@pytest.mark.parametrize(("flows", "silent_s", "aborted"), [(False, 59.0, False), (True, 19.0, False), (True, 21.0, True)])
def test_the_first_byte_has_more_patience_than_the_next(flows: bool, silent_s: float, aborted: bool) -> None:
    """A proxy may collect a download before it passes anything on: that is for the connection's own patience. What stops in its middle
    is cut by who waits, to be resumed.
    """
    aborts: list[bool] = []
    body = Body(b"", 0, None, ranged=False, signed=True)
    body.abort = lambda: aborts.append(True)        # type: ignore[method-assign]
    feed = RunningDownload(threading.Lock(), Expected(file_of(CONTENT), len(CONTENT), exact=True), 0, None, early=False)
    feed.body, feed.flows, feed.moved_s = body, flows, 100.0
    for _ in range(2):
        feed.hurry(100.0 + silent_s, 20.0)
    assert (aborts, feed.stalled) == ([True] * aborted, aborted)


def test_a_body_that_stops_while_somebody_waits_is_resumed_from_its_last_byte(emulator: EmulatorProcess, tmp_path: Path) -> None:
    file = replace(file_of(CONTENT), file_id=FileId(emulator.generate("a.csv", CONTENT, "text/csv")["id"]))
    emulator.fault("download", {"kind": "stall", "seconds": 300, "after_bytes": 300_000})
    cache = BlockCache(tmp_path, Disk(), 10**9)
    cache.start()
    service = Service(emulator.url, Credentials("x-api-key", emulator.key))
    with connect(service, Timeouts()) as client:
        reader = Reader(cache, HttpFiles(client, Clock()), Clock(), 0.3, lambda *_: None, lambda *_: None, lambda: True, str)
        assert reader.read(file, len(CONTENT), 0, len(CONTENT), lambda: False) == CONTENT
        reader.leave(file.file_id)
        assert reader.stop(5)
    assert emulator.requests("download")[1]["range"] == "bytes=300000-"


def test_who_asks_for_a_file_that_is_gone_for_days_fills_no_memory(tmp_path: Path) -> None:
    """Each raise of the same exception adds to the traceback that it has, and that keeps all frames."""
    files = FakeFiles(Clock())
    file = files.generate("a.csv", CONTENT)
    files.vanish(file.file_id)
    cache = BlockCache(tmp_path, Disk(), 10**9)
    cache.start()
    reader = Reader(cache, files, Clock(), 0.3, lambda *_: None, lambda *_: None, lambda: True, str)
    depths = []
    for _ in range(5):
        with pytest.raises(Gone) as raised:
            reader.read(file, len(CONTENT), 0, 100, lambda: False)
        depths.append(len(raised.traceback))
    assert reader.stop(5)
    assert (len(files.asked), depths[-1] <= depths[1]) == (1, True), depths


def test_what_is_fetched_for_nobody_yet_fails_nobody_when_the_system_gives_no_more_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")
    files = FakeFiles(Clock())
    file = files.generate("a.csv", CONTENT)
    cache = BlockCache(tmp_path, Disk(), 10**9)
    cache.start()
    reader = Reader(cache, files, Clock(), 0.3, lambda *_: None, lambda *_: None, lambda: True, str)
    with monkeypatch.context() as few:
        few.setattr(threading.Thread, "start", none)
        assert not reader.early(file, len(CONTENT), exact=True)
        with pytest.raises(FsError, match="no thread"):
            reader.read(file, len(CONTENT), 0, 100, lambda: False)
    assert reader.read(file, len(CONTENT), 0, 100, lambda: False) == CONTENT[:100]
    assert reader.stop(5)
