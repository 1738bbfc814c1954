"""Manual, promises: a program's own signals end no call; what ends the program ends the wait of its call, too."""

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from tests.mounting import BOUND_S, ROOT, Mount, asks, wait_until
from tests.terminal import Terminal

CONTENT: Final = b"from the server"
# What is sent to a program that goes on, as timers, Go's scheduler, children and terminals do.
HARMLESS: Final = [(what, name, how) for what, names in (
    ("close", ("SIGALRM", "SIGURG", "SIGWINCH", "SIGCHLD", "SIGUSR1", "SIGTSTP")), ("read", ("SIGALRM", "SIGURG")), ("write", ("SIGALRM", "SIGURG")))
    for name in names for how in (("handled", "restarted") if name == "SIGALRM" else ("restarted",))]
ENDING: Final = [("close", name, how) for name in ("SIGINT", "SIGTERM", "SIGQUIT", "SIGHUP") for how in ("handled", "default")] + [
    (what, name, how) for what, names in (("close", ("SIGKILL", "SIGUSR1", "SIGALRM", "SIGABRT")), ("read", ("SIGKILL",)), ("write", ("SIGKILL",)))
    for name in names for how in ("default",)] + [("read", "SIGINT", "handled"), ("write", "SIGINT", "handled")]
OPERATION: Final = {"close": "upload", "read": "download", "write": "download"}


class Program:
    """signalled_program.py, waiting in its call."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def gets(self, name: str) -> None:
        self._process.send_signal(signal.Signals[name])

    def has_pending(self, name: str) -> bool:
        """The call goes on, and the signal waits for its end."""
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{self._process.pid}/status").read_text().splitlines())
        return bool((int(status["SigPnd"], 16) | int(status["ShdPnd"], 16)) & 1 << signal.Signals[name] - 1)

    def ends(self) -> tuple[int, dict[str, Any]]:
        """Its exit code, and what it said of the call; nothing if that ended with it."""
        said, _ = self._process.communicate(timeout=BOUND_S)
        return self._process.returncode, json.loads(said) if said else {}


@contextmanager
def waiting(mount: Mount, what: str, name: str, how: str) -> Iterator[Program]:
    """The program's call is waiting for the server. The file that it reads or writes is an image, or another one on the server."""
    path = mount.path / {"close": "new.txt", "read": "image.png", "write": "data.csv"}[what]
    command = [sys.executable, "-m", "tests.signalled_program", str(path), what, name, how]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "waits\n"
            wait_until(lambda: mount.emulator.requests(OPERATION[what]), "the server is asked")
            yield Program(process)
        finally:
            process.kill()


@pytest.fixture
def prepared(mount: Mount) -> Mount:
    mount.emulator.generate("image.png", CONTENT, "image/png")
    mount.emulator.generate("data.csv", CONTENT, "text/csv")
    mount.mount("--refresh", "300")
    mount.emulator.forget_requests()
    return mount


@pytest.mark.parametrize(("what", "name", "how"), HARMLESS)
def test_a_signal_that_ends_no_program_ends_no_call(prepared: Mount, what: str, name: str, how: str) -> None:
    mount = prepared
    mount.emulator.fault(OPERATION[what], {"kind": "delay", "seconds": 0.5})
    with asks(mount, **{"close": {"upload": 1}, "read": {"download": 1}, "write": {"download": 1, "upload": 1, "delete": 1}}[what]):
        with waiting(mount, what, name, how) as program:
            if name != "SIGALRM":
                program.gets(name)
            wait_until(lambda: program.has_pending(name), "the signal is there")
            code, said = program.ends()
        expected = {"close": (0, ""), "read": (len(CONTENT), CONTENT.decode()), "write": (3, "NEW")}[what]
        assert (code, said) == (0, {"returned": expected[0], "errno": 0, "handled": True, "data": expected[1]})
    if what != "read":
        stored = {file["filename"]: mount.emulator.content(file["id"]) for file in mount.emulator.files()}
        assert stored[{"close": "new.txt", "write": "data.csv"}[what]] == {"close": b"content", "write": b"NEWm the server"}[what]


@pytest.mark.parametrize(("what", "name", "how"), ENDING)
def test_a_signal_that_ends_the_program_ends_its_call(prepared: Mount, what: str, name: str, how: str) -> None:
    """Also one that comes after another had interrupted the call: of that one alone the kernel tells the mount."""
    mount = prepared
    mount.emulator.fault(OPERATION[what], {"kind": "stall", "seconds": 300})
    with waiting(mount, what, "SIGALRM" if name != "SIGALRM" else "SIGWINCH", "handled") if how == "default" and name != "SIGALRM" \
            else waiting(mount, what, name, how) as program:
        if how == "default" and name != "SIGALRM":
            wait_until(lambda: program.has_pending("SIGALRM"), "an earlier one was no reason")
        program.gets(name)
        code, said = program.ends()
    if how == "handled":
        assert (code, said["returned"], said["errno"], said["handled"]) == (0, -1, errno.EINTR, True)
    else:
        assert (code, said) == (-signal.Signals[name], {})
    mount.emulator.abort_connections()
    mount.sync()
    stored = {file["filename"]: mount.emulator.content(file["id"]) for file in mount.emulator.files()}
    assert stored == {"image.png": CONTENT, "data.csv": CONTENT, **({"new.txt": b"content"} if what == "close" else {})}


