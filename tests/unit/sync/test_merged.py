"""A page of others is merged if nothing newer was merged of its span, and what it lacks counts as of when it was asked for."""

from dataclasses import replace
from typing import Final

import pytest

from anthrofs.model import ROOT, Cursor, FileId, Page, RemoteFile
from anthrofs.sync.merged import OLDEST_S, Merged
from tests.fakes import EPOCH_NS, FakeClock
from tests.unit.sync.parts import HOUR_S, PAGE, State, asked

NEWS: Final = 3           # files of a refresh here
AFTER: Final = Cursor("after_id", "x")


def page(*times: int, following: Cursor | None = AFTER, asked_s: float | None = None, took_s: float = 0.0) -> Page:
    """Newest first; with a moment it is another mount's."""
    files = tuple(RemoteFile(FileId(f"file_{time}"), "a", "text/plain", 1, EPOCH_NS + time, True) for time in times)
    own = Page(files, following)
    return own if asked_s is None else replace(own.between(asked_s, asked_s + took_s), others=True)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def merged(clock: FakeClock) -> Merged:
    merged = Merged(clock)
    clock.advance(100)
    return merged


@pytest.mark.parametrize(("others", "first", "admitted"), [
    (page(9, 8, asked_s=99.9), True, False),
    (page(9, 8, asked_s=100.0), True, True),
    (page(3, 2, asked_s=99.0), False, True),                    # nothing of that was merged
    (page(5, 4, asked_s=99.0), False, False),                   # its first file is the last one that was
    (page(3, 2, asked_s=99.0), True, False),                    # it says that nothing comes before
    (page(3, 2, following=None, asked_s=99.0), False, True),
    (page(asked_s=99.0), False, True),
    (page(asked_s=99.0, following=None), True, False),
], ids=str)  # fmt: skip
def test_a_page_of_others_is_as_new_as_what_was_merged_of_its_span(merged: Merged, others: Page, first: bool, admitted: bool) -> None:
    merged.note(page(9, 5), first=True)
    assert merged.admits(others, first=first) == admitted
    assert merged.admits(replace(others, others=False), first=first)


def test_what_a_page_shows_is_as_of_its_answer_and_what_it_is_worth_as_of_its_asking(merged: Merged, clock: FakeClock) -> None:
    merged.note(page(9, 5, asked_s=50.0, took_s=3.0), first=True)
    assert not merged.admits(page(9, 5, asked_s=52.9), first=True)
    assert merged.admits(page(9, 5, asked_s=53.0), first=True)
    clock.advance(OLDEST_S)
    assert not merged.admits(page(9, 5, asked_s=99.0), first=True)


def test_nothing_from_before_the_mount_is_taken_but_by_one_that_knows_nothing(clock: FakeClock) -> None:
    clock.advance(100)
    merged = Merged(clock)
    assert not merged.admits(page(3, 2, asked_s=99.0), first=False)
    merged.forget()
    assert merged.admits(page(3, 2, asked_s=99.0), first=False)


# ---- in the tree

class Others:
    """Pages of others that a test has written down, else the service's."""

    def __init__(self, state: State) -> None:
        self.state, self.noted = state, dict[tuple[int, Cursor | None], Page]()
        self.moments = list[float]()

    def note(self, limit: int, cursor: Cursor | None = None) -> Page:
        now_s = self.state.clock.now_s()
        self.noted[limit, cursor] = replace(self.state.files.list(limit, cursor).between(now_s, now_s), others=True)
        self.state.files.asked[:] = [("metadata", "an answer has named the workspace")]
        return self.noted[limit, cursor]

    def since(self, moment_s: float) -> "Others":
        self.moments.append(moment_s)
        return self

    def pause_s(self, own_s: float) -> float:
        return own_s

    def list(self, limit: int, cursor: Cursor | None = None) -> Page:
        found = self.noted.get((limit, cursor))
        return found if found is not None and self.moments[-1] < float("inf") else self.state.files.list(limit, cursor)

    def __getattr__(self, name: str) -> object:
        return getattr(self.state.files, name)


