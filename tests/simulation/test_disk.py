"""The simulation's disk: what was synced is always there, what wasn't may be gone, and nothing else is ever found."""

import errno
import os
import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthrofs.errors import DiskFull, FsError
from anthrofs.tree.database import Database
from tests.core.conftest import FAST
from tests.fakes import law
from tests.simulation.disk import Dead, ForgetfulDisk
from tests.simulation.durable import Mode, torn

NAMES: Final = ("a", "b", "c")
SEEDS: Final = 30


@pytest.fixture
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=FAST if FAST.is_dir() else None) as base:
        yield Path(base)


@pytest.fixture
def root(place: Path) -> Path:
    (place / "state" / "staging").mkdir(parents=True)
    return place / "state"


class After:
    """What is found after each kind of loss, anew each time."""

    def __init__(self, root: Path, disk: ForgetfulDisk) -> None:
        self.root, self.disk = root, disk

    def __call__(self, mode: Mode) -> dict[str, bytes]:
        return contents(self.image(mode))

    def image(self, mode: Mode) -> Path:
        target = self.root.parent / f"after {len(list(self.root.parent.iterdir()))}"
        self.disk.power_loss(target, mode)
        return target

    def at_random(self) -> list[dict[str, bytes]]:
        return [self("random") for _ in range(SEEDS)]


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def disk_on(root: Path) -> ForgetfulDisk:
    return ForgetfulDisk(root, random.Random(1))


def put(path: Path, content: bytes, disk: ForgetfulDisk | None = None) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    os.pwrite(descriptor, content, 0)
    if disk is not None:
        disk.sync("data", descriptor)
    os.close(descriptor)


# ---- files

def test_what_was_there_at_the_beginning_is_durable(root: Path) -> None:
    put(root / "staging" / "a", b"old")
    after = After(root, disk_on(root))
    assert [after(mode) for mode in ("all", "random", "none")] == [{"staging/a": b"old"}] * 3


def test_a_file_without_a_synced_directory_may_be_gone_and_one_without_a_sync_may_be_empty(root: Path) -> None:
    disk = disk_on(root)
    after = After(root, disk)
    put(root / "staging" / "a", b"new")
    assert after("all") == {}
    assert after("none") == {"staging/a": b"new"}
    found = after.at_random()
    assert {} in found
    assert {"staging/a": b""} in found
    assert {"staging/a": b"\0\0\0"} in found
    assert {"staging/a": b"new"} in found
    disk.sync_dir("dir", root / "staging")
    assert after("all") == {"staging/a": b""}
    put(root / "staging" / "a", b"new", disk)
    assert [after("all"), *after.at_random()] == [{"staging/a": b"new"}] * (SEEDS + 1)


def test_a_removal_may_be_undone_until_the_directory_is_synced(root: Path) -> None:
    put(root / "staging" / "a", b"old")
    disk = disk_on(root)
    after = After(root, disk)
    disk.unlink("label", root / "staging" / "a")
    assert after("all") == {"staging/a": b"old"}
    assert after("none") == {}
    assert {tuple(found.items()) for found in after.at_random()} == {(("staging/a", b"old"),), ()}
    disk.sync_dir("dir", root / "staging")
    assert [after("all"), *after.at_random()] == [{}] * (SEEDS + 1)


def test_what_came_and_went_may_be_found_but_is_never_for_sure(root: Path) -> None:
    disk = disk_on(root)
    after = After(root, disk)
    put(root / "staging" / "a", b"brief", disk)
    disk.unlink("label", root / "staging" / "a")
    assert after("all") == after("none") == {}
    assert {"staging/a": b"brief"} in after.at_random()


def test_a_rename_is_done_or_is_not(root: Path) -> None:
    put(root / "staging" / "a", b"new")
    put(root / "staging" / "b", b"old")
    disk = disk_on(root)
    after = After(root, disk)
    disk.rename("label", root / "staging" / "a", root / "staging" / "b")
    assert after("all") == {"staging/a": b"new", "staging/b": b"old"}
    assert {tuple(found.items()) for found in after.at_random()} == {(("staging/a", b"new"), ("staging/b", b"old")), (("staging/b", b"new"),)}


