"""What is gone from a workspace of several pages is found, and nothing else is ever taken for gone: whatever happens
between two pages.

The real parts on a real database; the service is fakes.FakeFiles, with pages of ten files.
"""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from anthrofs.clock import Clock
from anthrofs.config import Config, Credentials, Service, Timeouts
from anthrofs.errors import BadAnswer, Offline, Refused
from anthrofs.fs.kernel_cache import Surprises
from anthrofs.model import Cursor, FileId, Page, RemoteFile, Workspace
from anthrofs.remote.http import HttpFiles, connect
from anthrofs.sync import news, scan, sweeper
from anthrofs.sync.merge import Merge
from anthrofs.sync.news import News
from anthrofs.sync.refresher import Refresher
from anthrofs.sync.scan import STALE_PAGES, SWEEP_S_PER_PAGE, Scan, scan_of
from anthrofs.sync.sweeper import Sweeper
from anthrofs.tree.database import Database
from anthrofs.tree.mirror import Mirror
from anthrofs.tree.open_table import OpenTable
from tests.emulator.process import EmulatorProcess
from tests.fakes import FakeClock, FakeFiles

PAGE: Final = 10
HOUR_S: Final = 3600.0


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (scan, news, sweeper):
        monkeypatch.setattr(module, "PAGE_FILES", PAGE)
    monkeypatch.setattr(news, "NEWS_FILES", 3)


class Positions(FakeFiles):
    """A service whose cursors are positions: a deletion on an earlier page makes the next one skip a file."""

    def list(self, limit: int, cursor: Cursor | None = None) -> Page:
        self.asked.append(("list", "" if cursor is None else cursor.value))
        start = 0 if cursor is None else int(cursor.value)
        more = start + limit < len(self.files)
        return Page(tuple(self.files[start:start + limit]), Cursor("page", str(start + limit)) if more else None)


class Gaps(FakeFiles):
    """A service that filters after it has cut pages: each second one is empty, and more follow."""

    def list(self, limit: int, cursor: Cursor | None = None) -> Page:
        if cursor is not None and cursor.parameter == "after_id":
            return Page((), Cursor("behind", cursor.value))
        return super().list(limit, cursor and Cursor("after_id", cursor.value))


class State:
    """One state directory's database, and the parts of a mount on it; `remount` makes new ones."""

    def __init__(self, path: Path, files: Any, clock: FakeClock) -> None:
        self.path, self.files, self.clock = path, files, clock
        self.looked_at = True
        self.poll = False
        self.mount()

    def mount(self) -> None:
        self.db = Database(self.path)
        self.index, self.handles = self.db.nodes, OpenTable()
        self.mirror = Mirror(Surprises(self.clock, 10), "tree")
        self.merge = Merge(self.db, self.mirror, self.handles, self.clock)
        config = Config(Path("/nowhere"), Path("/nowhere"), Service("http://fake", Credentials("x-api-key", "key")), poll=self.poll)
        self.news = News(self.db, self.mirror, self.merge, self.files, self.clock, config, lambda: None, lambda: None)
        self.refresher = Refresher(self.news, self.clock, config, lambda: None)
        self.sweeper = Sweeper(self.db, self.merge, self.files, self.clock, config, lambda: self.looked_at)

    def remount(self) -> None:
        self.db.close()
        self.mount()

    def refresh(self, *, whole: bool = False) -> int:
        """Returns the pages it took."""
        return self.news.take(whole=whole, accept=whole, progress=lambda _: None)

    def sweep(self) -> int:
        """From where it is to its end. Returns its steps, each of which was waited for as long as it wants."""
        for steps in range(1, 1000):
            if (due_s := self.sweeper.due_s()) == float("inf"):
                self.refresh()                  # it has one page only
                return 0
            self.clock.advance(max(0.0, due_s))
            self.sweeper.step()
            if self.scan() is None:
                return steps
        raise AssertionError("it doesn't end")

    def scan(self) -> Scan | None:
        with self.db.reading() as tx:
            return scan_of(tx.get_meta("sweep"))

    def meta(self, name: str) -> str | None:
        with self.db.reading() as tx:
            return tx.get_meta(name)

    def shown(self) -> set[str]:
        with self.db.reading() as tx:
            return {row[0] for row in tx.all("SELECT file_id FROM node WHERE file_id IS NOT NULL")}

    def on_server(self) -> set[str]:
        return {file.file_id for file in self.files.files}


@pytest.fixture(params=[FakeFiles, Positions])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[State]:
    clock = FakeClock()
    files: FakeFiles = request.param(clock)
    for number in range(35):
        files.generate(f"{number}.txt", b"!")
    one = State(tmp_path / "state.db", files, clock)
    one.refresh(whole=True)
    files.asked.clear()
    yield one
    one.db.close()


def asked(state: State, operation: str) -> int:
    return sum(each == operation for each, _ in state.files.asked)


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


@pytest.mark.parametrize("poll", [False, True])
def test_refreshing_goes_on_for_two_minutes_after_a_look_and_with_poll_for_ever(state: State, poll: bool) -> None:
    state.poll = poll
    state.remount()
    state.refresher.look()
    began_s = state.clock.now_s()
    state.refresher.start()         # its clock moves when it waits
    until_s = time.monotonic() + 30
    while state.clock.now_s() - began_s < (HOUR_S if poll else 110):
        assert time.monotonic() < until_s
        time.sleep(0.01)
    while not poll and state.refresher.fresh():
        assert time.monotonic() < until_s
        time.sleep(0.01)
    assert state.refresher.stop(10)
    passed_s = state.clock.now_s() - began_s
    assert asked(state, "list") == pytest.approx(min(passed_s, HOUR_S * 100 if poll else 120) / 10, abs=2)


