"""What every RemoteFiles promises: the fake one, HTTP in each shape, HTTP behind pace and retry, and HTTP on the simulated wire, whose
service so keeps to what the emulator does.
"""

import logging
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pytest

from anthrofs.clock import Clock
from anthrofs.config import Credentials, Service, Timeouts
from anthrofs.errors import AuthFailed, Gone, NotDownloadable, Refused, RemoteTooLarge
from anthrofs.model import Cursor, FileId, RemoteFile
from anthrofs.remote.api import RemoteFiles
from anthrofs.remote.http import HttpFiles, connect
from anthrofs.remote.pace import Pacer, Priority
from anthrofs.remote.paced import Paced
from anthrofs.remote.retry import Retrying
from tests.emulator.process import EmulatorProcess
from tests.fakes import EPOCH_NS, FakeClock, FakeFiles, body_of
from tests.simulation import service as simulated
from tests.simulation.faults import Faults
from tests.simulation.wire import Wire

WRONG_KEY: Final = "sk-ant-wrong-key-0123456789"
IMPLEMENTATIONS: Final = ("fake", "beta", "ga", "agents", "wrapped", "simulated beta", "simulated ga", "simulated agents")

# All that an upload may be called: none of the nine characters, no control.
NAMES: Final = (
    "plain.txt", "ä ö ü.txt", "a\u0308.txt", "日本語.csv", "😀.bin", " leading", "trailing ", ".hidden", "-dash", "100%.txt",
    "%41%2F.txt", "it's.txt", "a;b=c,d.txt", "a&b+c#d.txt", "‛a：b", "[x]{y}(z)~$!@^`.md", "n" * 255, "ü" * 255, "no_extension",
)


@dataclass(frozen=True, slots=True)
class Bench:
    """One implementation, and what a test changes on the other side of it."""

    remote: RemoteFiles
    generate: Callable[[str, bytes], FileId]
    limit_file_bytes: Callable[[int], object]
    without_ranges: Callable[[], object]
    with_wrong_key: Callable[[], RemoteFiles]
    folder: Path

    def upload(self, name: str = "note.txt", content: bytes = b"text", mime_type: str = "text/plain") -> RemoteFile:
        with body_of(self.folder, content) as body:
            return self.remote.upload(name, mime_type, body)

    def content(self, file_id: FileId, first: int = 0, last: int | None = None) -> tuple[int, bytes]:
        with self.remote.download(file_id, first, last) as download:
            return download.offset, b"".join(download)


@pytest.fixture(params=IMPLEMENTATIONS)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    if request.param == "fake":
        yield _fake_bench(tmp_path)
        return
    if request.param.startswith("simulated"):
        with ExitStack() as stack:
            yield _simulated_bench(stack, request.param.removeprefix("simulated "), tmp_path)
        return
    emulator: EmulatorProcess = request.getfixturevalue("emulator")
    with ExitStack() as stack:
        yield _http_bench(stack, emulator, str(request.param), tmp_path)


def _fake_bench(folder: Path) -> Bench:
    files = FakeFiles(FakeClock())

    def wrong() -> FakeFiles:
        files.key_accepted = False
        return files
    return Bench(files, lambda name, content: files.generate(name, content).file_id,
                 lambda limit: setattr(files, "max_file_bytes", limit), lambda: setattr(files, "ranges", False), wrong, folder)


def _http_bench(stack: ExitStack, emulator: EmulatorProcess, kind: str, folder: Path) -> Bench:
    service = Service(emulator.url, Credentials("x-api-key", emulator.key), shape="beta" if kind == "wrapped" else kind)

    def remote(service: Service) -> RemoteFiles:
        files = HttpFiles(stack.enter_context(connect(service, Timeouts())), Clock())
        if kind != "wrapped":
            return files
        paced = Paced(files, Pacer(10_000, Clock()), Priority.READ)
        return Retrying(paced, FakeClock(), threading.Event(), random.Random(1))
    return Bench(remote(service), lambda name, content: FileId(emulator.generate(name, content, "text/plain")["id"]),
                 lambda limit: emulator.switch(max_file_bytes=limit), lambda: emulator.switch(ranges=False),
                 lambda: remote(replace(service, credentials=Credentials("x-api-key", WRONG_KEY))), folder)


