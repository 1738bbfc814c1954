"""Manual, doctor: no command that helps waits for a mount whose process has stopped; each says which process that is, and what to do."""

import os
import signal
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
from anthrofs.web import finding
from tests.mounting import USER, Mount, ordinary_user, runs


@contextmanager
def stopped(mount: Mount) -> Iterator[int]:
    """Its process stands still, and what the kernel knew of its root is over."""
    pid = mount.pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGCONT)


def test_commands_say_which_process_does_not_answer(mount: Mount) -> None:
    files = mount.mount()
    with stopped(mount) as pid:
        for words in (["status", files], ["status"], ["umount", files], ["ls", files], ["free", files / "no.txt"]):
            done = mount.run(*words)
            assert done.returncode == 1, (words, done)
            assert f"{files} doesn't answer: its process ({pid})" in done.stderr, (words, done)
        assert runs(pid)


def test_a_path_below_and_a_link_to_it_are_the_same(mount: Mount, tmp_path: Path) -> None:
    files = mount.mount()
    (tmp_path / "link").symlink_to(files)
    with stopped(mount) as pid:
        for place in (tmp_path / "link", files / "deep" / "in.txt", files / ".." / files.name):
            assert f"its process ({pid})" in mount.run("status", place).stderr


def test_the_name_of_what_hangs_can_be_typed_where_it_is(mount: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    files = mount.mount()
    monkeypatch.chdir(files.parent)
    with stopped(mount) as pid:
        assert f"its process ({pid})" in mount.run("status", files.name).stderr


def test_a_mount_of_it_begins_nothing(mount: Mount) -> None:
    files = mount.mount()
    with stopped(mount) as pid:
        done = mount.run("mount", "--state-dir", mount.state_dir, files)
        assert (done.returncode, f"({pid})" in done.stderr) == (6, True), done
        other = mount.run("mount", "--profile", "other", files)
        assert (other.returncode, "already mounted" in other.stderr) == (6, True), other


def test_the_file_of_settings_is_checked_beside_it(mount: Mount, tmp_path: Path) -> None:
    files, config = mount.mount(), tmp_path / "config.toml"
    config.write_text(f'[profile.work]\ndirectory = "{files}"\n')
    config.chmod(0o600)
    with stopped(mount):
        done = mount.run("config", "check", environment={"ANTHROFS_CONFIG": str(config)})
        assert done.returncode == 0, done


def test_a_mount_that_goes_on_answers_again(mount: Mount) -> None:
    files = mount.mount()
    with stopped(mount):
        mount.run("status", files)
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
    """Neither a place without a state, nor a fault of anthrofs: the web page's look for a mount passes it by."""
    reachable.mount()
    reachable.umount()
    assert choosing
    assert state_dir        # loaded: its file isn't everybody's to read
    with ordinary_user():
        with pytest.raises(SetupError, match=f"^The state in {reachable.state_dir} is another user's"):
            check_command._damage_of_state(None, reachable.state_dir)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(finding, "known_states", lambda _root: [reachable.state_dir])
            with pytest.raises(SetupError, match="is not in a mount of anthrofs"):
                finding.state_of(reachable.path, "0:1")
