"""Manual, files: `anthrofs states` lists what mounts keep on this machine, and `anthrofs states remove` takes away what nobody needs, but
never what only this machine has, unless that is said.
"""

import fcntl
import json
import os
import shutil
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from anthrofs.errors import EXIT_BUSY, EXIT_LEFT, EXIT_USAGE
from tests.emulator.process import EmulatorProcess
from tests.mount.test_upgrade import STATES
from tests.mounting import Mount, stored

DAY_S = 86400


class Home:
    """Mounts of one user, whose states lie side by side."""

    def __init__(self, base: Path, emulator: EmulatorProcess) -> None:
        self.base, self.emulator, self.mounts = base, emulator, list[Mount]()
        self.root = base / "state home" / "anthrofs"

    def profile(self, name: str) -> Mount:
        one = Mount(self.base / name, self.emulator)
        one.state_dir = self.root / name
        one.environment["XDG_STATE_HOME"] = str(self.root.parent)
        self.mounts.append(one)
        return one

    def states(self) -> dict[str, dict[str, Any]]:
        return {one["name"]: one for one in json.loads(self.mounts[0].ok("states", "--json"))}


@pytest.fixture
def home(emulator: EmulatorProcess, tmp_path: Path) -> Iterator[Home]:
    one = Home(tmp_path, emulator)
    try:
        yield one
    finally:
        for each in one.mounts:
            each.finish()


def looks_of(directory: Path) -> dict[str, tuple[int, int, bytes]]:
    """All that a look must not change."""
    return {str(path.relative_to(directory)): (path.stat().st_mtime_ns, path.stat().st_mode, path.read_bytes() if path.is_file() else b"")
            for path in directory.rglob("*") if not path.is_socket()}


def test_each_state_is_shown_with_what_only_it_has(home: Home) -> None:
    work, rest = home.profile("work"), home.profile("rest")
    work.expects("no connection to", "kept for the next mount", "not on the server yet")
    (work.mount("--upload", "queue") / "sent.txt").write_bytes(b"x" * 100_000)
    work.sync()
    home.emulator.stop()
    (work.path / "waiting.txt").write_text("1")
    (work.path / "note.txt~").write_text("here")
    (work.path / "sent.txt").rename(work.path / "renamed.txt")
    live = home.states()["work"]
    assert (live["mounted_on"], live["in_use"], live["unsent"], live["helper_files"], live["copies"], live["copy_bytes"]) == (
        str(work.path), True, 2, 1, 1, 100_000)
    work.end_now()
    home.emulator.start()
    rest.mount()
    rest.umount()
    before = looks_of(home.root)
    found = home.states()
    assert looks_of(home.root) == before, "a look changes nothing"
    assert list(found) == ["rest", "work"]
    left = found["work"]
    assert {name: left[name] for name in live if name not in ("mounted_on", "in_use", "version", "last_used", "size_bytes")} == {
        name: live[name] for name in live if name not in ("mounted_on", "in_use", "version", "last_used", "size_bytes")}
    assert (left["mounted_on"], left["in_use"], left["readable"]) == (None, False, True)
    assert left["workspace"].startswith("wrkspc_")
    assert 100_000 < left["size_bytes"] < 10**7
    assert abs(left["last_used"] - time.time()) < 3600
    said = work.ok("states")
    assert f"work  (last mounted on {work.path})\n  {home.emulator.url}, wrkspc_" in said
    assert "  only here: 2 files not sent, 1 helper file, 1 readable copy of uploads (100.0 kB)\n" in said
    work.mount()
    work.sync()
    assert set(stored(work)) == {"renamed.txt", "waiting.txt"}, "and nothing of it was lost by looking"


def test_a_state_of_a_mount_that_was_killed_is_read_with_its_log_and_stays_as_it_was(home: Home) -> None:
    work = home.profile("work")
    work.expects("kept for the next mount", "not on the server yet", "no connection to")
    work.mount("--upload", "queue")
    home.emulator.stop()
    (work.path / "waiting.txt").write_text("1")
    work.kill()
    home.emulator.start()
    assert (work.state_dir / "state.db-wal").stat().st_size
    before = looks_of(home.root)
    assert (home.states()["work"]["unsent"], home.states()["work"]["in_use"]) == (1, False)
    assert looks_of(home.root) == before
    refused = work.run("states", "remove", "work")
    assert (refused.returncode, "1 file not sent. A mount of it sends what is not sent. To" in refused.stderr) == (EXIT_LEFT, True)
    work.mount()
    work.sync()
    assert stored(work) == {"waiting.txt": b"1"}


