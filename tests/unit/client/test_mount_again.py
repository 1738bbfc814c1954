"""The command that mounts a state again names what that state is called by."""

import os
from pathlib import Path

import pytest

from anthrofs.client.mount_again import mount_again, mount_there_again
from anthrofs.store.state_dir import StateDir


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where states are."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "anthrofs"


@pytest.mark.parametrize(("name", "words"), [
    ("default", "/mnt/x"), ("kc", "--profile kc /mnt/x"), ("a b", "--profile 'a b' /mnt/x"), ("sesn_1", "--scope sesn_1 /mnt/x"),
    ("wrkspc_1", "--workspace wrkspc_1 /mnt/x"), ("demo", "--profile demo /mnt/x")])
def test_a_state_is_named_by_what_made_it(root: Path, name: str, words: str) -> None:
    assert mount_again(root / name, Path("/mnt/x")) == f"anthrofs mount {words}"


def test_the_demos_has_its_emulator_and_one_elsewhere_its_path(root: Path) -> None:
    (root / "demo" / "emulator").mkdir(parents=True)
    assert mount_again(root / "demo", Path("/mnt/my files")) == "anthrofs mount --demo '/mnt/my files'"
    assert mount_again(Path("/srv/state"), None) == "anthrofs mount --state-dir /srv/state DIR"


def test_of_several_states_at_one_place_the_last_is_meant(root: Path) -> None:
    assert mount_there_again(Path("/mnt/x")) == "anthrofs mount /mnt/x"
    for name, seconds in (("b", 2), ("a", 3), ("c", 1)):
        StateDir(root / name, "/mnt/x").close()
        os.utime(root / name / "lock", (seconds, seconds))
    StateDir(root / "d", "/mnt/y").close()
    assert mount_there_again(Path("/mnt/x")) == "anthrofs mount --profile a /mnt/x"
