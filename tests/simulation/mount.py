"""One mount of a simulation: all parts as daemon/build.py makes them, HTTP included, each thread the scheduler's.

A beginning and an end are those of daemon/mount.py. A kill ends every task of the mount wherever it is; the next mount gets
what the disk has then, or what is left of it when power goes.

Owns    a state directory, and one more after each crash.
"""

import errno
import itertools
import os
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from unittest import mock

from anthrofs.config import Config, Credentials
from anthrofs.config import Service as ServiceConfig
from anthrofs.daemon.build import Parts, World, begin, build, stop
from anthrofs.daemon.greeting import greet
from anthrofs.daemon.notify import Notify
from anthrofs.errors import FsError, RemoteError, SetupError
from anthrofs.fuse.operations import Operations
from anthrofs.model import Caller, RemoteFile
from anthrofs.remote.api import Body
from anthrofs.remote.budget import Moments
from anthrofs.remote.http import HttpFiles, connect
from anthrofs.remote.pace import Pacer
from tests.core.kernel import Asked, Kernel
from tests.simulation.clock import SimulatedClock
from tests.simulation.disk import ForgetfulDisk
from tests.simulation.durable import Mode
from tests.simulation.faults import Faults
from tests.simulation.fleet import Engines
from tests.simulation.scheduler import Group, Killed, Scheduler
from tests.simulation.service import Service
from tests.simulation.threads import Turns
from tests.simulation.wire import Wire

KEY: Final = "key-of-the-simulation"
LATENCY_S: Final = (0.02, 0.4)
STEP_S: Final = 5.0             # for each part to stop, as daemon/mount.py has it
WRITTEN_S: Final = 5.0          # from an answer to its commit, at most
FIRST_PROCESS: Final = 1000


class ToldFiles(HttpFiles):
    """Remembers the names of uploads of which nobody heard how they ended, or heard it only a moment ago."""

    def __init__(self, uploads: "Uploads", *arguments: Any) -> None:
        super().__init__(*arguments)
        self._uploads = uploads         # given

    def upload(self, name: str, mime_type: str, body: Body, expires_s: int | None = None) -> RemoteFile:
        try:
            file = super().upload(name, mime_type, body, expires_s)
        except RemoteError as exc:
            if exc.maybe_stored:
                self._uploads.ambiguous.add(name)
            raise
        except BaseException:               # it is killed
            self._uploads.ambiguous.add(name)
            raise
        self._uploads.heard_s[name] = self._uploads.clock.now_s()
        if self._uploads.unwritten:
            self._uploads.ambiguous.add(name)
        return file


class Uploads:
    """What is known of a mount's uploads."""

    def __init__(self, clock: SimulatedClock) -> None:
        self.clock = clock                      # given
        self.ambiguous = set[str]()             # names on the server of which there may be two files, by the rule for lost answers
        self.heard_s = dict[str, float]()       # when the last answer to each came
        self.unwritten = False                  # the disk may not take what an answer says

    def may_be_unwritten(self) -> None:
        """What was answered a moment ago may not have been written down, and will not be."""
        self.ambiguous |= {name for name, at_s in self.heard_s.items() if self.clock.now_s() - at_s < WRITTEN_S}
        self.heard_s.clear()


class Programs(Kernel):
    """A kernel with several programs, each a task; a file's descriptors are its opener's."""

    def __init__(self, operations: Operations) -> None:
        super().__init__(operations)
        self._processes: dict[int, int] = {}        # by descriptor

    def open(self, path: str, flags: int = os.O_RDONLY, mode: int = 0o644) -> int:
        number = super().open(path, flags, mode)
        self._processes[number] = process()
        return number

    def caller(self) -> Caller:
        return Caller(process(), 0, program=lambda: "program", interrupted=lambda: False, writes_to=self._writes_to)

    def _writes_to(self, process: int, node_id: int) -> bool:
        return any(file.writes and file.node_id == node_id and self._processes.get(number) == process
                   for number, file in self._files.items())


def process() -> int:
    """The number of the program whose task this is."""
    return FIRST_PROCESS + Turns.scheduler.current.ident


@dataclass(frozen=True)
class Site:
    """What all mounts of a run share."""

    scheduler: Scheduler
    service: Service
    base: Path
    seed: int
    engines: Engines | None = None      # None: each mount is for itself


