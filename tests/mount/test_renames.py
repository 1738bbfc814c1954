"""Manual, promises: a rename is there at once, costs an upload and a deletion for an own upload, and nothing for
anything else.
"""

import contextlib
import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from anthrofs.fuse import mountpoint
from tests.mounting import Mount, asks, shell, state_of, wait_until


def names_on_server(mount: Mount) -> list[str]:
    return sorted(file["filename"] for file in mount.emulator.files())


@pytest.mark.parametrize("mode", ["wait", "queue"])
def test_an_own_upload_is_sent_under_its_new_name_and_the_old_one_deleted(mount: Mount, mode: str) -> None:
    files = mount.mount("--upload", mode)
    (files / "draft.txt").write_text("words")
    mount.sync()
    before = (files / "draft.txt").stat()
    with asks(mount, upload=1, delete=1):
        (files / "draft.txt").rename(files / "paper.txt")
        assert os.listdir(files) == ["paper.txt"]
        assert (files / "paper.txt").read_text() == "words"
    assert names_on_server(mount) == ["paper.txt"]
    after = (files / "paper.txt").stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_mode) == (before.st_ino, before.st_mtime_ns, before.st_mode)
    mount.remount()
    assert (files / "paper.txt").read_text() == "words"
    assert state_of(files / "paper.txt") == "remote"


def test_a_name_that_a_program_would_give_its_temporary_file_is_a_name_like_any_other_for_mv(mount: Mount) -> None:
    files = mount.mount()
    (files / "env").write_text("words")
    with asks(mount, upload=1, delete=1):
        assert shell("mv env .env.Backup", files).returncode == 0
    assert names_on_server(mount) == [".env.Backup"]


def test_the_type_follows_the_new_name(mount: Mount) -> None:
    files = mount.mount()
    (files / "data").write_text("a,b\n1,2\n")
    (files / "data").rename(files / "data.csv")
    mount.sync()
    assert [file["mime_type"] for file in mount.emulator.files()] == ["text/csv"]


@pytest.mark.parametrize("downloadable", [True, False])
def test_what_others_made_is_only_named_here(mount: Mount, downloadable: bool) -> None:
    mount.emulator.generate("chart.csv", b"1,2", "text/csv", downloadable=downloadable)
    files = mount.mount()
    with asks(mount):
        (files / "chart.csv").rename(files / "mine.csv")
    mount.ok("refresh", files)
    assert os.listdir(files) == ["mine.csv"]
    assert state_of(files / "mine.csv").startswith("remote, named here")
    assert names_on_server(mount) == ["chart.csv"]
    if downloadable:
        assert (files / "mine.csv").read_bytes() == b"1,2"
    mount.remount()
    assert os.listdir(files) == ["mine.csv"]
    (files / "mine.csv").unlink()
    mount.sync()
    assert mount.emulator.files() == []


def test_a_name_given_here_is_not_taken_by_a_newer_file_of_others(mount: Mount) -> None:
    mount.emulator.generate("chart.csv", b"1,2", "text/csv")
    files = mount.mount("--refresh", "0.1")
    (files / "chart.csv").rename(files / "mine.csv")
    newer = mount.emulator.generate("mine.csv", b"theirs", "text/csv")
    mount.ok("refresh", files)
    assert sorted(os.listdir(files)) == [f"mine ({newer['id']}).csv", "mine.csv"]
    assert (files / "mine.csv").read_bytes() == b"1,2"


def test_there_and_back_costs_nothing_if_it_was_not_sent_yet(mount: Mount) -> None:
    files = mount.mount()
    (files / "a.txt").write_text("a")
    mount.emulator.forget_requests()
    mount.emulator.stop()
    (files / "a.txt").rename(files / "b.txt")
    (files / "b.txt").rename(files / "a.txt")
    mount.emulator.start()
    with asks(mount):
        mount.sync()
    mount.expects("no connection to")
    assert state_of(files / "a.txt") == "remote"
    assert names_on_server(mount) == ["a.txt"]


