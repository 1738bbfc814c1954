"""What is read: files that both servers have.

Owns    their sizes, names and ids.
Trusts  the emulator's journal for anthrofs' requests.
"""

import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.builds import Build
from tests.bench.stage import ANTHROFS, QUIET_S, Stage, make_file
from tests.bench.table import Cost

BOUND_S: Final = 120.0          # for any of the programs


@dataclass(frozen=True, slots=True)
class ReadSizes:
    """How much is measured."""

    repetitions: int = 5
    big_bytes: int = 256 * 2**20
    long_bytes: int = 500 * 10**6
    small_files: int = 50
    small_bytes: int = 8192
    small_repetitions: int = 5
    long_repetitions: int = 3
    random_reads: int = 20
    bandwidth_bytes_per_s: int = 125 * 10**6


SHORT: Final = ReadSizes(repetitions=2, big_bytes=16 * 2**20, long_bytes=40 * 10**6, small_files=20, small_repetitions=1,
                         long_repetitions=1)


class ReadStage(Stage):
    """`with ReadStage(builds, SHORT, with_rclone=True) as stage: ...`"""

    def __init__(self, builds: Sequence[Build], sizes: ReadSizes, *, with_rclone: bool) -> None:
        super().__init__(builds, writable=False, with_rclone=with_rclone)
        self.sizes = sizes                      # constant
        self.big = [f"big-{number}.bin" for number in range(sizes.repetitions)]         # constant
        self.small = [f"small-{number:02}.bin" for number in range(sizes.small_files)]  # constant
        self.long = "long.bin"                  # constant
        self._ids: dict[str, str] = {}          # of files by name; constant once entered

    def content_path(self, name: str) -> str:
        return f"/v1/files/{self._ids[name]}/content?beta=true"

    def cost(self, door: int, action: Callable[[], object], *names: str, pid: int | None = None) -> Cost:
        """`names`: the files whose requests count for anthrofs; none: all. `pid`: of the daemon whose CPU counts."""
        if door != ANTHROFS:
            return self.measured(door, action, pid=pid)
        self.emulator.forget_requests()
        return self.measured(door, action, lambda: self._asked(names), pid=pid)

    def _asked(self, names: Sequence[str]) -> int:
        """Requests for content since the last `forget`, once they are finished."""
        time.sleep(QUIET_S)
        ids = {self._ids[name] for name in names or self._ids}
        asked = [request for request in self.emulator.requests("download") if request["file_id"] in ids]
        self.emulator.wait_for_requests(len(asked), "download")
        return len(asked)

    def _make_files(self) -> None:
        sizes = {**dict.fromkeys(self.big, self.sizes.big_bytes), **dict.fromkeys(self.small, self.sizes.small_bytes),
                 self.long: self.sizes.long_bytes}
        for name, size_bytes in sizes.items():
            make_file(self.origin / name, size_bytes)
            self._ids[name] = self.emulator.generate(name, (self.origin / name).read_bytes())["id"]


def cat(path: Path) -> None:
    """`cat PATH > /dev/null`"""
    subprocess.run(["cat", str(path)], stdout=subprocess.DEVNULL, check=True, timeout=BOUND_S)
