"""Manual, mount: a mount as a systemd user service. Its manager is played by a socket: the protocol is one datagram a
message.
"""

import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from anthrofs.fuse import mountpoint
from tests.mounting import COMMAND, Mount, wait_until


@pytest.mark.parametrize("abstract", [False, True])
def test_ready_is_told_when_the_mount_serves_and_stopping_when_it_drains(mount: Mount, tmp_path: Path, abstract: bool) -> None:
    mount.emulator.generate("a.txt", b"a")
    address = f"\0anthrofs-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(20)
        manager.bind(address)
        environment = {**mount.environment, "NOTIFY_SOCKET": address.replace("\0", "@")}
        service = subprocess.Popen([*COMMAND, "mount", "--foreground", "--state-dir", mount.state_dir, mount.path], env=environment,
                                   stderr=subprocess.PIPE, text=True)
        try:
            assert manager.recv(4096).decode() == f"READY=1\nSTATUS=1 files on {mount.path}"
            assert mountpoint.is_mounted(mount.path)
            assert os.listdir(mount.path) == ["a.txt"]
            mount.emulator.fault("upload", {"kind": "delay", "seconds": 2})
            note = (mount.path / "note.txt").open("w")
            note.write("sent before the stop")
            note.flush()
            service.send_signal(signal.SIGTERM)
            wait_until(lambda: not mountpoint.is_mounted(mount.path), "it is detached")
            note.close()            # the mount point is free, but who has a file open is served to the end
        finally:
            said = service.communicate(timeout=60)[1]
        messages = []
        manager.setblocking(False)
        while True:
            try:
                messages.append(manager.recv(4096).decode())
            except BlockingIOError:
                break
    mount.expects("is in use.*Detaching it")
    assert mount.emulator.content(mount.emulator.files()[0]["id"]) == b"sent before the stop"
    assert any(message.startswith("STOPPING=1\nSTATUS=draining\nEXTEND_TIMEOUT_USEC=") for message in messages)
    assert "Traceback" not in said


def test_the_manager_is_told_why_there_is_no_mount(mount: Mount, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(20)
        manager.bind(str(tmp_path / "notify"))
        done = mount.run("mount", "--foreground", "--state-dir", mount.state_dir, mount.path,
                         environment={"NOTIFY_SOCKET": str(tmp_path / "notify"), "ANTHROPIC_API_KEY": "sk-wrong"})
        said = manager.recv(4096).decode()
    assert done.returncode == 3
    assert said.startswith("STATUS=The service refused the credentials: ")
    assert "sk-wrong" not in said


def test_a_manager_that_watches_hears_from_the_mount_until_its_end(mount: Mount, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(20)
        manager.bind(str(tmp_path / "notify"))
        environment = {**mount.environment, "NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1000000"}
        service = subprocess.Popen([*COMMAND, "mount", "--foreground", "--state-dir", mount.state_dir, mount.path], env=environment,
                                   stderr=subprocess.PIPE, text=True)
        try:
            assert manager.recv(4096).decode().startswith("READY=1\n")
            assert [manager.recv(4096) for _ in range(5)] == 5 * [b"WATCHDOG=1"]
            service.send_signal(signal.SIGTERM)
        finally:
            service.communicate(timeout=60)
    assert service.returncode == 0


def test_the_journal_gets_levels_and_no_second_time(mount: Mount, tmp_path: Path) -> None:
    """Standard error is a pipe, which the variable names as systemd does it for the journal's socket."""
    ours, theirs = os.pipe()
    found = os.fstat(theirs)
    environment = {**mount.environment, "JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
    with os.fdopen(ours) as lines:
        with subprocess.Popen([*COMMAND, "mount", "--foreground", "--state-dir", mount.state_dir, mount.path], env=environment,
                              stderr=theirs) as service:
            os.close(theirs)
            wait_until(lambda: mountpoint.is_mounted(mount.path), "it is mounted")
            service.send_signal(signal.SIGTERM)
        said = lines.read().splitlines()
    assert f"<6>anthrofs.daemon.mount: mounted on {mount.path}: 0 files" in said
    assert [line for line in said if not line.startswith("<6>anthrofs.")] == []
    assert " INFO anthrofs.daemon.mount: mounted on" in mount.log()       # the file keeps the time