def test_a_rename_before_the_upload_costs_nothing_more(mount: Mount) -> None:
    mount.expects("no connection to")
    files = mount.mount("--upload", "queue")
    mount.emulator.stop()
    (files / "a.txt").write_text("a")
    (files / "a.txt").rename(files / "b.txt")
    (files / "b.txt").rename(files / "c.txt")
    mount.emulator.start()
    with asks(mount, upload=1):
        mount.sync()
    assert names_on_server(mount) == ["c.txt"]


def test_a_save_by_temp_file_and_rename_costs_an_upload_and_a_deletion(mount: Mount) -> None:
    files = mount.mount()
    (files / "note.txt").write_text("old")
    old_id = mount.emulator.files()[0]["id"]
    with asks(mount, upload=1, delete=1):
        (files / ".goutputstream-Xy12Z3").write_text("new")     # as GIO does
        os.replace(files / ".goutputstream-Xy12Z3", files / "note.txt")
        assert os.listdir(files) == ["note.txt"]
        assert (files / "note.txt").read_text() == "new"
    [stored] = mount.emulator.files()
    assert (stored["filename"], mount.emulator.content(stored["id"])) == ("note.txt", b"new")
    assert stored["id"] != old_id


def test_replacing_a_file_that_somebody_reads_leaves_that_one_its_content(mount: Mount) -> None:
    files = mount.mount()
    (files / "old.txt").write_text("old")
    (files / "new.txt").write_text("new")
    with (files / "old.txt").open() as reader:
        os.replace(files / "new.txt", files / "old.txt")
        assert (files / "old.txt").read_text() == "new"
        assert reader.read() == "old"
        assert os.listdir(files) == ["old.txt"]
    mount.sync()
    wait_until(lambda: names_on_server(mount) == ["old.txt"], "the others are deleted")


@pytest.mark.parametrize("reading", [False, True])
def test_what_is_replaced_by_a_file_that_is_still_being_written_is_never_lost_with_it(mount: Mount, reading: bool) -> None:
    """Manual, promises: an old id is deleted when the new content is on the server, never before. Nor do both go when
    anthrofs is killed.
    """
    files = mount.mount()
    (files / "note.txt").write_text("old")
    (files / "other.txt").write_text("so that there is something to delete")
    held = os.open(files / "note.txt", os.O_RDONLY) if reading else None
    writer = os.open(files / "new.txt", os.O_WRONLY | os.O_CREAT)
    os.write(writer, b"new")
    os.replace(files / "new.txt", files / "note.txt")
    if held is not None:
        os.close(held)
    (files / "other.txt").unlink()
    wait_until(lambda: len(mount.emulator.files()) == 1, "what may be deleted is")
    assert names_on_server(mount) == ["note.txt"]
    mount.kill()
    with contextlib.suppress(OSError):
        os.close(writer)
    mount.mount()
    assert (files / "note.txt").read_text() == "new"
    mount.sync()
    assert [mount.emulator.content(file["id"]) for file in mount.emulator.files()] == [b"new"]


def test_the_old_file_stays_on_the_server_while_its_replacement_is_refused(mount: Mount) -> None:
    mount.expects("was refused")
    files = mount.mount()
    (files / "note.txt").write_text("old")
    mount.emulator.switch(max_file_bytes=10)
    with pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
        (files / "other.txt").write_text("more than fits")
    os.replace(files / "other.txt", files / "note.txt")
    wait_until(lambda: state_of(files / "note.txt").startswith("failed"), "it is refused again")
    assert (files / "note.txt").read_text() == "more than fits"
    assert names_on_server(mount) == ["note.txt"]
    mount.emulator.switch(max_file_bytes=10**6)
    mount.ok("retry", files)
    mount.sync()
    [stored] = mount.emulator.files()
    assert mount.emulator.content(stored["id"]) == b"more than fits"


