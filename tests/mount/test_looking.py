"""Manual, commands: what `ls` shows of a folder, and what `status` shows again and again."""

import json
import subprocess
from pathlib import Path

import pytest

from anthrofs.client import asking, detached
from tests.mounting import BOUND_S, COMMAND, Mount, asks, forbid_looks, wait_until
from tests.terminal import Terminal


@pytest.fixture
def mixed(mount: Mount) -> Path:
    """A file of each kind, in folders and out of them."""
    for name in ("made.csv", "deep／er／made.png"):
        mount.emulator.generate(name, b"made")
    mount.emulator.generate("theirs.txt", b"theirs", downloadable=False)
    files = mount.mount("--upload", "queue", "--expires-in", "7d", "--refresh", "300")
    (files / "deep" / "mine.txt").write_text("mine")
    mount.sync()
    mount.expects("was refused", "not on the server yet")
    mount.emulator.fault({"operation": "upload", "filename": "deep／no.txt"}, {"kind": "status", "status": 400, "message": "not this one"}, times=-1)
    (files / "deep" / "no.txt").write_text("no")
    (files / "deep" / ".x.swp").write_text("x")
    wait_until(lambda: mount.status()["failed"], "the refusal")
    return files


def names(mount: Mount, *arguments: str | Path) -> list[str]:
    return [entry["name"] for entry in json.loads(mount.ok("ls", "--json", *arguments))]


def test_ls_goes_into_folders_and_names_what_is_there_by_its_path(mount: Mount, mixed: Path) -> None:
    assert names(mount, mixed) == ["deep", "made.csv", "theirs.txt"]
    inside = ["deep/.x.swp", "deep/er", "deep/mine.txt", "deep/no.txt"]
    assert names(mount, "-R", mixed) == ["deep", "made.csv", "theirs.txt", *inside, "deep/er/made.png"]
    assert names(mount, "-R", mixed / "deep") == [*(each.removeprefix("deep/") for each in inside), "er/made.png"]
    mount.ok("discard", mixed / "deep" / "no.txt")


def test_ls_shows_only_what_is_asked_for(mount: Mount, mixed: Path) -> None:
    assert names(mount, "-R", "--generated", mixed) == ["made.csv", "deep/er/made.png"]
    assert names(mount, "-R", "--unsent", mixed) == ["deep/no.txt"]
    assert names(mount, "-R", "--unreadable", mixed) == ["theirs.txt"]
    assert names(mount, "-R", "--unreadable", "--unsent", mixed) == ["theirs.txt", "deep/no.txt"]
    assert mount.ok("ls", "--unsent", mixed) == ""
    mount.ok("discard", mixed / "deep" / "no.txt")


def test_ls_says_when_a_file_expires_and_costs_no_request(mount: Mount, mixed: Path) -> None:
    with asks(mount):
        text = mount.ok("ls", "-R", mixed)
    [line] = [line for line in text.splitlines() if "deep/mine.txt" in line]
    assert line.endswith("deep/mine.txt  (expires in 7 days)")
    [entry] = [entry for entry in json.loads(mount.ok("ls", "--json", mixed / "deep")) if entry["name"] == "mine.txt"]
    assert entry["expires"][:10] > entry["created"][:10]
    assert (entry["downloadable"], entry["readable"]) == (False, True)
    mount.ok("discard", mixed / "deep" / "no.txt")


def test_status_is_shown_again_and_again_on_a_terminal(mount: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    files = mount.mount()
    for name, value in mount.environment.items():
        monkeypatch.setenv(name, value)
    with Terminal([*COMMAND, "status", "--watch", "--interval", "0.2", str(files)], files.parent) as terminal:
        terminal.shows("  0 files")
        (files / "a.txt").write_text("a")
        terminal.shows("  1 file,")
        mount.umount()
        terminal.shows("is not in a")         # it waits for another one
        mount.mount()
        terminal.shows("  1 file,")
        terminal.interrupt()
        assert terminal.ends() == 0


def test_status_is_printed_again_and_again_for_programs(mount: Mount, tmp_path: Path) -> None:
    files = mount.mount()
    with subprocess.Popen([*COMMAND, "status", "--watch", "--interval", "0.1", "--json", str(files)], env=mount.environment, text=True,
                          stdout=subprocess.PIPE) as watching:
        assert watching.stdout is not None
        assert json.loads(watching.stdout.readline())["files"] == 0
        (files / "a.txt").write_text("a")
        wait_until(lambda: watching.stdout and json.loads(watching.stdout.readline())["files"] == 1, "it shows the file")
        watching.terminate()
        watching.wait(BOUND_S)
    done = mount.run("status", "--watch", tmp_path)
    assert (done.returncode, "is not in a mount" in done.stderr) == (2, True)


def test_who_watches_looks_once_so_the_mount_goes_on_asking_for_nobody(mount: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at the mount's own directory has it refresh its listing for two minutes, and one a second for ever."""
    files, known = mount.mount(), asking.Mounts()
    for name in ("HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, mount.environment[name])
    first, _ = detached.statuses(files, known)
    detached.statuses(None, known)
    forbid_looks(monkeypatch, files)
    for directory in (files, None):
        found, silent = detached.statuses(directory, known)
        assert ([one["mountpoint"] for one in found].count(str(files)), silent) == (1, [])
    monkeypatch.undo()
    mount.umount()
    mount.mount()
    again, _ = detached.statuses(files, known)
    assert again[0]["pid"] != first[0]["pid"], "it is found anew, in the same place"


def test_what_a_command_did_is_one_json_value(mount: Mount) -> None:
    """Manual, commands: 'With `--json` a command prints one JSON value on standard output and nothing else there.'"""
    made = mount.emulator.generate("made.csv", b"made")
    files = mount.mount("--upload", "queue")
    (files / "mine.txt").write_text("mine")
    (files / "made.csv").rename(files / "called otherwise.csv")
    left = json.loads(mount.ok("sync", "--json", files))
    assert (left["waiting"], left["failed"], left["deletions"]) == ([], [], [])
    assert json.loads(mount.ok("refresh", "--json", files)) == {"files": 2}
    path = str(files / "called otherwise.csv")
    assert json.loads(mount.ok("fetch", "--json", path)) == {path: {"fetched": 4, "files": 1, "refused": {}}}
    assert json.loads(mount.ok("free", "--json", path))[path]["files"] == 1
    assert json.loads(mount.ok("push", "--json", path)) == ["called otherwise.csv"]
    assert json.loads(mount.ok("retry", "--json", "--all", files)) == {"sent": {}, "refused": {}, "waiting": {}, "lacking": {}}
    mount.sync()
    mount.expects("was refused", "not on the server yet")
    mount.emulator.fault("upload", {"kind": "status", "status": 400}, times=-1)
    (files / "no.txt").write_text("no")
    wait_until(lambda: mount.status()["failed"], "the refusal")
    done = mount.run("sync", "--json", files)
    assert (done.returncode, json.loads(done.stdout)["failed"][0]["path"]) == (5, "no.txt")
    assert json.loads(mount.ok("discard", "--json", files / "no.txt")) == {str(files / "no.txt"): "gone: the server never had it"}
    assert json.loads(mount.ok("umount", "--json", files))["waiting"] == []
    assert made["id"] not in [file["id"] for file in mount.emulator.files()]
