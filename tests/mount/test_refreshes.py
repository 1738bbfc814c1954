"""What a mount asks to stay fresh, and what it makes of strange listings: on real mounts, the server's log is the witness."""

import os
import sqlite3
import subprocess
import time
import unicodedata
from typing import Any, Final

import pytest

from tests.mounting import COMMAND, Mount, wait_until
from tests.terminal import Terminal

WINDOW_S: Final = 0.5


def lists(mount: Mount) -> int:
    return len(mount.emulator.requests("list"))


# ---- who looks

def test_with_poll_the_listing_is_asked_for_though_nobody_looks(mount: Mount) -> None:
    mount.mount("--refresh", str(WINDOW_S), "--poll")
    mount.emulator.forget_requests()
    began_s = time.monotonic()
    mount.emulator.wait_for_requests(4, "list")
    passed_s = time.monotonic() - began_s
    assert lists(mount) <= passed_s / WINDOW_S + 2
    assert {request["operation"] for request in mount.emulator.requests()} == {"list"}


# ---- the first listing's progress

def first_listing(mount: Mount) -> list[str]:
    mount.emulator.bulk(3500, size_bytes=3)
    mount.emulator.switch(latency_ms=600)
    return [*COMMAND, "mount", "--state-dir", str(mount.state_dir), str(mount.path)]