@pytest.fixture
def others(state: State) -> Others:
    """What this mount asks from now on may come from others."""
    state.refresh()
    found = Others(state)
    state.news._listings = found        # type: ignore[assignment]
    state.sweeper._listings = found     # type: ignore[assignment]
    return found


def test_a_page_that_was_overtaken_neither_brings_back_nor_takes_away(state: State, others: Others) -> None:
    gone = state.files.files[0]
    old = others.note(NEWS)
    state.clock.advance(1)
    state.files.vanish(gone.file_id)
    new = state.files.generate("new", b"new")
    others.noted.clear()
    for _ in range(2):
        state.files.asked.clear()
        state.refresh()
        assert (gone.file_id in state.shown(), new.file_id in state.shown()) == (False, True)
        assert asked(state, "list") == 1            # the second time, too: the service was asked instead
        others.noted = {(NEWS, None): old}
    assert others.moments == [0.0, 0.0, float("inf")]


def test_a_page_of_others_costs_nothing_and_its_age_is_that_of_the_listing(state: State, others: Others) -> None:
    state.clock.advance(60)
    gone, new = state.files.files[1], state.files.generate("new", b"new")
    state.files.vanish(gone.file_id)
    others.note(NEWS)
    state.clock.advance(7)
    state.refresher.look()
    state.refresher.step()
    assert (gone.file_id in state.shown(), new.file_id in state.shown(), asked(state, "list")) == (False, True, 0)
    assert (state.refresher.age_s(), state.refresher.due_s()) == (7, 3)
    assert others.moments[-1] == state.clock.now_s() - 10       # as old as this mount's own would be


def test_whoever_asks_gets_no_page_that_was_asked_for_before(state: State, others: Others) -> None:
    for asks in (state.refresher.ask, state.refresher.hasten):
        state.clock.advance(5)
        asks()
        moment_s = state.clock.now_s()
        state.clock.advance(2)
        state.refresher.step()
        assert others.moments[-1] == moment_s


def test_who_opens_an_old_directory_is_served_by_a_page_as_old_as_a_look_may_see(state: State, others: Others) -> None:
    state.clock.advance(HOUR_S)
    state.refresher.look_closely()      # its thread hasn't begun, so it waits in vain
    state.refresher.step()
    assert others.moments == [state.clock.now_s() - 10]


def test_an_upload_of_ours_survives_a_page_that_was_asked_for_before_it(state: State, others: Others) -> None:
    state.clock.advance(60)
    others.note(NEWS)
    state.clock.advance(5)
    own = state.files.generate("own", b"own", downloadable=False)
    with state.db.transaction() as tx:
        node_id = tx.nodes.create(ROOT, "own", 0o600, 1, "own")
        tx.run("UPDATE node SET file_id = ?, server_name = 'own', server_size = 3, created_ns = ?, downloadable = 0, "
               "seen = 0 WHERE node_id = ?", own.file_id, own.created_ns, node_id)
    state.refresh()
    assert own.file_id in state.shown()
    assert asked(state, "list") == asked(state, "metadata") - 1 == 0


def test_a_sweep_by_others_pages_costs_nothing_and_takes_away_what_is_gone(state: State, others: Others) -> None:
    state.clock.advance(HOUR_S)
    gone = state.files.files[17]
    state.files.vanish(gone.file_id)
    cursor = None
    while (page := others.note(PAGE, cursor)).following is not None:
        cursor = page.following
    state.sweep()
    assert (gone.file_id in state.shown(), asked(state, "list")) == (False, 0)


def test_another_mounts_sweep_is_joined_from_half_of_the_time_on(state: State, others: Others) -> None:
    state.clock.advance(140)
    state.sweeper.join()
    assert state.sweeper.due_s() == 160
    state.clock.advance(10)
    assert state.sweeper.due_s() == 150         # that was too long ago
    state.sweeper.join()
    assert state.sweeper.due_s() <= 0
