"""Manual, errors: what was refused is kept, and a person decides: `anthrofs retry`, `discard` or `push`."""

import errno
import os
from pathlib import Path

import pytest

from anthrofs.errors import EXIT_FAILED, EXIT_USAGE
from tests.mount.test_renames import names_on_server
from tests.mounting import Mount, asks, state_of, wait_until


def refused(mount: Mount, name: str, content: str) -> Path:
    """A file whose upload the server has refused: it is too large."""
    mount.expects("was refused")
    mount.emulator.switch(max_file_bytes=10)
    path = mount.path / name
    path.parent.mkdir(exist_ok=True)
    with pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
        path.write_text(content)
    mount.emulator.switch(max_file_bytes=10**6)
    return path


def sent(said: str) -> list[str]:
    """The paths of which `retry` has said that the server has them, each with its id."""
    lines = [line.partition(" is on the server: file_") for line in said.splitlines()]
    assert all(file_id for _, _, file_id in lines), said
    return sorted(path for path, _, _ in lines)


def test_retry_sends_a_file_or_all_in_a_folder_or_all_in_the_mount(mount: Mount) -> None:
    files = mount.mount()
    for name in ("a.txt", "d/b.txt", "d/c.txt", "e.txt"):
        refused(mount, name, "more than fits")
    with asks(mount, upload=1):
        assert sent(mount.ok("retry", files / "a.txt")) == ["a.txt"]
    with asks(mount, upload=2):
        assert sent(mount.ok("retry", files / "d")) == ["d/b.txt", "d/c.txt"]
    with asks(mount, upload=1):
        assert sent(mount.ok("retry", "--all", files / "a.txt")) == ["e.txt"]
    assert mount.ok("retry", files) == "Nothing was refused there; what waits is tried now.\n"
    assert names_on_server(mount) == ["a.txt", "d\uff0fb.txt", "d\uff0fc.txt", "e.txt"]


def test_retry_asks_which(mount: Mount) -> None:
    done = mount.run("retry")
    assert (done.returncode, "Name files or directories" in done.stderr) == (EXIT_USAGE, True)


def test_discard_of_a_new_file_removes_it(mount: Mount) -> None:
    files = mount.mount()
    path = refused(mount, "new.txt", "more than fits")
    with asks(mount):
        assert "gone: the server never had it" in mount.ok("discard", path)
        assert os.listdir(files) == []
    assert os.listdir(mount.state_dir / "staging") == []
    assert mount.status()["failed"] == []


def test_a_decision_about_a_dotfile_is_about_that_file(mount: Mount) -> None:
    files = mount.mount()
    for name in ("env", ".env", ".d/env"):
        refused(mount, name, f"the only copy of {name}")
    mount.ok("discard", files / ".env")
    assert sent(mount.ok("retry", files / ".d")) == [".d/env"]
    assert sorted(os.listdir(files)) == [".d", "env"]
    assert (files / "env").read_text() == "the only copy of env"
    mount.ok("discard", files / "env")


def test_discard_of_an_overwrite_shows_the_servers_file_again(mount: Mount) -> None:
    files = mount.mount()
    (files / "note.txt").write_text("old")
    refused(mount, "note.txt", "more than fits")
    with asks(mount):
        assert "again" in mount.ok("discard", files / "note.txt")
        assert (files / "note.txt").read_text() == "old"
        assert state_of(files / "note.txt") == "remote"


def test_discard_of_a_refused_replacement_gives_the_old_file_its_name_back(mount: Mount) -> None:
    """A save by temp file and rename."""
    files = mount.mount()
    (files / "note.txt").write_text("old")
    temp = refused(mount, "temp", "more than fits")
    mount.emulator.switch(max_file_bytes=10)
    os.replace(temp, files / "note.txt")
    wait_until(lambda: state_of(files / "note.txt").startswith("failed"), "it is refused again")
    mount.emulator.switch(max_file_bytes=10**6)
    assert (files / "note.txt").read_text() == "more than fits"
    with asks(mount):
        assert "again" in mount.ok("discard", files / "note.txt")
        assert (files / "note.txt").read_text() == "old"
    mount.remount()
    assert (files / "note.txt").read_text() == "old"
    assert names_on_server(mount) == ["note.txt"]


def test_discard_gives_back_no_file_that_is_being_deleted_in_this_moment(mount: Mount) -> None:
    """It was removed on purpose, and nobody can say any more whether the server still has it."""
    mount.expects("was refused")
    files = mount.mount()
    (files / "note.txt").write_text("old")
    mount.emulator.fault("delete", {"kind": "delay", "seconds": 60})
    (files / "note.txt").unlink()
    wait_until(lambda: mount.emulator.requests("delete"), "its deletion is under way")
    refused(mount, "note.txt", "more than fits")
    assert "what had its name there was removed before" in mount.ok("discard", files / "note.txt")
    assert os.listdir(files) == []
    mount.emulator.abort_connections()
    mount.sync()
    mount.refresh()
    assert os.listdir(files) == []
    assert mount.emulator.files() == []


