"""The state directory: private whatever the umask, and nothing that is planted in it leads out of it.

Manual, security: 'Whoever gets the directory has the files that are in it', and 'A planted link, pipe or second name'
"""

import contextlib
import logging
import os
import sqlite3
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from anthrofs.clock import Clock
from anthrofs.daemon.process import LogFile
from anthrofs.errors import SetupError
from anthrofs.model import FileId, StageId
from anthrofs.remote.api import Body
from anthrofs.remote.budget import Moments
from anthrofs.store.block_cache import BlockCache
from anthrofs.store.disk import Disk
from anthrofs.store.staging import Staging
from anthrofs.store.state_dir import StateDir, log_path
from tests.mounting import COMMAND, Mount

VICTIM: Final = b"a file of somebody, anywhere on this machine\n"
BLOCK: Final = [b"block" * 100]


def open_to_others(root: Path) -> list[str]:
    """All below (and the place itself) that others than its owner may do something with."""
    return [f"{path.relative_to(root.parent)} {oct(path.lstat().st_mode)}" for path in (root, *root.rglob("*")) if path.lstat().st_mode & 0o077]


@pytest.mark.parametrize("umask", [0o000, 0o777], ids=oct)
def test_a_state_is_private_whatever_the_umask(mount: Mount, tmp_path: Path, umask: int) -> None:
    mount.state_dir = tmp_path / "parents" / "that" / "are" / "made"
    mount.emulator.generate("theirs.txt", b"theirs" * 50_000)
    done = subprocess.run([*COMMAND, "mount", "--upload", "queue", "--state-dir", str(mount.state_dir), str(mount.path)], env=mount.environment,
                          umask=umask, timeout=60, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (mount.path / "mine.txt").write_bytes(b"mine")
    assert (mount.path / "theirs.txt").read_bytes() == b"theirs" * 50_000
    mount.sync()
    (mount.path / "#local#").write_bytes(b"stays in staging")
    found = {str(path.relative_to(mount.state_dir)).split("/")[0] for path in mount.state_dir.rglob("*")}
    assert found >= {"state.db", "staging", "kept", "cache", "requests", "lock", "control.sock", "anthrofs.log"}
    assert open_to_others(tmp_path / "parents") == []
    mount.umount()
    done = subprocess.run([*COMMAND, "check", "--state-dir", str(mount.state_dir)], umask=umask, timeout=60, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("All is well.\n", "")
    assert open_to_others(tmp_path / "parents") == []


def test_a_state_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    for name in ("staging", "kept", "cache"):
        (tmp_path / name).mkdir(mode=0o777)
    for name in ("state.db", "state.db-wal", "state.db.3", "lock"):
        (tmp_path / name).touch()
    for path in (tmp_path, *tmp_path.iterdir()):
        path.chmod(path.stat().st_mode | 0o777)
    StateDir(tmp_path, "/mnt").close()
    assert open_to_others(tmp_path) == []
    assert (tmp_path / "state.db").stat().st_mode & 0o700 == 0o700       # what its owner may do stays


@pytest.mark.root
@pytest.mark.parametrize("name", ["state.db", "lock", "staging", "kept"])
def test_what_another_user_has_put_in_the_place_of_ours_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "cache").mkdir()
    path = tmp_path / name
    path.mkdir() if name in ("staging", "kept") else path.touch()
    os.chown(path, 4321, 4321)
    with pytest.raises(SetupError, match=f"another user.*{name}"):
        StateDir(tmp_path, "/mnt")


# ---- plants

def linked(path: Path, victim: Path) -> None:
    path.symlink_to(victim)


def named_twice(path: Path, victim: Path) -> None:
    path.hardlink_to(victim)


def pipe(path: Path, _victim: Path) -> None:
    os.mkfifo(path)


def socketed(path: Path, _victim: Path) -> None:
    os.mknod(path, stat.S_IFSOCK | 0o600)


def null(path: Path, _victim: Path) -> None:
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))


Plant = Callable[[Path, Path], None]
PLANTS: Final = [linked, named_twice, pipe, socketed, pytest.param(null, marks=pytest.mark.root)]


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    path = tmp_path / "victim"
    path.write_bytes(VICTIM)
    path.chmod(0o644)
    return path


@pytest.fixture
def state(tmp_path: Path) -> Path:
    path = tmp_path / "state"
    (path / "cache").mkdir(parents=True)
    return path


def is_untouched(victim: Path) -> bool:
    return (victim.read_bytes(), victim.stat().st_mode & 0o777) == (VICTIM, 0o644)


@pytest.mark.parametrize("plant", PLANTS)
@pytest.mark.parametrize("name", ["state.db", "state.db-wal", "state.db-journal", "state.db.3", "state.db.3.part", "lock"])
def test_a_plant_in_the_place_of_the_index_or_the_lock_is_refused(state: Path, victim: Path, name: str, plant: Plant) -> None:
    plant(state / name, victim)
    with pytest.raises(SetupError, match=name):
        StateDir(state, "/mnt")
    assert is_untouched(victim)


