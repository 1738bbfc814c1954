"""`anthrofs fleet gc` removes what the workspace has no more, and nothing that somebody may still want."""

from dataclasses import replace

import pytest

from anthrofs.config import Credentials, Service
from anthrofs.errors import BadAnswer, NotPermitted, NotStored, StoreAway, Unavailable
from anthrofs.fleet.garbage import AGE_NS, Found, Garbage
from anthrofs.fleet.keys import SECRET_BYTES, FleetKeys
from anthrofs.fleet.membership import Membership
from anthrofs.fleet.seal import CHUNK_BYTES
from anthrofs.fleet.shelf import Shelf
from anthrofs.model import Cursor, FileId, Page, Workspace
from anthrofs.tree.database import Database
from tests.fakes import FakeClock, FakeFiles
from tests.fleet.memory_objects import MemoryObjects

HERE = Workspace("org", "wrkspc")


class Skipping(FakeFiles):
    """Whose listing may have entries that make no sense."""

    skipped = 0

    def list(self, limit: int, cursor: Cursor | None = None) -> Page:
        return replace(super().list(limit, cursor), skipped=self.skipped)


class Setting:
    """A store, a service, and a mount's state, at an hour when everything that was put is old."""

    def __init__(self, db: Database) -> None:
        self.clock = FakeClock()
        self.service, self.objects, self.db = Skipping(self.clock), MemoryObjects(), db
        self.service.named = HERE
        self.membership = Membership(Service("http://x", Credentials("x-api-key", "k")), "here")
        self.membership.join(HERE)
        self.keys = FleetKeys([b"n" * SECRET_BYTES, b"o" * SECRET_BYTES])
        self.shelf = Shelf(self.objects, self.keys, lambda: self.membership.scope)

    def put(self, file_id: FileId, size_bytes: int = 10) -> FileId:
        self.shelf.put(file_id, size_bytes, lambda _offset, size: bytes(size), create=False)
        return file_id

    def live(self) -> FileId:
        """A file of the workspace that is in the store."""
        return self.put(self.service.generate("live.txt", b"0123456789").file_id)

    def age(self) -> None:
        self.objects.now_ns += AGE_NS + 1

    def collect(self, *, accept: bool = False, only_look: bool = False) -> Found:
        garbage = Garbage(self.objects, self.shelf, self.membership, self.db, lambda: self.service, self.clock)
        *_, last = garbage.collect(accept=accept, only_look=only_look)
        return last

    def there(self, *file_ids: FileId) -> list[bool]:
        return [self.shelf.has(file_id) for file_id in file_ids]


@pytest.fixture
def setting(db: Database) -> Setting:
    return Setting(db)


def test_what_the_workspace_has_no_more_goes_whole_and_the_rest_stays(setting: Setting) -> None:
    live = [setting.live() for _ in range(3)]
    gone = setting.put(FileId("file_gone"), 2 * CHUNK_BYTES + 1)
    setting.age()
    found = setting.collect()
    assert (found.files, found.unknown, found.young, found.removed) == (4, 1, 0, 1)
    assert found.size_bytes > 2 * CHUNK_BYTES
    assert setting.there(*live, gone) == [True, True, True, False]
    assert len(setting.objects.bodies) == 3
    assert setting.collect() == Found(3, 0, 0, 0, 0)


def test_a_look_removes_nothing(setting: Setting) -> None:
    gone = setting.put(FileId("file_gone"))
    setting.age()
    assert setting.collect(only_look=True).unknown == 1
    assert setting.there(gone) == [True]


def test_what_is_younger_than_seven_days_stays(setting: Setting) -> None:
    """Another mount may be sending it, and the service not list it yet."""
    setting.live()
    setting.live()
    young = setting.put(FileId("file_young"))
    setting.objects.now_ns += AGE_NS - 1
    found = setting.collect()
    assert (found.unknown, found.young) == (0, 1)
    assert setting.there(young) == [True]


def test_a_file_is_as_young_as_its_newest_chunk(setting: Setting) -> None:
    setting.live()
    setting.live()
    healed = setting.put(FileId("file_healed"), 2 * CHUNK_BYTES)
    setting.age()
    setting.objects.put(setting.shelf.place(healed, 1), b"put again", create=False)
    assert setting.collect().young == 1
    assert setting.there(healed) == [True]