class Mount:
    """One of them, mounted or not."""

    def __init__(self, name: str, site: Site, **options: Any) -> None:
        """`options`: those of Config that differ."""
        self.name = name                                    # constant
        self.site = site                                    # given
        self.options: Final = options                       # constant
        self.chance = random.Random(f"{site.seed} {name}")
        self.clock = SimulatedClock(site.scheduler)
        self.faults = Faults()
        self.state_dir = site.base / name
        self.state_dir.mkdir(mode=0o700)
        self.alive = False
        self.uploads = Uploads(self.clock)
        self.disk_trouble = self.had_disk_trouble = False
        self.group = Group(name)
        self.lives = itertools.count(1)
        self.left: ForgetfulDisk | None = None              # by the life before: what wasn't durable then isn't now
        self.disk: ForgetfulDisk
        self.wire: Wire
        self.parts: Parts
        self.user: Programs
        self._calls: Asked
        self.calls = 0                                      # operations of lives before

    # ---- life

    def begin(self) -> str:
        """In a task of the group. Returns "", or why it can't be mounted now."""
        number = next(self.lives)
        scheduler = self.site.scheduler
        self.disk = ForgetfulDisk(self.state_dir, random.Random(f"{self.site.seed} {self.name} disk {number}"), self._turn, self.left)
        self.left = self.disk
        self.wire = Wire(self.site.service, self.faults, self.name, self._pause, self.clock.now_s,
                         random.Random(f"{self.site.seed} {self.name} wire {number}"), LATENCY_S)
        engines, options = self.site.engines, dict(self.options)
        if (kind := options.pop("fleet", "")) and engines is not None:
            options["fleet"] = engines.config(kind)
        self.config = Config(mountpoint=self.site.base / "files", state_dir=self.state_dir, spare_bytes=0,
                             service=ServiceConfig("http://127.0.0.1", Credentials("x-api-key", KEY)), **options)
        with mock.patch("anthrofs.remote.http.Transport", return_value=self.wire):
            client = connect(self.config.service, self.config.timeouts, {})
        self.pacer = Pacer(self.config.requests_per_minute, self.clock, Moments(self.state_dir / "requests"))
        http = ToldFiles(self.uploads, client, self.clock, self.config.timeouts.first_s, None, None, self.config.timeouts.answer_s,
                         self.pacer.sent)
        try:
            with nullcontext() if engines is None else engines.built():
                self.parts = parts = build(self.config, World(self.clock, self.chance, self.disk, http, self.pacer, Notify(None)))
        except SetupError as exc:
            self.pacer.close()
            return str(exc)
        self.disk.watch(parts.local.db)
        try:
            begin(parts)
            parts.prober.start()
            if parts.fleet is not None:
                parts.fleet.begin()
            greet(self.config, parts.local.db, parts.refresher, lambda _: None)
            if parts.fleet is not None:
                parts.fleet.see()
            parts.expirer.start()
        except (FsError, SetupError, OSError) as exc:
            self._stop()
            return str(exc)
        if not self.config.read_only:
            parts.uploader.start()
        parts.sweeper.start()
        if parts.fleet is not None:
            parts.fleet.start()
        self._calls = Asked(parts, self.config, Programs)
        assert isinstance(self._calls.kernel, Programs)
        self.user = self._calls.kernel
        self.alive = True
        scheduler.choice()
        return ""

    def end(self) -> bool:
        """In a task of the group, as Mount._end. Returns whether all threads have ended; else one hangs in a request, and the process's end
        is that of a kill.
        """
        with suppress(FsError):         # our own disk: the drain will say so
            self.parts.hidden.settle(0.0)
        for _ in self.parts.drain.run(lambda: self.config.drain_s):
            self.site.scheduler.choice()
        return self._stop()

    def kill(self, mode: Mode = "none") -> None:
        """By the driver: kill -9, or loss of power (`mode`: see ForgetfulDisk); nothing of it reaches what the next mount gets."""
        self.disk.dead = self.wire.dead = True
        self.uploads.may_be_unwritten()
        after = self.site.base / f"{self.name} {next(self.lives)}"
        self.disk.power_loss(after, mode)
        self.left = self.disk if mode == "none" else None
        self.site.scheduler.kill(self.group)
        self.group = Group(self.name)
        self._close()
        shutil.rmtree(self.state_dir)
        self.state_dir = after
        self.alive = False

    def _stop(self) -> bool:
        self.parts.stopping.set()
        self.pacer.stop()
        stopped = stop(self.parts, STEP_S)
        if stopped:
            self._close()
        return stopped

    def _close(self) -> None:
        if self.alive:
            self.calls += self._calls.calls
        self.alive = False
        self.disk.unwatch()
        self.parts.local.db.close()
        self.pacer.close()

    # ---- its disk

    def hurt(self, label: str, *, full: bool, times: int) -> None:
        """From now on it is full; or so many steps fail."""
        self.disk_trouble = self.had_disk_trouble = self.uploads.unwritten = True
        self.uploads.may_be_unwritten()
        if not self.alive:
            return
        if full:
            self.disk.full = True
        else:
            self.disk.fail(f"{label}:*", errno.EIO, times)

    def heal(self) -> None:
        """It works again."""
        self.disk_trouble = self.uploads.unwritten = False
        if self.alive:
            self.disk.mend()

    # ---- points of choice

    def _turn(self, label: str) -> None:
        scheduler = self.site.scheduler
        if scheduler.told is not None:
            scheduler.told(f"{scheduler.current} at {label}")
        scheduler.choice()

    def _pause(self, seconds: float) -> None:
        scheduler = self.site.scheduler
        if seconds > 0:
            scheduler.block(seconds, "the network")
        else:
            scheduler.choice()


@contextmanager
def inside(group: Group) -> Iterator[None]:
    """The current task calls that mount: it is killed with it. Raises Killed."""
    task = Turns.scheduler.current
    if group.dead:
        raise Killed
    before, task.group = task.group, group
    try:
        yield
    finally:
        task.group = before
        task.held.clear()
