"""Two mounts of a fleet that save the same name, size and type at once never take each other's file for their own; what is surely one's
own is deleted when nobody wants it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from anthrofs.config import Credentials, Service
from anthrofs.errors import BoardAway, NoAnswer
from anthrofs.fleet import intents
from anthrofs.fleet.intents import Intents
from anthrofs.fleet.keys import FleetKeys
from anthrofs.fleet.membership import Membership, Scope
from anthrofs.model import NodeId, Page, RemoteFile, Workspace
from anthrofs.sync.merge import Merge
from anthrofs.tree.database import Database
from tests.fakes import FakeClock, FakeFiles
from tests.memory_board import MemoryBoard, Wall
from tests.unit.upload.house import House

SERVICE = Service("http://fake", Credentials("x-api-key", "key"))
KEYS = FleetKeys([bytes(32)])


class Reached(MemoryBoard):
    """One member's board, which can be out of its reach alone."""

    cut = False

    def _scope_locked(self) -> Scope:
        if self.cut:
            raise BoardAway("cut")
        return super()._scope_locked()


class Fleet:
    """Two mounts, whose uploaders do a piece of work when they are told to, one service, one board."""

    def __init__(self, root: Path, stack: ExitStack) -> None:
        self.clock = FakeClock()
        self.files = FakeFiles(self.clock)
        self.wall = Wall(self.clock)
        self.root, self._stack = root, stack
        self.boards: dict[str, Reached] = {}
        self.a, self.b = self.begin("a"), self.begin("b")
        for house in (self.a, self.b):
            self.save(house, f"first of {house.root.name}", b"first")
            assert house.work()                 # the service's clock is known, and what it says of uploads
        self.files.asked.clear()

    def begin(self, name: str) -> House:
        membership = Membership(SERVICE, name)
        membership.join(Workspace("organization", "wrkspc"))
        board = self.boards[name] = Reached(self.wall, membership)

        def claims(db: Database) -> Intents:
            self.claims = Intents(board, KEYS, membership, db)
            return self.claims
        house = House(self.root / name, self.clock, self.files, claims)
        house.merge = Merge(house.db, house.mirror, house.handles, self.clock, claims=self.claims)   # type: ignore[attr-defined]
        self._stack.callback(house.close)
        return house

    @staticmethod
    def save(house: House, name: str, content: bytes) -> NodeId:
        node_id = house.save(name, content)
        house.uploader.hurry()
        return node_id

    def lose(self, house: House, content: bytes, *, stored: bool, name: str = "a.txt") -> NodeId:
        """A save whose answer is lost."""
        node_id = self.save(house, name, content)
        self.files.fail("upload", NoAnswer("cut"), after=stored)
        assert house.work()
        return node_id

    def work_off(self) -> None:
        for _ in range(20):
            for house in (self.a, self.b):
                while house.work():
                    pass
            self.clock.advance(10)

    def content(self, house: House, node_id: NodeId) -> bytes:
        """As the server has what the mount takes for its file."""
        node = house.index.node(node_id)
        assert node.remote is not None
        assert not node.unsent
        return self.files.contents[node.remote.file_id]

    def stored(self) -> list[bytes]:
        return sorted(self.files.contents[file.file_id] for file in self.files.files if file.name == "a.txt")


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    for name in "ab":
        (tmp_path / name).mkdir()
    with ExitStack() as stack:
        yield Fleet(tmp_path, stack)


def test_a_file_that_another_mount_has_sent_isnt_taken_for_a_lost_one(fleet: Fleet) -> None:
    """Of one, nothing was stored; the other's is there, of the same name, size and type. Its answer came, was lost, or is still awaited."""
    ours = fleet.lose(fleet.a, b"ours  ", stored=False)
    theirs = fleet.lose(fleet.b, b"theirs", stored=True)
    fleet.work_off()
    assert (fleet.content(fleet.a, ours), fleet.content(fleet.b, theirs)) == (b"ours  ", b"theirs")


def test_what_another_mount_was_told_is_its_own_doesnt_stand_in_the_way(fleet: Fleet) -> None:
    ours = fleet.lose(fleet.a, b"ours  ", stored=True)
    theirs = fleet.save(fleet.b, "a.txt", b"theirs")
    assert fleet.b.work()
    fleet.work_off()
    assert (fleet.content(fleet.a, ours), fleet.content(fleet.b, theirs)) == (b"ours  ", b"theirs")
    assert fleet.stored() == [b"ours  ", b"theirs"]         # nothing was sent twice


