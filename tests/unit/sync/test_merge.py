"""Nothing is taken for gone but what is gone: whatever happens between two pages, and whatever a listing is like."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from anthrofs.clock import Clock
from anthrofs.config import Credentials, Service, Timeouts
from anthrofs.errors import BadAnswer, Gone, InTheWay, NotDownloadable, Refused
from anthrofs.model import ROOT, Cursor, FileId, Page, RemoteFile, StageId, Workspace
from anthrofs.remote.http import HttpFiles, connect
from anthrofs.sync.merge import DOUBTS, LAG_NS
from anthrofs.sync.merged import NEVER_NS
from anthrofs.sync.scan import STALE_PAGES
from tests.emulator.process import EmulatorProcess
from tests.fakes import FakeClock, FakeFiles
from tests.unit.sync.parts import HOUR_S, PAGE, Gaps, State, asked

EVENTS = ("create", "create", "delete", "delete", "refresh", "step", "step", "step", "remount", "wait", "reread")


def endless(files: FakeFiles, pages: Iterator[tuple[tuple[RemoteFile, ...], str]]) -> None:
    def page(_limit: int, _cursor: Cursor | None = None) -> Page:
        files.asked.append(("list", ""))
        shown, following = next(pages)
        return Page(shown, Cursor("page", following))
    files.list = page  # type: ignore[method-assign, assignment]


def test_most_files_missing_in_a_workspace_without_a_name_are_not_taken_for_gone(
        state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state.files, "workspace", lambda: Workspace(None, None))
    state.refresh()
    for file in state.files.files[2:]:
        state.files.vanish(file.file_id)
    state.sweep()
    assert len(state.shown()) == 35
    state.refresh(whole=True)           # refresh --accept
    assert len(state.shown()) == 2


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_between_two_pages_what_the_server_has_stays_and_what_it_has_not_goes(
        state: State, seed: int) -> None:
    print(f"seed {seed}")
    chance = random.Random(seed)
    known = set(state.shown())
    for number in range(150):
        match chance.choice(EVENTS):
            case "create":
                for _ in range(chance.choice((1, 1, 15))):
                    state.files.generate(f"{chance.randrange(50)}.txt", b"!")
            case "delete" if len(state.files.files) > 25:
                for file in chance.sample(state.files.files, chance.choice((1, 1, 12))):
                    state.files.vanish(file.file_id)
            case "refresh":
                state.refresh()
            case "step":
                state.sweeper.step()
            case "remount":
                state.remount()
            case "wait":
                state.clock.advance(chance.choice((1.0, 100.0, HOUR_S)))
            case "reread" if state.shown() - state.on_server():       # somebody reads what is gone: a 404
                state.merge.gone(FileId(chance.choice(sorted(state.shown() - state.on_server()))))
        known |= state.shown()
        assert known & state.on_server() <= state.shown(), (seed, number)
    state.refresh()
    for _ in range(10):     # one under way ends, and may have met too many pages that refreshes have seen since then
        state.clock.advance(HOUR_S)
        state.sweep()
    assert state.shown() == state.on_server()


def test_what_is_gone_does_not_come_back_by_a_listing_that_lags(state: State) -> None:
    newest = state.files.files[0].file_id
    state.merge.gone(newest)         # a read has said so
    state.refresh()
    assert newest not in state.shown()


def test_what_listings_show_for_longer_than_they_lag_is_there_after_all(state: State) -> None:
    """Somebody on the way has said that it is gone. No deletion of ours has to come by for that."""
    newest = state.files.files[0].file_id
    state.merge.gone(newest)
    state.clock.advance(LAG_NS / 10**9 - 1)
    state.refresh()
    assert newest not in state.shown()
    state.clock.advance(2)
    state.refresh()
    assert newest in state.shown()


@pytest.mark.parametrize("shape", ["beta", "ga", "agents"])
def test_all_shapes_of_the_api_are_refreshed_and_swept_alike(
        emulator: EmulatorProcess, tmp_path: Path, shape: str) -> None:
    emulator.bulk(35)
    service = Service(emulator.url, Credentials("x-api-key", emulator.key), shape="beta" if shape == "beta" else "ga")
    with connect(service, Timeouts()) as client:
        if shape == "agents":           # both kinds of cursors are in its answers
            client.headers["anthropic-beta"] = "managed-agents-2026-04-01"
        state = State(tmp_path / "state.db", HttpFiles(client, Clock()), FakeClock())
        state.refresh(whole=True)
        assert len(state.shown()) == 35
        state.sweeper.step()
        state.sweeper.step()
        state.remount()
        files = emulator.files()
        for number in (3, 15, 25, 34):
            emulator.vanish(files[number]["id"])
        emulator.generate("new.txt", b"!")
        assert state.refresh() == 1
        assert state.sweep() == 2
        assert len(state.shown()) == 35 + 1 - 2        # those on pages that were read before are found by the next one
        state.sweep()
        assert state.shown() == {file["id"] for file in emulator.files()}
        state.db.close()


@pytest.mark.parametrize("kind", [
    "same cursor", "cursors in a circle", "new cursors, same files", "new cursors, no files"])
@pytest.mark.parametrize("by", ["refresh", "sweep"])
def test_a_listing_without_an_end_ends_and_removes_nothing(state: State, kind: str, by: str) -> None:
    def pages() -> Iterator[tuple[tuple[RemoteFile, ...], str]]:
        number = 0
        while True:
            number += 1
            following = {"same cursor": "x", "cursors in a circle": f"{number % 3}"}.get(kind, f"{number}")
            yield () if kind.endswith("no files") else tuple(state.files.files[:PAGE]), following

    endless(state.files, pages())
    if by == "refresh":
        with pytest.raises(BadAnswer, match="repeats itself"):
            state.refresh(whole=True)
    else:
        state.sweep()
    assert asked(state, "list") <= STALE_PAGES + 2
    assert len(state.shown()) == 35


@pytest.mark.parametrize("state", [Gaps], indirect=True)
def test_an_empty_page_is_no_end_while_more_follow(state: State) -> None:
    assert state.shown() == state.on_server()
    gone = state.files.files[20].file_id
    state.files.vanish(gone)
    assert state.refresh(whole=True) == 7
    assert state.sweep() > 0
    assert state.shown() == state.on_server()


@pytest.mark.parametrize(("answer", "goes"), [
    (Gone("unknown", from_service=True, status=404), True),
    (Gone("no such route", status=404), False), (Refused("no such route", status=404), False), (Refused("no such route", from_service=True, status=404), False),
    (NotDownloadable("a file", from_service=True, status=400), False)], ids=repr)
def test_a_file_that_a_listing_lacks_goes_only_by_the_services_own_word(state: State, answer: Refused, goes: bool) -> None:
    """A gateway that has lost a route says 404 to all of them."""
    with state.db.transaction() as tx:
        scan = state.merge.begin(tx)                # it shows nothing
    state.files.refusals = {"metadata": answer}
    assert state.merge.ask(scan, state.files, NEVER_NS) == DOUBTS
    assert len(state.shown()) == 35 - DOUBTS * goes


def test_a_page_in_the_place_of_an_answer_takes_no_file_away(state: State) -> None:
    with state.db.transaction() as tx:
        scan = state.merge.begin(tx)
    state.files.refusals = {"metadata": InTheWay("HTTP 404 that is not the service's own answer", status=404)}
    with pytest.raises(InTheWay):
        state.merge.ask(scan, state.files, NEVER_NS)
    assert len(state.shown()) == 35


def test_what_an_upload_under_way_may_have_stored_is_not_shown_beside_it(state: State) -> None:
    """Until its answer has come: else the file is there twice, and what answered is taken for another's."""
    with state.db.transaction() as tx:
        node_id = tx.nodes.create(ROOT, "a.txt", 0o644, 0, "a.txt")
        tx.nodes.promise(node_id, StageId(1), 5, 0, "a.txt", sealed=True)
        tx.uploads.attempt(node_id, StageId(1), 5)
        attempt = tx.uploads.of(node_id)
        assert attempt is not None
        tx.uploads.send(attempt, "a.txt", "text/plain", 5, None, state.clock.time_ns())
    file_id = state.files.generate("a.txt", b"first").file_id
    other = state.files.generate("b.txt", b"first").file_id
    state.refresh()
    assert (file_id in state.shown(), other in state.shown()) == (False, True)
    with state.db.transaction() as tx:
        tx.uploads.drop(node_id)
    state.refresh()
    assert file_id in state.shown()


@pytest.mark.parametrize("skipped", [0, 1])
def test_a_listing_of_which_an_entry_made_no_sense_proves_no_absence(state: State, skipped: int) -> None:
    """The entry may be the very file that seems to be lacking."""
    *others, last = state.files.files
    state.files.list = lambda *_: Page(tuple(others), None, skipped)
    state.refresh(whole=True)
    assert (last.file_id in state.shown()) == bool(skipped)
    assert state.meta("unreadable") == (str(skipped) if skipped else None)
