"""Two mounts and a store that both reach: a directory here, as it is with S3. What one uploads, the other reads."""

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from anthrofs.attribute_names import FILE_ID
from anthrofs.errors import EXIT_FAILED, EXIT_LEFT, EXIT_USAGE
from tests.emulator.process import EmulatorProcess
from tests.fleet.redis_server import RedisServer
from tests.mounting import Mount, asks, state_of, stored, wait_until

SHARED = "user.anthropic.shared"


class Pair:
    """Two mounts of one workspace, machines A and B, with one key and one store."""

    def __init__(self, base: Path, emulator: EmulatorProcess) -> None:
        self.emulator = emulator
        self.a, self.b = Mount(base / "a", emulator), Mount(base / "b", emulator)
        self.store = base / "store"
        self.store.mkdir()
        self.key = base / "key"
        self.key.write_text(self.a.ok("fleet", "key"))
        self.key.chmod(0o600)

    def options(self, *more: str) -> list[str]:
        return ["--store", f"file://{self.store}", "--fleet-key", str(self.key), *more]

    def mount(self, *more: str) -> tuple[Path, Path]:
        return self.a.mount(*self.options(*more)), self.b.mount(*self.options(*more))

    def chunks(self) -> list[Path]:
        """The store's objects, but for what a mount's look leaves."""
        return sorted(path for path in self.store.rglob("*") if path.is_file() and path.name.isdecimal())


@pytest.fixture
def pair(emulator: EmulatorProcess, tmp_path: Path) -> Iterator[Pair]:
    one = Pair(tmp_path, emulator)
    for each in (one.a, one.b):         # who looks before the store is known to have it
        each.expects(r"it can't be read \(`anthrofs ls`")
    try:
        yield one
    finally:
        try:
            one.a.finish()
        finally:
            one.b.finish()


def shared(path: Path) -> str:
    return os.getxattr(path, SHARED).decode()


def can_be_read(path: Path) -> bool:
    """Somebody wants to read it: so it is looked for soon. No byte is read, which would be here from then on."""
    try:
        path.open("rb").close()
    except PermissionError:
        return False
    return True


def seen(mount: Mount, path: Path) -> None:
    """The mount knows of the file, and that the store has it."""
    mount.refresh()
    wait_until(path.exists, f"{path} is listed, and the kernel asks for it again")
    wait_until(lambda: shared(path) == "true" or can_be_read(path), f"{path} is found in the store")


def test_what_a_uploads_b_reads_and_then_again_without_asking_anybody(pair: Pair) -> None:
    """The manual: what one mount uploads, the others read, once it is in the store and they know."""
    a, b = pair.mount()
    content = os.urandom(5 * 2**20 + 1234)
    (a / "big.bin").write_bytes(content)
    (a / "small.txt").write_text("from A\n")
    (a / "empty.txt").write_text("")
    pair.a.sync()
    assert {name: shared(a / name) for name in ("big.bin", "small.txt")} == {"big.bin": "true", "small.txt": "true"}
    assert len(pair.chunks()) == 4
    seen(pair.b, b / "big.bin")
    seen(pair.b, b / "small.txt")
    assert state_of(b / "small.txt") == "remote, from the fleet's store"
    with asks(pair.b):
        assert (b / "big.bin").read_bytes() == content
        assert (b / "small.txt").read_text() == "from A\n"
        assert (b / "big.bin").read_bytes() == content


def test_nobody_can_read_it_who_has_another_key(pair: Pair, tmp_path: Path) -> None:
    a = pair.a.mount(*pair.options())
    (a / "a.txt").write_text("secret of the fleet\n")
    pair.a.sync()
    assert b"secret of the fleet" not in b"".join(path.read_bytes() for path in pair.chunks())
    assert not any(b"a.txt" in os.fsencode(path) for path in pair.store.rglob("*"))
    pair.key.write_text(pair.a.ok("fleet", "key"))
    pair.b.expects("none of this mount's .* a wrong key, and sees nothing of the others'")
    b = pair.b.mount(*pair.options())
    with pytest.raises(PermissionError):
        (b / "a.txt").read_text()
    assert shared(b / "a.txt") == "no"


