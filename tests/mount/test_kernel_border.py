"""The kernel's requests mean the same whichever libfuse carries them: renames with flags, open files that are changed, listings of
what is changing, and many that wait.
"""

import ctypes
import errno
import os
import threading
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from tests.mounting import LIBFUSE, Mount, stored_names, wait_until

STALLED: Final = 300
NOREPLACE, EXCHANGE, WHITEOUT = 1, 2, 4         # linux/fs.h
AT_FDCWD: Final = -100


def renameat2(old: Path, new: Path, flags: int) -> int:
    """The errno, or 0."""
    libc = ctypes.CDLL(None, use_errno=True)
    return ctypes.get_errno() if libc.renameat2(AT_FDCWD, os.fsencode(old), AT_FDCWD, os.fsencode(new), flags) else 0


def test_status_tells_which_library_it_is(mount: Mount) -> None:
    mount.mount()
    status = mount.status()
    assert (status["binding"], status["libfuse"][:2]) == {2: ("fusepy", "2."), 3: ("mfusepy", "3.")}[LIBFUSE]
    assert f"libfuse {status['libfuse']}, through {status['binding']}" in mount.log()


def test_a_rename_that_is_not_to_replace_replaces_nothing(mount: Mount) -> None:
    files = mount.mount("--upload", "queue")
    (files / "old.txt").write_text("old")
    (files / "taken.txt").write_text("taken")
    free = renameat2(files / "old.txt", files / "new.txt", NOREPLACE)
    assert free == (0 if LIBFUSE == 3 else errno.EINVAL)
    name = "new.txt" if LIBFUSE == 3 else "old.txt"
    assert renameat2(files / name, files / "taken.txt", NOREPLACE) in {errno.EEXIST, errno.EINVAL}
    with (files / "taken.txt").open():
        assert renameat2(files / name, files / "taken.txt", NOREPLACE) in {errno.EEXIST, errno.EINVAL}
    assert {path.name: path.read_text() for path in files.iterdir()} == {name: "old", "taken.txt": "taken"}


@pytest.mark.parametrize("flags", [EXCHANGE, NOREPLACE | EXCHANGE, WHITEOUT, 8])
def test_flags_that_are_not_known_are_refused_and_nothing_changes(mount: Mount, flags: int) -> None:
    files = mount.mount("--upload", "queue")
    (files / "one.txt").write_text("one")
    (files / "two.txt").write_text("two")
    assert renameat2(files / "one.txt", files / "two.txt", flags) == errno.EINVAL
    assert {path.name: path.read_text() for path in files.iterdir()} == {"one.txt": "one", "two.txt": "two"}


def test_what_is_open_and_unlinked_can_still_be_changed(mount: Mount) -> None:
    files = mount.mount("--upload", "queue")
    (files / "a.txt").write_text("content")
    descriptor = os.open(files / "a.txt", os.O_RDWR)
    os.unlink(files / "a.txt")
    os.ftruncate(descriptor, 3)
    os.fchmod(descriptor, 0o600)
    os.fchown(descriptor, os.getuid(), os.getgid())
    os.utime(descriptor, ns=(5, 7 * 10**9))
    found = os.fstat(descriptor)
    assert (found.st_size, found.st_mode & 0o777, found.st_mtime_ns) == (3, 0o600, 7 * 10**9)
    assert os.pread(descriptor, 10, 0) == b"con"
    os.close(descriptor)


def test_an_open_that_empties_leaves_no_old_tail(mount: Mount) -> None:
    files = mount.mount("--upload", "queue")
    (files / "a.txt").write_text("a long content")
    with (files / "a.txt").open("w") as file:
        assert os.fstat(file.fileno()).st_size == 0
        file.write("new")
    assert (files / "a.txt").read_text() == "new"


def test_a_listing_of_what_is_changing_has_each_name_that_stays_once(mount: Mount) -> None:
    """Of 3,000, in pieces, while names come, go, and are replaced between two looks at it."""
    mount.emulator.bulk(3000, prefix="stays-")
    files = mount.mount("--upload", "queue")
    for number in range(40):
        (files / f"goes-{number:02}").touch()
    found, turn = list[str](), 0
    with os.scandir(files) as entries:
        for number, entry in enumerate(entries):
            found.append(entry.name)
            if number % 100 == 0:
                (files / "new").write_text(f"{turn}")
                os.rename(files / "new", files / f"stays-{3000 - 7 * turn:05}.txt" if (files / f"stays-{3000 - 7 * turn:05}.txt").exists()
                          else files / "replaced")
                (files / f"goes-{turn:02}").unlink()
                (files / f"comes-{turn:02}").touch()
                turn += 1
    assert turn > 25
    stays = [name for name in found if name.startswith("stays-")]
    assert len(stays) == len(set(stays)) == 3000
    assert len(found) == len(set(found))


