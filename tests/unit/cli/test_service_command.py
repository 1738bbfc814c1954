"""What `anthrofs service` leaves when there is nobody to start anything."""

from pathlib import Path

import pytest

import anthrofs.cli.mount_command  # noqa: F401 - what a service's mount is
from anthrofs.cli import service_command
from anthrofs.errors import EXIT_FAILED, SetupError
from anthrofs.service import units


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of somebody without a session."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "ANTHROFS_CONFIG", "ANTHROFS_PROFILE", "DBUS_SESSION_BUS_ADDRESS"):
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


@pytest.fixture
def machines(home: Path, monkeypatch: pytest.MonkeyPatch) -> units.Folders:
    """The machine's folders, where systemctl is and no systemd: in a container."""
    found = units.Folders(home / "etc" / "systemd", home / "etc" / "anthrofs")
    monkeypatch.setattr(units, "SYSTEM", found)
    command = home / "bin" / "systemctl"
    command.parent.mkdir()
    command.write_text("#!/bin/sh\necho 'System has not been booted with systemd as init system (PID 1). Can'\\''t operate.' >&2\nexit 1\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}:/usr/bin:/bin")
    return found


def test_a_user_that_isnt_there_changes_no_service(machines: units.Folders) -> None:
    service_command.install("work", system=True, user="nobody", directory=None, waits=True, fstab=False)
    before = machines.drop_in("work").read_text()
    with pytest.raises(SetupError, match="This machine has no user nobody2"):
        service_command.install("work", system=True, user="nobody2", directory=None, waits=True, fstab=False)
    assert machines.drop_in("work").read_text() == before


def test_the_files_alone_need_no_systemctl(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PATH", str(home))
    service_command.install("work", system=False, user="", directory=None, waits=True, fstab=False)
    assert "start it: systemctl --user enable --now anthrofs@work.service" in capsys.readouterr().out


def test_where_no_systemd_runs_the_machines_files_are_removed_all_the_same(machines: units.Folders, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("work", "other"):
        service_command.install(name, system=True, user="nobody", directory=None, waits=True, fstab=False)
    wanted = machines.units / "multi-user.target.wants" / units.unit_of("work")
    wanted.parent.mkdir()
    wanted.symlink_to(machines.template())
    service_command.remove("work", system=True, fstab=False)
    assert "anthrofs@work.service is removed." in capsys.readouterr().out
    assert not wanted.is_symlink()
    assert not machines.drop_in("work").parent.exists()
    assert machines.template().exists()             # the other one's, too, though it isn't enabled
    service_command.remove("other", system=True, fstab=False)
    assert list(machines.units.rglob("anthrofs@*")) == []


def test_a_profile_that_isnt_there_is_said_and_without_a_name_profiles_are_named(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = home / ".config" / "anthrofs" / "config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text('[profile.work]\nkey_file = "~/key"\n[profile.home]\nkey_file = "~/key"\n')
    settings.chmod(0o600)
    with pytest.raises(SetupError, match="Which profile shall the service mount"):
        service_command.install(None, system=False, user="", directory=None, waits=True, fstab=False)
    service_command.install("zz", system=False, user="", directory=None, waits=True, fstab=False)
    assert "Your configuration has no profile zz" in capsys.readouterr().out
    service_command.install("work", system=False, user="", directory=None, waits=True, fstab=False)
    assert "has no profile" not in capsys.readouterr().out


def test_a_services_start_that_fails_leaves_no_directory_that_it_made(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    with pytest.raises(SetupError, match="No credentials"):
        service_command.run("nosuch")
    assert not (home / "anthrofs").exists()