def test_an_edit_in_place_of_anothers_upload_costs_one_upload_and_one_deletion(pair: Pair) -> None:
    a, b = pair.mount()
    (a / "notes.txt").write_text("by A\n")
    pair.a.sync()
    seen(pair.b, b / "notes.txt")
    with asks(pair.b, upload=1, delete=1), (b / "notes.txt").open("a") as file:
        file.write("and by B\n")
    assert stored(pair.b) == {"notes.txt": b"by A\nand by B\n"}
    seen(pair.a, a / "notes.txt")
    pair.a.refresh()
    wait_until(lambda: (a / "notes.txt").stat().st_size == 14, "A sees B's edit")
    seen(pair.a, a / "notes.txt")
    assert (a / "notes.txt").read_text() == "by A\nand by B\n"


def test_a_rename_of_anothers_upload_is_sent_as_ones_own(pair: Pair) -> None:
    a, b = pair.mount("--refresh", "10")        # so long the kernel remembers a name
    (a / "draft.txt").write_text("by A\n")
    pair.a.sync()
    seen(pair.b, b / "draft.txt")
    pair.emulator.forget_requests()
    (b / "draft.txt").rename(b / "final.txt")
    pair.b.sync()
    # A listing each 10 s besides.
    assert sorted(request["operation"] for request in pair.emulator.requests() if request["operation"] != "list") == ["delete", "upload"]
    assert stored(pair.b) == {"final.txt": b"by A\n"}
    assert shared(b / "final.txt") == "true"
    pair.a.refresh()
    seen(pair.a, a / "final.txt")
    assert (a / "final.txt").read_text() == "by A\n"
    wait_until(lambda: not (a / "draft.txt").exists(), "A's kernel asks again for the old name, which has gone")


def test_what_was_uploaded_before_there_was_a_store_is_shared_when_a_person_says_so(pair: Pair) -> None:
    a = pair.a.mount()
    (a / "before.txt").write_text("by A\n")
    pair.a.umount()
    with pytest.raises(OSError, match="No data available"):
        shared_alone(pair.a)
    a, b = pair.mount()
    assert shared(a / "before.txt") == "no"
    done = pair.a.run("fleet", "share", a)
    assert (done.returncode, done.stdout) == (EXIT_USAGE, "")
    assert pair.a.ok("fleet", "share", "--all", a) == f"{a}: 1 uploads, 5 B, are being put into the store; `anthrofs sync` waits for it\n"
    pair.a.sync()
    assert shared(a / "before.txt") == "true"
    assert pair.a.ok("fleet", "share", "--all", a) == f"{a}: nothing to be put there\n"
    with pytest.raises(PermissionError):
        (b / "before.txt").read_text()      # which has it looked for at once
    seen(pair.b, b / "before.txt")
    assert (b / "before.txt").read_text() == "by A\n"


def shared_alone(mount: Mount) -> str:
    """Of a mount in no fleet."""
    path = mount.mount()
    try:
        return shared(path / "before.txt")
    finally:
        mount.umount()


def test_a_mount_that_shares_nothing_puts_nothing_there_and_reads_what_others_did(pair: Pair) -> None:
    a, b = pair.a.mount(*pair.options()), pair.b.mount(*pair.options("--share", "none"))
    (a / "by a.txt").write_text("by A\n")
    (b / "by b.txt").write_text("by B\n")
    pair.a.sync()
    pair.b.sync()
    assert len(pair.chunks()) == 1
    assert shared(b / "by b.txt") == "no"
    seen(pair.b, b / "by a.txt")
    assert (b / "by a.txt").read_text() == "by A\n"
    done = pair.b.run("fleet", "share", "--all", b)
    assert (done.returncode, done.stderr) == (EXIT_FAILED, "anthrofs: this mount puts nothing into a store: mount it with --store, and without --share none\n")


@pytest.mark.parametrize("share", ["all", "uploads"])
def test_a_generated_file_is_downloaded_once_if_the_mounts_share_what_they_download(pair: Pair, share: str) -> None:
    content = os.urandom(300_000)
    made = pair.emulator.generate("made.bin", content)
    a, b = (one.mount(*pair.options("--share", share)) for one in (pair.a, pair.b))
    with asks(pair.a, download=1):
        assert (a / "made.bin").read_bytes() == content
    if share == "all":
        wait_until(lambda: shared(a / "made.bin") == "true", "A has put it into the store")
    with asks(pair.b, **({} if share == "all" else {"download": 1})):
        assert (b / "made.bin").read_bytes() == content
    assert len(pair.chunks()) == (share == "all")
    assert made["downloadable"]


