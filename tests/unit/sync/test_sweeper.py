"""What is gone from a workspace of several pages is found, a page at a time."""

from dataclasses import replace
from pathlib import Path

import pytest

from anthrofs.errors import Offline, Refused
from anthrofs.model import Cursor, Page, Workspace
from anthrofs.sync import sweeper
from anthrofs.sync.scan import SWEEP_S_PER_PAGE
from tests.fakes import FakeFiles
from tests.mounting import wait_until
from tests.unit.sync.parts import HOUR_S, JumpingClock, State, asked

# ---- the pace

def test_a_sweep_costs_a_page_every_six_seconds_and_no_refresh_waits_for_it(state: State) -> None:
    assert state.sweeper.due_s() == 300.0
    state.clock.advance(300)
    for pages in range(1, 5):
        assert state.sweeper.due_s() == 0
        state.sweeper.step()
        assert asked(state, "list") == pages
        assert state.refresh() == 1
        state.files.asked.pop()
        if pages < 4:
            assert state.sweeper.due_s() == SWEEP_S_PER_PAGE
            state.clock.advance(SWEEP_S_PER_PAGE)
    assert state.sweeper.due_s() == pytest.approx(300 - 3 * SWEEP_S_PER_PAGE)


def test_a_workspace_of_many_pages_is_swept_more_rarely(state: State) -> None:
    for number in range(1000):
        state.files.generate(f"more{number}.txt", b"!")
    state.refresh(whole=True)
    assert state.sweeper.due_s() == pytest.approx(SWEEP_S_PER_PAGE * 103.5)


def test_nothing_is_swept_while_nobody_looks_and_a_workspace_of_one_page_never(state: State) -> None:
    state.clock.advance(HOUR_S)
    state.looked_at = False
    assert state.sweeper.due_s() == float("inf")
    state.looked_at = True
    assert state.sweeper.due_s() <= 0
    for file in state.files.files[3:]:
        state.files.vanish(file.file_id)
    assert state.refresh() == 1
    assert (len(state.shown()), state.sweeper.due_s()) == (3, float("inf"))     # that listing was whole


def test_the_thread_sweeps_when_it_is_woken_and_ends_when_it_is_told_to(state: State) -> None:
    state.files.vanish(state.files.files[20].file_id)
    state.looked_at = False
    state.sweeper.start()
    state.looked_at = True
    state.sweeper.wake()            # its clock moves when it waits, so all of it happens at once
    wait_until(lambda: state.shown() == state.on_server(), "the tree shows what the server has")
    assert state.sweeper.stop(10)


@pytest.mark.parametrize("days", [1, -1])
def test_a_wall_clock_that_jumps_costs_a_sweep_at_most_and_stops_none(tmp_path: Path, days: int) -> None:
    clock = JumpingClock()
    files = FakeFiles(clock)
    for number in range(35):
        files.generate(f"{number}.txt", b"!")
    state = State(tmp_path / "state.db", files, clock)
    state.refresh(whole=True)
    clock.jumped_ns = days * 86400 * 10**9
    assert state.sweeper.due_s() <= 0
    state.sweep()
    assert 270 < state.sweeper.due_s() <= 300
    assert state.refresh() == 1
    assert state.shown() == state.on_server()
    state.db.close()


# ---- what is gone

def test_a_deletion_by_others_is_found_for_no_request_more(state: State) -> None:
    state.files.vanish(state.files.files[15].file_id)
    state.refresh()
    assert len(state.shown()) == 35
    assert state.sweep() == 4
    assert state.shown() == state.on_server()
    assert (asked(state, "list"), asked(state, "metadata")) == (5, 0)


def test_a_deletion_behind_expired_files_that_are_still_listed_is_found(state: State) -> None:
    """What is shown would fit on a page, the listing doesn't."""
    files = state.files.files
    files[:-5] = [replace(file, expires_ns=file.created_ns + 1) for file in files[:-5]]
    state.clock.advance(HOUR_S)
    state.refresh(whole=True)
    assert len(state.shown()) == 5
    state.files.asked.clear()
    state.files.vanish(files[-3].file_id)
    state.refresh()
    state.sweep()
    assert len(state.shown()) == 4
    assert asked(state, "list") <= 1 + 4


