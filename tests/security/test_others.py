"""Another user of this machine: what the mount, the state and the commands let them do, which is nothing they weren't given.

Manual, security: 'Another user of this machine'
"""

import os
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from anthrofs.attribute_names import CONTROL
from anthrofs.client import asking, control_client
from anthrofs.daemon.control import Control
from anthrofs.daemon.control_address import user_of
from anthrofs.errors import SetupError
from tests.mounting import USER, Mount, shell

AS_ANOTHER: Final = ["setpriv", "--reuid", str(USER), "--regid", str(USER), "--clear-groups", "--"]


def another(script: str, directory: Path) -> str:
    """A line as another user types it; what it prints."""
    done = subprocess.run([*AS_ANOTHER, "sh", "-c", script], cwd=directory, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60,
                          check=False)
    return done.stdout


@pytest.mark.root
def test_without_allow_other_nobody_else_gets_in(reachable: Mount) -> None:
    (reachable.mount() / "mine.txt").write_text("private content")
    reachable.sync()
    for script in ("cat files/mine.txt", "ls files", "ls state", "cat state/anthrofs.log", "ls state/staging", "touch files/x"):
        said = another(script, reachable.path.parent)
        assert "Permission denied" in said
        assert "private content" not in said


@pytest.mark.root
def test_with_allow_other_modes_say_what_others_may(reachable: Mount) -> None:
    files = reachable.mount("-o", "allow_other,umask=027")
    (files / "mine.txt").write_text("private content")
    reachable.sync()
    assert "Permission denied" in another("cat files/mine.txt; ls files; touch files/x", reachable.path.parent)
    reachable.umount()
    reachable.mount("-o", "allow_other")                # umask 022
    assert another("cat files/mine.txt", reachable.path.parent) == "private content"
    for script in ("echo x >files/mine.txt", "echo x >files/new.txt", "rm -f files/mine.txt", "mv files/mine.txt files/b", "chmod 777 files/mine.txt",
                   "touch -d 2001-01-01 files/mine.txt", "setfattr -n user.mime_type -v a/b files/mine.txt", "mkdir files/d", "ls state"):
        assert re.search("denied|not permitted", another(script, reachable.path.parent)), script
    reachable.emulator.forget_requests()
    reachable.sync()
    assert reachable.emulator.requests() == []


@pytest.mark.root
def test_nothing_in_a_mount_is_ever_set_uid_or_a_device(reachable: Mount) -> None:
    files = reachable.mount("-o", "allow_other")
    (files / "tool").write_bytes(Path("/usr/bin/id").read_bytes())
    os.chmod(files / "tool", 0o4755)
    assert f"uid={USER}" in another("files/tool", reachable.path.parent)
    assert "euid=0" not in another("files/tool", reachable.path.parent)
    with pytest.raises(PermissionError):
        os.mknod(files / "null", 0o20666, os.makedev(1, 3))
    [line] = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if f" {files} " in line]
    assert {"nosuid", "nodev"} <= set(line.split()[5].split(","))


# ---- the control socket

@pytest.fixture
def control(tmp_path: Path) -> Iterator[Control]:
    one = Control(tmp_path, {"status": lambda _: iter([{"secret": "of the mount"}])})
    one.start()
    yield one
    one.stop()


ASK: Final = r"""perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new(Peer => "control.sock") or die "no: $!\n";
    print $s "{\"op\": \"status\"}\n"; $s->flush; print "got: ", <$s>'"""


@pytest.mark.root
def test_the_control_socket_answers_nobody_elses_programs_even_where_its_directory_is_open(reachable: Mount) -> None:
    reachable.mount()
    assert "Permission denied" in another(ASK.replace("control.sock", "state/control.sock"), reachable.path.parent)
    reachable.state_dir.chmod(0o755)
    assert "no: Permission denied" in another(ASK, reachable.state_dir)         # the socket's own mode
    (reachable.state_dir / "control.sock").chmod(0o777)
    assert '"mountpoint"' in shell(ASK, reachable.state_dir).stdout
    assert '"mountpoint"' not in another(ASK, reachable.state_dir)
    assert reachable.status()["files"] == 0


@pytest.mark.usefixtures("control")
def test_a_command_asks_no_other_users_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(control_client.ask(tmp_path, "status")) == [{"secret": "of the mount"}]
    monkeypatch.setattr("anthrofs.client.control_client.os.geteuid", lambda: 4321)
    monkeypatch.setattr("anthrofs.client.control_client.user_of", lambda _: os.getuid() + 1)
    with pytest.raises(SetupError, match="Another user's program"):
        list(control_client.ask(tmp_path, "status"))


def test_the_kernel_says_who_is_at_the_other_end() -> None:
    one, other = socket.socketpair()
    with one, other:
        assert user_of(one) == os.geteuid()


def test_a_directory_that_only_says_that_it_is_a_mount_is_none(tmp_path: Path) -> None:
    os.setxattr(tmp_path, CONTROL, os.fsencode(tmp_path / "anothers-state"))
    with pytest.raises(SetupError, match="not in a mount"):
        asking.mount_of(tmp_path)