def test_sync_and_umount_wait_for_the_store_and_name_what_it_lacks(pair: Pair) -> None:
    """The manual: '`anthrofs sync` and `anthrofs umount` wait for it, name what isn't there yet, and exit 5'."""
    pair.a.expects("the store .* refuses puts", "the store .* takes puts again", "on the server, and not in the fleet's store yet")
    a = pair.a.mount(*pair.options())
    away = pair.store.rename(pair.store.with_name("away"))
    (a / "a.txt").write_text("by A\n")          # a close is answered all the same
    assert stored(pair.a) == {"a.txt": b"by A\n"}
    assert shared(a / "a.txt") == "waiting"
    wait_until(lambda: state_of(a / "a.txt") == "remote, not in the fleet's store yet", "the state says so")
    done = pair.a.run("sync", a)
    assert done.returncode == EXIT_LEFT
    assert "On the server, but not in the fleet's store yet" in done.stderr
    assert "  a.txt: not in the fleet's store yet: " in done.stderr
    done = pair.a.run("umount", a)
    assert (done.returncode, "  a.txt: not in the fleet's store yet: " in done.stderr) == (EXIT_LEFT, True)
    away.rename(pair.store)
    a, b = pair.mount()
    pair.a.sync()
    assert shared(a / "a.txt") == "true"
    seen(pair.b, b / "a.txt")
    assert (b / "a.txt").read_text() == "by A\n"


def test_without_the_disk_of_its_directory_nothing_counts_as_shared(pair: Pair) -> None:
    """Nor are copies given up: what is put into the empty directory would be hidden when the disk is back."""
    a = pair.a.mount(*pair.options("--keep-uploads", "none"))
    (a / "before.txt").write_text("before\n")
    pair.a.sync()
    disk = pair.store.rename(pair.store.with_name("disk"))
    pair.store.mkdir()
    pair.a.expects("refuses (puts|reads|listings): the directory .* isn't the store", "on the server, and not in the fleet's store yet")
    (a / "meanwhile.txt").write_text("meanwhile\n")
    left = pair.a.run("umount", "--timeout", "20", a)
    assert left.returncode == EXIT_LEFT
    assert "Is its disk mounted?" in left.stderr
    refused = pair.a.run("mount", "--state-dir", pair.a.state_dir, *pair.options("--keep-uploads", "none"), a)
    assert refused.returncode == EXIT_USAGE
    assert "Is its disk mounted?" in refused.stderr
    assert list(pair.store.iterdir()) == []
    pair.store.rmdir()
    disk.rename(pair.store)
    pair.a.expects("The store can't be used")
    a = pair.a.mount(*pair.options("--keep-uploads", "none"))
    pair.a.sync()
    assert [(a / name).read_text() for name in ("before.txt", "meanwhile.txt")] == ["before\n", "meanwhile\n"]


def test_a_kill_between_the_service_and_the_store_loses_nothing(pair: Pair) -> None:
    pair.a.expects("the store .* refuses puts")
    a = pair.a.mount(*pair.options())
    away = pair.store.rename(pair.store.with_name("away"))
    (a / "a.txt").write_text("by A\n")
    pair.a.kill()
    away.rename(pair.store)
    b = pair.b.mount(*pair.options())
    with pytest.raises(PermissionError):
        (b / "a.txt").read_text()
    a = pair.a.mount(*pair.options())
    pair.a.sync()
    seen(pair.b, b / "a.txt")
    assert (b / "a.txt").read_text() == "by A\n"


def test_a_copy_goes_only_when_the_store_has_it(pair: Pair) -> None:
    """--keep-uploads none and `anthrofs free` leave alone what the store doesn't have yet; after that it is read from there."""
    pair.a.expects("the store .* refuses puts", "the store .* takes puts again")
    a = pair.a.mount(*pair.options("--keep-uploads", "none"))
    away = pair.store.rename(pair.store.with_name("away"))
    (a / "a.txt").write_text("by A\n")
    assert (a / "a.txt").read_text() == "by A\n"
    done = pair.a.run("free", a / "a.txt")
    assert done.returncode != 0, done.stdout
    assert (a / "a.txt").read_text() == "by A\n"
    away.rename(pair.store)
    pair.a.sync()
    wait_until(lambda: state_of(a / "a.txt") == "remote, from the fleet's store", "its copy goes")
    assert pair.a.status()["kept_copies"] == 0
    assert (a / "a.txt").read_text() == "by A\n"
    (a / "a.txt").rename(a / "b.txt")
    pair.a.sync()
    assert stored(pair.a) == {"b.txt": b"by A\n"}
    assert (a / "b.txt").read_text() == "by A\n"


