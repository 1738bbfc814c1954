"""Manual, promises: what is acknowledged is never lost and never there twice, whatever the server and the machine do.
"""

import errno
import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from tests.mounting import Mount, asks, shell, stored, stored_names, wait_until

BUSY = {"kind": "status", "status": 503, "error_type": "api_error"}


# ---- the two promises of close

def test_in_wait_mode_close_returns_only_when_the_server_has_it(mount: Mount) -> None:
    files = mount.mount()
    mount.emulator.fault("upload", {"kind": "delay", "seconds": 0.5})
    (files / "a.txt").write_text("a")
    assert stored_names(mount) == {"a.txt": 1}


def test_in_queue_mode_close_returns_though_the_server_is_down(mount: Mount) -> None:
    files = mount.mount("--upload", "queue")
    mount.emulator.stop()
    mount.expects("no connection to")

    (files / "a.txt").write_text("kept")
    assert (files / "a.txt").read_text() == "kept"
    assert os.getxattr(files / "a.txt", "user.anthropic.state") == b"waiting"

    mount.emulator.start()
    mount.sync()
    assert stored(mount) == {"a.txt": b"kept"}


def test_in_wait_mode_close_fails_within_seconds_while_the_server_is_down_and_the_bytes_are_sent_later(mount: Mount) -> None:
    files = mount.mount()
    mount.emulator.stop()
    mount.expects("no connection to", "stays queued")

    with pytest.raises(OSError) as raised:
        (files / "a.txt").write_text("kept")
    assert raised.value.errno == errno.ENETUNREACH
    assert (files / "a.txt").read_text() == "kept"

    mount.emulator.start()
    mount.sync()
    assert stored(mount) == {"a.txt": b"kept"}


def test_what_was_queued_is_sent_after_a_kill_and_a_remount(mount: Mount) -> None:
    files = mount.mount("--upload", "queue")
    mount.emulator.fault("upload", BUSY, times=-1)
    for number in range(5):
        (files / f"{number}.txt").write_text(f"content {number}")
    mount.kill()
    mount.emulator.clear_faults()

    mount.mount("--upload", "queue")
    assert {name: (files / name).read_text() for name in os.listdir(files)} == {f"{n}.txt": f"content {n}" for n in range(5)}
    mount.sync()
    assert stored(mount) == {f"{n}.txt": f"content {n}".encode() for n in range(5)}


def test_fsync_is_a_promise_too(mount: Mount) -> None:
    files = mount.mount()
    note = (files / "a.txt").open("w")
    note.write("synced")
    note.flush()
    with asks(mount):
        os.fsync(note.fileno())
    mount.kill()
    with pytest.raises(OSError):        # the mount it was opened on is gone
        note.close()

    mount.mount()
    mount.sync()
    assert stored(mount) == {"a.txt": b"synced"}


def test_a_close_after_an_fsync_while_the_older_content_is_sent_brings_the_newest_to_the_server(mount: Mount) -> None:
    files = mount.mount("--upload", "queue")
    mount.emulator.fault("upload", {"kind": "delay", "seconds": 1.5})
    (files / "a.txt").write_text("one ")
    wait_until(lambda: stored_names(mount), "the server has the first")
    with (files / "a.txt").open("a") as note:
        note.write("two ")
        note.flush()
        os.fsync(note.fileno())
        wait_until(lambda: mount.status()["waiting"] == [], "the first upload has ended")
        assert stored_names(mount) == {"a.txt": 1}
        note.write("three")
    mount.sync()
    assert stored(mount) == {"a.txt": b"one two three"}


def test_what_was_written_after_the_last_fsync_is_shown_as_it_is_sent_after_a_kill(mount: Mount) -> None:
    files = mount.mount()
    note = (files / "a.txt").open("w")
    note.write("synced ")
    note.flush()
    os.fsync(note.fileno())
    note.write("and more")
    note.flush()
    mount.kill()
    with pytest.raises(OSError):
        note.close()
    mount.mount()
    mount.sync()
    assert stored(mount) == {"a.txt": b"synced and more"}
    assert (files / "a.txt").read_text() == "synced and more"


def test_many_writers_of_one_file_are_never_told_of_an_error(mount: Mount) -> None:
    files = mount.mount("--upload", "queue")
    done = shell("for i in 1 2 3 4 5 6; do (for j in $(seq 60); do echo x >> f || echo failed; done) & done; wait", files)
    assert (done.stdout, done.stderr) == ("", "")
    mount.sync()
    assert list(stored(mount)) == ["f"]
    assert mount.emulator.content(mount.emulator.files()[0]["id"]) == (files / "f").read_bytes()


