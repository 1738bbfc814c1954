"""Manual, names: a save, a rename and a new type give a file a new id, and the old one is dead. `anthrofs log` and `anthrofs path` say what
became of it, also after a remount.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.mounting import Mount, asks, shell, wait_until


def id_of(mount: Mount, name: str) -> str:
    mount.sync()
    return mount.ok("id", mount.path / name).strip()


def log(mount: Mount, name: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(mount.ok("log", "--json", mount.path / name))
    return told


def events(mount: Mount, name: str) -> list[tuple[str, str, str, str | None]]:
    return [(event["why"], event["path"], event["id"], event["was"]) for event in log(mount, name)["events"]]


def fate(mount: Mount, file_id: str) -> str:
    """What `anthrofs path` says of an id that is nowhere: by the exit code, too."""
    done = mount.run("path", file_id)
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr


@pytest.mark.parametrize("mode", ["wait", "queue"])
def test_a_save_gives_a_new_id_and_the_old_one_leads_to_it(mount: Mount, mode: str) -> None:
    files = mount.mount("--upload", mode)
    (files / "paper.txt").write_text("one")
    first = id_of(mount, "paper.txt")
    (files / "paper.txt").write_text("two, longer")
    second = id_of(mount, "paper.txt")
    with (files / "paper.txt").open("a") as file:
        file.write(" and more")
    third = id_of(mount, "paper.txt")
    assert len({first, second, third}) == 3
    said = fate(mount, first)
    assert f"{first} was replaced by {second} on " in said
    assert "paper.txt was saved" in said
    assert f"Now it is {third}, {files / 'paper.txt'}" in said
    assert f"{second} was replaced by {third} on " in fate(mount, second)
    assert mount.ok("path", "--follow", first, second, third).splitlines() == [str(files / "paper.txt")] * 3
    assert events(mount, "paper.txt") == [("saved", "paper.txt", third, second), ("saved", "paper.txt", second, first),
                                          ("saved", "paper.txt", first, None)]
    lines = mount.ok("log", files / "paper.txt").splitlines()
    assert [line.split()[2] for line in lines] == [third, second, first]
    assert lines[0].endswith(f"saved, in place of {second}  (now)")
    mount.remount()
    assert [event[2] for event in events(mount, "paper.txt")] == [third, second, first]


def test_a_rename_leads_from_the_old_id_and_from_the_old_path_to_the_new_ones(mount: Mount) -> None:
    files = mount.mount()
    (files / "reports").mkdir()
    (files / "draft.txt").write_text("words")
    first = id_of(mount, "draft.txt")
    (files / "draft.txt").rename(files / "reports" / "paper.txt")
    second = id_of(mount, "reports/paper.txt")
    assert f"{first} was replaced by {second} on " in fate(mount, first)
    assert f"it was renamed to reports/paper.txt. Now it is {files}/reports/paper.txt" in fate(mount, first)
    renamed = [("renamed", "reports/paper.txt", second, first), ("saved", "draft.txt", first, None)]
    assert (events(mount, "reports/paper.txt"), events(mount, "draft.txt")) == (renamed, renamed)
    newest, oldest = mount.ok("log", files / "reports" / "paper.txt").splitlines()
    assert newest.endswith(f"{second}  renamed from draft.txt, in place of {first}  (now)")
    assert oldest.endswith(f"{first}  saved as draft.txt")


def test_what_is_removed_says_so_and_what_comes_later_by_its_name_is_another_file(mount: Mount) -> None:
    files = mount.mount()
    (files / "gone.txt").write_text("1")
    first = id_of(mount, "gone.txt")
    (files / "gone.txt").unlink()
    mount.sync()
    assert f"{first} (gone.txt) was removed on " in fate(mount, first)
    assert mount.ok("log", files / "gone.txt").splitlines()[0].endswith(f"{first}  removed")
    (files / "gone.txt").write_text("another")
    second = id_of(mount, "gone.txt")
    assert f"{first} (gone.txt) was removed on " in fate(mount, first)
    assert events(mount, "gone.txt") == [("saved", "gone.txt", second, None), ("removed", "gone.txt", first, None), ("saved", "gone.txt", first, None)]


def test_what_is_removed_while_it_is_open_says_so(mount: Mount) -> None:
    files = mount.mount()
    (files / "open.txt").write_text("1")
    first = id_of(mount, "open.txt")
    with (files / "open.txt").open() as file:
        (files / "open.txt").unlink()
        assert file.read() == "1"
    mount.sync()
    wait_until(lambda: f"{first} (open.txt) was removed on " in mount.run("path", first).stderr, "it is known to be an unlink")


@pytest.mark.parametrize("script", [
    pytest.param("printf two >.goutputstream-Xy12Z3 && mv .goutputstream-Xy12Z3 note.txt", id="temporary file"),
    pytest.param("exec 9<note.txt; printf two >.goutputstream-Xy12Z3 && mv .goutputstream-Xy12Z3 note.txt; exec 9<&-", id="while it is open"),
    pytest.param("mv note.txt note.txt~ && printf two >note.txt && rm note.txt~", id="backup, removed"),
    pytest.param("mv note.txt note.txt~ && printf two >note.txt", id="backup, kept"),
])
@pytest.mark.parametrize("mode", ["wait", "queue"])
def test_a_save_by_renames_is_a_save(mount: Mount, script: str, mode: str) -> None:
    files = mount.mount("--upload", mode)
    (files / "note.txt").write_text("one")
    first = id_of(mount, "note.txt")
    with asks(mount, upload=1, delete=1):
        assert shell(script, files).returncode == 0
    second = id_of(mount, "note.txt")
    assert f"{first} was replaced by {second} on " in fate(mount, first)
    assert events(mount, "note.txt")[0] == ("saved", "note.txt", second, first)


def test_another_type_gives_another_id(mount: Mount) -> None:
    files = mount.mount()
    (files / "data").write_text("a,b\n")
    first = id_of(mount, "data")
    os.setxattr(files / "data", "user.mime_type", b"text/csv")
    second = id_of(mount, "data")
    assert events(mount, "data")[0] == ("set", "data", second, first)
    assert "data was sent again with another type or time to live" in fate(mount, first)


def test_what_others_do_is_known_from_listings(mount: Mount) -> None:
    old = mount.emulator.generate("report.csv", b"1", "text/csv")["id"]
    left = mount.emulator.generate("left.csv", b"2", "text/csv")["id"]
    files = mount.mount("--refresh", "0.1")
    assert log(mount, "report.csv")["events"] == []
    assert mount.ok("log", files / "report.csv").endswith(f"{old}  uploaded, as the service says  (now)\n")
    new = mount.emulator.generate("report.csv", b"12", "text/csv")["id"]
    mount.emulator.vanish(old)
    mount.emulator.vanish(left)
    mount.refresh()
    wait_until(lambda: mount.refresh() and sorted(os.listdir(files)) == ["report.csv"], "the listing shows it")
    assert f"{old} was replaced by {new} on " in fate(mount, old)
    assert "somebody else uploaded a newer report.csv" in fate(mount, old)
    assert f"{left} (left.csv) is gone from the server, where somebody else removed it, since on "[:-4] in fate(mount, left)


def test_a_discarded_save_gives_the_old_id_back(mount: Mount) -> None:
    mount.expects("was refused", "kept for the next mount")
    files = mount.mount("--upload", "queue")
    (files / "a.txt").write_text("one")
    first = id_of(mount, "a.txt")
    mount.emulator.fault("upload", {"kind": "status", "status": 400})
    (files / "b.tmpx").write_text("two")
    (files / "b.tmpx").rename(files / "a.txt")
    wait_until(lambda: mount.status()["failed"], "it is refused")
    mount.ok("discard", files / "a.txt")
    assert mount.ok("path", first).strip() == str(files / "a.txt")
    assert log(mount, "a.txt")["id"] == first


def test_an_id_that_was_never_here_and_a_path_that_never_had_one_are_said_to_be_so(mount: Mount) -> None:
    files = mount.mount()
    done = mount.run("path", "file_011CPMxVD3fHLUhvTqtsQA5w")
    assert (done.returncode, done.stderr) == (1, "anthrofs: In no mount: file_011CPMxVD3fHLUhvTqtsQA5w. If it is new: anthrofs refresh DIR.\n")
    done = mount.run("log", files / "never.txt")
    assert (done.returncode, done.stderr) == (1, "anthrofs: never.txt: there is no such file, and none is known to have been there\n")
    (files / "note.txt~").write_text("here")
    assert mount.ok("log", files / "note.txt~") == "It has had no id yet: it is still to be sent, or stays on this machine.\n"
    done = mount.run("log", files)
    assert (done.returncode, done.stderr) == (2, f"anthrofs: {files} is a folder, which has no ids: name a file in it.\n")
    done = mount.run("log", files.parent / "nowhere" / "x")
    assert (done.returncode, done.stderr) == (2, f"anthrofs: {files.parent}/nowhere/x does not exist.\n")


def test_the_past_costs_no_request_and_no_sync(mount: Mount, tmp_path: Path) -> None:
    files = mount.mount("--upload", "queue")
    (files / "a.txt").write_text("one")
    first = id_of(mount, "a.txt")
    with asks(mount):
        mount.ok("log", files / "a.txt")
        mount.ok("path", first)
        assert subprocess.run(["cat", str(files / ".by-id" / first)], capture_output=True, check=True).stdout == b"one"
