"""Manual, promises: a download that isn't the whole file is asked for again, then an error; it never becomes the file,
and is never edited.

The length in the listing is that of the file, to the byte; only image, audio and video may be delivered longer.
"""

import errno
import os
import random
from pathlib import Path
from typing import Any, Final

import pytest

from anthrofs.store.blocks import BLOCK_BYTES
from tests.mounting import Mount, asks, content_of, shell, wait_until

SIZE: Final = 400_000
CONTENT: Final = random.Random(1).randbytes(SIZE)
BIG: Final = random.Random(2).randbytes(20 * 2**20)
HALF: Final = {"kind": "short_body", "after_bytes": 200_000}
HALF_SAID: Final = {**HALF, "length": True}
EMPTY: Final = {"kind": "short_body", "after_bytes": 0}
EMPTY_SAID: Final = {**EMPTY, "length": True}
MISLABELLED: Final = {"kind": "encoded", "packed": False}
PACKED: Final = {"kind": "encoded", "packed": True}
PAGE: Final = {"kind": "html", "status": 200}
LONGER: Final = {"kind": "html", "status": 200, "bytes": SIZE + 1}
CUT: Final = {"kind": "cut_body", "after_bytes": 0}
LINE: Final = r"a.csv \(file_\w+\) can't be read: .* of 400000|a.csv .* instead of 400000|a.csv .* more than 400000|a.csv .*encoded"


def edited(path: Path) -> int | None:
    """The errno of an append; None: it went well."""
    try:
        with path.open("ab", buffering=0) as file:
            file.write(b"x\n")
    except OSError as exc:
        return exc.errno
    return None


def lines(mount: Mount) -> list[str]:
    return [line for line in mount.log().splitlines() if "WARNING" in line or "ERROR" in line]


@pytest.mark.parametrize(("mishap", "chunked", "requests"), [
    (HALF, True, 3), (HALF_SAID, False, 3), ({**HALF, "after_bytes": 150_000}, True, 4), (MISLABELLED, False, 1),
], ids=str)
def test_a_mishap_that_comes_each_time_is_no_trouble_where_the_server_honours_ranges(
        mount: Mount, mishap: dict[str, Any], chunked: bool, requests: int) -> None:
    mount.emulator.switch(content_length=not chunked)
    mount.emulator.generate("a.csv", CONTENT, "text/csv")
    files = mount.mount()
    mount.emulator.fault("download", mishap, times=-1)
    with asks(mount, download=requests):
        assert (files / "a.csv").read_bytes() == CONTENT
    with asks(mount):
        assert (files / "a.csv").read_bytes() == CONTENT


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("mishap", [HALF, HALF_SAID, EMPTY, EMPTY_SAID, PAGE, {**PAGE, "chunked": True}, LONGER, {**LONGER, "chunked": True},
                                    MISLABELLED, CUT], ids=str)
def test_a_mishap_that_comes_once_is_no_trouble(mount: Mount, mishap: dict[str, Any], ranges: bool) -> None:
    mount.emulator.switch(ranges=ranges)
    mount.emulator.generate("a.csv", CONTENT, "text/csv")
    files = mount.mount()
    mount.emulator.fault("download", mishap)
    assert (files / "a.csv").read_bytes() == CONTENT
    assert len(mount.emulator.requests("download")) <= 2
    assert (files / "a.csv").stat().st_size == SIZE


@pytest.mark.parametrize(("mishap", "ranges", "chunked"), [
    (HALF, False, True), (HALF_SAID, False, False), (EMPTY, True, True), (EMPTY, False, True), (EMPTY_SAID, True, False), (PAGE, True, False),
    ({**PAGE, "chunked": True}, True, False), (LONGER, True, False), ({**LONGER, "chunked": True}, True, False), (MISLABELLED, False, True), (MISLABELLED, True, True),
], ids=str)
def test_what_isnt_the_file_never_becomes_it(mount: Mount, mishap: dict[str, Any], ranges: bool, chunked: bool) -> None:
    mount.emulator.switch(ranges=ranges, content_length=not chunked)
    made = mount.emulator.generate("a.csv", CONTENT, "text/csv")
    files = mount.mount()
    mount.expects(LINE)
    mount.emulator.fault("download", mishap, times=-1)
    with asks(mount, download=3):
        done = shell("cp a.csv ../copy", files)
    assert (done.returncode, "Input/output error" in done.stderr) == (1, True)
    [line] = lines(mount)
    assert all(word in line for word in ("a.csv", made["id"], "Read it again"))

    for end in (mount.umount, mount.kill):              # nothing of it is remembered
        assert (files / "a.csv").stat().st_size == SIZE
        assert edited(files / "a.csv") == errno.EIO
        assert [file["id"] for file in mount.emulator.files()] == [made["id"]]
        end()
        mount.mount("--refresh", "300")
    assert (files / "a.csv").stat().st_size == SIZE
    mount.emulator.clear_faults()
    assert (files / "a.csv").read_bytes() == CONTENT
    assert edited(files / "a.csv") is None
    mount.sync()
    [file] = mount.emulator.files()
    assert mount.emulator.content(file["id"]) == CONTENT + b"x\n"