def test_a_listing_goes_on_where_it_was_left(mount: Mount) -> None:
    """telldir and seekdir, and rewinddir."""
    mount.emulator.bulk(1500, prefix="f-")
    files = mount.mount("--read-only")
    libc = ctypes.CDLL(None, use_errno=True)
    libc.opendir.restype = libc.readdir.restype = ctypes.c_void_p
    libc.telldir.restype = ctypes.c_long
    libc.readdir.argtypes = libc.telldir.argtypes = libc.rewinddir.argtypes = libc.closedir.argtypes = [ctypes.c_void_p]
    libc.seekdir.argtypes = [ctypes.c_void_p, ctypes.c_long]

    def names(count: int = 10**6) -> list[bytes]:
        found = list[bytes]()
        while len(found) < count and (entry := libc.readdir(directory)):
            found.append(ctypes.string_at(entry + 19))      # d_ino, d_off, d_reclen, d_type
        return found

    directory = libc.opendir(os.fsencode(files))
    begun = names(700)
    place = libc.telldir(directory)
    rest = names()
    assert len(begun + rest) == len({*begun, *rest}) == 1502
    libc.seekdir(directory, place)
    assert names() == rest
    libc.rewinddir(directory)
    assert names() == begun + rest
    libc.closedir(directory)


def test_a_listing_with_attributes_shows_what_stat_shows(mount: Mount) -> None:
    """Of what is only there, of what is here, has a mode and times of its own, and of a folder."""
    mount.emulator.generate("there.txt", b"there")
    files = mount.mount("--upload", "queue", "-o", "umask=022")
    (files / "here.txt").write_text("here, longer")
    os.chmod(files / "here.txt", 0o640)
    os.utime(files / "here.txt", ns=(0, -5 * 10**8))
    (files / "folder").mkdir(0o770)
    mount.remount("-o", "umask=022")
    asked = {name: _shown(os.stat(files / name)) for name in ("there.txt", "here.txt", "folder")}
    mount.remount("-o", "umask=022")
    assert {entry.name: _shown(entry.stat()) for entry in os.scandir(files)} == asked


def _shown(stat: os.stat_result) -> tuple[int, ...]:
    return (stat.st_ino, stat.st_mode, stat.st_nlink, stat.st_uid, stat.st_gid, stat.st_size, stat.st_blocks, stat.st_blksize,
            stat.st_mtime_ns, stat.st_ctime_ns)


@pytest.mark.parametrize("size", [10, 400_000])
def test_a_size_that_a_listing_told_is_forgotten_when_others_replace_the_file(mount: Mount, size: int) -> None:
    old = mount.emulator.generate("a.txt", b"o" * 100_000)
    files = mount.mount("--refresh", "600")
    assert [entry.stat().st_size for entry in os.scandir(files)] == [100_000]
    mount.emulator.generate("a.txt", b"n" * size)
    mount.emulator.vanish(old["id"])
    mount.refresh()
    assert (files / "a.txt").read_bytes() == b"n" * size
    assert [entry.stat().st_size for entry in os.scandir(files)] == [size]


def test_a_name_is_there_all_the_time_while_it_is_replaced(mount: Mount) -> None:
    """README: in the moment of a replacement an open may, rarely, be told ESTALE, and with libfuse 2 that there is no such file."""
    files = mount.mount("--upload", "queue")
    (files / "f").write_text("0")
    done, told, looks = threading.Event(), Counter[int](), [0, 0]

    def look(number: int) -> None:
        while not done.is_set():
            for what in ((files / "f").read_bytes, (files / "f").stat):
                try:
                    what()
                except OSError as exc:
                    told[exc.errno or 0] += 1
            looks[number] += 1

    lookers = [threading.Thread(target=look, args=(number,)) for number in range(len(looks))]
    for each in lookers:
        each.start()
    try:
        for turn in range(60):
            before = looks.copy()
            (files / "new").write_text(f"{turn}")
            os.rename(files / "new", files / "f")
            wait_until(lambda before=before: all(now > then + 2 for then, now in zip(before, looks, strict=True)), "they look on")     # type: ignore[misc]
    finally:
        done.set()
        for each in lookers:
            each.join()
    assert told.keys() <= ({errno.ENOENT} if LIBFUSE == 2 else {errno.ESTALE})
    assert told[errno.ESTALE] < 6, "of more than 700"
    assert os.listdir(files) == ["f"]


def test_three_hundred_that_wait_for_the_server_hold_up_nobody_who_looks(mount: Mount) -> None:
    mount.emulator.bulk(STALLED + 1, prefix="f-")
    names = sorted(file["filename"] for file in mount.emulator.files())
    mount.emulator.fault("download", {"kind": "stall", "seconds": 300}, times=-1)
    files = mount.mount("--refresh", "600", "--requests-per-minute", "100000")
    read = dict[str, bytes]()

    def wait(name: str) -> None:
        read[name] = (files / name).read_bytes()

    readers = [threading.Thread(target=wait, args=(name,)) for name in names[:STALLED]]
    for each in readers:
        each.start()
    try:
        wait_until(lambda: len(os.listdir(f"/proc/{mount.pid()}/task")) > STALLED, "each waits in a thread of the daemon")
        assert os.stat(files / names[STALLED]).st_size == 10
        with pytest.raises(FileNotFoundError):
            os.stat(files / "nothing")
        (files / "made.txt").mkdir()
        assert read == {}           # all of them still wait
        assert all(each.is_alive() for each in readers)
    finally:
        mount.emulator.clear_faults()
        mount.emulator.abort_connections()
        for each in readers:
            each.join()
    assert set(read) == set(names[:STALLED])
    assert all(len(content) == 10 for content in read.values())
    assert stored_names(mount).keys() == set(names)
