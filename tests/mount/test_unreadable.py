"""Manual, limits: a file that somebody else uploaded can't be read, and everything else can be done with it, also by
who isn't root.
"""

import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from anthrofs.cli import commands
from tests.mounting import Mount, asks, ordinary_user, owned

THEIRS = b"never empty"


@pytest.mark.parametrize("options", [["--upload", "wait"], ["--upload", "queue"], ["--read-only"]], ids=" ".join)
def test_its_id_and_every_attribute_can_be_read_by_its_owner(reachable: Mount, options: list[str]) -> None:
    made = reachable.emulator.generate("theirs.txt", THEIRS, downloadable=False)
    theirs = reachable.mount(*options, *owned()) / "theirs.txt"
    with asks(reachable), ordinary_user():
        assert stat.S_IMODE(theirs.stat().st_mode) == 0o644
        assert os.getxattr(theirs, "user.anthropic.file_id").decode() == made["id"]
        assert all(os.getxattr(theirs, name) for name in os.listxattr(theirs))
        assert b"can't be read: uploaded elsewhere" in os.getxattr(theirs, "user.anthropic.state")
        by_id = theirs.parent / ".by-id" / made["id"]
        assert (stat.S_IMODE(by_id.stat().st_mode), os.getxattr(by_id, "user.anthropic.filename")) == (0o444, b"theirs.txt")


@pytest.mark.parametrize("upload", ["wait", "queue"])
def test_its_owner_is_refused_at_open_and_never_sees_it_empty(reachable: Mount, upload: str) -> None:
    made = reachable.emulator.generate("theirs.txt", THEIRS, downloadable=False)
    theirs = reachable.mount("--upload", upload, *owned()) / "theirs.txt"
    reachable.expects("was uploaded elsewhere")
    with asks(reachable), ordinary_user():
        for path in (theirs, theirs.parent / ".by-id" / made["id"]):
            with pytest.raises(PermissionError):
                path.read_bytes()
        for mode in ("ab", "r+b", "a+b", "w+b"):
            with pytest.raises(PermissionError):
                theirs.open(mode)
        descriptor = os.open(theirs, os.O_WRONLY)
        with pytest.raises(PermissionError):
            os.pwrite(descriptor, b"tail", len(THEIRS))
        with pytest.raises(PermissionError):
            os.ftruncate(descriptor, 4)
        os.close(descriptor)
        assert theirs.stat().st_size == len(THEIRS)
    with asks(reachable, upload=1, delete=1), ordinary_user():
        theirs.write_bytes(b"mine")
        assert theirs.read_bytes() == b"mine"


def test_a_read_only_mount_refuses_it_in_the_same_way(reachable: Mount) -> None:
    reachable.emulator.generate("theirs.txt", THEIRS, downloadable=False)
    theirs = reachable.mount("--read-only", *owned()) / "theirs.txt"
    reachable.expects("was uploaded elsewhere")
    with asks(reachable), ordinary_user(), pytest.raises(PermissionError):
        theirs.read_bytes()


def replaced_by_copymode(new: Path, old: Path) -> None:
    shutil.copymode(old, new)
    os.replace(new, old)


def replaced_as_the_file_system_server_does(new: Path, old: Path) -> None:
    """Of the Model Context Protocol: the new one gets the old one's mode, then its name."""
    new.chmod(stat.S_IMODE(old.stat().st_mode))
    new.rename(old)


@pytest.mark.parametrize("replace", [replaced_by_copymode, replaced_as_the_file_system_server_does], ids=lambda replace: replace.__name__)
@pytest.mark.parametrize("upload", ["wait", "queue"])
def test_a_tool_that_hands_its_mode_on_leaves_your_upload_readable(reachable: Mount, upload: str, replace: Callable[[Path, Path], None]) -> None:
    reachable.emulator.generate("a.txt", THEIRS, downloadable=False)
    files = reachable.mount("--upload", upload, *owned())
    with ordinary_user():
        (files / "a.txt.new").write_bytes(b"mine")
        replace(files / "a.txt.new", files / "a.txt")
        assert (files / "a.txt").read_bytes() == b"mine"
    reachable.sync()
    reachable.kill()
    reachable.mount("--upload", upload, *owned())
    with ordinary_user():
        assert (files / "a.txt").read_bytes() == b"mine"
        assert os.getxattr(files / "a.txt", "user.anthropic.state") == b"remote"