def test_second_names_are_found_as_such(root: Path) -> None:
    (root / "kept").mkdir()
    put(root / "staging" / "a", b"both")
    disk = disk_on(root)
    disk.link("label", root / "staging" / "a", root / "kept" / "b")
    after = After(root, disk)
    assert after("all") == {"staging/a": b"both"}
    disk.sync_dir("dir", root / "kept")
    for mode in ("all", "random", "none"):
        found = after.image(mode)
        assert (found / "staging" / "a").samefile(found / "kept" / "b")


def test_a_new_directory_is_lost_with_all_that_is_in_it_until_the_one_above_is_synced(root: Path) -> None:
    disk = disk_on(root)
    (root / "kept").mkdir()
    put(root / "kept" / "a", b"new", disk)
    disk.sync_dir("dir", root / "kept")
    after = After(root, disk)
    assert after("all") == {}
    disk.sync_dir("state:dir", root)
    assert after("all") == {"kept/a": b"new"}


def test_bytes_that_a_failed_sync_has_lost_are_not_saved_by_the_next(root: Path) -> None:
    put(root / "staging" / "a", b"old")
    disk = disk_on(root)
    after = After(root, disk)
    disk.fail("data", errno.EIO)
    with pytest.raises(OSError, match="Input/output error"):
        put(root / "staging" / "a", b"new", disk)
    assert (root / "staging" / "a").read_bytes() == b"new"
    with (root / "staging" / "a").open("rb+") as again:
        disk.sync("data", again.fileno())
    assert after("all") == {"staging/a": b"old"}
    put(root / "staging" / "a", b"newer", disk)
    assert after("all") == {"staging/a": b"newer"}


@given(seed=st.integers(0, 2**32), synced=st.binary(max_size=300), content=st.binary(max_size=300))
@law
def test_a_torn_file_has_each_page_old_or_new_or_a_hole_and_a_length_between(seed: int, synced: bytes, content: bytes) -> None:
    found = torn(random.Random(seed), synced, content)
    assert min(len(synced), len(content)) <= len(found) <= max(len(synced), len(content))
    for place, byte in enumerate(found):
        assert byte in {*synced[place:place + 1], *content[place:place + 1], 0}
    assert torn(random.Random(seed), content, content) == content


Step = tuple[str, str, str, bytes]


@given(steps=st.lists(st.tuples(st.sampled_from(["write", "cut", "sync", "link", "rename", "unlink", "sync_dir"]), st.sampled_from(NAMES),
                                st.sampled_from(NAMES), st.binary(max_size=6)), max_size=25))