def test_most_of_the_store_goes_only_if_that_is_said(setting: Setting) -> None:
    live = setting.live()
    gone = [setting.put(FileId(f"file_gone_{number}")) for number in range(2)]
    setting.age()
    with pytest.raises(NotPermitted, match=r"2 of the 3 files in the store.*--accept"):
        setting.collect()
    assert setting.there(live, *gone) == [True, True, True]
    assert setting.collect(accept=True).removed == 2
    assert setting.there(live, *gone) == [True, False, False]


def test_an_empty_listing_removes_nothing_by_itself(setting: Setting) -> None:
    gone = setting.put(FileId("file_gone"))
    setting.age()
    with pytest.raises(NotPermitted):
        setting.collect()
    assert setting.there(gone) == [True]


def test_what_this_state_knows_stays_whatever_the_listing_lacks(setting: Setting) -> None:
    live = [setting.live() for _ in range(2)]
    owed = setting.put(FileId("file_owed"))
    with setting.db.transaction() as tx:
        tx.shares.owe(owed, 10)
    setting.age()
    assert setting.collect().unknown == 0
    assert setting.there(*live, owed) == [True, True, True]


def test_another_workspaces_listing_removes_nothing(setting: Setting) -> None:
    live = setting.live()
    setting.put(FileId("file_gone"))
    setting.age()
    setting.service.named = Workspace("org", "another")
    with pytest.raises(NotPermitted, match="another workspace"):
        setting.collect(accept=True)
    assert setting.there(live, FileId("file_gone")) == [True, True]


def test_other_workspaces_files_and_strangers_objects_are_never_touched(setting: Setting) -> None:
    other = Membership(Service("http://x", Credentials("x-api-key", "k")), "there")
    other.join(Workspace("org", "another"))
    Shelf(setting.objects, setting.keys, lambda: other.scope).put(FileId("file_other"), 3, lambda _offset, size: bytes(size), create=False)
    setting.objects.put("1/0123456789ab/w/f/0", b"of another key", create=True)
    folder = setting.shelf.place(FileId("x"), 0).rsplit("/", 2)[0]
    for path in (f"{folder}/README", f"{folder}/mine/0", "unrelated/report.pdf"):
        setting.objects.put(path, b"a stranger's", create=True)
    before = dict(setting.objects.bodies)
    setting.age()
    assert setting.collect(accept=True) == Found(0, 0, 0, 0, 0)
    assert setting.objects.bodies == before


def test_an_older_keys_garbage_goes_too(setting: Setting) -> None:
    setting.live()
    setting.live()
    old = Shelf(setting.objects, FleetKeys([b"o" * SECRET_BYTES]), lambda: setting.membership.scope)
    old.put(FileId("file_old"), 3, lambda _offset, size: bytes(size), create=False)
    setting.age()
    assert setting.collect().removed == 1
    assert not old.has(FileId("file_old"))


def test_a_listing_that_fails_or_makes_no_sense_removes_nothing(setting: Setting) -> None:
    setting.put(FileId("file_gone"))
    setting.age()
    setting.service.fail("list", Unavailable("not now"))
    with pytest.raises(Unavailable):
        setting.collect(accept=True)
    setting.service.skipped = 1
    with pytest.raises(BadAnswer, match="make no sense"):
        setting.collect(accept=True)
    assert setting.there(FileId("file_gone")) == [True]


def test_a_store_that_lists_late_or_is_away_removes_nothing(setting: Setting) -> None:
    setting.put(FileId("file_gone"))
    setting.age()
    setting.objects.lists_late = True
    with pytest.raises(NotStored, match="late"):
        setting.collect(accept=True)
    setting.objects.lists_late = False

    def away(call: str, _path: str) -> None:
        if call == "list":
            raise StoreAway("no answer")
    setting.objects.mishap = away
    with pytest.raises(StoreAway):
        setting.collect(accept=True)
    setting.objects.mishap = lambda *_: None
    assert setting.there(FileId("file_gone")) == [True]


def test_probes_that_killed_mounts_have_left_go(setting: Setting) -> None:
    setting.objects.put(f"1/{setting.keys.ids[0]}/probe/left", b"", create=True)
    setting.age()
    setting.collect()
    assert setting.objects.bodies == {}
