"""Answers that say nothing of a file: the key, the account, or something in the way. Nothing is marked, lost or overtaken, little is asked, and
all goes on by itself.
"""

import errno
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest

from tests.mounting import Mount, asks, stored_names, wait_until

Action = dict[str, Any]

FEW: Final = 8              # requests that an outage may cost in its first minute
IN_FLIGHT: Final = 10       # uploads that may be under way when it begins
FOR_ALL: Final[dict[str, tuple[Action, int]]] = {
    "401": ({"kind": "account", "answer": "unauthorized"}, errno.EACCES),
    "on hold": ({"kind": "account", "answer": "on_hold"}, errno.EACCES),
    "cmek": ({"kind": "account", "answer": "cmek_key_disabled"}, errno.EACCES),
    "a gateway's 502": ({"kind": "gateway", "status": 502}, errno.ENETUNREACH),
    "a gateway's 401": ({"kind": "gateway", "status": 401, "form": "litellm"}, errno.ENETUNREACH),
    "a proxy's 407": ({"kind": "gateway", "status": 407}, errno.ENETUNREACH),
    "a login page": ({"kind": "gateway", "status": 200}, errno.ENETUNREACH),
}
FOR_UPLOADS: Final[dict[str, tuple[Action, int]]] = {
    "403": ({"kind": "account", "answer": "forbidden"}, errno.EACCES),
    "quota": ({"kind": "account", "answer": "quota"}, errno.EDQUOT),
    "quota, as it was": ({"kind": "account", "answer": "quota_as_it_was"}, errno.EDQUOT),
    "a limit that waiting doesn't lift": ({"kind": "status", "status": 429, "should_retry": False}, errno.EDQUOT),
    "a filter's page": ({"kind": "gateway", "status": 403}, errno.ENETUNREACH),
}


def saved(path: Path, content: str) -> int:
    """The errno of a save; 0: there was none."""
    try:
        path.write_text(content)
    except OSError as exc:
        return exc.errno or -1
    return 0


def read(path: Path) -> int:
    """The errno of a read of the whole; 0: there was none."""
    try:
        path.read_bytes()
    except OSError as exc:
        return exc.errno or -1
    return 0


def closed(mount: Mount) -> dict[str, str]:
    return {entry["for"]: entry["reason"] for entry in mount.status()["closed"]}


def lines(mount: Mount) -> list[str]:
    return [line for line in mount.log().splitlines() if "goes on by itself" in line]


@pytest.mark.parametrize("name", FOR_ALL)
def test_what_is_said_of_every_request_stops_all_of_them_and_passes_by_itself(mount: Mount, name: str) -> None:
    answer, code = FOR_ALL[name]
    mount.expects("goes on by itself", "read: ")
    for number in range(3):
        mount.emulator.generate(f"theirs {number}", b"content")
    files = mount.mount()
    assert read(files / "theirs 0") == 0
    mount.emulator.forget_requests()
    mount.emulator.fault("any", answer, times=-1)
    began_s = time.monotonic()
    assert [saved(files / f"ours {number}", "content") for number in (1, 2, 3)] == [code] * 3
    assert time.monotonic() - began_s < 60              # 300 s each, once
    (files / "theirs 2").unlink()
    assert [read(files / "theirs 1") for _ in range(20)] == [code] * 20
    assert (read(files / "theirs 0"), (files / "ours 1").read_text()) == (0, "content")

    found = mount.status()
    assert (found["failed"], [entry["path"] for entry in found["waiting"]]) == ([], ["ours 1", "ours 2", "ours 3"])
    assert (found["online"], set(closed(mount))) == (False, {"all"})
    assert "THE SERVICE CAN'T BE ASKED since " in mount.ok("status", files)
    assert len(lines(mount)) == 1
    assert len(mount.emulator.requests()) <= FEW
    assert mount.run("sync", files, "--timeout", "60").returncode == 5          # it doesn't wait that long

    mount.emulator.clear_faults()
    wait_until(lambda: not mount.status()["waiting"] and not mount.status()["deletions"], "all went on by itself")
    assert stored_names(mount) == {"theirs 0": 1, "theirs 1": 1, "ours 1": 1, "ours 2": 1, "ours 3": 1}
    assert (read(files / "theirs 1"), closed(mount)) == (0, {})


