"""Manual, doctor: each broken machine is said to be, with the command that mends it; a check that fails itself is a finding."""

import grp
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest

from anthrofs.doctor import checkup, machine, service, setup_files, states
from anthrofs.doctor.finding import BAD, GOOD, HINT, Finding, Patient
from anthrofs.errors import SetupError
from anthrofs.fuse import binding, mountpoint
from anthrofs.tree.database import Database


@pytest.fixture
def patient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Patient:
    """A machine that has nothing yet; its files are below a directory."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "root" / "usr" / "bin").mkdir(parents=True)
    return Patient({"HOME": str(tmp_path / "home"), "XDG_STATE_HOME": str(tmp_path / "home" / "state"),
                    "XDG_CONFIG_HOME": str(tmp_path / "home" / "config"), "PATH": "/usr/bin"}, tmp_path / "root", asks=False)


def bad(found: Iterator[Finding], grade: str = BAD) -> list[tuple[str, str]]:
    """What is wrong, and what mends it."""
    return [(each.what, each.mend) for each in found if each.grade == grade]


def program(patient: Patient, name: str) -> Path:
    path = patient.at(f"/usr/bin/{name}")
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_a_machine_without_the_device(patient: Patient) -> None:
    assert bad(machine.look_at_device(patient)) == [("/dev/fuse is missing: the kernel's module isn't loaded.", "sudo modprobe fuse")]


def test_a_container_that_was_not_given_it(patient: Patient) -> None:
    patient.at("/.dockerenv").touch()
    [(what, mend)] = bad(machine.look_at_device(patient))
    assert "this container wasn't given it" in what
    assert "--device /dev/fuse --cap-add SYS_ADMIN" in mend


def test_a_machine_without_fusermount(patient: Patient) -> None:
    assert bad(machine.look_at_fusermount(patient)) == [("fusermount3 is missing.", "sudo apt-get install fuse3")]


def test_a_fusermount_that_is_not_set_uid(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    path = program(patient, "fusermount3")
    assert bad(machine.look_at_fusermount(patient)) == [] or os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert bad(machine.look_at_fusermount(patient)) == [(f"{path} isn't set-uid root.", f"sudo chown root {path} && sudo chmod u+s {path}")]
    if path.stat().st_uid == 0:
        path.chmod(0o755 | stat.S_ISUID)
        assert bad(machine.look_at_fusermount(patient)) == []


def test_a_machine_without_libfuse(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binding, "_loaded", lambda *_: None)
    assert ("libfuse 3 is missing.", "sudo apt-get install fuse3") in bad(machine.look_at_libraries(patient))


def test_a_package_that_is_missing(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "requires", lambda _: ["nosuchpackage>=3", "pytest", "other; extra == 'fleet'"])
    assert bad(machine.look_at_libraries(patient)) == [("Packages of Python are missing: nosuchpackage.", "pip install nosuchpackage")]


def test_the_rights_that_a_system_gives(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "user_allow_other" in bad(machine.look_at_rights(patient), HINT)[0][1]
    patient.at("/etc").mkdir()
    patient.at("/etc/fuse.conf").write_text("# user_allow_other\n")
    assert bad(machine.look_at_rights(patient), HINT)
    patient.at("/etc/fuse.conf").write_text("mount_max = 10\nuser_allow_other\n")
    assert bad(machine.look_at_rights(patient), HINT) == []
    patient.at("/sys/module/apparmor/parameters").mkdir(parents=True)
    patient.at("/sys/module/apparmor/parameters/enabled").write_text("Y\n")
    patient.at("/etc/apparmor.d").mkdir()
    patient.at("/etc/apparmor.d/fusermount3").write_text("profile fusermount3 {}")
    assert "AppArmor confines fusermount" in bad(machine.look_at_rights(patient), HINT)[0][0]


def test_a_file_of_settings_with_a_mistake_and_one_that_is_no_toml(patient: Patient) -> None:
    path = Path(patient.environ["XDG_CONFIG_HOME"]) / "anthrofs" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text('[defaults]\nuplaod = "queue"\n')
    path.chmod(0o600)
    [(what, _)] = bad(setup_files.look_at_settings(patient))
    assert f"{path}:2" in what
    assert "did you mean upload?" in what
    path.write_text("[defaults\n")
    assert f"{path}:1" in bad(setup_files.look_at_settings(patient))[0][0]


def test_a_unit_whose_program_has_gone(patient: Patient) -> None:
    path = Path(patient.environ["XDG_CONFIG_HOME"]) / "systemd" / "user" / "anthrofs@.service"
    path.parent.mkdir(parents=True)
    path.write_text("[Service]\nExecStart=/opt/gone/bin/anthrofs mount --foreground %i\n")
    assert bad(setup_files.look_at_units(patient)) == [(f"{path} starts /opt/gone/bin/anthrofs, which isn't there.", "anthrofs service install NAME")]
    found = program(patient, "anthrofs")
    path.write_text(f"[Service]\nExecStart=-/{found.relative_to(patient.root)} mount\n")
    assert bad(setup_files.look_at_units(patient)) == []


def test_a_unit_of_the_machine_is_written_again_for_its_user(patient: Patient) -> None:
    path = patient.at("/etc/systemd/system/anthrofs@.service")
    for directory in ("anthrofs@work.service.d", "multi-user.target.wants"):
        (path.parent / directory).mkdir(parents=True)
    path.write_text("[Service]\nExecStart=/opt/gone/bin/anthrofs mount\n")
    assert bad(setup_files.look_at_units(patient))[0][1] == "sudo anthrofs service install --system --user USER NAME"
    (path.parent / "anthrofs@work.service.d" / "user.conf").write_text("[Service]\nUser=ann\n")
    (path.parent / "multi-user.target.wants" / "anthrofs@work.service").symlink_to(path)
    assert bad(setup_files.look_at_units(patient))[0][1] == "sudo anthrofs service install --system --user ann work"


def configured(patient: Patient, text: str) -> Path:
    path = Path(patient.environ["XDG_CONFIG_HOME"]) / "anthrofs" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_a_profile_that_is_named_needs_no_other_key(patient: Patient) -> None:
    home = Path(patient.environ["HOME"])
    (home / "key").write_text("sk-test")
    (home / "key").chmod(0o600)
    (home / "work").mkdir()
    configured(patient, f'[profile.work]\ndirectory = "{home}/work"\nkey_file = "{home}/key"\n')
    assert bad(service.look_at_keys(Patient(patient.environ, patient.root, profile="work", asks=False))) == []


def test_what_is_wrong_is_said_once_with_the_command_that_mends_it(patient: Patient) -> None:
    home = Path(patient.environ["HOME"])
    (home / "key").write_text("sk-test")
    (home / "key").chmod(0o644)
    (home / "other key").write_text("sk-test")
    (home / "other key").chmod(0o600)
    path = configured(patient, f'[profile.work]\ndirectory = "{home}/work place"\nkey_file = "{home}/key"\n[profile.other]\nkey_file = "{home}/other key"\nuplaod = 1\n')
    looked = [each for check in (setup_files.look_at_settings, service.look_at_keys) for each in check(patient)]
    assert bad(iter(looked)) == [
        (f"{path}:3: key_file: {home}/key can be used by others than you.", f"chmod 600 {home}/key"),
        (f"{path}:6: uplaod: no option has that name: did you mean upload?", f"correct it there ({path}:6); then: anthrofs config check"),
        (f"{path}:2: directory: {home}/work place does not exist.", f"mkdir -p '{home}/work place'"),
    ]


def test_an_address_that_is_none_is_said_once(patient: Patient) -> None:
    home = Path(patient.environ["HOME"])
    (home / "key").write_text("sk-test")
    (home / "key").chmod(0o600)
    configured(patient, "".join(f'[profile.{name}]\nkey_file = "{home}/key"\n' for name in ("one", "two", "three")))
    environ = {**patient.environ, "ANTHROPIC_API_KEY": "sk-test", "ANTHROPIC_BASE_URL": "nonsense"}
    [found] = [each for each in service.look_at_keys(Patient(environ, patient.root, asks=False)) if each.grade == BAD]
    assert "ANTHROPIC_BASE_URL" in found.what
    assert "key" not in found.why


def test_a_device_is_opened_by_its_group_where_that_may(patient: Patient) -> None:
    device = patient.at("/dev/fuse")
    device.parent.mkdir()
    device.touch()
    device.chmod(0o600)
    assert mountpoint.way_to(device) == f"sudo chmod 666 {device}"
    if os.geteuid() == 0:
        os.chown(device, 0, grp.getgrnam("daemon").gr_gid)
        device.chmod(0o660)
        assert mountpoint.way_to(device) == "sudo usermod -aG daemon root   # then log in again"


def refusal_of_others(conf: Path) -> str:
    """What somebody is told who has no rights: root is here, in a process of its own, nobody any more."""
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        words = ""
        try:
            if os.geteuid() == 0:
                os.setresuid(65534, 65534, 65534)
            mountpoint.refuse_others(True, conf)
        except SetupError as exc:
            words = str(exc)
        finally:
            os.write(theirs, words.encode())
            os._exit(0)
    os.close(theirs)
    with os.fdopen(ours) as file:
        said = file.read()
    os.waitpid(child, 0)
    return said


def test_allow_other_is_refused_before_fusermount_does(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        conf = Path(place) / "fuse.conf"
        conf.write_text("#user_allow_other\n")
        assert "echo user_allow_other" in refusal_of_others(conf)
        mountpoint.refuse_others(False, conf)
        if os.geteuid() == 0:       # a service of the machine's: a user's, with root's right to mount
            monkeypatch.setattr(os, "geteuid", lambda: 1000)
            mountpoint.refuse_others(True, conf)
        conf.write_text("user_allow_other\n")
        assert refusal_of_others(conf) == ""


@pytest.mark.parametrize("package", ["msgspec", "httpx", "mfusepy"])
def test_without_a_package_the_rest_is_looked_at(patient: Patient, package: str) -> None:
    words = f"import sys; sys.modules['{package}'] = None; sys.argv[1:] = ['doctor', '--offline']; from anthrofs.cli.commands import main; main()"
    done = subprocess.run([sys.executable, "-c", words], env={**os.environ, **patient.environ, "PATH": os.environ["PATH"]}, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.count(f"the package {package} is missing") == 1
    assert "good  States are kept in" in done.stdout


def test_a_machine_without_a_key_and_one_whose_profile_has_one(patient: Patient) -> None:
    [(what, mend)] = bad(service.look_at_keys(patient))
    assert "No credentials" in what
    assert "anthrofs init" in mend
    home = Path(patient.environ["HOME"])
    (home / "key").write_text("sk-test")
    path = Path(patient.environ["XDG_CONFIG_HOME"]) / "anthrofs" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(f'[profile.work]\ndirectory = "{home}/work"\nkey_file = "{home}/key"\n')
    path.chmod(0o600)
    patient.services.clear()
    (home / "key").chmod(0o644)
    assert bad(service.look_at_keys(patient)) == []     # the settings' check says it
    patient.services.clear()
    (home / "key").chmod(0o600)
    assert [each.what for each in service.look_at_keys(patient)] == [f"A key is there: from the key file {home}/key."]


def test_certificates_and_proxies_that_cannot_be_used(patient: Patient) -> None:
    environ = {**patient.environ, "SSL_CERT_FILE": "/nowhere.pem", "HTTPS_PROXY": "gopher://me:secret@proxy"}
    found = bad(service.look_at_way(Patient(environ, patient.root, asks=False)))
    assert any("SSL_CERT_FILE names a file that can't be read" in what for what, _ in found)
    assert any("HTTPS_PROXY" in what for what, _ in found)
    assert not any("secret" in what for what, _ in found)
    others = Patient({**patient.environ, "REQUESTS_CA_BUNDLE": "/ca.pem"}, patient.root, asks=False)
    assert bad(service.look_at_way(others), HINT)[0][1] == 'export SSL_CERT_FILE="$REQUESTS_CA_BUNDLE"'


# ---- states

def state(patient: Patient, name: str = "default") -> Path:
    path = Path(patient.environ["XDG_STATE_HOME"]) / "anthrofs" / name
    path.mkdir(mode=0o700, parents=True)
    Database(path / "state.db").close()
    return path


def test_a_state_that_others_can_look_into_is_closed_to_them(patient: Patient) -> None:
    path = state(patient)
    path.chmod(0o755)
    found = list(states.look_at_states(patient))
    assert bad(iter(found)) == [(f"Others can look into the state {path}.", f"chmod 700 {path}")]
    assert [refused for _, refused in checkup.mended(found)] == [""]
    assert path.stat().st_mode & 0o777 == 0o700
    assert bad(states.look_at_states(patient)) == []


def test_a_database_that_cannot_be_read(patient: Patient) -> None:
    path = state(patient)
    (path / "state.db").write_bytes(b"noise" * 1000)
    assert (f"The database of the state {path} can't be read.", f"anthrofs check --state-dir {path}") in bad(states.look_at_states(patient))


def test_a_state_that_nobody_has_used_for_long(patient: Patient) -> None:
    path = state(patient)
    for each in (*path.iterdir(), path):
        os.utime(each, (0, 0))
    assert bad(states.look_at_states(patient), HINT)[0][1] == "anthrofs states remove default"


def test_a_full_disk_and_one_in_memory(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    root = state(patient).parent
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2**20))
    monkeypatch.setattr(states, "kind_of", lambda _: "tmpfs")
    assert [what for what, _ in bad(states.look_at_states(patient))] == [f"The disk of {root} has 1 MiB left.", f"{root} is in memory (tmpfs)."]
    monkeypatch.undo()
    monkeypatch.setattr(states, "kind_of", lambda _: "nfs4")
    assert "is on another machine (nfs4)" in bad(states.look_at_states(patient), HINT)[0][0]


def test_a_file_in_place_of_the_states(patient: Patient) -> None:
    Path(patient.environ["XDG_STATE_HOME"]).write_text("")
    assert "is a file, where the directory of the states is to be" in bad(states.look_at_states(patient))[0][0]


@pytest.mark.parametrize(("home", "theirs", "mend"), [
    ("/nonexistent", (), "export HOME=…   # a directory of yours; or XDG_STATE_HOME"),
    ("", (), "export HOME=…   # a directory of yours; or XDG_STATE_HOME"),
    ("home", ("home",), "export HOME=…   # a directory of yours; or XDG_STATE_HOME"),
    ("home", (), "chmod u+rwx {home}"),
    ("home", ("home/.local",), "sudo chown -R 1000 {home}/.local"),
])
def test_states_that_cannot_be_made_become_mine_only_in_a_home_of_mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str,
                                                                       theirs: tuple[str, ...], mend: str) -> None:
    (tmp_path / "home").mkdir()
    for each in theirs:
        (tmp_path / each).mkdir(exist_ok=True)
    one = {"": "", "home": str(tmp_path / "home")}.get(home, home)
    monkeypatch.setenv("HOME", one)
    # As a user of that number, whom the system lets write nowhere.
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "access", lambda *_: False)
    real = Path.stat

    def owned(path: Path, **how: bool) -> os.stat_result:
        found = real(path, **how)
        mine = path.is_relative_to(tmp_path) and str(path.relative_to(tmp_path)) not in theirs
        return os.stat_result([*found[:4], 1000 if mine else 0, *found[5:10]])

    monkeypatch.setattr(Path, "stat", owned)
    found = bad(states.look_at_states(Patient({"HOME": one}, asks=False)))
    assert found[0][1] == mend.format(home=tmp_path / "home")


def test_the_kind_of_a_disk_is_the_kernels_word() -> None:
    assert mountpoint.kind_of(Path("/proc")) == "proc"
    assert mountpoint.kind_of(Path("/proc/self")) == "proc"


def test_a_check_that_fails_itself_is_a_finding_and_the_others_go_on(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_patient: Patient) -> Iterator[Finding]:
        yield Finding("x", GOOD, "first")
        raise KeyError("y")

    monkeypatch.setattr(checkup, "CHECKS", (("x", fails), ("z", lambda _: iter([Finding("z", GOOD, "last")]))))
    assert [(each.grade, each.what) for each in checkup.findings(patient)] == [(GOOD, "first"), (BAD, "This could not be looked at: KeyError: 'y'."), (GOOD, "last")]
