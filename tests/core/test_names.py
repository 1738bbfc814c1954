"""What renames, unlinks, links and edits do to the files here and on the server, and what each costs in requests."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from anthrofs.errors import Refused
from tests.core.core import Core
from tests.core.moments import LabelledDisk

OTHERS = b"what a tool has made"


def uploads_and_deletions(core: Core) -> tuple[int, int]:
    counts = core.counts()
    return counts.get("upload", 0), counts.get("delete", 0)


def file_id(core: Core, path: str) -> str:
    return core.user.getxattr(path, "user.anthropic.file_id")


# ---- renames

def test_an_own_upload_is_sent_under_its_new_name_and_the_old_one_deleted(core: Core) -> None:
    core.user.write("a.txt", b"content")
    core.sync()
    core.user.rename("a.txt", "b.txt")
    assert core.user.files() == {"b.txt": b"content"}
    core.sync()
    assert core.on_server() == [("b.txt", b"content")]
    assert uploads_and_deletions(core) == (2, 1)
    assert core.counts().get("download", 0) == 0


def test_a_rename_there_and_back_costs_nothing(core: Core) -> None:
    core.user.write("a.txt", b"content")
    core.sync()
    core.user.rename("a.txt", "b.txt")
    core.user.rename("b.txt", "a.txt")
    core.sync()
    assert uploads_and_deletions(core) == (1, 0)


def test_a_rename_before_the_upload_costs_nothing_more(core: Core) -> None:
    core.user.write("a.txt", b"content")
    core.user.rename("a.txt", "b.txt")
    core.sync()
    assert core.on_server() == [("b.txt", b"content")]
    assert uploads_and_deletions(core) == (1, 0)


def test_what_others_made_is_only_named_here(core: Core) -> None:
    core.others_make("a.txt", OTHERS)
    core.user.rename("a.txt", "b.txt")
    core.remount()
    core.refresh()
    assert core.user.files() == {"b.txt": OTHERS}
    assert core.on_server() == [("a.txt", OTHERS)]
    assert uploads_and_deletions(core) == (0, 0)


def test_a_folder_takes_all_that_is_in_it_along(core: Core) -> None:
    core.user.mkdir("old")
    core.user.mkdir("old/deep")
    core.user.write("old/a.txt", b"a")
    core.user.write("old/deep/b.txt", b"b")
    core.sync()
    core.user.rename("old", "new")
    assert core.user.files() == {"new/a.txt": b"a", "new/deep/b.txt": b"b"}
    core.sync()
    assert core.on_server() == [("new/a.txt", b"a"), ("new/deep/b.txt", b"b")]


def test_two_names_are_swapped_by_three_renames(core: Core) -> None:
    core.user.write("a.txt", b"a")
    core.user.write("b.txt", b"b")
    core.sync()
    for old, new in (("a.txt", "c.txt"), ("b.txt", "a.txt"), ("c.txt", "b.txt")):
        core.user.rename(old, new)
    assert core.user.files() == {"a.txt": b"b", "b.txt": b"a"}
    core.sync()
    assert core.on_server() == [("a.txt", b"b"), ("b.txt", b"a")]


@pytest.mark.parametrize(("old", "new", "code"), [
    ("none.txt", "b.txt", errno.ENOENT), ("a.txt", "none/b.txt", errno.ENOENT), ("a.txt", "folder", errno.EISDIR),
    ("folder", "a.txt", errno.ENOTDIR), ("empty", "folder", errno.ENOTEMPTY), ("a.txt", "a.txt/b.txt", errno.ENOTDIR),
    ("a.txt", "x" * 256, errno.ENAMETOOLONG), ("a.txt", ".Trash-1000", errno.EPERM),
])  # fmt: skip
def test_a_rename_that_cannot_be_changes_nothing(core: Core, old: str, new: str, code: int) -> None:
    core.user.write("a.txt", b"a")
    core.user.mkdir("folder")
    core.user.mkdir("empty")
    core.user.write("folder/b.txt", b"b")
    core.sync()
    before = core.user.walk()
    core.expects("has more than 255 bytes")
    with pytest.raises(OSError) as caught:
        core.user.rename(old, new)
    assert caught.value.errno == code
    core.remount()
    assert core.user.walk() == before
    assert uploads_and_deletions(core) == (2, 0)


# ---- replacements

def test_a_save_by_rename_costs_an_upload_and_a_deletion(core: Core) -> None:
    core.user.write("a.txt", b"old")
    core.sync()
    core.user.save("a.txt", b"new")
    core.sync()
    assert core.on_server() == [("a.txt", b"new")]
    assert uploads_and_deletions(core) == (2, 1)


def test_whoever_has_the_replaced_file_open_goes_on_with_it(core: Core) -> None:
    core.user.write("a.txt", b"old")
    core.sync()
    with core.user.opened("a.txt") as reader:
        core.user.save("a.txt", b"new")
        assert core.user.pread(reader, 100, 0) == b"old"
        assert core.user.read("a.txt") == b"new"
        core.sync()
        assert core.user.pread(reader, 100, 0) == b"old"
    core.sync()
    assert core.user.files() == {"a.txt": b"new"}
    assert core.on_server() == [("a.txt", b"new")]


def test_a_replacement_that_fails_between_its_two_steps_gives_the_name_back(core: Core) -> None:
    core.user.write("a.txt", b"old")
    core.sync()
    with core.user.opened("a.txt"), pytest.raises(OSError, match="No such file"):
        core.user.rename("none.txt", "a.txt")
    assert core.user.files() == {"a.txt": b"old"}
    core.sync()
    assert core.on_server() == [("a.txt", b"old")]


@pytest.mark.parametrize("reading", [False, True])
def test_what_replaces_a_file_while_it_is_written_survives_a_crash_as_far_as_it_was(core: Core, reading: bool) -> None:
    core.user.write("a.txt", b"old")
    core.sync()
    reader = core.user.open("a.txt") if reading else None
    writer = core.user.open("b.txt", os.O_WRONLY | os.O_CREAT)
    core.user.pwrite(writer, b"new", 0)
    core.user.rename("b.txt", "a.txt")
    core.user.pwrite(writer, b", and more", 3)
    assert reader is None or core.user.pread(reader, 100, 0) == b"old"
    core.crash()
    assert core.user.read("a.txt").startswith(b"new")


# ---- unlinks

def test_a_file_that_is_removed_while_it_is_open_is_read_to_its_end(core: Core) -> None:
    core.user.write("a.txt", b"content")
    core.sync()
    with core.user.opened("a.txt") as reader:
        core.user.unlink("a.txt")
        assert core.user.files() == {}
        core.sync()
        assert core.user.pread(reader, 100, 0) == b"content"
    core.sync()
    assert core.on_server() == []


def test_a_file_that_is_removed_before_it_is_sent_costs_nothing(core: Core) -> None:
    core.user.write("a.txt", b"content")
    core.user.unlink("a.txt")
    core.sync()
    assert uploads_and_deletions(core) == (0, 0)


def test_removing_an_id_removes_its_name(core: Core) -> None:
    core.user.write("a.txt", b"content")
    core.sync()
    core.user.unlink(f".by-id/{file_id(core, 'a.txt')}")
    assert core.user.files() == {}
    core.sync()
    assert core.on_server() == []


def test_removing_the_id_of_a_file_that_was_saved_since_keeps_the_newer_content(core: Core) -> None:
    core.user.write("a.txt", b"old")
    core.sync()
    old_id = file_id(core, "a.txt")
    core.user.write("a.txt", b"newer")
    core.user.unlink(f".by-id/{old_id}")
    assert core.user.files() == {"a.txt": b"newer"}
    core.sync()
    assert core.on_server() == [("a.txt", b"newer")]


# ---- links

def test_a_helper_file_is_published_by_link_and_unlink_for_one_upload(core: Core) -> None:
    core.user.write("a.txt.partial", b"content")
    core.user.link("a.txt.partial", "a.txt")
    core.user.unlink("a.txt.partial")
    core.sync()
    assert core.user.files() == {"a.txt": b"content"}
    assert core.on_server() == [("a.txt", b"content")]
    assert uploads_and_deletions(core) == (1, 0)


def test_what_is_written_to_one_name_later_is_not_in_the_other(core: Core) -> None:
    core.user.write("a.partial", b"content")
    core.user.link("a.partial", "a.txt")
    core.user.write("a.partial", b", and more", os.O_WRONLY | os.O_APPEND)
    core.user.write("a.txt", b"changed", os.O_WRONLY | os.O_TRUNC)
    assert core.user.files() == {"a.partial": b"content, and more", "a.txt": b"changed"}


@pytest.mark.parametrize(("old", "new", "code"), [
    ("a.txt", "b.txt", errno.EPERM), ("b.partial", "a.txt", errno.EEXIST), ("none", "b.txt", errno.ENOENT),
])  # fmt: skip
def test_all_else_has_no_links(core: Core, old: str, new: str, code: int) -> None:
    core.user.write("a.txt", b"a")
    core.user.write("b.partial", b"b")
    with pytest.raises(OSError) as caught:
        core.user.link(old, new)
    assert caught.value.errno == code
    assert core.user.files() == {"a.txt": b"a", "b.partial": b"b"}


def test_a_file_that_is_being_written_is_not_published(core: Core) -> None:
    with core.user.opened("a.partial", os.O_WRONLY | os.O_CREAT) as writer:
        core.user.pwrite(writer, b"half", 0)
        with pytest.raises(OSError) as caught:
            core.user.link("a.partial", "a.txt")
        assert caught.value.errno == errno.EPERM
    core.user.link("a.partial", "a.txt")
    assert core.user.files() == {"a.partial": b"half", "a.txt": b"half"}


# ---- edits in place

def test_a_file_of_others_is_fetched_once_to_be_edited(core: Core) -> None:
    core.others_make("a.txt", OTHERS)
    with core.user.opened("a.txt", os.O_RDWR) as number:
        core.user.pwrite(number, b"WHAT", 0)
        assert core.user.pread(number, 100, 0) == b"WHAT" + OTHERS[4:]
    core.sync()
    assert core.on_server() == [("a.txt", b"WHAT" + OTHERS[4:])]
    assert core.counts()["download"] == 1
    assert uploads_and_deletions(core) == (1, 1)


def test_an_own_upload_is_edited_without_a_download(core: Core) -> None:
    core.user.write("a.txt", b"content")
    core.sync()
    core.user.write("a.txt", b", and more", os.O_WRONLY | os.O_APPEND)
    core.sync()
    assert core.on_server() == [("a.txt", b"content, and more")]
    assert core.counts().get("download", 0) == 0


def test_a_file_that_is_written_anew_needs_nothing_of_the_old_one(core: Core) -> None:
    core.others_make("a.txt", OTHERS)
    core.user.write("a.txt", b"new")
    core.sync()
    assert core.on_server() == [("a.txt", b"new")]
    assert core.counts().get("download", 0) == 0


def test_each_copy_of_a_descriptor_closes_and_the_last_one_hands_over(core: Core) -> None:
    number = core.user.open("a.txt", os.O_WRONLY | os.O_CREAT)
    copy = core.user.dup(number)
    core.user.pwrite(number, b"content", 0)
    core.user.close(number)
    core.clock.pass_s(60)
    assert core.on_server() == [], "it may go on"
    core.user.pwrite(copy, b", and more", 7)
    core.user.close(copy)
    core.sync()
    assert core.on_server() == [("a.txt", b"content, and more")]
    assert uploads_and_deletions(core) == (1, 0)


# ---- attributes

def test_a_type_that_is_set_later_is_sent_with_the_content_again(core: Core) -> None:
    core.user.write("a.txt", b"content")
    core.sync()
    core.user.setxattr("a.txt", "user.mime_type", "text/csv")
    core.sync()
    assert [file.mime_type for file in core.files.files] == ["text/csv"]
    assert uploads_and_deletions(core) == (2, 1)
    core.user.setxattr("a.txt", "user.mime_type", "text/csv")
    core.sync()
    assert uploads_and_deletions(core) == (2, 1)


def test_what_means_nothing_to_the_service_costs_nothing_and_stays(core: Core) -> None:
    core.user.write("a.txt", b"content")
    core.sync()
    core.user.setxattr("a.txt", "user.note", "mine")
    core.user.setxattr("a.txt", "user.anthropic.state", "whatever")
    core.remount()
    assert core.user.getxattr("a.txt", "user.note") == "mine"
    assert core.user.getxattr("a.txt", "user.anthropic.state") == "remote"
    core.user.removexattr("a.txt", "user.note")
    assert "user.note" not in core.user.listxattr("a.txt")
    assert uploads_and_deletions(core) == (1, 0)


@pytest.mark.parametrize(("name", "value", "code"), [
    ("user.mime_type", "no type", errno.EINVAL), ("user.anthropic.expires_in_seconds", "1", errno.EINVAL),
    ("user.anthropic.colour", "red", errno.EOPNOTSUPP), ("trusted.a", "b", errno.EOPNOTSUPP),
])  # fmt: skip
def test_an_attribute_that_cannot_be_set_changes_nothing(core: Core, name: str, value: str, code: int) -> None:
    core.user.write("a.txt", b"content")
    before = core.user.listxattr("a.txt")
    core.expects("is no MIME type", "is no number of seconds")
    with pytest.raises(OSError) as caught:
        core.user.setxattr("a.txt", name, value)
    assert caught.value.errno == code
    assert core.user.listxattr("a.txt") == before


@pytest.mark.parametrize("sent", [False, True])
def test_what_is_removed_while_it_is_written_keeps_nobody_from_a_sync_or_a_status(core: Core, sent: bool) -> None:
    """libfuse unlinks what it doesn't know to be open, when the release of an earlier open is late."""
    core.user.write("a.txt", b"content" * sent)
    if sent:
        core.sync()
    number = core.user.open("a.txt", os.O_WRONLY)
    core.user.pwrite(number, b"newer", 0)
    core.user._do("unlink", "/a.txt")
    left = core.drain()
    assert (left["waiting"], left["failed"], left["open"]) == ([], [], [{"name": "a.txt", "state": "removed"}] * sent)
    core.user.close(number)
    core.sync()
    assert core.on_server() == []