def test_what_only_it_has_is_removed_only_by_an_explicit_word(home: Home) -> None:
    work, rest = home.profile("work"), home.profile("rest")
    rest.mount()
    (work.mount() / "sent.txt").write_bytes(b"x" * 1000)
    (work.path / "note.txt~").write_text("here")
    assert work.run("states", "remove", "work").returncode == EXIT_BUSY
    assert f"is mounted on {work.path}: anthrofs umount {work.path}" in work.run("states", "remove", "work").stderr
    work.umount()
    refused = work.run("states", "remove", "work")
    assert refused.returncode == EXIT_LEFT
    assert refused.stderr == ("anthrofs: The state work was not removed. Only there: 1 helper file, 1 readable copy of uploads (1.0 kB). To remove it "
                              "with that: anthrofs states remove work --with-unsent --with-copies\n")
    assert work.run("states", "remove", "work", "--with-unsent").returncode == EXIT_LEFT
    assert work.run("states", "remove", "work", "--with-copies").returncode == EXIT_LEFT
    (work.state_dir / "mine.txt").write_text("somebody's")
    removed = work.ok("states", "remove", "work", "--with-unsent", "--with-copies")
    assert f"stays, for it isn't anthrofs's: {work.state_dir}/mine.txt" in removed
    assert os.listdir(work.state_dir) == ["mine.txt"]
    assert list(home.states()) == ["rest"]
    (work.state_dir / "mine.txt").unlink()
    work.mount()
    assert os.listdir(work.path) == ["sent.txt"], "the files on the server stay"
    work.umount()
    work.ok("states", "remove", "work")
    assert not work.state_dir.exists()


def test_copies_that_no_row_leads_to_any_more_are_counted_and_stay(home: Home, tmp_path: Path) -> None:
    """As after a moment with the key of another workspace: with the right one they are readable again."""
    work = home.profile("work")
    work.expects("another workspace than before")
    (work.mount() / "rare.txt").write_text("rare")
    work.umount()
    home.emulator.stop()
    own, home.emulator.data = home.emulator.data, tmp_path / "another's"
    home.emulator.start()
    work.mount()
    work.umount()
    assert (home.states()["work"]["copies"], home.states()["work"]["copy_bytes"]) == (1, 4)
    assert "  only here: 1 readable copy of uploads (4 B)\n" in work.ok("states")
    assert work.run("states", "remove", "work").returncode == EXIT_LEFT
    assert work.ok("states", "remove", "--older", "0") == "Nothing to remove.\n"
    home.emulator.stop()
    home.emulator.data = own
    home.emulator.start()
    work.mount()
    assert (work.path / "rare.txt").read_text() == "rare"
    (work.path / "rare.txt").unlink()
    work.sync()
    work.umount()
    assert home.states()["work"]["copies"] == 0, "whose upload is deleted isn't missed"
    work.ok("states", "remove", "work")


def test_copies_in_a_state_whose_database_is_damaged_are_counted_with_their_bytes(home: Home) -> None:
    work = home.profile("work")
    (work.mount() / "rare.txt").write_text("rare")
    work.umount()
    (work.state_dir / "state.db").write_text("no database")
    assert (home.states()["work"]["copies"], home.states()["work"]["copy_bytes"]) == (1, 4)
    shutil.rmtree(work.state_dir)


def test_states_that_nobody_used_for_long_go_together_but_for_what_only_they_have(home: Home) -> None:
    old, kept, young = home.profile("sesn_old"), home.profile("kept"), home.profile("young")
    for each in (old, kept, young):
        each.mount()
    (kept.path / "sent.txt").write_text("1")
    for each in (old, kept, young):
        each.umount()
    assert home.mounts[0].ok("states", "remove", "--older", "30") == "Nothing to remove.\n"
    past_s = time.time() - 31 * DAY_S
    for each in (old, kept):
        for path in (*each.state_dir.iterdir(), each.state_dir):
            os.utime(path, (past_s, past_s))
    removed = old.ok("states", "remove", "--older", "30")
    assert [line.partition(":")[0] for line in removed.splitlines()] == ["sesn_old"]
    assert list(home.states()) == ["kept", "young"]