@pytest.mark.parametrize("later", ["another save", "a rename"])
def test_it_stays_too_when_what_was_refused_is_renamed_once_more(mount: Mount, later: str) -> None:
    """As vim saves twice: the second time it makes a backup of what was refused, and only then the new file."""
    mount.expects("was refused")
    files = mount.mount("--upload", "queue")
    (files / "note.txt").write_text("old")
    mount.sync()
    mount.emulator.switch(max_file_bytes=1)
    (files / "note.txt").rename(files / "note.txt~")
    (files / "note.txt").write_text("first save")
    (files / "note.txt~").unlink()
    wait_until(lambda: state_of(files / "note.txt").startswith("failed"), "it is refused")
    name = "paper.txt" if later == "a rename" else "note.txt"
    (files / "note.txt").rename(files / ("paper.txt" if later == "a rename" else "note.txt~"))
    assert mount.status()["deletions"] == []
    if later == "another save":
        (files / "note.txt").write_text("second save")
        (files / "note.txt~").unlink()
    wait_until(lambda: state_of(files / name).startswith("failed"), "it is refused again")
    assert names_on_server(mount) == ["note.txt"]
    mount.emulator.switch(max_file_bytes=10**6)
    mount.ok("retry", files)
    mount.sync()
    assert names_on_server(mount) == [name]


def test_two_names_are_swapped_by_three_renames(mount: Mount) -> None:
    files = mount.mount()
    (files / "a.txt").write_text("A")
    (files / "b.txt").write_text("B")
    (files / "a.txt").rename(files / "t.txt")
    (files / "b.txt").rename(files / "a.txt")
    (files / "t.txt").rename(files / "b.txt")
    mount.sync()
    assert {file["filename"]: mount.emulator.content(file["id"]) for file in mount.emulator.files()} == {"a.txt": b"B", "b.txt": b"A"}
    assert ((files / "a.txt").read_text(), (files / "b.txt").read_text()) == ("B", "A")


def test_a_rename_while_it_is_being_sent_ends_under_the_new_name_once(mount: Mount, tmp_path: Path) -> None:
    files = mount.mount("--upload", "queue")
    mount.emulator.switch(latency_ms=300)
    (files / "a.txt").write_text("content")
    wait_until(lambda: mount.emulator.requests("upload"), "it is under way")
    (files / "a.txt").rename(files / "b.txt")
    mount.sync()
    assert names_on_server(mount) == ["b.txt"]
    assert (files / "b.txt").read_text() == "content"


def test_a_backup_by_rename_and_a_new_file_cost_one_upload_and_one_deletion(mount: Mount) -> None:
    """As vim saves: note.txt → note.txt~, a new note.txt, the backup removed, or kept with `set backup`."""
    files = mount.mount()
    for keep in (False, True):
        (files / "note.txt").write_text("old")
        with asks(mount, upload=1, delete=1):
            (files / "note.txt").rename(files / "note.txt~")
            (files / "note.txt").write_text("new")
            if not keep:
                (files / "note.txt~").unlink()
        assert [mount.emulator.content(file["id"]) for file in mount.emulator.files()] == [b"new"]
        assert names_on_server(mount) == ["note.txt"]
        if keep:
            assert ((files / "note.txt~").read_text(), state_of(files / "note.txt~")) == ("old", "local")
            mount.remount()
            assert ((files / "note.txt~").read_text(), state_of(files / "note.txt~")) == ("old", "local")
        (files / "note.txt").unlink()
        mount.sync()


def test_a_generated_file_that_became_a_backup_is_fetched_before_the_server_loses_it(mount: Mount) -> None:
    mount.emulator.generate("table.csv", b"generated", "text/csv")
    files = mount.mount()
    (files / "table.csv").rename(files / "table.csv~")
    (files / "table.csv").write_text("edited")
    mount.sync()
    wait_until(lambda: len(mount.emulator.files()) == 1, "the generated one is deleted")
    assert (files / "table.csv~").read_bytes() == b"generated"
    assert (files / "table.csv").read_text() == "edited"


def test_sync_waits_until_a_backup_is_fetched_and_its_server_file_is_gone(mount: Mount) -> None:
    mount.emulator.generate("table.csv", b"generated", "text/csv")
    files = mount.mount()
    mount.emulator.fault("download", {"kind": "delay", "seconds": 1})
    (files / "table.csv").rename(files / "table.csv~")
    (files / "table.csv").write_text("edited")
    mount.sync()
    assert [mount.emulator.content(file["id"]) for file in mount.emulator.files()] == [b"edited"]


