"""README: mount, list, read, copy in, delete, unmount, on a real mount against the emulator."""

import errno
import hashlib
import os
import stat
import time
from pathlib import Path

import pytest

from tests.mounting import Mount, asks, shell, wait_until

PDF = b"%PDF-1.4\n" + bytes(range(256)) * 300


def test_generated_files_are_listed_and_read(mount: Mount) -> None:
    content = os.urandom(300_000)
    mount.emulator.generate("report.csv", content, "text/csv")
    files = mount.mount()

    assert os.listdir(files) == ["report.csv"]
    assert (files / "report.csv").read_bytes() == content
    assert (files / "report.csv").stat().st_size == len(content)


def test_a_file_copied_in_is_on_the_server_when_cp_returns(mount: Mount, tmp_path: Path) -> None:
    files = mount.mount()
    (tmp_path / "paper.pdf").write_bytes(PDF)

    assert shell(f"cp {tmp_path}/paper.pdf .", files).returncode == 0

    [stored] = mount.emulator.files()
    assert (stored["filename"], stored["mime_type"]) == ("paper.pdf", "application/pdf")
    assert stored["sha256"] == hashlib.sha256(PDF).hexdigest()


def test_an_upload_can_be_read_back_also_after_a_remount(mount: Mount) -> None:
    files = mount.mount()
    (files / "paper.pdf").write_bytes(PDF)

    assert (files / "paper.pdf").read_bytes() == PDF
    mount.remount()
    assert (files / "paper.pdf").read_bytes() == PDF


def test_rm_removes_it_from_the_server(mount: Mount) -> None:
    mount.emulator.generate("old.txt", b"old")
    files = mount.mount()

    (files / "old.txt").unlink()

    assert os.listdir(files) == []
    mount.sync()
    assert mount.emulator.files() == []


def test_overwriting_replaces_the_file_on_the_server(mount: Mount) -> None:
    files = mount.mount()
    (files / "note.txt").write_text("one")
    first = os.getxattr(files / "note.txt", "user.anthropic.file_id")
    with asks(mount, upload=1, delete=1):
        (files / "note.txt").write_text("two")

    assert (files / "note.txt").read_text() == "two"
    [stored] = mount.emulator.files()
    assert stored["id"].encode() != first
    assert mount.emulator.content(stored["id"]) == b"two"


def test_the_old_file_is_deleted_after_the_new_one_was_stored_and_not_before(mount: Mount) -> None:
    """Manual, promises: 'the old id is deleted afterwards, never before'"""
    files = mount.mount()
    (files / "note.txt").write_text("one")
    mount.sync()
    mount.emulator.fault("upload", {"kind": "delay", "seconds": 0.5})
    with asks(mount, upload=1, delete=1):
        (files / "note.txt").write_text("two")
    [upload], [deletion] = mount.emulator.requests("upload"), mount.emulator.requests("delete")
    assert upload["started"] < upload["finished"] <= deletion["started"]


def test_the_inode_number_outlives_saves_and_remounts(mount: Mount) -> None:
    files = mount.mount()
    (files / "note.txt").write_text("one")
    number = (files / "note.txt").stat().st_ino
    (files / "note.txt").write_text("two")

    assert (files / "note.txt").stat().st_ino == number
    mount.remount()
    assert (files / "note.txt").stat().st_ino == number
    [entry] = os.scandir(files)
    assert entry.inode() == number


def test_a_file_uploaded_elsewhere_says_that_it_cant_be_read(mount: Mount) -> None:
    mount.emulator.generate("secret.txt", b"never empty", downloadable=False)
    files = mount.mount()

    assert stat.S_IMODE((files / "secret.txt").stat().st_mode) == 0o644
    with pytest.raises(PermissionError):
        (files / "secret.txt").read_bytes()
    with pytest.raises(PermissionError):
        (files / "secret.txt").open("ab")
    assert b"uploaded elsewhere" in os.getxattr(files / "secret.txt", "user.anthropic.state")
    mount.expects("secret.txt was uploaded elsewhere")