def test_a_state_elsewhere_is_called_by_its_path(home: Home, tmp_path: Path) -> None:
    work = home.profile("work")
    work.state_dir = tmp_path / "else where" / "state"
    work.mount()
    work.umount()
    assert list(home.states()) == [str(work.state_dir)]
    work.ok("states", "remove", work.state_dir)
    assert not work.state_dir.exists()
    assert home.states() == {}


def test_a_removal_that_was_cut_is_done_again(home: Home) -> None:
    work = home.profile("work")
    work.mount()
    work.umount()
    for name in ("state.db", "kept", "staging"):
        path = work.state_dir / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert home.states()["work"]["readable"] is False
    work.ok("states", "remove", "work")
    assert not work.state_dir.exists()


def test_a_state_that_a_process_holds_is_not_removed(home: Home) -> None:
    work = home.profile("work")
    work.mount()
    work.umount()
    with (work.state_dir / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert home.states()["work"]["in_use"]
        assert work.run("states", "remove", "work").returncode == EXIT_BUSY
    assert (work.state_dir / "state.db").exists()


def test_links_in_a_state_lead_nowhere(home: Home, tmp_path: Path) -> None:
    work = home.profile("work")
    work.mount()
    work.umount()
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("1")
    shutil.rmtree(work.state_dir / "cache")
    (work.state_dir / "cache").symlink_to(precious)
    work.ok("states", "remove", "work")
    assert (precious / "file").read_text() == "1"
    assert not work.state_dir.exists()


def test_a_pipe_in_a_state_is_not_waited_for(home: Home) -> None:
    work = home.profile("work")
    for name, pipe in (("a", "state.db"), ("b", "lock"), ("c", "state.db-wal")):
        (home.root / name).mkdir(parents=True)
        for file in {"lock", "state.db"} - {pipe}:
            (home.root / name / file).touch()
        os.mkfifo(home.root / name / pipe)
    work.mount()
    assert {name: one["readable"] for name, one in home.states().items()} == {"a": False, "b": False, "c": False, "work": True}


def test_a_state_that_was_moved_to_another_disk_goes_with_the_link_to_it(home: Home, tmp_path: Path) -> None:
    work = home.profile("work")
    work.mount()
    work.umount()
    work.state_dir.rename(tmp_path / "moved")
    work.state_dir.symlink_to(tmp_path / "moved")
    work.ok("states", "remove", "work")
    assert not (tmp_path / "moved").exists()
    assert not os.path.lexists(work.state_dir)


@pytest.mark.root
def test_a_state_of_another_user_is_not_removed(home: Home) -> None:
    work = home.profile("work")
    work.mount()
    work.umount()
    os.chown(work.state_dir, 12345, -1)
    refused = work.run("states", "remove", "work")
    assert (refused.returncode, "belongs to another user" in refused.stderr) == (1, True)
    assert (work.state_dir / "state.db").exists()
    os.chown(work.state_dir, 0, -1)


def test_a_wrong_name_names_those_that_there_are(home: Home) -> None:
    work = home.profile("work")
    assert work.ok("states") == "No states.\n"
    assert work.run("states", "remove").returncode == EXIT_USAGE
    assert work.run("states", "remove", "a", "--older", "3").returncode == EXIT_USAGE
    work.mount()
    refused = work.run("states", "remove", "wrk")
    assert (refused.returncode, refused.stderr) == (EXIT_USAGE, "anthrofs: There is no state wrk. There are: work.\n")


@pytest.mark.parametrize("version", [3, 4, 5, 6, 7])
def test_a_state_of_an_earlier_version_is_counted_and_not_taken_over(home: Home, version: int) -> None:
    mine = home.profile("mine")
    with tarfile.open(STATES / f"version_{version}.tar.xz") as archive:
        if hasattr(tarfile, "data_filter"):
            archive.extraction_filter = tarfile.data_filter
        archive.extractall(home.root, [each for each in archive.getmembers() if each.name.startswith("state")])
    found = home.states()["state"]
    assert (found["version"], found["readable"]) == (version, True)
    assert found["unsent"] >= 3
    assert found["copies"] >= 2
    assert not list((home.root / "state").glob("state.db.*"))
    assert mine.run("states", "remove", "state").returncode == EXIT_LEFT
