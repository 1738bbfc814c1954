"""Manual, names: folders are part of the server's names; an empty one is on this machine until a file is in it."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from tests.mounting import Mount, asks, wait_until


def names_on_server(mount: Mount) -> list[str]:
    """With the slash as a path has it."""
    return sorted(file["filename"].replace("\uff0f", "/") for file in mount.emulator.files())


def tree(root: Path) -> dict[str, bytes | None]:
    """Every file's content by its path; a directory's is None."""
    found: dict[str, bytes | None] = {}
    for above, directories, files in os.walk(root):
        base = Path(above).relative_to(root)
        found |= {str(base / name): None for name in directories} | {str(base / name): (Path(above) / name).read_bytes() for name in files}
    return found


def test_a_file_in_a_folder_is_on_the_server_under_its_path(mount: Mount) -> None:
    files = mount.mount()
    with asks(mount):
        os.makedirs(files / "a" / "b")
        (files / "empty").mkdir(mode=0o700)
    with asks(mount, upload=1):
        (files / "a" / "b" / "one.txt").write_text("one")
    assert names_on_server(mount) == ["a/b/one.txt"]
    expected: dict[str, bytes | None] = {"a": None, "a/b": None, "a/b/one.txt": b"one", "empty": None}
    assert tree(files) == expected
    numbers = {name: (files / name).stat().st_ino for name in expected}
    mount.remount()
    assert tree(files) == expected
    assert {name: (files / name).stat().st_ino for name in expected} == numbers
    assert (files / "empty").stat().st_mode & 0o777 == 0o700
    with os.scandir(files / "a") as entries:
        assert {entry.name: entry.inode() for entry in entries} == {"b": numbers["a/b"]}


def test_folders_of_others_come_with_their_files_and_go_with_the_last(mount: Mount) -> None:
    made = [mount.emulator.generate(f"runs\uff0f{number}\uff0fout.csv", b"1,2", "text/csv") for number in (1, 2)]
    files = mount.mount("--refresh", "0.1")
    assert sorted(tree(files)) == ["runs", "runs/1", "runs/1/out.csv", "runs/2", "runs/2/out.csv"]
    assert (files / "runs" / "1" / "out.csv").read_bytes() == b"1,2"
    mount.emulator.vanish(made[0]["id"])
    wait_until(lambda: mount.refresh() and sorted(tree(files)) == ["runs", "runs/2", "runs/2/out.csv"], "its folder goes")
    mount.emulator.vanish(made[1]["id"])
    wait_until(lambda: mount.refresh() and tree(files) == {}, "all of them go")


def test_a_folder_that_the_user_has_emptied_stays_until_rmdir(mount: Mount) -> None:
    mount.emulator.generate("d\uff0fa.txt", b"a")
    files = mount.mount()
    with pytest.raises(OSError, match=os.strerror(errno.ENOTEMPTY)):
        (files / "d").rmdir()
    with asks(mount, delete=1):
        (files / "d" / "a.txt").unlink()
    assert tree(files) == {"d": None}
    mount.remount()
    assert tree(files) == {"d": None}
    (files / "d").rmdir()
    assert tree(files) == {}


def test_a_folder_is_copied_in_for_an_upload_a_file_and_removed_for_a_deletion_a_file(mount: Mount, tmp_path: Path) -> None:
    source = tmp_path / "source"
    for number in range(30):
        path = source / "abc"[number % 3] / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(number))
    files = mount.mount("--upload", "queue")
    with asks(mount, upload=30):
        shutil.copytree(source, files / "copy")
    assert tree(files / "copy") == tree(source)
    assert names_on_server(mount) == sorted(f"copy/{name}" for name, content in tree(source).items() if content is not None)
    with asks(mount, delete=30):
        shutil.rmtree(files / "copy")
    assert tree(files) == {}


def test_a_folders_rename_is_at_once_and_each_file_in_it_follows_its_own_rule(mount: Mount) -> None:
    """Own uploads are sent under their new names, what others made is only named here, local names stay."""
    mount.emulator.generate("old\uff0fmade.csv", b"made", "text/csv")
    mount.emulator.generate("old\uff0fclosed.pdf", b"?", downloadable=False)
    files = mount.mount()
    (files / "old" / "deep").mkdir()
    (files / "old" / "deep" / "own.txt").write_text("own")
    (files / "old" / "own.txt~").write_text("backup")
    number = (files / "old").stat().st_ino
    with asks(mount, upload=1, delete=1):
        (files / "old").rename(files / "new")
        assert sorted(tree_names(files)) == ["new", "new/closed.pdf", "new/deep", "new/deep/own.txt", "new/made.csv", "new/own.txt~"]
        assert (files / "new" / "deep" / "own.txt").read_text() == "own"
    assert (files / "new").stat().st_ino == number
    assert names_on_server(mount) == ["new/deep/own.txt", "old/closed.pdf", "old/made.csv"]
    mount.refresh()
    mount.remount()
    assert sorted(tree_names(files)) == ["new", "new/closed.pdf", "new/deep", "new/deep/own.txt", "new/made.csv", "new/own.txt~"]
    assert (files / "new" / "made.csv").read_bytes() == b"made"


def test_a_helper_file_stays_one_when_its_folder_is_renamed(mount: Mount) -> None:
    """Also one that is known by the program that made it: SQLite's journal."""
    files = mount.mount()
    (files / "a").mkdir()
    (files / "a" / "x.db").write_bytes(b"database")
    with (files / "a" / "x.db-journal").open("w+b") as journal:
        journal.write(b"journal")
    with asks(mount, upload=1, delete=1):
        (files / "a").rename(files / "b")
    assert names_on_server(mount) == ["b/x.db"]
    assert os.getxattr(files / "b" / "x.db-journal", "user.anthropic.state") == b"local"


