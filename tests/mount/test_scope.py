"""Manual, mount: `--scope` mounts an agent session's files, as it writes them; `--workspace` another workspace. Each
has its own state.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from anthrofs.fuse import mountpoint
from tests.emulator.process import EmulatorProcess
from tests.mounting import Mount, listed, shell, wait_until


@contextmanager
def mounted(mount: Mount, tmp_path: Path, name: str, *options: str) -> Iterator[Path]:
    """Beside the fixture's own, with the state that the command chooses by itself."""
    path = tmp_path / name
    path.mkdir()
    environment = {"XDG_STATE_HOME": str(tmp_path / "xdg")}
    done = mount.run("mount", *options, path, environment=environment)
    assert done.returncode == 0, done.stderr
    try:
        yield path
    finally:
        done = mount.run("umount", path, environment=environment)
        assert (done.returncode, mountpoint.is_mounted(path)) == (0, False), done.stderr


def test_a_sessions_files_are_mounted_and_new_ones_appear_while_it_writes_them(mount: Mount) -> None:
    mount.emulator.generate("workspace.txt", b"w")
    mount.emulator.generate("other.txt", b"o", scope_id="sesn_2")
    mount.emulator.generate("out\uff0freport.csv", b"1,2", "text/csv", scope_id="sesn_1")
    files = mount.mount("--scope", "sesn_1", "--refresh", "0.2")
    assert listed(files) == ["out"]
    assert (files / "out" / "report.csv").read_bytes() == b"1,2"
    mount.emulator.generate("out\uff0fmore.csv", b"3,4", "text/csv", scope_id="sesn_1")
    wait_until(lambda: listed(files / "out") == ["more.csv", "report.csv"], "the new one appears")
    assert (files / "out" / "more.csv").read_bytes() == b"3,4"
    assert {tuple(parse_qs(request["query"])["scope_id"]) for request in mount.emulator.requests("list")} == {("sesn_1",)}
    mount.remount("--scope", "sesn_1")
    assert listed(files) == ["out"]


def test_it_is_read_only(mount: Mount) -> None:
    mount.emulator.generate("a.txt", b"a", scope_id="sesn_1")
    files = mount.mount("--scope", "sesn_1")
    for change in (partial((files / "b.txt").write_bytes, b"b"), (files / "a.txt").unlink, partial((files / "a.txt").rename, files / "c.txt"),
                   (files / "d").mkdir):
        with pytest.raises(OSError, match=os.strerror(errno.EROFS)):
            change()
    assert listed(files) == ["a.txt"]


def test_sessions_and_the_workspace_are_mounted_side_by_side(mount: Mount, tmp_path: Path) -> None:
    mount.emulator.generate("w.txt", b"w")
    for number in (1, 2):
        mount.emulator.generate(f"s{number}.txt", b"s", scope_id=f"sesn_{number}")
    with (mounted(mount, tmp_path, "all") as files, mounted(mount, tmp_path, "one", "--scope", "sesn_1") as one,
          mounted(mount, tmp_path, "two", "--scope", "sesn_2") as two):
        assert [listed(each) for each in (files, one, two)] == [["w.txt"], ["s1.txt"], ["s2.txt"]]
        (files / "new.txt").write_text("new")
    assert listed(tmp_path / "xdg" / "anthrofs") == ["default", "sesn_1", "sesn_2"]


def test_a_state_of_the_workspace_is_not_taken_for_a_sessions_nor_back(mount: Mount) -> None:
    mount.expects("another workspace than before")
    mount.emulator.generate("w.txt", b"w")
    mount.emulator.generate("s.txt", b"s", scope_id="sesn_1")
    for options, expected in (((), ["w.txt"]), (("--scope", "sesn_1"), ["s.txt"]), ((), ["w.txt"])):
        files = mount.mount(*options)
        assert listed(files) == expected
        mount.umount()


@pytest.mark.parametrize("other", ["session", "workspace", "address"])
def test_own_uploads_can_be_read_after_the_state_was_used_for_another_workspace_and_back(mount: Mount, tmp_path: Path, other: str) -> None:
    """Manual, limits: your own uploads can be read, because a copy is kept on this machine."""
    mount.expects("another workspace than before")
    mount.emulator.switch(identity_headers=other != "address")
    files = mount.mount()
    (files / "mine.txt").write_text("the only copy")
    mount.umount()
    with EmulatorProcess(tmp_path / "second" / "data") as second:
        if other == "session":
            mount.emulator.session("sesn_1")
            mount.mount("--scope", "sesn_1")
        else:
            mount.environment["ANTHROPIC_BASE_URL"] = (second.url if other == "workspace" else
                                                       mount.emulator.url.replace("127.0.0.1", "localhost"))
            mount.mount()
        mount.umount()
    mount.environment["ANTHROPIC_BASE_URL"] = mount.emulator.url
    mount.mount()
    assert (files / "mine.txt").read_text() == "the only copy"


