"""The order of sending: neither big files nor small ones keep the others waiting, and a temporary file costs nothing."""

import os
import signal
import threading
import time

import pytest

from anthrofs.tree.upload_queue import BIG_BYTES
from anthrofs.upload.holdoffs import HOLD_S
from anthrofs.upload.send_order import BIG_THREADS, THREADS
from tests.mounting import Mount, asks, wait_until


def uploads(mount: Mount) -> list[str]:
    """Names, in the order in which they were begun."""
    return [request["filename"] for request in mount.emulator.requests("upload") if request["filename"]]


def test_a_small_file_goes_at_once_while_big_ones_are_sent(mount: Mount) -> None:
    files = mount.mount()
    mount.emulator.fault("upload", {"kind": "slow_body", "bytes_per_s": 500_000}, times=4)
    writers = [threading.Thread(target=(files / f"big{number}.bin").write_bytes, args=(bytes(BIG_BYTES),)) for number in range(4)]
    for writer in writers:
        writer.start()
    wait_until(lambda: len(uploads(mount)) == BIG_THREADS, "big files are being sent")
    mount.emulator.clear_faults()

    (files / "small.txt").write_text("small")

    assert [file["filename"] for file in mount.emulator.files()] == ["small.txt"]
    assert all(writer.is_alive() for writer in writers)
    for number in range(4):                             # a close ends when its file is removed
        (files / f"big{number}.bin").unlink()
    for writer in writers:
        writer.join()


def test_a_renamed_folder_of_big_files_is_sent_under_its_new_name(mount: Mount) -> None:
    files = mount.mount("--upload", "queue")
    (files / "old").mkdir()
    for number in range(5):
        with (files / "old" / f"{number}.bin").open("wb") as file:
            file.truncate(BIG_BYTES)
    mount.sync()

    (files / "old").rename(files / "new")

    mount.sync()
    assert sorted(file["filename"] for file in mount.emulator.files()) == [f"new\uff0f{number}.bin" for number in range(5)]


def test_a_big_file_is_sent_while_many_small_ones_wait(mount: Mount) -> None:
    mount.expects("no connection to", "listing could not be refreshed")
    files = mount.mount("--upload", "queue")
    mount.emulator.stop()
    for number in range(30):
        (files / f"{number}.txt").write_text("x")
    (files / "big.bin").write_bytes(bytes(BIG_BYTES))
    mount.emulator.start()
    mount.sync()
    assert uploads(mount).index("big.bin") < 2 * THREADS
    assert len(mount.emulator.files()) == 31


def test_a_temporary_file_with_any_name_costs_nothing(mount: Mount) -> None:
    """Manual, promises: 'a new file a second later, so that a temporary one … costs nothing'."""
    files = mount.mount("--upload", "queue")
    with asks(mount):
        (files / "scratch-8Jk2").write_text("x")
        (files / "scratch-8Jk2").unlink()
    with asks(mount, upload=1):
        (files / "report-9sQx").write_text("report")
        (files / "report-9sQx").rename(files / "report.txt")
    assert [file["filename"] for file in mount.emulator.files()] == ["report.txt"]


def test_a_new_file_is_sent_a_second_later_and_an_old_one_at_once(mount: Mount) -> None:
    files = mount.mount("--upload", "queue")
    began_s = time.time()
    (files / "a.txt").write_text("new")
    [first] = mount.emulator.wait_for_requests(1, "upload")
    assert first["started"] - began_s >= HOLD_S
    assert min(_seconds_until_sent(mount, number) for number in range(3)) < HOLD_S / 2


def _seconds_until_sent(mount: Mount, number: int) -> float:
    mount.sync()
    mount.emulator.forget_requests()
    began_s = time.time()
    (mount.path / "a.txt").write_text(f"save {number}")
    return float(mount.emulator.wait_for_requests(1, "upload")[0]["started"]) - began_s


def test_a_batch_of_new_files_begins_to_be_sent_at_once(mount: Mount) -> None:
    files = mount.mount("--upload", "queue")
    began_s = time.time()
    for number in range(50):
        (files / f"{number:02}.txt").write_text("x")
    sent = mount.emulator.wait_for_requests(45, "upload")
    assert sent[0]["started"] - began_s < HOLD_S
    mount.sync()
    assert len(mount.emulator.files()) == 50


@pytest.mark.parametrize("ends", ["sync", "sigterm"])
def test_who_waits_for_the_queue_never_waits_for_a_hold_off(mount: Mount, ends: str) -> None:
    def seconds(number: int) -> float:
        files = mount.mount("--upload", "queue")
        mount.emulator.forget_requests()
        began_s = time.time()
        (files / f"{number}.txt").write_text("x")
        if ends == "sync":
            mount.umount()                  # its first step
        else:
            os.kill(mount.pid(), signal.SIGTERM)
            mount.wait_for_end()
        [sent] = mount.emulator.requests("upload")
        return float(sent["started"]) - began_s

    assert min(seconds(number) for number in range(3)) < HOLD_S / 2     # a busy machine may stop one of the tries for as long


def test_in_wait_mode_nothing_is_held_off(mount: Mount) -> None:
    files = mount.mount()
    took_s = []
    for number in range(3):
        began_s = time.monotonic()
        (files / f"{number}.txt").write_text("x")
        took_s.append(time.monotonic() - began_s)
    assert min(took_s) < HOLD_S / 2