def tree_names(root: Path) -> list[str]:
    return [str(Path(above).relative_to(root) / name) for above, directories, names in os.walk(root) for name in (*directories, *names)]


def test_a_folder_and_back_before_it_was_sent_costs_nothing(mount: Mount) -> None:
    files = mount.mount()
    (files / "a").mkdir()
    (files / "a" / "x.txt").write_text("x")
    mount.emulator.stop()
    (files / "a").rename(files / "b")
    (files / "b").rename(files / "a")
    mount.emulator.start()
    with asks(mount):
        mount.sync()
    mount.expects("no connection to")
    assert names_on_server(mount) == ["a/x.txt"]


def test_a_folders_rename_that_would_make_a_name_too_long_changes_nothing(mount: Mount) -> None:
    mount.expects("has more than 255 characters")
    files = mount.mount()
    os.makedirs(files / "a" / ("d" * 100))
    (files / "a" / "short.txt").write_text("s")
    (files / "a" / ("d" * 100) / ("n" * 100)).write_text("n")
    before = tree(files)
    with asks(mount), pytest.raises(OSError, match=os.strerror(errno.ENAMETOOLONG)):
        (files / "a").rename(files / ("x" * 100))
    assert tree(files) == before


@pytest.mark.parametrize(("what", "code"), [
    (lambda files: os.rename(files / "full", files / "other"), errno.ENOTEMPTY),
    (lambda files: os.rename(files / "file", files / "full"), errno.EISDIR),
    (lambda files: os.rename(files / "full", files / "file"), errno.ENOTDIR),
    (lambda files: os.rename(files / "full", files / "full" / "in"), errno.EINVAL),
    (lambda files: os.mkdir(files / "full"), errno.EEXIST),
    (lambda files: os.mkdir(files / "file"), errno.EEXIST),
    (lambda files: os.mkdir(files / "none" / "x"), errno.ENOENT),
    (lambda files: os.mkdir(files / "file" / "x"), errno.ENOTDIR),
    (lambda files: os.mkdir(files / ".Trash-0"), errno.EPERM),
    (lambda files: os.mkdir(files / ("n" * 256)), errno.ENAMETOOLONG),
    (lambda files: os.rmdir(files / "full"), errno.ENOTEMPTY),
    (lambda files: os.rmdir(files / "file"), errno.ENOTDIR),
    (lambda files: os.rmdir(files / "none"), errno.ENOENT),
    (lambda files: os.unlink(files / "full"), errno.EISDIR),
    (lambda files: os.open(files / "full", os.O_WRONLY), errno.EISDIR),
])
def test_what_a_disk_refuses_is_refused_the_same_way(mount: Mount, tmp_path: Path, what: object, code: int) -> None:
    assert callable(what)
    files = mount.mount("--upload", "queue")
    mount.expects("more than 255 bytes")
    for root in (tmp_path / "disk", files):
        root.mkdir(exist_ok=True)
        for name in ("full", "other"):
            (root / name).mkdir()
            (root / name / "x").write_text("x")
        (root / "file").write_text("f")
        before = tree(root)
        if root == files or code != errno.EPERM:
            with pytest.raises(OSError) as raised:
                what(root)
            assert raised.value.errno == code
        assert tree(root) == before