@pytest.mark.parametrize("name", FOR_UPLOADS)
def test_what_is_said_of_uploads_stops_those_only(mount: Mount, name: str) -> None:
    answer, code = FOR_UPLOADS[name]
    mount.expects("goes on by itself")
    for number in range(2):
        mount.emulator.generate(f"theirs {number}", b"content")
    files = mount.mount()
    mount.emulator.fault("upload", answer, times=-1)
    assert [saved(files / f"ours {number}", "content") for number in (1, 2, 3)] == [code] * 3
    (files / "theirs 1").unlink()
    wait_until(lambda: stored_names(mount) == {"theirs 0": 1}, "deletions go on")
    assert read(files / "theirs 0") == 0
    found = mount.status()
    assert (found["failed"], [entry["path"] for entry in found["waiting"]]) == ([], ["ours 1", "ours 2", "ours 3"])
    assert (found["online"], set(closed(mount))) == (True, {"uploads"})
    assert "NOTHING CAN BE SENT since " in mount.ok("status", files)
    assert len(lines(mount)) == 1
    assert len(mount.emulator.requests("upload")) <= FEW + 1        # the deletion may have made room
    mount.emulator.clear_faults()
    wait_until(lambda: not mount.status()["waiting"], "all went on by itself")
    assert stored_names(mount) == {"theirs 0": 1, "ours 1": 1, "ours 2": 1, "ours 3": 1}
    assert closed(mount) == {}


def test_a_deletion_makes_room_in_a_full_storage_and_what_waits_is_sent_then(mount: Mount) -> None:
    mount.expects("uploads are refused")
    files = mount.mount()
    (files / "old").write_text("x" * 100)
    mount.emulator.switch(quota_bytes=120)
    assert saved(files / "new", "x" * 50) == errno.EDQUOT
    (files / "old").unlink()
    wait_until(lambda: stored_names(mount) == {"new": 1}, "it was sent by itself")
    assert saved(files / "newer", "x" * 50) == 0


def test_a_file_that_nobody_ever_takes_keeps_no_other_from_being_sent(mount: Mount) -> None:
    mount.expects("goes on by itself", "not on the server yet")
    files = mount.mount("--upload", "queue")
    mount.emulator.fault({"operation": "upload", "filename": "never"}, FOR_UPLOADS["403"][0], times=-1)
    (files / "never").write_text("x")
    wait_until(lambda: closed(mount), "uploads are refused")
    (files / "another").write_text("longer than that")
    wait_until(lambda: stored_names(mount) == {"another": 1}, "the other one is sent")
    assert mount.status()["failed"] == []
    (files / "never").unlink()


def test_retry_finds_out_at_once(mount: Mount) -> None:
    mount.expects("goes on by itself")
    files = mount.mount("--upload", "queue")
    mount.emulator.fault("any", FOR_ALL["401"][0], times=-1)
    (files / "a").write_text("a")
    mount.emulator.wait_for_requests(4)                 # from now on one each 10 s, and then each 30 s
    mount.emulator.clear_faults()
    asked = len(mount.emulator.requests())
    mount.ok("retry", "--all", files)
    wait_until(lambda: stored_names(mount) == {"a": 1}, "it was sent")
    assert len(mount.emulator.requests()) <= asked + 2  # the probe and the upload


@pytest.mark.parametrize("name", ["401", "a gateway's 502"])
def test_two_hundred_files_wait_for_the_end_over_a_kill_and_a_remount(mount: Mount, name: str) -> None:
    """A known workspace is mounted from its saved index, though its key is refused."""
    mount.expects("goes on by itself", "mounted from the saved index")
    files = mount.mount("--upload", "queue")
    mount.emulator.fault("any", FOR_ALL[name][0], times=-1)
    names = [f"{number:03}.txt" for number in range(200)]
    for each in names:
        (files / each).write_text(each)
    wait_until(lambda: closed(mount), "the way is closed")
    wait_until(lambda: len(mount.status()["waiting"]) == 200, "all wait")
    assert len(mount.emulator.requests()) <= FEW + IN_FLIGHT
    mount.kill()
    mount.emulator.forget_requests()
    mount.mount("--upload", "queue")
    assert sorted(os.listdir(files)) == names
    assert saved(files / "more", "more") == 0
    wait_until(lambda: closed(mount), "it is closed again")
    assert len(mount.status()["waiting"]) == 201
    assert len(mount.emulator.requests()) <= FEW
    mount.emulator.clear_faults()
    mount.sync()
    assert stored_names(mount) == Counter([*names, "more"])
    assert (files / "117.txt").read_text() == "117.txt"


def test_a_read_only_mount_asks_little_and_goes_on_too(mount: Mount) -> None:
    mount.expects("goes on by itself", "read: 502")
    for number in range(40):
        mount.emulator.generate(f"{number}", b"content")
    files = mount.mount("--read-only")
    mount.emulator.forget_requests()
    mount.emulator.fault("any", FOR_ALL["a gateway's 502"][0], times=-1)
    assert {read(files / f"{number}") for number in range(40)} == {errno.ENETUNREACH}
    assert len(mount.emulator.requests()) <= FEW
    mount.emulator.clear_faults()
    wait_until(lambda: read(files / "7") == 0, "it is read")