def test_a_file_that_cant_be_read_can_be_replaced_but_not_edited(mount: Mount) -> None:
    mount.emulator.generate("secret.txt", b"never empty", downloadable=False)
    files = mount.mount()
    mount.expects("doesn't give this file's content out")

    descriptor = os.open(files / "secret.txt", os.O_WRONLY)
    with pytest.raises(PermissionError):
        os.pwrite(descriptor, b"tail", 5)
    os.close(descriptor)
    (files / "secret.txt").write_text("mine")

    mount.sync()
    [stored] = mount.emulator.files()
    assert mount.emulator.content(stored["id"]) == b"mine"


def test_attributes_tell_what_the_server_said(mount: Mount) -> None:
    made = mount.emulator.generate("report.csv", b"a,b\n", "text/csv")
    files = mount.mount()

    found = {name: os.getxattr(files / "report.csv", name).decode() for name in os.listxattr(files / "report.csv")}

    assert found["user.anthropic.file_id"] == made["id"]
    assert found["user.anthropic.filename"] == "report.csv"
    assert found["user.anthropic.state"] == "remote"
    assert found["user.anthropic.downloadable"] == "true"
    assert found["user.mime_type"] == "text/csv"
    assert found["user.anthropic.created_at"][:19] == made["created_at"][:19]
    with pytest.raises(OSError) as no_such:
        os.getxattr(files / "report.csv", "user.color")
    assert no_such.value.errno == errno.ENODATA
    with pytest.raises(OSError) as not_ours:
        os.getxattr(files / "report.csv", "security.selinux")
    assert not_ours.value.errno == errno.EOPNOTSUPP


def test_df_shows_the_quota_and_what_is_used(mount: Mount) -> None:
    mount.emulator.generate("big.bin", bytes(1_000_000))
    files = mount.mount()

    numbers = os.statvfs(files)

    assert numbers.f_blocks * numbers.f_frsize == 10**12
    assert 10**6 <= (numbers.f_blocks - numbers.f_bfree) * numbers.f_frsize < 10**6 + 4096
    assert numbers.f_namemax == 255


@pytest.mark.parametrize(("what", "code"), [
    (lambda files: os.symlink("a", files / "l"), errno.EPERM),
    (lambda files: os.link(files / "a", files / "l"), errno.EPERM),
    (lambda files: os.mkfifo(files / "p"), errno.EPERM),
    (lambda files: os.setxattr(files / "a", "user.anthropic.x", b"1"), errno.EOPNOTSUPP),
    (lambda files: os.chown(files / "a", 12345, -1), errno.EPERM),
    (lambda files: os.rmdir(files / "a"), errno.ENOTDIR),
    (lambda files: os.listdir(files / "a"), errno.ENOTDIR),
    (lambda files: os.stat(files / "missing"), errno.ENOENT),
    (lambda files: os.open(files / "x" / "y", os.O_CREAT | os.O_WRONLY), errno.ENOENT),
    (lambda files: os.open(files / ".Trash-0", os.O_CREAT | os.O_WRONLY), errno.EPERM),
    (lambda files: os.open(bytes(files) + b"/\xff", os.O_CREAT | os.O_WRONLY), errno.EINVAL),
    (lambda files: os.open(files / ("n" * 256), os.O_CREAT | os.O_WRONLY), errno.ENAMETOOLONG),
])
def test_what_is_not_done_gets_an_honest_errno_and_changes_nothing(mount: Mount, what: object, code: int) -> None:
    files = mount.mount("--upload", "queue")
    (files / "a").write_text("a")
    mount.sync()
    mount.expects("more than 255 bytes", "can't be set")

    assert callable(what)
    with pytest.raises(OSError) as raised:
        what(files)

    assert raised.value.errno == code
    assert os.listdir(files) == ["a"]
    assert (files / "a").read_text() == "a"