def test_a_file_that_becomes_a_backup_while_it_is_sent_is_not_on_the_server_beside_its_successor(mount: Mount) -> None:
    files = mount.mount("--upload", "queue")
    mount.emulator.fault("upload", {"kind": "delay", "seconds": 2})
    (files / "note.txt").write_text("one")
    wait_until(lambda: mount.emulator.requests("upload"), "it is under way")
    (files / "note.txt").rename(files / "note.txt~")
    (files / "note.txt").write_text("two")
    mount.sync()
    assert [mount.emulator.content(file["id"]) for file in mount.emulator.files()] == [b"two"]
    assert ((files / "note.txt~").read_text(), state_of(files / "note.txt~")) == ("one", "local")


def test_a_kill_just_after_the_successor_was_stored_doesnt_leave_the_backup_on_the_server_for_ever(mount: Mount) -> None:
    killed = subprocess.Popen([sys.executable, "-m", "tests.crash_at", "staging:remove", "2", "mount", "--foreground", "--upload", "queue", "--state-dir",
                               mount.state_dir, mount.path], env=mount.environment, cwd=Path(__file__).parents[2], stderr=subprocess.DEVNULL)
    wait_until(lambda: mountpoint.is_mounted(mount.path), "it is mounted")
    (mount.path / "note.txt").write_text("old")
    wait_until(lambda: state_of(mount.path / "note.txt") == "remote", "it is there")
    (mount.path / "note.txt").rename(mount.path / "note.txt~")
    (mount.path / "note.txt").write_text("new")
    assert killed.wait(60) == -9
    subprocess.run(["fusermount3", "-u", "-z", str(mount.path)], check=True, timeout=30)

    files = mount.mount()
    (files / "other.txt").write_text("another save")
    mount.sync()
    assert names_on_server(mount) == ["note.txt", "other.txt"]
    assert ((files / "note.txt~").read_text(), state_of(files / "note.txt~")) == ("old", "local")


def test_a_backup_that_is_renamed_back_while_it_is_being_written_is_sent_at_its_close(mount: Mount) -> None:
    files = mount.mount()
    (files / "note.txt").write_text("one")
    (files / "note.txt").rename(files / "note.txt~")
    backup = os.open(files / "note.txt~", os.O_RDWR)
    os.pwrite(backup, b"two", 0)
    os.fsync(backup)
    (files / "note.txt").write_text("three")
    mount.sync()
    (files / "note.txt").unlink()
    mount.sync()                # else what takes the name is awaited before the old one is deleted
    (files / "note.txt~").rename(files / "note.txt")
    (files / "other.txt").write_text("what could be sent was sent before")
    mount.sync()
    assert names_on_server(mount) == ["other.txt"]
    os.pwrite(backup, b"four", 0)
    os.close(backup)
    mount.sync()
    assert sorted(mount.emulator.content(file["id"]) for file in mount.emulator.files()) == [b"four", b"what could be sent was sent before"]


def test_a_backup_that_is_renamed_back_costs_nothing(mount: Mount) -> None:
    files = mount.mount()
    (files / "note.txt").write_text("old")
    with asks(mount):
        (files / "note.txt").rename(files / "note.txt~")
        (files / "note.txt~").rename(files / "note.txt")
    assert state_of(files / "note.txt") == "remote"


@pytest.mark.parametrize(("new", "code"), [
    ("x" * 256, errno.ENAMETOOLONG), (".Trash-0", errno.EPERM), (".by-id", errno.EISDIR), ("missing/x", errno.ENOENT), ("b.txt/x", errno.ENOTDIR)])
