"""Copies of own uploads, the only readable ones: all stay, or the newest, or none; one by one they are given up or brought here."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from anthrofs.fuse.mountpoint import is_mounted
from tests.mounting import COMMAND, ROOT, Mount, asks, state_of, wait_until
from tests.terminal import Terminal

NO_COPY = "remote, no copy here: uploaded from here, and the service keeps uploads to itself"
SPARE = 512 * 2**20         # Config.spare_bytes


def kept(mount: Mount) -> tuple[int, int]:
    """(copies here, own uploads without one)."""
    status = mount.status()
    return status["kept_copies"], status["uploads_without_copy"]


def on_disk(mount: Mount) -> list[int]:
    """Sizes of what lies in kept/, but for sums."""
    return sorted(path.stat().st_size for path in (mount.state_dir / "kept").iterdir() if not path.suffix)


def holds(mount: Mount, counts: tuple[int, int], sizes: list[int]) -> None:
    """A close returns with the commit that gives copies up; their files go a moment later."""
    wait_until(lambda: (kept(mount), on_disk(mount)) == (counts, sizes), f"{counts} and {sizes}")


def is_closed(path: Path) -> bool:
    try:
        path.read_bytes()
    except PermissionError:
        return True
    return False


# ---- the bound


def test_all_are_kept_by_default(mount: Mount) -> None:
    files = mount.mount()
    for number in range(5):
        (files / f"{number}").write_bytes(bytes([number]) * 100_000)
    assert (kept(mount), on_disk(mount)) == ((5, 0), [100_000] * 5)


def test_of_a_size_the_newest_are_kept(mount: Mount) -> None:
    mount.expects("copy was not kept")
    files = mount.mount("--keep-uploads", "250k")
    for number in range(5):
        (files / f"{number}").write_bytes(bytes([number]) * 100_000)

    holds(mount, (2, 3), [100_000] * 2)
    assert [is_closed(files / f"{number}") for number in range(5)] == [True, True, True, False, False]
    assert (state_of(files / "2"), state_of(files / "3")) == (NO_COPY, "remote")
    assert "3 own uploads without a copy here" in mount.ok("status", mount.path)

    (files / "big").write_bytes(b"b" * 300_000)         # bigger than all of it
    assert is_closed(files / "big")
    holds(mount, (0, 6), [])
    mount.remount()
    assert (kept(mount), state_of(files / "4")) == ((0, 6), NO_COPY)


def test_none_is_kept_but_an_empty_file_is_never_closed(mount: Mount) -> None:
    mount.expects("copy was not kept")
    files = mount.mount("--keep-uploads", "none")
    with (files / "a").open("w+b") as file:
        file.write(b"a" * 1000)
        file.flush()
        os.fsync(file.fileno())
        file.seek(0)
        assert file.read() == b"a" * 1000               # who has it open reads on
    (files / "empty").touch()
    mount.sync()
    assert is_closed(files / "a")
    assert (files / "empty").read_bytes() == b""
    holds(mount, (1, 1), [0])


def test_a_smaller_bound_at_the_next_mount_takes_the_oldest(mount: Mount) -> None:
    files = mount.mount()
    for number in range(4):
        (files / f"{number}").write_bytes(bytes([number]) * 1000)
    mount.umount()
    files = mount.mount("--keep-uploads", "2k")
    assert [state_of(files / f"{number}") == NO_COPY for number in range(4)] == [True, True, False, False]
    assert on_disk(mount) == [1000, 1000]


def test_what_is_to_be_sent_again_or_open_is_never_given_up(mount: Mount) -> None:
    """A renamed file that is being sent, a backup, and one that somebody reads: under a bound that they alone pass."""
    mount.expects("copy was not kept")
    files = mount.mount("--keep-uploads", "1.5k", "--upload", "queue")
    for name in ("renamed", "backup", "read"):
        (files / name).write_bytes(name[:1].encode() * 500)
    mount.sync()
    mount.emulator.fault({"operation": "upload", "filename": "new name"}, {"kind": "delay", "seconds": 20})
    os.rename(files / "renamed", files / "new name")
    os.rename(files / "backup", files / "backup~")
    with (files / "read").open("rb") as reader:
        for number in range(3):
            (files / f"more {number}").write_bytes(b"m" * 1400)
            wait_until(lambda path=files / f"more {number}": state_of(path) == NO_COPY, "it is sent, and gone")      # type: ignore[misc]
        holds(mount, (3, 3), [500] * 3)
        assert (files / "backup~").read_bytes() == b"b" * 500
        assert reader.read() == b"r" * 500
    assert state_of(files / "new name").startswith("sent, waiting")
    mount.sync()
    assert (files / "new name").read_bytes() == b"r" * 500
    assert "new name" in {file["filename"] for file in mount.emulator.files()}
    (files / "last").write_bytes(b"l" * 800)            # nobody reads it any more, and it is older than what was sent again
    mount.sync()
    assert is_closed(files / "read")


def test_a_file_renamed_while_it_is_sent_is_sent_again_though_none_is_kept(mount: Mount) -> None:
    files = mount.mount("--keep-uploads", "none", "--upload", "queue")
    mount.emulator.fault("upload", {"kind": "delay", "seconds": 1.5})
    (files / "a").write_bytes(b"a" * 1000)
    wait_until(lambda: state_of(files / "a").startswith(("uploading", "sent, waiting")), "it is being sent")
    os.rename(files / "a", files / "b")
    mount.sync()
    assert [file["filename"] for file in mount.emulator.files()] == ["b"]
    wait_until(lambda: on_disk(mount) == [], "the copy is given up after the second upload")


def test_the_copy_of_what_the_server_does_not_have_whole_stays_and_is_sent_by_retry(mount: Mount) -> None:
    mount.expects("copy was not kept", "kept for the next mount")
    files = mount.mount("--keep-uploads", "9k")
    mount.emulator.fault("upload", {"kind": "stored_short", "bytes": 3000, "honest": False})
    (files / "cut").write_bytes(b"c" * 6000)
    mount.refresh()
    assert state_of(files / "cut").startswith("failed: the server lists 3000 bytes")
    (files / "other").write_bytes(b"o" * 8000)
    holds(mount, (1, 1), [6000])
    done = mount.run("free", files / "cut")
    assert (done.returncode, "still needed" in done.stderr) == (1, True)
    mount.ok("retry", files / "cut")
    mount.sync()
    assert sorted(file["size_bytes"] for file in mount.emulator.files()) == [6000, 8000]


def test_a_backup_of_what_the_server_does_not_have_whole_stays_here_whatever_is_retried(mount: Mount) -> None:
    mount.expects("kept for the next mount")
    files = mount.mount()
    mount.emulator.fault("upload", {"kind": "stored_short", "bytes": 3000, "honest": False})
    (files / "cut").write_bytes(b"c" * 6000)
    mount.refresh()
    os.rename(files / "cut", files / "cut~")
    with asks(mount, list=1):
        mount.run("retry", files / "cut~")
        mount.refresh()
    assert state_of(files / "cut~") == "local"
    assert (files / "cut~").read_bytes() == b"c" * 6000


def test_two_hundred_files_that_wait_together_end_within_the_bound(mount: Mount) -> None:
    mount.emulator.switch(latency_ms=30)
    files = mount.mount("--keep-uploads", "20k", "--upload", "queue", "--requests-per-minute", "10000")
    for number in range(200):
        (files / f"{number:03}").write_bytes(b"x" * 1000)
    mount.sync()
    assert len(mount.emulator.files()) == 200
    holds(mount, (20, 180), [1000] * 20)


@pytest.mark.parametrize(("option", "message"), [
    ("some", "with its unit"), ("-1", "with its unit"), ("0", "with its unit"), ("20", "with its unit")])
def test_a_bound_that_is_none_is_refused(mount: Mount, option: str, message: str) -> None:
    done = mount.run("mount", "--state-dir", mount.state_dir, f"--keep-uploads={option}", mount.path)
    assert (done.returncode, message in done.stderr) == (2, True)


# ---- a file without a copy


@pytest.fixture
def bare(mount: Mount) -> Path:
    """Sent, and its copy given up."""
    files = mount.mount()
    (files / "a.txt").write_text("own")
    mount.ok("free", files / "a.txt")
    return files / "a.txt"


def test_it_can_be_named_set_and_replaced_but_not_read_or_sent_again(mount: Mount, bare: Path) -> None:
    mount.expects("copy was not kept", "doesn't give this file's content out")
    with pytest.raises(PermissionError):
        bare.open("rb")
    with pytest.raises(PermissionError), bare.open("ab") as file:
        file.write(b"x")
    with pytest.raises(PermissionError), bare.open("r+b") as edited:
        edited.write(b"x")
    for name, value in (("user.mime_type", b"text/csv"), ("user.anthropic.expires_in_seconds", b"7200")):
        with pytest.raises(OSError, match="not permitted"):
            os.setxattr(bare, name, value)
    with asks(mount):
        os.rename(bare, bare.with_name("b.txt"))
    assert state_of(bare.with_name("b.txt")) == NO_COPY.replace("remote", "remote, named here: the server calls it a.txt")
    assert mount.run("push", bare.with_name("b.txt")).returncode == 1
    assert mount.ok("id", bare.with_name("b.txt")).startswith("file_")
    with asks(mount, upload=1, delete=1):
        bare.with_name("b.txt").write_text("new")
    assert bare.with_name("b.txt").read_text() == "new"
    assert [file["filename"] for file in mount.emulator.files()] == ["b.txt"]
    assert kept(mount) == (1, 0)


def test_it_can_be_removed_and_its_id_is_forgotten(mount: Mount, bare: Path) -> None:
    with asks(mount, delete=1):
        bare.unlink()
    assert kept(mount) == (0, 0)


def test_removed_by_somebody_else_nothing_of_it_is_left(mount: Mount, bare: Path) -> None:
    mount.emulator.vanish(mount.emulator.files()[0]["id"])
    # Its name, not its stat: the kernel keeps what a stat has shown.
    wait_until(lambda: mount.refresh() and os.listdir(bare.parent) == [], "it is gone")
    assert kept(mount) == (0, 0)


@pytest.mark.parametrize("label", ["kept:link", "kept:link+", "kept:dir+", "staging:remove", "staging:remove+", "cache:map", "cache:map+",
                                   "cache:data", "cache:data+"])
def test_a_kill_while_a_copy_is_given_up_leaves_it_or_takes_it_but_nothing_is_lost(mount: Mount, label: str) -> None:
    killed = subprocess.Popen([sys.executable, "-m", "tests.crash_at", label, "2", "mount", "--foreground", "--keep-uploads", "1.5k",
                               "--state-dir", mount.state_dir, mount.path], env=mount.environment, cwd=ROOT, stderr=subprocess.DEVNULL)
    wait_until(lambda: is_mounted(mount.path), "it is mounted")
    for number in range(5):
        try:
            (mount.path / f"{number}").write_bytes(b"x" * 1000)
        except OSError:
            break
    assert killed.wait(30) == -9
    subprocess.run(["fusermount3", "-u", "-z", str(mount.path)], check=True, timeout=30)
    mount.expects("was being written when", "copy was not kept")
    mount.leaves("belongs to nothing")

    files = mount.mount("--keep-uploads", "1.5k")
    mount.sync()
    stored = [file["filename"] for file in mount.emulator.files()]
    assert len(stored) == len(set(stored))
    assert sorted(stored) == sorted(os.listdir(files))
    readable = [name for name in stored if not is_closed(files / name)]
    holds(mount, (1, len(stored) - 1), [1000])
    assert readable == [max(stored)]


# ---- the commands


def test_a_read_only_mount_frees_and_fetches(mount: Mount) -> None:
    mount.emulator.generate("theirs.csv", b"x" * 5000, "text/csv")
    files = mount.mount()
    (files / "mine").write_bytes(b"x" * 5000)
    mount.remount("--read-only")
    mount.ok("free", files / "mine")
    mount.ok("fetch", files / "theirs.csv")
    assert state_of(files / "mine") == NO_COPY
    with asks(mount):
        assert (files / "theirs.csv").read_bytes() == b"x" * 5000


def test_free_says_how_much_and_refuses_what_is_needed(mount: Mount) -> None:
    mount.expects("was refused")
    files = mount.mount()
    (files / "docs").mkdir()
    for name in ("docs/a", "docs/b", "docs/open"):
        (files / name).write_bytes(b"x" * 409_600)
    mount.emulator.fault("upload", {"kind": "status", "status": 400})
    with pytest.raises(OSError, match=r"Invalid argument|Input/output"):
        (files / "docs/refused").write_bytes(b"x" * 1000)
    (files / "docs/local~").write_text("here")

    with (files / "docs/open").open("rb"):
        for name, reason in (("open", "is open"), ("refused", "still needed"), ("local~", "still needed")):
            done = mount.run("free", files / "docs" / name)
            assert (done.returncode, reason in done.stderr) == (1, True), done.stderr
        said = mount.ok("free", files / "docs")
    lines = said.splitlines()
    assert lines[0] == f"{files / 'docs'}: 819.2 kB freed, and nobody can read 2 of your uploads any more"
    assert sorted(line.split()[1] for line in lines[1:]) == ["docs/local~", "docs/open", "docs/refused"]
    assert on_disk(mount) == [409_600]
    assert mount.ok("free", files / "docs/a") == f"{files / 'docs/a'}: 0 B freed, nothing was here that can go\n"
    assert (files / "docs/open").stat().st_size == 409_600
    done = mount.run("free", files / "nothing", files / "docs/open")        # the second is done all the same
    assert (done.returncode, "409.6 kB freed" in done.stdout) == (2, True), done.stderr
    mount.ok("discard", files / "docs/refused")


def test_a_person_is_asked_before_the_last_copy_goes(mount: Mount) -> None:
    files = mount.mount()
    for name in ("a", "b"):
        (files / name).write_bytes(b"x" * 1000)
    given = [f"{name}={value}" for name, value in mount.environment.items()]
    for answer, code, left in (("\r", 2, 2), ("n\r", 2, 2), ("y\r", 0, 1)):
        with Terminal(["env", "-i", *given, *COMMAND, "free", str(files / "a"), str(files / "nothing")][:-1 if code == 0 else None], ROOT) as person:
            person.shows("Nobody can read 1 upload of yours any more then: only this machine has a copy. Go on? [y/N]")
            person.types(answer)
            person.shows(" freed" if code == 0 else "Nothing was given up.")
            assert person.ends() == code
        assert kept(mount)[0] == left
    with Terminal(["env", "-i", *given, *COMMAND, "free", "--yes", str(files / "b")], ROOT) as person:
        person.shows(" freed")
        assert person.ends() == 0


def test_fetch_brings_what_can_be_had_once_and_says_what_can_not(mount: Mount) -> None:
    for name in ("g/one.csv", "g/two.csv"):
        mount.emulator.generate(name.replace("/", "／"), name.encode() * 50_000, "text/csv")
    big = os.urandom(20_000_000)
    mount.emulator.generate("big.bin", big)
    files = mount.mount("--refresh", "300")
    (files / "g" / "mine").write_text("own")
    mount.ok("free", files / "g" / "mine")

    with asks(mount, download=1):
        assert mount.ok("fetch", files / "big.bin") == f"{files / 'big.bin'}: 20.0 MB fetched\n"
    with asks(mount):
        assert mount.ok("fetch", files / "big.bin") == f"{files / 'big.bin'}: 0 B fetched, it was here\n"
        assert (files / "big.bin").read_bytes() == big

    done = mount.run("fetch", files / "g" / "mine")
    assert (done.returncode, done.stdout) == (1, "")
    assert "was uploaded from here, its copy was not kept, and the service doesn't give uploads back: nobody can bring it here" in done.stderr
    with asks(mount, download=2):
        done = mount.run("fetch", files / "g")
    assert (done.returncode, done.stdout) == (1, f"{files / 'g'}: 900.0 kB fetched\n")
    assert "nobody can bring it here" in done.stderr

    mount.ok("free", files / "big.bin", files / "g" / "one.csv")
    with asks(mount, download=2):
        mount.ok("fetch", files / "g" / "one.csv", files / "big.bin")
    mount.remount()
    with asks(mount):
        assert (files / "big.bin").read_bytes() == big


def test_fetch_says_that_the_cache_has_no_room(mount: Mount) -> None:
    mount.emulator.generate("big.bin", b"b" * 3_000_000)
    files = mount.mount("--cache-size", "1M")
    done = mount.run("fetch", files / "big.bin")
    assert (done.returncode, "--cache-size" in done.stderr) == (1, True), done.stderr


def test_fetch_asks_for_nothing_that_the_cache_can_never_keep(mount: Mount) -> None:
    for number in range(3):
        mount.emulator.generate(f"g/{number}.csv", b"c" * 300_000, "text/csv")
    files = mount.mount("--cache-size", "0")
    with asks(mount):
        done = mount.run("fetch", files / "g")
    assert (done.returncode, done.stderr.count("--cache-size")) == (1, 3)


def test_fetch_of_more_than_the_cache_has_room_for_names_what_had_to_give_way(mount: Mount) -> None:
    for number in range(5):
        mount.emulator.generate(f"g/{number}.csv", os.urandom(2**20), "text/csv")
    files = mount.mount("--cache-size", "3M")
    done = mount.run("fetch", files / "g")
    # Which of them: of those that come at once the last may find no room, or push out the first.
    gone = {number for number in range(5) if re.search(rf"g/{number}\.csv (had to give way|has come, but)", done.stderr)}
    assert (done.returncode, len(gone)) in ((1, 2), (1, 3)), done.stderr
    with asks(mount):
        for number in {*range(5)} - gone:
            (files / "g" / f"{number}.csv").read_bytes()


def test_fetch_of_a_picture_whose_length_is_longer_than_listed(mount: Mount) -> None:
    mount.emulator.switch(delivered_extra_bytes=7000)
    mount.emulator.generate("p.png", b"p" * 300_000, "image/png")
    files = mount.mount()
    with asks(mount, download=1):
        mount.ok("fetch", files / "p.png")
        mount.ok("fetch", files / "p.png")
        (files / "p.png").read_bytes()


# ---- a disk that runs low


@pytest.fixture
def low_disk(mount: Mount, tmp_path: Path) -> Iterator[Any]:
    """A disk of its own for the state, of a size that a test chooses. Not a page of it is taken before something is written."""
    path = tmp_path / "disk"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={2 * SPARE + 30_000_000}", "tmpfs", path], check=True)
    mount.state_dir = path / "state"

    def resize(size_bytes: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size_bytes}", path], check=True)

    try:
        yield resize
        mount.finish()
    finally:
        subprocess.run(["umount", "-l", path], check=True)


@pytest.mark.root          # a disk is mounted
def test_when_the_disk_runs_low_what_is_sent_from_then_on_is_not_kept_and_close_succeeds(mount: Mount, low_disk: Any) -> None:
    mount.expects("runs low", "copy was not kept")
    files = mount.mount()
    for number in range(6):
        (files / f"{number}").write_bytes(os.urandom(10_000_000))
    states = [state_of(files / f"{number}") for number in range(6)]
    assert states == ["remote"] * 2 + [NO_COPY] * 4
    assert mount.log().count("runs low") == 1
    assert "THE DISK RUNS LOW" in mount.ok("status", mount.path)
    assert len((files / "0").read_bytes()) == 10_000_000

    os.rename(files / "0", files / "renamed")           # a second name for the same bytes takes no room
    mount.sync()
    assert len((files / "renamed").read_bytes()) == 10_000_000

    mount.ok("free", files / "1")
    (files / "small").write_bytes(b"s" * 1000)
    assert (files / "small").read_bytes() == b"s" * 1000
    assert "THE DISK RUNS LOW" not in mount.ok("status", mount.path)


@pytest.mark.root          # a disk is mounted
def test_what_can_be_fetched_again_goes_before_a_copy_is_given_up(mount: Mount, low_disk: Any) -> None:
    mount.emulator.generate("theirs.bin", os.urandom(20_000_000))
    files = mount.mount()
    (files / "theirs.bin").read_bytes()
    wait_until(lambda: mount.status()["cached_bytes"] > 19_000_000, "it is cached")
    (files / "mine").write_bytes(os.urandom(15_000_000))
    assert state_of(files / "mine") == "remote"
    assert len((files / "mine").read_bytes()) == 15_000_000
    assert mount.status()["cached_bytes"] < 19_000_000


@pytest.mark.root          # a disk is mounted
def test_a_small_disk_takes_any_number_of_uploads(mount: Mount, low_disk: Any) -> None:
    """A state on a disk that is never as free as copies need it: uploads pass through it, one after the other."""
    mount.expects("runs low")
    low_disk(800_000_000)
    files = mount.mount()
    for number in range(5):
        (files / f"{number}").write_bytes(os.urandom(100_000_000))
        assert state_of(files / f"{number}") == NO_COPY
    assert on_disk(mount) == []
