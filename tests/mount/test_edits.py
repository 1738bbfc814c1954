"""Manual, promises: a file that is only on the server is edited in place: fetched once, sent as a whole when it is
closed.
"""

import errno
import hashlib
import mmap
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mounting import Mount, asks, shell, wait_until

CONTENT = os.urandom(700_000)


@pytest.fixture
def report(mount: Mount) -> Path:
    mount.emulator.generate("report.bin", CONTENT)
    return mount.mount() / "report.bin"


def stored(mount: Mount) -> bytes:
    [file] = mount.emulator.files()
    return mount.emulator.content(file["id"])


def _write(path: Path) -> bytes:
    with path.open("r+b", buffering=0) as file:
        os.pwrite(file.fileno(), b"changed", 300_000)
    return CONTENT[:300_000] + b"changed" + CONTENT[300_007:]


def _append(path: Path) -> bytes:
    with path.open("ab") as file:
        file.write(b"more")
    return CONTENT + b"more"


def _cut(path: Path) -> bytes:
    with path.open("r+b") as file:
        file.truncate(1000)
    return CONTENT[:1000]


def _grow(path: Path) -> bytes:
    with path.open("r+b") as file:
        file.truncate(800_000)
    return CONTENT + bytes(100_000)


def _map(path: Path) -> bytes:
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as view:
        view[500_000:500_003] = b"map"
    return CONTENT[:500_000] + b"map" + CONTENT[500_003:]


@pytest.mark.parametrize("edit", [_write, _append, _cut, _grow, _map])
@pytest.mark.parametrize("cached", [False, True])
def test_an_edit_in_place_fetches_the_file_once_and_sends_it_once(mount: Mount, report: Path, edit: Callable[[Path], bytes], cached: bool) -> None:
    if cached:
        assert report.read_bytes() == CONTENT
    with asks(mount, upload=1, delete=1, **({} if cached else {"download": 1})):
        expected = edit(report)
    assert stored(mount) == expected
    assert report.read_bytes() == expected


def test_a_file_that_is_replaced_as_a_whole_is_not_fetched(mount: Mount, report: Path) -> None:
    with asks(mount, upload=1, delete=1):
        report.write_bytes(b"new")
    assert stored(mount) == b"new"


def test_opening_for_writing_alone_fetches_and_sends_nothing(mount: Mount, report: Path) -> None:
    with asks(mount), report.open("r+b"):
        pass


def test_two_that_edit_at_once_fetch_it_once_and_both_edits_are_there(mount: Mount, report: Path) -> None:
    mount.emulator.switch(latency_ms=300)
    program = "import os, sys; f = os.open(sys.argv[1], os.O_RDWR); os.pwrite(f, sys.argv[2].encode(), int(sys.argv[3]))"
    editors = [subprocess.Popen([sys.executable, "-c", program, str(report), f"edit {number}", str(number * 100_000)]) for number in range(4)]
    assert [editor.wait(60) for editor in editors] == [0] * 4
    mount.sync()
    expected = bytearray(CONTENT)
    for number in range(4):
        expected[number * 100_000:number * 100_000 + 6] = f"edit {number}".encode()
    assert hashlib.sha256(stored(mount)).digest() == hashlib.sha256(expected).digest()
    assert len(mount.emulator.requests("download")) == 1


def test_an_edit_of_what_cant_be_fetched_fails_and_leaves_it(mount: Mount, report: Path) -> None:
    mount.expects("write: ")
    mount.emulator.fault("download", {"kind": "status", "status": 400}, times=-1)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)), report.open("r+b", buffering=0) as file:
        file.write(b"x")
    mount.emulator.clear_faults()
    with asks(mount, download=1):
        assert report.read_bytes() == CONTENT
    assert os.listdir(mount.state_dir / "staging") == []


def test_an_edit_that_waits_for_the_network_ends_with_ctrl_c(mount: Mount, report: Path) -> None:
    mount.emulator.fault("download", {"kind": "delay", "seconds": 300})
    with subprocess.Popen([sys.executable, "-c", f"open({str(report)!r}, 'r+b', buffering=0).write(b'x')"], stderr=subprocess.DEVNULL) as editor:
        wait_until(lambda: mount.emulator.requests("download"), "it is asked for")
        editor.terminate()
        assert editor.wait(20) != 0
    mount.emulator.abort_connections()
    assert shell("ls", report.parent).stdout == "report.bin\n"


def test_cutting_by_path_does_not_wait_for_the_network(mount: Mount, report: Path) -> None:
    mount.expects("can't be cut by its path")
    with asks(mount), pytest.raises(OSError, match="not supported"):
        os.truncate(report, 10)
    with asks(mount, upload=1, delete=1):
        os.truncate(report, 0)
