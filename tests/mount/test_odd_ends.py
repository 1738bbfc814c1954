"""Manual, commands: `umount` and `mount` clear what is left of a mount whose program was killed; one that was detached
is said to be, by whom it is held, and `umount` waits for it.
"""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from anthrofs.fuse import mountpoint
from anthrofs.fuse.holders import holders
from tests.mounting import BOUND_S, COMMAND, Mount, runs, stored, wait_until


def killed(mount: Mount) -> None:
    """kill -9, and nobody clears it."""
    pid = mount.pid()
    os.kill(pid, signal.SIGKILL)
    mount.wait_for_end(pid)
    wait_until(lambda: mountpoint.is_dead(mount.path), "the kernel knows")


@contextmanager
def held(files: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A program is in the mount until the block ends."""
    with subprocess.Popen(["cat"], cwd=files, stdin=subprocess.PIPE) as program:
        yield program


def test_umount_clears_a_mount_whose_program_was_killed(mount: Mount) -> None:
    mount.mount()
    killed(mount)
    done = mount.run("umount", mount.path)
    assert (done.returncode, "had ended without unmounting it" in done.stderr) == (0, True)
    assert os.listdir(mount.path) == []


def test_umount_names_what_a_killed_mount_had_not_sent(mount: Mount) -> None:
    mount.expects("may be a gateway's", "way")
    files = mount.mount("--upload", "queue")
    mount.emulator.fault("upload", {"kind": "stall", "seconds": 300}, times=-1)
    (files / "a.txt").write_text("a")
    (files / ".a.swp").write_text("stays here anyway")
    killed(mount)
    done = mount.run("umount", mount.path)
    assert (done.returncode, "\n  a.txt\n" in done.stderr, "swp" in done.stderr) == (5, True, False)
    mount.emulator.clear_faults()
    mount.mount()
    mount.sync()
    assert stored(mount) == {"a.txt": b"a"}


def test_umount_of_a_killed_mount_whose_state_is_not_known_does_not_say_that_all_was_sent(mount: Mount, tmp_path: Path) -> None:
    mount.mount()
    killed(mount)
    done = mount.run("umount", mount.path, environment={"XDG_STATE_HOME": str(tmp_path / "another")})
    assert (done.returncode, "What it had not sent yet, if there is anything, is kept" in done.stderr) == (5, True)
    assert not mountpoint.is_mounted(mount.path)


def test_mount_clears_it_and_goes_on(mount: Mount) -> None:
    mount.emulator.generate("a.txt", b"a")
    mount.mount()
    killed(mount)
    done = mount.run("mount", "--state-dir", mount.state_dir, mount.path)
    assert (done.returncode, "had ended without unmounting it" in done.stderr) == (0, True)
    assert (mount.path / "a.txt").read_bytes() == b"a"
    assert mountpoint.mounts().count(mount.path) == 1


def test_it_is_cleared_also_while_a_program_is_in_it(mount: Mount) -> None:
    with held(mount.mount()):
        killed(mount)
        mount.mount()
        mount.umount()


def test_whoever_comes_in_the_same_moment_never_takes_a_living_mount_away(mount: Mount) -> None:
    mount.mount()
    killed(mount)
    commands = [subprocess.Popen([*COMMAND, "mount", "--state-dir", mount.state_dir, mount.path], env=mount.environment, stderr=subprocess.PIPE) for _ in range(3)]
    codes = sorted(each.wait(timeout=BOUND_S) for each in commands)
    for each in commands:
        each.communicate()
    assert codes == [0, 6, 6]
    assert mountpoint.mounts().count(mount.path) == 1
    assert not mountpoint.is_dead(mount.path)


def test_only_what_is_on_top_and_ours_is_cleared(mount: Mount, tmp_path: Path) -> None:
    assert not mountpoint.is_dead(tmp_path)
    assert not mountpoint.clear_dead(mount.path)
    files = mount.mount()
    assert not mountpoint.clear_dead(files)
    assert mountpoint.is_mounted(files)


@pytest.mark.parametrize("command", ["status", "ls", "sync", "id", "refresh"])
def test_every_command_says_what_helps_where_a_program_was_killed(mount: Mount, command: str) -> None:
    mount.mount()
    killed(mount)
    done = mount.run(command, mount.path / "a.txt" if command in ("ls", "id") else mount.path)
    assert done.returncode != 0
    assert f"anthrofs mount --state-dir {mount.state_dir} {mount.path}, or" in done.stderr
    mount.ok("umount", mount.path)


def test_a_detached_mount_says_so_and_who_holds_it(mount: Mount) -> None:
    files, pid = mount.mount(), mount.pid()
    with held(files) as program:
        done = mount.run("umount", "--lazy", files)
        held_by = f"held by: cat (process {program.pid}: its directory)"
        assert (done.returncode, f"{files} was detached" in done.stderr, held_by in done.stderr) == (0, True, True)
        for status in (mount.ok("status", files), mount.run("status").stdout):      # another test's mount may hang
            assert f"NO LONGER MOUNTED: {files} was detached" in status
            assert held_by in status
        assert held_by in json.loads(mount.ok("status", "--json", files))["detached"]
        again = mount.run("mount", "--state-dir", mount.state_dir, files)
        assert (again.returncode, held_by in again.stderr, f"anthrofs umount {files}" in again.stderr) == (6, True, True)
        waited = mount.run("umount", "--timeout", "0.2", files)
        assert (waited.returncode, held_by in waited.stderr, f"kill {pid}" in waited.stderr) == (6, True, True)
    mount.wait_for_end(pid)
    assert mount.run("status", files).returncode == 2


def test_umount_waits_for_a_detached_mount(mount: Mount) -> None:
    files, pid = mount.mount(), mount.pid()
    with held(files) as program:
        mountpoint.unmount(files, lazy=True)
        waiting = subprocess.Popen([*COMMAND, "umount", files], env=mount.environment, stderr=subprocess.PIPE, text=True)
        assert waiting.stderr is not None
        said = waiting.stderr.readline()        # it comes before the end, or never
        assert f"process {program.pid}" in said
        assert program.stdin is not None
        program.stdin.close()
        assert waiting.communicate(timeout=BOUND_S)[1] == ""
    assert waiting.returncode == 0
    assert not runs(pid)


def test_umount_after_an_eject_waits_until_everything_is_sent(mount: Mount) -> None:
    """A file browser unmounts, and the mount's process still sends."""
    files, pid = mount.mount("--upload", "queue"), mount.pid()
    mount.emulator.fault("upload", {"kind": "delay", "seconds": 8})         # longer than a command takes to start, beside other tests
    (files / "a.txt").write_text("a")
    mountpoint.unmount(files)
    assert "still sends what is queued" in mount.run("mount", "--state-dir", mount.state_dir, files).stderr
    mount.ok("umount", files)
    assert not runs(pid)
    assert stored(mount) == {"a.txt": b"a"}


def test_umount_names_what_a_detached_mount_had_to_leave(mount: Mount) -> None:
    mount.expects("not on the server yet, kept for the next mount: a.txt", "may be a gateway's", "way", "the mount is ending")
    files, pid = mount.mount("--upload", "queue"), mount.pid()
    mount.emulator.fault("upload", {"kind": "stall", "seconds": 300}, times=-1)
    (files / "a.txt").write_text("a")
    mountpoint.unmount(files, lazy=True)
    for count in (1, 2):
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda count=count: mount.log().count("got SIGTERM") == count, "it was seen")      # type: ignore[misc]
    done = mount.run("umount", files)
    if done.returncode == 2:        # it had ended before
        mount.wait_for_end(pid)
    else:
        assert (done.returncode, "a.txt" in done.stderr) == (5, True)
    mount.emulator.clear_faults()
    mount.mount()
    mount.sync()
    assert stored(mount) == {"a.txt": b"a"}


def test_the_holders_are_seen_without_asking_the_mount(mount: Mount) -> None:
    files = mount.mount()
    (files / "a.txt").write_text("a")
    device = mountpoint.device_of(files)
    assert holders(device) == []
    with (files / "a.txt").open():
        os.kill(mount.pid(), signal.SIGSTOP)        # it answers nothing now
        found = list[object]()
        looking = threading.Thread(target=lambda: found.extend(holders(device)))
        looking.start()
        looking.join(BOUND_S)
        os.kill(mount.pid(), signal.SIGCONT)
        assert not looking.is_alive()
    assert [(each.pid, each.what) for each in found] == [(os.getpid(), f"{files}/a.txt")]      # type: ignore[attr-defined]


def test_an_unmount_in_use_names_who_uses_it(mount: Mount) -> None:
    with held(mount.mount()) as program:
        done = mount.run("umount", mount.path)
    assert (done.returncode, f"held by: cat (process {program.pid}: its directory)" in done.stderr) == (6, True)
