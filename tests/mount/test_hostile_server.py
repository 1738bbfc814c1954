"""A server, or a proxy before it, that sends nonsense: no crash, no wrong listing, no unsafe name, nothing that hangs."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.mounting import Mount, shell, wait_until

ENTRY: dict[str, Any] = {"type": "file", "id": "file_x", "filename": "x.txt", "size_bytes": 1, "mime_type": "text/plain",
                         "created_at": "2026-01-01T00:00:00Z", "downloadable": True}


def page(*entries: object, **more: object) -> dict[str, object]:
    return {"kind": "raw_json", "status": 200, "body": {"data": list(entries), "has_more": False, "first_id": None, "last_id": None, **more}}


@pytest.mark.parametrize("name", [
    "../../etc/passwd", "/etc/passwd", "", ".", "..", "nul\0byte", "line\nbreak", "\x1b[31mred", "x" * 500, "ü" * 300, "🎈" * 500,
    ".fuse_hidden0000", ".by-id", "a\\b", "con:", "...", " ",
])
def test_a_hostile_name_becomes_a_safe_entry_that_can_be_read_and_removed(mount: Mount, name: str) -> None:
    mount.emulator.fault("list", page({**ENTRY, "filename": name}), times=-1)
    made = mount.emulator.generate("real.txt", b"!")
    mount.emulator.fault("list", page({**ENTRY, "filename": name, "id": made["id"]}), times=-1)
    mount.emulator.clear_faults()
    mount.emulator.fault("list", page({**ENTRY, "filename": name, "id": made["id"]}), times=-1)
    files = mount.mount()

    [entry] = os.listdir(files)
    assert entry not in {"", ".", ".."}
    assert "/" not in entry
    assert "\0" not in entry
    assert len(os.fsencode(entry)) <= 255
    assert not any(ord(character) < 32 for character in entry)
    assert (files / entry).read_bytes() == b"!"
    os.unlink(files / entry)
    mount.sync()
    assert mount.emulator.files() == []


def test_unknown_fields_are_no_trouble(mount: Mount) -> None:
    mount.emulator.switch(extra_fields=True)
    mount.emulator.generate("a.txt", b"a")
    assert (mount.mount() / "a.txt").read_bytes() == b"a"


@pytest.mark.parametrize("broken", [
    {}, None, 7, {"id": "file_y"}, {**ENTRY, "id": None}, {**ENTRY, "filename": 3}, {**ENTRY, "size_bytes": -1},
    {**ENTRY, "size_bytes": "many"}, {**ENTRY, "id": ""},
], ids=str)
def test_an_entry_that_makes_no_sense_is_left_out_and_hides_nothing_else(mount: Mount, broken: object) -> None:
    mount.emulator.fault("list", page(broken, {**ENTRY, "id": "file_z", "filename": "good.txt"}), times=-1)
    mount.expects("1 entries of the listing can't be read")
    assert os.listdir(mount.mount()) == ["good.txt"]


def test_a_listing_with_nonsense_in_it_removes_nothing(mount: Mount) -> None:
    mount.emulator.generate("a.txt", b"a")
    files = mount.mount()
    mount.emulator.fault("list", page({"id": "file_y"}, {**ENTRY, "id": "file_z", "filename": "z.txt"}))
    mount.expects("1 entries of the listing can't be read")
    mount.ok("refresh", files)
    assert sorted(os.listdir(files)) == ["a.txt", "z.txt"]


def test_a_listing_of_nothing_but_nonsense_is_refused_and_removes_nothing(mount: Mount) -> None:
    mount.emulator.generate("a.txt", b"a")
    files = mount.mount()
    mount.emulator.fault("list", page({"id": "file_y"}))
    mount.expects("could not be refreshed.* not the Files API's")
    done = mount.run("refresh", files)
    assert (done.returncode, "none of its 1 entries can be read" in done.stderr) == (1, True)
    assert os.listdir(files) == ["a.txt"]


@pytest.mark.parametrize("action", [
    {"kind": "html", "status": 200}, {"kind": "html", "status": 502}, {"kind": "garbage_json"}, {"kind": "status", "status": 500},
    {"kind": "raw_json", "status": 200, "body": []}, {"kind": "raw_json", "status": 200, "body": {"data": "x"}},
], ids=str)
def test_a_refresh_that_fails_leaves_what_is_shown(mount: Mount, action: dict[str, Any]) -> None:
    mount.emulator.generate("a.txt", b"a")
    files = mount.mount()
    assert (files / "a.txt").read_bytes() == b"a"
    mount.emulator.fault("list", action, times=-1)
    mount.expects("could not be refreshed", "goes on by itself")
    assert mount.run("refresh", files).returncode == 1
    assert os.listdir(files) == ["a.txt"]
    assert (files / "a.txt").read_bytes() == b"a"


def test_a_page_that_repeats_for_ever_ends(mount: Mount) -> None:
    mount.emulator.generate("a.txt", b"a")
    files = mount.mount()
    mount.emulator.fault("list", page({**ENTRY, "id": "file_z", "filename": "z.txt", "created_at": "2030-01-01T00:00:00Z"}, has_more=True, last_id="file_z"), times=-1)
    mount.expects("the listing repeats itself")
    done = mount.run("refresh", files)
    assert (done.returncode, "repeats itself" in done.stderr) == (1, True)
    assert sorted(os.listdir(files)) == ["a.txt", "z.txt"]      # what it showed is taken, what it lacked is not removed


def test_a_listing_that_lacks_most_files_of_an_unnamed_workspace_is_not_believed(mount: Mount) -> None:
    mount.emulator.switch(identity_headers=False)
    mount.emulator.bulk(30, size_bytes=3)
    files = mount.mount()
    mount.emulator.fault("list", page(), times=-1)
    mount.expects("lacks 30 of 30 known files")
    done = mount.run("refresh", files)
    assert (done.returncode, "refresh --accept" in done.stderr) == (1, True)
    assert len(os.listdir(files)) == 30
    mount.ok("refresh", "--accept", files)
    assert os.listdir(files) == []


def test_duplicates_are_all_there_and_each_is_its_own_file(mount: Mount) -> None:
    made = [mount.emulator.generate("a.txt", f"content {number}".encode()) for number in range(5)]
    files = mount.mount()
    names = [f"a ({file['id']}).txt" for file in made[:-1]]
    assert sorted(os.listdir(files)) == sorted(["a.txt", *names])
    assert (files / "a.txt").read_bytes() == b"content 4"
    assert [(files / name).read_bytes() for name in names] == [f"content {number}".encode() for number in range(4)]

    os.unlink(files / names[2])
    mount.sync()
    assert {file["id"] for file in mount.emulator.files()} == {made[index]["id"] for index in (0, 1, 3, 4)}
    os.unlink(files / "a.txt")
    mount.sync()
    mount.ok("refresh", files)
    assert "a.txt" not in os.listdir(files)         # removing the newest doesn't make an older one jump into its place


@pytest.mark.parametrize("order", ["newest_first", "oldest_first", "shuffled"])
def test_the_order_of_the_listing_never_matters(mount: Mount, order: str) -> None:
    mount.emulator.switch(order=order)
    made = [mount.emulator.generate("a.txt", f"{number}".encode()) for number in range(4)]
    files = mount.mount()
    assert (files / "a.txt").read_bytes() == b"3"
    assert sorted(os.listdir(files)) == sorted(["a.txt", *(f"a ({file['id']}).txt" for file in made[:-1])])


@pytest.mark.parametrize("way", ["error400", "error404", "empty", "restart"])
def test_a_listing_whose_cursor_is_deleted_meanwhile_begins_anew(mount: Mount, way: str) -> None:
    """An empty page after a lost cursor looks like the end: taken for it, more than half of the files would be gone."""
    mount.emulator.bulk(2100, size_bytes=1)
    mount.emulator.switch(unknown_cursor=way)
    cursor = mount.emulator.files()[999]
    mount.emulator.fault("list", {"kind": "delay", "seconds": 1.5})
    with ThreadPoolExecutor(1) as others:
        mounting = others.submit(mount.mount)
        wait_until(lambda: mount.emulator.requests("list"), "the first page is being sent")
        mount.emulator.vanish(cursor["id"])
        files = mounting.result()
    assert set(os.listdir(files)) >= {file["filename"] for file in mount.emulator.files()}
    assert len(mount.emulator.requests("list")) == 5 - (way == "restart")


@pytest.mark.parametrize("action", [
    {"kind": "cut_body", "after_bytes": 200_000}, {"kind": "status", "status": 503}, {"kind": "cut", "when": "before_commit"},
    {"kind": "html", "status": 502}, {"kind": "status", "status": 429, "retry_after_ms": 200},
], ids=str)
@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_that_goes_wrong_once_gives_the_right_bytes(mount: Mount, action: dict[str, Any], ranges: bool) -> None:
    content = os.urandom(900_000)
    mount.emulator.switch(ranges=ranges)
    mount.emulator.generate("data.bin", content)
    files = mount.mount()
    mount.emulator.fault("download", action)
    assert (files / "data.bin").read_bytes() == content


@pytest.mark.timeout(60)
def test_readers_that_pause_keep_nobody_from_reading(mount: Mount) -> None:
    for number in range(9):
        mount.emulator.generate(f"{number}.bin", bytes([number]) * (60 * 2**20))
    files = mount.mount()
    readers = [(files / f"{number}.bin").open("rb", buffering=0) for number in range(8)]     # more than there are slots
    try:
        for number, reader in enumerate(readers):
            assert reader.read(1000) == bytes([number]) * 1000
        assert (files / "8.bin").read_bytes() == bytes([8]) * (60 * 2**20)
        for number, reader in enumerate(readers):
            assert reader.read(10**6) == bytes([number]) * 10**6
    finally:
        for reader in readers:
            reader.close()


def test_a_file_that_is_gone_when_it_is_read_says_so_and_goes(mount: Mount) -> None:
    made = mount.emulator.generate("a.txt", b"a" * 1000)
    files = mount.mount()
    mount.emulator.vanish(made["id"])
    mount.expects("not found|Not found|does not exist")
    with pytest.raises(OSError), (files / "a.txt").open("rb") as a:
        a.read()
    mount.ok("refresh", files)
    wait_until(lambda: os.listdir(files) == [], "it goes")


@pytest.mark.parametrize("ranges", [True, False])
def test_a_picture_that_is_delivered_longer_is_copied_whole(mount: Mount, tmp_path: Path, ranges: bool) -> None:
    mount.emulator.switch(delivered_extra_bytes=1000, ranges=ranges)
    mount.emulator.generate("chart.png", os.urandom(500_000), "image/png")
    files = mount.mount()
    for copy in ("one.png", "two.png"):
        assert shell(f"cp chart.png {tmp_path}/{copy}", files).returncode == 0
        assert (tmp_path / copy).stat().st_size == 501_000
    assert (files / "chart.png").stat().st_size == 501_000


def test_a_file_that_others_replace_with_a_longer_one_is_read_whole_at_once(mount: Mount, tmp_path: Path) -> None:
    mount.emulator.generate("a.txt", b"old" * 1000)
    files = mount.mount()
    assert (files / "a.txt").stat().st_size == 3000         # the kernel keeps that for 10 s
    mount.emulator.generate("a.txt", b"newer" * 100_000)
    mount.ok("refresh", files)

    with (files / "a.txt").open("rb") as a:
        assert os.fstat(a.fileno()).st_size == 500_000
        assert a.read() == b"newer" * 100_000
    assert shell(f"cp a.txt {tmp_path}/copy", files).returncode == 0
    assert (tmp_path / "copy").read_bytes() == b"newer" * 100_000


@pytest.mark.parametrize("api", ["beta", "ga"])
def test_both_shapes_of_the_api_do_the_main_job(mount: Mount, api: str) -> None:
    mount.emulator.bulk(1500, size_bytes=3)
    files = mount.mount("--api", api)
    (files / "mine.txt").write_text("mine")
    os.unlink(files / "bulk-000000.txt")
    assert (files / "bulk-000777.txt").stat().st_size == 3
    mount.sync()
    mount.ok("refresh", files)
    assert len(os.listdir(files)) == 1500
    assert len(mount.emulator.files()) == 1500