def test_without_its_store_a_mount_believes_nothing_that_it_knew_of_it(pair: Pair) -> None:
    a, b = pair.mount()
    (a / "a.txt").write_text("by A\n")
    pair.a.sync()
    seen(pair.b, b / "a.txt")
    b = pair.b.remount()
    with pytest.raises(PermissionError):
        (b / "a.txt").read_text()
    b = pair.b.remount(*pair.options())
    seen(pair.b, b / "a.txt")
    assert (b / "a.txt").read_text() == "by A\n"


def test_what_the_store_has_lost_is_put_there_again_by_whoever_has_it(pair: Pair) -> None:
    a, b = pair.mount()
    (a / "a.txt").write_text("by A\n")
    pair.a.sync()
    seen(pair.b, b / "a.txt")
    for path in pair.chunks():
        path.unlink()
    pair.b.expects("read: File .* is not downloadable")
    with pytest.raises(PermissionError):
        (b / "a.txt").read_text()
    assert shared(b / "a.txt") == "no"
    assert "1 uploads" in pair.a.ok("fleet", "share", "--all", a)
    pair.a.sync()
    seen(pair.b, b / "a.txt")
    assert (b / "a.txt").read_text() == "by A\n"


# ---- with a board as well

def test_with_a_board_b_reads_what_a_has_closed_without_asking_anybody_for_it(redis: RedisServer, pair: Pair) -> None:
    a, b = (one.mount(*pair.options("--board", redis.url)) for one in (pair.a, pair.b))
    (a / "a.txt").write_text("by A\n")
    pair.a.sync()
    before = len(pair.emulator.requests())
    wait_until(lambda: "a.txt" in os.listdir(b) and shared(b / "a.txt") == "true", "B is told of it")
    assert (b / "a.txt").read_text() == "by A\n"
    asked = [request["operation"] for request in pair.emulator.requests()[before:]]
    assert not {"download", "stat", "upload"} & set(asked)


def test_with_a_board_whoever_has_the_copy_heals_what_the_store_has_wrong(redis: RedisServer, pair: Pair) -> None:
    a, b = (one.mount(*pair.options("--board", redis.url)) for one in (pair.a, pair.b))
    (a / "a.txt").write_text("by A\n")
    pair.a.sync()
    wait_until(lambda: "a.txt" in os.listdir(b) and shared(b / "a.txt") == "true", "B is told of it")
    [chunk] = pair.chunks()
    right = chunk.read_bytes()
    chunk.write_bytes(right[:-1] + bytes([right[-1] ^ 1]))
    pair.b.expects("isn't right in the store, and that isn't used", "read: it isn't right in the store")
    with pytest.raises(PermissionError):
        (b / "a.txt").read_bytes()
    wait_until(lambda: shared(b / "a.txt") == "true", "A has put it there again, and B is told")
    assert (b / "a.txt").read_text() == "by A\n"
    assert pair.b.log().count("isn't right in the store, and that isn't used") == 1


# ---- what programs do with others' uploads

def test_others_uploads_are_copied_appended_to_cut_and_reached_by_their_ids(pair: Pair) -> None:
    a, b = pair.mount()
    names = ("copy", "append", "cut", "replace", "id", "tail")
    for name in names:
        (a / f"{name}.txt").write_text(f"{name} by A\n")
    pair.a.sync()
    for name in names:
        seen(pair.b, b / f"{name}.txt")
    with asks(pair.b, upload=1):
        shutil.copy(b / "copy.txt", b / "copied.txt")
    with asks(pair.b, upload=1, delete=1), (b / "append.txt").open("a") as file:
        file.write("and B\n")
    with asks(pair.b, upload=1, delete=1), (b / "cut.txt").open("r+") as file:
        file.truncate(3)
    with asks(pair.b, upload=1, delete=1):
        (b / "replace.txt").write_text("B alone\n")
    file_id = os.getxattr(b / "id.txt", FILE_ID).decode()
    assert (b / ".by-id" / file_id).read_text() == "id by A\n"
    with (b / "tail.txt").open("rb") as file:
        file.seek(-4, os.SEEK_END)
        assert file.read() == b"y A\n"
    assert stored(pair.b) == {"copy.txt": b"copy by A\n", "copied.txt": b"copy by A\n", "append.txt": b"append by A\nand B\n", "cut.txt": b"cut",
                              "replace.txt": b"B alone\n", "id.txt": b"id by A\n", "tail.txt": b"tail by A\n"}