def test_while_another_mounts_answer_is_awaited_a_lost_one_is_looked_for_again(fleet: Fleet) -> None:
    """It tells in time which of the two is whose."""
    theirs = fleet.save(fleet.b, "a.txt", b"theirs")
    item, upload = fleet.b.schedule.next(), fleet.files.upload
    ours = NodeId(0)

    def slow(*arguments: object, **named: object) -> RemoteFile:
        nonlocal ours
        fleet.files.upload = upload                         # type: ignore[method-assign]
        ours = fleet.lose(fleet.a, b"ours  ", stored=True)
        fleet.clock.advance(2)
        assert fleet.a.work()                               # it is there, and may be theirs
        return upload(*arguments, **named)                  # type: ignore[arg-type]

    fleet.files.upload = slow                               # type: ignore[method-assign]
    fleet.b.uploader._do(item)                              # type: ignore[arg-type]
    fleet.work_off()
    assert (fleet.content(fleet.a, ours), fleet.content(fleet.b, theirs)) == (b"ours  ", b"theirs")
    assert fleet.stored() == [b"ours  ", b"theirs"]


def test_two_lost_answers_of_which_nobody_can_tell_are_sent_again(fleet: Fleet) -> None:
    ours, theirs = fleet.lose(fleet.a, b"ours  ", stored=True), fleet.lose(fleet.b, b"theirs", stored=True)
    fleet.work_off()
    assert (fleet.content(fleet.a, ours), fleet.content(fleet.b, theirs)) == (b"ours  ", b"theirs")
    assert fleet.stored() == sorted([b"ours  ", b"theirs"] * 2)     # a duplicate is better than a loss


@pytest.mark.parametrize("trouble", ["away", "theirs is cut off", "emptied"])
def test_without_the_board_the_listing_decides_and_nothing_fails(fleet: Fleet, trouble: str) -> None:
    ours = fleet.lose(fleet.a, b"ours  ", stored=True)
    if trouble == "emptied":
        fleet.wall.forget()
    fleet.wall.away, fleet.boards["b"].cut = "cut" if trouble == "away" else "", trouble == "theirs is cut off"
    other = fleet.save(fleet.b, "b.txt", b"other")
    fleet.work_off()
    assert (fleet.content(fleet.a, ours), fleet.content(fleet.b, other)) == (b"ours  ", b"other")
    assert fleet.stored() == [b"ours  "]


def test_after_a_kill_a_mount_knows_its_own_intent(fleet: Fleet) -> None:
    """It is another member by then."""
    ours = fleet.lose(fleet.a, b"ours  ", stored=True)
    fleet.a.close()
    fleet.a = fleet.begin("a")
    with fleet.a.db.transaction() as tx:
        tx.uploads.recover()
    fleet.work_off()
    assert fleet.content(fleet.a, ours) == b"ours  "
    assert fleet.stored() == [b"ours  "]


@pytest.mark.parametrize("known", [True, False])
def test_what_may_be_another_mounts_isnt_put_into_the_store_as_ours(fleet: Fleet, known: bool) -> None:
    """Everybody would read the wrong bytes there."""
    fleet.a.uploader._delivery._arrivals._shares = True
    ours = fleet.lose(fleet.a, b"ours  ", stored=True)
    if not known:
        fleet.wall.forget()
    fleet.work_off()
    assert fleet.content(fleet.a, ours) == b"ours  "
    with fleet.a.db.reading() as tx:
        assert tx.shares.waiting()[0] == known


# ---- what was removed before it was found

Removed = Callable[[Fleet], None]


def emptied(fleet: Fleet) -> None:
    fleet.wall.forget()


def away(fleet: Fleet) -> None:
    fleet.wall.away = "cut"


def twin(fleet: Fleet) -> None:
    fleet.lose(fleet.b, b"theirs", stored=False)


def twin_of_no_member(fleet: Fleet) -> None:
    fleet.files.generate("a.txt", b"others", downloadable=False)


def nothing(fleet: Fleet) -> None:
    del fleet


def test_what_was_removed_before_its_lost_answer_was_found_goes_away_there(fleet: Fleet) -> None:
    fleet.lose(fleet.a, b"ours  ", stored=True)
    fleet.a.remove("a.txt")
    fleet.work_off()
    assert fleet.stored() == []


@pytest.mark.parametrize("trouble", [emptied, away, twin, twin_of_no_member])
def test_unless_it_may_be_another_mounts(fleet: Fleet, trouble: Removed) -> None:
    fleet.lose(fleet.a, b"ours  ", stored=True)
    fleet.a.remove("a.txt")
    trouble(fleet)
    fleet.work_off()
    assert b"ours  " in fleet.stored()