def test_what_is_missing_where_two_pages_meet_is_asked_for_some_at_a_time(state: State) -> None:
    for file in state.files.files[10:34]:
        state.files.vanish(file.file_id)
    assert state.sweep() == 2 + 2
    assert state.shown() == state.on_server()
    assert asked(state, "metadata") == 24


@pytest.mark.parametrize("gone", [range(8, 30), range(24), range(10, 35)], ids=str)
def test_many_deletions_cost_no_request_each(state: State, gone: range) -> None:
    for file in [state.files.files[number] for number in gone]:
        state.files.vanish(file.file_id)
    state.sweep()
    assert state.shown() == state.on_server()
    assert asked(state, "metadata") <= 1


def test_a_sweep_goes_on_where_it_was_left_in_the_next_mount(state: State) -> None:
    state.clock.advance(HOUR_S)
    state.sweeper.step()
    state.sweeper.step()
    state.remount()
    state.files.vanish(state.files.files[25].file_id)       # on a page that is still to come
    state.files.vanish(state.files.files[3].file_id)        # on one that has been
    state.clock.advance(5 * HOUR_S)
    state.refresh()
    assert state.sweep() == 2
    state.clock.advance(HOUR_S)
    state.sweep()
    assert state.shown() == state.on_server()


def test_a_sweep_that_only_its_end_is_missing_of_asks_no_page_again(state: State) -> None:
    gone = state.files.files[20].file_id        # the first of its page: it may have been skipped
    state.files.vanish(gone)
    state.files.fail("metadata", Offline("no network", maybe_stored=False))
    for _ in range(4):
        state.sweeper.step()
    assert gone in state.shown()
    state.remount()
    state.files.asked.clear()
    state.sweeper.step()
    assert state.files.asked == [("metadata", gone)]
    assert gone not in state.shown()


@pytest.mark.parametrize("state", [FakeFiles], indirect=True)       # positions are always known
@pytest.mark.parametrize("status", [400, 404])
def test_a_cursor_that_is_not_known_any_more_begins_the_sweep_again(state: State, status: int) -> None:
    state.clock.advance(HOUR_S)
    state.sweeper.step()
    state.files.fail("list", Refused("unknown cursor", from_service=True, status=status, maybe_stored=False))
    state.clock.advance(HOUR_S)
    state.sweeper.step()
    assert state.scan() is None
    assert len(state.shown()) == 35
    assert state.sweeper.due_s() == SWEEP_S_PER_PAGE
    assert state.sweep() == 4


@pytest.mark.parametrize("state", [FakeFiles], indirect=True)       # the other never fails
def test_a_page_that_did_not_come_is_asked_for_again_later(state: State) -> None:
    state.sweeper.step()
    scan = state.scan()
    state.files.fail("list", Offline("no network", maybe_stored=False))
    state.sweeper.step()
    assert (state.scan(), state.sweeper.due_s()) == (scan, sweeper.FAILED_S)
    assert state.sweep() == 3


def test_a_complete_listing_in_between_ends_the_sweep(state: State) -> None:
    state.sweeper.step()
    state.refresh(whole=True)
    assert state.scan() is None


def test_a_page_that_was_on_its_way_when_a_complete_listing_came_shows_nothing(
        state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = state.files.files[14].file_id
    state.sweeper.step()
    listed = state.files.list

    def late(limit: int, cursor: Cursor | None = None) -> Page:
        page: Page = listed(limit, cursor)
        monkeypatch.setattr(state.files, "list", listed)
        state.files.vanish(gone)
        state.refresh(whole=True)
        return page

    monkeypatch.setattr(state.files, "list", late)
    state.sweeper.step()
    assert gone not in state.shown()


def test_a_page_of_another_workspace_is_not_taken(state: State) -> None:
    """The key was changed between two refreshes: the next one will say so."""
    state.clock.advance(HOUR_S)
    state.files.named = Workspace("organization", "wrkspc_other")
    strange = state.files.generate("strange.txt", b"!").file_id
    state.files.vanish(state.files.files[5].file_id)
    before = state.shown()
    state.sweeper.step()
    scan = state.scan()
    assert scan is not None
    assert (scan.pages, state.shown(), strange in before) == (0, before, False)
