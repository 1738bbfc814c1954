"""A status in lines, from what a mount has answered."""

from typing import Any

from anthrofs.cli import draining, output

STATUS: dict[str, Any] = {
    "mountpoint": "/m", "service": "s", "pid": 1, "files": 0, "bytes_on_server": 0, "read_only": False, "upload": "queue", "online": True,
    "refreshed_s_ago": 1, "requests": 1, "state_error": None, "refresh_error": None, "cached_bytes": 0, "kept_copies": 0, "local_names": 0,
    "downloads": [], "waiting": [], "failed": [], "deletions": [], "open": []}


def waiting(name: str, **more: object) -> dict[str, object]:
    return {"path": name, "bytes": 4_000_000, "sent": 0, "state": "waiting", **more}


def test_a_long_queue_is_told_by_what_is_under_way_and_by_how_much_there_is_behind_it() -> None:
    queue = [*(waiting(f"{number}.txt") for number in range(24)), waiting("moving.bin", sent=1_000_000, handed=3_000_000, state="uploading 25%")]
    lines = list(output.status_lines({**STATUS, "waiting": queue}))
    first = lines.index("  to be sent:") + 1
    assert lines[first] == "    moving.bin (4.0 MB): uploading 25%, 1.0 MB have arrived, 2.0 MB are on their way"
    assert lines[first + 20] == "    and 5 more"
    assert len(lines) == first + 21


def test_one_is_no_more_than_one() -> None:
    lines = list(output.status_lines({**STATUS, "files": 1, "kept_copies": 1, "kept_bytes": 5, "local_names": 1}))
    assert [line.strip() for line in lines if line.startswith("  1 ")] == [
        "1 file, 0 B on the server, upload: queue", "1 request since the mount", "1 own upload kept readable here, 5 B", "1 name that stays on this machine"]


def test_an_answer_of_the_version_before_has_lines() -> None:
    lines = list(output.status_lines({**STATUS, "waiting": [waiting("a.bin", sent=1_000_000, state="uploading 25%")],
                                      "failed": [{"path": "b", "reason": "no"}, {"path": "c", "reason": "no"}]}))
    assert "    a.bin (4.0 MB): uploading 25%" in lines
    assert "    send all of them again: anthrofs retry --all /m" in lines
    assert draining.words_of({"waiting": [waiting("a.bin")], "failed": [], "deletions": []}) == "sending 1 file"


def test_a_drain_says_what_is_done_about_each_kind_and_why_it_waits() -> None:
    left = {"waiting": [waiting("a"), waiting("b", answer_since=1.0)], "failed": [], "deletions": [{"file_id": "file_1"}], "unshared": [],
            "budget": {"waiting": 3, "next_s": 7.2}, "closed": [{"for": "uploads", "since": 0, "reason": "no room", "next_try_s": 1}]}
    words = draining.words_of(left)
    assert words.startswith("sending 1 file; 1 file sent, waiting for the answer for ")
    assert words.endswith("; 1 file to be deleted on the server")       # what is done of it comes before why it waits
    budget, closed = output.reason_lines(left)
    assert (budget, closed[:25]) == ("waiting for the request budget: next in 8 s", "NOTHING CAN BE SENT since")
    assert draining.words_of({**left, "waiting": [], "deletions": []}) == ""
