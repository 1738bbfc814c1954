"""What every run of the benchmark needs: servers, the wire, mounts; and the end of all of it.

Owns    one temporary directory, all processes and mounts below it.
Trusts  the proxy's counts for the requests of others; anthrofs' are counted by who knows what it was to ask.
Never   leaves a process or a mount: whatever is entered here is left in reverse order, also after Ctrl-C.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

from tests.bench.builds import Build, BuiltMount
from tests.bench.peers import RcloneMount, RcloneServer
from tests.bench.process import cpu_s
from tests.bench.table import NOTHING, Cost
from tests.bench.wire import Counts, Wire
from tests.emulator.process import EmulatorProcess

ANTHROFS, CURL, RCLONE = range(3)       # doors of the wire
DIRECT: Final = -1                      # no door: without the wire, so without its delays and its counts
PIECE_BYTES: Final = 2**20
QUIET_S: Final = 0.05                   # a connection is given back a moment after its last byte, and its end takes one
T = TypeVar("T")
U = TypeVar("U")


class Stage:
    """`with Stage(builds, writable=False, with_rclone=True) as stage: ...`"""

    def __init__(self, builds: Sequence[Build], *, writable: bool, with_rclone: bool) -> None:
        self.builds = builds                    # constant: this version, and the one beside it
        self._writable = writable               # constant: whether rclone's server takes files
        self.with_rclone = with_rclone          # constant
        self._ends = ExitStack()
        self._count = 0                         # of mounts so far

        # Constant once entered:
        self.base = Path()
        self.emulator: EmulatorProcess
        self.wire: Wire
        self._rclone = ""           # the address of its server

    def __enter__(self) -> Self:
        with ExitStack() as ends:
            self.base = Path(os.path.realpath(ends.enter_context(tempfile.TemporaryDirectory(prefix="anthrofs-bench."))))
            self.origin.mkdir()
            self.emulator = ends.enter_context(EmulatorProcess(self.base / "emulator"))
            self._make_files()
            address = self._rclone = self.emulator.url.removeprefix("http://")
            if self.with_rclone:
                self._rclone = ends.enter_context(RcloneServer(self.base, self.origin, writable=self._writable)).address
            self.wire = ends.enter_context(Wire([address, address, self._rclone]))
            self._ends = ends.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ends.__exit__(kind, error, trace)

    @property
    def origin(self) -> Path:
        """What rclone serves."""
        return self.base / "origin"

    @property
    def headers(self) -> dict[str, str]:
        return {"x-api-key": self.emulator.key, "anthropic-version": "2023-06-01", "anthropic-beta": "files-api-2025-04-14"}

    def _make_files(self) -> None:
        """What has to be there before anybody looks."""

    # ---- mounts, each on a state of its own: nothing was ever read by it

    @contextmanager
    def unlooked(self, build: Build, url: str | None = None) -> Iterator[BuiltMount]:
        """A place for a mount of this version: nothing is mounted yet. `url`: None: over the wire."""
        with self._place() as place:
            mount = BuiltMount(place, self.emulator, build)
            mount.environment["ANTHROPIC_BASE_URL"] = url or self.wire.url(ANTHROFS)
            try:
                yield mount
            finally:
                mount.finish()

    @contextmanager
    def anthrofs(self, build: Build, *options: str, url: str | None = None) -> Iterator[BuiltMount]:
        """The listing was looked at; a connection may be open since then, as with rclone."""
        with self.unlooked(build, url) as mount:
            look(mount.mount(*options))
            yield mount

    @contextmanager
    def each(self, *options: str) -> Iterator[dict[Build, BuiltMount]]:
        """Mounts of all versions at once: whoever isn't asked rests."""
        with ExitStack() as ends:
            yield {build: ends.enter_context(self.anthrofs(build, *options)) for build in self.builds}

    @contextmanager
    def rclone(self, *options: str, direct: bool = False) -> Iterator[RcloneMount | None]:
        """None: this run has no rclone. `direct`: without the wire."""
        if not self.with_rclone:
            yield None
            return
        with self._place() as place:
            mount = RcloneMount(place, self.rclone_url(direct=direct), options)
            try:
                look(mount.mount())
                yield mount
            finally:
                mount.end()

    def rclone_url(self, *, direct: bool) -> str:
        """Of its server."""
        return f"http://{self._rclone}" if direct else self.wire.url(RCLONE)

    @contextmanager
    def _place(self) -> Iterator[Path]:
        self._count += 1
        place = self.base / str(self._count)
        place.mkdir()
        # What earlier measurements left to be written to the disk is no part of the next one.
        os.sync()
        yield place
        shutil.rmtree(place)            # not after a failure: the mount may still be there

    # ---- what something costs

    def disconnect(self) -> None:
        """No client has a connection to the emulator any more; their next requests begin with a connect."""
        self.emulator.abort_connections()
        time.sleep(QUIET_S)

    def measured(self, door: int, action: Callable[[], object], asked: Callable[[], int] | None = None, *, pid: int | None = None) -> Cost:
        """`asked` tells how many requests it took; None: all that passed on the wire. `pid`: of the daemon whose CPU counts; CHILDREN: that
        of the programs which the action has waited for.
        """
        before, used_s = self.counts(door), 0.0 if pid is None else cpu_s(pid)
        start_s = time.perf_counter()
        action()
        time_s = time.perf_counter() - start_s
        used_s = 0.0 if pid is None else cpu_s(pid) - used_s
        requests = None if asked is None else asked()
        wire = NOTHING if door == DIRECT else self.counts(door) - before
        return Cost(time_s, wire.requests if requests is None else requests, wire, used_s)

    def counts(self, door: int) -> Counts:
        """What went through it so far."""
        return NOTHING if door == DIRECT else self.wire.counts(door)

    def beside(self, repetitions: int, ours: Callable[[Build, int], T], *others: Callable[[int], U]) -> tuple[list[list[T]], list[list[U]]]:
        """The results of each version, and those of the others; all of them in turn."""
        mine: list[list[T]] = [[] for _ in self.builds]
        theirs: list[list[U]] = [[] for _ in others]
        in_turn(repetitions, *(partial(_append, side, partial(ours, build)) for side, build in zip(mine, self.builds, strict=True)),
                *(partial(_append, side, other) for side, other in zip(theirs, others, strict=True)))
        return mine, theirs