def test_the_thread_sweeps_when_it_is_woken_and_ends_when_it_is_told_to(state: State) -> None:
    state.files.vanish(state.files.files[20].file_id)
    state.looked_at = False
    state.sweeper.start()
    state.looked_at = True
    state.sweeper.wake()            # its clock moves when it waits, so all of it happens at once
    until_s = time.monotonic() + 30
    while state.shown() != state.on_server():
        assert time.monotonic() < until_s
        time.sleep(0.01)
    assert state.sweeper.stop(10)


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


@pytest.mark.parametrize("gone", [range(1), range(1, 3), range(20)], ids=str)
def test_deletions_among_the_newest_are_found_by_a_refresh(state: State, gone: range) -> None:
    for file in [state.files.files[number] for number in gone]:
        state.files.vanish(file.file_id)
    state.refresh()
    state.refresh()
    assert state.shown() == state.on_server()
    assert asked(state, "list") == 2
    assert asked(state, "metadata") == {1: 1, 2: 0, 20: 20}[len(gone)]


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


def test_a_page_that_was_on_its_way_when_a_complete_listing_came_shows_nothing(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = state.files.files[14].file_id
    state.sweeper.step()
    listed: Callable[[int, Cursor | None], Page] = state.files.list

    def late(limit: int, cursor: Cursor | None = None) -> Page:
        page = listed(limit, cursor)
        monkeypatch.setattr(state.files, "list", listed)
        state.files.vanish(gone)
        state.refresh(whole=True)
        return page

    monkeypatch.setattr(state.files, "list", late)
    state.sweeper.step()
    assert gone not in state.shown()


def test_most_files_missing_in_a_workspace_without_a_name_are_not_taken_for_gone(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state.files, "workspace", lambda: Workspace(None, None))
    state.refresh()
    for file in state.files.files[2:]:
        state.files.vanish(file.file_id)
    state.sweep()
    assert len(state.shown()) == 35
    state.refresh(whole=True)           # refresh --accept
    assert len(state.shown()) == 2


# ---- anything at all between two pages

@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_between_two_pages_what_the_server_has_stays_and_what_it_has_not_goes(state: State, seed: int) -> None:
    print(f"seed {seed}")
    chance = random.Random(seed)
    known = set(state.shown())
    for number in range(150):
        match chance.choice(("create", "create", "delete", "delete", "refresh", "step", "step", "step", "remount", "wait", "reread")):
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
    for _ in range(10):         # one under way ends, and may have met too many pages that refreshes have seen since it began
        state.clock.advance(HOUR_S)
        state.sweep()
    assert state.shown() == state.on_server()


def test_what_is_gone_does_not_come_back_by_a_listing_that_lags(state: State) -> None:
    newest = state.files.files[0].file_id
    state.merge.gone(newest)         # a read has said so
    state.refresh()
    assert newest not in state.shown()


@pytest.mark.parametrize("shape", ["beta", "ga", "agents"])
def test_all_shapes_of_the_api_are_refreshed_and_swept_alike(emulator: EmulatorProcess, tmp_path: Path, shape: str) -> None:
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


# ---- listings that have no end, or no order

def endless(files: FakeFiles, pages: Iterator[tuple[tuple[RemoteFile, ...], str]]) -> None:
    def page(_limit: int, _cursor: Cursor | None = None) -> Page:
        files.asked.append(("list", ""))
        shown, following = next(pages)
        return Page(shown, Cursor("page", following))
    files.list = page  # type: ignore[method-assign, assignment]


@pytest.mark.parametrize("kind", ["same cursor", "cursors in a circle", "new cursors, same files", "new cursors, no files"])
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


def test_a_listing_out_of_order_makes_every_refresh_a_full_one_but_no_storm(state: State) -> None:
    files = state.files.files
    files.append(files.pop(0))
    state.sweep()
    assert state.meta("unordered") == "1"
    assert state.sweeper.due_s() == float("inf")
    state.files.asked.clear()
    state.refresher.look()
    state.refresher.start()         # its clock moves when it waits, so two minutes pass at once, until nobody has looked for so long
    until_s = time.monotonic() + 30
    while state.refresher.age_s() is None or state.refresher.fresh():
        assert time.monotonic() < until_s
        time.sleep(0.01)
    assert state.refresher.stop(10)
    assert 4 * 6 <= asked(state, "list") <= 4 * (120 / (3 * SWEEP_S_PER_PAGE) + 2)
    files.insert(0, files.pop())
    state.refresh()
    assert state.meta("unordered") is None


# ---- clocks that jump

class JumpingClock(FakeClock):
    jumped_ns = 0

    def time_ns(self) -> int:
        return super().time_ns() + self.jumped_ns


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


@pytest.mark.parametrize("state", [Gaps], indirect=True)
def test_an_empty_page_is_no_end_while_more_follow(state: State) -> None:
    assert state.shown() == state.on_server()
    gone = state.files.files[20].file_id
    state.files.vanish(gone)
    assert state.refresh(whole=True) == 7
    assert state.sweep() > 0
    assert state.shown() == state.on_server()
