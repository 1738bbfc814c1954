"""Manual, promises: open, write and close behave as on a disk: every combination of flags on every kind of file, here
and on the local disk.
"""

import ctypes
import errno
import itertools
import os
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.mounting import Mount, asks

MODES: Final = ["O_RDONLY", "O_WRONLY", "O_RDWR"]
MAKING: Final = ["O_CREAT", "O_EXCL", "O_TRUNC", "O_APPEND"]
OTHERS: Final = ["O_SYNC", "O_DSYNC", "O_NOFOLLOW", "O_DIRECTORY", "O_NONBLOCK", "O_CLOEXEC", "O_NOATIME", "O_PATH", "O_DIRECT"]
OLD: Final = b"old content, old content"
CALLS: Final[list[tuple[Any, ...]]] = [
    ("read", 5), ("write", b"NEW"), ("write", b""), ("pwrite", b"P", 1), ("pread", 100, 0), ("ftruncate", 9), ("write", b"END"), ("fsync",)]


def combinations() -> Iterator[list[str]]:
    """Each of the flags that say what is done with each other; each of the rest with some of these."""
    for mode in MODES:
        for number in range(len(MAKING) + 1):
            for making in itertools.combinations(MAKING, number):
                yield [mode, *making]
    for other in OTHERS:
        yield from (["O_RDONLY", other], ["O_RDWR", "O_CREAT", other], ["O_RDWR", "O_TRUNC", other], ["O_RDWR", "O_APPEND", other])


def flags_of(names: list[str]) -> int:
    return sum(getattr(os, name) for name in names)


def said(what: str, *arguments: object) -> object:
    try:
        return getattr(os, what)(*arguments)
    except OSError as exc:
        return errno.errorcode[exc.errno or 0]


def told(path: Path, flags: int) -> list[object]:
    """All that a program gets to know that opens a file so, reads, writes, cuts and closes it, and then looks."""
    found: list[object] = []
    descriptor = said("open", path, flags, 0o640)
    if isinstance(descriptor, int):
        for what, *arguments in CALLS:
            found += [(what, said(what, descriptor, *arguments)), said("lseek", descriptor, 0, os.SEEK_CUR)]
            shown = os.fstat(descriptor)
            found += [stat.S_IFMT(shown.st_mode), shown.st_size if stat.S_ISREG(shown.st_mode) else None]
        os.close(descriptor)
    else:
        found.append(("open", descriptor))
    return [*found, path.exists() and (path.stat().st_mode, path.is_file() and path.read_bytes())]


def requests_of(kind: str, names: list[str], *, opened: bool) -> Counter[str]:
    """What that costs: only a change sends, and only what is left of the old content is fetched."""
    changes = opened and "O_PATH" not in names and ("O_RDONLY" not in names or "O_TRUNC" in names or kind == "missing")
    sent = changes and kind not in ("directory", "local~")
    kept = kind == "generated" and not (changes and "O_TRUNC" in names)        # then it is read: at the latest by the look at the end
    return +Counter({"upload": int(sent), "delete": int(sent and kind != "missing"), "download": int(kept)})


@pytest.mark.parametrize("kind", ["missing", "own", "generated", "local~", "directory"])
def test_every_combination_of_flags_does_what_it_does_on_a_disk(mount: Mount, tmp_path: Path, kind: str) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    # Not in the order of their names: files that are read so come early, before they are asked for.
    paths = [("" if kind == "directory" else f"{number * 37 % 84} {kind}", names) for number, names in enumerate(combinations())
             if kind != "directory" or "O_DIRECT" not in names]         # no two disks agree on that one
    for name, _ in paths:
        if kind in ("own", "generated", "local~"):
            (disk / name).write_bytes(OLD)
            (disk / name).chmod(0o644)
        if kind == "generated":
            mount.emulator.generate(name, OLD)
    files = mount.mount()
    wrong = []
    for name, names in paths:
        if kind in ("own", "local~"):
            (files / name).write_bytes(OLD)
        mount.emulator.forget_requests()
        here, there = told(files / name, flags_of(names)), told(disk / name, flags_of(names) & ~os.O_DIRECT)    # a disk wants it aligned
        mount.sync()
        asked = Counter(request["operation"] for request in mount.emulator.requests() if request["operation"] != "list")
        expected = requests_of(kind, names, opened=len(there) > 2)
        if (here, asked) != (there, expected):
            wrong.append(f"{' '.join(names)}:\n    {here} {dict(asked)}\n    {there} {dict(expected)}")
    assert not wrong, "\n".join([f"{len(wrong)} of {len(paths)}", *wrong[:20]])