def test_an_edit_in_place_of_our_own_upload_is_sent_whole(mount: Mount) -> None:
    files = mount.mount()
    (files / "note.txt").write_text("hello world")
    with asks(mount, upload=1, delete=1), (files / "note.txt").open("r+") as note:
        note.seek(6)
        note.write("earth")

    assert (files / "note.txt").read_text() == "hello earth"
    with asks(mount, upload=1, delete=1), (files / "note.txt").open("a") as note:
        note.write("!")
    [stored] = mount.emulator.files()
    assert mount.emulator.content(stored["id"]) == b"hello earth!"


def test_a_file_stays_readable_while_it_is_open_though_it_was_removed(mount: Mount) -> None:
    files = mount.mount()
    (files / "note.txt").write_text("still here")

    with (files / "note.txt").open() as note:
        (files / "note.txt").unlink()
        assert os.listdir(files) == []
        mount.sync()
        mount.emulator.generate("other.bin", bytes(70 * 2**20))     # more than the cache's memory
        mount.ok("refresh", files)
        assert len((files / "other.bin").read_bytes()) == 70 * 2**20
        (files / "other.bin").unlink()
        assert note.read() == "still here"
        assert os.fstat(note.fileno()).st_size == 10

    wait_until(lambda: mount.status()["kept_copies"] == 0, "the copy goes with the last handle")
    mount.sync()
    assert mount.emulator.files() == []
    wait_until(lambda: mount.status()["files"] == 0, "the removed file is forgotten")


def test_two_readers_and_a_writer_of_one_file_see_one_content(mount: Mount) -> None:
    files = mount.mount()
    (files / "note.txt").write_text("one")
    with (files / "note.txt").open() as early, (files / "note.txt").open("w") as writer:
        writer.write("three")
        writer.flush()
        with (files / "note.txt").open() as late:
            assert late.read() == "three"
        assert early.read() == "three"


def test_the_mode_and_the_time_that_a_user_sets_are_kept_over_remounts(mount: Mount, tmp_path: Path) -> None:
    files = mount.mount()
    (tmp_path / "tool.sh").write_text("#!/bin/sh\n")
    (tmp_path / "tool.sh").chmod(0o755)
    os.utime(tmp_path / "tool.sh", ns=(10**18, 10**18 + 123_456_789))
    assert shell(f"cp -p {tmp_path}/tool.sh .", files).returncode == 0

    for _ in range(2):
        shown = (files / "tool.sh").stat()
        assert stat.S_IMODE(shown.st_mode) == 0o755
        assert shown.st_mtime_ns == 10**18 + 123_456_789
        mount.remount()


@pytest.mark.parametrize(("command", "expected"), [
    ("touch f", None), ("touch -m f", None), ("touch -a f", 10**9), ("touch -d '2020-02-02 02:02:02 UTC' f", 1580608922),
])
def test_touch_sets_the_time_that_it_says(mount: Mount, command: str, expected: int | None) -> None:
    files = mount.mount()
    (files / "f").write_text("x")
    os.utime(files / "f", (10**9, 10**9))
    before_s = int(time.time())
    assert shell(command, files).returncode == 0
    found_s = int((files / "f").stat().st_mtime)
    assert found_s == expected if expected is not None else before_s - 1 <= found_s <= before_s + 60


def test_a_rename_over_an_open_file_that_fails_changes_nothing(mount: Mount) -> None:
    """libfuse hides the open file first; then what should take its place turns out to be gone."""
    gone = mount.emulator.generate("new.txt", b"new")
    files = mount.mount()
    (files / "old.txt").write_text("old")
    with (files / "old.txt").open() as old:
        assert (files / "new.txt").exists()             # the kernel believes so for 10 s
        mount.emulator.vanish(gone["id"])
        mount.refresh()
        with asks(mount), pytest.raises(FileNotFoundError):
            os.rename(files / "new.txt", files / "old.txt")
        assert os.listdir(files) == ["old.txt"]
        assert old.read() == "old"
    mount.sync()
    assert [(stored["filename"], mount.emulator.content(stored["id"])) for stored in mount.emulator.files()] == [("old.txt", b"old")]


