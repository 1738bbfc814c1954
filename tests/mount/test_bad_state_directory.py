"""A state directory that can't be one, and others' files in one that can: said in a sentence, left alone, never followed."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from anthrofs.fuse import mountpoint
from anthrofs.tree.fsck import problems
from tests.mounting import COMMAND, Mount, wait_until
from tests.strangers import strangers

# Modes and owners count, as for anybody.
BELOW_ROOT = () if os.geteuid() else ("setpriv", "--bounding-set", "-dac_override,-dac_read_search,-fowner", "--inh-caps", "-all")
LOOKS_LIKE_OURS = "0123456789abcdef" * 2


def refused(mount: Mount, state_dir: Path, says: str, *, code: int = 1, before: tuple[str, ...] = ()) -> None:
    done = subprocess.run([*before, *COMMAND, "mount", "--foreground", "--state-dir", state_dir, mount.path],
                          env=mount.environment, text=True, capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, "Traceback" in done.stderr) == (code, "", False), done.stderr
    assert says in done.stderr
    assert str(state_dir) in done.stderr
    assert not mountpoint.is_mounted(mount.path)
    assert not any(mount.path.iterdir())


# ---- the directory

def test_a_file_a_link_to_nothing_and_a_name_that_is_too_long_are_no_state_directories(mount: Mount, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    refused(mount, tmp_path / "file", "a state needs a directory", code=2)
    refused(mount, tmp_path / "link", "a state needs a directory", code=2)
    refused(mount, tmp_path / ("x" * 300), "File name too long")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("place", ["files/state", "files", "."])
def test_a_state_and_its_mount_point_are_never_one_inside_the_other(mount: Mount, tmp_path: Path, place: str) -> None:
    refused(mount, tmp_path / place, "one inside the other", code=2)


def test_a_directory_with_somebodys_files_is_not_made_a_state(mount: Mount, tmp_path: Path) -> None:
    documents = tmp_path / "documents"
    documents.mkdir(mode=0o755)
    (documents / "thesis.txt").write_text("mine")
    refused(mount, documents, "holds other files", code=2)
    assert [path.name for path in documents.iterdir()] == ["thesis.txt"]
    assert documents.stat().st_mode & 0o777 == 0o755


@pytest.mark.root
@pytest.mark.parametrize("before", [BELOW_ROOT, ()], ids=["as anybody", "as root"])
def test_a_state_of_another_user_is_not_taken(mount: Mount, tmp_path: Path, before: tuple[str, ...]) -> None:
    (tmp_path / "theirs").mkdir(mode=0o755)
    os.chown(tmp_path / "theirs", 65534, 65534)
    refused(mount, tmp_path / "theirs", "belongs to another user", before=before)
    assert not any((tmp_path / "theirs").iterdir())


def test_a_state_directory_may_have_any_name_and_be_a_link_to_a_directory(mount: Mount, tmp_path: Path) -> None:
    named = tmp_path / ("d" * 150) / "two\nlines" / os.fsdecode(b"caf\xe9")
    named.mkdir(parents=True)
    mount.state_dir = tmp_path / "link" / os.fsdecode(b"caf\xe9")
    (tmp_path / "link").symlink_to(named.parent)
    mount.emulator.generate("a.txt", b"a")
    files = mount.mount()
    assert (files / "a.txt").read_bytes() == b"a"
    assert json.loads(mount.ok("status", "--json", files))["state_dir"] == str(mount.state_dir)
    mount.umount()
    mount.state_dir = named                             # too long for a socket's address, by 150 characters
    assert (mount.mount() / "a.txt").read_bytes() == b"a"
    mount.umount()
    assert mount.ok("check", "--state-dir", mount.state_dir) == "All is well.\n"


# ---- its lock, log and socket

def test_a_directory_in_the_place_of_a_file_and_the_reverse_is_said(mount: Mount, tmp_path: Path) -> None:
    for name in ("anthrofs.log", "control.sock", "state.db", "staging"):
        state_dir = tmp_path / f"state with {name}"
        (state_dir / "cache").mkdir(parents=True)
        if name == "staging":
            (state_dir / name).write_text("mine")
        else:
            (state_dir / name).mkdir()
        refused(mount, state_dir, str(state_dir / name))
        assert (state_dir / name).exists()


def test_a_log_that_is_a_pipe_hangs_nothing_and_a_lock_that_cant_be_read_is_said(mount: Mount, tmp_path: Path) -> None:
    (tmp_path / "one" / "staging").mkdir(parents=True)
    os.mkfifo(tmp_path / "one" / "anthrofs.log")
    refused(mount, tmp_path / "one", "anthrofs.log")
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "lock").touch(mode=0)
    refused(mount, tmp_path / "two", f"Permission denied ({tmp_path / 'two' / 'lock'})", before=BELOW_ROOT)


# ---- others' files in it

def test_strangers_in_a_state_are_left_alone_and_hang_nothing(mount: Mount, tmp_path: Path) -> None:
    files = mount.mount("--upload", "queue")
    (files / "first.txt").write_text("first")
    mount.umount()
    thesis = tmp_path / "thesis"
    thesis.write_text("mine")
    found = [path for place, names in {
        "": ("notes", "folder", "link", "dangling", "pipe"),
        "staging": ("1000", "1001", "1002", "1003", "1004"),
        "staging/more": ("007", "٣", "notes", "9" * 200, "pipe"),
        "cache": ("a", "b", "c", "d", "e"),
        "kept": ("a", "b", "c", "d", "e")}.items() for path in strangers(mount.state_dir / place, thesis, *names)]

    mount.mount("--upload", "queue")
    for number in range(8):
        (files / f"{number}.txt").write_text(f"content {number}")
    assert (files / "first.txt").read_text() == "first"
    mount.umount()

    assert all(os.path.lexists(path) for path in found)
    assert found[0].read_text() == "theirs"
    assert thesis.read_text() == "mine"
    assert len(mount.emulator.files()) == 9
    mount.leaves("belongs to nothing", "no plain file")
    said = problems(mount.state_dir)
    assert [line for line in said if "1000 belongs to nothing" in line]
    for path in (*found[6:10], *found[16:20], *found[21:25]):
        assert any(str(path) in line for line in said), path


def test_a_promised_content_that_somebody_has_replaced_is_neither_opened_nor_sent(mount: Mount, tmp_path: Path) -> None:
    files = mount.mount("--upload", "queue")
    mount.emulator.fault("upload", {"kind": "status", "status": 503}, times=-1)
    (files / "mine.txt").write_text("mine")
    mount.end_now()
    mount.expects("not on the server yet")
    (stage,) = (mount.state_dir / "staging").iterdir()
    stage.rename(tmp_path / "away")
    (tmp_path / "secret").write_text("secret")
    for make in (os.mkfifo, lambda path: path.symlink_to(tmp_path / "secret")):
        make(stage)
        refused(mount, mount.state_dir, f"{stage} should be the unsent content of 'mine.txt', but is no plain file")
        stage.unlink()
    (tmp_path / "away").rename(stage)
    mount.emulator.clear_faults()
    mount.mount()
    mount.sync()
    assert [mount.emulator.content(file["id"]) for file in mount.emulator.files()] == [b"mine"]


def test_content_in_the_place_of_which_something_else_stands_is_refused_and_sent_when_it_is_back(mount: Mount) -> None:
    files = mount.mount("--upload", "queue")
    mount.emulator.fault("upload", {"kind": "status", "status": 503})
    (files / "mine.txt").write_text("mine")
    wait_until(lambda: mount.emulator.requests("upload"), "it was tried")
    (stage,) = (mount.state_dir / "staging").iterdir()
    stage.unlink()
    stage.mkdir()
    mount.expects("is missing in staging")
    wait_until(lambda: mount.status()["failed"], "it is refused")
    [failed] = mount.status()["failed"]
    assert (failed["path"], failed["reason"]) == ("mine.txt", "its content is missing in this machine's staging")
    assert mount.log().count("is missing in staging") == 1
    stage.rmdir()
    stage.write_text("mine")
    mount.ok("retry", files / "mine.txt")
    mount.sync()
    assert [mount.emulator.content(file["id"]) for file in mount.emulator.files()] == [b"mine"]


def test_a_cache_of_another_layout_is_a_miss(mount: Mount) -> None:
    mount.emulator.generate("a.bin", b"a" * 3_000_000)
    files = mount.mount()
    assert (files / "a.bin").read_bytes() == b"a" * 3_000_000
    mount.umount()
    for path in (mount.state_dir / "cache").iterdir():
        if path.suffix == ".map":
            path.write_bytes(b"another layout" * 100)
    (mount.state_dir / "cache" / "v0").mkdir()
    (mount.state_dir / "cache" / "v0" / LOOKS_LIKE_OURS).write_bytes(b"old")
    (mount.state_dir / "cache" / LOOKS_LIKE_OURS).write_bytes(b"no map")
    mount.leaves("cache/v0 is no plain file")

    mount.mount()

    assert (files / "a.bin").read_bytes() == b"a" * 3_000_000
