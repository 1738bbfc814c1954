"""Manual, promises: whatever becomes of one request, of each in turn, all is on the server in the end, once, as the mount shows it."""

from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import pytest

from anthrofs.errors import (
    AuthFailed,
    InTheWay,
    NoAnswer,
    Offline,
    QuotaExceeded,
    RateLimited,
    RemoteError,
    Unavailable,
)
from tests.core.core import Core
from tests.core.one_thread import OneThread
from tests.core.scenarios import SCENARIOS, Deed, at_random
from tests.core.test_model import Called
from tests.fakes import FakeFiles
from tests.model_machine import Deeds

T = TypeVar("T")

LATE_S: Final = 10.0
# What is answered, and when what was asked for happens nevertheless: seconds later, or never.
CUT: Final[dict[str, tuple[Callable[[], RemoteError], float | None]]] = {
    "cut, and done": (lambda: NoAnswer("cut"), 0.0),
    "cut, and not done": (lambda: NoAnswer("cut"), None),
    "cut, and done later": (lambda: NoAnswer("cut"), LATE_S),
    "500": (lambda: Unavailable("HTTP 500", status=500, from_service=True), None),
    "502 of a proxy, and done": (lambda: InTheWay("HTTP 502 that is not the service's own answer", status=502), 0.0),
    "429": (lambda: RateLimited("HTTP 429", status=429, from_service=True, maybe_stored=False, retry_after_s=3), None),
}
REFUSED: Final[dict[str, tuple[Callable[[], RemoteError], float | None]]] = {
    "401": (lambda: AuthFailed("HTTP 401", status=401, from_service=True, maybe_stored=False), None),
    "403": (lambda: AuthFailed("HTTP 403", status=403, from_service=True, maybe_stored=False), None),
    "storage is full": (lambda: QuotaExceeded("HTTP 400", status=400, from_service=True, maybe_stored=False), None),
    "offline": (lambda: Offline("no connection", maybe_stored=False), None),
}


class OneMishap(FakeFiles):
    """One request of those from now on is answered otherwise."""

    def __init__(self, clock: OneThread) -> None:
        super().__init__(clock)
        self.seen: list[str] = []                               # operations since `arm`
        self._number = -1
        self._mishap: tuple[Callable[[], RemoteError], float | None] = CUT["429"]

    def arm(self, number: int, mishap: tuple[Callable[[], RemoteError], float | None]) -> None:
        self.seen, self._number, self._mishap = [], number, mishap

    def _answer(self, operation: str, subject: str, effect: Callable[[], T]) -> T:
        if len(self.seen) == self._number:
            exc, after_s = self._mishap
            self.fail(operation, exc(), after_s=after_s)
        self.seen.append(operation)
        return super()._answer(operation, subject, effect)


def run(base: Path, deeds: list[Deed], number: int = -1, mishap: tuple[Callable[[], RemoteError], float | None] = CUT["429"]) -> list[str]:
    """Returns the operations that were asked for. With `number` below 0 nothing goes wrong."""
    base.mkdir()
    clock = OneThread()
    files = OneMishap(clock)
    core = Core(base, clock=clock, files=files)
    core.expects(r"^(?!.*\bbug\b)")
    files.arm(number, mishap)
    doer = Deeds(Called(core))
    for deed in deeds:
        deed(doer)
    doer.sync()
    doer.compare_all()
    core.refresh()
    doer.compare_all()
    core.finish()
    return files.seen


def try_all(base: Path, deeds: list[Deed], mishaps: dict[str, tuple[Callable[[], RemoteError], float | None]], *, but: tuple[str, ...]) -> None:
    operations = run(base / "as it should be", deeds)
    for number, operation in enumerate(operations):
        for name, mishap in mishaps.items():
            if operation not in but:
                try:
                    run(base / f"{number} {name}", deeds, number, mishap)
                except BaseException as exc:
                    exc.add_note(f"{name}, to request {number} of {operations}")
                    raise


@pytest.mark.parametrize("deeds", SCENARIOS.values(), ids=SCENARIOS)
def test_any_one_answer_may_be_lost(place: Path, deeds: list[Deed]) -> None:
    try_all(place, deeds, CUT, but=())


@pytest.mark.parametrize("deeds", SCENARIOS.values(), ids=SCENARIOS)
def test_the_account_may_be_refused_once(place: Path, deeds: list[Deed]) -> None:
    """Who reads is told so."""
    try_all(place, deeds, REFUSED, but=("download", "list", "metadata"))


@pytest.mark.parametrize("seed", range(4))
def test_any_one_answer_of_a_random_sequence_may_be_lost(place: Path, seed: int) -> None:
    try_all(place, at_random(seed), CUT, but=())
