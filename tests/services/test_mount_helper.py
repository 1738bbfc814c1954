"""Manual, service: mount(8), umount(8) and fstab, as they are on this machine, in namespaces with an /etc and an /sbin of their own."""

import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from anthrofs.tree.fsck import problems
from tests.emulator.process import EmulatorProcess
from tests.mounting import BOUND_S, runs, stored, wait_until
from tests.systemd import PROGRAM, alone

pytestmark = [pytest.mark.root, pytest.mark.services]
# As at boot: nothing of a person's environment.
BARE: Final = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


class Machine:
    """A root shell in a mount namespace, whose /etc, /usr/sbin and /root are layers that go with it."""

    def __init__(self, folder: Path, emulator: EmulatorProcess) -> None:
        self.emulator = emulator
        self.folder = folder
        self.path = folder / "mnt"
        self.home = folder / "home"
        self.program = folder / "bin" / "anthrofs"
        for path in (self.path, self.home, self.program.parent):
            path.mkdir()
        folder.chmod(0o755)
        self.program.write_text(PROGRAM)
        self.program.chmod(0o755)
        self.state_dir = self.home / "state" / "anthrofs" / "work"
        key = self.home / "key"
        key.touch(mode=0o600)
        key.write_text(emulator.key)
        self.key, self.settings = key, self.home / "config.toml"
        self.settings.touch(mode=0o600)
        self.settings.write_text(f'[defaults]\nbase_url = "{emulator.url}"\n[profile.work]\nkey_file = "{key}"\nstate_dir = "{self.state_dir}"\n'
                                 'upload = "queue"\n')
        begin = alone(folder, layers=True) + ": >/etc/fstab\necho ready\nread line\n"
        self._shell = subprocess.Popen(["unshare", "--mount", "--propagation", "slave", "bash", "-c", begin], env=BARE, text=True,
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._shell.stdout is not None
        assert self._shell.stdout.readline() == "ready\n"
        self.ok(f"{self.program} service install --fstab")

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        """A script of root's there, in an environment that has nothing."""
        return subprocess.run(["nsenter", "--target", str(self._shell.pid), "--mount", "--wdns=/", "sh", "-c", script], env=BARE, text=True,
                              capture_output=True, timeout=BOUND_S, check=False)

    def ok(self, script: str) -> str:
        done = self.run(script)
        assert done.returncode == 0, (script, done.stdout, done.stderr)
        return done.stdout

    def fstab(self, source: str, options: str) -> None:
        self.ok(f"echo {shlex.quote(f'{source} {self.path} anthrofs {options} 0 0')} >/etc/fstab")

    def mounted(self) -> list[str]:
        """Source, type and options of what is mounted there."""
        return self.run(f"findmnt -rn -o SOURCE,FSTYPE,OPTIONS {self.path}").stdout.split()

    def end(self) -> None:
        """Nothing of it is left, neither a process."""
        self.run(f"umount {self.path}")
        assert self.mounted() == []
        self.ok(f"{self.program} service remove --fstab")
        assert self.run("ls /sbin/mount.*anthrofs*").stdout == ""
        self._shell.communicate("end\n", timeout=BOUND_S)
        wait_until(lambda: not self._served(), "the mount's process ends")
        if (self.state_dir / "state.db").exists():
            assert problems(self.state_dir) == []

    def _served(self) -> bool:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if os.fsencode(self.path) in path.read_bytes():
                    return True
            except OSError:
                continue
        return False


@pytest.fixture
def machine(emulator: EmulatorProcess, reachable_folder: Path) -> Iterator[Machine]:
    one = Machine(reachable_folder, emulator)
    yield one
    if not emulator.running:
        emulator.start()
    one.end()


@pytest.fixture
def reachable_folder() -> Iterator[Path]:
    """Where any user can go: into pytest's own directories only the one who runs it can."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="anthrofs-test-") as found:
        yield Path(found)


@pytest.mark.parametrize("kind", ["anthrofs", "fuse.anthrofs"])
def test_mount_and_umount_know_the_type(machine: Machine, kind: str) -> None:
    machine.ok(f"mount -t {kind} anthrofs:work {machine.path} -o config={machine.settings}")
    assert machine.mounted()[:2] == ["anthrofs:work", "fuse.anthrofs"]
    machine.emulator.fault("upload", {"kind": "delay", "seconds": 2})
    machine.ok(f"echo hello >{machine.path}/note.txt; umount {machine.path}")
    assert machine.mounted() == []
    wait_until(lambda: stored(machine) == {"note.txt": b"hello\n"}, "the mount's process sends it behind its end")


def test_fstab_is_mounted_once_and_all_of_it_again_changes_nothing(machine: Machine) -> None:
    machine.fstab("anthrofs:work", f"_netdev,nofail,x-systemd.automount,x-systemd.idle-timeout=60,ro,uid=1000,allow_other,config={machine.settings}")
    machine.ok("mount -a")
    before = machine.mounted()
    assert before[:2] == ["anthrofs:work", "fuse.anthrofs"]
    assert {"ro", "nosuid", "nodev", "allow_other"} <= set(before[2].split(","))
    assert machine.ok(f"stat -c %u {machine.path}") == "1000\n"
    machine.ok("mount -a")
    machine.ok("mount -a")
    assert machine.run(f"findmnt -rn -t fuse.anthrofs | grep -c {machine.path}").stdout == "1\n"
    machine.ok(f"umount {machine.path}; mount {machine.path}")
    assert machine.mounted() == before


def test_a_profile_without_the_prefix_is_mounted_once_too(machine: Machine) -> None:
    machine.fstab("work", f"_netdev,config={machine.settings}")
    machine.ok("cd /run && mount -a")        # mount(8) makes a path of a word that is one here
    before = machine.mounted()
    machine.ok("cd /run && mount -a")        # mount(8) makes a path of a word that is one here
    assert machine.run(f"findmnt -rn -t fuse.anthrofs | grep -c {machine.path}").stdout == "1\n"
    assert machine.mounted() == before


def test_a_file_with_the_key_is_a_source_and_nobody_sees_the_key(machine: Machine) -> None:
    machine.fstab(str(machine.key), f"base_url={machine.emulator.url},state_dir={machine.state_dir}")
    machine.ok("mount -a")
    machine.ok(f"echo hello >{machine.path}/note.txt")
    seen = machine.ok("for each in /proc/[0-9]*/cmdline; do tr '\\0' ' ' <$each 2>/dev/null; echo; done; cat /proc/self/mountinfo").splitlines()
    assert [line for line in seen if machine.emulator.key in line and "anthrofs.emulator" not in line] == []
    assert [line for line in seen if str(machine.path) in line]
    wait_until(lambda: stored(machine) == {"note.txt": b"hello\n"}, "it is on the server")


def test_without_the_links_fuses_own_helper_calls_us(machine: Machine) -> None:
    machine.ok(f"{machine.program} service remove --fstab")
    machine.ok(f"ln -s {machine.program} /usr/sbin/anthrofs")
    machine.ok(f"mount -t fuse.anthrofs anthrofs:work {machine.path} -o config={machine.settings},ro")
    assert machine.mounted()[:2] == ["anthrofs:work", "fuse.anthrofs"]


def test_a_killed_mount_is_taken_away_and_mounted_anew(machine: Machine) -> None:
    machine.fstab("anthrofs:work", f"config={machine.settings}")
    machine.ok("mount -a")
    machine.ok(f"echo kept >{machine.path}/note.txt; sync {machine.path}/note.txt")
    pid = int(machine.ok(f"sed 's/.*\"pid\": *\\([0-9]*\\).*/\\1/' {machine.state_dir}/lock"))
    machine.ok(f"kill -9 {pid}")
    wait_until(lambda: not runs(pid), "it has gone")
    assert machine.mounted() != []
    machine.ok(f"mount {machine.path}")
    assert machine.ok(f"cat {machine.path}/note.txt") == "kept\n"


def test_an_unmount_with_the_service_away_ends_and_keeps_what_is_left(machine: Machine) -> None:
    machine.fstab("anthrofs:work", f"config={machine.settings}")
    machine.ok("mount -a")
    machine.emulator.stop()
    machine.ok(f"echo later >{machine.path}/note.txt")
    done = machine.run(f"{machine.program} umount {machine.path}")
    assert done.returncode == 5
    assert "note.txt" in done.stderr
    machine.emulator.start()
    machine.ok("mount -a")
    wait_until(lambda: stored(machine) == {"note.txt": b"later\n"}, "the next mount sends it")


@pytest.mark.parametrize(("words", "code", "says"), [
    ("-o upload=sometimes anthrofs:work {path}", 1, "upload"),
    ("-o colour=red anthrofs:work {path}", 1, "colour"),
    ("-o config={settings} anthrofs:work {path}/gone", 1, "does not exist"),
    ("-o config={settings}.old anthrofs:work {path}", 1, ".old: that file does not exist."),
    ("-o config={settings} anthrofs:wrok {path}", 1, "did you mean work?"),
    ("-o setuid=nobody-at-all anthrofs:work {path}", 1, "there is no such user"),
    ("{home} {path}", 1, "is a directory, and no source of files")], ids=["value", "option", "place", "settings", "typo", "user", "source"])
def test_what_is_wrong_is_a_sentence_and_mounts_code(machine: Machine, words: str, code: int, says: str) -> None:
    done = machine.run("mount -t anthrofs " + words.format(path=machine.path, home=machine.home, settings=machine.settings))
    assert (done.returncode, says in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr


ALICE: Final = ("echo alice:x:12345:12345::/run/alice:/bin/sh >>/etc/passwd; echo alice:x:12345: >>/etc/group; mkdir -p /run/alice/.config/anthrofs; "
                "cp {settings} /run/alice/.config/anthrofs/config.toml; cp {key} /run/alice/key; "
                "sed -i 's,{key},/run/alice/key,; s,{state},/run/alice/state,' /run/alice/.config/anthrofs/config.toml; "
                "chown -R alice /run/alice; chmod 700 /run/alice; chown alice {path}")
AS_ALICE: Final = "HOME=/run/alice setpriv --reuid=alice --clear-groups --regid=alice"


def with_alice(machine: Machine) -> None:
    """She has a home, the profile and the key, and the mount point."""
    machine.ok(ALICE.format(settings=machine.settings, key=machine.key, state=machine.state_dir, path=machine.path))


def test_roots_line_mounts_as_somebody_else(machine: Machine) -> None:
    """The user's configuration, state and mount, into which the kernel lets nobody else."""
    with_alice(machine)
    machine.fstab("anthrofs:work", "setuid=alice,_netdev")
    machine.ok("mount -a")
    assert "user_id=12345" in machine.mounted()[2]
    assert machine.run(f"ls {machine.path}").returncode != 0
    machine.emulator.fault("upload", {"kind": "delay", "seconds": 1})
    machine.ok(f"{AS_ALICE} sh -c 'echo hers >{machine.path}/note.txt'; umount {machine.path}")
    wait_until(lambda: stored(machine) == {"note.txt": b"hers\n"}, "it is on the server")


def test_somebody_elses_command_gets_none_of_roots_variables(machine: Machine) -> None:
    """The command is in the user's configuration, which the user writes."""
    with_alice(machine)
    machine.ok("printf '#!/bin/sh\\nenv >/run/alice/seen; cat /run/alice/key\\n' >/run/alice/ask; chmod 755 /run/alice/ask; "
               "sed -i 's,^key_file.*,key_command = [\"/run/alice/ask\"],' /run/alice/.config/anthrofs/config.toml")
    machine.fstab("anthrofs:work", "setuid=alice,_netdev")
    machine.ok("ANTHROPIC_API_KEY=sk-of-root AWS_SECRET_ACCESS_KEY=of-root SSH_AUTH_SOCK=/of/root mount -a")
    assert "user_id=12345" in machine.mounted()[2]
    seen = machine.ok("cat /run/alice/seen")
    assert ("of-root" in seen, "/of/root" in seen, "HOME=/run/alice" in seen) == (False, False, True)


def test_a_line_with_user_is_mounted_and_unmounted_by_one(machine: Machine) -> None:
    with_alice(machine)
    machine.fstab("anthrofs:work", "user,noauto")
    machine.ok(f"{AS_ALICE} mount {machine.path}")
    assert {"user_id=12345", "noexec", "nosuid", "nodev"} <= set(machine.mounted()[2].split(","))
    machine.ok(f"{AS_ALICE} sh -c 'echo hers >{machine.path}/note.txt; umount {machine.path}'")
    assert machine.mounted() == []
    wait_until(lambda: stored(machine) == {"note.txt": b"hers\n"}, "it is on the server")
