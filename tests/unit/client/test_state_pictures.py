"""States, as `anthrofs states` and the doctor look at them, without a mount."""

import fcntl
from pathlib import Path
from typing import Any

import pytest

from anthrofs.client.state_pictures import picture
from anthrofs.store.state_dir import StateDir


def test_a_look_takes_no_lock_so_that_a_mount_which_begins_meanwhile_is_not_told_that_its_state_is_in_use(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state_dir = tmp_path / "state"
    StateDir(state_dir, "/mnt").close()

    def taken(*_: Any) -> None:
        raise AssertionError("a lock was taken")

    for name in ("flock", "lockf", "fcntl"):
        monkeypatch.setattr(fcntl, name, taken)
    assert not picture(state_dir, tmp_path).in_use


def test_a_state_whose_process_answers_nobody_is_in_use(tmp_path: Path) -> None:
    state_dir = tmp_path / "state"
    held = StateDir(state_dir, "/mnt")
    assert picture(state_dir, tmp_path).in_use
    held.close()
    assert not picture(state_dir, tmp_path).in_use
