"""A file goes when the service lets it expire, by the server's clock; not while somebody has it open, and not twice."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from anthrofs.clock import Clock
from anthrofs.errors import FsError
from anthrofs.fs.kernel_cache import Surprises
from anthrofs.model import FileId, NodeId, RemoteFile, ServerClock
from anthrofs.store.block_cache import BlockCache
from anthrofs.store.disk import Disk
from anthrofs.sync.expirer import AGAIN_S, SLEEP_S, Expirer
from anthrofs.sync.merge import Merge
from anthrofs.tree.database import Database
from anthrofs.tree.mirror import Mirror
from anthrofs.tree.open_table import OpenTable
from tests.fakes import SECOND_NS, FakeClock, FakeFiles

BEHIND_S = 30       # the server's clock is at least that far behind ours


class Desk:
    """A state with files that expire, and an expirer whose thread hasn't begun."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.clock = clock
        self.files = FakeFiles(clock)
        self.handles = OpenTable()
        self.server = ServerClock(-BEHIND_S * SECOND_NS, 0)
        self.db = Database(path / "state.db")
        self.mirror = Mirror(Surprises(clock, 10), "tree", self._expects)
        self.merge = Merge(self.db, self.mirror, self.handles, clock)
        self.expirer = Expirer(self.db, self.mirror, BlockCache(path, Disk()), self.handles, clock,
                               lambda: self.server)

    def _expects(self, moment_ns: int) -> None:
        self.expirer.expects(moment_ns)

    def now_ns(self) -> int:
        return self.clock.time_ns() - BEHIND_S * SECOND_NS

    def add(self, after_s: float | None) -> FileId:
        """A file that the listing shows, and that expires so long after now by the server's clock."""
        file = self.files.generate(f"{len(self.files.files)}.txt", b"!")
        expires_ns = None if after_s is None else self.now_ns() + round(after_s * SECOND_NS)
        self.files.files[0] = replace(file, expires_ns=expires_ns)
        self.list(self.files.files[0])
        return file.file_id

    def list(self, *files: RemoteFile) -> None:
        with self.db.transaction() as tx:
            scan = self.merge.begin(tx)
            for file in files:
                self.mirror.show(tx, file, scan.number, self.handles.busy())

    def shown(self) -> set[str]:
        with self.db.reading() as tx:
            return {row[0] for row in tx.all("SELECT file_id FROM node WHERE file_id IS NOT NULL")}

    def node(self, file_id: FileId) -> NodeId:
        with self.db.reading() as tx:
            node_id = self.mirror.node_with(tx, file_id)
        assert node_id is not None
        return node_id


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path, FakeClock())
    desk.expirer.step()         # the first one, for which nothing is there yet
    yield desk
    assert desk.expirer.stop(10)
    desk.db.close()


def test_without_files_that_expire_it_sleeps_for_ever(desk: Desk) -> None:
    desk.add(None)
    assert desk.expirer.due_s() == float("inf")


def test_a_file_goes_at_its_moment_by_the_servers_clock_and_not_before(desk: Desk) -> None:
    file_id, other = desk.add(10), desk.add(20)
    assert desk.expirer.due_s() == pytest.approx(10)
    assert isinstance(desk.clock, FakeClock)
    desk.clock.advance(9.9)
    desk.expirer.step()
    assert desk.shown() == {file_id, other}
    desk.clock.advance(0.1)
    assert desk.expirer.due_s() <= 0
    desk.expirer.step()
    assert desk.shown() == {other}
    assert desk.expirer.due_s() == pytest.approx(10)


def test_a_date_in_the_future_takes_no_file_away(desk: Desk) -> None:
    """Whatever answers on the way may have any clock: with the file goes the only readable copy of an upload."""
    file_id = desk.add(90 * 86_400)
    year_ns = 365 * 86_400 * SECOND_NS
    desk.server = ServerClock(year_ns, year_ns)
    desk.expirer.step()
    assert desk.shown() == {file_id}
    assert desk.expirer.due_s() > 0
    desk.server = ServerClock(-BEHIND_S * SECOND_NS, 0)
    desk.expirer.step()
    assert desk.shown() == {file_id}


def test_what_has_expired_is_not_shown_again_by_a_listing(desk: Desk) -> None:
    desk.add(0)
    desk.expirer.step()
    with desk.db.transaction() as tx:
        assert tx.deletions.is_doomed(desk.files.files[0].file_id)


def test_it_wakes_up_now_and_then_for_clocks_can_jump(desk: Desk) -> None:
    desk.add(86400)
    assert desk.expirer.due_s() == SLEEP_S


def test_the_first_of_several_moments_counts(desk: Desk) -> None:
    for after_s in (40, 20, 30):
        desk.add(after_s)
    assert desk.expirer.due_s() == pytest.approx(20)


def test_a_file_that_somebody_has_open_goes_soon_after_they_have_left(desk: Desk) -> None:
    file_id = desk.add(0)
    handle = desk.handles.open(desk.node(file_id), reads=True, writes=False, process=1)
    for _ in range(3):
        desk.expirer.step()
        assert desk.shown() == {file_id}
        assert desk.expirer.due_s() == AGAIN_S
        assert isinstance(desk.clock, FakeClock)
        desk.clock.advance(AGAIN_S)
    desk.handles.close(handle)
    desk.handles.forget(handle.content)
    desk.expirer.step()
    assert desk.shown() == set()


def test_a_file_that_the_service_calls_expired_goes_without_a_time_in_the_listing(desk: Desk) -> None:
    file_id = desk.add(None)
    desk.expirer.gone(file_id)
    assert desk.expirer.due_s() <= 0
    desk.expirer.step()
    assert desk.shown() == set()


def test_what_has_expired_since_the_last_mount_is_gone_when_start_returns(desk: Desk) -> None:
    desk.add(0)
    desk.expirer.start()
    assert desk.shown() == set()


def test_after_a_failure_of_the_database_it_tries_again_soon(
        desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    desk.add(0)

    def expired(*_: object) -> list[RemoteFile]:
        raise FsError("the disk fails")

    with monkeypatch.context() as patch:
        patch.setattr(desk.mirror, "expired", expired)
        desk.expirer.step()
    assert caplog.messages == ["expired files could not be taken away: the disk fails"]
    caplog.clear()
    assert desk.expirer.due_s() == AGAIN_S
    desk.expirer.step()
    assert desk.shown() == set()


def test_the_thread_is_woken_by_an_earlier_moment(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Clock())
    desk.add(3600)
    desk.expirer.start()
    file_id = desk.add(None)
    threading.Timer(0.05, desk.expirer.gone, [file_id]).start()
    until_s = time.monotonic() + 10
    while file_id in desk.shown():
        assert time.monotonic() < until_s
        time.sleep(0.005)
    assert desk.expirer.stop(10)
    desk.db.close()
