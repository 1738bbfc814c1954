"""The choice of a library, and what each is told in its own structures."""

import ctypes
import errno
import logging
from collections.abc import Callable
from ctypes.util import find_library
from functools import partial
from types import SimpleNamespace
from typing import Any, Final

import pytest

from anthrofs.errors import EXIT_MISSING, EXIT_USAGE, SetupError
from anthrofs.fuse import binding
from anthrofs.fuse.operations import STAT, Refusal
from anthrofs.fuse.served import answer

libfuse3: Any = binding.load("mfusepy")
LIBRARIES: Final[list[Any]] = [libfuse3, *([binding.load("fusepy")] if find_library("fuse") else [])]      # not every system has both

VALUES: Final[tuple[int, ...]] = (77, 0o100640, 1, 1000, 1001, 5000, 10, 131072, -5 * 10**8, 7 * 10**9 + 3, 2**61)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each binding is its name, and loads nothing."""
    for name, each in binding.BINDINGS.items():
        module: Any = partial(str, name)
        monkeypatch.setitem(binding.BINDINGS, name, each._replace(module=module))


def only(*sonames: str) -> Any:
    def loads(soname: str) -> None:
        if soname not in sonames:
            raise OSError(f"{soname}: cannot open shared object file")
    return loads


@pytest.mark.parametrize(("asked", "there", "taken"), [
    ("", ("libfuse3.so.3", "libfuse.so.2"), "mfusepy"), ("", ("libfuse3.so.3",), "mfusepy"), ("", ("libfuse3.so.4",), "mfusepy"),
    ("", ("libfuse.so.2",), "fusepy"), ("fusepy", ("libfuse3.so.3", "libfuse.so.2"), "fusepy"),
    ("mfusepy", ("libfuse3.so.3", "libfuse.so.2"), "mfusepy"),
])
def test_the_better_one_that_is_there_is_taken_unless_the_other_is_asked_for(names: None, asked: str, there: tuple[str, ...], taken: object) -> None:
    assert binding.load(asked, only(*there)) == taken


@pytest.mark.parametrize(("asked", "there", "code", "says"), [
    ("", (), EXIT_MISSING, "apt-get install fuse3"), ("mfusepy", ("libfuse.so.2",), EXIT_MISSING, "libfuse 3 is missing, which --binding mfusepy needs"),
    ("fusepy", ("libfuse3.so.3",), EXIT_MISSING, "apt-get install fuse3 libfuse2"), ("pyfuse3", ("libfuse3.so.3",), EXIT_USAGE, "one of mfusepy, fusepy"),
])
def test_what_is_not_there_is_said_in_a_sentence(names: None, asked: str, there: tuple[str, ...], code: int, says: str) -> None:
    with pytest.raises(SetupError, match=says) as caught:
        binding.load(asked, only(*there))
    assert caught.value.exit_code == code


@pytest.mark.parametrize(("version", "says"), [("3.14.0", "libfuse 3.14.0, through x"), ("3.99.1", "not one that was tested")])
def test_a_version_that_was_not_tested_is_taken_and_named(version: str, says: str, caplog: pytest.LogCaptureFixture) -> None:
    served = list[object]()
    one: Any = SimpleNamespace(NAME="x", VERSION=version, serve=lambda *_: served.append(version))
    nothing: Any = None
    with caplog.at_level(logging.INFO):
        binding.serve(one, nothing, nothing)
    assert served == [version]
    assert says in caplog.text


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.NAME)
def test_attributes_come_into_their_fields_and_nothing_else_does(library: Any) -> None:
    stat = (libfuse3.mfusepy if library is libfuse3 else library.fuse).c_stat()
    ctypes.memset(ctypes.byref(stat), 0xff, ctypes.sizeof(stat))
    library.STAT.fill(stat, VALUES)
    assert tuple(getattr(stat, name) for name in STAT[:-3]) == VALUES[:-3]
    for name, value in zip(STAT[-3:], VALUES[-3:], strict=True):
        spec = getattr(stat, f"{name}spec")
        assert (spec.tv_sec, spec.tv_nsec) == divmod(value, 10**9)
    assert (stat.st_dev, stat.st_rdev) == (0, 0)


def test_fields_of_libfuse_3_lie_where_all_its_versions_have_them() -> None:
    """3.11 to 3.16 have others between those that follow: what is used here lies before."""
    info, config, connection = libfuse3.mfusepy.fuse_file_info, libfuse3.mfusepy.fuse_config, libfuse3.mfusepy.fuse_conn_info
    assert (info.flags.offset, info.writepage.offset, info.direct_io.offset, info.keep_cache.offset, info.fh.offset) == (0, 4, 4, 4, 16)
    assert [field.size & 0xffff for field in (info.writepage, info.direct_io, info.keep_cache)] == [0, 1, 2]      # the bit
    assert config.use_ino.offset == 64
    assert [getattr(connection, name).offset for name in ("capable", "want", "max_background", "congestion_threshold")] == [20, 24, 28, 32]


class Filled:
    """libfuse's reply to a readdir, which holds so many entries."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.entries = list[tuple[bytes, int, int]]()       # (name, offset, flags)

    def __call__(self, _buffer: object, name: bytes, _stat: object, offset: int, flags: int) -> int:
        if len(self.entries) == self.room:
            return 1
        self.entries.append((name, offset, flags))
        return 0