def test_an_empty_folder_is_replaced_by_a_rename(mount: Mount) -> None:
    files = mount.mount()
    (files / "a").mkdir()
    (files / "a" / "x").write_text("x")
    (files / "b").mkdir()
    (files / "a").rename(files / "b")
    assert tree(files) == {"b": None, "b/x": b"x"}
    mount.sync()
    wait_until(lambda: names_on_server(mount) == ["b/x"], "it is renamed there")


def test_a_folder_beats_a_file_of_the_same_name_and_both_are_reachable(mount: Mount) -> None:
    for first in ("file", "folder"):
        made = {}
        for kind in ("file", "folder") if first == "file" else ("folder", "file"):
            name = "both" if kind == "file" else "both\uff0fin.txt"
            made[kind] = mount.emulator.generate(name, kind.encode())["id"]
        files = mount.mount()
        assert tree(files) == {"both": None, "both/in.txt": b"folder", f"both ({made['file']})": b"file"}
        (files / f"both ({made['file']})").unlink()
        shutil.rmtree(files / "both")
        mount.umount()
        wait_until(lambda: mount.emulator.files() == [], "it is empty")


def test_a_file_of_ours_that_is_not_sent_keeps_its_name_from_a_folder_of_others(mount: Mount) -> None:
    mount.expects("no connection to", "listing could not be refreshed")
    files = mount.mount("--upload", "queue")
    mount.emulator.stop()
    (files / "name").write_text("ours")
    mount.emulator.start()
    mount.emulator.fault("upload", {"kind": "status", "status": 503, "retry_after_ms": 200}, times=-1)
    made = mount.emulator.generate("name\uff0fin.txt", b"theirs")
    wait_until(lambda: mount.refresh() and len(os.listdir(files)) == 2, "the service is found again")
    mount.emulator.clear_faults()
    mount.sync()
    assert tree(files) == {"name": b"ours", f"name\uff0fin ({made['id']}).txt": b"theirs"}


def test_a_flat_mount_has_no_folders(mount: Mount) -> None:
    mount.emulator.generate("d\uff0fa.txt", b"a")
    files = mount.mount("--layout", "flat")
    assert tree(files) == {"d\uff0fa.txt": b"a"}
    with pytest.raises(PermissionError):
        (files / "d").mkdir()
    (files / "e\uff0fb.txt").write_text("b")
    assert names_on_server(mount) == ["d/a.txt", "e/b.txt"]
    mount.remount()
    assert tree(files) == {"d": None, "d/a.txt": b"a", "e": None, "e/b.txt": b"b"}
    mount.remount("--layout", "flat")
    assert tree(files) == {"d\uff0fa.txt": b"a", "e\uff0fb.txt": b"b"}


def test_open_files_follow_their_folder(mount: Mount) -> None:
    files = mount.mount()
    (files / "a").mkdir()
    with (files / "a" / "x.txt").open("w") as file:
        file.write("begun ")
        file.flush()
        (files / "a").rename(files / "b")
        file.write("done")
    assert (files / "b" / "x.txt").read_text() == "begun done"
    mount.sync()
    assert names_on_server(mount) == ["b/x.txt"]


def test_a_file_that_is_open_can_be_removed_with_its_folder(mount: Mount) -> None:
    files = mount.mount()
    (files / "a").mkdir()
    (files / "a" / "x.txt").write_text("x")
    with (files / "a" / "x.txt").open() as held:
        shutil.rmtree(files / "a")
        assert tree(files) == {}
        assert held.read() == "x"
    mount.sync()
    wait_until(lambda: mount.emulator.files() == [], "it is deleted")
    mount.remount()
    assert tree(files) == {}
