"""Manual, promises: how a read ends before its file does: the reader is stopped, the file is removed, the mount ends,
the body stalls.
"""

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from tests.mounting import BOUND_S, Mount, shell, wait_until
from tests.samples import noise

MB: Final = 10**6
# SIGINT as most programs have it. One that handles it, as Python does, goes on waiting: a wait for the page cache ends by what kills.
READER: Final = """
import signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
file = open(sys.argv[1], 'rb', buffering=0)
print('open', flush=True)
file.readall()
print('read')
"""


def downloads(mount: Mount, *, running: bool) -> list[dict[str, Any]]:
    return [request for request in mount.emulator.requests("download") if (request["finished"] is None) == running]


@contextmanager
def program_that_reads(path: Path) -> Iterator[subprocess.Popen[str]]:
    """It has the file open; killed at the end if it still lives."""
    with subprocess.Popen([sys.executable, "-c", READER, path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as program:
        try:
            assert program.stdout is not None
            assert program.stdout.readline() == "open\n"
            yield program
        finally:
            program.kill()


# ---- the reader is stopped


@pytest.mark.parametrize(("number", "size"), [(signal.SIGINT, 1 * MB), (signal.SIGTERM, 50 * MB), (signal.SIGKILL, 50 * MB)])
def test_a_program_that_waits_in_read_can_be_stopped(mount: Mount, number: signal.Signals, size: int) -> None:
    mount.emulator.generate("data.bin", content := noise(size))
    files = mount.mount()
    mount.emulator.fault("download", {"kind": "stall", "seconds": 300})
    with program_that_reads(files / "data.bin") as program:
        wait_until(lambda: downloads(mount, running=True), "it waits for the first byte")
        program.send_signal(number)
        said, _ = program.communicate(timeout=BOUND_S)
    assert "read" not in said
    mount.emulator.abort_connections()
    assert (files / "data.bin").read_bytes() == content


def test_a_killed_reader_ends_its_download_and_leaves_the_others(mount: Mount) -> None:
    for name in ("one.bin", "other.bin"):
        mount.emulator.generate(name, noise(50 * MB))
    files = mount.mount()
    mount.emulator.switch(bandwidth_bytes_per_s=MB)         # 50 s: more than any bound here
    with program_that_reads(files / "one.bin") as one, program_that_reads(files / "other.bin"):
        wait_until(lambda: sum(request["bytes_out"] > MB for request in downloads(mount, running=True)) == 2, "both are under way")
        one.kill()
        wait_until(lambda: downloads(mount, running=False), "the download has ended")
        assert [request["filename"] for request in downloads(mount, running=False)] == ["one.bin"]
        assert [request["filename"] for request in downloads(mount, running=True)] == ["other.bin"]


def test_one_of_two_readers_that_is_killed_takes_nothing_from_the_other(mount: Mount) -> None:
    mount.emulator.generate("data.bin", content := noise(20 * MB))
    files = mount.mount()
    mount.emulator.fault("download", {"kind": "stall", "seconds": 300, "after_bytes": 2 * MB})
    with program_that_reads(files / "data.bin") as one, (files / "data.bin").open("rb", buffering=0) as other:
        wait_until(lambda: any(request["bytes_out"] == 2 * MB for request in downloads(mount, running=True)), "it stalls")
        one.kill()
        one.wait(BOUND_S)
        assert os.pread(other.fileno(), MB, 0) == content[:MB]
        assert len(downloads(mount, running=True)) == 1
        mount.emulator.abort_connections()
        assert other.readall() == content


# ---- the body stalls or breaks


@pytest.mark.parametrize("size", [5 * MB, 20 * MB])
def test_a_body_that_stalls_is_resumed_from_its_last_byte(mount: Mount, size: int) -> None:
    mount.emulator.generate("data.bin", content := noise(size))
    files = mount.mount()
    mount.emulator.fault("download", {"kind": "stall", "seconds": 300, "after_bytes": 3 * MB + 1})
    with program_that_reads(files / "data.bin") as program:
        wait_until(lambda: any(request["bytes_out"] > 3 * MB for request in downloads(mount, running=True)), "it stalls")
        wait_until(lambda: [entry["bytes"] for entry in mount.status()["downloads"]] == [3 * MB + 1 - (3 * MB + 1) % 2**17], "all came")
        mount.emulator.abort_connections()
        said, _ = program.communicate(timeout=BOUND_S)
    assert said == "read\n"
    assert (files / "data.bin").read_bytes() == content
    assert [request["bytes_out"] for request in mount.emulator.requests("download")][1:] == [size - 3 * MB - 1]


# ---- the file is removed


def test_a_file_that_we_remove_while_it_is_open_is_read_to_its_end(mount: Mount) -> None:
    mount.emulator.generate("data.bin", content := noise(20 * MB))
    files = mount.mount()
    with (files / "data.bin").open("rb", buffering=0) as data:
        assert os.pread(data.fileno(), MB, 0) == content[:MB]
        (files / "data.bin").unlink()
        assert os.listdir(files) == []
        assert os.pread(data.fileno(), MB, 15 * MB) == content[15 * MB:16 * MB]
        assert data.readall() == content
        assert len(mount.emulator.files()) == 1
    mount.sync()
    assert mount.emulator.files() == []
    wait_until(lambda: [path.name for path in (mount.state_dir / "cache").iterdir()] == ["CACHEDIR.TAG"], "its blocks go, too")


def test_of_a_file_that_others_remove_while_it_is_open_what_came_stays_readable_and_the_rest_is_stale(mount: Mount) -> None:
    made = mount.emulator.generate("data.bin", content := noise(80 * MB))
    files = mount.mount("--refresh", "1")
    mount.expects("[Nn]ot found|does not exist|no longer")
    with (files / "data.bin").open("rb", buffering=0) as data:
        assert os.pread(data.fileno(), 3 * MB, 0) == content[:3 * MB]
        mount.emulator.vanish(made["id"])
        mount.refresh()
        for place in (60 * MB, 75 * MB):         # further than anything reads ahead
            with pytest.raises(OSError) as raised:
                os.pread(data.fileno(), 1000, place)
            assert raised.value.errno in (errno.ESTALE, errno.EIO)      # the kernel's page cache makes EIO of any
        os.posix_fadvise(data.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        assert os.pread(data.fileno(), 3 * MB, 0) == content[:3 * MB]
        assert os.listdir(files) == ["data.bin"]
    wait_until(lambda: mount.refresh() and os.listdir(files) == [], "it goes with the last release")


def test_a_file_that_cant_be_read_is_refused_when_it_is_opened_with_one_line_about_why(mount: Mount) -> None:
    mount.emulator.generate("theirs.txt", b"x" * 1000, downloadable=False)
    files = mount.mount()
    mount.expects("theirs.txt was uploaded elsewhere")
    with pytest.raises(PermissionError):
        os.open(files / "theirs.txt", os.O_RDONLY)
    assert mount.log().count("theirs.txt was uploaded elsewhere") == 1
    assert shell("cp theirs.txt copy.txt", files).returncode != 0
    assert os.listdir(files) == ["theirs.txt"]
    assert mount.emulator.requests("download") == []


# ---- the mount ends


def test_a_mount_that_is_ended_during_a_download_ends_and_so_does_its_reader(mount: Mount) -> None:
    mount.emulator.generate("data.bin", noise(50 * MB))
    files = mount.mount()
    mount.expects("is in use", "could not be unmounted", "read: ")      # the second signal finds it detached
    mount.emulator.switch(bandwidth_bytes_per_s=MB)
    with program_that_reads(files / "data.bin") as program:
        wait_until(lambda: downloads(mount, running=True), "it is under way")
        mount.end_now()
        said, _ = program.communicate(timeout=BOUND_S)
        assert "read" not in said
        assert program.returncode != 0
    wait_until(lambda: not downloads(mount, running=True), "the server knows")


def test_a_mount_that_was_detached_during_a_download_ends_with_its_last_reader(mount: Mount) -> None:
    mount.emulator.generate("data.bin", noise(50 * MB))
    files = mount.mount()
    pid = mount.pid()
    mount.emulator.switch(bandwidth_bytes_per_s=MB)
    with program_that_reads(files / "data.bin") as program:
        wait_until(lambda: downloads(mount, running=True), "it is under way")
        subprocess.run(["fusermount3", "-u", "-z", str(files)], check=True, timeout=BOUND_S)
        program.kill()
        mount.wait_for_end(pid)
    wait_until(lambda: not downloads(mount, running=True), "the server knows")


# ---- what is said meanwhile


def test_status_shows_a_download_and_how_it_goes_on(mount: Mount) -> None:
    made = mount.emulator.generate("data.bin", noise(50 * MB))
    files = mount.mount()
    mount.emulator.switch(bandwidth_bytes_per_s=3 * MB)
    with program_that_reads(files / "data.bin"):
        wait_until(lambda: mount.status()["downloads"], "it has begun")
        [first] = json.loads(mount.ok("status", "--json", files))["downloads"]
        wait_until(lambda: mount.status()["downloads"][0]["bytes"] > first["bytes"], "it grows")
        [later] = json.loads(mount.ok("status", "--json", files))["downloads"]
        assert (later["file_id"], later["of"]) == (made["id"], 50 * MB)
        assert first["bytes"] < later["bytes"] < 50 * MB
        text = mount.ok("status", files)
    assert "downloading data.bin: " in text
    assert "of 50" in text
    wait_until(lambda: mount.status()["downloads"] == [], "it ends with its reader")