def _simulated_bench(stack: ExitStack, shape: str, folder: Path) -> Bench:
    clock, chance = FakeClock(), random.Random(4)
    service = simulated.Service(clock.time_ns)
    wire = Wire(service, Faults(), "bench", clock.advance, clock.now_s, chance)

    def remote(key: str) -> RemoteFiles:
        configured = Service("http://simulated.test", Credentials("x-api-key", key), shape=shape)
        return HttpFiles(stack.enter_context(connect(configured, Timeouts(), transport=wire)), clock)

    def rule(**changes: Any) -> None:
        service.rules = replace(service.rules, **changes)
    return Bench(remote(simulated.KEY), lambda name, content: FileId(service.generate(name, content)),
                 lambda limit: rule(max_file_bytes=limit), lambda: rule(ranges=False), lambda: remote(WRONG_KEY), folder)


# ---- uploads

def test_an_upload_is_described_and_listed_first(bench: Bench) -> None:
    bench.generate("older.txt", b"older")

    file = bench.upload("note.md", b"hello", "text/markdown")

    assert (file.name, file.mime_type, file.size_bytes) == ("note.md", "text/markdown", 5)
    assert not file.downloadable
    page = bench.remote.list(10)
    assert [each.name for each in page.files] == ["note.md", "older.txt"]
    assert page.files[0] == bench.remote.stat(file.file_id) == file
    assert page.following is None
    assert page.skipped == 0


def test_an_upload_is_not_downloadable(bench: Bench) -> None:
    file = bench.upload()

    with pytest.raises(NotDownloadable):
        bench.remote.download(file.file_id)


def test_an_empty_file_can_be_uploaded(bench: Bench) -> None:
    file = bench.upload("empty.txt", b"")

    assert file.size_bytes == 0
    assert bench.remote.list(10).files == (file,)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_comes_back_as_it_was_sent(bench: Bench, name: str) -> None:
    file = bench.upload(name)

    assert file.name == name
    assert bench.remote.stat(file.file_id).name == name
    assert [each.name for each in bench.remote.list(10).files] == [name]


def test_the_same_name_twice_gives_two_files(bench: Bench) -> None:
    first, second = bench.upload("same.txt", b"1"), bench.upload("same.txt", b"22")

    assert [file.file_id for file in bench.remote.list(10).files] == [second.file_id, first.file_id]


def test_a_file_above_the_size_limit_is_too_large_and_surely_not_stored(bench: Bench) -> None:
    bench.limit_file_bytes(1000)
    fits = bench.upload("fits.txt", bytes(1000))

    with pytest.raises(RemoteTooLarge) as caught:
        bench.upload("large.txt", bytes(1001))

    assert not caught.value.maybe_stored
    assert not caught.value.transient
    assert bench.remote.list(10).files == (fits,)


# ---- listings

