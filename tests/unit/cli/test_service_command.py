"""What `anthrofs service` leaves when there is nobody to start anything."""

from pathlib import Path

import pytest

from anthrofs.cli import service_command
from anthrofs.errors import EXIT_FAILED, SetupError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of somebody without a session."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "DBUS_SESSION_BUS_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_without_a_session_nothing_is_made_and_the_sentence_says_what_to_do(home: Path) -> None:
    with pytest.raises(SetupError, match="you have no session of it here") as raised:
        service_command.install("work", system=False, user="", directory=None, waits=False, fstab=False)
    assert raised.value.exit_code == EXIT_FAILED
    assert list(home.iterdir()) == []


def test_the_files_alone_need_no_session_and_the_one_for_keys_is_private(home: Path) -> None:
    service_command.install("work", system=False, user="", directory=home / "my files", waits=True, fstab=False)
    variables = home / ".config" / "anthrofs" / "work.env"
    assert variables.stat().st_mode & 0o777 == 0o600
    assert f'ANTHROFS_DIR="{home}/my files"' in variables.read_text().splitlines()
    assert (home / ".config" / "systemd" / "user" / "anthrofs@.service").exists()


def test_a_file_of_variables_that_is_there_stays_as_it_is(home: Path) -> None:
    variables = home / ".config" / "anthrofs" / "work.env"
    variables.parent.mkdir(parents=True)
    variables.write_text("ANTHROPIC_API_KEY=sk-mine\n")
    service_command.install("work", system=False, user="", directory=None, waits=True, fstab=False)
    assert variables.read_text() == "ANTHROPIC_API_KEY=sk-mine\n"