def test_a_mount_that_begins_without_a_network_and_with_something_unsent_tries_now_and_then(mount: Mount) -> None:
    mount.expects("goes on by itself", "mounted from the saved index")
    files = mount.mount("--upload", "queue")
    mount.emulator.stop()
    (files / "a").write_text("a")
    mount.kill()
    began_s = time.monotonic()
    mount.mount("--upload", "queue")
    lines_before = len(mount.log().splitlines())
    wait_until(lambda: mount.status()["requests"] >= 3, "it tries again")
    assert mount.status()["requests"] <= 3 + (time.monotonic() - began_s) / 2       # hundreds in a second, once
    assert len(mount.log().splitlines()) <= lines_before + 1
    assert closed(mount).keys() == {"all"}
    assert saved(files / "b", "b") == 0
    mount.emulator.start()
    wait_until(lambda: stored_names(mount) == {"a": 1, "b": 1}, "both are sent")


# ---- what is not an outage

def test_one_page_of_a_restarted_upstream_is_asked_again(mount: Mount) -> None:
    mount.emulator.generate("theirs", b"content")
    files = mount.mount()
    mount.emulator.fault("download", {"kind": "gateway", "status": 502})
    assert read(files / "theirs") == 0
    mount.emulator.fault("upload", {"kind": "gateway", "status": 502})
    assert saved(files / "ours", "content") == 0
    assert stored_names(mount) == {"theirs": 1, "ours": 1}
    assert (lines(mount), closed(mount)) == ([], {})


@pytest.mark.parametrize(("answer", "listings"), [
    ({"kind": "gateway", "status": 429}, 0), ({"kind": "gateway", "status": 429, "form": "aws", "retry_after": 1}, 0),
    ({"kind": "gateway", "status": 503, "retry_after": 1}, 2), ({"kind": "gateway", "status": 503}, 2)], ids=str)
def test_a_limiter_on_the_way_costs_a_wait(mount: Mount, answer: Action, listings: int) -> None:
    """Of a 503 nobody can tell: one listing to find out whether the service can be asked, one to see whether it has the file."""
    files = mount.mount("--refresh", "300")
    mount.emulator.fault("upload", answer)
    with asks(mount, upload=2, **({"list": listings} if listings else {})):
        assert saved(files / "a", "a") == 0
    assert stored_names(mount) == {"a": 1}


@pytest.mark.parametrize("form", ["html", "aws", "empty"])
def test_a_body_that_a_proxy_doesnt_take_is_too_large_at_once(mount: Mount, form: str) -> None:
    mount.expects("was refused")
    files = mount.mount("--refresh", "300")
    mount.emulator.fault("upload", {"kind": "gateway", "status": 413, "form": form})
    mount.emulator.forget_requests()
    assert saved(files / "a", "a") == errno.EFBIG
    assert [request["operation"] for request in mount.emulator.requests()] == ["upload"]
    [failed] = mount.status()["failed"]
    assert "a proxy or gateway on the way takes no body of that size" in failed["reason"]
    (files / "a").unlink()


def test_what_is_to_be_asked_again_is_though_its_status_says_otherwise(mount: Mount) -> None:
    files = mount.mount("--refresh", "300")
    for status in (403, 413, 401):
        mount.emulator.fault("upload", {"kind": "status", "status": status, "should_retry": True})
        with asks(mount, upload=2):
            assert saved(files / f"{status}", "a") == 0


def test_a_hundred_deletions_that_may_not_be_cost_as_little_and_saves_go_on(mount: Mount) -> None:
    mount.expects("deletions are refused")
    mount.emulator.bulk(100, "theirs-")
    files = mount.mount("--refresh", "300")
    mount.emulator.fault("delete", FOR_UPLOADS["403"][0], times=-1)
    for each in list(files.iterdir()):
        each.unlink()
    wait_until(lambda: closed(mount), "deletions are refused")
    assert saved(files / "ours", "content") == 0
    assert closed(mount).keys() == {"deletions"}
    assert "NOTHING CAN BE DELETED since " in mount.ok("status", files)
    assert len(mount.emulator.requests("delete")) <= FEW + IN_FLIGHT
    assert len(mount.status()["deletions"]) == 100
    mount.emulator.clear_faults()
    wait_until(lambda: stored_names(mount) == {"ours": 1}, "all are deleted")


def test_a_newest_entry_that_cant_be_read_doesnt_keep_the_way_closed(mount: Mount) -> None:
    for name in ("old", "new"):
        mount.emulator.generate(name, b"content")
    mount.emulator.switch(unreadable_entries=1)
    mount.expects("goes on by itself", "1 entries of the listing can't be read")
    files = mount.mount()
    mount.emulator.fault("any", {"kind": "gateway", "status": 502}, times=-1)
    assert saved(files / "ours", "content") == errno.ENETUNREACH
    wait_until(lambda: closed(mount), "the way is closed")

    mount.emulator.clear_faults()

    wait_until(lambda: not mount.status()["waiting"], "all went on by itself")
    assert closed(mount) == {}