def test_saves_that_overtake_the_release_of_the_one_before_leave_nothing_behind(mount: Mount) -> None:
    """An open and a close that come while the last release of the file is made durable are promised by their own release."""
    files = mount.mount("--upload", "queue")
    for _ in range(100):
        (files / "a.txt").open("w").close()
    mount.sync()
    wait_until(lambda: mount.status()["open"] == [], "the last release has come")
    mount.sync()
    assert os.listdir(mount.state_dir / "staging") == []


def test_what_was_being_written_when_the_program_was_killed_is_not_shown_as_a_file(mount: Mount) -> None:
    files = mount.mount()
    note = (files / "half.txt").open("w")
    note.write("half of a sen")
    note.flush()
    mount.kill()
    with pytest.raises(OSError):
        note.close()
    mount.expects("half.txt' was being written")
    mount.leaves("belongs to nothing")          # its bytes: check tells, nothing removes them

    mount.mount()
    assert os.listdir(files) == []
    mount.sync()
    assert mount.emulator.files() == []


# ---- exactly once

def test_a_lost_answer_is_found_though_the_listing_lags(mount: Mount) -> None:
    files = mount.mount()
    mount.emulator.switch(listing_lag_ms=2000)
    mount.emulator.fault("upload", {"kind": "cut", "when": "after_commit"})
    (files / "a.txt").write_text("exactly once")
    assert stored_names(mount) == {"a.txt": 1}


def test_an_upload_under_way_when_the_program_was_killed_is_there_once(mount: Mount) -> None:
    files = mount.mount("--upload", "queue")
    mount.emulator.fault("upload", {"kind": "delay", "seconds": 30})
    (files / "a.txt").write_text("exactly once")
    wait_until(lambda: stored_names(mount), "the server has it, though it hasn't answered")
    mount.kill()
    mount.emulator.clear_faults()

    mount.mount("--upload", "queue")
    mount.sync()
    assert stored_names(mount) == {"a.txt": 1}
    assert (files / "a.txt").read_text() == "exactly once"


def test_a_file_of_the_same_name_and_size_from_elsewhere_is_not_taken_for_ours(mount: Mount) -> None:
    mount.emulator.generate("a.txt", b"their bytes!", "text/plain", downloadable=False)
    files = mount.mount()
    mount.emulator.fault("upload", {"kind": "cut", "when": "before_commit"})
    [theirs] = os.listdir(files)
    os.unlink(files / theirs)
    (files / "a.txt").write_text("our bytes..!")
    mount.sync()
    assert stored(mount) == {"a.txt": b"our bytes..!"}


def test_a_listing_doesnt_show_an_upload_twice_while_its_answer_is_late(mount: Mount) -> None:
    files = mount.mount("--upload", "queue")
    mount.emulator.fault("upload", {"kind": "delay", "seconds": 3})
    (files / "a.txt").write_text("once")
    wait_until(lambda: stored_names(mount), "the server has it")
    mount.ok("refresh", files)
    assert os.listdir(files) == ["a.txt"]
    mount.sync()
    mount.ok("refresh", files)
    assert os.listdir(files) == ["a.txt"]


# ---- refusals

@pytest.mark.parametrize(("action", "code"), [
    ({"kind": "status", "status": 400, "error_type": "invalid_request_error", "message": "no such thing"}, errno.EIO),
    ({"kind": "status", "status": 413, "error_type": "request_too_large", "message": "too big"}, errno.EFBIG),
])
def test_a_refused_file_is_kept_named_and_can_be_sent_again(mount: Mount, action: dict, code: int) -> None:
    files = mount.mount()
    mount.emulator.fault("upload", action)
    mount.expects("was refused")

    with pytest.raises(OSError) as raised:
        (files / "a.txt").write_text("precious")

    assert raised.value.errno == code
    assert (files / "a.txt").read_text() == "precious"
    [failed] = mount.status()["failed"]
    assert failed["path"] == "a.txt"
    assert action.get("message", "")[:9] in failed["reason"]
    assert "request id req_" in failed["reason"]
    assert os.getxattr(files / "a.txt", "user.anthropic.state").decode().startswith("failed: ")
    done = mount.run("sync", files)
    assert (done.returncode, "Refused, kept on this machine, and not sent again by itself" in done.stderr) == (5, True)
    assert "Not on the server yet" not in done.stderr
    retried = mount.ok("retry", files / "a.txt")
    assert retried == f"a.txt is on the server: {mount.ok('id', files / 'a.txt')}"
    assert stored(mount) == {"a.txt": b"precious"}


