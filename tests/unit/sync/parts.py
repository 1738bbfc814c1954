"""The parts of this room on a real database, and services that count their pages differently.

Never   asks a service but fakes.FakeFiles, whose pages have ten files here.
"""

from pathlib import Path
from typing import Any, Final

from anthrofs.config import Config, Credentials, Service
from anthrofs.fs.kernel_cache import Surprises
from anthrofs.model import Cursor, Page
from anthrofs.sync.listings import OwnPages
from anthrofs.sync.merge import Merge
from anthrofs.sync.news import News
from anthrofs.sync.refresher import Refresher
from anthrofs.sync.scan import Scan, scan_of
from anthrofs.sync.sweeper import Sweeper
from anthrofs.tree.database import Database
from anthrofs.tree.mirror import Mirror
from anthrofs.tree.open_table import OpenTable
from tests.fakes import FakeClock, FakeFiles

PAGE: Final = 10
HOUR_S: Final = 3600.0


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
        self.told: list[tuple[str, set[str]]] = []      # by refreshes: whose the files are, and what was shown then
        self.mount()

    def mount(self) -> None:
        self.db = Database(self.path)
        self.index, self.handles = self.db.nodes, OpenTable()
        self.mirror = Mirror(Surprises(self.clock, 10), "tree")
        self.merge = Merge(self.db, self.mirror, self.handles, self.clock)
        service = Service("http://fake", Credentials("x-api-key", "key"))
        config = Config(Path("/nowhere"), Path("/nowhere"), service, poll=self.poll)
        self.news = News(self.db, self.mirror, self.merge, OwnPages(self.files), self.clock, config,
                         self._recognized, self._strange)
        self.refresher = Refresher(self.news, self.clock, config, lambda: None)
        self.sweeper = Sweeper(self.db, self.merge, OwnPages(self.files), self.clock, config, lambda: self.looked_at)

    def _recognized(self) -> None:
        self.told.append(("recognized", self.shown()))

    def _strange(self) -> None:
        self.told.append(("strange", self.shown()))

    def remount(self) -> None:
        self.db.close()
        self.mount()

    def refresh(self, *, whole: bool = False) -> int:
        """Returns the pages it took."""
        return self.news.take(since_s=0.0, whole=whole, accept=whole, progress=lambda _: None).pages

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


class JumpingClock(FakeClock):
    jumped_ns = 0

    def time_ns(self) -> int:
        return super().time_ns() + self.jumped_ns


def asked(state: State, operation: str) -> int:
    return sum(each == operation for each, _ in state.files.asked)
