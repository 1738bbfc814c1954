"""One mount a state directory, which is private, and whose lock says who has it."""

import errno
import fcntl
import json
import os
import random
import stat
from pathlib import Path

import pytest

from anthrofs.errors import EXIT_BUSY, SetupError
from anthrofs.store.state_dir import StateDir
from tests.simulation.disk import ForgetfulDisk


def test_a_second_mount_on_a_state_is_refused_and_told_by_whom(tmp_path: Path) -> None:
    first = StateDir(tmp_path / "state", "/mnt/files")

    with pytest.raises(SetupError, match=rf"process {os.getpid()}, mounted on /mnt/files") as caught:
        StateDir(tmp_path / "state", "/mnt/other")
    assert caught.value.exit_code == EXIT_BUSY
    assert json.loads((tmp_path / "state" / "lock").read_text()) == {"pid": os.getpid(), "mountpoint": "/mnt/files"}

    first.close()
    StateDir(tmp_path / "state", "/mnt/x").close()
    assert json.loads((tmp_path / "state" / "lock").read_text())["mountpoint"] == "/mnt/x"     # shorter, and nothing of before


def test_a_new_state_directory_survives_power_loss_with_those_above_it(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    disk = ForgetfulDisk(tmp_path / "home", random.Random(1))
    StateDir(tmp_path / "home" / "state" / "anthrofs" / "default", "/mnt", disk).close()
    disk.power_loss(tmp_path / "found", "all")
    assert (tmp_path / "found" / "state" / "anthrofs" / "default").is_dir()


@pytest.mark.parametrize("said", [b"", b"garbage", b"[]", b'{"pid": "x"}', b"\xff", b'{"pid": 1}'])
def test_a_lock_that_says_nothing_useful_still_locks(tmp_path: Path, said: bytes) -> None:
    first = StateDir(tmp_path, "/mnt/files")
    (tmp_path / "lock").write_bytes(said)

    with pytest.raises(SetupError, match="in use by another process"):
        StateDir(tmp_path, "/mnt/other")
    first.close()


@pytest.mark.parametrize("said", [b"", bytes(60), b'{"pid": 1234567, "mou', b'{"pid": 1234567, "mountpoint": "/mnt' + bytes(30), bytes(64) + b'ong/path"}'])
def test_a_lock_that_a_loss_of_power_has_torn_is_signed_anew(tmp_path: Path, said: bytes) -> None:
    (tmp_path / "state.db").touch()
    (tmp_path / "lock").write_bytes(said)

    StateDir(tmp_path, "/mnt/files").close()
    assert json.loads((tmp_path / "lock").read_text()) == {"pid": os.getpid(), "mountpoint": "/mnt/files"}


def test_a_state_is_private_even_if_its_directory_was_not(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    StateDir(tmp_path, "/mnt").close()

    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "lock").stat().st_mode) == 0o600


def test_a_state_directory_that_cannot_be_made_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")

    with pytest.raises(SetupError, match="--state-dir"):
        StateDir(tmp_path / "file" / "state", "/mnt")


# ---- the directory

def test_a_file_system_without_locks_is_no_other_mount(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")
    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(SetupError, match="No locks available") as raised:
        StateDir(tmp_path / "state", "/mnt")
    assert raised.value.exit_code != EXIT_BUSY


# ---- its lock, log and socket

@pytest.mark.parametrize("words", [b"mine", b"[" * 4000, b"\xff", b'{"pid": "x"}'])
def test_a_lock_file_that_somebody_else_wrote_locks_and_keeps_its_content(tmp_path: Path, words: bytes) -> None:
    (tmp_path / "lock").write_bytes(words)
    one = StateDir(tmp_path, "/mnt/one")
    with pytest.raises(SetupError, match="in use by another process") as raised:
        StateDir(tmp_path, "/mnt/two")
    one.close()
    assert raised.value.exit_code == EXIT_BUSY
    assert (tmp_path / "lock").read_bytes() == words


@pytest.mark.parametrize("words", [b"", b"\0" * 60, json.dumps({"pid": 7, "mountpoint": "/a long one" * 20}).encode()])
def test_a_lock_file_of_ours_says_who_has_it_now(tmp_path: Path, words: bytes) -> None:
    (tmp_path / "lock").write_bytes(words)
    one = StateDir(tmp_path, "/mnt/one")
    with pytest.raises(SetupError, match=f"by process {os.getpid()}, mounted on /mnt/one"):
        StateDir(tmp_path, "/mnt/two")
    one.close()


def test_a_lock_is_neither_a_link_to_somebodys_file_nor_waited_for(tmp_path: Path) -> None:
    (tmp_path / "thesis").write_text("mine")
    for name in ("linked", "pipe"):
        (tmp_path / name).mkdir()
    (tmp_path / "linked" / "lock").symlink_to(tmp_path / "thesis")
    os.mkfifo(tmp_path / "pipe" / "lock")
    for name in ("linked", "pipe"):
        with pytest.raises(SetupError, match=f"{name}/lock"):
            StateDir(tmp_path / name, "/mnt")
    assert (tmp_path / "thesis").read_text() == "mine"
