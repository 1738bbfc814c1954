"""Six mounts that ask for more than the organization may have: nobody is refused, and everybody gets on."""

from itertools import pairwise
from pathlib import Path

import pytest

from tests.emulator.process import EmulatorProcess
from tests.fleet.hammer import MOUNTS, hammer
from tests.fleet.redis_server import RedisServer
from tests.fleet.team import Team, finish_all

FOR_S = 30.0            # who waits then goes on for about a window
MOST = 90
SERVICE = 100


@pytest.mark.fleet
@pytest.mark.timeout(400)
def test_six_mounts_that_hammer_are_never_refused_and_all_served(emulator: EmulatorProcess, tmp_path: Path) -> None:
    emulator.switch(requests_per_minute=SERVICE, minute="sliding")
    with RedisServer(tmp_path / "redis") as redis:
        team = Team(tmp_path, emulator, redis.url)
        try:
            result = hammer(team, emulator, FOR_S, MOST, seed=1)
        finally:
            finish_all(team.mounts)
    print(*result.lines(), sep="\n")
    assert result.refused() == 0
    assert result.most_in(61) <= MOST
    assert len(result.requests) > MOST          # they did want more
    for had in result.had:
        assert had.failed == []
        assert len(had.reads) >= 5
        assert len(had.saves) >= 2
        assert had.deletions >= 1
    listings = [request["started"] for request in result.requests if request["operation"] == "list"]
    assert len(listings) > MOUNTS
    assert max(later - earlier for earlier, later in pairwise(listings)) < 45