def show(house: House, files: Sequence[RemoteFile]) -> list[str]:
    """A refresh. Returns what the mount shows then."""
    merge: Merge = house.merge                              # type: ignore[attr-defined]
    merge.sort_out(Page(tuple(files), None))
    with house.db.transaction() as tx:
        merge.page(tx, merge.begin(tx), Page(tuple(files), None), house.files)
    return sorted(house.nodes())


@pytest.mark.parametrize("trouble", [nothing, emptied, away, twin, twin_of_no_member])
def test_what_a_given_up_try_has_left_after_all_is_deleted_if_it_is_surely_ours(fleet: Fleet, trouble: Removed) -> None:
    fleet.files.lag_s = 100.0
    node_id = fleet.lose(fleet.a, b"ours  ", stored=True)           # no inquiry will see it
    trouble(fleet)
    for _ in range(4):
        fleet.clock.advance(20)
        fleet.a.work()
    assert fleet.stored().count(b"ours  ") == 2
    shown = show(fleet.a, fleet.files.files)
    assert (len(shown) > 3) == (trouble is not nothing), shown      # it shows, or not
    fleet.files.lag_s = 0.0
    fleet.wall.away = ""
    fleet.work_off()
    assert fleet.stored().count(b"ours  ") == (1 if trouble is nothing else 2)
    assert fleet.content(fleet.a, node_id) == b"ours  "


def test_it_stays_until_what_is_sent_in_its_place_is_there(fleet: Fleet) -> None:
    fleet.files.lag_s = 100.0
    node_id = fleet.lose(fleet.a, b"ours  ", stored=True)
    fleet.files.fail("upload", *[NoAnswer("refused", maybe_stored=False)] * 30)
    for _ in range(4):
        fleet.clock.advance(20)
        fleet.a.work()
    show(fleet.a, fleet.files.files)
    fleet.work_off()
    assert fleet.stored() == [b"ours  "]
    fleet.files.failures.clear()
    fleet.files.lag_s = 0.0
    fleet.work_off()
    fleet.clock.advance(600)
    fleet.work_off()
    assert fleet.stored() == [b"ours  "]
    assert fleet.content(fleet.a, node_id) == b"ours  "


def test_a_generated_file_is_never_taken_for_what_a_given_up_try_has_left(fleet: Fleet) -> None:
    fleet.lose(fleet.a, b"ours  ", stored=False)
    for _ in range(4):
        fleet.clock.advance(20)
        fleet.a.work()
    fleet.files.generate("a.txt", b"theirs")
    show(fleet.a, fleet.files.files)
    fleet.work_off()
    assert fleet.stored() == [b"ours  ", b"theirs"]


# ---- what stands on the board

def test_what_makes_no_sense_on_the_board_counts_for_nothing(fleet: Fleet, caplog: pytest.LogCaptureFixture) -> None:
    ours = fleet.lose(fleet.a, b"ours  ", stored=True)
    place = list(fleet.wall.notes)[-1][1]
    about, board = place.removeprefix("intents:"), fleet.boards["b"]
    [own] = board.intents(about).values()
    for name, body in (("forged\x1b[2J", b"{}"), ("other key", FleetKeys([b"1" * 32]).seal("intent", [about], b"{}")), ("cut", own.body[:-1]),
                       ("other place", KEYS.seal("intent", ["other"], KEYS.open("intent", [about], own.body))),
                       ("other facts", KEYS.seal("intent", [about], b'{"owner": 1}')), ("no JSON", KEYS.seal("intent", [about], b"!")),
                       ("other kinds", KEYS.seal("intent", [about], b'{"owner": "x", "stage": "y", "sent_ns": 1}'))):
        board.intend(about, name, body)
    fleet.work_off()
    assert fleet.content(fleet.a, ours) == b"ours  "
    assert fleet.stored() == [b"ours  "]
    assert len([record for record in caplog.records if "makes no sense" in record.getMessage()]) == 7


def test_of_a_file_that_is_saved_again_and_again_some_claims_stand(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intents, "CLAIMS", 5)
    for number in range(12):
        fleet.save(fleet.a, "a.txt", f"{number:06}".encode())
        fleet.work_off()
    place = next(place for _, place in reversed(fleet.wall.notes))
    assert len(fleet.boards["b"].intents(place.removeprefix("intents:"))) == 5
    assert fleet.stored() == [b"000011"]


def test_an_intent_names_nothing_that_can_be_read_without_the_key(fleet: Fleet) -> None:
    fleet.lose(fleet.a, b"ours  ", stored=True, name="secret name.txt")
    text = repr(fleet.wall.notes).encode()
    assert b"secret" not in text
    assert b"file_" not in text
