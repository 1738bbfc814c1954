"""A mount as a user has it, for tests: the command, the directory, the state, and what must be true at the end.

Owns    one mount point and one state directory below a temporary one, and whatever process serves them.
Trusts  nothing to be clean at the end: `finish` proves it.
"""

import ctypes
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ctypes.util import find_library
from pathlib import Path
from typing import Any, Final, Protocol

import pytest

from anthrofs.client import control_client
from anthrofs.errors import SetupError
from anthrofs.fuse import mountpoint
from anthrofs.tree.fsck import problems
from tests.emulator.process import EmulatorProcess

COMMAND: Final = [sys.executable, "-m", "anthrofs"]
ROOT: Final = Path(__file__).parents[1]
# The libfuse that mounts here use: as fuse/binding.py chooses, unless ANTHROFS_BINDING says which.
LIBFUSE: Final = 2 if os.environ.get("ANTHROFS_BINDING") == "fusepy" or find_library("fuse3") is None else 3
OURS: Final = ("ANTHROFS_BINDING", "ANTHROFS_PYTHON")   # of a developer's own variables these count in tests, and no others
SESSION: Final = ("DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR")       # variables by which a mount would find somebody's desktop
BOUND_S: Final = 60.0           # for any command here
WAIT_S: Final = 30.0            # for any event here


class HasServer(Protocol):
    """Somebody with an emulator."""

    emulator: EmulatorProcess