def test_a_file_that_cant_be_read_is_opened_only_to_be_replaced(mount: Mount) -> None:
    asked = [[mode, *making] for mode in MODES for number in range(5) for making in itertools.combinations(MAKING, number)]
    for number in range(len(asked)):
        mount.emulator.generate(f"{number}", OLD, downloadable=False)
    files = mount.mount()
    mount.expects("was uploaded elsewhere", "doesn't give this file's content out")
    wrong = []
    for number, names in enumerate(asked):
        refused = "EEXIST" if {"O_CREAT", "O_EXCL"} <= {*names} else "EACCES" if "O_WRONLY" not in names or "O_APPEND" in names else None
        descriptor = said("open", files / f"{number}", flags_of(names))
        answers: list[object] = [descriptor]
        expected: list[object] = [refused or "opened"]
        if isinstance(descriptor, int):
            answers = [said(what, descriptor, *arguments) for what, *arguments in CALLS]
            whole = "O_TRUNC" in names
            expected = ["EBADF", *([3, 0, 1, "EBADF", None, 3, None] if whole else ["EACCES", 0, "EACCES", "EBADF", "EACCES", "EACCES", None])]
            os.close(descriptor)
        if answers != expected:
            wrong.append(f"{' '.join(names)}: {answers}, not {expected}")
    assert not wrong, "\n".join(wrong)
    mount.sync()
    untouched = [file for file in mount.emulator.files() if mount.emulator.content(file["id"]) == OLD]
    assert len(mount.emulator.files()) == len(asked)
    assert len(untouched) == len(asked) - len([names for names in asked if {"O_WRONLY", "O_TRUNC"} <= {*names} and "O_APPEND" not in names
                                               and not {"O_CREAT", "O_EXCL"} <= {*names}])


def test_a_file_that_cant_be_read_can_be_cut_to_nothing_and_then_written(mount: Mount) -> None:
    mount.emulator.generate("secret.txt", OLD, downloadable=False)
    files = mount.mount()
    mount.expects("doesn't give this file's content out")
    with pytest.raises(PermissionError):
        os.truncate(files / "secret.txt", 3)
    with asks(mount, upload=1, delete=1):
        descriptor = os.open(files / "secret.txt", os.O_WRONLY)
        with pytest.raises(PermissionError):
            os.ftruncate(descriptor, 3)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, b"mine")
        os.close(descriptor)
    assert (files / "secret.txt").read_bytes() == b"mine"


def test_what_no_server_could_keep_is_refused_as_disks_refuse_it_that_cant(mount: Mount) -> None:
    files = mount.mount()
    (files / "f").write_bytes(OLD)
    with asks(mount):
        for flags in (os.O_WRONLY, os.O_RDWR):
            with pytest.raises(OSError, match=os.strerror(errno.EOPNOTSUPP)):
                os.open(files, os.O_TMPFILE | flags)
        descriptor = os.open(files / "f", os.O_RDWR)
        assert ctypes.CDLL(None, use_errno=True).fallocate(descriptor, 0, ctypes.c_long(0), ctypes.c_long(100_000)) == -1
        assert ctypes.get_errno() == errno.EOPNOTSUPP
        os.close(descriptor)


def test_a_file_that_others_have_made_since_it_was_missed_is_opened_not_refused(mount: Mount) -> None:
    files = mount.mount()
    for name, flags, expected in (("write", os.O_WRONLY, b"NEW content, old content"), ("cut", os.O_WRONLY | os.O_TRUNC, b"NEW"),
                                  ("add", os.O_WRONLY | os.O_APPEND, OLD + b"NEW")):
        assert not (files / name).exists()          # the kernel remembers that for a second
        mount.emulator.generate(name, OLD)
        mount.refresh()
        with pytest.raises(FileExistsError):
            os.open(files / name, flags | os.O_CREAT | os.O_EXCL)
        assert not (files / f"{name} 2").exists()
        mount.emulator.generate(f"{name} 2", OLD)
        mount.refresh()
        descriptor = os.open(files / f"{name} 2", flags | os.O_CREAT)
        os.write(descriptor, b"NEW")
        os.close(descriptor)
        assert (files / f"{name} 2").read_bytes() == expected
