"""Whatever a service lists: the tree holds its invariants, each entry has a name that is safe and can be used, and only RemoteError comes out."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthrofs.errors import BadAnswer, FsError, Gone, Refused, RemoteError
from anthrofs.model import Cursor, FileId, Page, RemoteFile
from anthrofs.names import MAX_ENTRY_BYTES
from anthrofs.remote import answers
from anthrofs.sync import news, scan, sweeper
from tests.core.core import Core
from tests.core.one_thread import OneThread
from tests.fakes import EPOCH_NS, FakeFiles
from tests.fuzz.fuzzing import target, texts

NAMES: Final = ("a.txt", "a.txt", "folder\uff0fb.txt", "folder", "folder/b.txt", ".by-id", ".by-id\uff0fx", ".", "..", "", "\uff0f", "\uff0f\uff0f", "a\uff0f..\uff0fb",
                ".fuse_hidden0000000000000001", "x" * 300, "\u00e9" * 200, "a\u2028b", "\u202etxt.exe", "note~", ".Trash", "\x00", "a\nb", "%22", "\u201b\uff1a", "\ud800", "\U0001f600" * 90)
TIMES: Final = (0, 1, EPOCH_NS, EPOCH_NS + 1, 2**63 - 1, -2**63, EPOCH_NS * 2)

ids = st.one_of(st.sampled_from(["file_1", "file_2", "file_3", "file_4", "..", ".", "a/b", "\u00e9", "x" * 500, " ", "\n"]), st.text(min_size=1, max_size=8))
listed = st.builds(
    lambda file_id, name, size, created, downloadable, expires: {"id": file_id, "filename": name, "size_bytes": size, "downloadable": downloadable, "mime_type": "text/plain",
                                                                "created": created, "expires": expires},
    ids, st.one_of(st.sampled_from(NAMES), texts), st.one_of(st.integers(0, 50), st.sampled_from([0, 2**63 - 1, 2**44 - 1, 500 * 2**20 + 1])),
    st.one_of(st.sampled_from(TIMES), st.integers(EPOCH_NS - 10**12, EPOCH_NS + 10**12)), st.booleans(), st.one_of(st.none(), st.sampled_from(TIMES)))
cursors = st.one_of(st.none(), st.none(), st.builds(Cursor, st.sampled_from(["page", "after_id"]), st.sampled_from(["1", "2", "3"])))
pages = st.builds(lambda entries, following, skipped: (entries, following, skipped), st.lists(listed, max_size=5), cursors, st.sampled_from([0, 0, 0, 1]))
# What each question for a page gets, in order; the last one again and again. A number is that of the error.
listings = st.lists(st.one_of(pages, pages, pages, st.sampled_from([400, 404, 500])), min_size=1, max_size=6)


def file_of(entry: dict[str, Any]) -> RemoteFile | None:
    found = answers.file_of({name: value for name, value in entry.items() if name not in ("created", "expires")})
    return None if found is None else replace(found, created_ns=entry["created"], expires_ns=entry["expires"])


class Wild(FakeFiles):
    """A service that lists what a test says."""

    says: list[Any]

    def list(self, limit: int, cursor: Cursor | None = None) -> Page:
        self.asked.append(("list", "" if cursor is None else cursor.value))
        said = (self.says.pop(0) if len(self.says) > 1 else self.says[0]) if self.says else ([], None, 0)
        if isinstance(said, int):
            raise Refused("no", from_service=True, status=said, maybe_stored=False) if said < 500 else BadAnswer("a page", status=said)
        entries, following, skipped = said
        files = [file_of(entry) for entry in entries]     # more than were asked for, too
        return Page(tuple(file for file in files if file is not None), following, skipped + files.count(None))

    def stat(self, file_id: FileId) -> RemoteFile:
        self.asked.append(("metadata", file_id))
        raise Gone("not found", from_service=True, status=404, maybe_stored=False)


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (scan, news, sweeper):
        monkeypatch.setattr(module, "PAGE_FILES", 5)
    monkeypatch.setattr(news, "NEWS_FILES", 3)


def below(core: Core, folder: str = "") -> Iterator[str]:
    for name in core.user.listdir(folder):
        assert 0 < len(name.encode()) <= MAX_ENTRY_BYTES
        assert not set(name) & {"/", "\0"}
        assert name not in (".", "..", ".by-id")
        path = f"{folder}/{name}" if folder else name
        yield path
        if core.user.is_directory(path):
            yield from below(core, path)


@target(12)
@given(first=listings, later=listings, uses=st.lists(st.tuples(st.integers(0, 20), st.sampled_from(["read", "unlink", "rename", "write", "xattr", "append"])), max_size=6),
       layout=st.sampled_from(["tree", "flat"]))
def test_whatever_is_listed_is_a_tree(tmp_path_factory: pytest.TempPathFactory, first: list[Any], later: list[Any], uses: list[tuple[int, str]], layout: str) -> None:
    clock = OneThread()
    files = Wild(clock)
    files.says = []
    core = Core(tmp_path_factory.mktemp("core"), files=files, clock=clock, layout=layout)
    core.expects(".*")
    for says in (first, later):
        files.says = list(says)
        error = core.parts.refresher.refresh(60.0)
        assert error is None or isinstance(error, (RemoteError, FsError))
        clock.pass_s(400)
        paths = list(below(core))
        assert len(set(paths)) == len(paths)
        for number, use in uses:
            if paths:
                used(core, paths[number % len(paths)], use)
    files.says = [([], None, 0)]
    core.end()
    core.leaves("belongs to nothing")
    bugs = [line for line in core.log.lines if "Traceback" in line]
    assert not bugs, bugs
    core.check()


def used(core: Core, path: str, use: str) -> None:
    user = core.user
    with suppress(OSError):
        if use == "read":
            user.read(path)
        elif use == "unlink":
            user.unlink(path)
        elif use == "rename":
            user.rename(path, "renamed.txt")
        elif use == "write":
            user.write(path, b"new")
        elif use == "append":
            user.write(path, b"more", os.O_WRONLY | os.O_APPEND)
        else:
            user.setxattr(path, "user.mime_type", "text/x")
            user.getxattr(path, "user.anthropic.filename")


def test_a_file_of_the_workspace_is_reached_by_its_name_and_its_id(tmp_path: Path) -> None:
    """Whatever it is called."""
    clock = OneThread()
    files = Wild(clock)
    files.says = [([{"id": f"file_{number:04}", "filename": name, "size_bytes": 3, "downloadable": True, "mime_type": "text/plain",
                     "created": EPOCH_NS + number, "expires": None} for number, name in enumerate(NAMES)], None, 0)]
    core = Core(tmp_path, files=files, clock=clock)
    assert core.parts.refresher.refresh(60.0) is None
    found = {core.user.getxattr(path, "user.anthropic.file_id") for path in below(core) if not core.user.is_directory(path)}
    assert found == {f"file_{number:04}" for number in range(len(NAMES))}
    for file_id in found:
        assert core.user.stat(f".by-id/{file_id}")["st_size"] == 3
    files.says = [([], None, 0)]
    core.expects(".*")
    core.finish()
