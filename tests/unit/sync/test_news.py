"""A refresh reads what is new, and no more."""

from pathlib import Path

import pytest

from anthrofs.errors import SetupError
from anthrofs.model import ROOT, RemoteFile, StageId, Workspace
from anthrofs.tree.fsck import problems
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


# ---- whose they are

def test_a_service_that_is_this_states_is_recognized_before_a_page_is_merged(state: State) -> None:
    known = state.shown()
    state.files.generate("new.txt", b"!")
    state.told.clear()
    state.refresh()
    assert state.told == [("recognized", known)]
    assert state.shown() == state.on_server()


def test_another_workspaces_files_are_shown_instead_once_all_of_the_old_one_was_sent(
        state: State, caplog: pytest.LogCaptureFixture) -> None:
    state.files.named = Workspace("organization", "wrkspc_other")
    state.files.files[5:] = []
    assert state.refresh() == 2         # what it had asked for as news, and the rest
    assert state.shown() == state.on_server()
    assert "the key belongs to another workspace than before" in caplog.text
    caplog.clear()


def test_another_workspaces_files_are_not_shown_while_something_is_unsent(state: State) -> None:
    known = state.shown()
    with state.db.transaction() as tx:
        node_id = tx.nodes.create(ROOT, "mine.txt", 0o644, 0, "mine.txt")
        tx.nodes.promise(node_id, StageId(1), 1, 0, "mine.txt", sealed=True)
    state.files.named = Workspace("organization", "wrkspc_other")
    state.files.generate("new.txt", b"!")
    state.told.clear()
    with pytest.raises(SetupError, match="belongs to another workspace and holds 1 files"):
        state.refresh()
    assert state.told == [("strange", known)]
    assert state.shown() == known


# ---- how far it reads

def test_a_refresh_asks_for_a_few_files_and_goes_on_until_it_meets_the_newest_it_knows(state: State) -> None:
    assert state.refresh() == 1
    for number in range(2):
        state.files.generate(f"new{number}.txt", b"!")
    assert state.refresh() == 1
    for number in range(12):
        state.files.generate(f"newer{number}.txt", b"!")
    assert state.refresh() == 2         # three, then ten
    assert state.shown() == state.on_server()


def test_what_is_held_aside_is_read_again_by_the_next_refresh(state: State) -> None:
    """A newer file takes the name of one that somebody has open: it is shown after the last release."""
    shown = state.files.files[0]
    with state.db.reading() as tx:
        node_id = state.mirror.node_with(tx, shown.file_id)
    assert node_id is not None
    handle = state.handles.open(node_id, reads=True, writes=False, process=1)
    mark = state.meta("watermark")
    newer = state.files.generate(shown.name, b"newer")
    for _ in range(2):
        state.refresh()
        assert newer.file_id not in state.shown()
        assert state.meta("watermark") == mark
    state.handles.close(handle)
    state.handles.forget(handle.content)
    state.refresh()
    assert newer.file_id in state.shown()
    assert state.meta("watermark") == f"{newer.created_ns} {newer.file_id}"


def test_progress_is_told_page_by_page(state: State) -> None:
    told = list[int]()
    state.news.take(since_s=0.0, whole=True, accept=False, progress=told.append)
    assert told == [10, 20, 30, 35]


# ---- what other mounts say

def uploaded(state: State, name: str = "told.txt") -> RemoteFile:
    state.clock.advance(60)
    state.refresh()
    state.clock.advance(5)
    state.files.asked[:] = [("metadata", "an answer has named the workspace")]
    file: RemoteFile = state.files.generate(name, b"told", downloadable=False)
    return file


def test_what_others_have_stored_shows_for_no_request_and_every_listing_knows_it(state: State) -> None:
    file = uploaded(state)
    state.news.told([file, file], [])
    assert state.index.entry(ROOT, "told.txt").remote == file
    assert (asked(state, "list"), asked(state, "metadata")) == (0, 1)
    state.refresh()
    state.clock.advance(HOUR_S)
    state.refresh()
    assert file.file_id in state.shown()
    assert asked(state, "metadata") == 1        # it was never asked for by its id
    state.db.close()
    assert problems(state.path.parent) == []
    state.mount()


def test_what_others_said_of_a_file_that_a_listing_has_not_shown_any_more_changes_nothing(state: State) -> None:
    file = uploaded(state)
    state.files.vanish(file.file_id)
    state.clock.advance(5)
    state.refresh()
    state.news.told([file], [])
    assert file.file_id not in state.shown()


def test_what_this_mount_has_removed_is_not_brought_back_by_others_words(state: State) -> None:
    file = uploaded(state)
    with state.db.transaction() as tx:
        tx.deletions.doom(file)
    state.news.told([file], [])
    assert file.file_id not in state.shown()


def test_what_may_be_an_upload_of_ours_waits_for_the_listing(state: State) -> None:
    file = uploaded(state)
    with state.db.transaction() as tx:
        node_id = tx.nodes.create(ROOT, "told.txt", 0o600, 1, "told.txt")
        tx.nodes.promise(node_id, StageId(1), 4, 1, "told.txt", sealed=True)
        tx.uploads.attempt(node_id, StageId(1), 4)
        attempt = tx.uploads.of(node_id)
        assert attempt is not None
        tx.uploads.send(attempt, "told.txt", file.mime_type, 4, None, file.created_ns)
    state.news.told([file], [])
    assert file.file_id not in state.shown()


def test_what_others_have_removed_goes_and_no_listing_of_before_brings_it_back(state: State) -> None:
    known, unknown = state.files.files[0], uploaded(state)
    old = state.files.list(1000)
    for file in (known, unknown):
        state.files.vanish(file.file_id)
    state.news.told([unknown], [known.file_id, unknown.file_id])
    assert not {known.file_id, unknown.file_id} & state.shown()
    state.files.list = lambda *_: old
    state.refresh()
    assert not {known.file_id, unknown.file_id} & state.shown()