def test_a_rename_that_cant_be_changes_nothing(mount: Mount, new: str, code: int) -> None:
    files = mount.mount()
    (files / "a.txt").write_text("a")
    (files / "b.txt").write_text("b")
    mount.expects("rename: 'x")
    with asks(mount), pytest.raises(OSError, match=os.strerror(code)):
        os.rename(files / "a.txt", files / new)
    assert sorted(os.listdir(files)) == ["a.txt", "b.txt"]
    assert (files / "a.txt").read_text() == "a"


def test_a_read_only_mount_renames_nothing(mount: Mount) -> None:
    mount.emulator.generate("a.txt", b"a")
    files = mount.mount("--read-only")
    with pytest.raises(OSError, match=os.strerror(errno.EROFS)):
        os.rename(files / "a.txt", files / "b.txt")


@pytest.mark.parametrize(("script", "counts"), [
    ("sed -i s/one/two/ note.txt", {"upload": 1, "delete": 1}),
    ("mv note.txt paper.txt", {"upload": 1, "delete": 1}),
    ("mv -f other.txt note.txt", {"upload": 1, "delete": 2}),
    ("rsync -a $OUT/from/ .", {"upload": 3}),
    ("gio copy $OUT/from/c.txt note.txt", {"upload": 1, "delete": 1}),
    ("tar xf $OUT/all.tar", {"upload": 3}),
])
def test_programs_that_rename_cost_what_their_change_costs(mount: Mount, tmp_path: Path, script: str, counts: dict[str, int]) -> None:
    files = mount.mount()
    (files / "note.txt").write_text("one")
    (files / "other.txt").write_text("other")
    (tmp_path / "from").mkdir()
    for name in "cde":
        (tmp_path / "from" / f"{name}.txt").write_text(name)
    subprocess.run(["tar", "-C", tmp_path / "from", "-cf", tmp_path / "all.tar", "c.txt", "d.txt", "e.txt"], check=True)
    if script.startswith("gio") and shell("command -v gio", tmp_path).returncode:
        pytest.skip("no gio here")
    with asks(mount, **counts):
        done = shell(f"OUT={tmp_path}; {script}", files)
        assert (done.returncode, done.stderr) == (0, "")
    with asks(mount):
        if script.startswith("rsync"):
            assert shell(f"OUT={tmp_path}; {script}", files).returncode == 0       # again: nothing to do
    assert sorted(os.listdir(files)) == names_on_server(mount)


def test_a_kill_after_a_rename_finds_it_done_and_on_the_server_once(mount: Mount) -> None:
    files = mount.mount()
    (files / "a.txt").write_text("content")
    mount.emulator.switch(latency_ms=200)
    (files / "a.txt").rename(files / "b.txt")
    mount.kill()
    mount.emulator.switch(latency_ms=0)
    mount.mount()
    assert os.listdir(files) == ["b.txt"]
    assert (files / "b.txt").read_text() == "content"
    wait_until(lambda: names_on_server(mount) == ["b.txt"], "it is on the server once")


def test_a_pushed_image_has_the_length_that_was_delivered_not_the_listed_one(mount: Mount) -> None:
    mount.emulator.switch(delivered_extra_bytes=50)
    mount.emulator.generate("chart.png", b"p" * 100, "image/png")
    files = mount.mount()
    (files / "chart.png").rename(files / "mine.png")
    mount.ok("push", files / "mine.png")
    mount.sync()
    [stored] = mount.emulator.files()
    assert (stored["filename"], stored["size_bytes"]) == ("mine.png", 150)
    mount.remount()                         # the kernel knows nothing of an older size
    assert (files / "mine.png").stat().st_size == 150
    assert (files / "mine.png").read_bytes() == mount.emulator.content(stored["id"])


def test_what_is_gone_from_the_server_when_it_is_pushed_is_not_asked_for_again_and_again(mount: Mount) -> None:
    mount.expects("keeps its name on the server")
    made = mount.emulator.generate("chart.csv", b"1,2", "text/csv")
    files = mount.mount("--refresh", "300")
    (files / "chart.csv").rename(files / "mine.csv")
    mount.emulator.vanish(made["id"])
    mount.ok("push", files / "mine.csv")
    mount.sync()
    mount.refresh()
    assert os.listdir(files) == []
