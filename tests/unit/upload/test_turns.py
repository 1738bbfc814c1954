"""Each kind of work has its share of any stretch of time, and what had nothing to do has saved up nothing."""

import random

from hypothesis import given
from hypothesis import strategies as st

from anthrofs.upload.turns import Turns
from tests.fakes import law


@law
@given(st.lists(st.sampled_from([0.25, 0.5, 1.0, 3.0]), min_size=1, max_size=4), st.integers(0, 10**6))
def test_each_kind_has_its_share_of_any_stretch_of_time(shares: list[float], seed: int) -> None:
    chance, rounds = random.Random(seed), Turns[int]()
    for _ in range(chance.randrange(100)):              # kinds that had nothing to do have saved up nothing
        rounds.served(chance.choice(rounds.order(range(len(shares)))), chance.choice(shares))
    counts = [0] * len(shares)
    rounds.order(range(len(shares)))
    turns = 200
    for _ in range(turns):
        kind = rounds.order(range(len(shares)))[0]
        rounds.served(kind, shares[kind])
        counts[kind] += 1
    for kind, share in enumerate(shares):
        assert abs(counts[kind] - turns * share / sum(shares)) <= 12 * max(1.0, share)


def test_a_kind_that_had_nothing_to_do_for_long_does_not_shut_the_others_out() -> None:
    rounds = Turns[str]()
    for _ in range(1000):
        rounds.served("send", 1)
    order = []
    for _ in range(10):
        order.append(rounds.order(["send", "delete"])[0])
        rounds.served(order[-1], 1)
    assert order.count("delete") == 5