def test_a_mode_that_the_user_set_is_kept_and_can_be_set_again(reachable: Mount) -> None:
    files = reachable.mount(*owned())
    with ordinary_user():
        (files / "a.txt").write_bytes(b"mine")
        (files / "a.txt").chmod(0o200)
        with pytest.raises(PermissionError):
            (files / "a.txt").read_bytes()
    reachable.remount(*owned())
    with ordinary_user():
        assert stat.S_IMODE((files / "a.txt").stat().st_mode) == 0o200
        (files / "a.txt").chmod(0o600)
        assert (files / "a.txt").read_bytes() == b"mine"


def test_the_log_counts_the_opens_that_are_refused(mount: Mount) -> None:
    for number in range(30):
        mount.emulator.generate(f"{number}.png", THEIRS, "image/png", downloadable=False)
    files = mount.mount()
    mount.expects("was uploaded elsewhere")
    for number in range(30):
        for _ in range(4):
            with pytest.raises(PermissionError):
                (files / f"{number}.png").read_bytes()
    lines = [line for line in mount.log().splitlines() if "uploaded elsewhere" in line]
    assert [line.rpartition("each)")[2] for line in lines] == ["", ", the 10th of such opens", ", the 100th of such opens"]


def test_id_prints_it_for_who_isnt_root(reachable: Mount, capsys: pytest.CaptureFixture[str]) -> None:
    made = reachable.emulator.generate("theirs.txt", THEIRS, downloadable=False)
    files = reachable.mount(*owned())
    commands.run(["id", str(files / "theirs.txt")])      # what it imports is root's alone, perhaps
    with asks(reachable), ordinary_user():
        commands.run(["id", str(files / "theirs.txt")])
    assert capsys.readouterr().out == f"{made['id']}\n" * 2


def test_ls_tells_state_id_size_and_name(mount: Mount) -> None:
    theirs = mount.emulator.generate("theirs.txt", THEIRS, downloadable=False)["id"]
    made = mount.emulator.generate("d\uff0freport.csv", b"a,b\n")["id"]
    files = mount.mount()
    mount.emulator.fault({"operation": "upload", "filename": "no.txt"}, {"kind": "status", "status": 400, "message": "not this one"}, times=-1)
    mount.expects("was refused", "not on the server yet")
    (files / "mine.txt").write_text("mine")
    (files / "two\nlines").write_text("12345")
    (files / ".a.swp").write_text("x")
    with pytest.raises(OSError, match=r"Invalid|Input"):
        (files / "no.txt").write_text("no")
    mine, lines = (os.getxattr(files / name, "user.anthropic.file_id").decode() for name in ("mine.txt", "two\nlines"))

    with asks(mount):
        entries = json.loads(mount.ok("ls", "--json", files))
        text = mount.ok("ls", files)
        below = json.loads(mount.ok("ls", "--json", files / "d")), json.loads(mount.ok("ls", "--json", files / "d" / "report.csv"))
    refused = next(entry for entry in entries if entry["name"] == "no.txt")
    assert (refused["id"], refused["size"], refused["state"].partition(" (")[0]) == (None, 2, "failed: not this one")
    cant = "remote, can't be read: uploaded elsewhere, and the service keeps uploads to itself"
    told = ("name", "state", "id", "size")
    assert [{each: entry[each] for each in told} for entry in entries if entry is not refused] == [
        {"name": ".a.swp", "state": "local", "id": None, "size": 1}, {"name": "d", "state": "folder", "id": None, "size": None},
        {"name": "mine.txt", "state": "remote", "id": mine, "size": 4},
        {"name": "theirs.txt", "state": cant, "id": theirs, "size": len(THEIRS)}, {"name": "two\nlines", "state": "remote", "id": lines, "size": 5}]
    assert [[{each: entry[each] for each in told} for entry in some] for some in below] == (
        [[{"name": "report.csv", "state": "remote", "id": made, "size": 4}]] * 2)
    first = [line.split()[:2] for line in text.splitlines()]
    assert len(first) == 6
    assert f"remote, can't be read  {theirs}  11  theirs.txt  (uploaded elsewhere, and the service keeps uploads to itself)" in text
    assert "two\\nlines" in text
    (files / "no.txt").unlink()


def test_ls_tells_all_of_a_folder_of_any_size_and_says_what_it_cant_find(mount: Mount) -> None:
    mount.emulator.bulk(1200)
    files = mount.mount()
    entries = json.loads(mount.ok("ls", "--json", files))
    assert [entry["name"] for entry in entries] == sorted(os.listdir(files))
    assert len({entry["id"] for entry in entries}) == 1200
    done = mount.run("ls", files / "missing")
    assert (done.returncode, done.stdout) == (2, "")
    assert "missing does not exist" in done.stderr
