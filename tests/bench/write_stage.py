"""What is written: local files that no server has, and when the servers have them.

Owns    the files to be written, and the emptiness of anthrofs' server before each mount.
Trusts  the emulator's journal and, for rclone, the times of the files that its server has written: so looking seldom for the
        end of something disturbs nobody and costs no precision. The clock is the same machine's.
"""

import hashlib
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from tests.bench.builds import Build, BuiltMount
from tests.bench.clients import post_all_s
from tests.bench.peers import RcloneMount
from tests.bench.process import cpu_s
from tests.bench.stage import ANTHROFS, CURL, RCLONE, Stage, make_file
from tests.bench.table import NOTHING, Cost, Report
from tests.bench.wire import Wire
from tests.mounting import Mount

LOOK_S: Final = 0.05
ARRIVAL_S: Final = 120.0        # for everything to be on a server


@dataclass(frozen=True, slots=True)
class WriteSizes:
    """How much is measured."""

    repetitions: int = 5
    small_files: int = 50
    small_bytes: int = 8192
    long_bytes: int = 500 * 10**6
    long_repetitions: int = 3
    bandwidth_bytes_per_s: int = 125 * 10**6
    tree_files: int = 150           # of a folder that is copied, 20 ms a request


SHORT: Final = WriteSizes(repetitions=1, small_files=20, long_bytes=100 * 10**6, long_repetitions=1, tree_files=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written(Cost):
    """`time_s` until the server had all of it."""

    returned_s: float               # until the program had ended
    stored: int                     # files that the server had then
    asked: dict[str, int]           # anthrofs' requests by operation, listings in the background apart

    @property
    def returned(self) -> Cost:
        """The same, by the program's time."""
        return Cost(self.returned_s, self.requests, self.wire, self.cpu_s)


class WriteStage(Stage):
    """`with WriteStage(builds, SHORT, with_rclone=True) as stage: ...`"""

    def __init__(self, builds: Sequence[Build], sizes: WriteSizes, *, with_rclone: bool) -> None:
        super().__init__(builds, writable=True, with_rclone=with_rclone)
        self.sizes = sizes                      # constant

        # Constant once entered; the second ones have the names of the first, and other content:
        self.small: list[Path] = []
        self.small_again: list[Path] = []
        self.tree: list[Path] = []
        self.long = Path()

    @contextmanager
    def fresh(self, build: Build, *options: str, url: str | None = None) -> Iterator[BuiltMount]:
        """anthrofs on a server that has nothing."""
        self.emulator.forget_files()
        with self.anthrofs(build, *options, url=url) as mount:
            yield mount

    def written(self, mount: Mount, action: Callable[[], object], *, wire: Wire | Literal["own"] | None = "own", **requests: int) -> Written:
        """What it costs, when so many of each request bring it to the server. `wire`: what the mount is on, None: nothing."""
        self.emulator.forget_requests()
        on, pid = self.wire if wire == "own" else wire, mount.pid()
        before = NOTHING if on is None else on.counts(ANTHROFS)
        used_s, began_s, start_s = cpu_s(pid), time.time(), time.perf_counter()
        action()
        returned_s = time.perf_counter() - start_s
        stored = len(self.emulator.files())
        ends_s = [self._arrived_s(operation, count) for operation, count in requests.items()]
        mount.sync()            # more requests than there should be have come by then
        used_s = cpu_s(pid) - used_s
        asked = Counter(request["operation"] for request in self.emulator.requests())
        del asked["list"]
        passed = NOTHING if on is None else on.counts(ANTHROFS) - before
        return Written(max(ends_s) - began_s, asked.total(), passed, used_s, returned_s=returned_s, stored=stored, asked=dict(asked))

    def _arrived_s(self, operation: str, count: int) -> float:
        """When the server had finished the last of these requests."""
        return max(float(request["finished"])
                   for request in self.emulator.wait_for_requests(count, operation, ARRIVAL_S, look_s=LOOK_S))

    def posted(self, files: Sequence[Path], wire: Wire | None = None, *, at_once: int = 1) -> Cost:
        """A client that does nothing but upload these files, on as many connections as are said, which it has already."""
        wire = wire or self.wire
        before = wire.counts(CURL)
        taken_s = post_all_s(wire.url(CURL), self.headers, files, at_once)
        counts = wire.counts(CURL) - before
        return Cost(taken_s, counts.requests - at_once, counts)         # one made each connection

    def written_by_rclone(self, peer: RcloneMount, action: Callable[[], object], sources: Sequence[Path]) -> Written:
        """The same, of a mount that has written nothing before."""
        before, began_s, start_s = self.counts(RCLONE), time.time(), time.perf_counter()
        action()
        returned_s = time.perf_counter() - start_s
        stored = len(self._in_origin(sources))
        peer.wait_for_uploads(len(sources))
        there = self._in_origin(sources)
        assert len(there) == len(sources), (there, sources)
        wire = self.counts(RCLONE) - before
        return Written(max(path.stat().st_ctime for path in there) - began_s, wire.requests, wire, returned_s=returned_s, stored=stored, asked={})

    def _in_origin(self, sources: Sequence[Path]) -> list[Path]:
        paths = [self.origin / source.name for source in sources]
        return [path for path, source in zip(paths, sources, strict=True)
                if path.exists() and path.stat().st_size == source.stat().st_size]

    def claim_content(self, report: Report, what: str, sources: Sequence[Path], prefix: str = "") -> None:
        """The server has each of them once, with the content that was written, and nothing else. `prefix`: of the names that it has for them."""
        there = Counter((str(file["filename"]), str(file["sha256"])) for file in self.emulator.files())
        written = Counter((prefix + source.name, _sha256(source)) for source in sources)
        wrong = sorted({name for name, _ in (there - written) + (written - there)})
        report.claim(f"{what}: the server has what was written, once", not wrong, wrong)

    def _make_files(self) -> None:
        for directory, files, count in (("sources", self.small, self.sizes.small_files), ("again", self.small_again, self.sizes.small_files),
                                        ("tree", self.tree, self.sizes.tree_files)):
            (self.base / directory).mkdir()
            files += [self.base / directory / f"small-{number:02}.bin" for number in range(count)]
            for path in files:
                make_file(path, self.sizes.small_bytes)
        self.long = self.base / "sources" / "long.bin"
        make_file(self.long, self.sizes.long_bytes)


def cp(sources: Sequence[Path], directory: Path) -> None:
    subprocess.run(["cp", "--", *map(str, sources), str(directory)], check=True)


def rm(sources: Sequence[Path], directory: Path) -> None:
    """Their namesakes in the directory."""
    subprocess.run(["rm", "--", *(str(directory / source.name) for source in sources)], check=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
