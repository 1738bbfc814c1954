"""Mounts with which anthrofs is compared, and their servers: rclone, s3fs.

Owns    its processes and their cache directory.
Trusts  rclone's log line to mean that its port is open, and the kernel's list of mounts.
Never   reads an rclone configuration of yours.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.bench.s3 import BUCKET
from tests.bench.wire import ROOT
from tests.gateways.running import await_end

READY_S: Final = 20.0
STOP_S: Final = 10.0
UPLOADS_S: Final = 120.0
# setpriv: they end with us, however we end. A session of their own: Ctrl-C is for us, and we end them in order.
RCLONE: Final = ["setpriv", "--pdeathsig", "TERM", "rclone"]

READS: Final = ("--vfs-cache-mode", "full")
WRITES: Final = ("--vfs-cache-mode", "writes", "--vfs-write-back", "0s", "-v")


class Rclone:
    """One rclone process; what it prints is in a file that is shown if it fails."""

    def __init__(self, base: Path, name: str, *arguments: str | Path, environment: Mapping[str, str] | None = None) -> None:
        self._log = base / f"rclone-{name}.log"         # constant
        # An empty configuration of its own: rclone would say that it misses one, or find yours.
        (base / "rclone.conf").touch()
        given = {**{name: value for name, value in os.environ.items() if not name.startswith("RCLONE_")}, **(environment or {})}
        with self._log.open("w") as log:
            self._process = subprocess.Popen([*RCLONE, "--config", str(base / "rclone.conf"), *map(str, arguments)], env=given,
                                             stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    @property
    def pid(self) -> int:
        """rclone's own: setpriv has become it."""
        return self._process.pid

    def said(self) -> str:
        return self._log.read_text()

    def wait_a_little(self, until_s: float) -> None:
        if self._process.poll() is not None or time.monotonic() > until_s:
            raise RuntimeError(f"rclone has ended, or takes too long:\n{self.said()}")
        time.sleep(0.01)

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
        self.wait_for_end()

    def wait_for_end(self) -> None:
        await_end(self._process, STOP_S)


class RcloneServer:
    """`rclone serve webdav` of a directory."""

    def __init__(self, base: Path, directory: Path, *, writable: bool = False) -> None:
        self._rclone = Rclone(base, "server", "serve", "webdav", *([] if writable else ["--read-only"]),
                              "--addr", "127.0.0.1:0", directory)
        until_s = time.monotonic() + READY_S
        while not (found := re.search(r"started on \[?http://([\d.]+:\d+)/", self._rclone.said())):
            self._rclone.wait_a_little(until_s)
        self.address = found[1]         # constant

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._rclone.stop()


class RcloneMount:
    """Mounts as a person makes them who wants what anthrofs gives: READS from a cache on disk that outlives the mount, or WRITES
    to it that are sent at once.
    """

    def __init__(self, base: Path, url: str, options: Sequence[str]) -> None:
        self._base = base               # constant
        self._url = url                 # constant
        self._options = options         # constant
        self.path = base / "files"      # constant
        self.path.mkdir(parents=True)
        self._rclone: Rclone | None = None      # while mounted

    @property
    def pid(self) -> int:
        assert self._rclone is not None
        return self._rclone.pid

    def mount(self) -> Path:
        environment = {"RCLONE_CONFIG_ORIGIN_TYPE": "webdav", "RCLONE_CONFIG_ORIGIN_URL": self._url,
                       "RCLONE_CONFIG_ORIGIN_VENDOR": "other"}
        self._rclone = Rclone(self._base, "mount", "mount", "origin:", self.path, *self._options,
                              "--allow-non-empty", "--cache-dir", self._base / "cache", environment=environment)
        until_s = time.monotonic() + READY_S
        while not is_mounted(self.path):
            self._rclone.wait_a_little(until_s)
        return self.path

    def remount(self) -> Path:
        self.end()
        return self.mount()

    def wait_for_uploads(self, count: int) -> None:
        """Until so many have been answered. Needs the options WRITES: its log says so."""
        assert self._rclone is not None
        until_s = time.monotonic() + UPLOADS_S
        while self._rclone.said().count(": Copied (") < count:
            self._rclone.wait_a_little(until_s)

    def end(self) -> None:
        """Unmounted, its process gone; the cache stays."""
        if self._rclone is None:
            return
        if is_mounted(self.path) and subprocess.run(["fusermount3", "-u", str(self.path)], check=False, capture_output=True).returncode:
            subprocess.run(["fusermount3", "-u", "-z", str(self.path)], check=False, capture_output=True)
            self._rclone.stop()
        self._rclone.wait_for_end()
        self._rclone = None


class S3Server:
    """A bucket of so many files."""

    def __init__(self, count: int) -> None:
        self._process = subprocess.Popen([sys.executable, "-m", "tests.bench.s3", str(count)], cwd=ROOT, text=True, start_new_session=True,
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self.address = f"127.0.0.1:{int(self._process.stdout.readline())}"      # constant

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.communicate()         # closes its standard input, on which it ends


class S3fsMount:
    """`with S3fsMount(base, url) as mount: ...`; read-only, as it comes."""

    def __init__(self, base: Path, url: str) -> None:
        self._url = url                 # constant
        self._base = base               # constant
        self.path = base / "files"      # constant
        self.path.mkdir()

    def __enter__(self) -> Self:
        (self._base / "password").write_text("any:key")
        (self._base / "password").chmod(0o600)
        options = f"url={self._url},use_path_request_style,passwd_file={self._base / 'password'},ro"
        self._process = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", "s3fs", BUCKET, str(self.path), "-f", "-o", options],
                                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        until_s = time.monotonic() + READY_S
        while not is_mounted(self.path):
            assert self._process.poll() is None, "s3fs has ended"
            assert time.monotonic() < until_s, "s3fs takes too long"
            time.sleep(0.01)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        subprocess.run(["fusermount3", "-u", "-z", str(self.path)], check=False, capture_output=True)
        await_end(self._process, STOP_S)

    @property
    def pid(self) -> int:
        """s3fs's own: setpriv has become it."""
        return self._process.pid


def is_mounted(path: Path) -> bool:
    """Whether anything is mounted right there. No stat: a mount that hangs would hang us."""
    return any(line.split(" ")[4] == str(path) for line in Path("/proc/self/mountinfo").read_text().splitlines())
