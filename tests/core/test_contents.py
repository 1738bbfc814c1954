"""Manual, promises: what a file holds is what was written into it, and what can't be whole isn't sent."""

import errno
import os

import pytest

from anthrofs.fuse.operations import STAT
from anthrofs.model import ROOT, FileId
from anthrofs.store.staging import Stage
from tests.core.core import Core

A, B = b"first " * 20, b"second " * 30
WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


def staged(core: Core) -> list[bytes]:
    """What is in staging, oldest first."""
    return [path.read_bytes() for path in sorted((core.state_dir / "staging").iterdir(), key=lambda path: int(path.name))]


def full(*_: object) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_what_is_to_be_sent_is_not_changed_by_the_next_write(core: Core) -> None:
    core.user.write("a.txt", A)
    assert staged(core) == [A]
    number = core.user.open("a.txt", os.O_RDWR)
    core.user.pwrite(number, b"X", 0)
    assert staged(core) == [A, b"X" + A[1:]]
    core.user.ftruncate(number, 3)
    assert staged(core) == [A, b"X" + A[1:3]]
    core.user.close(number)
    core.sync()
    assert core.on_server() == [("a.txt", b"X" + A[1:3])]


def test_what_was_closed_is_not_changed_by_who_has_it_open_still(core: Core) -> None:
    """Two descriptors: one is closed, and what it wrote is on its way; the other one writes on."""
    first, second = core.user.open("a.txt", WRITE), core.user.open("a.txt", os.O_RDWR)
    core.user.pwrite(first, A, 0)
    core.user.close(first)
    assert staged(core) == [A]
    core.user.pwrite(second, B, 0)
    assert staged(core) == [A, B]
    assert core.user.pread(second, 1000, 0) == B
    core.user.close(second)
    core.sync()
    assert core.on_server() == [("a.txt", B)]


def test_what_is_appended_comes_after_what_is_there_whatever_the_kernel_thinks(core: Core) -> None:
    """Two programs append: the kernel has told each of them the size that was there before."""
    core.user.write("log.txt", A)
    number = core.user.open("log.txt", os.O_WRONLY | os.O_APPEND)
    info = core.user._files[number].info
    for line in (b"one\n", b"two\n"):
        assert core.user._do("write", None, line, 0, info) == 4
    core.user.close(number)
    assert core.user.read("log.txt") == A + b"one\ntwo\n"


def test_a_file_that_lacks_a_refused_write_is_not_sent_also_after_a_kill(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    core.expects("write was refused", "No space left", "not on the server yet")
    number = core.user.open("a.txt", WRITE)
    core.user.pwrite(number, A, 0)
    core.user.fsync(number)
    with monkeypatch.context() as patched:
        patched.setattr(Stage, "write_some", full)
        with pytest.raises(OSError) as raised:
            core.user.pwrite(number, B, len(A))
    assert raised.value.errno == errno.ENOSPC
    core.crash()
    [failed] = core.drain()["failed"]
    assert (failed["path"], core.on_server()) == ("a.txt", [])
    assert core.user.read("a.txt") == A
    core.user.write("a.txt", B)                 # written anew, it is whole
    core.sync()
    assert core.on_server() == [("a.txt", B)]


def test_a_close_says_that_a_write_was_refused_also_to_who_did_not_look(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    core.expects("write was refused", "No space left", "release")
    number = core.user.open("a.txt", WRITE)
    core.user.pwrite(number, A, 0)
    with monkeypatch.context() as patched:
        patched.setattr(Stage, "write_some", full)
        with pytest.raises(OSError):
            core.user.pwrite(number, B, len(A))
    with pytest.raises(OSError) as raised:
        core.user.close(number)
    assert raised.value.errno == errno.ENOSPC
    core.drain()
    assert core.on_server() == []
    core.user.unlink("a.txt")


def test_what_cannot_be_read_is_not_opened_for_appending(core: Core) -> None:
    """It would be replaced by what is appended."""
    core.expects("it can't be read")
    core.others_make("a.txt", A, downloadable=False)
    with pytest.raises(PermissionError):
        core.user.open("a.txt", os.O_WRONLY | os.O_APPEND)
    core.sync()
    assert core.on_server() == [("a.txt", A)]


def test_a_removed_file_is_there_for_who_has_it_open(core: Core) -> None:
    core.user.write("a.txt", A)
    core.sync()
    number = core.user.open("a.txt", os.O_RDWR)
    core.parts.serving.renames.unlink("/a.txt")         # without libfuse's hiding: as through another name
    core.user.pwrite(number, b"X", 0)
    assert core.user.pread(number, 1000, 0) == b"X" + A[1:]
    assert not core.user.exists("a.txt")
    core.user.close(number)
    core.sync()
    assert core.on_server() == []


def test_a_listing_tells_of_each_entry_what_getattr_does(core: Core) -> None:
    """Of content that is only there, is to be sent, and is being written."""
    core.others_make("there.txt", A)
    core.refresh()
    core.user.write("here.txt", B)
    number = core.user.open("open.txt", WRITE)
    core.user.pwrite(number, A, 7)
    listed = core.user._do("entries", ROOT, "", 10)
    assert [(name, dict(zip(STAT, values, strict=True))) for name, values, _ in listed] == [
        (name, core.user._do("getattr", f"/{name}")) for name in ("here.txt", "open.txt", "there.txt")]
    core.user.close(number)


def test_of_what_others_have_just_changed_a_listing_tells_the_name_only(core: Core) -> None:
    """The kernel asks for it by its name, which settles what it may have been told before."""
    old = core.others_make("changed.txt", A)
    core.others_make("same.txt", A)
    core.files.vanish(FileId(old))
    core.others_make("changed.txt", B)
    assert [(name, sure) for name, _, sure in core.user._do("entries", ROOT, "", 10)] == [("changed.txt", False), ("same.txt", True)]
