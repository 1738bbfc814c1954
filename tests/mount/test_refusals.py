"""Every bad answer to an upload or a deletion: the right errno at close, the bytes kept, the reason shown, once on the server in the end."""

import errno
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.mounting import Mount, asks, state_of, stored_counted, wait_until

Action = dict[str, Any]
# SIGINT as at a terminal: whatever a shell starts with `&` ignores it, and so would this.
WRITER = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
file = open(sys.argv[1], "w")
file.write("x" * int(sys.argv[2]))
file.flush()
print("written", flush=True)
file.close()
print("closed")
"""


def write(path: Path, content: str) -> int | None:
    """The errno of a save; None: there was none."""
    try:
        path.write_text(content)
    except OSError as exc:
        return exc.errno
    return None


def together(calls: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def status(code: int, **more: object) -> Action:
    return {"kind": "status", "status": code, "message": "scripted words", **more}


# ---- what may pass, and what is surely refused

# (answer, how often, errno at close: None, it is waited for)
ANSWERS: dict[str, tuple[Action, int, int | None]] = {
    "500 twice": (status(500), 2, None),
    "500 although it was stored": ({"kind": "status_after_commit", "status": 500}, 1, None),
    "503 three times": (status(503), 3, None),
    "529 three times": (status(529), 3, None),
    "408": (status(408), 1, None),
    "409": (status(409), 1, None),
    "half of an answer": ({"kind": "garbage_json"}, 1, None),
    "an answer without an id": ({"kind": "raw_json", "body": {"type": "file"}}, 1, None),
    "cut before it was read": ({"kind": "cut", "when": "before_body"}, 1, None),
    "cut while it came": ({"kind": "cut_body", "after_bytes": 5}, 1, None),
    "cut before it was stored": ({"kind": "cut", "when": "before_commit"}, 1, None),
    "cut after it was stored": ({"kind": "cut", "when": "after_commit"}, 1, None),
    "stored after the cut": ({"kind": "late_commit", "seconds": 2}, 1, None),
    "an answer that comes late": ({"kind": "delay", "seconds": 4}, 1, None),
    "400": (status(400), 1, errno.EIO),
    "404": (status(404), 1, errno.EIO),
    "413": (status(413), 1, errno.EFBIG),
    "422": (status(422), 1, errno.EIO),
    "413 of a proxy": ({"kind": "html", "status": 413}, 1, errno.EFBIG),
    "403, to be asked again": (status(403, should_retry=True), 2, None),
    "413, to be asked again": (status(413, should_retry=True), 2, None),
}
# Of the account, or of the way there: two in a row would stop all saves for a while, so each comes alone.
PASSING: dict[str, Action] = {
    "a login page": {"kind": "html", "status": 200},
    "a proxy's refusal": {"kind": "html", "status": 403},
    "a proxy's bad gateway": {"kind": "html", "status": 502},
    "a gateway's timeout after it was stored": {"kind": "status_after_commit", "status": 504},
    "401": status(401, error_type="authentication_error"),
    "403": status(403, error_type="permission_error"),
    "quota": status(400, error_code="storage_quota_exceeded"),
    "quota, as it was once": status(403, error_code="storage_quota_exceeded"),
    "on hold": {"kind": "account", "answer": "on_hold"},
    "429, not to be asked again": status(429, should_retry=False),
    "a gateway's JSON": {"kind": "gateway", "status": 403, "form": "litellm"},
    "a limiter's page": {"kind": "gateway", "status": 503, "retry_after": 1},
}


def test_a_bad_answer_is_waited_for_or_said_and_the_file_is_there_once_in_the_end(mount: Mount) -> None:
    """All at once: a lost answer is looked for during 20 s."""
    files = mount.mount()
    mount.expects("was refused")
    for name, (action, times, _) in ANSWERS.items():
        mount.emulator.fault({"operation": "upload", "filename": name}, action, times=times)
    said: dict[str, int | None] = {}
    together([lambda name=name: said.__setitem__(name, write(files / name, f"content of {name}")) for name in ANSWERS])     # type: ignore[misc]

    assert said == {name: code for name, (_, _, code) in ANSWERS.items()}
    refused = {name for name, code in said.items() if code is not None}
    assert {name: (files / name).read_text() for name in ANSWERS} == {name: f"content of {name}" for name in ANSWERS}
    found = mount.status()
    assert found["waiting"] == []
    reasons = {entry["path"]: entry["reason"] for entry in found["failed"]}
    assert set(reasons) == refused
    for name in refused:
        assert re.search(r"request id req_\w+|HTTP 413 .*proxy.*request id", reasons[name]), reasons[name]
        assert "proxy" in name or "scripted words" in reasons[name]
        assert state_of(mount.path / name) == f"failed: {reasons[name]}"
        assert f"{name}: {reasons[name]}" in mount.ok("status", files)
    assert all(state_of(mount.path / name) == "remote" for name in ANSWERS if name not in refused)
    assert stored_counted(mount) == Counter((name, f"content of {name}".encode()) for name in ANSWERS if name not in refused)

    assert mount.ok("retry", files).count("is on the server: file_") == len(refused)
    mount.sync()
    assert stored_counted(mount) == Counter((name, f"content of {name}".encode()) for name in ANSWERS)
    mount.refresh()
    assert sorted(os.listdir(files)) == sorted(ANSWERS)


@pytest.mark.parametrize("name", PASSING)
def test_one_answer_that_says_nothing_of_the_file_is_asked_again_and_the_file_is_there_once(mount: Mount, name: str) -> None:
    files = mount.mount()
    mount.emulator.fault({"operation": "upload", "filename": name}, PASSING[name])
    assert write(files / name, "content") is None
    assert state_of(mount.path / name) == "remote"
    assert stored_counted(mount) == Counter([(name, b"content")])


@pytest.mark.parametrize("more", [{}, {"retry_after": 1}, {"retry_after_ms": 300}], ids=str)
def test_a_429_is_waited_for_and_never_shown_as_an_error(mount: Mount, more: Action) -> None:
    files = mount.mount()
    mount.emulator.fault("upload", status(429, **more), times=2)
    with asks(mount, upload=3):
        assert write(files / "a.txt", "a") is None
    assert stored_counted(mount) == {("a.txt", b"a"): 1}


def test_a_file_that_the_server_finds_too_large_while_it_comes_is_refused(mount: Mount) -> None:
    """It answers and hangs up before it has read everything."""
    mount.emulator.switch(max_file_bytes=1_000_000)
    mount.expects("was refused")
    files = mount.mount()
    assert write(files / "a.bin", "x" * 30_000_000) == errno.EFBIG
    assert state_of(mount.path / "a.bin").startswith("failed: ")
    with asks(mount, upload=1):
        os.truncate(files / "a.bin", 1000)
    assert stored_counted(mount) == {("a.bin", b"x" * 1000): 1}


def test_what_was_refused_stays_so_over_a_remount(mount: Mount) -> None:
    files = mount.mount("--upload", "queue")
    mount.expects("was refused", "not on the server yet")
    mount.emulator.fault({"operation": "upload", "filename": "bad.txt"}, status(400), times=-1)
    (files / "bad.txt").write_text("precious")
    mount.sync()
    mount.emulator.forget_requests()
    assert mount.run("umount", files).returncode == 5
    mount.mount("--upload", "queue")
    mount.sync()
    assert mount.emulator.requests("upload") == []
    [failed] = mount.status()["failed"]
    assert (failed["path"], "scripted words" in failed["reason"]) == ("bad.txt", True)
    (files / "bad.txt").rename(files / "good.txt")      # its name may have been the reason
    mount.sync()
    assert stored_counted(mount) == {("good.txt", b"precious"): 1}


# ---- names

def test_every_character_that_the_api_forbids_is_sent_and_comes_back(mount: Mount) -> None:
    files = mount.mount("--upload", "queue")
    names = [f"a{character}b" for character in '<>:"|?*\\' + "".join(map(chr, range(1, 0x20))) + "\x7f"]
    names += ["🎈" * 63 + ".md", "e\u0301", "\u00e9", "x" * 255, "\u0301", " ", "trailing.", "-rf", "NUL"]
    for name in names:
        (files / name).write_text(name)
    mount.sync()
    assert len(mount.emulator.files()) == len(names)
    assert not any(re.search(r'[<>:"|?*\\/\x00-\x1f]', file["filename"]) for file in mount.emulator.files())
    mount.umount()
    (mount.state_dir / "state.db").unlink()
    mount.mount()
    assert sorted(os.listdir(files)) == sorted(names)


@pytest.mark.parametrize(("name", "code"), [
    (b"x" * 256, errno.ENAMETOOLONG), ("🎈".encode() * 64, errno.ENAMETOOLONG), (b"caf\xe9", errno.EINVAL), (b"\xff\xfe", errno.EINVAL),
    (b"\xed\xa0\x80", errno.EINVAL)])
def test_a_name_that_cant_be_sent_is_refused_at_once(mount: Mount, name: bytes, code: int) -> None:
    mount.expects("has more than 255 bytes")
    files = os.fsencode(mount.mount())
    (mount.path / "a.txt").write_text("a")
    with asks(mount):
        with pytest.raises(OSError) as raised:
            os.close(os.open(files + b"/" + name, os.O_WRONLY | os.O_CREAT))
        assert raised.value.errno == code
        with pytest.raises(OSError) as raised:
            os.rename(files + b"/a.txt", files + b"/" + name)
        assert raised.value.errno == code
    assert os.listdir(files) == [b"a.txt"]


# ---- how a wait in close ends

def writer(mount: Mount, name: str, size: int) -> "subprocess.Popen[str]":
    """A program that waits in close; its upload has begun."""
    before = len(mount.emulator.requests("upload"))
    process = subprocess.Popen([sys.executable, "-c", WRITER, mount.path / name, str(size)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "written\n"
    wait_until(lambda: len(mount.emulator.requests("upload")) > before, "the upload has begun")
    return process


def test_a_wait_ends_when_newer_content_has_replaced_it(mount: Mount) -> None:
    files = mount.mount()
    mount.emulator.fault("upload", {"kind": "slow_body", "bytes_per_s": 1_000_000})
    first = writer(mount, "a.txt", 20_000_000)
    (files / "a.txt").write_text("new")                 # this close waits, too
    assert "closed" in first.communicate(timeout=10)[0]         # half of what the upload would take
    assert stored_counted(mount) == {("a.txt", b"new"): 1}


def test_a_wait_ends_when_the_file_is_removed(mount: Mount) -> None:
    files = mount.mount()
    mount.emulator.fault("upload", {"kind": "slow_body", "bytes_per_s": 1_000_000})
    waiting = writer(mount, "a.txt", 20_000_000)
    (files / "a.txt").unlink()
    assert "closed" in waiting.communicate(timeout=10)[0]       # half of what the upload would take
    mount.sync()
    assert mount.emulator.files() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_program_that_waits_in_close_ends_within_half_a_second_of_a_signal(mount: Mount, number: signal.Signals) -> None:
    mount.mount()
    mount.emulator.fault("upload", {"kind": "delay", "seconds": 2}, times=-1)
    took_s = []
    waiting = [writer(mount, f"{each}.txt", 4) for each in range(2)]
    for process in waiting:
        began_s = time.monotonic()
        process.send_signal(number)
        assert "closed" not in process.communicate(timeout=10)[0]
        took_s.append(time.monotonic() - began_s)
    assert min(took_s) < 0.5                # a busy machine may stop some of them for as long
    mount.sync()
    assert stored_counted(mount) == {(f"{each}.txt", b"xxxx"): 1 for each in range(2)}


def test_a_wait_ends_when_the_mount_does_and_the_next_one_sends_it(mount: Mount) -> None:
    mount.expects("is in use", "not on the server yet", "the mount is ending")
    mount.mount()
    pid = mount.pid()
    mount.emulator.fault("upload", status(503), times=-1)
    waiting = writer(mount, "a.txt", 4)
    for _ in range(2):                                  # the second one: without waiting for what is queued
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not os.path.ismount(mount.path), "it is detached")
    said, words = waiting.communicate(timeout=30)
    assert ("closed" in said, "OSError" in words) == (False, True), words
    mount.wait_for_end(pid)
    mount.emulator.clear_faults()
    mount.mount()
    mount.sync()
    assert stored_counted(mount) == {("a.txt", b"xxxx"): 1}


# ---- lost answers that could be several files'

def test_two_equal_uploads_of_our_own_with_lost_answers_lose_nothing(mount: Mount) -> None:
    files = mount.mount("--upload", "queue")
    mount.expects("may have been stored by an earlier try", "may be of a try of ours")
    mount.emulator.fault("upload", {"kind": "cut", "when": "after_commit"}, times=2)
    (files / "a.txt").write_text("one")
    wait_until(lambda: len(mount.emulator.files()) == 1, "the server has the first")
    (files / "a.txt").unlink()
    (files / "a.txt").write_text("two")
    mount.sync()
    assert (files / "a.txt").read_text() == "two"
    assert stored_counted(mount)["a.txt", b"two"] >= 1          # a duplicate is better than a loss
    mount.refresh()
    assert (files / "a.txt").read_text() == "two"
    theirs = os.getxattr(files / "a.txt", "user.anthropic.file_id").decode()
    assert mount.emulator.content(theirs) == b"two"


def test_somebody_elses_equal_file_is_neither_taken_for_ours_nor_removed(mount: Mount) -> None:
    files = mount.mount()
    mount.expects("may have been stored by an earlier try")
    mount.emulator.fault("upload", {"kind": "cut", "when": "after_commit"})
    saving = threading.Thread(target=(files / "a.txt").write_text, args=("ours",))
    saving.start()
    wait_until(mount.emulator.files, "the server has ours")
    foreign = mount.emulator.generate("a.txt", b"them", "text/plain", downloadable=False)
    saving.join()
    mount.sync()
    mine = os.getxattr(files / "a.txt", "user.anthropic.file_id").decode()
    assert mount.emulator.content(mine) == b"ours" == (files / "a.txt").read_bytes()
    assert foreign["id"] in {file["id"] for file in mount.emulator.files()}
    (files / "a.txt").unlink()
    mount.sync()
    assert foreign["id"] in {file["id"] for file in mount.emulator.files()}


@pytest.mark.parametrize("stored_ours", [True, False])
def test_a_file_that_was_removed_before_its_lost_answer_was_found_is_left_on_the_server(mount: Mount, stored_ours: bool) -> None:
    """It may be somebody else's, of the same name, size and type: one that comes back is better than a loss."""
    mount.expects("perhaps by somebody else", "could not be refreshed")
    files = mount.mount("--upload", "queue")
    mount.emulator.fault("upload", {"kind": "cut", "when": "after_commit" if stored_ours else "before_commit"})
    mount.emulator.fault("list", status(503), times=-1)         # nothing is found before it is removed
    (files / "a.txt").write_text("ours")
    mount.emulator.wait_for_requests(1, "upload")
    (files / "a.txt").unlink()
    mount.emulator.clear_faults()
    if not stored_ours:
        mount.emulator.generate("a.txt", b"them", "text/plain", downloadable=False)
    mount.sync()
    [left] = mount.emulator.files()
    assert mount.emulator.content(left["id"]) == (b"ours" if stored_ours else b"them")
    assert os.listdir(mount.state_dir / "kept") == os.listdir(mount.state_dir / "staging") == []
    mount.refresh()
    assert os.listdir(files) == ["a.txt"]
    with asks(mount, delete=1):
        (files / "a.txt").unlink()


