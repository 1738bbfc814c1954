"""Manual, service: a service of the machine, which a real systemd starts as an ordinary user, and a line of fstab that it mounts."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest

from anthrofs.tree.fsck import problems
from tests.emulator.process import EmulatorProcess
from tests.mounting import stored, wait_until
from tests.systemd import Systemd

pytestmark = [pytest.mark.root, pytest.mark.services]
HOME: Final = "/run/alice"
UNIT: Final = "anthrofs@work"
CAP_SYS_ADMIN: Final = 1 << 21


class Machine:
    """A machine with a user alice, whose profile is `work`."""

    def __init__(self, systemd: Systemd, emulator: EmulatorProcess, folder: Path) -> None:
        self.systemd, self.emulator, self.folder = systemd, emulator, folder
        self.path, self.state_dir = folder / "s" / "mnt", folder / "s" / "state"
        settings = (f'[profile.work]\ndirectory = "{self.path}"\nstate_dir = "{self.state_dir}"\nbase_url = "{emulator.url}"\nupload = "queue"\n'
                    f'key_file = "{HOME}/key"\nallow_other = true\n')
        self.shell(f"echo alice:x:12345:12345::{HOME}:/bin/sh >>/etc/passwd; echo alice:x:12345: >>/etc/group; mkdir -p {HOME}/.config/anthrofs; "
                   f"mkdir {self.path} {self.state_dir}; echo {emulator.key} >{HOME}/key; chmod 600 {HOME}/key; "
                   f"echo {shlex.quote(settings)} >{HOME}/.config/anthrofs/config.toml; chown -R alice {HOME} {self.path} {self.state_dir}; chmod 700 {HOME}")

    def shell(self, script: str) -> str:
        return self.systemd.ok("sh", "-c", script)

    def install(self) -> str:
        return self.systemd.anthrofs("service", "install", "--system", "--user", "alice", "work")

    def remove(self) -> str:
        return self.systemd.anthrofs("service", "remove", "--system", "work")

    def mounts(self) -> list[str]:
        """As the first process sees it."""
        return [line for line in self.shell("cat /proc/1/mountinfo").splitlines() if "fuse.anthrofs" in line and str(self.path) in line]        # others' may come and go


@pytest.fixture
def machine(emulator: EmulatorProcess) -> Iterator[Machine]:
    """In a folder where alice can go, too."""
    with TemporaryDirectory(prefix="anthrofs-test-") as base:
        folder = Path(base)
        folder.chmod(0o755)
        with Systemd(folder / "s", system=True) as systemd:
            one = Machine(systemd, emulator, folder)
            yield one
        if (one.state_dir / "state.db").exists():
            assert problems(one.state_dir) == []


def test_its_mount_is_seen_by_all_and_its_process_can_do_nothing_but_mount(machine: Machine) -> None:
    systemd = machine.systemd
    assert "anthrofs@work.service is started: 0 files on " in machine.install()
    assert [re.findall(r"user_id=(\d+)", line) for line in machine.mounts()] == [["12345"]]
    machine.shell(f"echo hello >{machine.path}/note.txt")
    wait_until(lambda: stored(machine) == {"note.txt": b"hello\n"}, "it is on the server")
    status = machine.shell(f"cat /proc/{systemd.shown(UNIT, 'MainPID')}/status")
    found = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert (found["NoNewPrivs"], int(found["CapBnd"], 16), found["Seccomp"], found["Uid"].split()[0]) == ("1", CAP_SYS_ADMIN, "2", "12345")
    one = json.loads(systemd.anthrofs("service", "status", "--system", "--json"))[0]
    assert (one["name"], one["state"], one["enabled"]) == ("work", "active", True)
    machine.emulator.fault("upload", {"kind": "delay", "seconds": 1})
    machine.shell(f"echo last >{machine.path}/last.txt")
    machine.remove()
    assert machine.mounts() == []
    assert stored(machine) == {"note.txt": b"hello\n", "last.txt": b"last\n"}
    assert machine.shell("ls /etc/systemd/system | grep anthrofs || true") == ""


def test_a_crash_leaves_no_dead_mount_and_starts_it_again(machine: Machine) -> None:
    machine.install()
    pid = machine.systemd.shown(UNIT, "MainPID")
    machine.systemd.ok("kill", "-KILL", pid)
    wait_until(lambda: machine.systemd.shown(UNIT, "MainPID") not in ("0", pid) and machine.systemd.shown(UNIT, "ActiveState") == "active", "it is started again")
    assert len(machine.mounts()) == 1
    assert machine.shell(f"ls {machine.path}") == ""
    machine.remove()


def test_it_never_runs_as_root_because_nobody_said_as_whom(machine: Machine) -> None:
    done = machine.systemd.run(machine.systemd.program, "service", "install", "--system", "work")
    assert (done.returncode, "Say --user USER" in done.stderr) == (2, True)
    machine.systemd.anthrofs("service", "install", "--system", "--user", "alice", "--no-start", "work")
    machine.shell("rm -r /etc/systemd/system/anthrofs@work.service.d; systemctl daemon-reload")
    assert machine.systemd.systemctl("start", UNIT).returncode != 0
    assert machine.mounts() == []


def line_of_fstab(machine: Machine, options: str) -> str:
    """The name of its units, but for the suffix. As a boot does it, but for what else the generator would have started of a machine."""
    machine.systemd.anthrofs("service", "install", "--fstab")
    machine.shell(f"echo 'anthrofs:work {machine.path} anthrofs _netdev,noauto,x-systemd.automount,{options} 0 0' >/etc/fstab; mkdir /run/made; "
                  "/lib/systemd/system-generators/systemd-fstab-generator /run/made /run/made /run/made; "
                  "cp /run/made/*mount /run/systemd/system; systemctl daemon-reload")
    return machine.shell(f"systemd-escape --path {machine.path}").strip()


def test_a_line_of_fstab_is_mounted_at_the_first_look_and_sends_what_is_queued_behind_the_stop(machine: Machine) -> None:
    unit = line_of_fstab(machine, f"config={HOME}/.config/anthrofs/config.toml")
    machine.shell(f"chown -R root {HOME} {machine.state_dir}; systemctl start '{unit}.automount'")
    assert machine.mounts() == []
    assert machine.shell(f"ls {machine.path}") == ""
    assert len(machine.mounts()) == 1
    machine.emulator.fault("upload", {"kind": "delay", "seconds": 1})
    machine.shell(f"echo hello >{machine.path}/note.txt")
    machine.shell(f"systemctl stop '{unit}.automount' '{unit}.mount'")
    assert machine.mounts() == []
    wait_until(lambda: stored(machine) == {"note.txt": b"hello\n"}, "its process has sent it")
    wait_until(lambda: str(machine.path) not in machine.shell("cat /proc/[0-9]*/cmdline || true"), "and has ended")


def test_a_line_that_mounts_as_somebody_else_at_the_first_look_is_refused_at_once(machine: Machine) -> None:
    unit = line_of_fstab(machine, "setuid=alice")
    machine.shell(f"systemctl start '{unit}.automount'")
    assert machine.systemd.run("ls", machine.path).returncode != 0
    assert machine.systemd.shown(f"{unit}.mount", "Result") == "exit-code"
    assert machine.mounts() == []