def test_a_rename_while_the_store_is_away_is_sent_when_it_is_back(pair: Pair) -> None:
    pair.b.expects("the store .* refuses", "the store .* takes .* again", "can't be read now, for only the store gives it out", "not on the server yet")
    a, b = pair.mount()
    (a / "draft.txt").write_text("by A\n")
    pair.a.sync()
    pair.a.umount()
    seen_only(pair.b, b / "draft.txt")
    away = pair.store.rename(pair.store.with_name("away"))
    (b / "draft.txt").rename(b / "final.txt")
    assert os.listdir(b) == ["final.txt"]
    assert pair.b.run("sync", "--timeout", "1", b).returncode == EXIT_LEFT
    assert list(stored(pair.b)) == ["draft.txt"]
    away.rename(pair.store)
    pair.b.sync()
    assert stored(pair.b) == {"final.txt": b"by A\n"}
    assert (b / "final.txt").read_text() == "by A\n"


def seen_only(mount: Mount, path: Path) -> None:
    """The mount knows of it, and nothing of its content is here."""
    mount.refresh()
    wait_until(lambda: path.exists() and shared(path) == "true", f"{path} is found in the store")


def test_what_a_deletes_while_b_has_it_open_b_reads_on_and_it_leaves_no_chunk_owed_by_b(pair: Pair) -> None:
    a, b = pair.mount("--refresh", "10")
    content = os.urandom(9 * 2**20)
    (a / "a.bin").write_bytes(content)
    pair.a.sync()
    seen_only(pair.b, b / "a.bin")
    with (b / "a.bin").open("rb", buffering=0) as file:
        assert file.read(100_000) == content[:100_000]
        (a / "a.bin").unlink()
        pair.a.sync()
        assert len(pair.chunks()) == 3      # ten minutes from now they go
        file.seek(0)
        assert b"".join(iter(lambda: file.read(2**20), b"")) == content
    pair.b.refresh()
    wait_until(lambda: not (b / "a.bin").exists(), "B sees that it has gone")
    assert rows(pair.a) == [("withdraw",)]
    assert rows(pair.b) == []


def rows(mount: Mount) -> list[tuple[str]]:
    """What it owes to the store, from the file that a mount holds: so it ends first."""
    mount.umount()
    with contextlib.closing(sqlite3.connect(mount.state_dir / "state.db")) as raw:
        return raw.execute("SELECT task FROM share").fetchall()


def shows_both(mount: Mount) -> bool:
    return mount.refresh() and len(os.listdir(mount.path)) == 2


def test_of_two_who_replace_one_file_at_once_both_stay_readable_on_both(pair: Pair) -> None:
    a, b = pair.mount()
    (a / "a.txt").write_text("first\n")
    pair.a.sync()
    seen(pair.b, b / "a.txt")
    (a / "a.txt").write_text("by A\n")
    (b / "a.txt").write_text("by B\n")
    for one in (pair.a, pair.b):
        one.sync()
    contents = {"by A\n", "by B\n"}
    for one, path in ((pair.a, a), (pair.b, b)):
        wait_until(partial(shows_both, one), "both are shown")
        for name in os.listdir(path):
            seen(one, path / name)
        assert {(path / name).read_text() for name in os.listdir(path)} == contents


def test_what_a_listing_shows_of_a_lost_answer_is_shared_only_when_nobody_else_can_have_sent_it(redis: RedisServer, pair: Pair) -> None:
    """It may be another's of this name, size and moment, whose readers would get our bytes for theirs. A board can tell."""
    a = pair.a.mount(*pair.options())
    (a / "first.txt").write_text("the service is known")
    pair.a.sync()
    pair.emulator.fault("upload", {"kind": "cut", "when": "after_commit"})
    (a / "a.txt").write_text("by A\n")
    pair.a.sync()
    assert (shared(a / "a.txt"), len(pair.chunks())) == ("no", 1)
    assert pair.a.ok("fleet", "share", "--all", a) == f"{a}: nothing to be put there\n"
    a = pair.a.remount(*pair.options("--board", redis.url))
    (a / "a.txt").write_text("A again\n")
    pair.emulator.fault("upload", {"kind": "cut", "when": "after_commit"})
    (a / "b.txt").write_text("by A\n")
    pair.a.sync()
    assert {name: shared(a / name) for name in ("a.txt", "b.txt")} == {"a.txt": "true", "b.txt": "true"}
