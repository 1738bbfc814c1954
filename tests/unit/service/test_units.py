"""The units are ones that systemd accepts without a word, and hold nothing that is secret."""

import os
import re
import subprocess
from pathlib import Path
from typing import Final

import pytest

from anthrofs.errors import SetupError
from anthrofs.service import units

MOST_EXPOSED: Final = 4.0       # by systemd's own count, of 10; a unit of nothing but the program has 9.6
FILES_OF_ITS_OWN: Final = ("DynamicUser", "PrivateTmp", "PrivateDevices", "ProtectSystem", "ProtectHome", "ProtectProc", "ProcSubset", "ProtectKernelTunables",
                           "ProtectKernelModules", "ProtectKernelLogs", "ProtectControlGroups", "ReadOnlyPaths", "InaccessiblePaths", "PrivateMounts", "RootDirectory")


def analysed(tmp_path: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """It looks for other units in the runtime directory, which a machine without a session doesn't have."""
    return subprocess.run(["systemd-analyze", *words], env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path), "SYSTEMD_COLORS": "0"},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)


def written(tmp_path: Path, *, system: bool, program: Path | None = None) -> Path:
    if program is None:
        program = tmp_path / "anthrofs"
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    path = tmp_path / units.TEMPLATE
    path.write_text(units.text((str(program),), system=system))
    return path


@pytest.mark.parametrize("system", [False, True], ids=["user", "system"])
def test_systemd_has_nothing_to_say_about_the_unit(tmp_path: Path, system: bool) -> None:
    done = analysed(tmp_path, "verify", *([] if system else ["--user"]), "--man=no", written(tmp_path, system=system))
    assert done.stdout == ""
    assert done.returncode == 0


def test_a_program_in_a_folder_with_an_odd_name_is_found(tmp_path: Path) -> None:
    program = tmp_path / "a b" / "100%" / "$HOME-é" / "anthrofs"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    done = analysed(tmp_path, "verify", "--user", "--man=no", written(tmp_path, system=False, program=program))
    assert (done.stdout, done.returncode) == ("", 0)


def test_the_machines_unit_is_as_closed_as_a_mount_lets_it_be(tmp_path: Path) -> None:
    path = written(tmp_path, system=True)
    path.write_text(path.read_text() + units.drop_in_text("daemon"))
    done = analysed(tmp_path, "security", "--offline=true", path)
    found = re.search(r"Overall exposure level for \S+: (\d+\.\d+)", done.stdout)
    assert found is not None, done.stdout
    assert float(found[1]) <= MOST_EXPOSED, done.stdout


@pytest.mark.parametrize("system", [False, True], ids=["user", "system"])
def test_no_unit_has_a_view_of_files_of_its_own_which_alone_would_show_the_mount(system: bool) -> None:
    lines = units.text(("anthrofs",), system=system).splitlines()
    assert [line for line in lines if line.startswith(FILES_OF_ITS_OWN)] == []


def test_the_users_unit_gains_what_fusermount_needs() -> None:
    """It is set-uid; in a user's manager each filter of system calls implies that nobody gains anything."""
    lines = units.text(("anthrofs",), system=False).splitlines()
    assert [line for line in lines if re.match("NoNewPrivileges|SystemCall|Restrict|Lock|Memory|Ambient", line) and not line.startswith("Restart")] == []


@pytest.mark.parametrize("system", [False, True], ids=["user", "system"])
def test_the_unit_leaves_no_core_and_takes_the_key_from_a_file(system: bool) -> None:
    lines = units.text(("anthrofs",), system=system).splitlines()
    assert "LimitCORE=0" in lines
    assert [line for line in lines if line.startswith("EnvironmentFile=-") and line.endswith("/anthrofs/%i.env")]
    assert not [line for line in lines if line.startswith("Environment=") and "KEY" in line]


@pytest.mark.parametrize("system", [False, True], ids=["user", "system"])
def test_a_failure_that_may_pass_is_tried_again_without_an_end_and_slowly(system: bool) -> None:
    lines = units.text(("anthrofs",), system=system).splitlines()
    found = dict(line.partition("=")[::2] for line in lines if line.startswith(("StartLimit", "Restart")) and "Restrict" not in line)
    assert (found["StartLimitIntervalSec"], found["Restart"], found["RestartPreventExitStatus"]) == ("0", "on-failure", "2 3 4")
    assert "StartLimitBurst" not in found
    assert int(found["RestartSec"]) >= 10


@pytest.mark.parametrize("name", ["", "a b", "a/b", "-x", ".", "..", "%i", "a\\b", "é", "a\nb"], ids=ascii)
def test_a_name_that_a_unit_would_spell_otherwise_is_refused(name: str) -> None:
    with pytest.raises(SetupError, match="A service's name has letters"):
        units.checked(name)


def test_the_name_of_a_unit_is_no_profiles() -> None:
    with pytest.raises(SetupError, match="A service's name is that of its profile: work"):
        units.checked("work.service")


@pytest.mark.parametrize("name", ["work", "my-work", "a.b_c:d", "9"])
def test_a_plain_name_is_its_units(name: str) -> None:
    assert units.unit_of(units.checked(name)) == f"anthrofs@{name}.service"


@pytest.mark.parametrize("user", ["alice\nExecStart=/bin/sh", "", "a b", "%u"], ids=ascii)
def test_no_user_writes_lines_into_a_unit(user: str) -> None:
    with pytest.raises(SetupError, match="can't be a user's name"):
        units.drop_in_text(user)


@pytest.mark.parametrize("path", ["/opt/a\nExecStartPre=/bin/sh", '/opt/"a"/anthrofs', "/opt/a\\b/anthrofs", "/opt/it's/anthrofs"], ids=ascii)
def test_no_path_writes_lines_into_a_unit_nor_one_that_systemd_doesnt_take(path: str) -> None:
    with pytest.raises(SetupError, match="can't be written into a unit"):
        units.text((path,), system=False)
