"""Manual, costs: looks at a mount, its beginning and its refreshes cost the same however many files there are.

Counted are the steps of SQLite's machine: a look at each row would be several steps more for each file.
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from anthrofs.model import ROOT
from tests.core.core import Core

FEW: Final = 1500           # more than a page
MANY: Final = 6000
EACH: Final = 10            # steps, as exact as they are counted


class Steps:
    """Steps of all connections."""

    def __init__(self) -> None:
        self.count = 0

    def connect(self, *arguments: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = CONNECT(*arguments, **options)
        connection.set_progress_handler(self.more, EACH)
        return connection

    def more(self) -> int:
        self.count += EACH
        return 0

    def of(self, work: Callable[[], object]) -> int:
        before = self.count
        work()
        return self.count - before


CONNECT: Final = sqlite3.connect


@pytest.fixture(autouse=True)
def watched() -> None:
    """The table of states isn't watched here: that is a look at each row."""


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    found = Steps()
    monkeypatch.setattr(sqlite3, "connect", found.connect)
    return found


def costs(core: Core, steps: Steps, files: int) -> dict[str, int]:
    """What each costs with so many files, some of them our own uploads."""
    for number in range(files - len(core.files.files)):
        core.files.generate(f"{files}-{number:06}.csv", b"012")
        core.clock.pass_s(0.001)
    core.refresh()
    core.clock.pass_s(400)
    core.refresh()
    found: dict[str, int] = {}

    def news() -> None:
        core.files.generate(f"new-{files}.csv", b"new")
        core.refresh()
        assert core.user.read(f"new-{files}.csv") == b"new"

    found["a remount"] = steps.of(core.remount)
    core.refresh()          # the first one may have more to do
    found["a refresh without news"] = steps.of(core.refresh)
    found["a refresh with a new file"] = steps.of(news)
    found["status"] = steps.of(lambda: list(core.parts.requests.table["status"]({})))
    found["a lookup"] = steps.of(lambda: core.user.stat(f"{files}-000001.csv"))
    found["df"] = steps.of(core.parts.serving.filesystem.statfs)
    found["a piece of the listing"] = steps.of(lambda: core.parts.local.db.nodes.entries_after(ROOT, "1", 100))
    found["a page of a sweep"] = steps.of(core.parts.sweeper.step)
    found["a save"] = steps.of(lambda: saved(core, files))
    return found


def saved(core: Core, files: int) -> None:
    core.user.write(f"own-{files}.txt", b"mine")
    core.sync()


def test_what_is_done_again_and_again_costs_the_same_however_many_files_there_are(tmp_path: Path, steps: Steps) -> None:
    core = Core(tmp_path)
    few = costs(core, steps, FEW)
    many = costs(core, steps, MANY)
    print(few, many)
    assert {what: (few[what], count) for what, count in many.items() if count > 1.2 * few[what] + 40 * EACH} == {}
    core.finish()