class Directory:
    """The operations of one directory, whose entries a test changes."""

    def __init__(self, names: dict[str, int]) -> None:
        self.names = names

    def above(self, _fh: int) -> int:
        return 1

    def entries(self, _fh: int, behind: str, limit: int) -> list[tuple[str, tuple[int, ...], bool]]:
        return [(name, (self.names[name], *VALUES[1:]), name != "doubtful") for name in sorted(self.names) if name > behind][:limit]

    def name_of(self, _fh: int, node_id: int) -> str:
        for name, number in self.names.items():
            if number == node_id:
                return name
        raise Refusal(errno.ENOENT)


def opened(directory: Directory) -> Any:
    one = libfuse3.Libfuse3.__new__(libfuse3.Libfuse3)
    one.operations = directory
    one._listings, one._scouts = {9: libfuse3.Listing(5, b"/d")}, {}
    return one


def read(one: Any, offset: int, *, room: int = 1000, flags: int = 1) -> list[tuple[bytes, int, int]]:
    reply = Filled(room)
    assert one.readdir_fuse_3(None, None, reply, offset, SimpleNamespace(contents=SimpleNamespace(fh=9)), flags) == 0
    return reply.entries


@pytest.mark.parametrize("room", [1, 2, 3, 7, 1000])
def test_a_listing_comes_in_pieces_of_any_size(room: int) -> None:
    one, found, offset = opened(Directory({f"{number:03}": 10 + number for number in range(600)})), list[bytes](), 0
    while piece := read(one, offset, room=room):
        found += [name for name, _, _ in piece]
        offset = piece[-1][1]
    assert found == [b".", b"..", *(b"%03d" % number for number in range(600))]


def test_a_kernel_that_wants_no_attributes_gets_none() -> None:
    one = opened(Directory({"a": 10}))
    assert [flags for _, _, flags in read(one, 0, flags=0)] == [0, 0, 0]
    assert [flags for _, _, flags in read(one, 0)] == [0, 0, 2]


def test_of_what_others_have_just_changed_the_kernel_is_told_no_attributes() -> None:
    assert [(name, flags) for name, _, flags in read(opened(Directory({"doubtful": 10, "e": 11})), 2)] == [(b"doubtful", 0), (b"e", 2)]


def test_a_piece_begins_behind_a_name_that_has_gone_meanwhile() -> None:
    directory = Directory({"a": 10, "b": 11, "c": 12})
    one = opened(directory)
    *_, (_, offset, _) = read(one, 0, room=4)
    del directory.names["b"]
    directory.names["aa"] = 13
    assert [name for name, _, _ in read(one, offset)] == [b"c"]


def test_a_place_of_long_ago_is_found_by_its_node_or_said_to_have_gone() -> None:
    directory = Directory({"a": 10, "b": 11, "c": 12})
    one = opened(directory)
    assert [name for name, _, _ in read(one, 10 + libfuse3.FIRST)] == [b"b", b"c"]
    del directory.names["a"]
    one._listings[9] = libfuse3.Listing(5, b"/d")
    with pytest.raises(Refusal, match="No such file"):
        read(one, 10 + libfuse3.FIRST)


@pytest.mark.parametrize(("fails", "code"), [(Refusal(errno.ESTALE), errno.ESTALE), (UnicodeDecodeError("utf-8", b"\xe9", 0, 1, "no"), errno.EINVAL)])
def test_what_a_call_raises_is_told_as_an_errno_without_a_word(fails: Exception, code: int, caplog: pytest.LogCaptureFixture) -> None:
    def call() -> int:
        raise fails

    assert answer(call) == -code
    assert caplog.text == ""


def test_a_bug_of_the_binding_is_an_error_for_the_caller_and_a_line_for_us(caplog: pytest.LogCaptureFixture) -> None:
    assert answer(partial(int, "no number")) == -errno.EIO
    assert "bug in the binding's" in caplog.text


def long_listing(monkeypatch: pytest.MonkeyPatch, asks: Callable[[list[bytes]], list[bytes]]) -> list[list[int]]:
    """Flags of each reply of ten entries, of 70; between two of them `asks` says of which names somebody asks for the attributes."""
    monkeypatch.setattr(libfuse3, "KNOWN", 20)
    directory = Directory({f"{number:03}": 10 + number for number in range(70)})
    directory.getattr = lambda _path, _info: dict(enumerate(VALUES))        # type: ignore[attr-defined]    # of whatever it is
    one, told, offset = opened(directory), list[list[int]](), 2
    while piece := read(one, offset, room=10):
        told.append([flags for _, _, flags in piece])
        offset = piece[-1][1]
        for name in asks([name for name, _, _ in piece]):
            one.getattr_fuse_3(b"/d/" + name, SimpleNamespace(contents=libfuse3.mfusepy.c_stat()), None)
    one.releasedir(None, SimpleNamespace(contents=SimpleNamespace(fh=9)))
    assert (one._listings, one._scouts) == ({}, {})
    return told


def test_of_a_long_listing_attributes_are_told_to_who_asks_about_each_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of a reply is told without: the kernel asks about that one."""
    assert long_listing(monkeypatch, lambda names: names) == [[2] * 10] * 2 + [[0] + [2] * 9] * 5


def test_who_wants_names_only_gets_the_first_with_attributes_and_then_names(monkeypatch: pytest.MonkeyPatch) -> None:
    assert long_listing(monkeypatch, lambda _: []) == [[2] * 10] * 2 + [[0] + [2] * 9] + [[0] * 10] * 4


def test_who_begins_to_ask_late_gets_attributes_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert long_listing(monkeypatch, lambda names: names[:1] if b"040" in names else []) == [
        *[[2] * 10] * 2, [0] + [2] * 9, *[[0] * 10] * 2, [0] + [2] * 9, [0] * 10]
