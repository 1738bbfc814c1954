"""A mount without a kernel: all parts as daemon/build.py makes them, on a fake service, a fake clock and a real disk.

Everything happens in the test's own thread, see one_thread.py, so a run is the same each time. An end and a beginning are
those of daemon/mount.py; a crash leaves what the disk has in that moment.

Owns    directories below a temporary one: a state, and one more after each crash.
Trusts  nothing to be clean at the end: `finish` proves it.
"""

import logging
import random
import re
import shutil
from pathlib import Path
from typing import Any, Final

from anthrofs.config import Config, Credentials, Service
from anthrofs.daemon.build import World, begin, build, stop
from anthrofs.daemon.greeting import greet
from anthrofs.daemon.notify import Notify
from anthrofs.model import FileId
from anthrofs.names import SLASH
from anthrofs.remote.pace import Pacer
from anthrofs.store.disk import Disk
from anthrofs.tree.fsck import problems
from tests.core.kernel import Asked
from tests.core.one_thread import OneThread
from tests.fakes import FakeFiles
from tests.simulation.disk import ForgetfulDisk
from tests.simulation.durable import Mode

MANY: Final = 10**6         # requests a minute: no test here is about the budget, unless it says so
PATIENCE: Final = 5         # minutes of the fake clock after which what went wrong once must be right
DRAIN_S: Final = 120.0      # of the fake clock; three lost answers in a row are looked for by then
LONG_S: Final = 3600.0      # of the fake clock, for anything that ends by itself