@pytest.mark.parametrize("way", ["empty", "error404", "error400"])
def test_a_session_that_does_not_exist_is_said_at_each_mount(mount: Mount, way: str) -> None:
    mount.emulator.switch(unknown_scope=way)
    for _ in range(2):
        done = mount.run("mount", "--state-dir", mount.state_dir, "--scope", "sesn_none", mount.path)
        assert done.returncode == (2 if way == "empty" else 1)
        assert ("There is no agent session sesn_none" if way == "empty" else "Session 'sesn_none' not found") in done.stderr
        assert not mountpoint.is_mounted(mount.path)
    mount.expects("could not be refreshed")


def test_a_session_without_files_is_an_empty_directory(mount: Mount) -> None:
    mount.emulator.session("sesn_new")
    assert listed(mount.mount("--scope", "sesn_new")) == []
    assert [entry["operation"] for entry in mount.emulator.requests()] == ["list", "session"]


def test_where_nobody_can_tell_whether_there_is_a_session_it_is_an_empty_directory(mount: Mount) -> None:
    mount.emulator.fault("session", {"kind": "raw_json", "status": 405, "body": {"detail": "Method Not Allowed"}})
    assert listed(mount.mount("--scope", "sesn_none")) == []


def test_slashes_in_the_names_of_a_sessions_outputs_are_folders(mount: Mount) -> None:
    for name in ("charts/b.png", "charts/deep/c.png", "charts\uff0fd.png", "/rooted.txt", "a//b.txt", "../up.txt"):
        mount.emulator.generate(name, name.encode(), scope_id="sesn_1")
    files = mount.mount("--scope", "sesn_1")
    assert listed(files / "charts") == ["b.png", "d.png", "deep"]
    assert (files / "charts" / "deep" / "c.png").read_bytes() == b"charts/deep/c.png"
    assert (files / "charts" / "b.png").read_bytes() == b"charts/b.png"
    assert len(listed(files)) == 4                  # what has no path is beside it, with its id
    assert os.fsdecode(os.getxattr(files / "charts" / "b.png", "user.anthropic.filename")) == "charts/b.png"
    mount.remount("--scope", "sesn_1")
    assert listed(files / "charts") == ["b.png", "d.png", "deep"]


@pytest.mark.parametrize("how", ["edit", "replace"])
def test_a_file_in_such_a_folder_is_saved_as_the_mounts_own_are_and_the_old_one_goes_after(mount: Mount, how: str) -> None:
    old = mount.emulator.generate("charts/b.csv", b"1,2\n")
    twin = mount.emulator.generate("charts\uff0ftwin.csv", b"first")
    newest = mount.emulator.generate("charts/twin.csv", b"second")
    files = mount.mount()
    assert listed(files / "charts") == ["b.csv", f"twin ({twin['id']}).csv", "twin.csv"]
    mount.emulator.fault("upload", {"kind": "status", "status": 400, "error_type": "invalid_request_error"})
    mount.expects("was refused")
    path = files / "charts" / "b.csv"
    if how == "edit":
        shell("echo 3,4 >> charts/b.csv", files)        # bash doesn't look at what close says
    else:
        (files / "charts" / "new.part").write_text("1,2\n3,4\n")
        (files / "charts" / "new.part").rename(path)
    assert "has no id: failed" in mount.run("id", path).stderr
    assert old["id"] in {file["id"] for file in mount.emulator.files()}         # new before old is gone
    mount.ok("retry", "--all", files)
    mount.sync()
    found = {file["filename"]: file["id"] for file in mount.emulator.files()}
    assert set(found) == {"charts\uff0fb.csv", "charts\uff0ftwin.csv", "charts/twin.csv"}
    assert mount.emulator.content(found["charts\uff0fb.csv"]) == b"1,2\n3,4\n"
    assert found["charts/twin.csv"] == newest["id"]


@pytest.mark.parametrize("option", ["--scope", "--workspace"])
def test_what_is_no_id_is_refused_by_its_own_name(mount: Mount, option: str) -> None:
    done = mount.run("mount", option, "a/b", mount.path)
    assert done.returncode == 2
    assert f"{option} 'a/b': it takes an id" in done.stderr


def test_the_workspace_of_the_command_line_is_the_one_that_is_asked(mount: Mount, tmp_path: Path) -> None:
    with mounted(mount, tmp_path, "w", "--workspace", "wrkspc_mine"):
        assert {request["workspace_id"] for request in mount.emulator.requests()} == {"wrkspc_mine"}
    assert listed(tmp_path / "xdg" / "anthrofs") == ["wrkspc_mine"]


def test_a_workspace_that_the_key_may_not_see_is_refused_with_words(mount: Mount) -> None:
    mount.emulator.switch(foreign_workspace="error403")
    done = mount.run("mount", "--state-dir", mount.state_dir, "--workspace", "wrkspc_theirs", mount.path)
    assert done.returncode == 3
    assert "does not belong to this workspace" in done.stderr
