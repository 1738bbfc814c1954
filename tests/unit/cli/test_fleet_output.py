"""A fleet in lines: what a person reads, of a mount that tells everything, of one that tells little, and while engines are away."""

import time
from pathlib import Path
from typing import Any

import pytest

from anthrofs.cli import fleet_output
from anthrofs.cli.fleet_output import bar, pictures, shape, status_lines


def tale(label: str, **changes: Any) -> dict[str, Any]:
    return {"label": label, "share": "all", "requests_a_minute": 12, "listed_s_ago": None, "hits": 40, "misses": 2, "wrong": 0, "bytes": 12_300_000, "puts": 3,
            "put_bytes": 4_000, "spared": 55, "lists": 3, **changes}


def fleet(**changes: Any) -> dict[str, Any]:
    return {"key": "0a1b2c3d4e5f", "older_keys": [], "member": "m1", "workspace": "org/ws", "tale": tale("a:/files"),
            "store": {"address": "s3://team/anthrofs", "answers_s": 0.0123, "away_since": None, "why": "", "readable": 7, "unreadable": 2, "waiting": 3,
                      "waiting_bytes": 1_200_000},
            "board": {"address": "valkeys://cache:6379/0", "answers_s": 0.0004, "mounts": 2, "listed_by": "b:/files", "listed_s_ago": 4.2, "left": 330, "most": 450},
            "mounts": {"m1": tale("a:/files"), "m2": tale("b:/files", listed_s_ago=4.2, requests_a_minute=108, hits=1)},
            "seconds": [0] * 59 + [100, 20], "minutes": [0, 120, 450], **changes}


def test_status_says_what_it_knows() -> None:
    assert list(status_lines({"fleet": fleet()})) == [
        "  of the fleet of key 0a1b2c3d4e5f",
        "  store s3://team/anthrofs, answers in 12.3 ms",
        "    7 of 9 uploads of others can be read",
        "    3 own files are not there yet, 1.2 MB",
        "  board valkeys://cache:6379/0, answers in 0.4 ms",
        "    2 mounts, listed last by b:/files 4 s ago",
        "    330 of 450 requests of the minute are left to all"]


@pytest.mark.parametrize("one", [{}, {"fleet": None}])
def test_a_mount_for_itself_has_no_line(one: dict[str, Any]) -> None:
    assert list(status_lines(one)) == []


def test_an_engine_that_is_away_is_loud_and_says_since_when_and_why() -> None:
    away = fleet(store={"address": "s3://team", "away_since": time.time() - 300, "why": "connection refused\x1b[2J"}, board=None, workspace=None)
    assert list(status_lines({"fleet": away})) == [
        "  of the fleet of key 0a1b2c3d4e5f: the service has not named the workspace yet, so nothing is shared",
        "  STORE AWAY, s3://team, for 5 min: connection refused\\x1b[2J"]
    full = fleet(store={"address": "s3://team", "why": "read-only", "refused": "403 AccessDenied"}, board=None)
    assert list(status_lines({"fleet": full}))[1:] == ["  store s3://team, read-only", "    IT TAKES NOTHING: 403 AccessDenied"]


def test_the_picture_of_a_fleet() -> None:
    (lines,) = pictures({Path("/home/me/files"): fleet()})
    assert lines == [
        "the fleet of key 0a1b2c3d4e5f, as /home/me/files sees it",
        "  store s3://team/anthrofs, answers in 12.3 ms",
        "    7 of 9 uploads of others can be read",
        "    3 own files are not there yet, 1.2 MB",
        "  board valkeys://cache:6379/0, answers in 0.4 ms",
        "    2 mounts, listed last by b:/files 4 s ago",
        "    330 of 450 requests of the minute are left to all",
        "  requests of the last minute  [###########.............................] 120 of 450",
        "    second by second           |" + 59 * " " + "@:|",
        "    minute by minute           | -@| at most 450",
        "  mount     requests/min  lists     last  hits  misses  from store  to store  spared  wrong",
        "  a:/files            12      3             40       2     12.3 MB    4.0 kB      55      0",
        "  b:/files           108      3  4 s ago     1       2     12.3 MB    4.0 kB      55      0",
        "  together           120      6             41       4     24.6 MB    8.0 kB     110      0"]


def test_two_mounts_of_one_fleet_are_one_picture_and_two_fleets_are_two() -> None:
    assert len(list(pictures({Path("/a"): fleet(), Path("/b"): fleet(member="m2")}))) == 1
    assert len(list(pictures({Path("/a"): fleet(), Path("/b"): fleet(key="ffffffffffff")}))) == 2
    assert len(list(pictures({Path("/a"): fleet(workspace=None), Path("/b"): fleet(workspace=None)}))) == 2


def test_another_versions_tale_is_shown_as_far_as_it_is_understood() -> None:
    (lines,) = pictures({Path("/a"): fleet(mounts={"m1": tale("a"), "m2": {"label": ["x"], "hits": "many", "lists": 3, "listed_s_ago": "soon"}})})
    assert lines[-2].split() == ["['x']", "0", "3", "0", "s", "ago", "0", "0", "0", "B", "0", "B", "0", "0"]
    assert lines[-1].split()[:5] == ["together", "12", "6", "40", "2"]


def test_a_mount_that_isnt_heard_any_more_is_said() -> None:
    (lines,) = pictures({Path("/a"): fleet(mounts={"m1": tale("a", told_s_ago=9.0), "m2": tale("b", told_s_ago=21.4)})})
    assert [line.split("  ")[1] for line in lines[-3:-1]] == ["a", "b (not heard for 21 s)"]


def test_without_a_board_it_is_this_mount_alone() -> None:
    (lines,) = pictures({Path("/a"): fleet(board=None, mounts={"m1": tale("a:/\x1b]0;x\x07files")}, seconds=[], minutes=[])})
    assert [line.split()[0] for line in lines[-2:]] == ["mount", "a:/\\x1b]0;x\\x07files"]
    assert not any("requests of" in line for line in lines)


def test_a_bar_and_a_shape_stay_in_their_bounds() -> None:
    assert (bar(0, 450), bar(450, 450), bar(9000, 450), bar(3, 0)) == (f"[{'.' * 40}]", f"[{'#' * 40}]", f"[{'#' * 40}]", f"[{'.' * 40}]")
    assert shape([0, 1, 225, 449, 450, 9000], 450) == "| .+%@@|"
    assert shape([0, 0], 0) == "|  |"
    assert fleet_output.MOST < 500
