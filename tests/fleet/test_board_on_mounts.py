"""Mounts of a fleet whose board is a real redis-server, in whatever state that is: nothing fails, hangs or is wrong, and what is the matter
is said once.
"""

import json
from pathlib import Path

from tests.fleet.team import Team, board_of, new_key
from tests.mounting import wait_until

# ---- the roll

def test_mounts_see_each_other_come_and_go(team: Team) -> None:
    one = team.mount()
    wait_until(lambda: board_of(one).get("mounts") == 1, "the first one sees itself")
    other = team.mount()
    wait_until(lambda: board_of(other).get("mounts") == 2, "the second one sees both")
    told = [json.loads(each.ok("fleet", "status", "--json", each.path)) for each in (one, other)]
    assert sorted(mount["label"].partition(":")[2] for mount in told[1]["mounts"].values()) == [str(one.path), str(other.path)]
    wait_until(lambda: board_of(one).get("mounts") == 2, "the first one sees both")
    one.umount()
    wait_until(lambda: board_of(other).get("mounts") == 1, "the second one sees that it is alone")


def test_mounts_with_another_key_are_told_of_and_not_believed(team: Team, tmp_path: Path) -> None:
    one = team.mount()
    wait_until(lambda: board_of(one).get("mounts") == 1, "the first one is there")
    stranger = team.mount(key=new_key(tmp_path / "other.key"))
    stranger.expects("1 mounts of this workspace with another fleet key")
    one.expects("1 mounts of this workspace with another fleet key")
    wait_until(lambda: "another fleet key" in stranger.log(), "it is said")
    assert board_of(stranger)["mounts"] == 1