def test_a_refused_overwrite_leaves_the_old_file_on_the_server(mount: Mount) -> None:
    files = mount.mount()
    (files / "a.txt").write_text("old")
    mount.emulator.switch(quota_bytes=4)
    mount.expects("uploads are refused")
    with pytest.raises(OSError, match=os.strerror(errno.EDQUOT)):
        (files / "a.txt").write_text("new, too big")
    assert stored(mount) == {"a.txt": b"old"}
    assert (files / "a.txt").read_text() == "new, too big"
    mount.emulator.switch(quota_bytes=10**12)
    mount.ok("retry", files)
    mount.sync()
    assert stored(mount) == {"a.txt": b"new, too big"}


def test_removing_a_refused_file_gives_it_up(mount: Mount) -> None:
    files = mount.mount()
    mount.emulator.fault("upload", {"kind": "status", "status": 400})
    mount.expects("was refused")
    with pytest.raises(OSError):
        (files / "a.txt").write_text("precious")
    with asks(mount):
        (files / "a.txt").unlink()
    assert mount.status()["failed"] == []


def test_a_byte_too_many_is_refused_when_it_is_written(mount: Mount) -> None:
    files = mount.mount()
    with (files / "big.bin").open("wb", buffering=0) as big:
        big.truncate(500 * 2**20 - 1)
        big.seek(500 * 2**20 - 1)
        assert big.write(b"x") == 1
        with pytest.raises(OSError) as raised:
            big.write(b"y")
        assert raised.value.errno == errno.EFBIG
        big.truncate(3)
    mount.expects("takes files up to")
    assert {stored["filename"]: stored["size_bytes"] for stored in mount.emulator.files()} == {"big.bin": 3}


# ---- deletions

def test_a_file_removed_while_it_is_sent_is_gone_in_the_end(mount: Mount) -> None:
    files = mount.mount("--upload", "queue")
    mount.emulator.fault("upload", {"kind": "delay", "seconds": 1})
    (files / "a.txt").write_text("never mind")
    wait_until(lambda: stored_names(mount), "the server has it")
    (files / "a.txt").unlink()
    assert os.listdir(files) == []
    mount.sync()
    assert mount.emulator.files() == []


def test_a_file_replaced_while_it_is_sent_is_there_once_in_its_last_state(mount: Mount) -> None:
    files = mount.mount("--upload", "queue")
    mount.emulator.fault("upload", {"kind": "delay", "seconds": 1})
    (files / "a.txt").write_text("one")
    wait_until(lambda: stored_names(mount), "the server has the first")
    (files / "a.txt").write_text("two")
    (files / "a.txt").write_text("three")
    assert (files / "a.txt").read_text() == "three"
    mount.sync()
    assert stored(mount) == {"a.txt": b"three"}
    assert stored_names(mount) == {"a.txt": 1}


def test_a_deletion_is_told_to_the_server_after_a_kill(mount: Mount) -> None:
    mount.emulator.generate("a.txt", b"a")
    files = mount.mount()
    mount.emulator.fault("delete", BUSY, times=-1)
    mount.expects("could not be deleted")
    (files / "a.txt").unlink()
    mount.kill()
    mount.emulator.clear_faults()

    mount.mount()
    assert os.listdir(files) == []
    mount.sync()
    assert mount.emulator.files() == []


def test_a_deleted_file_that_listings_still_show_doesnt_come_back(mount: Mount) -> None:
    mount.emulator.switch(deletion_lag_ms=60_000)
    mount.emulator.generate("a.txt", b"a")
    files = mount.mount()
    (files / "a.txt").unlink()
    mount.sync()
    mount.ok("refresh", files)
    assert os.listdir(files) == []


def test_a_file_that_somebody_else_deleted_goes_at_the_next_refresh(mount: Mount) -> None:
    made = mount.emulator.generate("a.txt", b"a")
    mount.emulator.generate("b.txt", b"b")
    files = mount.mount()
    mount.emulator.vanish(made["id"])
    mount.ok("refresh", files)
    assert os.listdir(files) == ["b.txt"]
    with pytest.raises(FileNotFoundError):
        (files / "a.txt").read_bytes()


def test_an_id_that_is_gone_when_we_delete_it_is_no_error(mount: Mount) -> None:
    made = mount.emulator.generate("a.txt", b"a")
    files = mount.mount()
    mount.emulator.vanish(made["id"])
    (files / "a.txt").unlink()
    mount.sync()
    assert mount.status()["deletions"] == []


# ---- waits that end

def test_close_gives_up_without_progress_and_the_bytes_are_sent_later(mount: Mount) -> None:
    files = mount.mount("--close-timeout", "1")
    mount.emulator.fault("upload", {"kind": "delay", "seconds": 4})
    mount.expects("no progress for 1 s")
    with pytest.raises(OSError) as raised:
        (files / "a.txt").write_text("kept")
    assert raised.value.errno == errno.ETIMEDOUT
    mount.sync()
    assert stored(mount) == {"a.txt": b"kept"}


