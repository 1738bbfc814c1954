"""Every moment at which a kill could leave the disk or the service otherwise than the moment before, each kept as it is.

Moments are before and after each labelled step of the disk, before each commit, and around each request. So one run is as many
kills; and a new label, commit or request is a new one by itself.

Owns    copies of state directories.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from anthrofs.store.disk import Disk
from tests.core.core import Core, copied
from tests.core.one_thread import OneThread
from tests.fakes import FakeFiles
from tests.model import Model

T = TypeVar("T")


@dataclass
class Moment:
    """What a kill would leave, and what has been acknowledged by then."""

    label: str
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

    def __init__(self, base: Path, **options: Any) -> None:
        self.base = base                                # constant
        self.labels: list[str] = []
        self.moments: list[Moment] = []
        self.model = Model()                            # whoever does the deeds sets it
        self._under_way: list[Moment] = []              # of the deed that is being done
        self._recording = False
        clock = OneThread()
        self.core = Core(base, clock=clock, files=ToldFiles(clock, self._comes), disk=LabelledDisk(self._comes), **options)
        # Private, but the only place where a commit passes.
        self.core.parts.local.db._connection.set_trace_callback(lambda said: self._comes("commit") if said == "COMMIT" else None)

    @contextmanager
    def deed(self) -> Iterator[None]:
        """Something that is acknowledged when the block ends."""
        self._recording, before, self._under_way = True, copy.deepcopy(self.model), []
        yield
        self._recording = False
        for moment in self._under_way:
            moment.before, moment.after = before, copy.deepcopy(self.model)
        self.moments += self._under_way

    def _comes(self, label: str) -> None:
        self.labels.append(label)
        if self._recording:
            state = copied(self.core.state_dir, self.base / f"moment {len(self.moments) + len(self._under_way)}")
            self._under_way.append(Moment(label, state, self.core.files.twin(self.core.clock), self.core.clock.now_s(), self.model, self.model))
