"""Everything of one run of the benchmark: files, servers, the wire, mounts; and the end of all of it.

Owns    one temporary directory, all processes and mounts below it.
Serves  the rows: a fresh mount, a cold read, what it cost.
Trusts  the emulator's journal for anthrofs' requests, and the proxy's counts for those of the others.
Never   leaves a process or a mount: whatever is entered here is left in reverse order, also after Ctrl-C.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

from tests.bench.peers import RcloneMount, RcloneServer
from tests.bench.table import Cost
from tests.bench.wire import Wire
from tests.emulator.process import EmulatorProcess
from tests.mounting import Mount

ANTHROFS, CURL, RCLONE = range(3)       # doors of the wire
PIECE_BYTES: Final = 2**20
QUIET_S: Final = 0.05                   # a connection is given back a moment after its last byte, and its end takes one
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Sizes:
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


SHORT: Final = Sizes(repetitions=2, big_bytes=16 * 2**20, long_bytes=40 * 10**6, small_files=20, small_repetitions=1, long_repetitions=1)


class Stage:
    """`with Stage(SHORT) as stage: ...`"""

    def __init__(self, sizes: Sizes, *, with_rclone: bool) -> None:
        self.sizes = sizes                      # constant
        self.with_rclone = with_rclone          # constant
        self._ends = ExitStack()
        self._count = 0                         # of mounts so far

        # Constant once entered:
        self.base = Path()
        self.emulator: EmulatorProcess
        self.wire: Wire
        self.ids: dict[str, str] = {}           # of files by name
        self.big: list[str] = []
        self.small: list[str] = []
        self.long = "long.bin"

    def __enter__(self) -> Self:
        with ExitStack() as ends:
            self.base = Path(os.path.realpath(ends.enter_context(tempfile.TemporaryDirectory(prefix="anthrofs-bench."))))
            self.origin.mkdir()
            self.emulator = ends.enter_context(EmulatorProcess(self.base / "emulator"))
            self._make_files()
            address = self.emulator.url.removeprefix("http://")
            rclone = ends.enter_context(RcloneServer(self.base, self.origin)).address if self.with_rclone else address
            self.wire = ends.enter_context(Wire([address, address, rclone]))
            self._ends = ends.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ends.__exit__(kind, error, trace)

    @property
    def origin(self) -> Path:
        """What rclone serves; anthrofs' server has the same content."""
        return self.base / "origin"

    @property
    def headers(self) -> dict[str, str]:
        return {"x-api-key": self.emulator.key, "anthropic-version": "2023-06-01", "anthropic-beta": "files-api-2025-04-14"}

    def content_path(self, name: str) -> str:
        return f"/v1/files/{self.ids[name]}/content?beta=true"

    # ---- mounts, each on a state of its own: nothing was ever read by it

    @contextmanager
    def anthrofs(self) -> Iterator[Mount]:
        """The listing was looked at; a connection may be open since then, as with rclone."""
        with self._place() as place:
            mount = Mount(place, self.emulator)
            mount.environment["ANTHROPIC_BASE_URL"] = self.wire.url(ANTHROFS)
            try:
                look(mount.mount())
                yield mount
            finally:
                mount.finish()

    @contextmanager
    def rclone(self) -> Iterator[RcloneMount | None]:
        """None: this run has no rclone."""
        if not self.with_rclone:
            yield None
            return
        with self._place() as place:
            mount = RcloneMount(place, self.wire.url(RCLONE))
            try:
                look(mount.mount())
                yield mount
            finally:
                mount.end()

    def remount(self, mount: Mount, peer: RcloneMount | None) -> None:
        """Both with the caches that they have."""
        look(mount.remount())
        if peer is not None:
            look(peer.remount())

    @contextmanager
    def _place(self) -> Iterator[Path]:
        self._count += 1
        place = self.base / str(self._count)
        place.mkdir()
        # What earlier measurements left to be written to the disk is no part of the next one.
        os.sync()
        yield place
        shutil.rmtree(place)            # not after a failure: the mount may still be there

    def disconnect(self) -> None:
        """No client has a connection to the emulator any more; their next requests begin with a connect."""
        self.emulator.abort_connections()
        time.sleep(QUIET_S)

    # ---- what something costs

    def cost(self, door: int, action: Callable[[], object], *names: str) -> Cost:
        """`names`: the files whose requests count for anthrofs; none: all."""
        if door == ANTHROFS:
            self.emulator.forget_requests()
        before = self.wire.counts(door)
        start_s = time.perf_counter()
        action()
        time_s = time.perf_counter() - start_s
        asked = self._asked(names) if door == ANTHROFS else None
        wire = self.wire.counts(door) - before
        return Cost(time_s, wire.requests if asked is None else asked, wire)

    def _asked(self, names: Sequence[str]) -> int:
        """Requests for content since the last `forget`, once they are finished."""
        time.sleep(QUIET_S)
        ids = {self.ids[name] for name in names or self.ids}
        asked = [request for request in self.emulator.requests("download") if request["file_id"] in ids]
        self.emulator.wait_for_requests(len(asked), "download")
        return len(asked)

    # ---- files

    def _make_files(self) -> None:
        sizes = self.sizes
        self.big = [f"big-{number}.bin" for number in range(sizes.repetitions)]
        self.small = [f"small-{number:02}.bin" for number in range(sizes.small_files)]
        for name in self.big:
            self._make(name, sizes.big_bytes)
        for name in self.small:
            self._make(name, sizes.small_bytes)
        self._make(self.long, sizes.long_bytes)

    def _make(self, name: str, size_bytes: int) -> None:
        """One random piece again and again, each time with a stamp of its own: no two blocks of a run are the same."""
        piece = bytearray(os.urandom(min(size_bytes, PIECE_BYTES)))
        with (self.origin / name).open("wb") as file:
            for offset in range(0, size_bytes, PIECE_BYTES):
                piece[:8] = offset.to_bytes(8)
                file.write(memoryview(piece)[:size_bytes - offset])
        self.ids[name] = self.emulator.generate(name, (self.origin / name).read_bytes())["id"]


def look(path: Path) -> None:
    """The directory and all its attributes are known to the kernel and the mount."""
    subprocess.run(["ls", "-l", str(path)], check=True, capture_output=True)


def cat(path: Path) -> None:
    """`cat PATH > /dev/null`"""
    subprocess.run(["cat", str(path)], stdout=subprocess.DEVNULL, check=True)


def shell(script: str, directory: Path) -> None:
    subprocess.run(["bash", "-e", "-o", "pipefail", "-c", script], cwd=directory, stdout=subprocess.DEVNULL, check=True)


def in_turn(repetitions: int, *sides: Callable[[int], T]) -> list[list[T]]:
    """Each side's results of all repetitions; who begins changes, so that a slow moment doesn't always hit the same."""
    results: list[list[T]] = [[] for _ in sides]
    for number in range(repetitions):
        for place in range(len(sides)):
            side = (number + place) % len(sides)
            results[side].append(sides[side](number))
    return results
