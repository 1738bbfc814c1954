"""A listing that isn't the Files API's: it is refused with a sentence, never taken for an empty workspace."""

import os

import pytest

from anthrofs.fuse import mountpoint
from tests.mounting import Mount, asks


@pytest.mark.parametrize("files", [0, 2])
@pytest.mark.parametrize("way", ["openai", "bare"])
def test_another_apis_listing_is_refused_at_the_first_mount(mount: Mount, way: str, files: int) -> None:
    for number in range(files):
        mount.emulator.generate(f"{number}.txt", b"content")
    mount.emulator.switch(foreign_lists=way)

    done = mount.run("mount", "--state-dir", mount.state_dir, mount.path)

    assert done.returncode == 1
    assert "the listing is not the Files API's" in done.stderr
    assert "base URL" in done.stderr
    assert not mountpoint.is_mounted(mount.path)
    assert len(mount.emulator.requests()) == 1          # asking again would get the same


@pytest.mark.parametrize("way", ["openai", "bare"])
def test_another_apis_listing_changes_nothing_of_a_known_workspace(mount: Mount, way: str) -> None:
    mount.emulator.generate("theirs.txt", b"theirs")
    files = mount.mount()
    (files / "mine.txt").write_text("mine")
    mount.emulator.switch(foreign_lists=way)
    mount.expects("is not the Files API's")

    done = mount.run("refresh", files)

    assert (done.returncode, "is not the Files API's" in done.stderr) == (1, True)
    assert "is not the Files API's" in mount.ok("status", files)
    assert sorted(os.listdir(files)) == ["mine.txt", "theirs.txt"]
    mount.remount()
    assert sorted(os.listdir(files)) == ["mine.txt", "theirs.txt"]


def test_entries_that_cant_be_read_are_counted_logged_and_shown_by_status(mount: Mount) -> None:
    for name in ("old.txt", "middle.txt", "new.txt"):
        mount.emulator.generate(name, b"content")
    mount.emulator.switch(unreadable_entries=2)
    mount.expects("2 entries of the listing can't be read")

    files = mount.mount()

    assert os.listdir(files) == ["old.txt"]
    assert mount.log().count("2 entries of the listing can't be read") == 1
    assert mount.status()["unreadable_entries"] == 2
    assert "2 entries of the listing can't be read" in mount.ok("status", files)

    mount.emulator.switch(unreadable_entries=0)
    mount.refresh()
    assert sorted(os.listdir(files)) == ["middle.txt", "new.txt", "old.txt"]
    assert mount.status()["unreadable_entries"] == 0


def test_a_known_file_whose_entry_cant_be_read_any_more_stays(mount: Mount) -> None:
    for name in ("old.txt", "new.txt"):
        mount.emulator.generate(name, b"content")
    files = mount.mount()
    mount.emulator.switch(unreadable_entries=1)
    mount.expects("1 entries of the listing can't be read")
    mount.refresh()
    assert sorted(os.listdir(files)) == ["new.txt", "old.txt"]


def test_a_workspace_that_is_empty_is_no_foreign_one(mount: Mount) -> None:
    for shape in ("beta", "ga"):
        assert os.listdir(mount.mount("--api", shape)) == []
        mount.umount()


def test_a_known_newest_file_whose_entry_cant_be_read_any_more_is_not_asked_for_by_each_refresh(mount: Mount) -> None:
    mount.emulator.bulk(1100)
    files = mount.mount("--refresh", "300")
    mount.emulator.generate("newest.txt", b"content")
    mount.refresh()
    mount.emulator.switch(unreadable_entries=1)
    mount.emulator.fault("metadata", {"kind": "raw_json", "body": {"id": "file_1", "type": "file", "filename": "newest.txt"}}, times=-1)
    mount.expects("1 entries of the listing can't be read")
    with asks(mount, list=3):
        for _ in range(3):
            mount.refresh()
    assert (files / "newest.txt").exists()
