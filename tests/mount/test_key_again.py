"""Manual, service: 'A key that the service refuses is read again where it came from', and so it is when SIGHUP comes without a terminal."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mounting import Mount, asks, stored, wait_until


@pytest.fixture
def key_file(mount: Mount, tmp_path: Path) -> Path:
    """The mount's key is in a file."""
    path = tmp_path / "key"
    put(path, mount.emulator.key)
    del mount.environment["ANTHROPIC_API_KEY"]
    mount.environment["ANTHROFS_KEY_FILE"] = str(path)
    return path


def put(path: Path, key: str) -> None:
    new = path.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_text(key + "\n")
    new.rename(path)


@pytest.fixture
def rotate(mount: Mount) -> Callable[[str], None]:
    """The service takes this key only, from now on; at the end the one that it took before."""
    def to(key: str) -> None:
        mount.emulator.key = key
        mount.emulator.restart()
    return to


@pytest.fixture(autouse=True)
def the_emulators_key(mount: Mount) -> object:
    before = mount.emulator.key
    yield
    if mount.emulator.key != before:
        mount.emulator.key = before
        mount.emulator.restart()


def test_a_save_with_a_key_that_was_exchanged_reads_the_new_one_and_succeeds(
        mount: Mount, key_file: Path, rotate: Callable[[str], None]) -> None:
    mount.mount("--refresh", "300")
    rotate("sk-new")
    put(key_file, "sk-new")
    # The refused one, a listing that shows whose the new key is, and the save.
    with asks(mount, upload=2, list=1):
        (mount.path / "note.txt").write_text("saved")
    with asks(mount, upload=1):
        (mount.path / "second.txt").write_text("saved")
    assert stored(mount) == {"note.txt": b"saved", "second.txt": b"saved"}
    assert "sk-new" not in mount.log()


def test_a_key_that_is_refused_for_good_costs_no_more_than_before(
        mount: Mount, key_file: Path, rotate: Callable[[str], None]) -> None:
    mount.mount("--refresh", "300")
    rotate("sk-new")
    with pytest.raises(PermissionError):
        (mount.path / "note.txt").write_text("kept")
    assert len(mount.emulator.requests("upload")) == 1
    mount.expects("THE SERVICE|refuse|401", "NOTHING CAN BE SENT", "invalid x-api-key")
    put(key_file, "sk-new")
    os.kill(mount.pid(), signal.SIGHUP)
    wait_until(lambda: stored(mount) == {"note.txt": b"kept"}, "the queue goes on with the new key")


def test_a_hangup_without_a_terminal_reads_the_key_and_ends_nothing(mount: Mount, key_file: Path) -> None:
    mount.mount("--refresh", "300")
    pid = mount.pid()
    os.kill(pid, signal.SIGHUP)
    wait_until(lambda: "the key is the same as before" in mount.log(), "the key is read")
    assert os.listdir(mount.path) == []
    assert mount.pid() == pid


def test_a_variable_cant_change_and_the_log_says_so(mount: Mount) -> None:
    mount.mount()
    os.kill(mount.pid(), signal.SIGHUP)
    wait_until(lambda: "mount again for another key" in mount.log(), "that is said")
    mount.expects("doesn't change while a program runs")
    assert os.listdir(mount.path) == []


def test_hangups_in_a_row_wait_for_one_reading_and_not_each_in_a_thread_of_its_own(mount: Mount, tmp_path: Path) -> None:
    key, slow = mount.environment.pop("ANTHROPIC_API_KEY"), tmp_path / "slow"
    command = tmp_path / "key"
    command.write_text(f"#!/bin/sh\nwhile [ -e {slow} ]; do sleep 0.1; done\necho {key}\n")
    command.chmod(0o700)
    mount.mount("--refresh", "300", "--key-command", str(command))

    def told(name: str) -> int:
        lines = Path(f"/proc/{mount.pid()}/status").read_text().splitlines()
        return next(int(line.split()[1], 16 if name == "ShdPnd:" else 10) for line in lines if line.startswith(name))

    slow.touch()
    before = told("Threads:")
    for _ in range(20):
        os.kill(mount.pid(), signal.SIGHUP)
        wait_until(lambda: not told("ShdPnd:"), "it is taken")
    assert told("Threads:") <= before + 3
    slow.unlink()
    wait_until(lambda: "the key is the same as before" in mount.log(), "the key is read")
