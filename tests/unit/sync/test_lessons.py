"""Readers' lessons reach the tree, and no reader fails by them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from anthrofs.errors import FsError, NotFound, StateLost
from anthrofs.fs.kernel_cache import Surprises
from anthrofs.model import BY_ID, ROOT, Node, NodeId
from anthrofs.store.block_cache import BlockCache
from anthrofs.store.disk import Disk
from anthrofs.sync.expirer import Expirer
from anthrofs.sync.lessons import Lessons
from anthrofs.sync.merge import Merge
from anthrofs.tree.database import Database
from anthrofs.tree.mirror import Mirror
from anthrofs.tree.open_table import OpenTable
from tests.fakes import FakeClock, FakeFiles


class Noted(Surprises):
    """Knows every entry that was noted."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock, 10)
        self.entries: list[tuple[int, str]] = []

    def note(self, entry: tuple[NodeId, str], *, directory: bool = False) -> None:
        super().note(entry, directory=directory)
        self.entries.append(entry)


class Desk:
    """A tree that shows one image, and counts what it is taught."""

    def __init__(self, path: Path) -> None:
        self.clock = FakeClock()
        self.files = FakeFiles(self.clock)
        self.handles, self.surprises = OpenTable(), Noted(self.clock)
        self.db = Database(path / "state.db")
        mirror = Mirror(self.surprises, "tree")
        merge = Merge(self.db, mirror, self.handles, self.clock)
        self.expirer = Expirer(self.db, mirror, BlockCache(path, Disk()), self.handles, self.clock, lambda: None)
        self.hastened = 0
        self.lessons = Lessons(self.db, mirror, self.surprises, merge, self.expirer, self._hasten)
        self.file = self.files.generate("cat.png", b"1234", "image/png")
        with self.db.transaction() as tx:
            mirror.show(tx, self.file, merge.begin(tx).number, ())

    def _hasten(self) -> None:
        self.hastened += 1

    def node(self) -> Node:
        """Raises NotFound when the file has gone."""
        return self.db.nodes.holder(self.file.file_id)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.db.close()


def test_the_length_that_was_delivered_is_the_length_from_then_on_and_the_kernel_is_told(desk: Desk) -> None:
    desk.lessons.delivered(desk.file.file_id, 9)
    assert (desk.node().size_bytes, desk.node().exact) == (9, True)
    assert desk.surprises.entries == [(ROOT, "cat.png"), (BY_ID, desk.file.file_id)]


def test_a_length_that_was_shown_already_surprises_nobody(desk: Desk) -> None:
    desk.lessons.delivered(desk.file.file_id, 4)
    assert (desk.node().exact, desk.surprises.entries) == (True, [])


def test_a_file_that_is_gone_goes_and_a_refresh_comes_soon(desk: Desk) -> None:
    desk.lessons.gone(desk.file.file_id, expired=False)
    with pytest.raises(NotFound):
        desk.node()
    assert desk.hastened == 1
    desk.lessons.gone(desk.file.file_id, expired=False)
    assert desk.hastened == 1           # that was known


def test_a_file_that_has_expired_is_the_expirers(desk: Desk) -> None:
    desk.lessons.gone(desk.file.file_id, expired=True)
    assert desk.node().remote is not None
    desk.expirer.step()
    with pytest.raises(NotFound):
        desk.node()
    assert desk.hastened == 0


def test_a_file_that_is_gone_while_it_is_open_goes_when_its_last_reader_has_left(desk: Desk) -> None:
    handle = desk.handles.open(desk.node().node_id, reads=True, writes=False, process=1)
    handle.content.remote = desk.file
    desk.lessons.gone(desk.file.file_id, expired=False)
    assert desk.node().remote is not None
    desk.handles.close(handle)
    desk.handles.forget(handle.content)
    desk.lessons.left(handle.content)
    with pytest.raises(NotFound):
        desk.node()
    assert desk.hastened == 1


def test_whoever_has_left_what_others_have_changed_brings_a_refresh(desk: Desk) -> None:
    handle = desk.handles.open(desk.node().node_id, reads=True, writes=False, process=1)
    desk.handles.close(handle)
    desk.lessons.left(handle.content)
    assert (desk.node().remote, desk.hastened) == (desk.file, 1)


@pytest.mark.parametrize("exc", [FsError("the disk fails"), StateLost("the state has gone")])
def test_no_reader_fails_by_what_can_not_be_written_down(
        desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, exc: FsError) -> None:
    def transaction() -> None:
        raise exc

    with monkeypatch.context() as patch:
        patch.setattr(desk.db, "transaction", transaction)
        desk.lessons.delivered(desk.file.file_id, 9)
        desk.lessons.gone(desk.file.file_id, expired=False)
    said = [] if isinstance(exc, StateLost) else [f"what a download has shown could not be written down: {exc}"] * 2
    assert caplog.messages == said
    caplog.clear()
    assert desk.node().size_bytes == 4
