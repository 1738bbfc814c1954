"""What `anthrofs check` says of what is no mount, and what it leaves."""

from pathlib import Path

import pytest

from anthrofs.cli import check_command
from anthrofs.client.known_states import last_place
from anthrofs.errors import SetupError
from anthrofs.store.state_dir import StateDir


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """One that was mounted, whose database is empty."""
    path = tmp_path / "state"
    StateDir(path, "/home/alice/work").close()
    (path / "state.db").touch(mode=0o600)
    return path


def test_a_check_is_no_mount_of_a_state(state: Path) -> None:
    check_command.check(None, None, state, as_json=True)
    assert last_place(state) == Path("/home/alice/work")


def test_while_it_looks_it_says_who_has_the_state(state: Path) -> None:
    lock = StateDir(state, "(a check)", passing=True)
    with pytest.raises(SetupError, match="a check"):
        StateDir(state, "/mnt")
    lock.close()


def test_a_states_directory_in_the_place_of_a_mounts_is_told_how_to_look_at_it(state: Path) -> None:
    with pytest.raises(SetupError, match="is a state, and no mount"):
        check_command.check(str(state), None, None, as_json=True)
