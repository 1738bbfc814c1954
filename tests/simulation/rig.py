"""One client on the simulated wire, for tests of the wire itself: time passes when somebody waits, and others act when they are let in."""

import random
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from anthrofs.config import Credentials, Timeouts
from anthrofs.config import Service as Configured
from anthrofs.model import FileId, RemoteFile
from anthrofs.remote.api import Body
from anthrofs.remote.http import HttpFiles, connect
from tests.fakes import FakeClock
from tests.simulation.faults import Fault, Faults
from tests.simulation.service import KEY, Service
from tests.simulation.wire import Wire


class Rig:
    """A service, a way to it, and a client; `with` closes the client."""

    def __init__(self, folder: Path, *, shape: str = "beta", timeouts: Timeouts | None = None, seed: int = 1,
                 latency_s: tuple[float, float] = (0.1, 0.1), key: str = KEY) -> None:
        self._folder = folder
        self.clock = FakeClock()
        self.service = Service(self.clock.time_ns, seed=seed)
        self.faults = Faults()
        self.others = deque[Callable[[], object]]()     # each acts at one point of choice, in turn
        self.wire = Wire(self.service, self.faults, "client", self._pause, self.clock.now_s, random.Random(seed), latency_s)
        self.timeouts = timeouts or Timeouts()
        configured = Configured("http://simulated.test", Credentials("x-api-key", key), shape=shape)
        self._client = connect(configured, self.timeouts, transport=self.wire)
        self.files = HttpFiles(self._client, self.clock, self.timeouts.first_s, answer_s=self.timeouts.answer_s)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        self._client.close()

    def rule(self, **changes: Any) -> None:
        self.service.rules = replace(self.service.rules, **changes)

    def fault(self, operation: str, action: str, **numbers: Any) -> Fault:
        fault = Fault(operation, action, **numbers)
        self.faults.add(fault)
        return fault

    def body(self, content: bytes, pointless: Callable[[], bool] = lambda: False) -> Body:
        path = self._folder / "stage"
        path.write_bytes(content)
        return self._stack.enter_context(Body(path, self.clock, pointless))

    def upload(self, name: str = "note.txt", content: bytes = b"text", mime_type: str = "text/plain") -> RemoteFile:
        return self.files.upload(name, mime_type, self.body(content))

    def generate(self, content: bytes = b"content", name: str = "data.csv", mime_type: str = "text/csv") -> FileId:
        return FileId(self.service.generate(name, content, mime_type))

    def content(self, file_id: FileId, first: int = 0, last: int | None = None) -> bytes:
        with self.files.download(file_id, first, last) as download:
            return b"".join(download)

    def stored(self) -> list[bytes]:
        """All contents that there are, oldest first."""
        return [file.content for file in reversed(self.service.files())]

    def took_s(self, act: Callable[[], object]) -> float:
        """How much time passes meanwhile; whatever it raises is the caller's to expect."""
        began_s = self.clock.now_s()
        act()
        return self.clock.now_s() - began_s

    def _pause(self, seconds: float) -> None:
        self.clock.advance(seconds)
        if self.others:
            self.others.popleft()()