def test_discard_of_a_refused_rename_keeps_the_content_under_the_name_that_it_has_here(mount: Mount) -> None:
    mount.expects("was refused")
    files = mount.mount()
    (files / "a.txt").write_text("content")
    mount.emulator.switch(max_file_bytes=5)
    (files / "a.txt").rename(files / "b.txt")
    wait_until(lambda: state_of(files / "b.txt").startswith("failed"), "it is refused")
    assert "b.txt" in mount.ok("status", files)
    with asks(mount):
        assert "called a.txt there" in mount.ok("discard", files / "b.txt")
    assert (files / "b.txt").read_text() == "content"
    assert state_of(files / "b.txt").startswith("remote, named here")
    assert names_on_server(mount) == ["a.txt"]


def test_discard_refuses_what_is_sent_local_or_open(mount: Mount) -> None:
    mount.expects("kept for the next mount: open.txt")
    files = mount.mount()
    (files / "sent.txt").write_text("x")
    (files / "local~").write_text("x")
    path = refused(mount, "open.txt", "more than fits")
    with path.open() as held:
        for name, words in (("sent.txt", "nothing unsent"), ("local~", "rm removes it"), ("open.txt", "close it first")):
            done = mount.run("discard", files / name)
            assert done.returncode == EXIT_FAILED
            assert words in done.stderr
        assert held.read() == "more than fits"
    assert sorted(os.listdir(files)) == ["local~", "open.txt", "sent.txt"]


def test_push_sends_what_was_only_named_here(mount: Mount) -> None:
    mount.emulator.generate("chart.csv", b"1,2", "text/csv")
    files = mount.mount()
    (files / "chart.csv").rename(files / "mine.csv")
    with asks(mount, download=1, upload=1, delete=1):
        assert mount.ok("push", files / "mine.csv") == "mine.csv is sent under this name\n"
    [stored] = mount.emulator.files()
    assert (stored["filename"], stored["downloadable"], mount.emulator.content(stored["id"])) == ("mine.csv", False, b"1,2")
    assert (files / "mine.csv").read_bytes() == b"1,2"
    assert state_of(files / "mine.csv") == "remote"
    assert mount.ok("push", files / "mine.csv") == "The server has it under this name already.\n"


def test_push_of_a_cached_file_fetches_nothing_and_a_folder_is_pushed_as_a_whole(mount: Mount) -> None:
    for name in ("a.csv", "b.csv"):
        mount.emulator.generate(f"out\uff0f{name}", name.encode(), "text/csv")
    mount.emulator.generate("out\uff0fclosed.csv", b"?", downloadable=False)
    files = mount.mount()
    (files / "out").rename(files / "mine")
    assert (files / "mine" / "a.csv").read_bytes() == b"a.csv"
    with asks(mount, download=1, upload=2, delete=2):
        assert mount.ok("push", files / "mine").splitlines() == ["mine/a.csv is sent under this name", "mine/b.csv is sent under this name"]
    assert names_on_server(mount) == ["mine\uff0fa.csv", "mine\uff0fb.csv", "out\uff0fclosed.csv"]


def test_push_of_what_the_server_doesnt_have_says_so(mount: Mount) -> None:
    mount.expects("was refused", "kept for the next mount: refused")
    files = mount.mount()
    (files / "folder").mkdir()
    (files / "folder" / "backup~").write_text("here")
    mount.emulator.fault("upload", {"kind": "status", "status": 400})
    with pytest.raises(OSError, match=os.strerror(errno.EINVAL) + "|" + os.strerror(errno.EIO)):
        (files / "refused").write_text("content")
    for name, says in (("folder/backup~", "folder/backup~ stays on this machine, as it is called"), ("refused", "anthrofs retry")):
        done = mount.run("push", files / name)
        assert (done.returncode, done.stdout, says in done.stderr) == (1, "", True), done.stderr
    assert mount.ok("push", files / "folder") == "Nothing in it is only named here.\n"


def test_push_of_what_cant_be_read_says_why(mount: Mount) -> None:
    mount.emulator.generate("closed.pdf", b"?", downloadable=False)
    files = mount.mount()
    (files / "closed.pdf").rename(files / "mine.pdf")
    with asks(mount):
        done = mount.run("push", files / "mine.pdf")
    assert done.returncode == EXIT_FAILED
    assert "can't be sent under its new name" in done.stderr
