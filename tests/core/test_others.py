"""Others' changes show, whatever they are and whenever they are seen: each file of the server is shown once, with its content."""

import errno
import random

import pytest

from anthrofs.errors import BadAnswer, InTheWay, NoAnswer, Unavailable
from anthrofs.fs.contents import Contents
from anthrofs.model import FileId
from anthrofs.names import SLASH
from anthrofs.sync import news, scan, sweeper
from anthrofs.tree.open_table import Content
from tests.core.core import Core

NAMES = ["a.txt", "b.txt", "d/a.txt", "d/e/c.csv", "e"]
STEPS = 60
FAILURES = [NoAnswer("cut"), Unavailable("HTTP 503", status=503, from_service=True), InTheWay("HTTP 502", status=502), BadAnswer("no page")]
FILE_ID = "user.anthropic.file_id"


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five files: then a few of them are a workspace of several pages, which only a sweep reads to its end."""
    for module in (scan, sweeper):
        monkeypatch.setattr(module, "PAGE_FILES", 5)
    monkeypatch.setattr(news, "NEWS_FILES", 3)


@pytest.fixture
def watching(core: Core) -> Core:
    core.expects("the full listing was not completed", "could not be refreshed", "mounted from the saved index", "What is to be sent stays queued",
                 "read: File 'file_[0-9]+' not found")
    return core


def look_for(core: Core, minutes: int) -> None:
    """Somebody looks all the time."""
    for _ in range(minutes):
        core.user.listdir()
        core.clock.pass_s(60)


def shows_the_server(core: Core) -> None:
    found = {core.user.getxattr(path, FILE_ID): (path, core.user.read(path)) for path, content in core.user.walk().items() if content is not None}
    assert {file_id: content for file_id, (_, content) in found.items()} == {
        file.file_id: core.files.contents[file.file_id] for file in core.files.files}
    newest = {file.name: file.file_id for file in reversed(core.files.files)}       # the last one of a name is its newest
    for name, file_id in newest.items():
        path = name.replace(SLASH, "/")
        if not any(other.startswith(f"{name}{SLASH}") for other in newest):         # a folder has that name
            assert found[file_id][0] == path


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("lag_s", [0.0, 2.0])
@pytest.mark.usefixtures("small_pages")
def test_whatever_others_make_and_remove_shows_in_the_end(watching: Core, seed: int, lag_s: float) -> None:
    """Also names that are there twice, files that are replaced, and pages that move while they are read; and what is open stays readable."""
    core, chance = watching, random.Random(seed)
    core.files.lag_s = lag_s
    opened: dict[int, bytes] = {}
    for _ in range(STEPS):
        which, files = chance.random(), core.files.files
        if which < 0.4:
            core.files.generate(chance.choice(NAMES).replace("/", SLASH), chance.randbytes(chance.randint(1, 60)))
        elif which < 0.6 and files:
            core.files.vanish(chance.choice(files).file_id)
        elif which < 0.7 and files:
            old = chance.choice(files)
            core.files.vanish(old.file_id)
            core.files.generate(old.name, chance.randbytes(20))
        elif which < 0.8:
            core.user.listdir()
            core.clock.pass_s(chance.choice([0.1, 5, 60, 400]))
        elif which < 0.9:
            _open_one(core, chance, opened)
        elif which < 0.95:
            core.files.fail("list", *[chance.choice(FAILURES)] * chance.randint(1, 5))
        else:
            opened.clear()
            core.remount() if chance.random() < 0.5 else core.crash()
    for number, content in opened.items():
        assert core.user.pread(number, 100, 0) == content
    core.user.close_all()
    core.files.failures.clear()
    look_for(core, 20)
    shows_the_server(core)


def _open_one(core: Core, chance: random.Random, opened: dict[int, bytes]) -> None:
    """What was read once is here to be read until it is closed."""
    paths = [path for path in core.user.paths() if not core.user.is_directory(path)]
    if not paths:
        return
    try:
        number = core.user.open(chance.choice(paths))
    except FileNotFoundError:
        return                          # it went meanwhile
    try:
        opened[number] = core.user.pread(number, 100, 0)
    except OSError:                     # so did its content
        core.user.close(number)


def test_an_own_upload_that_one_listing_shows_and_the_next_one_does_not_yet_is_asked_for(core: Core) -> None:
    """Of a service's several listings. Taken for gone, it would stay on the server beside what is saved over it."""
    core.user.write("a.txt", b"one")
    core.user.write("removed.txt", b"one")
    core.sync()
    core.clock.pass_s(5)
    core.refresh()
    core.files.lag_s = 600.0
    core.files.vanish(next(file.file_id for file in core.files.files if file.name == "removed.txt"))
    core.refresh()
    assert core.user.files() == {"a.txt": b"one"}
    assert core.counts()["metadata"] == 2
    core.user.write("a.txt", b"two")
    core.sync()
    core.files.lag_s = 0.0
    core.clock.pass_s(5)
    core.refresh()
    assert core.user.files() == {"a.txt": b"two"}
    assert core.on_server() == [("a.txt", b"two")]


def test_whoever_opens_what_is_gone_while_its_last_reader_leaves_is_told_so_without_a_request(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    made, finish, met = core.others_make("a.txt", b"a"), Contents.finish, list[int | None]()

    def meanwhile(contents: Contents, content: Content) -> bool:
        """Another program comes between the last handle's end and the name's."""
        if not met:
            met.append(None)
            with pytest.raises(OSError, match="Stale") as told:
                core.user.read("a.txt")
            met.append(told.value.errno)
        return finish(contents, content)

    monkeypatch.setattr(Contents, "finish", meanwhile)
    core.expects("read: File 'file_[0-9]+' not found")
    core.files.vanish(FileId(made))
    with pytest.raises(OSError, match="Stale"):
        core.user.read("a.txt")
    assert met == [None, errno.ESTALE]
    assert core.counts()["download"] == 1
    assert core.user.listdir() == []