def test_a_first_listing_of_several_pages_shows_its_progress_on_a_terminal(mount: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    command = first_listing(mount)
    for name, value in mount.environment.items():
        monkeypatch.setenv(name, value)
    with Terminal(command, mount.path.parent) as terminal:
        for files in (1000, 2000, 3000):
            terminal.shows(f"{files} files")
        assert terminal.ends() == 0


def test_a_first_listing_of_several_pages_says_its_progress_in_lines_on_a_pipe(mount: Mount) -> None:
    done = subprocess.run(first_listing(mount), env=mount.environment, text=True, capture_output=True, timeout=60, check=True)
    lines = [line for line in done.stderr.splitlines() if line.startswith("first listing, ")]
    assert lines[0].startswith(("first listing, 1000 files", "first listing, 2000 files"))
    assert 1 <= len(lines) <= 4
    assert done.stdout == ""


# ---- a workspace of several pages

def swept_long_ago(mount: Mount) -> None:
    """Not mounted now."""
    with sqlite3.connect(mount.state_dir / "state.db") as state:
        state.execute("UPDATE meta SET value = '1' WHERE name = 'swept_ns'")
    state.close()


@pytest.mark.parametrize("api", ["beta", "ga"])
def test_what_others_delete_in_a_workspace_of_several_pages_goes_in_the_background(mount: Mount, api: str) -> None:
    mount.emulator.bulk(1500, size_bytes=3)
    mount.mount("--api", api)
    mount.umount()
    swept_long_ago(mount)
    old = next(file for file in mount.emulator.files() if file["filename"] == "bulk-000020.txt")
    mount.emulator.vanish(old["id"])
    mount.emulator.forget_requests()
    files = mount.mount("--api", api, "--refresh", "1")
    wait_until(lambda: len(os.listdir(files)) == 1499, "it goes")
    pages = [request for request in mount.emulator.requests("list") if "limit=1000" in str(request)]
    assert len(pages) == 2
    assert {request["operation"] for request in mount.emulator.requests()} == {"list"}


def test_what_others_delete_behind_a_page_of_expired_files_goes_too(mount: Mount) -> None:
    mount.emulator.bulk(5, "old-")
    mount.emulator.bulk(1000, "expired-")
    mount.emulator.stop()
    with sqlite3.connect(mount.emulator.data / "emulator.db") as stored:
        stored.execute("UPDATE file SET created_us = created_us - 60000000")
        stored.execute("UPDATE file SET expires_us = created_us + 1 WHERE filename LIKE 'expired-%'")
    stored.close()
    mount.emulator.start()
    files = mount.mount("--api", "ga")
    assert len(os.listdir(files)) == 5
    mount.umount()
    swept_long_ago(mount)
    old = next(file for file in mount.emulator.files() if file["filename"] == "old-000002.txt")
    mount.emulator.vanish(old["id"])
    mount.mount("--api", "ga", "--refresh", "1")
    wait_until(lambda: len(os.listdir(files)) == 4, "it goes")


# ---- strange files

ODD: Final = ["../../x", "a/b", ".", "..", "🎈" * 20, "x" * 1000, "?limit=1", "%2e%2e", "#", "ü"]       # no spaces or controls: those are none


def entry(file_id: str, name: str, created_at: str = "2026-01-01T00:00:00Z") -> dict[str, Any]:
    return {"type": "file", "id": file_id, "filename": name, "size_bytes": 1, "mime_type": "text/plain", "created_at": created_at,
            "downloadable": True}


def listed(mount: Mount, entries: list[dict[str, Any]]) -> None:
    mount.emulator.clear_faults()
    body = {"data": entries, "has_more": False, "first_id": None, "last_id": None}
    mount.emulator.fault("list", {"kind": "raw_json", "status": 200, "body": body}, times=-1)


def test_ids_with_any_printable_characters_are_shown_kept_apart_and_deleted_as_they_are(mount: Mount) -> None:
    listed(mount, [entry(file_id, "same.txt") for file_id in ODD])
    mount.expects("could not be deleted")
    files = mount.mount()
    shown = sorted(os.listdir(files))
    assert len(shown) == len(ODD)
    assert {os.getxattr(files / name, "user.anthropic.file_id").decode() for name in shown} == set(ODD)
    mount.refresh()
    mount.umount()
    mount.mount()
    assert sorted(os.listdir(files)) == shown
    listed(mount, [])
    mount.refresh()
    assert os.listdir(files) == []


def test_two_files_of_one_name_and_moment_keep_their_names_over_refreshes_remounts_and_orders(mount: Mount) -> None:
    two = [entry("file_a", "same.txt"), entry("file_b", "same.txt")]
    seen = set()
    for order in (two, two[::-1], two):
        listed(mount, order)
        files = mount.mount()
        mount.refresh()
        seen.add(tuple(sorted((name, os.getxattr(files / name, "user.anthropic.file_id")) for name in os.listdir(files))))
        mount.umount()
    assert seen == {(("same (file_a).txt", b"file_a"), ("same.txt", b"file_b"))}


def test_a_listing_that_says_a_file_twice_shows_it_once(mount: Mount) -> None:
    listed(mount, [entry("file_a", "a.txt"), entry("file_b", "b.txt"), entry("file_a", "a.txt")])
    files = mount.mount()
    mount.refresh()
    assert sorted(os.listdir(files)) == ["a.txt", "b.txt"]


@pytest.mark.parametrize("order", ["newest_first", "oldest_first"])
def test_five_thousand_files_of_one_name_are_mounted_and_one_of_them_removed_in_no_time(mount: Mount, order: str) -> None:
    mount.emulator.switch(order=order)
    listed(mount, [entry(f"file_{number:05}", "same.txt", f"2026-01-01T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}Z")
                   for number in (range(5000) if order == "oldest_first" else range(4999, -1, -1))])
    began_s = time.monotonic()
    files = mount.mount()
    shown = os.listdir(files)
    assert len(shown) == 5000
    assert os.getxattr(files / "same.txt", "user.anthropic.file_id") == b"file_04999"
    mount.expects("could not be deleted")
    os.unlink(files / "same (file_00777).txt")
    mount.sync()
    mount.refresh()
    assert set(shown) - set(os.listdir(files)) == {"same (file_00777).txt"}
    assert [request["path"] for request in mount.emulator.requests("delete")] == ["/v1/files/file_00777"]
    assert time.monotonic() - began_s < 30          # quadratic: minutes


# ---- a file and a folder that swap kinds

def test_a_name_that_is_a_file_then_a_folder_then_a_file_again(mount: Mount) -> None:
    first = mount.emulator.generate("a", b"file")
    files = mount.mount()
    with (files / "a").open("rb", buffering=0) as old:
        assert old.read() == b"file"
        mount.emulator.vanish(first["id"])
        inner = mount.emulator.generate("a／b", b"inner")
        mount.refresh()
        assert os.pread(old.fileno(), 4, 0) == b"file"          # it is in use, so its name waits
    wait_until(lambda: mount.refresh() and (files / "a").is_dir(), "it is a folder")
    assert (files / "a" / "b").read_bytes() == b"inner"

    with subprocess.Popen(["bash", "-c", "echo in; read x; ls; pwd; cat b"], cwd=files / "a", stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as inside:
        assert inside.stdout is not None
        inside.stdout.readline()
        mount.emulator.vanish(inner["id"])
        mount.refresh()
        mount.emulator.generate("a", b"file again")
        mount.refresh()
        assert (files / "a").read_bytes() == b"file again"
        assert (files / "a").is_file()
        inside.communicate(b"\n", timeout=30)          # ends, whatever it sees
    assert os.listdir(files) == ["a"]


def test_a_folder_that_is_in_use_keeps_its_name_and_the_file_of_that_name_gets_its_id(mount: Mount) -> None:
    inner = mount.emulator.generate("a／b", b"inner")
    files = mount.mount()
    with (files / "a" / "b").open("rb", buffering=0) as held:
        assert held.read(2) == b"in"
        mount.emulator.vanish(inner["id"])
        outer = mount.emulator.generate("a", b"file")
        mount.refresh()
        assert os.pread(held.fileno(), 5, 0) == b"inner"
        assert (files / f"a ({outer['id']})").read_bytes() == b"file"
    wait_until(lambda: mount.refresh() and os.listdir(files) == [f"a ({outer['id']})"], "the folder goes with its last file")


def test_names_that_differ_only_in_case_or_in_normalisation_are_different_files(mount: Mount) -> None:
    twins = ["\u00c9t\u00e9.txt", unicodedata.normalize("NFD", "\u00c9t\u00e9.txt"), "\u00e9t\u00e9.txt", "\u00c9T\u00c9.TXT"]
    theirs = [f"theirs {name}" for name in twins]
    for name in theirs:
        mount.emulator.generate(name, name.encode())
    files = mount.mount()
    for name in twins:
        (files / name).write_bytes(name.encode())
    for _ in range(2):
        assert {name: (files / name).read_bytes() for name in os.listdir(files)} == {name: name.encode() for name in twins + theirs}
        mount.remount()
    assert sorted(file["filename"] for file in mount.emulator.files()) == sorted(twins + theirs)
    (files / twins[0]).unlink()
    mount.sync()
    assert sorted(file["filename"] for file in mount.emulator.files()) == sorted(twins[1:] + theirs)


def test_a_name_far_too_long_for_a_directory_is_shown_cut_read_and_removed(mount: Mount) -> None:
    made = [mount.emulator.generate("\U0001f600" * 500, content) for content in (b"one", b"two")]
    files = mount.mount()
    shown = os.listdir(files)
    assert len(shown) == 2
    assert all(len(name.encode()) <= 255 for name in shown)
    assert sorted((files / name).read_bytes() for name in shown) == [b"one", b"two"]
    (files / shown[0]).unlink()
    mount.sync()
    left = next(each for each in made if each["id"] in shown[1])
    assert [file["id"] for file in mount.emulator.files()] == [left["id"]]
