"""Manual, promises: what others did to a file while it was open shows after its last close, not at the next look at the
listing.
"""

import contextlib
import errno
import os
from collections import Counter
from pathlib import Path

import pytest

from anthrofs.download.readahead import AHEAD_FILES
from tests.mounting import Mount, asks, shell, wait_until


def why(path: Path) -> int | None:
    """The errno of reading all of it; None: it was read."""
    try:
        path.read_bytes()
    except OSError as exc:
        return exc.errno
    return None


def test_a_name_whose_id_is_gone_costs_one_download_and_one_listing_and_then_it_isnt_there(mount: Mount) -> None:
    made = mount.emulator.generate("a.txt", b"a" * 1000)
    mount.emulator.generate("b.txt", b"b")
    files = mount.mount("--refresh", "300")
    mount.emulator.vanish(made["id"])
    mount.expects("not found|Not found|does not exist")
    with asks(mount, download=1, list=1):
        assert why(files / "a.txt") in (errno.ESTALE, errno.EIO)        # the kernel's page cache makes EIO of any
        wait_until(lambda: why(files / "a.txt") == errno.ENOENT, "the release is over")
        assert [why(files / "a.txt") for _ in range(40)] == [errno.ENOENT] * 40
        wait_until(lambda: [request["finished"] for request in mount.emulator.requests("list")], "a refresh was asked for")
    assert os.listdir(files) == ["b.txt"]


def test_who_has_it_open_is_told_so_by_each_read_without_a_further_request(mount: Mount) -> None:
    made = mount.emulator.generate("a.bin", os.urandom(20 * 2**20))
    files = mount.mount("--refresh", "300")
    mount.expects("not found|Not found|does not exist")
    with (files / "a.bin").open("rb", buffering=0) as data, asks(mount, download=1):
        mount.emulator.vanish(made["id"])
        for place in (0, 10 * 2**20, 0, 15 * 2**20):
            with pytest.raises(OSError, match=r"Stale|Input"):
                os.pread(data.fileno(), 1000, place)
    wait_until(lambda: os.listdir(files) == [], "it goes with the last release")


def test_what_replaced_it_shows_soon_after_its_last_close(mount: Mount) -> None:
    made = mount.emulator.generate("a.txt", b"old" * 1000)
    files = mount.mount("--refresh", "300")
    mount.emulator.vanish(made["id"])
    mount.emulator.generate("a.txt", b"new")
    mount.expects("not found|Not found|does not exist")
    assert why(files / "a.txt") is not None
    wait_until(lambda: shell("cat a.txt", files).stdout == "new", "the new one shows")


def test_a_newer_file_that_waits_for_a_name_gets_it_soon_after_the_last_close(mount: Mount) -> None:
    mount.emulator.generate("a.txt", b"old")
    files = mount.mount("--refresh", "300")
    with (files / "a.txt").open("rb") as old:
        mount.emulator.generate("a.txt", b"newer")
        mount.refresh()
        assert old.read() == b"old"
        assert os.listdir(files) == ["a.txt"]
    wait_until(lambda: len(os.listdir(files)) == 2, "both show")
    assert (files / "a.txt").read_bytes() == b"newer"


def test_a_walk_over_many_that_are_gone_asks_for_the_listing_now_and_then_only(mount: Mount) -> None:
    made = [mount.emulator.generate(f"{number:03}.txt", b"x" * 100) for number in range(60)]
    files = mount.mount("--refresh", "300")
    for each in made:
        mount.emulator.vanish(each["id"])
    mount.expects("not found|Not found|does not exist")
    mount.emulator.forget_requests()
    shell("cat *", files)
    wait_until(lambda: os.listdir(files) == [], "all go")
    asked = [request["operation"] for request in mount.emulator.requests()]
    # One each; and one more of what was fetched early, in vain, in the moment in which it is opened.
    assert asked.count("download") <= 60 + AHEAD_FILES
    assert max(Counter(request["file_id"] for request in mount.emulator.requests("download")).values()) <= 2
    assert asked.count("list") <= 1 + asked.count("download") / 2


@pytest.mark.parametrize("end", ["umount", "kill"])
def test_what_was_learnt_while_it_was_open_is_learnt_again_after_a_remount(mount: Mount, end: str) -> None:
    made = mount.emulator.generate("a.txt", b"a" * 1000)
    files = mount.mount("--refresh", "300")
    mount.emulator.vanish(made["id"])
    mount.expects("not found|Not found|does not exist", "is in use")
    descriptor = os.open(files / "a.txt", os.O_RDONLY)
    with pytest.raises(OSError, match=r"Stale|Input"):
        os.pread(descriptor, 10, 0)
    if end == "kill":
        mount.kill()
        with contextlib.suppress(OSError):          # there is nobody to tell
            os.close(descriptor)
    else:
        os.close(descriptor)
        mount.umount()
    mount.mount()
    assert os.listdir(files) == []
