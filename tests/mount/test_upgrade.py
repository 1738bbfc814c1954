"""States that earlier versions wrote are taken over on a real mount, with all that is in them.

states/version_3.tar.xz is a whole state directory as a mount of schema version 3 left it at a kill -9, with its write-ahead log, and the
service that it belonged to. In it: uploads with kept copies, a renamed one whose upload was under way, new content of another (its upload
too), one that waits, one whose fsync was promised and one that was promised to nobody, a removed one, one that was removed while it was open,
a helper file, a folder, attributes, an expiry, and seven that were refused for seven reasons. short.csv has 400,000 bytes, of which a download
that ended early had made 200,000; picture.png was delivered 700 bytes longer than listed; mode.txt has the mode (0200) of an unreadable file.

states/version_4.tar.xz is one of schema version 4: in it an upload with an unsent edit, a renamed one, a file that others made, one that waits,
one whose fsync was promised, one that was removed while it was open, a helper file, a folder; times, modes and an attribute that were set.

states/version_5.tar.xz is one of schema version 5, killed after its service had gone, and whose blocks on the disk have crc32 sums. Bigger files
are those of `varied`: the name's first word in each line, each block of 128 KiB with its number.
    kept copies     sent.txt (attribute, mode and time set), reports/may.csv, kept.bin (5 MiB and 1,234 bytes: 41 blocks), and of each below
    unsent          an edit of edited.txt; waiting.txt; waiting.bin (1 MiB and 17); synced.txt, of which only an fsync was promised
    renamed         renamed.txt to renamed to.txt, leaned.bin (1 MiB and 3) to leaned to.bin; stays.txt to stays.txt~, which stays here
    removed         removed.txt, which is still to be deleted there; open.txt, which a program had open
    failed          refused.txt, too large for the service
    cached          cached.bin (3 MiB and 77) and small.txt whole; of partial.bin (24 MiB and 5) what lies around 10 MiB; of unread.txt nothing
    helper file     note.txt~

states/version_6.tar.xz is one of schema version 6, killed after its service had gone.
    kept copies     sent.txt (attribute and mode set), kept.bin (5 MiB and 1,234 bytes), and of each below; that of `given up.txt` was given up
    unsent          an edit of edited.txt; waiting.txt
    renamed         renamed.txt to renamed to.txt
    removed         removed.txt, which is still to be deleted there
    others'         cached.bin (2 MiB and 77) cached whole, unread.txt not, theirs.txt that nobody here can read
    helper file     note.txt~

states/version_7.tar.xz is one of schema version 7, killed after its service had gone.
    kept copies     sent.txt (saved twice; attribute and mode set), kept.bin (5 MiB and 1,234 bytes), reports/may.csv, and of each below; that of
                    `given up.txt` was given up
    unsent          an edit of edited.txt; waiting.txt
    renamed         renamed.txt to renamed to.txt, which is to be sent; `named there.csv`, which others made, to `named here.csv`
    removed         removed.txt, which is still to be deleted there
    others'         cached.bin (2 MiB and 77) cached whole, unread.txt not, theirs.txt that nobody here can read
    helper file     note.txt~
"""

import os
import shutil
import sqlite3
import stat
import tarfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import pytest

from anthrofs.errors import SetupError
from anthrofs.store.blocks import BLOCK_BYTES
from anthrofs.tree.database import Database
from tests.emulator.process import EmulatorProcess
from tests.mounting import Mount, stored

STATES: Final = Path(__file__).parents[1] / "states"
WHOLE: Final = {"kept.bin": ("kept", 5 * 2**20 + 1234), "leaned to.bin": ("leaned", 2**20 + 3), "cached.bin": ("cached", 3 * 2**20 + 77)}


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Mount]:
    """The state of version 3, not mounted yet, and its service."""
    with _taken_from(STATES / "version_3.tar.xz", tmp_path) as one:
        one.expects("'never.txt' was being written", "not on the server yet, kept for the next mount", "of 1 files an earlier version had taken")
        one.leaves("belongs to nothing: it was being written when")
        yield one


