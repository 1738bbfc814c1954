"""One request for all: who asks, who waits, who is served; and without a board, or with one that fails at any call, each for itself."""

import pytest

from anthrofs.errors import NoAnswer, Stopping
from anthrofs.fleet.shared_listing import NEWS, SLOWEST_S, SWEEP
from anthrofs.model import Cursor, Workspace
from tests.unit.fleet.party import Party


@pytest.fixture
def party() -> Party:
    return Party()


def test_a_page_that_is_young_enough_serves_the_others_with_its_age(party: Party) -> None:
    party.files.took_s = 2.0
    asked_s = party.clock.now_s()
    assert party.one.ask()[1] == 1
    party.clock.advance(7)
    page, requests = party.other.ask()
    assert (requests, page.others, page.asked_s, page.answered_s) == (0, True, asked_s, asked_s + 2)
    assert page == party.files.list(30)
    party.clock.advance(2)
    assert party.other.ask()[1] == 1            # it would be 11 s old
    assert party.one.ask()[1] == 0
    assert (party.one.counts.of("lists"), party.one.counts.of("spared")) == (1, 1)


def test_the_first_request_of_a_mount_is_its_own(party: Party) -> None:
    party.one.ask()
    late = party.member()
    assert late.ask()[1] == 1
    late.join()
    assert late.ask()[1] == 0


def test_what_this_mount_has_merged_since_is_asked_for_anew_and_serves_the_others(party: Party) -> None:
    party.one.ask()
    party.other.admitted = False
    assert party.other.ask()[1] == 1
    party.other.admitted = True
    party.clock.advance(5)
    assert party.one.ask(age_s=6)[1] == 0


def test_who_does_not_get_the_lease_waits_for_the_page(party: Party) -> None:
    name = f"page:{party.one.notes.name(30, None)}"
    assert party.one.board.lease(name, NEWS.lease_s)
    page = party.files.list(30)
    looks = list[str]()

    def put(call: str) -> None:
        looks.append(call)
        if looks.count("lease") == 3:
            party.other.board.before = None
            party.one.notes.put(30, None, page)

    party.other.board.before = put
    assert party.other.ask() == (page, 0)
    assert party.clock.slept_s == pytest.approx([NEWS.look_s, NEWS.look_s * 1.5, NEWS.look_s * 2.25])


def test_the_page_is_looked_for_again_once_the_lease_is_had(party: Party) -> None:
    page = party.files.list(30)

    def put(call: str) -> None:
        if call == "lease":
            party.other.board.before = None
            party.one.notes.put(30, None, page)

    party.other.board.before = put
    assert party.other.ask() == (page, 0)
    assert party.one.ask(age_s=-1)[1] == 1          # and the lease is free


def test_whoever_has_died_is_waited_for_no_longer_than_its_lease(party: Party) -> None:
    assert party.one.board.lease(f"page:{party.one.notes.name(30, None)}", NEWS.lease_s)
    began_s = party.clock.now_s()
    assert party.other.ask()[1] == 1
    assert NEWS.lease_s <= party.clock.now_s() - began_s <= NEWS.wait_s + SLOWEST_S
    assert len(party.clock.slept_s) < 40


def test_one_who_gets_no_answer_lets_the_next_try_at_once(party: Party) -> None:
    party.files.fail("list", NoAnswer("no"))
    with pytest.raises(NoAnswer):
        party.one.ask()
    began_s = party.clock.now_s()
    assert party.other.ask()[1] == 1
    assert party.clock.now_s() == began_s


def test_who_wants_it_as_it_is_now_asks_though_somebody_else_does(party: Party) -> None:
    assert party.one.board.lease(f"page:{party.one.notes.name(30, None)}", NEWS.lease_s)
    began_s = party.clock.now_s()
    assert party.other.ask(age_s=0)[1] == 1
    assert party.clock.now_s() == began_s
    assert party.one.ask()[1] == 0


@pytest.mark.parametrize("call", ["page", "now", "lease", "put_page", "release"])
def test_a_board_that_fails_at_any_call_costs_a_request_and_nothing_else(party: Party, call: str) -> None:
    party.one.ask()
    party.clock.advance(11)
    party.other.board.broken = frozenset({call})
    began_s = party.clock.now_s()
    page, requests = party.other.ask()
    assert (requests, page.others, party.clock.now_s()) == (1, False, began_s)
    party.other.board.broken = frozenset()
    party.clock.advance(NEWS.lease_s)
    assert party.one.ask(age_s=1)[1] == 1


def test_while_the_board_is_away_nobody_waits_and_listings_are_rarer(party: Party) -> None:
    party.one.board.lease(f"page:{party.one.notes.name(30, None)}", NEWS.lease_s)
    party.wall.away = "it is away"
    began_s = party.clock.now_s()
    assert party.other.ask()[1] == 1
    assert party.clock.now_s() == began_s
    assert (party.other.news.pause_s(10), party.other.sweeps.pause_s(300)) == (30, float("inf"))
    party.clock.advance(600)
    assert party.other.sweeps.pause_s(300) == 1500
    party.wall.away = ""
    party.other.ask()
    assert (party.other.news.pause_s(10), party.other.sweeps.pause_s(300)) == (10, 300)


def test_a_page_of_another_workspace_is_not_given_to_this_ones_mounts(party: Party) -> None:
    party.files.named = Workspace("organization", "wrkspc_other")       # the key leads there now
    assert party.one.ask()[1] == 1
    assert party.wall.pages == {}


def test_a_mount_that_ends_does_not_wait(party: Party) -> None:
    party.one.board.lease(f"page:{party.one.notes.name(30, None)}", NEWS.lease_s)
    party.other.stopping.set()
    with pytest.raises(Stopping):
        party.other.ask()


# ---- sweeps

def test_of_a_sweep_one_mount_asks_for_all_pages_and_tells_the_others_that_it_began(party: Party) -> None:
    for number in range(3):
        party.files.generate(f"{number}", b"!")
    first, requests = party.one.ask(150, 2, sweep=True)
    assert (requests, party.one.began) == (1, 1)
    assert party.other.ask(150, 2, sweep=True) == (first, 0)
    began_s = party.clock.now_s()
    party.clock.advance(6)
    second, requests = party.one.ask(150, 2, first.following, sweep=True)
    assert (requests, party.one.began) == (1, 1)
    assert party.other.ask(150, 2, first.following, sweep=True) == (second, 0)
    assert party.clock.now_s() == began_s + 6


def test_who_reads_faster_than_the_leader_of_a_sweep_waits_for_it_and_goes_on_if_it_is_gone(party: Party) -> None:
    first, _ = party.one.ask(150, 1, sweep=True)
    following = Cursor("after_id", first.files[0].file_id)
    began_s = party.clock.now_s()
    assert party.other.ask(150, 1, following, sweep=True)[1] == 1
    assert SWEEP.lease_s - 1 <= party.clock.now_s() - began_s <= SWEEP.wait_s


def test_a_page_of_a_sweep_that_is_too_old_for_this_mount_is_not_waited_for(party: Party) -> None:
    party.one.ask(150, 1, sweep=True)
    party.other.admitted = False
    began_s = party.clock.now_s()
    assert party.other.ask(150, 1, sweep=True)[1] == 1
    assert party.clock.now_s() == began_s