class Log(logging.Handler):
    """Warnings and errors, as they come."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


class Core:
    """One state and the parts on it; ended, killed and begun again as often as a test likes."""

    def __init__(self, base: Path, *, files: FakeFiles | None = None, clock: OneThread | None = None, disk: Disk | None = None,
                 state: Path | None = None, **options: Any) -> None:
        """`state`: a directory that another one has left. `options`: those of Config that differ from a mount's of --upload queue."""
        self.base = base                                        # constant
        self.clock = clock or OneThread()                       # given
        self.files = files or FakeFiles(self.clock)             # given: the service
        self.disk = disk or Disk()                              # given
        self.options = {"upload": "queue", "requests_per_minute": MANY, "spare_bytes": 0, **options}
        self.state_dir = state or base / "state"
        self.log = Log()
        self._allowed: list[str] = []
        self._problems_allowed: list[str] = []
        self._crashes = self._calls = 0
        self.tidied: list[float] = []
        logging.getLogger("anthrofs").addHandler(self.log)
        self.begin()

    # ---- life

    def begin(self, **options: Any) -> None:
        """As Mount.run, until the kernel would have the mount. `options` are changed from now on."""
        self.options |= options
        self.state_dir.mkdir(mode=0o700, exist_ok=True)
        self.config = Config(mountpoint=self.base / "files", state_dir=self.state_dir,
                             service=Service("http://127.0.0.1", Credentials("x-api-key", "key")), **self.options)
        self.pacer = Pacer(self.config.requests_per_minute, self.clock)
        world = World(self.clock, random.Random(1), self.disk, self.files, self.pacer, Notify(None), lambda: self.tidied.append(self.clock.now_s()))
        with self.clock.employing():
            self.parts = parts = build(self.config, world)
        if isinstance(self.disk, ForgetfulDisk):
            self.disk.watch(parts.local.db)
        self.clock.begin(parts.stopping, lambda: (len(self.files.asked), parts.local.db.version), self.pacer._turn)
        begin(parts)
        parts.prober.start()
        greet(self.config, parts.local.db, parts.refresher, lambda _: None)
        parts.expirer.start()
        if not self.config.read_only:
            parts.uploader.start()
        parts.sweeper.start()
        self._asked = Asked(parts, self.config)
        self.user = self._asked.kernel

    def drain(self, bound_s: float = DRAIN_S) -> dict[str, Any]:
        """What `anthrofs sync` does; returns what is left."""
        *_, left = self.parts.drain.run(lambda: bound_s)
        found: dict[str, Any] = left
        return found

    def sync(self) -> None:
        """Everything is on the server, however long the service has had other answers."""
        for _ in range(PATIENCE):
            left = self.drain()
            if left["waiting"] + left["deletions"] == []:
                return
            self.clock.pass_s(60)
        raise AssertionError(left)

    def refresh(self) -> None:
        """What others did until now is listed; asked for again while the service has other answers."""
        for _ in range(PATIENCE):
            if self.parts.refresher.refresh(LONG_S) is None:
                return
            self.clock.pass_s(60)
        raise AssertionError(self.parts.refresher.error())

    def end(self) -> dict[str, Any]:
        """As Mount._end; returns what is left."""
        self.parts.hidden.settle(0.0)
        left = self.drain()
        self.parts.stopping.set()
        self.pacer.stop()
        assert stop(self.parts, 1)
        self._close()
        return left

    def remount(self, **options: Any) -> None:
        self.end()
        self.begin(**options)

    def crash(self, mode: Mode = "none", **options: Any) -> None:
        """kill -9, or the end of power (see ForgetfulDisk), and the next mount on what the disk has."""
        self.kill(mode)
        self.begin(**options)

    def kill(self, mode: Mode = "none") -> None:
        """Nothing that the parts do from now on reaches the state that the next ones get."""
        self._crashes += 1
        before, self.state_dir = self.state_dir, self.base / f"state after crash {self._crashes}"
        if isinstance(self.disk, ForgetfulDisk):
            self.disk = self.disk.killed(self.state_dir, mode)
        else:
            assert mode == "none", "this disk forgets nothing"
            copied(before, self.state_dir)
        stop(self.parts, 1)
        self._close()
        shutil.rmtree(before)

    @property
    def calls(self) -> int:
        """Operations so far, since the first beginning."""
        return self._calls + self._asked.calls

    def _close(self) -> None:
        self._calls = self.calls
        self._asked.calls = 0
        self.clock.dismiss()
        if isinstance(self.disk, ForgetfulDisk):
            self.disk.unwatch()
        self.parts.local.db.close()

    # ---- the server

    def others_make(self, path: str, content: bytes, **how: Any) -> str:
        """A file as tools make it, and as a listing has shown it. Returns its id."""
        file_id = self.files.generate(path.replace("/", SLASH), content, **how).file_id
        self.refresh()
        return file_id

    def others_remove(self, path: str) -> None:
        """What the server has of it goes, and listings have shown that: what is newer than the last one's beginning, by what is known of
        the server's clock, isn't missed before the next.
        """
        self.files.vanish(FileId(self.user.getxattr(path, "user.anthropic.file_id")))
        for _ in range(3):
            self.clock.pass_s(1)
            self.refresh()

    def on_server(self) -> list[tuple[str, bytes]]:
        """(path, content) of everything it has now, sorted."""
        return sorted((file.name.replace(SLASH, "/").replace("\uff1f", "?"), self.files.contents[file.file_id]) for file in self.files.files)

    def counts(self) -> dict[str, int]:
        """Requests so far, by operation."""
        operations = [operation for operation, _ in self.files.asked]
        return {operation: operations.count(operation) for operation in sorted(set(operations))}

    # ---- what must be true

    def expects(self, *patterns: str) -> None:
        """Warnings and errors that this test provokes, as regular expressions; any other fails it."""
        self._allowed += patterns

    def leaves(self, *patterns: str) -> None:
        """What `anthrofs check` may find."""
        self._problems_allowed += patterns

    def finish(self) -> None:
        """Everything is sent, the server and the mount show the same, nothing is damaged, nothing unexpected was said."""
        self.end()
        self.check()

    def check(self) -> None:
        """Of a state that nobody uses: no damage, no unexpected line."""
        logging.getLogger("anthrofs").removeHandler(self.log)
        unexpected = [line for line in self.log.lines if not any(re.search(pattern, line) for pattern in self._allowed)]
        assert unexpected == [], "\n".join(self.log.lines)
        assert unwanted(problems(self.state_dir), self._problems_allowed) == []


def unwanted(found: list[str], allowed: list[str]) -> list[str]:
    return [line for line in found if not any(re.search(pattern, line) for pattern in allowed)]


def copied(source: Path, target: Path) -> Path:
    """A directory as it is in this moment, second names for one file as such."""
    known = dict[int, Path]()

    def copy(old: str, new: str) -> str:
        number = Path(old).stat().st_ino
        if number in known:
            Path(new).hardlink_to(known[number])
        else:
            shutil.copyfile(old, new)
            known[number] = Path(new)
        return new

    shutil.copytree(source, target, copy_function=copy)
    return target

