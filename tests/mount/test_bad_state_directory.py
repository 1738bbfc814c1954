"""A state directory that can't be one, and others' files in one that can: said in a sentence, left alone, never followed."""

import errno
import fcntl
import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from anthrofs.errors import EXIT_BUSY, SetupError
from anthrofs.fuse import mountpoint
from anthrofs.model import FileId
from anthrofs.store.block_cache import BlockCache
from anthrofs.store.disk import Disk
from anthrofs.store.staging import Staging
from anthrofs.store.state_dir import StateDir
from anthrofs.tree.fsck import problems
from tests.mounting import COMMAND, Mount, wait_until

# Modes and owners count, as for anybody.
BELOW_ROOT = () if os.geteuid() else ("setpriv", "--bounding-set", "-dac_override,-dac_read_search,-fowner", "--inh-caps", "-all")
LOOKS_LIKE_OURS = "0123456789abcdef" * 2


def refused(mount: Mount, state_dir: Path, says: str, *, code: int = 1, before: tuple[str, ...] = ()) -> None:
    done = subprocess.run([*before, *COMMAND, "mount", "--foreground", "--state-dir", state_dir, mount.path],
                          env=mount.environment, text=True, capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, "Traceback" in done.stderr) == (code, "", False), done.stderr
    assert says in done.stderr
    assert str(state_dir) in done.stderr
    assert not mountpoint.is_mounted(mount.path)
    assert not any(mount.path.iterdir())


# ---- the directory


