"""Manual, doctor: no command that helps waits for a mount whose process has stopped; each says which process that is, and what to do."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from anthrofs.cli import check_command
from anthrofs.client import asking
from anthrofs.doctor import places
from anthrofs.errors import SetupError
from anthrofs.fuse import mountpoint
from anthrofs.settings import choosing
from anthrofs.store import state_dir
from tests.mounting import BOUND_S, COMMAND, USER, Mount, ordinary_user, runs


@contextmanager
def stopped(mount: Mount) -> Iterator[int]:
    """Its process stands still, and what the kernel knew of its root is over."""
    pid = mount.pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGCONT)


def test_commands_say_which_process_does_not_answer(mount: Mount, tmp_path: Path) -> None:
    """All at once: a mount that hangs concerns every test that asks for all mounts, so it is over soon."""
    files, config = mount.mount(), tmp_path / "config.toml"
    config.write_text(f'[profile.work]\ndirectory = "{files}"\n')
    config.chmod(0o600)
    (tmp_path / "link").symlink_to(files)
    asked: list[list[str | Path]] = [
        ["status", files], ["status"], ["umount", files], ["ls", files], ["free", files / "no.txt"], ["status", files.name],
        ["status", tmp_path / "link"], ["status", files / "deep" / "in.txt"], ["status", f"{files}/../{files.name}"]]
    others: list[list[str | Path]] = [["mount", "--state-dir", mount.state_dir, files], ["mount", "--profile", "other", files], ["config", "check"]]
    with stopped(mount) as pid:
        running = [subprocess.Popen([*COMMAND, *map(str, words)], cwd=files.parent, env={**mount.environment, "ANTHROFS_CONFIG": str(config)}, text=True,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE) for words in asked + others]
        done = [(process.communicate(timeout=BOUND_S)[1], process.returncode) for process in running]
        assert runs(pid)
    for words, (said, code) in zip(asked, done, strict=False):
        assert (code, f"{files} doesn't answer: its process ({pid})" in said) == (1, True), (words, said)
    own, other, check = done[len(asked):]
    assert (own[1], f"doesn't answer ({pid})" in own[0]) == (6, True), own
    assert (other[1], "is already mounted on" in other[0], "doesn't answer" in other[0]) == (6, True, True), other
    assert check[1] == 0, check
    mount.ok("status", files)
    (files / "a.txt").write_text("a")
    mount.umount()


@pytest.mark.parametrize(("user", "options"), [(USER, "rw,user_id=0,allow_other"), (0, f"rw,user_id={USER}")], ids=["another", "root"])
def test_another_users_mount_is_said_to_be_that(mount: Mount, monkeypatch: pytest.MonkeyPatch, user: int, options: str) -> None:
    """Nothing is stuck there. By the kernel's list: with allow_other it answers its own user and root; without, not even root."""
    files, really = mount.mount(), mountpoint._entries
    monkeypatch.setattr(mountpoint, "_entries", lambda: [each._replace(options=options.split(",")) for each in really()])
    monkeypatch.setattr(os, "geteuid", lambda: user)
    with pytest.raises(SetupError, match=f"^The mount on {files} is another user's "):
        asking.mount_of(files)
    assert asking.ask_all(None, "status") == ({}, [])
    assert places.answer_of(files) == places.OTHERS
    assert mountpoint.named("") is None


@pytest.mark.root
def test_another_users_state_is_said_to_be_that(reachable: Mount) -> None:
    """Neither a place without a state, nor a fault of anthrofs: the search for a mount's state passes it by."""
    reachable.mount()
    reachable.umount()
    assert choosing
    assert state_dir        # loaded: its file isn't everybody's to read
    with ordinary_user():
        with pytest.raises(SetupError, match=f"^The state in {reachable.state_dir} is another user's"):
            check_command._damage_of_state(None, reachable.state_dir)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(asking, "known_states", lambda _root: [reachable.state_dir])
            with pytest.raises(SetupError, match="is not in a mount of anthrofs"):
                asking.state_dir(reachable.path)
            assert asking._state_of(reachable.path) is None