@pytest.mark.root
def test_a_container_on_the_mounts_machine_is_no_exception(prepared: Mount) -> None:
    """Its processes have a number here, too, other than the one that they know."""
    prepared.emulator.fault("upload", {"kind": "delay", "seconds": 0.5})
    command = ["unshare", "--pid", "--fork", sys.executable, "-m", "tests.signalled_program", str(prepared.path / "new.txt"), "close", "SIGALRM", "handled"]
    with asks(prepared, upload=1):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=BOUND_S, check=True)
        assert json.loads(done.stdout.splitlines()[-1]) == {"returned": 0, "errno": 0, "handled": True, "data": ""}


# ---- real programs

def test_scp_with_its_progress_timer_copies(mount: Mount, tmp_path: Path) -> None:
    """-O: its own protocol. The program that it should reach the other machine with runs the other side here."""
    files = mount.mount()
    (tmp_path / "source.bin").write_bytes(content := os.urandom(300_000))
    reach = tmp_path / "reach"
    reach.write_text('#!/bin/bash\nexec bash -c "${!#}"\n')
    reach.chmod(0o755)
    mount.emulator.fault("upload", {"kind": "delay", "seconds": 2.5})       # its timer ticks each second
    with asks(mount, upload=1), Terminal(["scp", "-O", "-S", str(reach), f"here:{tmp_path}/source.bin", "copy.bin"], files) as scp:
        assert scp.ends() == 0
    [stored] = mount.emulator.files()
    assert mount.emulator.content(stored["id"]) == content


def test_a_backup_by_a_go_program_meets_no_signal_of_its_scheduler(mount: Mount, tmp_path: Path) -> None:
    """Go wakes its threads by SIGURG, ten times a second and more."""
    files = mount.mount()
    (tmp_path / "source").mkdir()
    for number in range(30):
        (tmp_path / "source" / f"{number}").write_bytes(os.urandom(200_000))
    mount.emulator.switch(latency_ms=60)
    environment = {**os.environ, "RESTIC_PASSWORD": "x", "HOME": str(tmp_path), "RESTIC_REPOSITORY": str(files / "backup")}
    for command in (["init"], ["backup", "source"], ["check"]):
        done = subprocess.run(["restic", "--no-cache", *command], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=110, check=False)
        assert (done.returncode, "interrupted" in done.stderr) == (0, False), done.stderr


@pytest.mark.parametrize("end", [lambda process: process.send_signal(signal.SIGINT), lambda process: process.kill()], ids=["Ctrl-C", "kill -9"])
def test_cp_is_ended_in_a_moment_and_timeout_ends_it(prepared: Mount, tmp_path: Path, end: Callable[[subprocess.Popen[bytes]], None]) -> None:
    (tmp_path / "big.bin").write_bytes(os.urandom(20_000_000))      # more than a connection holds, so surely not stored
    prepared.emulator.fault("upload", {"kind": "stall", "seconds": 300}, times=2)
    with subprocess.Popen(["env", "--default-signal=INT", "cp", tmp_path / "big.bin", prepared.path / "one.bin"]) as cp:
        wait_until(lambda: prepared.emulator.requests("upload"), "the server is asked")
        end(cp)
        assert cp.wait(BOUND_S) < 0
    done = subprocess.run(["timeout", "0.5", "cp", tmp_path / "big.bin", prepared.path / "two.bin"], check=False, timeout=BOUND_S)
    assert done.returncode == 124
    prepared.emulator.clear_faults()
    prepared.emulator.abort_connections()
    prepared.sync()
    assert {file["filename"] for file in prepared.emulator.files()} == {"image.png", "data.csv", "one.bin", "two.bin"}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_program_that_is_killed_before_its_close_waits_for_nobody(mount: Mount, number: signal.Signals) -> None:
    """Its end is a close, too."""
    files = mount.mount()
    mount.emulator.fault("upload", {"kind": "stall", "seconds": 300})
    writer = "import sys, signal\nsignal.signal(2, signal.SIG_DFL)\nf = open(sys.argv[1], 'wb', 0)\nf.write(b'half')\nprint('wrote', flush=True)\nsignal.pause()"
    with subprocess.Popen([sys.executable, "-c", writer, files / "a.bin"], stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        program.stdout.readline()
        program.send_signal(number)
        assert program.wait(BOUND_S) == -number
    wait_until(lambda: mount.emulator.requests("upload"), "it is sent all the same")
    mount.emulator.abort_connections()
