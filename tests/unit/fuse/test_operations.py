"""The border to the kernel translates and adds nothing: errnos, times, flags, sizes."""

import errno
import inspect
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest

from anthrofs import errors
from anthrofs.config import Config, Credentials, Service
from anthrofs.errors import FsError
from anthrofs.fuse.operations import LAST_NS, UTIME_NOW, UTIME_OMIT, Operations, Refusal
from anthrofs.model import Attr, NodeId, Opened


class Rooms:
    """Whatever is called of the rooms below, is noted, and answered as a test says."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.answer: Callable[..., object] = lambda *_: None

    def __getattr__(self, name: str) -> Callable[..., object]:
        def called(*arguments: Any, **named: Any) -> object:
            self.calls.append((name, *arguments, *named.items()))
            return self.answer(*arguments)
        return called


@pytest.fixture
def rooms() -> Rooms:
    return Rooms()


@pytest.fixture
def operations(rooms: Rooms, monkeypatch: pytest.MonkeyPatch) -> Operations:
    root = Path("/")
    config = Config(root, root, Service("", Credentials("", "")))
    one: Any = rooms
    monkeypatch.setattr(Operations, "_caller", lambda _: "caller")
    return Operations(one, one, one, one, one, config, one, lambda: None)


def code_of(operations: Operations, operation: str, *arguments: object) -> int | None:
    """The errno that the kernel is told."""
    with pytest.raises(Refusal) as caught:
        operations(operation, *arguments)
    found: int | None = caught.value.errno
    return found


def every_error() -> list[FsError]:
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, FsError)]
    given: Final = {errors.Incomplete: (errno.EFBIG,), errors.Closed: (errors.Offline("no connection"),), errors.OtherLength: (5,)}
    return [kind(*(given[kind] if kind is errors.Closed else ("words", *given.get(kind, ())))) for kind in kinds]


@pytest.mark.parametrize("exc", every_error(), ids=lambda exc: type(exc).__name__)
def test_the_kernel_is_told_what_the_error_says(operations: Operations, rooms: Rooms, exc: FsError) -> None:
    def fail(*_: object) -> None:
        raise exc

    rooms.answer = fail
    assert code_of(operations, "getattr", "/a") == exc.code
    assert code_of(operations, "unlink", "/a") == exc.code


@pytest.mark.parametrize(("exc", "code"), [
    (OSError(errno.ENOSPC, "full"), errno.ENOSPC), (OSError(errno.EDQUOT, "full"), errno.ENOSPC), (OSError(errno.EROFS, "read only"), errno.EROFS),
    (OSError(errno.EMFILE, "descriptors"), errno.ENFILE), (OSError(errno.EIO, "broken"), errno.EIO),
    (FileNotFoundError(errno.ENOENT, "a stage is lost"), errno.EIO), (OSError("no number"), errno.EIO), (KeyError("a bug"), errno.EIO),
], ids=str)
def test_of_this_machines_disk_only_full_and_read_only_mean_the_same_to_the_caller(operations: Operations, rooms: Rooms, exc: Exception,
                                                                                  code: int) -> None:
    def fail(*_: object) -> None:
        raise exc

    rooms.answer = fail
    assert code_of(operations, "getattr", "/a") == code


@pytest.mark.parametrize(("times", "calls"), [
    (None, [("set_mtime", "/a", None, None)]),
    ((5, UTIME_NOW), [("set_mtime", "/a", None, None)]),
    ((UTIME_NOW, UTIME_OMIT), [("set_atime", "/a", None)]),
    ((UTIME_OMIT, 7 * 10**9), [("set_mtime", "/a", 7 * 10**9, None)]),
    ((0, 2**80), [("set_mtime", "/a", LAST_NS, None)]),
    ((0, -2**80), [("set_mtime", "/a", -LAST_NS - 1, None)]),
])
def test_a_time_that_is_to_stay_stays(operations: Operations, rooms: Rooms, times: tuple[int, int] | None, calls: list[tuple[object, ...]]) -> None:
    operations("utimens", "/a", times)
    assert rooms.calls == calls


@pytest.mark.parametrize(("flags", "writepage", "mapped", "appends"), [
    (os.O_WRONLY, 0, False, False), (os.O_RDWR | os.O_APPEND, 0, False, True), (os.O_RDWR, 1, True, False), (os.O_RDWR | os.O_APPEND, 1, True, False),
])
def test_a_page_of_a_map_has_its_place_whatever_the_file_was_opened_for(operations: Operations, rooms: Rooms, flags: int, writepage: int,
                                                                      mapped: bool, appends: bool) -> None:
    operations("write", None, b"data", 3, SimpleNamespace(fh=9, flags=flags, writepage=writepage))
    (name, handle, data, offset, _, *named), = rooms.calls
    assert (name, handle, data, offset) == ("write", 9, b"data", 3)
    assert dict(named) == {"mapped": mapped, "appends": appends}


@pytest.mark.parametrize("direct_io", [False, True])
@pytest.mark.parametrize("keep_cache", [False, True])
def test_an_open_says_what_the_kernel_may_keep(operations: Operations, rooms: Rooms, direct_io: bool, keep_cache: bool) -> None:
    rooms.answer = lambda *_: Opened(7, direct_io=direct_io, keep_cache=keep_cache)
    asked = SimpleNamespace(fh=0, flags=os.O_RDONLY, direct_io=0, keep_cache=0)
    operations("open", "/a", asked)
    assert (asked.fh, asked.direct_io, asked.keep_cache) == (7, direct_io, keep_cache)


@pytest.mark.parametrize(("size_bytes", "blocks"), [(0, 0), (1, 1), (512, 1), (513, 2), (10**9, -(-10**9 // 512))])
def test_content_has_blocks(operations: Operations, rooms: Rooms, size_bytes: int, blocks: int) -> None:
    """tar -S takes a file without any for a hole."""
    rooms.answer = lambda *_: Attr(NodeId(5), 0o100644, size_bytes, 8 * 10**9, 9 * 10**9, 1)
    found = operations("getattr", "/a")
    assert (found["st_ino"], found["st_size"], found["st_blocks"]) == (5, size_bytes, blocks)
    assert (found["st_mtime"], found["st_ctime"]) == (8 * 10**9, 9 * 10**9)


@pytest.mark.parametrize(("name", "code"), [
    ("security.capability", errno.EOPNOTSUPP), ("system.posix_acl_access", errno.EOPNOTSUPP), ("trusted.x", errno.ENODATA)])
def test_attributes_that_are_not_ours_ask_nobody(operations: Operations, rooms: Rooms, name: str, code: int) -> None:
    assert code_of(operations, "getxattr", "/a", name) == code
    assert rooms.calls == []