def test_what_was_renamed_back_before_its_lost_answer_was_found_is_left_too(mount: Mount) -> None:
    mount.expects("perhaps by somebody else", "could not be refreshed")
    files = mount.mount()
    (files / "a.txt").write_text("ours")
    mount.emulator.fault("upload", {"kind": "cut", "when": "before_commit"})
    mount.emulator.fault("list", status(503), times=-1)
    (files / "a.txt").rename(files / "b.txt")
    mount.emulator.wait_for_requests(2, "upload")
    (files / "b.txt").rename(files / "a.txt")
    mount.emulator.clear_faults()
    foreign = mount.emulator.generate("b.txt", b"them", "text/plain", downloadable=False)
    mount.sync()
    mount.refresh()
    assert sorted(os.listdir(files)) == ["a.txt", "b.txt"]
    assert (files / "a.txt").read_text() == "ours"
    assert mount.emulator.content(foreign["id"]) == b"them"


# ---- deletions

@pytest.mark.parametrize("answer", [status(403, error_type="permission_error"), status(400), {"kind": "html", "status": 403}], ids=str)
def test_a_deletion_that_is_refused_stays_queued_and_visible_and_the_name_stays_gone(mount: Mount, answer: Action) -> None:
    made = mount.emulator.generate("a.txt", b"a")
    mount.emulator.generate("b.txt", b"b")
    mount.expects("could not be deleted", "deletions are refused")
    files = mount.mount()
    mount.emulator.fault("delete", answer, times=-1)
    (files / "a.txt").unlink()
    wait_until(lambda: [entry for entry in mount.status()["deletions"] if entry["reason"]], "it is refused")

    [entry] = mount.status()["deletions"]
    assert (entry["file_id"], entry["name"]) == (made["id"], "a.txt")
    assert "HTTP 40" in entry["reason"]
    assert f"a.txt ({made['id']}): {entry['reason']}" in mount.ok("status", files)
    done = mount.run("sync", files)                     # doesn't wait for it
    assert (done.returncode, "Not deleted on the server yet" in done.stderr, made["id"] in done.stderr) == (5, True, True)
    mount.refresh()
    assert os.listdir(files) == ["b.txt"]
    mount.kill()
    mount.mount()
    mount.refresh()
    assert os.listdir(files) == ["b.txt"]
    assert [entry["file_id"] for entry in mount.status()["deletions"]] == [made["id"]]
    mount.emulator.clear_faults()
    wait_until(lambda: mount.status()["deletions"] == [], "the next try is taken")      # sync doesn't wait for what was just refused
    mount.sync()
    assert [file["filename"] for file in mount.emulator.files()] == ["b.txt"]
    assert mount.status()["deletions"] == []


@pytest.mark.parametrize("second_delete", ["error404", "accept"])
def test_a_deletion_whose_answer_was_lost_is_done_by_the_second(mount: Mount, second_delete: str) -> None:
    mount.emulator.switch(second_delete=second_delete)
    mount.emulator.generate("a.txt", b"a")
    files = mount.mount()
    mount.emulator.fault("delete", {"kind": "cut", "when": "after_commit"})
    with asks(mount, delete=2):
        (files / "a.txt").unlink()
    assert mount.status()["deletions"] == []
    assert mount.emulator.files() == []