def test_a_waiting_close_freezes_nothing_else(mount: Mount) -> None:
    files = mount.mount()
    (files / "b.txt").write_text("b")
    mount.emulator.fault({"operation": "upload", "filename": "slow.txt"}, {"kind": "delay", "seconds": 5})
    slow = threading.Thread(target=lambda: (files / "slow.txt").write_text("slow"))
    slow.start()
    wait_until(lambda: mount.emulator.requests("upload")[1:], "the upload has begun")

    assert sorted(os.listdir(files)) == ["b.txt", "slow.txt"]
    assert (files / "b.txt").read_text() == "b"
    (files / "c.txt").write_text("c")
    (files / "c.txt").unlink()
    assert slow.is_alive()
    slow.join()
    mount.sync()
    assert stored_names(mount) == {"b.txt": 1, "slow.txt": 1}


# ---- unmounting

def test_umount_sends_what_is_queued(mount: Mount) -> None:
    files = mount.mount("--upload", "queue")
    mount.emulator.fault("upload", {"kind": "delay", "seconds": 0.5}, times=5)
    for number in range(5):
        (files / f"{number}.txt").write_text("x")
    mount.ok("umount", files)
    assert stored_names(mount) == {f"{number}.txt": 1 for number in range(5)}


def test_umount_names_what_is_left_after_its_bound_and_a_remount_sends_it(mount: Mount) -> None:
    files = mount.mount("--upload", "queue")
    mount.emulator.fault("upload", BUSY, times=-1)
    (files / "stuck.txt").write_text("x")
    done = mount.run("umount", "--timeout", "1", files)
    assert (done.returncode, f"{files} is unmounted" in done.stderr, "stuck.txt: waiting" in done.stderr) == (5, True, True), done.stderr
    mount.wait_for_end()
    mount.expects("not on the server yet, kept for the next mount: stuck.txt")
    mount.emulator.clear_faults()
    mount.mount()
    mount.sync()
    assert stored_names(mount) == {"stuck.txt": 1}


def test_umount_of_a_mount_in_use_says_so_and_it_goes_on(mount: Mount) -> None:
    files = mount.mount()
    with (files / "a.txt").open("w") as open_file:
        done = mount.run("umount", files)
        assert (done.returncode, "is in use" in done.stderr) == (6, True), done.stderr
        open_file.write("still works")
    assert stored(mount) == {"a.txt": b"still works"}


def test_sigterm_sends_what_is_queued_and_unmounts(mount: Mount) -> None:
    files = mount.mount("--upload", "queue")
    mount.emulator.fault("upload", {"kind": "delay", "seconds": 1})
    (files / "a.txt").write_text("x")
    os.kill(mount.pid(), signal.SIGTERM)
    mount.wait_for_end()
    assert stored_names(mount) == {"a.txt": 1}
    assert os.listdir(files) == []


def test_a_plain_fusermount_sends_what_is_queued(mount: Mount) -> None:
    files = mount.mount("--upload", "queue")
    mount.emulator.fault("upload", {"kind": "delay", "seconds": 1})
    (files / "a.txt").write_text("x")
    subprocess.run(["fusermount3", "-u", files], check=True)
    mount.wait_for_end()
    assert stored_names(mount) == {"a.txt": 1}


def test_sigterm_ends_also_while_a_file_is_open(mount: Mount, tmp_path: Path) -> None:
    files = mount.mount()
    (files / "a.txt").write_text("x")
    with (files / "a.txt").open() as opened:
        reader = subprocess.Popen(["sleep", "60"], stdin=opened)
    try:
        os.kill(mount.pid(), signal.SIGTERM)
        mount.wait_for_end()
        mount.expects("is in use")
    finally:
        reader.kill()
        reader.wait()


# ---- nothing is sent that isn't needed

def test_create_and_delete_before_it_was_sent_costs_nothing(mount: Mount) -> None:
    files = mount.mount("--upload", "queue")
    mount.emulator.fault("upload", {"kind": "delay", "seconds": 1}, times=4)
    blockers = [files / f"blocker{number}" for number in range(4)]
    for blocker in blockers:            # all four uploading threads are busy
        blocker.write_text("x")
    wait_until(lambda: len(mount.emulator.requests("upload")) == 4, "they are")
    (files / "temp.txt").write_text("x")
    (files / "temp.txt").unlink()
    mount.sync()
    assert [request.get("filename") for request in mount.emulator.requests("upload")].count("temp.txt") == 0
    assert stored_names(mount) == {blocker.name: 1 for blocker in blockers}