@law
def test_whatever_is_done_only_what_is_not_synced_can_be_lost(steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory(dir=FAST if FAST.is_dir() else None) as base:
        root = Path(base) / "state"
        root.mkdir()
        disk = disk_on(root)
        sure, ever = done(disk, root, steps)
        after = After(root, disk)
        assert after("none") == contents(root)
        lost = after("all")
        assert lost == sure
        for found in after.at_random():
            settled = {name for name in NAMES if name in lost and lost[name] == contents(root).get(name) and ever[name] == {lost[name]}}
            assert {name: found.get(name) for name in settled} == {name: lost[name] for name in settled}
        image = after.image("random")
        assert After(image, disk_on(image))("all") == contents(image)


def done(disk: ForgetfulDisk, root: Path, steps: list[Step]) -> tuple[dict[str, bytes], dict[str, set[bytes | None]]]:
    """Returns what must be found when all is lost, and what each name was since its directory's last sync."""
    synced, entries = dict[int, bytes](), dict[str, int]()       # a model of its own, by files' numbers
    keep = []                                                       # open, so that no number is used twice
    ever: dict[str, set[bytes | None]] = {name: {None} for name in NAMES}
    for step, name, other, content in steps:
        path, target = root / name, root / other
        if step == "write":
            put(path, content)
            keep.append(path.open("rb"))
        elif step == "sync_dir":
            disk.sync_dir("dir", root)
            entries = {each.name: each.stat().st_ino for each in root.iterdir()}
            ever = {each: set() for each in NAMES}
        elif not path.exists():
            continue
        elif step == "cut":
            os.truncate(path, len(content))
        elif step == "sync":
            with path.open("rb") as file:
                disk.sync("data", file.fileno())
            synced[path.stat().st_ino] = path.read_bytes()
        elif step == "unlink":
            disk.unlink("label", path)
        elif name != other and step == "link":
            disk.link("label", path, target)
        elif name != other:
            disk.rename("label", path, target)
        for each in NAMES:
            ever[each].add((root / each).read_bytes() if (root / each).exists() else None)
    for file in keep:
        file.close()
    return {name: synced.get(number, b"") for name, number in entries.items()}, ever


# ---- the database

@pytest.fixture
def database(root: Path) -> Iterator[Database]:
    database = Database(root / "state.db")
    yield database
    database.close()


def note(database: Database, value: int, *, durable: bool) -> None:
    with database.transaction(durable=durable) as tx:
        tx.set_meta("value", str(value))


def value(root: Path) -> str | None:
    """As the next mount reads it; and nothing is damaged."""
    found = Database(root / "state.db")
    try:
        with found.reading() as tx:
            assert tx.all("PRAGMA integrity_check") == [("ok",)]
            return tx.get_meta("value")
    finally:
        found.close()


def test_the_database_is_found_as_of_its_last_durable_commit_or_a_later_one(root: Path, database: Database) -> None:
    disk = disk_on(root)
    disk.watch(database)
    after = After(root, disk)
    assert value(after.image("all")) is None
    for number, durable in enumerate([True, False, False, False]):
        note(database, number, durable=durable)
    assert value(after.image("all")) == "0"
    assert value(after.image("none")) == "3"
    assert {value(after.image("random")) for _ in range(SEEDS)} == {"0", "1", "2", "3"}
    note(database, 4, durable=True)
    assert {value(after.image(mode)) for mode in ("all", "random", "none")} == {"4"}
    disk.unwatch()


def test_a_durable_commit_that_changes_nothing_makes_nothing_durable(root: Path, database: Database) -> None:
    disk = disk_on(root)
    disk.watch(database)
    note(database, 1, durable=False)
    with database.transaction(durable=True) as tx:
        tx.set_meta("no such name", None)
    assert value(After(root, disk).image("all")) is None
    disk.unwatch()


def test_the_log_is_followed_over_checkpoints(root: Path, database: Database) -> None:
    chance, disk, sure = random.Random(1), disk_on(root), 0
    disk.watch(database)
    after = After(root, disk)
    for number in range(400):
        durable = chance.random() < 0.01
        with database.transaction(durable=durable) as tx:
            tx.set_meta("value", str(number))
            for _ in range(chance.randrange(12)):
                tx.set_meta(f"name {chance.randrange(1000)}", "x" * 1000)
        sure = number if durable else sure
        if number % 7 == 0:
            found = value(after.image("all"))
            assert int(found or 0) >= sure
            assert value(after.image("none")) == str(number)
            assert int(found or 0) <= int(value(after.image("random")) or 0) <= number
    assert (root / "state.db").stat().st_size > 2**20, "a checkpoint was made"
    disk.unwatch()


def test_a_database_that_nobody_has_open_is_as_it_is(root: Path) -> None:
    database = Database(root / "state.db")
    disk = disk_on(root)
    disk.watch(database)
    note(database, 1, durable=False)
    disk.unwatch()
    database.close()
    assert value(After(root, disk).image("all")) == "1"


# ---- after a kill

def test_what_was_not_durable_when_a_kill_came_is_not_durable_after_it(root: Path) -> None:
    put(root / "staging" / "a", b"old")
    put(root / "staging" / "gone", b"gone")
    database, disk = Database(root / "state.db"), disk_on(root)
    disk.watch(database)
    note(database, 1, durable=True)
    note(database, 2, durable=False)
    put(root / "staging" / "a", b"new")
    put(root / "staging" / "b", b"unknown", disk)
    disk.unlink("label", root / "staging" / "gone")
    for _ in range(3):                                  # kills, one after the other
        image = After(root, disk).image("none")
        next_disk = ForgetfulDisk(image, random.Random(1), before=disk)
        database.close()
        root, disk, database = image, next_disk, Database(image / "state.db")
        disk.watch(database)
        assert contents(root / "staging") == {"a": b"new", "b": b"unknown"}
        after = After(root, disk)
        lost = after.image("all")
        assert contents(lost / "staging") == {"a": b"old", "gone": b"gone"}
        assert value(lost) == "1"
        assert {value(after.image("random")) for _ in range(SEEDS)} == {"1", "2"}
    with (root / "staging" / "a").open("rb") as file:
        disk.sync("data", file.fileno())
    disk.sync_dir("dir", root / "staging")
    note(database, 3, durable=True)
    disk.unwatch()
    database.close()
    again = ForgetfulDisk(root, random.Random(1), before=disk)
    assert contents(After(root, again).image("all") / "staging") == {"a": b"new", "b": b"unknown"}


# ---- what befalls it

def test_each_step_is_told_before_and_after_it(root: Path, database: Database) -> None:
    told: list[str] = []
    disk = ForgetfulDisk(root, random.Random(1), told.append)
    disk.watch(database)
    put(root / "a", b"", disk)
    disk.sync_dir("dir", root)
    disk.link("link", root / "a", root / "b")
    disk.rename("rename", root / "b", root / "c")
    disk.unlink("unlink", root / "c")
    note(database, 1, durable=True)
    steps = ("data", "dir", "link", "rename", "unlink", "commit")
    assert told == [label for step in steps for label in (step, f"{step}+")]
    disk.unwatch()


def test_a_dead_disk_changes_nothing_more(root: Path, database: Database) -> None:
    put(root / "a", b"old")
    disk = disk_on(root)
    disk.watch(database)
    note(database, 1, durable=True)
    disk.dead = True
    steps: list[Callable[[], None]] = [
        lambda: disk.unlink("label", root / "a"), lambda: disk.link("label", root / "a", root / "b"),
        lambda: disk.sync_dir("label", root), lambda: note(database, 2, durable=True)]
    for step in steps:
        with pytest.raises(Dead):
            step()
    assert After(root, disk)("none")["a"] == b"old"
    assert value(After(root, disk).image("none")) == "1"
    disk.unwatch()


def test_a_full_disk_refuses_what_needs_room(root: Path, database: Database) -> None:
    put(root / "a", b"old")
    disk = disk_on(root)
    disk.watch(database)
    disk.full = True
    assert disk.free_bytes(root) == 0
    with pytest.raises(OSError, match="No space left"):
        disk.link("label", root / "a", root / "b")
    with pytest.raises(DiskFull):
        note(database, 1, durable=True)
    with (root / "a").open("rb+") as file:
        assert disk.write("label", file.fileno(), b"newer", 0) == 3
        with pytest.raises(OSError, match="No space left"):
            disk.write("label", file.fileno(), b"er", 3)
    disk.unlink("label", root / "a")
    disk.mend()
    note(database, 2, durable=True)
    assert value(After(root, disk).image("all")) == "2"
    disk.unwatch()


def test_steps_fail_as_often_as_asked_for(root: Path, database: Database) -> None:
    disk = disk_on(root)
    disk.watch(database)
    disk.fail("commit", errno.EIO, times=2)
    for _ in range(2):
        with pytest.raises(FsError, match="disk I/O error"):
            note(database, 1, durable=True)
    note(database, 2, durable=True)
    disk.fail("stage:*", errno.EIO)
    disk.sync_dir("kept:dir", root)
    with pytest.raises(OSError, match="Input/output error"):
        disk.sync_dir("stage:dir", root)
    disk.unwatch()
