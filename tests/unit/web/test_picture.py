"""What the page is told of a mount is bounded, can be shown, and does without what an earlier version doesn't tell."""

import json
from pathlib import Path
from typing import Any, Final

from anthrofs.web.picture import ROWS, of_mount, of_silence

# As the first version answered.
STATUS: Final[dict[str, Any]] = {
    "mountpoint": "/m", "pid": 1, "state_dir": "/s", "service": "https://api.example", "upload": "wait", "read_only": False, "requests": 3,
    "files": 2, "bytes_on_server": 10, "local_names": 0, "waiting": [], "failed": [], "deletions": [], "open": [], "cached_bytes": 0,
    "kept_copies": 0, "kept_bytes": 0, "downloads": [], "state_error": None, "online": True, "refreshed_s_ago": None, "refresh_error": None}


def told(**changes: Any) -> dict[str, Any]:
    found = of_mount(Path("/home/me/files"), "anthrofs:work", {**STATUS, **changes}, None)
    json.dumps(found)
    return found


def test_a_mount_of_the_first_version_is_shown() -> None:
    found = told()
    assert (found["name"], found["shown"], found["words"], found["traffic"], found["notes"]) == ("files", "/home/me/files", "", None, [])
    assert (found["deletions"], found["unshared"], found["closed"]) == (0, {"rows": [], "count": 0}, False)


def test_what_moves_is_told_from_what_waits_and_a_download_without_a_name_by_its_id() -> None:
    found = told(waiting=[{"path": "a", "bytes": 10, "sent": 4, "state": "uploading 40%"}, {"path": "b", "bytes": 7, "sent": 0, "state": "waiting"},
                          {"path": "c", "bytes": 1, "sent": 1, "state": "sent, waiting for the answer since 10:00:00"}],
                 downloads=[{"name": None, "file_id": "file_1", "bytes": 3, "of": 9}])
    assert [(row["way"], row["path"], row["done"], row["bytes"]) for row in found["transfers"]["rows"]] == [
        ("up", "a", 4, 10), ("up", "c", 1, 1), ("down", "file_1", 3, 9)]
    assert ([row["path"] for row in found["waiting"]["rows"]], found["waiting"]["bytes"]) == (["b"], 7)


def test_long_lists_are_cut_and_counted() -> None:
    found = told(failed=[{"path": f"{number}.txt", "bytes": 1, "reason": "no"} for number in range(ROWS + 5)])["failed"]
    assert (len(found["rows"]), found["count"]) == (ROWS, ROWS + 5)


def test_what_a_name_hides_is_shown_and_the_path_itself_stays() -> None:
    name = "\u202egnp.exe\x1b[2J\udcff"
    [row] = told(failed=[{"path": name, "bytes": 1, "reason": "a\nb"}])["failed"]["rows"]
    assert (row["path"], row["shown"], row["reason"]) == (name, "\\u202egnp.exe\\x1b[2J\\udcff", "a\\nb")


def test_what_is_wrong_is_said_the_gravest_first() -> None:
    notes = told(state_error="it was moved", online=False, disk_low=True, unreadable_entries=2, uploads_without_copy=1,
                 closed=[{"for": "all", "reason": "the key isn't accepted", "since": 0, "next_try_s": 3}],
                 budget={"waiting": 2, "next_s": 1.2})["notes"]
    assert [note.split()[0] for note in notes] == ["Nothing", "The", "The", "2", "2", "1"]
    assert "the key isn't accepted" in notes[1]
    assert notes[3] == "2 requests wait for the budget of the minute: the next may go in 2 s"
    assert told(online=False)["notes"][0].startswith("The service can't be reached")
    assert told(refresh_error="502")["notes"] == ["The last listing failed: 502"]


def test_a_mount_that_is_silent_is_shown_with_the_reason() -> None:
    assert of_silence(Path("/"), "gone") == {"root": "/", "shown": "/", "name": "/", "words": "gone"}