@pytest.mark.parametrize("name", ["staging", "kept", "cache"])
@pytest.mark.parametrize("plant", [linked, pipe])
def test_a_plant_in_the_place_of_a_directory_is_refused(tmp_path: Path, name: str, plant: Plant) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "state").mkdir()
    plant(tmp_path / "state" / name, elsewhere)
    with pytest.raises(SetupError, match=name):
        StateDir(tmp_path / "state", "/mnt")
    assert os.listdir(elsewhere) == []


@pytest.mark.parametrize("plant", PLANTS)
def test_a_plant_in_the_place_of_the_moments_is_neither_read_nor_written(state: Path, victim: Path, plant: Plant) -> None:
    plant(state / "requests", victim)
    moments = Moments(state / "requests")
    assert moments.start(450, 1000.0) == []
    moments.note(0, 1000.0)
    moments.close()
    assert is_untouched(victim)


@pytest.mark.parametrize("plant", PLANTS)
def test_a_plant_in_the_place_of_the_log_gets_no_line(state: Path, victim: Path, plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was there before is refused; what comes between that look and the first line is not gone through."""
    monkeypatch.setattr(logging, "raiseExceptions", False)
    plant(state / "anthrofs.log", victim)
    if plant is not named_twice:
        with pytest.raises(SetupError, match="no plain file"):
            log_path(state)
    handler = LogFile(state / "anthrofs.log", delay=True)
    try:
        handler.handle(logging.makeLogRecord({"msg": "a line"}))
    finally:
        handler.close()
    assert is_untouched(victim)
    assert plant is not named_twice or "a line" in (state / "anthrofs.log").read_text()


@pytest.mark.parametrize("plant", [linked, pipe, socketed])
def test_a_plant_in_the_place_of_a_stage_is_not_read_sent_or_cut(state: Path, victim: Path, plant: Plant) -> None:
    staging = Staging(state / "staging", Disk(), 0)
    staging.start(set())
    number = StageId(7)
    plant(staging.path(number), victim)
    for use in (staging.open, staging.empty):
        with pytest.raises(OSError, match=r"no plain file|symbolic links|No such device"):
            use(number)
    with pytest.raises(FileNotFoundError):
        Body(staging.path(number), Clock(), lambda: False)
    assert is_untouched(victim)
    assert staging.numbers() == set()


@pytest.mark.parametrize("suffix", ["", ".map"])
@pytest.mark.parametrize("plant", PLANTS)
def test_a_plant_in_the_place_of_a_cached_file_is_neither_read_nor_written(state: Path, victim: Path, suffix: str, plant: Plant) -> None:
    cache = BlockCache(state, Disk(), limit_bytes=10**9)
    cache.start()
    assert cache.put(FileId("file_x"), 0, BLOCK)
    cache.drop_blocks(FileId("file_x"))
    name = cache.kept_path(FileId("file_x")).name
    plant(state / "cache" / (name + suffix), victim)
    cache = BlockCache(state, Disk(), limit_bytes=10**9)
    cache.start()
    cache.put(FileId("file_x"), 0, BLOCK)
    assert cache.get(FileId("file_x"), 0) in (BLOCK[0], None)       # from memory, for now
    assert is_untouched(victim)


@pytest.mark.parametrize("plant", PLANTS)
def test_a_plant_in_the_place_of_a_kept_copys_sums_is_not_written(state: Path, victim: Path, plant: Plant) -> None:
    cache = BlockCache(state, Disk(), limit_bytes=10**9)
    cache.start()
    (state / "stage").write_bytes(b"mine" * 1000)
    cache.adopt(FileId("file_x"), state / "stage")
    for suffix in (".map", ".new"):
        plant(cache.kept_path(FileId("file_x")).with_suffix(suffix), victim)
    cache.verify(FileId("file_x"))
    assert cache.is_sound(FileId("file_x"), 4000)
    assert is_untouched(victim)


def test_a_state_whose_index_was_made_to_name_another_file_is_refused_and_sends_nothing(mount: Mount, tmp_path: Path) -> None:
    files = mount.mount("--upload", "queue")
    mount.emulator.fault("upload", {"kind": "status", "status": 503}, times=-1)
    (files / "mine.txt").write_text("mine")
    mount.end_now()
    mount.expects("not on the server yet")
    (tmp_path / "secret").write_text("private key")
    with contextlib.closing(sqlite3.connect(mount.state_dir / "state.db")) as db:
        [(stage,)] = db.execute("SELECT stage FROM node WHERE stage IS NOT NULL").fetchall()
        for table in ("node", "attempt"):
            db.execute(f"UPDATE {table} SET stage = '../../secret' WHERE stage = ?", (stage,))
        db.commit()
    mount.emulator.clear_faults()
    done = mount.run("mount", "--state-dir", mount.state_dir, mount.path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "state.db can't be used" in done.stderr
    assert mount.emulator.files() == []
    done = mount.run("check", "--state-dir", mount.state_dir)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    with contextlib.closing(sqlite3.connect(mount.state_dir / "state.db")) as db:
        for table in ("node", "attempt"):
            db.execute(f"UPDATE {table} SET stage = ? WHERE stage = '../../secret'", (stage,))
        db.commit()
    mount.mount()
    mount.sync()
    assert [mount.emulator.content(file["id"]) for file in mount.emulator.files()] == [b"mine"]
