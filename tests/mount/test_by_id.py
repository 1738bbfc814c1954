"""Manual, names: `.by-id/<file id>` reaches any file, whatever its name; it can be read and removed, and is listed
nowhere.
"""

import errno
import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mounting import Mount, asks, shell, wait_until


def id_of(path: Path) -> str:
    return os.getxattr(path, "user.anthropic.file_id").decode()


def contents(mount: Mount) -> dict[str, bytes]:
    """By id, as the server has it."""
    return {file["id"]: mount.emulator.content(file["id"]) for file in mount.emulator.files()}


def test_any_file_is_read_by_its_id_whatever_its_name(mount: Mount) -> None:
    made = {name: mount.emulator.generate(name, name.encode())["id"] for name in ("a.txt", "b\uff0fc.txt", "../bad", "")}
    older = mount.emulator.generate("twice.txt", b"older")["id"]
    newer = mount.emulator.generate("twice.txt", b"newer")["id"]
    files = mount.mount()
    (files / "own.txt").write_text("own")
    mount.sync()
    for name, file_id in made.items():
        assert (files / ".by-id" / file_id).read_bytes() == name.encode()
    assert (files / ".by-id" / older).read_text() == "older"
    assert (files / ".by-id" / newer).read_text() == "newer"
    own = files / ".by-id" / id_of(files / "own.txt")
    assert own.read_text() == "own"
    assert os.getxattr(own, "user.anthropic.filename") == b"own.txt"
    found = own.stat()
    assert stat.S_ISREG(found.st_mode)
    assert (found.st_size, found.st_mode & 0o777) == (3, 0o444)
    assert own.name in shell(f"ls -l .by-id/{own.name}", files).stdout
    assert shell(f"stat -c %i .by-id/{own.name}", files).stdout == f"{found.st_ino}\n"


def test_it_is_not_listed_so_nothing_is_seen_or_copied_twice(mount: Mount, tmp_path: Path) -> None:
    mount.emulator.generate("a.txt", b"a")
    mount.emulator.generate("d\uff0fb.txt", b"b")
    files = mount.mount()
    assert sorted(os.listdir(files)) == ["a.txt", "d"]
    assert os.listdir(files / ".by-id") == []
    assert (files / ".by-id").is_dir()
    assert shell("find . | sort", files).stdout.split() == [".", "./a.txt", "./d", "./d/b.txt"]
    for command in ("cp -r . {}", "rsync -a ./ {}/", "tar c . | tar x -C {}"):
        target = tmp_path / "copy"
        target.mkdir()
        done = shell(command.format(target), files)
        assert done.returncode == 0, done.stderr
        assert sorted(path.name for path in target.rglob("*")) == ["a.txt", "b.txt", "d"]
        shutil.rmtree(target)


def test_removing_by_id_removes_exactly_that_file_and_its_name(mount: Mount) -> None:
    older = mount.emulator.generate("twice.txt", b"older")["id"]
    newer = mount.emulator.generate("twice.txt", b"newer")["id"]
    files = mount.mount()
    with asks(mount, delete=1):
        (files / ".by-id" / older).unlink()
    assert contents(mount) == {newer: b"newer"}
    assert os.listdir(files) == ["twice.txt"]
    with asks(mount, delete=1):
        (files / ".by-id" / newer).unlink()
    assert contents(mount) == {}
    assert os.listdir(files) == []
    with pytest.raises(FileNotFoundError):
        (files / "twice.txt").read_bytes()


@pytest.mark.root
def test_the_owner_needs_no_privileges_to_remove_by_id(mount: Mount) -> None:
    """The kernel looks at the directory's mode, but not for root."""
    file_id = mount.emulator.generate("a.txt", b"a")["id"]
    files = mount.mount("-o", "allow_other,uid=65534,gid=65534")
    somebody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c"]
    refused = subprocess.run([*somebody, "echo x > .by-id/new || mkdir .by-id/new"], cwd=files, capture_output=True, text=True, timeout=30, check=False)
    assert (refused.returncode != 0, refused.stderr.count("Operation not permitted")) == (True, 2), refused.stderr
    with asks(mount, delete=1):
        subprocess.run([*somebody, f"rm .by-id/{file_id}"], cwd=files, check=True, timeout=30)
    assert os.listdir(files) == []


def test_removing_a_name_takes_its_id_away(mount: Mount) -> None:
    file_id = mount.emulator.generate("a.txt", b"a")["id"]
    files = mount.mount("--refresh", "0.1")
    assert (files / ".by-id" / file_id).read_bytes() == b"a"
    (files / "a.txt").unlink()
    wait_until(lambda: not (files / ".by-id" / file_id).exists(), "the kernel asks again")


@pytest.mark.parametrize("opened", ["by id", "by name"])
def test_a_file_that_is_removed_while_it_is_open_can_be_read_to_its_end(mount: Mount, opened: str) -> None:
    content = os.urandom(300_000)
    file_id = mount.emulator.generate("a.bin", content)["id"]
    files = mount.mount()
    path = files / ".by-id" / file_id if opened == "by id" else files / "a.bin"
    with path.open("rb") as file:
        first = file.read(1000)
        (files / ".by-id" / file_id).unlink()
        assert not (files / "a.bin").exists() or "a.bin" not in os.listdir(files)
        assert first + file.read() == content
    mount.sync()
    assert contents(mount) == {}