@pytest.mark.parametrize("limit", [1, 2, 3, 6, 7, 8, 1000])
def test_pages_of_any_size_show_every_file_once_and_newest_first(bench: Bench, limit: int) -> None:
    names = [f"{number}.txt" for number in range(7)]
    for name in names:
        bench.generate(name, b"x")

    shown: list[RemoteFile] = []
    cursor: Cursor | None = None
    while True:
        page = bench.remote.list(limit, cursor)
        assert len(page.files) <= limit
        shown += page.files
        cursor = page.following
        if cursor is None:
            break

    assert [file.name for file in shown] == names[::-1]
    created = [file.created_ns for file in shown]
    assert created == sorted(created, reverse=True)
    assert all(created_ns > EPOCH_NS // 2 for created_ns in created)


def test_an_empty_workspace_has_one_empty_page(bench: Bench) -> None:
    page = bench.remote.list(1000)

    assert page.files == ()
    assert page.following is None


def test_a_cursor_that_nobody_gave_is_refused(bench: Bench) -> None:
    bench.upload()

    with pytest.raises(Refused):
        bench.remote.list(10, Cursor("after_id", "file_nobody"))


# ---- deletions

def test_a_deleted_file_is_gone_and_a_second_deletion_says_so(bench: Bench) -> None:
    kept, deleted = bench.upload("kept.txt"), bench.upload("deleted.txt")

    bench.remote.delete(deleted.file_id)

    with pytest.raises(Gone):
        bench.remote.stat(deleted.file_id)
    with pytest.raises(Gone):
        bench.remote.delete(deleted.file_id)
    with pytest.raises(Gone):
        bench.remote.download(deleted.file_id)
    assert bench.remote.list(10).files == (kept,)


# ---- downloads

def test_generated_content_comes_back_whole(bench: Bench) -> None:
    content = bytes(range(256)) * 100
    file_id = bench.generate("data.csv", content)

    assert bench.remote.stat(file_id).downloadable
    assert bench.content(file_id) == (0, content)


@pytest.mark.parametrize(("first", "last"), [(1, None), (5000, None), (9999, None), (0, 0), (0, 99), (100, 4999), (9999, 20_000)])
def test_with_ranges_only_the_part_that_was_asked_for_comes(bench: Bench, first: int, last: int | None) -> None:
    content = random.Random(2).randbytes(10_000)
    file_id = bench.generate("data.csv", content)

    with bench.remote.download(file_id, first, last) as download:
        assert download.ranged
        assert download.offset == first
        assert b"".join(download) == content[first:None if last is None else last + 1]


def test_without_ranges_content_comes_from_its_beginning_and_says_so(bench: Bench) -> None:
    content = random.Random(3).randbytes(10_000)
    file_id = bench.generate("data.csv", content)
    bench.without_ranges()

    with bench.remote.download(file_id, 5000) as download:
        assert not download.ranged
        assert download.offset == 0
        assert b"".join(download) == content


def test_a_generated_file_may_be_empty(bench: Bench) -> None:
    assert bench.content(bench.generate("empty.csv", b"")) == (0, b"")


def test_a_download_that_is_left_early_leaves_the_next_call_alone(bench: Bench) -> None:
    file_id = bench.generate("data.csv", bytes(3_000_000))

    for _ in range(10):                 # more than there are slots for downloads
        with bench.remote.download(file_id) as download:
            assert next(iter(download))

    assert bench.remote.stat(file_id).size_bytes == 3_000_000


# ---- who asks

def test_a_wrong_key_is_refused_and_appears_in_no_words(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    existing = bench.generate("data.csv", b"x")
    remote = bench.with_wrong_key()
    body = body_of(bench.folder, b"text")
    calls: list[Callable[[], object]] = [
        lambda: remote.list(1), lambda: remote.stat(existing), lambda: remote.delete(existing),
        lambda: remote.download(existing), lambda: remote.upload("a.txt", "text/plain", body)]

    with body:
        for call in calls:
            with pytest.raises(AuthFailed) as caught:
                call()
            assert not caught.value.maybe_stored
            chain: list[BaseException] = [caught.value]
            while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None:
                chain.append(cause)
            assert WRONG_KEY not in " ".join(f"{exc} {exc!r} {vars(exc)}" for exc in chain)

    assert WRONG_KEY not in repr(remote)
    assert WRONG_KEY not in caplog.text
    assert not [record for record in caplog.records if WRONG_KEY in f"{vars(record)}"]


def test_the_workspace_and_the_servers_clock_are_known_after_the_first_answer(bench: Bench) -> None:
    bench.remote.list(1)

    clock, workspace = bench.remote.clock(), bench.remote.workspace()
    assert clock is not None
    assert clock.earliest_ns <= 0 <= clock.latest_ns        # the same machine's
    assert workspace.organization_id
    assert workspace.workspace_id
