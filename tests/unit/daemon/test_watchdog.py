"""The manager hears from a mount as long as a program gets an answer from it, and no longer."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from anthrofs.clock import Clock
from anthrofs.daemon import watchdog
from anthrofs.daemon.notify import Notify, watchdog_s
from anthrofs.daemon.watchdog import Watchdog
from tests.mounting import WAIT_S, wait_until

HANGS = "import os, sys, time; os.stat(sys.argv[1]); os.write(1, b'.'); time.sleep(1000)"
HANGS_ABOVE = "import time; time.sleep(1000)"


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as found:
        found.bind(str(tmp_path / "notify"))
        found.settimeout(WAIT_S)
        yield found


def looking(tmp_path: Path) -> Watchdog:
    return Watchdog(tmp_path, 0.2, Notify(str(tmp_path / "notify")), Clock())


def test_a_mount_that_answers_is_told_of_again_and_again(manager: socket.socket, tmp_path: Path) -> None:
    one = looking(tmp_path)
    one.start()
    assert [manager.recv(100) for _ in range(5)] == 5 * [b"WATCHDOG=1"]
    assert one.stop(WAIT_S)


def test_a_path_that_is_gone_is_no_hang(manager: socket.socket, tmp_path: Path) -> None:
    one = Watchdog(tmp_path / "gone", 0.2, Notify(str(tmp_path / "notify")), Clock())
    one.start()
    assert [manager.recv(100) for _ in range(5)] == 5 * [b"WATCHDOG=1"]
    assert one.stop(WAIT_S)


def test_a_mount_that_hangs_is_told_of_no_more_and_only_one_child_waits_for_it(
        manager: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "LOOK", HANGS)
    started: list[Any] = []
    real = subprocess.Popen

    def start(*arguments: Any, **named: Any) -> Any:
        started.append(real(*arguments, **named))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", start)
    one = looking(tmp_path)
    one.start()
    assert manager.recv(100) == b"WATCHDOG=1"           # of the start
    assert manager.recv(100) == b"WATCHDOG=1"           # the child has gone
    wait_until(lambda: one._above, "the child has come to the mount")
    looks = [one._answers() for _ in range(3)]
    assert one.stop(WAIT_S)
    assert looks == [False, False, False]
    assert [child.returncode for child in started] == [-9]


def test_what_hangs_before_the_mount_is_no_fault_of_it(manager: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "LOOK", HANGS_ABOVE)
    one = looking(tmp_path)
    one.start()
    assert [manager.recv(100) for _ in range(6)] == 6 * [b"WATCHDOG=1"]
    assert one.stop(WAIT_S)


def test_a_machine_without_room_for_a_child_doesnt_end_the_mount(
        manager: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))
    one = looking(tmp_path)
    one.start()
    assert [manager.recv(100) for _ in range(3)] == 3 * [b"WATCHDOG=1"]
    assert one.stop(WAIT_S)
    assert "whether the mount answers can't be looked at: No such file or directory" in caplog.text


@pytest.mark.parametrize(("environ", "expected"), [
    ({}, None), ({"WATCHDOG_USEC": "180000000"}, 180.0), ({"WATCHDOG_USEC": "180000000", "WATCHDOG_PID": "1"}, None),
    ({"WATCHDOG_USEC": "0"}, None), ({"WATCHDOG_USEC": "soon"}, None)], ids=["none", "asked", "anothers", "zero", "nonsense"])
def test_only_the_process_that_is_meant_is_watched(environ: dict[str, str], expected: float | None) -> None:
    assert watchdog_s(environ) == expected
