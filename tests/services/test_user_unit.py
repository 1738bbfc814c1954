"""Manual, service: the life of a mount that a user's own systemd starts, watches, starts again, reloads and stops. It is a real one."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from anthrofs.client import control_client
from anthrofs.tree.fsck import problems
from tests.emulator.process import EmulatorProcess
from tests.mounting import WAIT_S, stored, wait_until
from tests.systemd import Systemd

pytestmark = [pytest.mark.root, pytest.mark.services]
UNIT: Final = "anthrofs@work"


class Service:
    """The service `work` of a user."""

    def __init__(self, manager: Systemd, emulator: EmulatorProcess) -> None:
        self.manager, self.emulator = manager, emulator
        self.path = manager.home / "anthrofs" / "work"
        self.state_dir = manager.home / ".local" / "state" / "anthrofs" / "work"
        self.variables = manager.home / ".config" / "anthrofs" / "work.env"
        self.write(f"ANTHROPIC_API_KEY={emulator.key}\nANTHROPIC_BASE_URL={emulator.url}\nANTHROFS_OPTIONS=--upload queue\n")

    def write(self, variables: str) -> None:
        self.variables.parent.mkdir(parents=True, exist_ok=True)
        self.variables.touch(mode=0o600)
        self.variables.write_text(variables)

    def install(self) -> str:
        return self.manager.anthrofs("service", "install", "work")

    def drop_in(self, lines: str) -> None:
        path = self.manager.home / ".config/systemd/user/anthrofs@work.service.d" / "test.conf"
        path.parent.mkdir(parents=True)
        path.write_text(f"[Service]\n{lines}\n")

    def shown(self, name: str) -> str:
        return self.manager.shown(UNIT, name)

    def status(self) -> Any:
        return json.loads(self.manager.run(self.manager.program, "service", "status", "work", "--json").stdout)[0]

    def pid(self) -> str:
        return self.shown("MainPID")

    def shell(self, script: str) -> str:
        return self.manager.ok("sh", "-c", script)

    def log(self) -> str:
        path = self.state_dir / "anthrofs.log"
        return path.read_text() if path.exists() else ""

    def is_active_again(self, pid: str) -> bool:
        return self.shown("ActiveState") == "active" and self.pid() not in ("0", pid)


@pytest.fixture
def service(emulator: EmulatorProcess, tmp_path: Path) -> Iterator[Service]:
    with Systemd(tmp_path / "s", system=False) as manager:
        one = Service(manager, emulator)
        yield one
        if not emulator.running:
            emulator.start()
        if one.shown("ActiveState") == "active":
            manager.anthrofs("service", "remove", "work")
        assert str(manager.home) + "/" not in manager.ok("cat", "/proc/self/mountinfo")       # others' may come and go
    assert emulator.key not in one.log()
    if (one.state_dir / "state.db").exists():
        assert problems(one.state_dir) == []


def test_it_is_ready_when_install_returns_and_what_is_saved_arrives(service: Service) -> None:
    said = service.install()
    assert "anthrofs@work.service is started: 0 files on " in said
    service.shell(f"echo hello >{service.path}/note.txt")
    wait_until(lambda: stored(service) == {"note.txt": b"hello\n"}, "it is on the server")
    found = service.status()
    assert (found["state"], found["enabled"], found["installed"], found["restarts"]) == ("active", True, True, 0)
    assert str(service.manager.program) in (service.manager.home / ".config/systemd/user/anthrofs@.service").read_text()
    assert "<6>" not in service.log()


def test_a_crash_starts_it_again_with_all_that_was_queued(service: Service) -> None:
    service.drop_in("RestartSec=1")
    service.install()
    service.emulator.fault("upload", {"kind": "delay", "seconds": 5})
    service.shell(f"echo kept >{service.path}/note.txt")
    pid = service.pid()
    service.manager.ok("kill", "-KILL", pid)
    wait_until(lambda: service.is_active_again(pid), "it is started again")
    assert service.shell(f"cat {service.path}/note.txt") == "kept\n"
    wait_until(lambda: stored(service) == {"note.txt": b"kept\n"}, "it is on the server")
    assert len(service.emulator.files()) == 1
    assert service.shown("NRestarts") == "1"


def test_a_start_without_a_network_is_tried_until_there_is_one(service: Service) -> None:
    service.drop_in("RestartSec=100ms")
    service.emulator.stop()
    done = service.manager.run(service.manager.program, "service", "install", "work")
    assert done.returncode == 1
    assert "anthrofs@work.service is installed, but it didn't start: " in done.stderr
    assert "It is tried again by itself" in done.stderr
    wait_until(lambda: int(service.shown("NRestarts")) > 6, "it is tried again and again")
    said = service.manager.anthrofs("service", "status", "work")
    assert "it is tried again by itself" in said
    service.emulator.start()
    wait_until(lambda: service.shown("ActiveState") == "active", "it is started")


def test_a_mount_that_stops_answering_is_ended_and_started_again(service: Service) -> None:
    said = service.manager.home / "said"
    service.drop_in(f"WatchdogSec=2\nStandardError=append:{said}\nExecStopPost=/bin/sh -c 'echo $$SERVICE_RESULT >>{said}'")
    service.install()
    pid = service.pid()
    service.manager.ok("kill", "-STOP", pid)
    wait_until(lambda: service.is_active_again(pid), "it is started again")
    assert service.shell(f"ls {service.path}") == ""
    assert "watchdog" in said.read_text().splitlines()
    assert "Fatal Python error: Aborted" in said.read_text()            # and where each thread stood


def test_a_stop_sends_what_is_queued_first(service: Service) -> None:
    service.install()
    service.emulator.fault("upload", {"kind": "delay", "seconds": 2})
    service.shell(f"echo last >{service.path}/note.txt")
    said = service.manager.anthrofs("service", "remove", "work")
    assert "anthrofs@work.service is removed." in said
    assert stored(service) == {"note.txt": b"last\n"}
    assert service.shown("ActiveState") == "inactive"
    assert not (service.manager.home / ".config/systemd/user/anthrofs@.service").exists()


def test_a_stop_that_leaves_something_is_no_failure_and_the_next_start_sends_it(service: Service) -> None:
    said = service.manager.home / "said"
    service.drop_in(f"ExecStopPost=/bin/sh -c 'echo $$SERVICE_RESULT $$EXIT_STATUS >{said}'")
    service.install()
    service.emulator.stop()
    service.shell(f"echo later >{service.path}/note.txt")
    service.manager.systemctl("stop", UNIT)
    assert (service.shown("ActiveState"), said.read_text()) == ("inactive", "success 5\n")
    assert "not on the server yet, kept for the next mount: note.txt" in service.log()
    service.emulator.start()
    service.manager.systemctl("start", UNIT)
    wait_until(lambda: stored(service) == {"note.txt": b"later\n"}, "it is on the server")


def test_a_reload_reads_the_key_again(service: Service, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.touch(mode=0o600)
    key.write_text(service.emulator.key)
    service.write(f"ANTHROFS_KEY_FILE={key}\nANTHROPIC_BASE_URL={service.emulator.url}\n")
    service.install()
    assert service.manager.systemctl("reload", UNIT).returncode == 0
    wait_until(lambda: "the key is the same as before" in service.log(), "it is read")
    assert service.shown("ActiveState") == "active"


@pytest.mark.parametrize(("variables", "code", "says"), [
    ("ANTHROPIC_API_KEY=sk-wrong", 3, "The service refused the credentials: "),
    ("", 2, "No credentials"),
    ("ANTHROPIC_API_KEY={key}\nANTHROFS_OPTIONS=--upload sometimes", 2, "--upload")], ids=["refused", "none", "option"])
def test_what_keeps_it_from_starting_is_said_at_once_and_it_isnt_tried_again(service: Service, variables: str, code: int, says: str) -> None:
    service.write(variables.format(key=service.emulator.key) + f"\nANTHROPIC_BASE_URL={service.emulator.url}\n")
    done = service.manager.run(service.manager.program, "service", "install", "work")
    assert done.returncode == code
    assert "anthrofs@work.service is installed, but it didn't start: " in done.stderr
    assert says in done.stderr
    assert "tried again" not in done.stderr
    assert "sk-wrong" not in done.stderr
    assert (service.shown("NRestarts"), service.shown("ActiveState")) == ("0", "failed")
    found = service.status()
    assert (found["state"], found["exit_code"]) == ("failed", code)
    assert says in found["says"]


def test_a_profile_says_where_and_how(service: Service) -> None:
    service.write(f"ANTHROPIC_API_KEY={service.emulator.key}\n")
    where = service.manager.home / "files of mine"
    (service.manager.home / ".config/anthrofs/config.toml").write_text(
        f'[profile.work]\ndirectory = "{where}"\nbase_url = "{service.emulator.url}"\nupload = "queue"\n')
    service.install()
    service.shell(f"echo hello >'{where}/note.txt'")
    wait_until(lambda: stored(service) == {"note.txt": b"hello\n"}, "it is on the server")
    assert next(control_client.ask(service.state_dir, "status", patience_s=WAIT_S))["upload"] == "queue"