def test_a_file_a_link_to_nothing_and_a_name_that_is_too_long_are_no_state_directories(mount: Mount, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    refused(mount, tmp_path / "file", "a state needs a directory", code=2)
    refused(mount, tmp_path / "link", "a state needs a directory", code=2)
    refused(mount, tmp_path / ("x" * 300), "File name too long")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("place", ["files/state", "files", "."])
def test_a_state_and_its_mount_point_are_never_one_inside_the_other(mount: Mount, tmp_path: Path, place: str) -> None:
    refused(mount, tmp_path / place, "one inside the other", code=2)


def test_a_directory_with_somebodys_files_is_not_made_a_state(mount: Mount, tmp_path: Path) -> None:
    documents = tmp_path / "documents"
    documents.mkdir(mode=0o755)
    (documents / "thesis.txt").write_text("mine")
    refused(mount, documents, "holds other files", code=2)
    assert [path.name for path in documents.iterdir()] == ["thesis.txt"]
    assert documents.stat().st_mode & 0o777 == 0o755


@pytest.mark.root
def test_a_state_of_another_user_is_not_taken(mount: Mount, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir(mode=0o755)
    os.chown(tmp_path / "theirs", 65534, 65534)
    refused(mount, tmp_path / "theirs", "Operation not permitted", before=BELOW_ROOT)


def test_a_state_directory_may_have_any_name_and_be_a_link_to_a_directory(mount: Mount, tmp_path: Path) -> None:
    named = tmp_path / ("d" * 150) / "two\nlines" / os.fsdecode(b"caf\xe9")
    named.mkdir(parents=True)
    mount.state_dir = tmp_path / "link" / os.fsdecode(b"caf\xe9")
    (tmp_path / "link").symlink_to(named.parent)
    mount.emulator.generate("a.txt", b"a")
    files = mount.mount()
    assert (files / "a.txt").read_bytes() == b"a"
    assert json.loads(mount.ok("status", "--json", files))["state_dir"] == str(mount.state_dir)
    mount.umount()
    mount.state_dir = named                             # too long for a socket's address, by 150 characters
    assert (mount.mount() / "a.txt").read_bytes() == b"a"
    mount.umount()
    assert mount.ok("check", "--state-dir", mount.state_dir) == "All is well.\n"


def test_a_file_system_without_locks_is_no_other_mount(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")
    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(SetupError, match="No locks available") as raised:
        StateDir(tmp_path / "state", "/mnt")
    assert raised.value.exit_code != EXIT_BUSY


# ---- its lock, log and socket


def test_a_directory_in_the_place_of_a_file_and_the_reverse_is_said(mount: Mount, tmp_path: Path) -> None:
    for name in ("anthrofs.log", "control.sock", "state.db", "staging"):
        state_dir = tmp_path / f"state with {name}"
        (state_dir / "cache").mkdir(parents=True)
        if name == "staging":
            (state_dir / name).write_text("mine")
        else:
            (state_dir / name).mkdir()
        refused(mount, state_dir, str(state_dir / name))
        assert (state_dir / name).exists()


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
    with pytest.raises(SetupError, match="linked/lock"):
        StateDir(tmp_path / "linked", "/mnt")
    StateDir(tmp_path / "pipe", "/mnt").close()
    assert (tmp_path / "thesis").read_text() == "mine"


def test_a_log_that_is_a_pipe_hangs_nothing_and_a_lock_that_cant_be_read_is_said(mount: Mount, tmp_path: Path) -> None:
    (tmp_path / "one" / "staging").mkdir(parents=True)
    os.mkfifo(tmp_path / "one" / "anthrofs.log")
    refused(mount, tmp_path / "one", "anthrofs.log")
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "lock").touch(mode=0)
    refused(mount, tmp_path / "two", f"Permission denied ({tmp_path / 'two' / 'lock'})", before=BELOW_ROOT)


# ---- others' files in it


def strangers(directory: Path, target: Path, *names: str) -> list[Path]:
    """A file, a directory, a link to somebody's file, a link to nothing and a pipe, by the given names in this order."""
    directory.mkdir(exist_ok=True)
    paths = [directory / name for name in names]
    paths[0].write_text("theirs")
    paths[1].mkdir()
    paths[2].symlink_to(target)
    paths[3].symlink_to(target.with_name("nowhere"))
    os.mkfifo(paths[4])
    return paths


def test_strangers_in_a_state_are_left_alone_and_hang_nothing(mount: Mount, tmp_path: Path) -> None:
    files = mount.mount("--upload", "queue")
    (files / "first.txt").write_text("first")
    mount.umount()
    thesis = tmp_path / "thesis"
    thesis.write_text("mine")
    found = [path for place, names in {
        "": ("notes", "folder", "link", "dangling", "pipe"),
        "staging": ("1000", "1001", "1002", "1003", "1004"),
        "staging/more": ("007", "٣", "notes", "9" * 200, "pipe"),
        "cache": ("a", "b", "c", "d", "e"),
        "kept": ("a", "b", "c", "d", "e")}.items() for path in strangers(mount.state_dir / place, thesis, *names)]

    mount.mount("--upload", "queue")
    for number in range(8):
        (files / f"{number}.txt").write_text(f"content {number}")
    assert (files / "first.txt").read_text() == "first"
    mount.umount()

    assert all(os.path.lexists(path) for path in found)
    assert found[0].read_text() == "theirs"
    assert thesis.read_text() == "mine"
    assert len(mount.emulator.files()) == 9
    mount.leaves("belongs to nothing", "no plain file")
    said = problems(mount.state_dir)
    assert [line for line in said if "1000 belongs to nothing" in line]
    for path in (*found[6:10], *found[16:20], *found[21:25]):
        assert any(str(path) in line for line in said), path


def test_a_new_stage_takes_the_next_number_that_nobody_has(tmp_path: Path) -> None:
    staging = Staging(tmp_path / "staging", Disk(), 0)
    staging.start(set())
    strangers(tmp_path / "staging", tmp_path / "thesis", "1", "2", "3", "4", "5")
    (tmp_path / "staging" / "٦").write_text("theirs")
    (tmp_path / "staging" / ("9" * 30)).write_text("theirs")
    stage = staging.create()
    stage.close()
    assert (stage.number, staging.numbers()) == (6, {1, 6})


def test_a_promised_content_that_somebody_has_replaced_is_neither_opened_nor_sent(mount: Mount, tmp_path: Path) -> None:
    files = mount.mount("--upload", "queue")
    mount.emulator.fault("upload", {"kind": "status", "status": 503}, times=-1)
    (files / "mine.txt").write_text("mine")
    mount.end_now()
    mount.expects("not on the server yet")
    (stage,) = (mount.state_dir / "staging").iterdir()
    stage.rename(tmp_path / "away")
    (tmp_path / "secret").write_text("secret")
    for make in (os.mkfifo, lambda path: path.symlink_to(tmp_path / "secret")):
        make(stage)
        refused(mount, mount.state_dir, f"{stage} should be the unsent content of 'mine.txt', but is no plain file")
        stage.unlink()
    (tmp_path / "away").rename(stage)
    mount.emulator.clear_faults()
    mount.mount()
    mount.sync()
    assert [mount.emulator.content(file["id"]) for file in mount.emulator.files()] == [b"mine"]


def test_content_that_cant_be_opened_is_tried_again_seconds_later_not_at_once(mount: Mount) -> None:
    files = mount.mount("--upload", "queue")
    mount.emulator.fault("upload", {"kind": "status", "status": 503})
    (files / "mine.txt").write_text("mine")
    wait_until(lambda: mount.emulator.requests("upload"), "it was tried")
    (stage,) = (mount.state_dir / "staging").iterdir()
    stage.unlink()
    stage.mkdir()
    mount.expects("bug in the uploader", "Traceback")
    wait_until(lambda: "bug in the uploader" in mount.log(), "it is tried again")
    time.sleep(1)
    assert mount.log().count("bug in the uploader") == 1
    stage.rmdir()
    stage.write_text("mine")
    mount.sync()
    assert [mount.emulator.content(file["id"]) for file in mount.emulator.files()] == [b"mine"]


def test_a_cache_of_another_layout_is_a_miss(mount: Mount) -> None:
    mount.emulator.generate("a.bin", b"a" * 3_000_000)
    files = mount.mount()
    assert (files / "a.bin").read_bytes() == b"a" * 3_000_000
    mount.umount()
    for path in (mount.state_dir / "cache").iterdir():
        if path.suffix == ".map":
            path.write_bytes(b"another layout" * 100)
    (mount.state_dir / "cache" / "v0").mkdir()
    (mount.state_dir / "cache" / "v0" / LOOKS_LIKE_OURS).write_bytes(b"old")
    (mount.state_dir / "cache" / LOOKS_LIKE_OURS).write_bytes(b"no map")
    mount.leaves("cache/v0 is no plain file")

    mount.mount()

    assert (files / "a.bin").read_bytes() == b"a" * 3_000_000


# ---- in the cache


def a_cache(root: Path) -> BlockCache:
    cache = BlockCache(root, Disk(), 10**9)
    cache.start()
    return cache


def put(cache: BlockCache, data: bytes) -> None:
    cache.put(FileId("x"), 0, [data])


@pytest.fixture
def name(tmp_path: Path) -> str:
    """Where the cache keeps the file `x`; nothing is there."""
    (tmp_path / "thesis").write_text("mine")
    put(a_cache(tmp_path), b"block")
    place, = (path for path in (tmp_path / "cache").iterdir() if len(path.name) == 32)
    place.unlink()
    place.with_suffix(".map").unlink()
    return place.name


def test_the_cache_takes_no_stock_of_strangers(tmp_path: Path, name: str) -> None:
    for folder in ("cache", "kept"):
        strangers(tmp_path / folder, tmp_path / "thesis", *(f"{number}" * 32 for number in range(5)))
        (tmp_path / folder / ("not hexadecimal" * 3)[:32]).write_bytes(b"mine")
    assert a_cache(tmp_path).totals()[1] == 1


@pytest.mark.parametrize("suffix", ["", ".map"])
def test_the_cache_goes_through_no_link_and_waits_for_no_pipe(tmp_path: Path, name: str, suffix: str) -> None:
    for kind in ("link", "pipe", "directory"):
        place = tmp_path / "cache" / f"{name}{suffix}"
        if kind == "link":
            place.symlink_to(tmp_path / "thesis")
        elif kind == "pipe":
            os.mkfifo(place)
        else:
            place.mkdir()
        cache = a_cache(tmp_path)
        assert cache.get(FileId("x"), 0) is None
        put(cache, b"block")
        assert cache.get(FileId("x"), 0) == b"block"        # from memory
        assert a_cache(tmp_path).get(FileId("x"), 0) is None
        assert (tmp_path / "thesis").read_text() == "mine"
        place.rmdir() if kind == "directory" else place.unlink()
        (tmp_path / "cache" / name).unlink(missing_ok=True)


def test_neither_a_link_nor_a_pipe_is_a_kept_copy(tmp_path: Path, name: str) -> None:
    place = tmp_path / "kept" / name
    for link in (True, False):
        place.symlink_to(tmp_path / "thesis") if link else os.mkfifo(place)
        cache = a_cache(tmp_path)
        assert cache.get(FileId("x"), 0) is None
        assert not cache.has_kept(FileId("x"))
        place.unlink()


def test_checksums_are_written_through_no_link_and_wait_for_no_pipe(tmp_path: Path, name: str) -> None:
    cache = a_cache(tmp_path)
    (tmp_path / "stage").write_bytes(b"content")
    for link in (True, False):
        cache.adopt(FileId("x"), tmp_path / "stage")
        made = tmp_path / "kept" / f"{name}.new"
        made.symlink_to(tmp_path / "thesis") if link else os.mkfifo(made)
        cache.verify(FileId("x"))
        assert (tmp_path / "kept" / f"{name}.map").stat().st_size == 8
        assert (tmp_path / "thesis").read_text() == "mine"
