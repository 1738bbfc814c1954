"""Samples of a mount: what its process and its state take at one moment.

Owns    nothing; each figure is read from /proc, from the directory of the state, or asked of the watched process.
Trusts  the process to live: a sample of an ended one raises.
"""

import json
import math
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from tests.mounting import ROOT, Mount, wait_until

MIB: Final = 2**20
SAMPLE_S: Final = 60.0
TOMBSTONE_BYTES: Final = 400        # what one takes in the database, with its indexes, at most

Sample = dict[str, float]

# What is judged, and by how much it may rise over the judged span of a run: what was seen to swing at rest. In MiB where sizes.
BOUNDS: Final = {
    "memory MiB": 6.0,
    "heap blocks": 15_000,
    "descriptors": 6,
    "open in cache": 128,
    "threads": 6,
    "rows": 300,
    "tombstones": math.inf,         # of an hour's deletions; then they are flat, too
    "database MiB": 1.0,            # and TOMBSTONE_BYTES for each of those that are more
    "its log MiB": 4.5,
    "cache MiB": 70.0,
    "staging MiB": 1.0,
    "kept MiB": 30.0,
    "kept files": 60,
    "log MiB": 3.2,
}
BACK: Final = ("descriptors", "threads")        # what has to be as it was before the work, within its bound


class Watched:
    """One mount in the foreground, whose heap can be asked for."""

    def __init__(self, mount: Mount, *options: str) -> None:
        self._mount = mount                                                 # given
        ours, theirs = socket.socketpair()
        self._socket = ours
        self._socket.settimeout(SAMPLE_S)
        self._lines = ours.makefile("rw")
        command = [sys.executable, "-m", "tests.soak.watched", str(theirs.fileno()), "mount", "--foreground", "--state-dir", str(mount.state_dir),
                   *options, str(mount.path)]
        with theirs:
            self.process = subprocess.Popen(command, env=mount.environment, cwd=ROOT, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL,
                                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: mount.answers() or self.process.poll() is not None, "it is mounted, and answers")
        assert self.process.poll() is None, mount.log()

    def heap(self, ask: str = "blocks") -> dict[str, Any]:
        self._lines.write(f"{ask}\n")
        self._lines.flush()
        answered: dict[str, Any] = json.loads(self._lines.readline())
        return answered

    def sample(self, *, at_rest: bool = False) -> Sample:
        """Everything of this moment."""
        state, process = self._mount.state_dir, Path(f"/proc/{self.process.pid}")
        heap = self.heap("rest" if at_rest else "blocks")
        opened = heap["descriptors"]
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        kept = list(sizes(state / "kept"))
        cached = sum(path.startswith((f"{state}/cache/", f"{state}/kept/")) for path in opened)
        return {
            "at s": time.time(),
            "memory MiB": int(status["VmRSS"].split()[0]) / 1024,
            "heap blocks": heap["blocks"],
            "descriptors": len(opened) - cached,
            "open in cache": cached,
            "threads": int(status["Threads"]),
            "rows": sum(heap["rows"].values()) - heap["tombstones"],
            "tombstones": heap["tombstones"],
            "database MiB": size(state / "state.db") / MIB,
            "its log MiB": size(state / "state.db-wal") / MIB,
            "cache MiB": sum(sizes(state / "cache")) / MIB,
            "staging MiB": sum(sizes(state / "staging")) / MIB,
            "kept MiB": sum(kept) / MIB,
            "kept files": len(kept),
            "log MiB": sum(size(path) for path in state.glob("anthrofs.log*")) / MIB,
        }

    def end(self) -> None:
        """After everything is sent: unmounted, and the process has ended without a fault."""
        self._mount.umount()
        assert self.process.wait(SAMPLE_S) == 0
        self.close()

    def close(self) -> None:
        """Without the socket the mount ends by itself, if it hasn't."""
        self._lines.close()
        self._socket.close()
        self.process.wait(SAMPLE_S)


def size(path: Path) -> int:
    """Bytes on the disk; 0 of what isn't there."""
    try:
        return path.stat().st_blocks * 512
    except FileNotFoundError:
        return 0


def sizes(directory: Path) -> Iterable[int]:
    """Of its files, those that go meanwhile left out."""
    with os.scandir(directory) as entries:
        yield from [size(Path(entry.path)) for entry in entries]
