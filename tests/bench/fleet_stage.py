"""What the benchmark of fleets needs beside a server: a store in a directory, a board, and mounts that are members, as on machines of their own.

Owns    a redis-server, a key, and the store's directory, below the stage's.
Never   measures another version beside this one: earlier ones know no fleets.
"""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from tests.bench.builds import Build, BuiltMount
from tests.bench.stage import Stage
from tests.fleet.redis_server import RedisServer

ANY_NUMBER: Final = ("--requests-per-minute", "100000")     # where requests are counted, no budget delays them


@dataclass(frozen=True, slots=True)
class FleetSizes:
    """Of the work, and how often it is done."""

    mounts: Sequence[int] = (1, 3, 5)       # machines
    look_s: float = 60.0
    refresh_s: float = 10.0
    files: int = 3000                       # that a first mount lists
    made: int = 40                          # generated files that all read
    made_bytes: int = 100_000
    closes: int = 40
    close_bytes: int = 100_000
    big_bytes: int = 100 * 10**6            # read through the store
    repetitions: int = 5
    simulated: Sequence[tuple[int, float]] = ((10, 3.0), (50, 10.0))      # so many mounts, and how many times less a fleet of them asks, at least
    simulated_options: Sequence[str] = ()


SHORT: Final = FleetSizes((1, 3), 6.0, 1.0, 1500, 8, 20_000, 6, 20_000, 10 * 10**6, 2, ((10, 3.0),), ("--files", "300", "--minutes", "1"))


class FleetStage(Stage):
    """`with FleetStage(builds, sizes) as stage: ...`"""

    def __init__(self, builds: Sequence[Build], sizes: FleetSizes) -> None:
        super().__init__(builds[:1], writable=False, with_rclone=False)
        self.sizes = sizes                      # constant
        self._servers = ExitStack()
        self._teams = 0                         # so far: each has a database of the board's for itself

        # Constant once entered:
        self.redis: RedisServer

    def __enter__(self) -> Self:
        super().__enter__()
        with ExitStack() as ends:
            ends.push(super().__exit__)
            self.redis = ends.enter_context(RedisServer(self.base / "redis", "--databases", "1000"))
            self._servers = ends.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._servers.__exit__(kind, error, trace)

    # ---- members

    @contextmanager
    def team(self, count: int, *, store: bool = True, board: bool = True) -> Iterator[list[BuiltMount]]:
        """So many machines of a new fleet, not mounted yet, and an empty service."""
        self.emulator.forget_files()
        self.emulator.forget_requests()
        self._teams += 1
        with ExitStack() as ends:
            mounts = [ends.enter_context(self.unlooked(self.builds[0], self.emulator.url)) for _ in range(count)]
            place = mounts[0].path.parent
            (place / "team.key").write_text(os.urandom(32).hex() + "\n")
            (place / "team.key").chmod(0o600)
            (place / "store").mkdir()
            for mount in mounts:
                mount.environment["ANTHROFS_FLEET_KEY_FILE"] = str(place / "team.key")
                if store:
                    mount.environment["ANTHROFS_STORE"] = f"file://{place / 'store'}"
                if board:
                    mount.environment["ANTHROFS_BOARD"] = f"{self.redis.url.rpartition('/')[0]}/{self._teams}"
            yield mounts

    def asked(self) -> Counter[str]:
        """How often the service was asked for each operation since the team was made."""
        return Counter(request["operation"] for request in self.emulator.requests())
