"""A mount's tale: its counts, and the requests of its last minute."""

from pathlib import Path

from anthrofs.config import Credentials, Fleet, Service
from anthrofs.fleet.counts import Counts
from anthrofs.fleet.membership import Membership
from anthrofs.fleet.tale import Tale
from tests.fakes import FakeClock


class House:
    """A mount that has made `made` requests."""

    def __init__(self, store_url: str | None = "s3://b") -> None:
        self.clock, self.made = FakeClock(), 0
        self.counts = Counts(self.clock)
        self.tale = Tale(Fleet(Path("/k"), store_url), Membership(Service("http://s", Credentials("x-api-key", "k")), "host:/files"), self.counts, self.clock,
                         lambda: self.made)


def test_a_tale_has_the_counts_and_no_secret() -> None:
    house = House()
    house.counts.add("hits", 3)
    house.counts.add("hits")
    house.counts.add("bytes", 2**22)
    house.counts.add("lists")
    house.clock.advance(4)
    assert house.tale.told() == {"label": "host:/files", "share": "all", "requests_a_minute": 0, "listed_s_ago": 4.0, "hits": 4, "misses": 0, "wrong": 0,
                                 "bytes": 2**22, "puts": 0, "put_bytes": 0, "spared": 0, "lists": 1, "forged": 0}
    assert House(None).tale.told()["share"] is None
    assert House().tale.told()["listed_s_ago"] is None


def test_the_requests_of_the_last_minute_are_told_as_they_come_and_go() -> None:
    house, told = House(), list[int]()
    for _ in range(12):                 # one each second for a minute, then none
        house.clock.advance(10)
        house.made += 10
        told.append(house.tale.told()["requests_a_minute"])
    assert told == [10, 20, 30, 40, 50, 60, 60, 60, 60, 60, 60, 60]
    for _ in range(7):
        house.clock.advance(10)
        told.append(house.tale.told()["requests_a_minute"])
    assert told[-7:] == [50, 40, 30, 20, 10, 0, 0]


def test_who_is_asked_seldom_tells_of_a_minutes_share() -> None:
    house = House()
    house.clock.advance(600)
    house.made = 100
    assert house.tale.told()["requests_a_minute"] == 10
    house.made = 110
    assert house.tale.told()["requests_a_minute"] in (10, 11)       # in the same moment