@pytest.mark.parametrize("mishap", [{**HALF, "after_bytes": 5_000_000}, {**HALF_SAID, "after_bytes": 5_000_000}, PAGE, {**PAGE, "chunked": True}], ids=str)
def test_of_a_big_file_no_wrong_byte_comes_and_no_other_length(mount: Mount, mishap: dict[str, Any]) -> None:
    mount.emulator.switch(ranges=False)
    mount.emulator.generate("a.csv", BIG, "text/csv")
    files = mount.mount()
    mount.expects("a.csv .* can't be read")
    mount.emulator.fault("download", mishap, times=-1)
    with (files / "a.csv").open("rb", buffering=0) as data:
        got: list[bytes] = []
        with pytest.raises(OSError, match="Input/output error"):
            got.extend(iter(lambda: data.read(BLOCK_BYTES), b""))
        assert BIG.startswith(b"".join(got))
        assert os.fstat(data.fileno()).st_size == len(BIG)
    mount.emulator.clear_faults()
    wait_until(lambda: content_of(files / "a.csv") == BIG, "it can be read again")


@pytest.mark.parametrize("place", [0, 9_000_000, 15_000_000])
def test_a_jump_into_a_big_file_is_resumed_too(mount: Mount, place: int) -> None:
    mount.emulator.generate("a.csv", BIG, "text/csv")
    files = mount.mount()
    mount.emulator.fault("download", {**HALF, "after_bytes": 300_000}, times=-1)
    with (files / "a.csv").open("rb", buffering=0) as data:
        assert os.pread(data.fileno(), 10**6, place) == BIG[place:place + 10**6]


def test_a_file_that_is_packed_on_the_way_is_unpacked_if_it_has_the_right_length_then(mount: Mount) -> None:
    for name, content in (("a.csv", b"a,b\n" * 100_000), ("big.csv", b"a,b\n" * 3_000_000)):
        mount.emulator.generate(name, content, "text/csv")
    files = mount.mount()
    mount.expects(r"big.csv .* encoded \(gzip\)")
    mount.emulator.fault("download", PACKED, times=-1)
    assert (files / "a.csv").read_bytes() == b"a,b\n" * 100_000
    with pytest.raises(OSError, match="Input/output error"):
        (files / "big.csv").read_bytes()


def test_a_mishap_of_files_that_are_fetched_early_isnt_taken_over_either(mount: Mount) -> None:
    for number in range(20):
        mount.emulator.generate(f"{number:02}.csv", CONTENT, "text/csv")
    files = mount.mount()
    mount.emulator.switch(ranges=False)
    for number in range(4, 20):
        mount.emulator.fault({"operation": "download", "filename": f"{number:02}.csv"}, HALF, times=2)
    assert [(files / f"{number:02}.csv").read_bytes() == CONTENT for number in range(20)] == [True] * 20


def test_a_download_without_a_request_id_is_right_when_its_length_is(mount: Mount) -> None:
    mount.emulator.switch(dropped_headers="request-id")
    mount.emulator.generate("a.csv", CONTENT, "text/csv")
    mount.emulator.generate("b.csv", BIG, "text/csv")
    mount.emulator.generate("picture.png", CONTENT, "image/png")
    files = mount.mount()
    for chunked in (False, True):
        mount.emulator.switch(content_length=not chunked)
        with asks(mount, download=3):
            assert (files / "a.csv").read_bytes() == CONTENT
            assert (files / "b.csv").read_bytes() == BIG
            assert (files / "picture.png").read_bytes() == CONTENT
        mount.umount()
        for path in (mount.state_dir / "cache").glob("*[0-9a-f]*"):
            path.unlink()
        mount.mount()


# ---- pictures


@pytest.mark.parametrize(("ranges", "chunked", "requests"), [(True, False, 1), (False, False, 1), (True, True, 2), (False, True, 2)])
def test_a_picture_may_come_longer_and_its_end_is_asked_for_where_nobody_says_its_length(
        mount: Mount, ranges: bool, chunked: bool, requests: int) -> None:
    mount.emulator.switch(delivered_extra_bytes=70_001, ranges=ranges, content_length=not chunked)
    mount.emulator.generate("a.png", CONTENT, "image/png")
    files = mount.mount()
    with asks(mount, download=requests):
        first = (files / "a.png").read_bytes()
    assert (len(first), first[:SIZE]) == (SIZE + 70_001, CONTENT)
    assert (files / "a.png").stat().st_size == SIZE + 70_001


