"""A refresh reads what is new, and no more."""

from pathlib import Path

import pytest

from tests.fakes import FakeClock, FakeFiles
from tests.unit.sync.parts import HOUR_S, PAGE, State, asked


def test_a_workspace_that_fills_its_page_costs_a_request_a_refresh(tmp_path: Path) -> None:
    clock = FakeClock()
    files = FakeFiles(clock)
    for number in range(PAGE):
        files.generate(f"{number}.txt", b"!")
    state = State(tmp_path / "state.db", files, clock)
    for whole in (True, False, False):
        state.refresh(whole=whole)
        for _ in range(2):
            assert state.sweeper.due_s() == float("inf")
            clock.advance(HOUR_S)
            state.remount()
    assert files.asked == [("list", "")] * 3
    files.generate("one more.txt", b"!")
    state.refresh()
    assert state.sweeper.due_s() < float("inf")
    state.db.close()


@pytest.mark.parametrize("gone", [range(1), range(1, 3), range(20)], ids=str)
def test_deletions_among_the_newest_are_found_by_a_refresh(state: State, gone: range) -> None:
    for file in [state.files.files[number] for number in gone]:
        state.files.vanish(file.file_id)
    state.refresh()
    state.refresh()
    assert state.shown() == state.on_server()
    assert asked(state, "list") == 2
    assert asked(state, "metadata") == {1: 1, 2: 0, 20: 20}[len(gone)]
