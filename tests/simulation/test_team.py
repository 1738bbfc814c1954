"""A small team, alone and as a fleet; `scripts/bench fleet` has those of 10 and 50 mounts."""

from tests.bench.fleet_simulated import simulated


def test_a_fleet_asks_less_reads_all_and_is_never_told_429() -> None:
    small = ("--files", "100", "--minutes", "1")
    alone, fleet = simulated(4, *small), simulated(4, *small, "--fleet")
    assert fleet["requests_per_minute"] * 2 < alone["requests_per_minute"], (alone, fleet)
    assert (fleet["refused_429"], fleet["reads_failed"], fleet["unseen"]) == (0, 0, 0)
    assert alone["reads_failed"] > 0.2          # of members' uploads, which the service gives to nobody