class Mount:
    """One mount point on one state; mounted, unmounted and killed as often as a test likes."""

    def __init__(self, base: Path, emulator: EmulatorProcess) -> None:
        self.emulator = emulator
        self.path = base / "files"
        self.state_dir = base / "state"
        self.path.mkdir(parents=True)
        self.environment = {
            **{name: value for name, value in os.environ.items()
               if not name.startswith(("ANTHROPIC_", "NOTIFY_", "ANTHROFS_", "CREDENTIALS_", *SESSION)) or name in OURS},
            "ANTHROFS_CONFIG": os.devnull,      # nor does a developer's own file
            "ANTHROPIC_API_KEY": emulator.key, "ANTHROPIC_BASE_URL": emulator.url, "PYTHONPATH": str(ROOT),
            "XDG_STATE_HOME": str(base / "states"),         # a test's mounts are no mounts of the developer's
            "PYTHONWARNINGS": "error::ResourceWarning"}
        self.hurried = False        # it asks for more in a minute than a user's may: many tests share it, or it asks for thousands
        self._allowed: list[str] = []
        self._problems_allowed: list[str] = []

    # ---- the command

    def run(self, *arguments: str | Path, timeout: float = BOUND_S, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """`anthrofs ARGUMENTS`, whatever comes of it."""
        return subprocess.run([*COMMAND, *map(str, arguments)], env={**self.environment, **(environment or {})}, text=True,
                              capture_output=True, timeout=timeout, check=False)

    def ok(self, *arguments: str | Path, timeout: float = BOUND_S) -> str:
        """`anthrofs ARGUMENTS`, which must succeed; its standard output."""
        done = self.run(*arguments, timeout=timeout)
        assert done.returncode == 0, (arguments, done.returncode, done.stderr, self.log())
        return done.stdout

    def mount(self, *options: str) -> Path:
        """Mounted and ready. Unless the options say when, no look of the test's asks for the listing: a slow machine adds no requests."""
        chosen = (*(("--requests-per-minute", "100000") if self.hurried else ()), *(() if "--refresh" in options else ("--refresh", "300")))
        self.ok("mount", "--state-dir", self.state_dir, *chosen, *options, self.path)
        assert mountpoint.is_mounted(self.path)
        return self.path

    def umount(self) -> None:
        """Everything is sent, and the process has ended: what the command does, without its start."""
        self.sync()
        mountpoint.unmount(self.path)
        self.wait_for_end()

    def remount(self, *options: str) -> Path:
        self.umount()
        return self.mount(*options)

    def sync(self) -> None:
        """Everything is on the server."""
        *_, left = control_client.ask(self.state_dir, "drain", timeout_s=WAIT_S)
        assert left["waiting"] + left["deletions"] == []

    def refresh(self) -> bool:
        """What others did until now was listed: what the command does, without its start. True, for conditions to wait for."""
        list(control_client.ask(self.state_dir, "refresh", timeout_s=WAIT_S))
        return True

    def status(self) -> dict[str, Any]:
        return next(control_client.ask(self.state_dir, "status"))

    def answers(self) -> bool:
        """The kernel has a mount a moment before its process answers requests; `anthrofs mount` waits for that, where it leaves the
        foreground.
        """
        try:
            return mountpoint.is_mounted(self.path) and "pid" in control_client.only(self.state_dir, "where")
        except SetupError:
            return False

    def end_now(self) -> None:
        """Unmounted without waiting for what is queued: two signals, as an impatient person sends them."""
        pid = self.pid()
        for _ in range(2):
            if runs(pid):
                os.kill(pid, signal.SIGTERM)
                wait_until(lambda: not mountpoint.is_mounted(self.path), "the mount point is free")
        self.wait_for_end(pid)

    # ---- the process

    def pid(self) -> int:
        """Of the daemon, as its lock file says."""
        return int(json.loads((self.state_dir / "lock").read_text())["pid"])

    def kill(self) -> None:
        """kill -9, and the dead mount is taken away."""
        pid = self.pid()
        os.kill(pid, signal.SIGKILL)
        self.wait_for_end(pid)
        subprocess.run(["fusermount3", "-u", "-z", str(self.path)], check=True, timeout=BOUND_S)

    def wait_for_end(self, pid: int | None = None) -> None:
        pid = self.pid() if pid is None else pid
        wait_until(lambda: not runs(pid), "the daemon ends")

    # ---- what it said

    def log(self) -> str:
        path = self.state_dir / "anthrofs.log"
        return path.read_text() if path.exists() else ""

    def expects(self, *patterns: str) -> None:
        """Warnings and errors that this test provokes, as regular expressions; any other fails it."""
        self._allowed += patterns

    def leaves(self, *patterns: str) -> None:
        """What `anthrofs check` may find at the end."""
        self._problems_allowed += patterns

    # ---- the end

    def finish(self) -> None:
        """Unmount if need be; then no mount, no process, no damage, no unexpected line, no key in the log."""
        if mountpoint.is_mounted(self.path):
            try:
                for _ in control_client.ask(self.state_dir, "drain", timeout_s=WAIT_S, last=True):
                    pass
                mountpoint.unmount(self.path)
            except SetupError as exc:
                with suppress(OSError):         # it may have ended; else it goes on asking the server, which later tests share
                    os.kill(self.pid(), signal.SIGKILL)
                subprocess.run(["fusermount3", "-u", "-z", str(self.path)], check=False, timeout=BOUND_S)
                raise AssertionError(f"{exc}\n{self.log()}") from exc
        if (self.state_dir / "lock").exists():
            self.wait_for_end()
        unexpected = Path(self.environment["XDG_STATE_HOME"], "anthrofs", "unexpected.log")
        assert not unexpected.exists(), unexpected.read_text()
        lines = [line for line in self.log().splitlines() if re.match(r"\S+ \S+ (WARNING|ERROR|CRITICAL)|Traceback", line)
                 and not any(re.search(pattern, line) for pattern in self._allowed)]
        assert not lines, "\n".join(lines) + "\n" + self.log()
        assert self.emulator.key not in self.log()
        if (self.state_dir / "state.db").exists():
            found = [line for line in self.found_problems() if not any(re.search(p, line) for p in self._problems_allowed)]
            assert not found, found

    def found_problems(self) -> list[str]:
        """Whatever the state's invariants are violated by."""
        return problems(self.state_dir)


USER: Final = 12345             # nobody's number


def owned() -> list[str]:
    """Mount options: its files belong to `ordinary_user`."""
    return [] if os.geteuid() else ["-o", f"uid={USER},gid={USER}"]


@contextmanager
def ordinary_user() -> Iterator[None]:
    """The block is somebody without privileges to whatever looks at a file's mode. (Of this thread alone the kernel takes another
    number for files, and root's power over them with it. A program that the block starts is root again.)
    """
    if os.geteuid():
        yield
        return
    libc = ctypes.CDLL(None)
    libc.setfsgid(USER)
    libc.setfsuid(USER)
    try:
        yield
    finally:
        libc.setfsuid(0)
        libc.setfsgid(0)


def wait_until(true: Callable[[], object], what: str) -> None:
    """Poll for something that has no event to wait for: another process's end, a file's appearance."""
    until_s = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < until_s, f"not within {WAIT_S} s: {what}"
        time.sleep(0.02)


def content_of(path: Path) -> bytes | None:
    """What is read; None: it can't be. (What couldn't be had whole isn't asked for again for a moment while somebody has it open, and the
    kernel tells of a last close a moment after it.)
    """
    try:
        return path.read_bytes()
    except OSError:
        return None


def runs(pid: int) -> bool:
    """Whether a process lives; one that has ended and waits for its parent doesn't."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@contextmanager
def asks(mount: Mount, **counts: int) -> Iterator[None]:
    """The block costs exactly these requests; operations that aren't named cost none. Deletions are waited for."""
    mount.emulator.forget_requests()
    yield
    mount.sync()
    # Of what is removed while the kernel hasn't told of its last close yet, the deletion can come a moment after the sync.
    with suppress(AssertionError):          # what is missing is said below
        wait_until(lambda: len(mount.emulator.requests()) >= sum(counts.values()), "all is asked")
    asked = [request["operation"] for request in mount.emulator.requests()]
    assert {name: asked.count(name) for name in sorted(set(asked))} == dict(sorted(counts.items()))


def forbid_looks(monkeypatch: pytest.MonkeyPatch, files: Path) -> None:
    """From now on this process fails when it looks at a mount's files, its root included."""
    def watched(call: Callable[..., Any]) -> Callable[..., Any]:
        def checked(*arguments: Any, **named: Any) -> Any:
            assert not (arguments and str(arguments[0]).startswith(str(files))), f"{arguments[0]} was looked at"
            return call(*arguments, **named)
        return checked

    for module, name in ((os, "getxattr"), (os, "lstat"), (os, "stat"), (os, "readlink"), (os, "scandir"), (os.path, "realpath"), (os.path, "lexists")):
        monkeypatch.setattr(module, name, watched(getattr(module, name)))


def stored(mount: HasServer) -> dict[str, bytes]:
    """Name → content of the files on the server; of those with one name, one."""
    return {file["filename"]: mount.emulator.content(file["id"]) for file in mount.emulator.files()}


def stored_counted(mount: Mount) -> Counter[tuple[str, bytes]]:
    """How often each name and content is on the server."""
    return Counter((file["filename"], mount.emulator.content(file["id"])) for file in mount.emulator.files())


def stored_names(mount: Mount) -> Counter[str]:
    """How often each name is on the server."""
    return Counter(file["filename"] for file in mount.emulator.files())


def state_of(path: Path) -> str:
    """What the mount says of a file."""
    return os.getxattr(path, "user.anthropic.state").decode()


def listed(directory: Path) -> list[str]:
    return sorted(os.listdir(directory))


def shell(script: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """A line as typed into bash, in a directory."""
    return subprocess.run(["bash", "-c", script], cwd=directory, text=True, capture_output=True, timeout=BOUND_S, check=False)


def damaged_page(path: Path) -> None:
    """One page of a database is noise."""
    with path.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(os.urandom(4096))
