"""Manual, promises: exactly once. What became of an upload is awaited while the connection lives, else looked for, by
one listing for all that ask.
"""

import os
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from anthrofs.fuse import mountpoint
from anthrofs.upload.inquiries import INQUIRE_S
from tests.mounting import Mount, asks, state_of, stored_names, wait_until


def contents(mount: Mount) -> list[tuple[str, bytes]]:
    return sorted((stored["filename"], mount.emulator.content(stored["id"])) for stored in mount.emulator.files())


def write_all(files: Path, count: int) -> None:
    writers = [threading.Thread(target=(files / f"{number}.txt").write_text, args=(f"content {number}",)) for number in range(count)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()


# ---- patience

def test_an_upload_that_is_stored_late_is_awaited_and_status_says_since_when(mount: Mount) -> None:
    files = mount.mount("--upload", "queue")
    mount.emulator.fault("upload", {"kind": "stored_late", "seconds": 3})
    (files / "a.txt").write_text("late")
    with asks(mount, upload=1):
        wait_until(lambda: state_of(files / "a.txt").startswith("sent, waiting for the answer since "), "it is out")
        [waiting] = mount.status()["waiting"]
        assert (waiting["sent"], waiting["state"]) == (4, state_of(files / "a.txt"))
        mount.emulator.fault("upload", {"kind": "status", "status": 400})       # none comes
    mount.emulator.clear_faults()
    assert stored_names(mount) == {"a.txt": 1}


def test_status_counts_what_the_other_side_has_not_what_the_kernel_took(mount: Mount) -> None:
    files = mount.mount("--upload", "queue")
    mount.emulator.fault("upload", {"kind": "slow_body", "bytes_per_s": 1_000_000})
    (files / "big.bin").write_bytes(bytes(8 * 10**6))
    seen = set[int]()

    def is_half() -> bool:
        [waiting] = mount.status()["waiting"]
        seen.add(waiting["sent"])
        return bool(waiting["sent"] > 4 * 10**6)

    wait_until(is_half, "half of it has arrived")
    assert state_of(files / "big.bin").startswith("uploading ")
    mount.emulator.clear_faults()
    assert len(seen) > 3                # the kernel's buffers take all at once
    (files / "big.bin").unlink()
    mount.sync()
    assert stored_names(mount) == {}    # also if its last byte had just been handed over


# ---- inquiries

def test_a_lost_answer_costs_its_inquiries_for_all_that_ask_and_one_resend_each(mount: Mount) -> None:
    files = mount.mount("--refresh", "300")
    (files / "first.txt").write_text("the service is known")
    mount.emulator.fault("upload", {"kind": "late_commit", "seconds": 1000}, times=8)
    mount.emulator.forget_requests()
    write_all(files, 8)
    asked = Counter(request["operation"] for request in mount.emulator.requests())
    assert asked == {"upload": 16, "list": len(INQUIRE_S)}
    assert stored_names(mount) == {"first.txt": 1, **{f"{number}.txt": 1 for number in range(8)}}


def test_what_was_stored_is_found_by_one_listing_for_all(mount: Mount) -> None:
    files = mount.mount("--refresh", "300")
    (files / "first.txt").write_text("the service is known")
    mount.emulator.fault("upload", {"kind": "cut", "when": "after_commit"}, times=8)
    with asks(mount, upload=8, list=1):
        write_all(files, 8)
    assert stored_names(mount) == {"first.txt": 1, **{f"{number}.txt": 1 for number in range(8)}}


@pytest.mark.parametrize("first", [True, False], ids=["the first upload", "a later one"])
def test_a_lost_answer_of_a_server_that_gives_uploads_out_is_found(mount: Mount, first: bool) -> None:
    mount.emulator.switch(uploads_downloadable=True)
    files = mount.mount("--refresh", "300")
    if not first:
        (files / "first.txt").write_text("what it says of uploads is known, and after a restart, too")
        mount.remount("--refresh", "300")
    mount.emulator.fault("upload", {"kind": "cut", "when": "after_commit"})
    with asks(mount, upload=1, list=1):
        (files / "a.txt").write_text("once")
    assert stored_names(mount)["a.txt"] == 1


def test_a_cache_on_the_way_doesnt_hide_what_was_stored(mount: Mount) -> None:
    mount.emulator.switch(listing_cache_s=60, listing_lag_ms=3000)
    files = mount.mount("--refresh", "300")
    for number in range(2):
        mount.emulator.fault("upload", {"kind": "cut", "when": "after_commit"})
        with asks(mount, upload=1, list=2):             # it isn't listed yet at the first
            (files / f"{number}.txt").write_text("once")
    assert stored_names(mount) == {"0.txt": 1, "1.txt": 1}


def test_what_others_do_shows_behind_a_cache(mount: Mount) -> None:
    mount.emulator.switch(listing_cache_s=60)
    files = mount.mount()
    mount.emulator.generate("new.txt", b"x")
    wait_until(lambda: mount.refresh() and os.listdir(files) == ["new.txt"], "it shows")       # an answer's age is in whole seconds
    mount.emulator.generate("newer.txt", b"x")
    wait_until(lambda: mount.refresh() and sorted(os.listdir(files)) == ["new.txt", "newer.txt"], "so does the next one")


def test_without_dates_no_upload_costs_a_listing_and_a_lost_answer_is_found(mount: Mount) -> None:
    mount.emulator.switch(dropped_headers="date")
    mount.emulator.generate("0.txt", b"content 0", "text/plain", downloadable=False, created_at="2026-01-01T00:00:00Z")
    files = mount.mount("--refresh", "300")
    os.unlink(files / "0.txt")
    mount.sync()
    (files / "first.txt").write_text("its answer tells the server's clock")
    with asks(mount, upload=5):
        write_all(files, 5)
    mount.emulator.fault("upload", {"kind": "cut", "when": "after_commit"})
    with asks(mount, upload=1, list=1):
        (files / "a.txt").write_text("once")
    assert stored_names(mount)["a.txt"] == 1


# ---- newer content, and what turns up late

def test_inquiries_that_the_account_has_no_listings_left_for_are_few(mount: Mount) -> None:
    files = mount.mount("--refresh", "300", "--upload", "queue")
    (files / "first.txt").write_text("the service is known")
    mount.sync()
    mount.emulator.fault("upload", {"kind": "cut", "when": "after_commit"})
    mount.emulator.fault("list", {"kind": "status", "status": 429, "should_retry": False}, times=1000)
    mount.emulator.forget_requests()
    (files / "a.txt").write_text("may be there")
    wait_until(lambda: any(request["operation"] == "list" for request in mount.emulator.requests()), "it was looked for")
    (files / "b.txt").write_text("is sent meanwhile")
    wait_until(lambda: stored_names(mount)["b.txt"] == 1, "others go on")
    assert Counter(request["operation"] for request in mount.emulator.requests()) == {"upload": 2, "list": 1}
    mount.emulator.clear_faults()
    (files / "a.txt").write_text("newer")       # goes when the next inquiry, at its time, has told
    mount.sync()
    assert stored_names(mount) == {"first.txt": 1, "a.txt": 1, "b.txt": 1}


def test_newer_content_isnt_kept_waiting_for_the_old_ones_inquiries(mount: Mount) -> None:
    files = mount.mount("--refresh", "300", "--upload", "queue")
    (files / "a.txt").write_text("known")
    mount.sync()
    mount.emulator.fault("upload", {"kind": "late_commit", "seconds": 1000})
    (files / "a.txt").write_text("the old content")
    mount.emulator.wait_for_requests(2, "upload")
    with asks(mount, upload=1, delete=1, list=1):
        (files / "a.txt").write_text("the new one")
    assert contents(mount) == [("a.txt", b"the new one")]


def test_an_old_try_that_is_stored_after_all_never_passes_for_newer_content(mount: Mount) -> None:
    """Of the same size, and even when the newer one's answer is lost as well; and it doesn't take the name."""
    mount.expects("may have been stored by an earlier try", "may be of a try of ours")
    files = mount.mount("--refresh", "300", "--upload", "queue")
    (files / "first.txt").write_text("the service is known")
    mount.sync()
    mount.emulator.fault("upload", {"kind": "late_commit", "seconds": 6})
    (files / "a.txt").write_text("old content")
    mount.emulator.wait_for_requests(2, "upload")
    mount.emulator.fault("upload", {"kind": "late_commit", "seconds": 1000})
    (files / "a.txt").write_text("new content")
    wait_until(lambda: stored_names(mount)["a.txt"] == 1, "the old one is stored")
    mount.sync()
    stored = sorted((file["created_at"], mount.emulator.content(file["id"])) for file in mount.emulator.files() if file["filename"] == "a.txt")
    assert [content for _, content in stored] == [b"old content", b"new content"]
    mount.refresh()
    assert len(os.listdir(files)) == 3
    assert (files / "a.txt").read_text() == "new content"


def test_a_proxy_that_hangs_up_and_passes_the_body_on_later_stores_it_once(mount: Mount) -> None:
    mount.expects("way|proxy|502|504")
    files = mount.mount("--refresh", "300")
    (files / "first.txt").write_text("the service is known")
    mount.emulator.fault("upload", {"kind": "late_commit", "seconds": 10, "status": 504})
    mount.emulator.forget_requests()
    (files / "a.txt").write_text("once")
    asked = Counter(request["operation"] for request in mount.emulator.requests())
    assert (asked["upload"], asked["list"] <= len(INQUIRE_S) + 1) == (1, True)        # and perhaps one, whether the way is open again
    assert stored_names(mount)["a.txt"] == 1


# ---- kills in between

@pytest.mark.parametrize("label", ["step:LOST", "step:LOST+", "step:ABSENT", "step:ABSENT+"])
def test_a_kill_while_an_answer_is_looked_for_leaves_the_file_there_once(mount: Mount, label: str) -> None:
    stored = "LOST" in label
    mount.emulator.fault("upload", {"kind": "cut", "when": "after_commit"} if stored else {"kind": "status", "status": 500})
    killed = subprocess.Popen([sys.executable, "-m", "tests.crash_at", label, "1", "mount", "--foreground", "--upload", "queue", "--state-dir",
                               mount.state_dir, mount.path], env=mount.environment, cwd=Path(__file__).parents[2], stderr=subprocess.DEVNULL)
    wait_until(lambda: mountpoint.is_mounted(mount.path), "it is mounted")
    (mount.path / "a.txt").write_text("once")
    assert killed.wait(60) == -9
    subprocess.run(["fusermount3", "-u", "-z", str(mount.path)], check=True, timeout=30)

    files = mount.mount("--refresh", "300")
    mount.sync()
    assert contents(mount) == [("a.txt", b"once")]
    assert len(mount.emulator.requests("upload")) == (1 if stored else 2)
    mount.refresh()
    assert os.listdir(files) == ["a.txt"]
