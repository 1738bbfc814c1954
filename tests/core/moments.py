"""Every moment at which a kill, or the end of power, could leave the disk or the service otherwise than the moment before, each kept
as it is.

Moments are before and after each labelled step of the disk, each commit, and each request. So one run is as many kills; and a new
label, commit or request is a new one by itself.

Owns    copies of state directories.
"""

import copy
import hashlib
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from anthrofs.store.disk import Disk
from tests.core.core import Core
from tests.core.one_thread import OneThread
from tests.fakes import FakeFiles
from tests.model import Model
from tests.simulation.disk import ForgetfulDisk
from tests.simulation.durable import Mode

T = TypeVar("T")


@dataclass
class Moment:
    """What a kill would leave, or the end of power, and what has been acknowledged by then."""

    label: str
    mode: Mode              # see ForgetfulDisk
    state: Path
    files: FakeFiles
    now_s: float
    before: Model           # what was acknowledged
    after: Model            # what was being done; the same if nothing was


class LabelledDisk(Disk):
    """Tells of each step, before and after it."""

    def __init__(self, told: Callable[[str], None]) -> None:
        self._told = told           # given

    def sync(self, label: str, descriptor: int) -> None:
        self._step(label, lambda: Disk.sync(self, label, descriptor))

    def sync_dir(self, label: str, path: Path) -> None:
        self._step(label, lambda: Disk.sync_dir(self, label, path))

    def link(self, label: str, source: Path, target: Path) -> None:
        self._step(label, lambda: Disk.link(self, label, source, target))

    def rename(self, label: str, source: Path, target: Path) -> None:
        self._step(label, lambda: Disk.rename(self, label, source, target))

    def unlink(self, label: str, path: Path) -> None:
        self._step(label, lambda: Disk.unlink(self, label, path))

    def _step(self, label: str, step: Callable[[], None]) -> None:
        self._told(label)
        step()
        self._told(f"{label}+")


class ToldFiles(FakeFiles):
    """Tells of each request, before and after it."""

    def __init__(self, clock: OneThread, told: Callable[[str], None]) -> None:
        super().__init__(clock)
        self._told = told           # given

    def _answer(self, operation: str, subject: str, effect: Callable[[], T]) -> T:
        self._told(operation)
        answer = super()._answer(operation, subject, effect)
        self._told(f"{operation}+")
        return answer


class Recorder:
    """A core whose every moment is kept."""

    def __init__(self, base: Path, modes: Sequence[Mode] = ("none",), **options: Any) -> None:
        self.base = base                                # constant
        self.modes = modes                              # constant: what is lost in each moment, each in a moment of its own
        self.labels: list[str] = []
        self.moments: list[Moment] = []
        self.model = Model()                            # whoever does the deeds sets it
        self._under_way: list[Moment] = []              # of the deed that is being done
        self._recording = False
        self._seen = set[object]()                      # what was kept of the deed that is being done
        clock = OneThread()
        disk = ForgetfulDisk(base / "state", random.Random(1), self._comes)
        self.core = Core(base, clock=clock, files=ToldFiles(clock, self._comes), disk=disk, **options)

    @contextmanager
    def deed(self) -> Iterator[None]:
        """Something that is acknowledged when the block ends."""
        self._recording, before, self._under_way = True, copy.deepcopy(self.model), []
        self._seen.clear()
        yield
        self._recording = False
        for moment in self._under_way:
            moment.before, moment.after = before, copy.deepcopy(self.model)
        self.moments += self._under_way

    def _comes(self, label: str) -> None:
        self.labels.append(label)
        if self._recording:
            for mode in self.modes:
                self._keep(label, mode)

    def _keep(self, label: str, mode: Mode) -> None:
        """One moment, if it isn't as one before it."""
        core, state = self.core, self.base / f"moment {len(self.moments) + len(self._under_way)}"
        assert isinstance(core.disk, ForgetfulDisk)
        core.disk.power_loss(state, mode)
        seen = (fingerprint(state), tuple(core.files.files), core.clock.now_s())
        if seen in self._seen:
            shutil.rmtree(state)
            return
        self._seen.add(seen)
        self._under_way.append(Moment(label, mode, state, core.files.twin(core.clock), core.clock.now_s(), self.model, self.model))


def fingerprint(root: Path) -> bytes:
    """Two directories that have the same one hold the same."""
    found, numbers = hashlib.blake2b(), dict[int, int]()
    for path in sorted(root.rglob("*")):
        number = numbers.setdefault(path.stat().st_ino, len(numbers))
        found.update(f"{path.relative_to(root)} {number} ".encode() + (path.read_bytes() if path.is_file() else b""))
    return found.digest()