# ---- times

def test_a_time_that_is_set_while_a_close_syncs_holds(place: Path) -> None:
    """An empty file is promised at its last release, which comes after the close: rsync and cp set its time meanwhile."""
    def step(label: str) -> None:
        if label == "stage:data" and not set_at:
            set_at.append(label)
            one.user.utimens("a.txt", 7)

    set_at: list[str] = []
    one = Core(place, disk=LabelledDisk(step))
    one.user.write("a.txt", b"")
    assert (set_at, one.user.stat("a.txt")["st_mtime"]) == (["stage:data"], 7)
    one.remount()
    assert one.user.stat("a.txt")["st_mtime"] == 7
    one.finish()


def test_ctime_is_when_anything_was_changed_and_survives_a_save_and_a_remount(core: Core) -> None:
    def changed(*steps: Callable[[], None]) -> bool:
        before = core.user.stat("a.txt")["st_ctime"]
        core.clock.pass_s(1)
        for step in steps:
            step()
        return core.user.stat("a.txt")["st_ctime"] > before

    core.others_make("theirs.txt", OTHERS)
    theirs = core.user.stat("theirs.txt")
    assert theirs["st_ctime"] == theirs["st_mtime"]
    core.user.write("a.txt", b"content")
    assert changed(lambda: core.user.chmod("a.txt", 0o600))
    assert changed(lambda: core.user.setxattr("a.txt", "user.colour", "green"))
    assert changed(lambda: core.user.utimens("a.txt", 7))
    assert changed(lambda: core.user.write("a.txt", b"newer"))
    assert changed(lambda: core.user.rename("a.txt", "b.txt"), lambda: core.user.rename("b.txt", "a.txt"))
    assert core.user.read("a.txt") == b"newer"
    assert not changed(core.sync, core.refresh, core.remount)
    assert core.user.stat("a.txt")["st_ctime"] > core.user.stat("a.txt")["st_mtime"] > 7


def test_what_is_given_up_changes_now(core: Core) -> None:
    core.user.write("a.txt", b"content")
    core.sync()
    core.clock.pass_s(10)
    core.expects("was refused|no longer tried|HTTP 400")
    core.files.refusals = {"upload": Refused("HTTP 400: no", status=400, from_service=True, maybe_stored=False)}
    core.user.write("a.txt", b"newer")
    before = core.user.stat("a.txt")
    core.clock.pass_s(5)
    core.parts.requests._decisions.discard("a.txt")
    assert core.user.read("a.txt") == b"content"
    after = core.user.stat("a.txt")
    assert after["st_mtime"] < before["st_mtime"] <= before["st_ctime"] < after["st_ctime"]
