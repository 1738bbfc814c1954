"""Pages are small here, and a state is at hand whose service has four of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from anthrofs.sync import news, scan, sweeper
from tests.fakes import FakeClock, FakeFiles
from tests.unit.sync.parts import PAGE, Positions, State


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (scan, news, sweeper):
        monkeypatch.setattr(module, "PAGE_FILES", PAGE)
    monkeypatch.setattr(news, "NEWS_FILES", 3)


@pytest.fixture(params=[FakeFiles, Positions])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[State]:
    clock = FakeClock()
    files: FakeFiles = request.param(clock)
    for number in range(35):
        files.generate(f"{number}.txt", b"!")
    one = State(tmp_path / "state.db", files, clock)
    one.refresh(whole=True)
    files.asked.clear()
    yield one
    one.db.close()