def test_what_was_removed_just_before_the_unmount_stays_removed(mount: Mount) -> None:
    files = mount.mount()
    for _ in range(6):          # the last close may come after the removal, which libfuse then does by hiding
        (files / "note.txt~").write_text("backup")
        (files / "note.txt").write_text("words")
        for name in ("note.txt", "note.txt~"):
            with (files / name).open() as held:
                (files / name).unlink()
                assert held.read()
        mount.remount()
        assert os.listdir(files) == []
    mount.sync()
    assert mount.emulator.files() == []


def test_a_user_cant_make_a_file_vanish_by_libfuses_own_name(mount: Mount) -> None:
    files = mount.mount()
    (files / "a.txt").write_text("a")
    with pytest.raises(PermissionError):
        os.rename(files / "a.txt", files / ".fuse_hidden1")
    assert (files / "a.txt").read_text() == "a"


def test_a_damaged_kept_copy_is_neither_read_nor_sent_again(mount: Mount) -> None:
    files = mount.mount()
    (files / "a.bin").write_bytes(os.urandom(300_000))
    [stored] = mount.emulator.files()
    mount.umount()
    [kept] = [path for path in (mount.state_dir / "kept").iterdir() if not path.suffix]
    with kept.open("r+b") as damaged:
        damaged.seek(200_000)
        damaged.write(b"flipped")
    mount.mount()
    mount.expects("damaged", "not downloadable")

    with pytest.raises(OSError), (files / "a.bin").open("rb") as a:
        a.read()
    with pytest.raises(OSError), (files / "a.bin").open("ab") as a:
        a.write(b"!")
    mount.sync()
    assert [file["id"] for file in mount.emulator.files()] == [stored["id"]]


def test_a_sparse_and_a_shrunk_file_arrive_as_they_are(mount: Mount) -> None:
    files = mount.mount()
    with (files / "hole.bin").open("wb") as hole:
        hole.seek(300_000)
        hole.write(b"end")
    with (files / "cut.bin").open("wb") as cut:
        cut.write(b"x" * 500_000)
        cut.truncate(7)

    contents = {stored["filename"]: mount.emulator.content(stored["id"]) for stored in mount.emulator.files()}
    assert contents == {"hole.bin": bytes(300_000) + b"end", "cut.bin": b"x" * 7}


def test_read_only_changes_nothing(mount: Mount) -> None:
    mount.emulator.generate("a.txt", b"a")
    files = mount.mount("--read-only")

    for change in (lambda: (files / "b").write_text("b"), (files / "a.txt").unlink, lambda: (files / "a.txt").write_text("")):
        with pytest.raises(OSError) as raised:
            change()
        assert raised.value.errno == errno.EROFS
    assert (files / "a.txt").read_bytes() == b"a"


def test_names_of_helper_files_never_leave_the_machine(mount: Mount) -> None:
    files = mount.mount()
    with asks(mount):
        (files / ".paper.txt.swp").write_text("vim")
        (files / "movie.mp4.part").write_text("a browser")
        assert (files / ".paper.txt.swp").read_text() == "vim"
    assert os.getxattr(files / ".paper.txt.swp", "user.anthropic.state") == b"local"

    mount.remount()
    assert (files / "movie.mp4.part").read_text() == "a browser"
    assert mount.status()["local_names"] == 2
    assert mount.emulator.files() == []


@pytest.mark.parametrize("name", ['a"b', "a:b?c*d|e<f>g\\h", "emoji 🎈", "e\u0301 nfd", "tab\there", "new\nline", "‛quote", "full：width", "x" * 255])
def test_a_name_with_any_character_is_kept(mount: Mount, name: str) -> None:
    files = mount.mount()
    (files / name).write_text("content")

    assert os.listdir(files) == [name]
    [stored] = mount.emulator.files()
    mount.umount()
    (mount.state_dir / "state.db").unlink()         # forget everything: what the server has must lead to the same name
    mount.mount()
    assert os.listdir(files) == [name]
    assert os.getxattr(files / name, "user.anthropic.file_id").decode() == stored["id"]