def test_a_picture_that_ends_early_behind_its_listed_length_is_resumed(mount: Mount) -> None:
    mount.emulator.switch(delivered_extra_bytes=70_001)
    mount.emulator.generate("a.png", CONTENT, "image/png")
    files = mount.mount()
    mount.emulator.fault("download", {**HALF, "after_bytes": SIZE + 30_000})
    with asks(mount, download=3):
        first = (files / "a.png").read_bytes()
    assert len(first) == SIZE + 70_001


@pytest.mark.parametrize("mishap", [HALF, HALF_SAID, PAGE, {**PAGE, "bytes": SIZE + 5000}, {**PAGE, "bytes": SIZE + 5000, "chunked": True}], ids=str)
def test_a_picture_that_comes_shorter_or_is_a_page_is_none(mount: Mount, mishap: dict[str, Any]) -> None:
    mount.emulator.switch(ranges=False, delivered_extra_bytes=5000)
    made = mount.emulator.generate("a.png", CONTENT, "image/png")
    files = mount.mount()
    mount.expects("a.png .* can't be read")
    mount.emulator.fault("download", mishap, times=-1)
    assert shell("cp a.png ../copy", files).returncode == 1
    assert edited(files / "a.png") == errno.EIO
    mount.remount()
    assert (files / "a.png").stat().st_size == SIZE
    assert [file["id"] for file in mount.emulator.files()] == [made["id"]]
    mount.emulator.clear_faults()
    assert len((files / "a.png").read_bytes()) == SIZE + 5000


def test_a_picture_that_is_delivered_with_another_length_than_before_is_never_made_of_two(mount: Mount) -> None:
    mount.emulator.switch(delivered_extra_bytes=1000)
    mount.emulator.generate("a.png", BIG, "image/png")
    files = mount.mount("--cache-size", "4M")
    mount.expects("is delivered with .* bytes now")
    assert len((files / "a.png").read_bytes()) == len(BIG) + 1000
    mount.emulator.switch(delivered_extra_bytes=2000)
    assert shell("cp a.png ../copy", files).returncode == 1
    assert len((files / "a.png").read_bytes()) == len(BIG) + 2000
    assert (files / "a.png").stat().st_size == len(BIG) + 2000


# ---- what is made of a download


def test_a_renamed_and_pushed_file_is_never_sent_from_a_download_that_was_cut(mount: Mount) -> None:
    mount.emulator.switch(ranges=False)
    made = mount.emulator.generate("a.csv", CONTENT, "text/csv")
    files = mount.mount()
    mount.expects("can't be sent under its new name now")
    mount.emulator.fault("download", HALF, times=3)
    (files / "a.csv").rename(files / "b.csv")
    assert mount.run("push", files / "b.csv").returncode == 0
    mount.sync()
    [file] = mount.emulator.files()
    assert (file["filename"], file["id"] != made["id"]) == ("b.csv", True)
    assert mount.emulator.content(file["id"]) == CONTENT


def test_what_an_earlier_version_had_fetched_in_part_to_be_sent_is_fetched_again(mount: Mount) -> None:
    mount.emulator.generate("a.csv", CONTENT, "text/csv")
    files = mount.mount()
    mount.expects("had not come whole", "can't be sent now|scripted")
    mount.emulator.fault("upload", {"kind": "status", "status": 503, "retry_after": 60}, times=-1)
    (files / "a.csv").rename(files / "b.csv")
    mount.ok("push", files / "b.csv")
    wait_until(lambda: mount.emulator.requests("upload"), "it is tried")
    mount.kill()
    [stage] = (mount.state_dir / "staging").iterdir()
    os.truncate(stage, SIZE // 2)
    mount.emulator.clear_faults()
    mount.mount()
    mount.sync()
    [file] = mount.emulator.files()
    assert (file["filename"], mount.emulator.content(file["id"]) == CONTENT) == ("b.csv", True)


def test_a_backup_lives_on_whole_or_stays_on_the_server(mount: Mount) -> None:
    mount.emulator.switch(ranges=False)
    made = mount.emulator.generate("a.csv", CONTENT, "text/csv")
    files = mount.mount()
    mount.expects("could not be fetched")
    mount.emulator.fault("download", HALF, times=-1)
    (files / "a.csv").rename(files / "a.csv~")
    (files / "a.csv").write_bytes(b"new")
    mount.sync()
    assert made["id"] in [file["id"] for file in mount.emulator.files()]
    mount.emulator.clear_faults()
    assert (files / "a.csv~").read_bytes() == CONTENT


def test_a_read_only_mount_keeps_nothing_of_it_either(mount: Mount) -> None:
    mount.emulator.switch(ranges=False)
    mount.emulator.generate("a.csv", CONTENT, "text/csv")
    mount.expects(LINE)
    files = mount.mount("--read-only")
    mount.emulator.fault("download", HALF, times=-1)
    assert shell("cat a.csv", files).returncode == 1
    mount.remount("--read-only")
    mount.emulator.clear_faults()
    assert (files / "a.csv").stat().st_size == SIZE
    assert (files / "a.csv").read_bytes() == CONTENT
