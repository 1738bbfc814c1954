"""One mount that is ended badly again and again: its server, its state, and the process that serves it.

Owns    everything below one directory, until `close`; the state may be on a small disk of its own.
Trusts  the mount point to be free when the process has ended and was detached.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from anthrofs.client import control_client
from anthrofs.errors import SetupError
from anthrofs.fuse import mountpoint
from anthrofs.tree.fsck import problems
from tests.emulator.process import EmulatorProcess
from tests.mounting import ROOT, Mount, runs, wait_until

DRAIN_S: Final = 90.0           # an answer that was lost is looked for during 20 s, and again after each kill
SMALL_BYTES: Final = 1300 * 2**20       # below 1 GiB of free space copies aren't kept, below 512 MiB nothing is taken


class Host:
    """`with Host(base, small=False) as host: …`; mounted by `start`, ended by whatever the campaign does."""

    def __init__(self, base: Path, *, small: bool) -> None:
        self.emulator = EmulatorProcess(base / "server" / "data")
        self.small = small                  # the state has a disk that can be filled
        self._base = base
        self._mount: Mount | None = None
        self._starter: subprocess.Popen[str] | None = None
        self._pid = 0

    def __enter__(self) -> Self:
        self.emulator.start()
        self._mount = Mount(self._base / "here", self.emulator)
        if self.small:
            self.disk.mkdir()
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL_BYTES},mode=0700", "anthrofs-small", self.disk], check=True)
            self._mount.state_dir = self.disk / "state"
        self._starter = subprocess.Popen([sys.executable, "-m", "tests.torture.daemon"], cwd=ROOT, env=self._mount.environment, text=True,
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.detach()
        assert self._starter is not None
        self._starter.communicate()         # its input ends, so it ends
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.emulator.pid, signal.SIGCONT)
        self.emulator.stop()
        if self.small:
            subprocess.run(["umount", "-l", self.disk], check=True)

    @property
    def files(self) -> Path:
        return self.mount.path

    @property
    def mount(self) -> Mount:
        assert self._mount is not None
        return self._mount

    @property
    def disk(self) -> Path:
        return self._base / "disk"

    @property
    def alive(self) -> bool:
        return runs(self._pid)

    # ---- its life

    def start(self, *options: str, forgets: bool) -> None:
        """Mounted and ready. What ends the process at once is told with what it has said."""
        assert self._starter is not None
        assert self._starter.stdin is not None
        assert self._starter.stdout is not None
        state = self.mount.state_dir
        self._starter.stdin.write(json.dumps({"state": str(state), "ear": str(self._ear), "said": str(self._base / "said"), "forgets": forgets, "arguments": [
            "mount", "--foreground", "--state-dir", str(state), "--requests-per-minute", "100000", *options, str(self.files)]}) + "\n")
        self._starter.stdin.flush()
        self._pid = int(self._starter.stdout.readline())
        wait_until(lambda: self._is_ready() or not self.alive, "it is mounted")
        assert self.alive, self.said()[-3000:]

    def _is_ready(self) -> bool:
        if not mountpoint.is_mounted(self.files):
            return False
        try:
            self.mount.status()
        except SetupError:
            return False
        return True

    def tell(self, **told: Any) -> None:
        """See daemon.py. One that has ended hears nothing."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as mouth:
            mouth.sendto(json.dumps(told).encode(), str(self._ear))

    def end_power(self, mode: str, label: str | None, times: int) -> None:
        self.tell(end="power", mode=mode, label=label, times=times, lost=str(self._lost))

    def wait_for_end(self, seconds: float) -> bool:
        """Whether it has ended by then."""
        until_s = time.monotonic() + seconds
        while self.alive and time.monotonic() < until_s:
            time.sleep(0.01)
        return not self.alive

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        wait_until(lambda: not self.alive, "it ends")

    def detach(self) -> bool:
        """The dead mount is taken away. True: power was lost, and the state is as it is found then."""
        if self._pid:
            self.kill()
        subprocess.run(["fusermount3", "-u", "-z", str(self.files)], check=False, stderr=subprocess.DEVNULL)
        wait_until(lambda: not mountpoint.is_mounted(self.files), "the mount point is free")
        shutil.rmtree(self._lost.with_suffix(".part"), ignore_errors=True)     # it was killed before power was lost
        if not self._lost.exists():
            return False
        shutil.rmtree(self.mount.state_dir)
        self._lost.rename(self.mount.state_dir)
        return True

    def settle(self) -> None:
        """No mishap is left; everything is on the server, and what others have there was listed."""
        self.emulator.clear_faults()
        wait_until(lambda: self.mount.status()["open"] == [], "all is closed")
        *_, left = control_client.ask(self.mount.state_dir, "drain", timeout_s=DRAIN_S)
        assert left["waiting"] + left["deletions"] == [], left
        self.mount.refresh()

    def umount(self) -> list[str]:
        """What `anthrofs check` finds then; stages that were promised to nobody are nobody's."""
        self.mount.umount()
        return [f"check: {line}" for line in problems(self.mount.state_dir) if "belongs to nothing" not in line]

    # ---- what happens to it

    def fill(self) -> None:
        """The small disk has no room at all."""
        with (self.disk / "ballast").open("wb") as ballast:
            for size in (2**20, 2**12):
                with contextlib.suppress(OSError):
                    while True:
                        os.posix_fallocate(ballast.fileno(), ballast.seek(0, os.SEEK_END), size * 64)

    def empty(self) -> None:
        (self.disk / "ballast").unlink(missing_ok=True)

    @contextlib.contextmanager
    def silent(self) -> Any:
        """The service takes connections, and says nothing."""
        os.kill(self.emulator.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.emulator.pid, signal.SIGCONT)

    def said(self) -> str:
        """What its processes have printed, their logs among it."""
        path = self._base / "said"
        return path.read_text() if path.exists() else ""

    @property
    def _ear(self) -> Path:
        return self._base / "ear"

    @property
    def _lost(self) -> Path:
        return self.mount.state_dir.with_name("lost")
