"""Files that are placed all at once have the places that they have one by one."""

import tempfile
from pathlib import Path
from typing import Any, Final
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from anthrofs.model import ROOT, FileId, NodeId, Page, RemoteFile
from anthrofs.names import SLASH, Layout
from anthrofs.sync.merge import Merge
from anthrofs.sync.scan import Scan
from anthrofs.tree.database import Database
from anthrofs.tree.mirror import Mirror
from anthrofs.tree.open_table import OpenTable
from anthrofs.tree.plain_files import PlainFiles
from tests.fakes import EPOCH_NS, FakeClock, FakeFiles

NAMES: Final = ("a.txt", "b.txt", "c", "d (file_1)", "a (file_2).txt", f"c{SLASH}a.txt", "c/a.txt", f"c{SLASH}d{SLASH}a", f"c{SLASH}d", "e", f"e{SLASH}a", ".by-id",
                "..", "", "x" * 256, "own", f"own{SLASH}a", "mine", "edited.txt", ".fuse_hidden0000000000000001", "a\nb", "%22", "\u201b\uff1a", "note~", "open")
files = st.builds(
    lambda number, name, age, size, expires, downloadable: RemoteFile(FileId(f"file_{number}"), name, "text/plain", size, EPOCH_NS - age, downloadable, expires),
    st.integers(0, 60), st.one_of(st.sampled_from(NAMES), st.integers(0, 40).map(lambda number: f"plain-{number}"),
                                  st.integers(0, 40).map(lambda number: f"c{SLASH}plain-{number}")),
    st.integers(0, 20), st.integers(0, 9), st.sampled_from([None, None, None, EPOCH_NS - 1, EPOCH_NS + 10**12]), st.booleans())


class Told:
    """What those who have to know are told, in order."""

    def __init__(self) -> None:
        self.lines: list[tuple[Any, ...]] = []

    def note(self, entry: tuple[NodeId, str], *, directory: bool = False) -> None:
        self.lines.append((*entry, directory))

    def expects(self, node_id: NodeId) -> bool:
        return False


class Side:
    """One tree, in which the user has made something too."""

    def __init__(self, base: str, layout: Layout, *, doomed: bool, opened: bool) -> None:
        self.path = Path(base) / "state.db"
        self.clock, self.told, self.expiries = FakeClock(), Told(), list[int]()
        self.db, handles = Database(self.path, clock=self.clock), OpenTable()
        self.mirror = Mirror(self.told, layout, self.expiries.append, handles.owe)
        self.merge = Merge(self.db, self.mirror, handles, self.clock)
        with self.db.transaction() as tx:
            tx.nodes.create(ROOT, "mine", 0o600, 1, "mine")
            tx.nodes.make_directory(ROOT, "own", 0o700, 1)
            self.mirror.show(tx, RemoteFile(FileId("file_70"), "open", "text/plain", 1, EPOCH_NS - 10, downloadable=True), 1, ())
            if doomed:
                tx.deletions.doom(RemoteFile(FileId("file_3"), "removed", "text/plain", 1, EPOCH_NS - 10, downloadable=True))
        if opened:
            handles.open(self.db.nodes.entry(ROOT, "open").node_id, reads=True, writes=False, process=1)

    def page(self, shown: list[RemoteFile], number: int) -> tuple[Any, ...]:
        with self.db.transaction() as tx:
            merged = self.merge.page(tx, Scan(number, EPOCH_NS), Page(tuple(shown), None), FakeFiles(self.clock))
        assert merged is not None
        return merged

    def rows(self) -> list[Any]:
        with self.db.reading() as tx:
            return [tx.all(f"SELECT * FROM {table} ORDER BY 1") for table in ("node", "total", "meta", "doomed")]


@settings(max_examples=60, deadline=None)
@given(pages=st.lists(st.lists(files, max_size=30), min_size=1, max_size=3), layout=st.sampled_from(["tree", "flat"]), doomed=st.booleans(), opened=st.booleans())
def test_whatever_a_page_shows_becomes_the_same_rows_all_at_once_or_one_by_one(pages: list[list[RemoteFile]], layout: Layout, *, doomed: bool, opened: bool) -> None:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        at_once, by_one = (Side(base, layout, doomed=doomed, opened=opened) for base in (one, other))
        for number, page in enumerate(pages, 2):
            found = at_once.page(page, number)
            with mock.patch.object(PlainFiles, "take", return_value=False):
                assert by_one.page(page, number) == found
            assert at_once.rows() == by_one.rows()
        assert (at_once.told.lines, at_once.expiries) == (by_one.told.lines, by_one.expiries)
        at_once.db.close()
        by_one.db.close()


def test_a_page_of_plain_files_costs_few_statements(tmp_path: Path) -> None:
    side = Side(str(tmp_path), "tree", doomed=False, opened=False)
    side.page([RemoteFile(FileId("file_0"), f"c{SLASH}first", "text/plain", 1, EPOCH_NS, downloadable=True)], 2)
    statements = list[str]()
    side.db._connection.set_trace_callback(statements.append)
    shown = [RemoteFile(FileId(f"file_{number}"), f"{'c' + SLASH if number % 2 else ''}{number}.txt", "text/plain", 1, EPOCH_NS - number, downloadable=True)
             for number in range(100, 1100)]
    side.page(shown, 3)
    side.db._connection.set_trace_callback(None)
    statements = statements[:statements.index("COMMIT") + 1]       # behind it, the tests' watch looks at the nodes
    inserted = {line for line in statements if line.startswith("INSERT INTO node")}
    others = [line for line in statements if line not in inserted]
    assert (len(inserted) <= 20, len(others) < 20) == (True, True), others
    assert len([line for line in others if line.startswith("UPDATE total")]) == 1
    assert side.db.nodes.totals()[0] == 1003
    side.db.close()
