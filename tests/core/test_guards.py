"""Whatever a lock is said to guard is touched under that lock only, by everything that a mount does."""

from pathlib import Path
from typing import Final

import pytest

from tests import guards
from tests.core.core import Core
from tests.core.scenarios import SCENARIOS, at_random
from tests.core.test_model import Called
from tests.model_machine import Deeds

# Without the lock, for which their owners give a reason beside them.
FREE: Final = frozenset({
    "Content.fetched is changed in _changed_locked, without lock",      # in Contents.create
    "Content.sealed is changed in create, without lock",
    "Content.stage is changed in create, without lock",
    "Content.stage is read in _changed_locked, without lock",           # the same
    "Database.version is read in row, without _lock",
    "Renames._hidden is read in forget_replacement, without _lock",
    "Surprises._changed_s is read in told, without _lock",
    "Surprises._went_s is read in swapped, without _lock",
})


def test_what_a_lock_guards_is_touched_under_it_only(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = guards.watch(monkeypatch)
    for number, deeds in enumerate((*SCENARIOS.values(), *map(at_random, range(6)))):
        (place / str(number)).mkdir()
        core = Core(place / str(number))
        doer = Deeds(Called(core))
        for deed in deeds:
            deed(doer)
        core.remount()
        core.finish()
    assert found - FREE == set()