def make_file(path: Path, size_bytes: int) -> None:
    """One random piece again and again, each time with a stamp of its own: no two blocks of a run are the same."""
    piece = bytearray(os.urandom(min(size_bytes, PIECE_BYTES)))
    with path.open("wb") as file:
        for offset in range(0, size_bytes, PIECE_BYTES):
            piece[:8] = offset.to_bytes(8)
            file.write(memoryview(piece)[:size_bytes - offset])


def look(path: Path) -> None:
    """The directory and all its attributes are known to the kernel and the mount."""
    subprocess.run(["ls", "-l", str(path)], check=True, capture_output=True)


def forget(*places: Path) -> None:
    """Their files are on the disk, and not in memory: what one competitor has read leaves the next one the machine as it was."""
    for path in (path for place in places for path in ([place] if place.is_file() else place.rglob("*"))):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)


def shell(script: str, directory: Path) -> None:
    subprocess.run(["bash", "-e", "-o", "pipefail", "-c", script], cwd=directory, stdout=subprocess.DEVNULL, check=True)


def in_turn(repetitions: int, *sides: Callable[[int], object]) -> None:
    """Each of them with the number of each repetition; who begins changes, so that a slow moment doesn't always hit the same."""
    for number in range(repetitions):
        for place in range(len(sides)):
            sides[(number + place) % len(sides)](number)


def _append(results: list[T], side: Callable[[int], T], number: int) -> None:
    results.append(side(number))