@pytest.fixture
def before(tmp_path: Path) -> Iterator[Mount]:
    """That of version 4."""
    with _taken_from(STATES / "version_4.tar.xz", tmp_path) as one:
        one.expects("'open .recovered..txt' was being replaced or removed")
        yield one


@pytest.fixture
def latest(tmp_path: Path) -> Iterator[Mount]:
    """That of version 5."""
    with _taken_from(STATES / "version_5.tar.xz", tmp_path) as one:
        one.expects("kept for the next mount: refused.txt", "'open .recovered..txt' was being replaced or removed", "no connection to 127.0.0.1")
        yield one


@pytest.fixture
def sixth(tmp_path: Path) -> Iterator[Mount]:
    """That of version 6."""
    with _taken_from(STATES / "version_6.tar.xz", tmp_path) as one:
        one.expects("no connection to 127.0.0.1", r"it can.t be read \(`anthrofs ls` tells of each\)")
        yield one


@pytest.fixture
def seventh(tmp_path: Path) -> Iterator[Mount]:
    """That of version 7."""
    with _taken_from(STATES / "version_7.tar.xz", tmp_path) as one:
        one.expects("no connection to 127.0.0.1", r"it can.t be read \(`anthrofs ls` tells of each\)")
        yield one


def varied(word: str, size_bytes: int) -> bytes:
    """As the bigger files of version 5's state are."""
    lines = (f"{word} {number:05d}".ljust(15) + "\n" for number in range(-(-size_bytes // BLOCK_BYTES)))
    return b"".join(line.encode() * (BLOCK_BYTES // 16) for line in lines)[:size_bytes]


@contextmanager
def _taken_from(state: Path, tmp_path: Path) -> Iterator[Mount]:
    with tarfile.open(state) as archive:
        if hasattr(tarfile, "data_filter"):     # not in each Python 3.11; later ones warn without
            archive.extraction_filter = tarfile.data_filter
        archive.extractall(tmp_path)
    _live_on(tmp_path)
    with EmulatorProcess(tmp_path / "server") as emulator:
        emulator.switch()
        one = Mount(tmp_path, emulator)
        try:
            yield one
        finally:
            one.finish()


def _live_on(base: Path) -> None:
    """Files that have expired since the state was made were uploaded now, for as long as they had."""
    moved = "SET expires_{0} = ?1 + expires_{0} - created_{0}, created_{0} = ?1 WHERE expires_{0} IS NOT NULL"
    now_ns = time.time_ns()
    for path, change, now in ((base / "state" / "state.db", "UPDATE node " + moved.format("ns"), now_ns),
                              (base / "server" / "emulator.db", "UPDATE file " + moved.format("us"), now_ns // 1000)):
        with closing(sqlite3.connect(path)) as db:
            db.execute(change, (now,))
            db.commit()
            # The log stays as a kill leaves it: a close would write it into the database.
            parts = [part for part in (path, path.with_name(f"{path.name}-wal")) if part.exists()]
            for part in parts:
                shutil.copy2(part, part.with_name(f"{part.name}.moved"))
        for part in parts:
            part.with_name(f"{part.name}.moved").replace(part)


def test_what_was_unsent_is_sent_and_what_was_kept_can_be_read(old: Mount) -> None:
    path = old.mount()
    old.sync()
    assert (path / "sent.txt").read_text() == "sent\n"
    assert os.getxattr(path / "sent.txt", "user.colour") == b"green"
    assert os.getxattr(path / "expires.txt", "user.anthropic.expires_in_seconds") == b"86400"
    assert (path / "note.txt~").read_text() == "a backup\n"
    assert (path / "whole.csv").read_bytes() == b"a,b\n" * 1000
    assert (path / "reports" / "may.csv").read_text() == "1\n"
    found = stored(old)
    assert (found["renamed to.txt"], found["old.txt"], found["waiting.txt"]) == (b"renamed\n", b"new content, unsent\n", b"waiting\n")
    assert (found["lost.txt"], found["synced.txt"]) == (b"x" * 3000, b"synced, not closed\n")
    assert not {"never.txt", "renamed.txt", "removed.txt", "open.txt"} & {*found, *os.listdir(path)}
    assert len(old.emulator.files()) == len(found), "nothing is there twice"


def test_what_a_download_that_ended_early_had_made_of_a_file_is_forgotten(old: Mount) -> None:
    def sizes() -> dict[str, int]:
        with closing(sqlite3.connect(f"file:{old.state_dir / 'state.db'}?mode=ro", uri=True)) as raw:
            return dict(raw.execute("SELECT name, size_bytes FROM node WHERE name IN ('short.csv', 'picture.png')"))

    before = sizes()
    assert before["short.csv"] == 200_000
    path = old.mount()
    assert {name: (path / name).stat().st_size for name in before} == {**before, "short.csv": 400_000}
    old.sync()          # what waited is sent, and what that replaces is deleted
    content = {file["filename"]: old.emulator.content(file["id"]) for file in old.emulator.files()}
    old.emulator.forget_requests()
    assert (path / "short.csv").read_bytes() == content["short.csv"]
    assert len(old.emulator.requests("download")) == 1
    with (path / "short.csv").open("ab") as file:
        file.write(b"x\n")
    old.sync()
    assert stored(old)["short.csv"] == content["short.csv"] + b"x\n"
    old.remount()
    assert old.log().count("had taken a part for the whole") == 1


def test_what_was_refused_for_the_accounts_or_the_ways_sake_is_sent_and_what_was_for_its_own_is_not(old: Mount) -> None:
    """Of a 400 nobody can tell any more which it was: it is asked once."""
    mine = {"no_auth.txt", "no_right.txt", "no_room.txt", "on_hold.txt", "page.txt", "bad_type.txt"}
    path = old.mount()
    old.sync()
    assert mine <= stored(old).keys()
    assert {name: stored(old)[name] for name in mine} == {name: (path / name).read_bytes() for name in mine}
    [failed] = old.status()["failed"]
    assert (failed["path"], failed["reason"].partition(" (")[0]) == ("big.bin", "too large")


def test_a_mode_that_was_an_unreadable_files_is_an_ordinary_one_again(old: Mount) -> None:
    modes = {"mode.txt": (0o200, 0o644), "sent.txt": (0o020, 0o420), "may.csv": (0o640, 0o640), "reports": (0o300, 0o300)}
    raw = sqlite3.connect(old.state_dir / "state.db")
    assert raw.execute("SELECT mode FROM node WHERE name = 'mode.txt'").fetchone() == (0o200,)
    with raw:
        raw.executemany("UPDATE node SET mode = ? WHERE name = ?", [(was, name) for name, (was, _) in modes.items()])
    raw.close()
    db = Database(old.state_dir / "state.db")
    with db.reading() as tx:
        assert {name: tx.one("SELECT mode FROM node WHERE name = ?", name)[0] for name in modes} == {name: now for name, (_, now) in modes.items()}
    db.close()
    assert (old.mount() / "mode.txt").stat().st_mode & 0o777 == 0o644


def test_its_copies_are_counted_with_their_sizes_and_can_be_given_up_oldest_first(old: Mount) -> None:
    old.expects("copy was not kept")
    path = old.mount()
    old.sync()
    status = old.status()
    assert (status["kept_copies"] > 3, status["uploads_without_copy"]) == (True, 0)
    old.umount()
    with closing(sqlite3.connect(old.state_dir / "state.db")) as raw:
        (size_bytes,) = raw.execute("SELECT sum(bytes) FROM kept").fetchone()
    assert size_bytes == status["kept_bytes"]
    path = old.mount("--keep-uploads", "none")
    assert os.getxattr(path / "sent.txt", "user.anthropic.state").startswith(b"remote, no copy here")
    assert (path / "note.txt~").read_text() == "a backup\n", "it lives on its copy"


def test_a_copy_of_the_index_as_it_was_is_kept(old: Mount) -> None:
    def names(path: Path) -> list[str]:
        raw = sqlite3.connect(f"file:{path}?immutable=1", uri=True)
        try:
            assert raw.execute("PRAGMA user_version").fetchone() == (3,)
            return [name for (name,) in raw.execute("SELECT name FROM node ORDER BY name")]
        finally:
            raw.close()

    old.mount()
    assert {"sent.txt", "old.txt", "waiting.txt", "no_room.txt"} <= {*names(old.state_dir / "state.db.3")}
    assert not (old.state_dir / "state.db.3.part").exists()


def test_without_room_for_the_copy_nothing_is_changed(old: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path.name: path.read_bytes() for path in old.state_dir.iterdir() if path.is_file()}

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(SetupError, match=r"No space left.*Nothing was changed"):
            Database(old.state_dir / "state.db")
    raw = sqlite3.connect(old.state_dir / "state.db")
    assert raw.execute("PRAGMA user_version").fetchone() == (3,)
    raw.close()
    assert {path.name for path in old.state_dir.iterdir() if path.is_file()} <= {*before, "state.db-wal", "state.db-shm"}


def test_what_version_4_knew_is_kept_and_a_change_has_a_time_of_its_own_from_now_on(before: Mount) -> None:
    path = before.mount()
    assert (before.state_dir / "state.db.4").exists()
    before.sync()
    assert stored(before) == {"theirs.txt": b"theirs\n", "sent.txt": b"sent\nand more\n", "waiting.txt": b"waiting\n", "renamed to.txt": b"renamed\n",
                              "reports／may.csv": b"1\n", "synced.txt": b"synced, not closed\n", "open (recovered).txt": b"x"}
    assert (path / "note.txt~").read_text() == "a backup\n"
    assert os.getxattr(path / "sent.txt", "user.colour") == b"green"
    for name, mtime_ns, mode in (("sent.txt", 8_000_000_000, 0o640), ("waiting.txt", 9_000_000_000, 0o644)):
        shown = (path / name).stat()
        assert (shown.st_mtime_ns, shown.st_ctime_ns, stat.S_IMODE(shown.st_mode)) == (mtime_ns, mtime_ns, mode)
    (path / "theirs.txt").chmod(0o644)
    shown = (path / "theirs.txt").stat()
    assert shown.st_ctime_ns > shown.st_mtime_ns
    before.remount()
    again = (path / "theirs.txt").stat()        # on a device with another number, perhaps
    assert (again.st_ino, again.st_mode, again.st_mtime_ns, again.st_ctime_ns) == (shown.st_ino, shown.st_mode, shown.st_mtime_ns, shown.st_ctime_ns)


def test_what_version_5_kept_and_cached_is_read_offline_to_the_byte(latest: Mount) -> None:
    """Its kept copies are the only readable ones, and their sums are crc32."""
    latest.mount()      # its first one: so that the service, at another port than it was, is known to be the same
    latest.umount()
    latest.emulator.stop()
    path = latest.mount()
    assert {name: (path / name).read_bytes() for name in WHOLE} == {name: varied(*of) for name, of in WHOLE.items()}
    assert (path / "sent.txt").read_bytes() == b"sent\n"
    assert (path / "reports" / "may.csv").read_bytes() == b"1\n"
    assert (path / "stays.txt~").read_bytes() == b"a backup's original\n"
    assert (path / "renamed to.txt").read_bytes() == b"renamed\n"
    assert (path / "small.txt").read_bytes() == b"others' and small\n"
    with (path / "partial.bin").open("rb", buffering=0) as file:
        assert os.pread(file.fileno(), 300_000, 10 * 2**20) == varied("partial", 24 * 2**20 + 5)[10 * 2**20:10 * 2**20 + 300_000]
    latest.emulator.start()


def test_what_version_5_had_to_send_is_sent_and_what_it_had_cached_is_not_fetched_again(latest: Mount) -> None:
    path = latest.mount()
    latest.sync()
    found = stored(latest)
    assert {name: found.get(name) for name in ("edited.txt", "waiting.txt", "synced.txt", "renamed to.txt", "reports／may.csv")} == {
        "edited.txt": b"before the edit\nand after\n", "waiting.txt": b"waiting\n", "synced.txt": b"synced, not closed\n",
        "renamed to.txt": b"renamed\n", "reports／may.csv": b"1\n"}
    assert (found["waiting.bin"], found["leaned to.bin"]) == (varied("waiting", 2**20 + 17), varied("leaned", 2**20 + 3))
    assert not {"removed.txt", "renamed.txt", "leaned.bin", "refused.txt"} & found.keys()
    assert len(latest.emulator.files()) == len(found), "nothing is there twice"
    assert [each["path"] for each in latest.status()["failed"]] == ["refused.txt"]
    latest.emulator.forget_requests()
    assert (path / "cached.bin").read_bytes() == varied("cached", 3 * 2**20 + 77)
    assert latest.emulator.requests("download") == []
    assert (path / "partial.bin").read_bytes() == varied("partial", 24 * 2**20 + 5)


def test_copies_of_version_5_are_counted_and_its_index_is_kept_as_it_was(latest: Mount) -> None:
    def counted() -> tuple[int, int]:
        with closing(sqlite3.connect(f"file:{latest.state_dir / 'state.db'}?mode=ro", uri=True)) as raw:
            found: tuple[int, int] = raw.execute("SELECT count(*), sum(bytes) FROM kept WHERE here = 1").fetchone()
        return found

    latest.mount()
    with closing(sqlite3.connect(f"file:{latest.state_dir / 'state.db.5'}?immutable=1", uri=True)) as raw:
        assert raw.execute("PRAGMA user_version").fetchone() == (5,)
        assert raw.execute("SELECT count(*) FROM kept WHERE here = 1").fetchone() == (9,)
    latest.sync()
    status = latest.status()
    latest.umount()
    assert (status["kept_copies"], status["kept_bytes"]) == counted()


def test_a_block_of_version_5_that_was_damaged_is_said_so_where_it_is_the_only_copy(latest: Mount) -> None:
    latest.expects("read: File .* is not downloadable", "that was kept on this machine is damaged, so it can't be edited in place")
    for root, size_bytes in (("kept", 5 * 2**20 + 1234), ("cache", 3 * 2**20 + 77)):
        [content] = [each for each in (latest.state_dir / root).iterdir() if each.stat().st_size == size_bytes]
        with content.open("r+b") as file:
            file.seek(20 * BLOCK_BYTES + 5)
            file.write(b"!")
    path = latest.mount()
    latest.sync()
    latest.emulator.forget_requests()
    assert (path / "cached.bin").read_bytes() == varied("cached", 3 * 2**20 + 77)
    assert len(latest.emulator.requests("download")) == 1
    with (path / "kept.bin").open("rb", buffering=0) as file:
        assert os.pread(file.fileno(), BLOCK_BYTES, 0) == varied("kept", BLOCK_BYTES)
        with pytest.raises(PermissionError):
            os.pread(file.fileno(), 4096, 20 * BLOCK_BYTES)
    with pytest.raises(PermissionError), (path / "kept.bin").open("ab") as file:
        file.write(b"an end")
    assert "is damaged, so it can't be edited in place" in latest.log()


def test_what_version_6_kept_is_read_offline_and_what_it_had_to_send_is_sent(sixth: Mount) -> None:
    sixth.mount()
    assert (sixth.state_dir / "state.db.6").exists()
    sixth.umount()
    sixth.emulator.stop()
    path = sixth.mount()
    assert (path / "kept.bin").read_bytes() == varied("kept", 5 * 2**20 + 1234)
    assert (path / "cached.bin").read_bytes() == varied("cached", 2 * 2**20 + 77)
    assert ((path / "sent.txt").read_bytes(), os.getxattr(path / "sent.txt", "user.colour")) == (b"sent\n", b"green")
    assert (path / "note.txt~").read_bytes() == b"a backup\n"
    sixth.umount()
    sixth.emulator.start()
    sixth.mount()
    sixth.sync()
    found = stored(sixth)
    assert {name: found[name] for name in ("edited.txt", "waiting.txt", "renamed to.txt")} == {
        "edited.txt": b"before the edit\nand after\n", "waiting.txt": b"waiting\n", "renamed to.txt": b"renamed\n"}
    assert not {"removed.txt", "renamed.txt"} & found.keys()
    for name in ("given up.txt", "theirs.txt"):
        with pytest.raises(PermissionError):
            (path / name).read_bytes()
    assert len(sixth.emulator.files()) == len(found), "nothing is there twice"


def test_a_state_of_version_6_owes_nothing_to_a_store_that_it_knew_nothing_of(sixth: Mount) -> None:
    sixth.mount()
    sixth.umount()
    with closing(sqlite3.connect(f"file:{sixth.state_dir / 'state.db'}?mode=ro", uri=True)) as raw:
        assert raw.execute("SELECT (SELECT count(*) FROM share), (SELECT count(*) FROM shared)").fetchone() == (0, 0)


def test_what_version_7_kept_is_read_offline_and_what_it_had_to_send_is_sent(seventh: Mount) -> None:
    seventh.mount()
    assert (seventh.state_dir / "state.db.7").exists()
    seventh.umount()
    seventh.emulator.stop()
    path = seventh.mount()
    assert (path / "kept.bin").read_bytes() == varied("kept", 5 * 2**20 + 1234)
    assert (path / "cached.bin").read_bytes() == varied("cached", 2 * 2**20 + 77)
    assert ((path / "sent.txt").read_bytes(), os.getxattr(path / "sent.txt", "user.colour")) == (b"sent\n", b"green")
    assert stat.S_IMODE((path / "sent.txt").stat().st_mode) == 0o640
    assert ((path / "reports" / "may.csv").read_bytes(), (path / "note.txt~").read_bytes()) == (b"1\n", b"a backup\n")
    seventh.umount()
    seventh.emulator.start()
    seventh.mount()
    seventh.sync()
    found = stored(seventh)
    assert {name: found[name] for name in ("edited.txt", "waiting.txt", "renamed to.txt", "named there.csv")} == {
        "edited.txt": b"before the edit\nand after\n", "waiting.txt": b"waiting\n", "renamed to.txt": b"renamed\n", "named there.csv": b"a,b\n"}
    assert not {"removed.txt", "renamed.txt", "named here.csv"} & found.keys()
    for name in ("given up.txt", "theirs.txt"):
        with pytest.raises(PermissionError):
            (path / name).read_bytes()
    assert len(seventh.emulator.files()) == len(found), "nothing is there twice"


def test_what_version_7_had_still_to_rename_leads_from_its_old_id_to_the_new_one(seventh: Mount) -> None:
    with closing(sqlite3.connect(f"file:{seventh.state_dir / 'state.db'}?mode=ro", uri=True)) as raw:
        ((old,),) = raw.execute("SELECT file_id FROM node WHERE name = 'renamed to.txt'")
        ((removed,),) = raw.execute("SELECT file_id FROM doomed WHERE server_name = 'removed.txt'")
    path = seventh.mount()
    seventh.sync()
    new = seventh.ok("id", path / "renamed to.txt").strip()
    assert f"{old} was replaced by {new} on " in seventh.run("path", old).stderr
    assert seventh.run("path", removed).stderr.startswith("anthrofs: In no mount"), "it was removed when nobody wrote that down"
    assert seventh.ok("log", path / "sent.txt").endswith("uploaded, as the service says  (now)\n")
