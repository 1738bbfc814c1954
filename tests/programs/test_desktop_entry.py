"""Manual, desktop: the entry in the menu, as a desktop starts it."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from anthrofs.fuse import mountpoint
from tests.mounting import BOUND_S, Mount, wait_until
from tests.notification_server import NotificationServer
from tests.session_bus import SessionBus

pytestmark = pytest.mark.desktop


@pytest.fixture
def person(mount: Mount, tmp_path: Path) -> Iterator[Mount]:
    """Somebody with a home, a profile called work, and a file browser that writes down what it shows."""
    home, programs = tmp_path / "a home", tmp_path / "programs"
    config = home / ".config" / "anthrofs" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f'[profile.work]\ndirectory = "{mount.path}"\nstate_dir = "{mount.state_dir}"\n')
    config.chmod(0o600)
    programs.mkdir()
    browser = programs / "xdg-open"
    browser.write_text(f'#!/bin/sh\necho "$1" >> "{tmp_path}/shown"\n')
    browser.chmod(0o755)
    mount.environment |= {"HOME": str(home), "ANTHROFS_CONFIG": str(config), "PATH": f"{programs}:{mount.environment['PATH']}",
                          "GIO_USE_VFS": "local"}
    mount.environment.pop("XDG_DATA_HOME", None)
    yield mount
    mount.ok("desktop", "remove")
    assert not entry_of(mount).exists()


def entry_of(person: Mount) -> Path:
    return Path(person.environment["HOME"], ".local/share/applications/anthrofs.desktop")


def launch(person: Mount) -> None:
    """As a desktop does it when the entry is clicked."""
    subprocess.run(["gio", "launch", entry_of(person)], env=person.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, check=True, timeout=BOUND_S)


def shown(tmp_path: Path) -> list[str]:
    path = tmp_path / "shown"
    return path.read_text().splitlines() if path.exists() else []


def test_the_entry_is_valid_and_mounts_and_shows_the_profile(person: Mount, tmp_path: Path) -> None:
    said = person.ok("desktop", "install").splitlines()
    assert said[0] == str(entry_of(person))
    subprocess.run(["desktop-file-validate", entry_of(person)], check=True, timeout=BOUND_S)
    launch(person)
    wait_until(lambda: shown(tmp_path) == [str(person.path)], "the folder is shown")
    assert mountpoint.is_mounted(person.path)
    launch(person)
    wait_until(lambda: shown(tmp_path) == [str(person.path)] * 2, "it is shown again, and not mounted twice")


def test_what_goes_wrong_is_told_where_there_is_no_terminal(person: Mount, tmp_path: Path) -> None:
    person.ok("desktop", "install")
    person.environment["ANTHROPIC_API_KEY"] = "wrong"
    with SessionBus(tmp_path, {"PATH": "/usr/bin:/bin"}) as bus, NotificationServer(bus) as desktop:
        person.environment["DBUS_SESSION_BUS_ADDRESS"] = bus.address
        launch(person)
        wait_until(lambda: desktop.told, "it is told")
    assert desktop.told[0][3] == "Anthropic Files"
    assert "key" in desktop.told[0][4]
    assert shown(tmp_path) == []
    assert not mountpoint.is_mounted(person.path)


def test_a_profile_that_isnt_there_is_said(person: Mount) -> None:
    done = person.run("desktop", "open", "wrk")
    assert done.returncode == 2
    assert "There is no profile 'wrk'" in done.stderr