REFUSED: list[tuple[str, Callable[[Path, str], object]]] = [
    ("open to write", lambda files, file_id: (files / ".by-id" / file_id).open("r+b")),
    ("replace", lambda files, file_id: (files / ".by-id" / file_id).write_bytes(b"x")),
    ("truncate", lambda files, file_id: os.truncate(files / ".by-id" / file_id, 0)),
    ("create", lambda files, _: (files / ".by-id" / "new").write_bytes(b"x")),
    ("make a folder", lambda files, _: (files / ".by-id" / "new").mkdir()),
    ("rename", lambda files, file_id: (files / ".by-id" / file_id).rename(files / "b.txt")),
    ("rename into", lambda files, file_id: (files / "a.txt").rename(files / ".by-id" / file_id)),
    ("rename it", lambda files, _: (files / ".by-id").rename(files / "ids")),
    ("remove it", lambda files, _: (files / ".by-id").rmdir()),
    ("set its mode", lambda files, file_id: (files / ".by-id" / file_id).chmod(0o600)),
    ("set its time", lambda files, file_id: os.utime(files / ".by-id" / file_id, (1, 1))),
    ("set its type", lambda files, file_id: os.setxattr(files / ".by-id" / file_id, "user.mime_type", b"a/b")),
]


def test_by_its_id_nothing_can_be_changed(mount: Mount) -> None:
    file_id = mount.emulator.generate("a.txt", b"a")["id"]
    files = mount.mount()
    codes = (errno.EPERM, errno.EACCES) if os.geteuid() else (errno.EPERM,)         # the kernel looks at modes first, but not for root
    with asks(mount):
        for what, act in REFUSED:
            with pytest.raises(OSError, match=r"\[Errno") as raised:
                act(files, file_id)
            assert raised.value.errno in codes, what
    assert sorted(os.listdir(files)) == ["a.txt"]
    assert (files / "a.txt").read_bytes() == b"a"


def test_an_id_shows_what_the_server_has_also_while_its_name_has_something_newer(mount: Mount) -> None:
    files = mount.mount()
    (files / "a.txt").write_text("sent")
    old = id_of(files / "a.txt")
    with (files / "a.txt").open("w") as file:
        file.write("longer, and not sent yet")
        file.flush()
        assert (files / ".by-id" / old).read_text() == "sent"
        assert (files / "a.txt").read_text() == "longer, and not sent yet"
    mount.sync()
    new = id_of(files / "a.txt")
    assert (files / ".by-id" / new).read_text() == "longer, and not sent yet"
    assert contents(mount) == {new: b"longer, and not sent yet"}
    assert not (files / ".by-id" / old).exists() or old not in contents(mount)


def test_removing_the_id_of_a_file_that_was_saved_since_keeps_the_newer_content(mount: Mount) -> None:
    files = mount.mount("--upload", "queue")
    (files / "a.txt").write_text("sent")
    mount.sync()
    old = id_of(files / "a.txt")
    mount.expects("uploading a.txt")
    mount.emulator.fault("upload", {"kind": "status", "status": 503}, times=1)
    (files / "a.txt").write_text("newer")
    (files / ".by-id" / old).unlink()
    assert (files / "a.txt").read_text() == "newer"
    mount.sync()
    assert list(contents(mount).values()) == [b"newer"]


def test_both_names_of_an_open_file_share_one_download(mount: Mount) -> None:
    content = os.urandom(3_000_000)
    file_id = mount.emulator.generate("a.bin", content)["id"]
    files = mount.mount()
    with asks(mount, download=1), (files / "a.bin").open("rb") as one, (files / ".by-id" / file_id).open("rb") as other:
        assert one.read(1000) + one.read() == content
        assert other.read() == content


def test_an_id_that_nobody_has_costs_no_request(mount: Mount) -> None:
    mount.emulator.generate("a.txt", b"a")
    files = mount.mount()
    with asks(mount):
        for name in ("file_none", "x" * 255, "a.txt", ".by-id", "weird 😀"):
            with pytest.raises(FileNotFoundError):
                (files / ".by-id" / name).read_bytes()
        with pytest.raises(NotADirectoryError):
            (files / ".by-id" / mount.emulator.files()[0]["id"] / "x").read_bytes()


def test_what_cannot_be_read_by_name_cannot_be_read_by_id(mount: Mount) -> None:
    mount.expects("was uploaded elsewhere")
    file_id = mount.emulator.generate("theirs.txt", b"x", downloadable=False)["id"]
    files = mount.mount("--layout", "flat")
    assert (files / ".by-id" / file_id).stat().st_mode & 0o777 == 0o444
    with pytest.raises(PermissionError):
        (files / ".by-id" / file_id).read_bytes()
    subprocess.run(["rm", "-f", files / ".by-id" / file_id], check=True, timeout=30)
    mount.sync()
    assert contents(mount) == {}


def test_a_length_that_a_download_has_shown_holds_under_both_names(mount: Mount) -> None:
    mount.emulator.switch(delivered_extra_bytes=40_000)
    made = mount.emulator.generate("plot.png", os.urandom(100_000), "image/png")
    files = mount.mount()
    paths = [files / "plot.png", files / ".by-id" / made["id"]]
    assert [path.stat().st_size for path in paths] == [100_000, 100_000]
    contents = [path.read_bytes() for path in paths]
    assert [len(content) for content in contents] == [140_000] * 2
    assert contents[0] == contents[1]
