"""Requests by the pacer, one after the other, and the moments at which they may begin."""

from collections.abc import Callable
from typing import Final

from anthrofs.model import FileId
from anthrofs.remote.api import RemoteFiles
from anthrofs.remote.pace import Pacer, Priority
from tests.fakes import FakeClock

Request = Callable[[RemoteFiles, FileId], object]

PER_MINUTE: Final = 60
BOUND_S: Final = 20     # real seconds, for what should come at once
IDEMPOTENT: Final[dict[str, Request]] = {
    "list": lambda remote, _: remote.list(10),
    "metadata": lambda remote, file_id: remote.stat(file_id),
    "download": lambda remote, file_id: remote.download(file_id),
    "delete": lambda remote, file_id: remote.delete(file_id),
}


def spend(pacer: Pacer, count: int, priority: Priority = Priority.READ) -> None:
    for _ in range(count):
        with pacer.slot(priority):
            pass


def moments_s(pacer: Pacer, clock: FakeClock, count: int, priority: Priority = Priority.READ) -> list[float]:
    """When each of so many requests may begin, one after the other."""
    moments = []
    for _ in range(count):
        with pacer.slot(priority):
            moments.append(clock.now_s())
    return moments
