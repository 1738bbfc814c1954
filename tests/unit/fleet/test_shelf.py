"""Whole files in an object store: chunk 0 is last, an own upload heals, nobody's word is believed without a seal."""

import os

import pytest

from anthrofs.errors import Forged, NotReadable, NotStored, StoreAway, StoreRefuses
from anthrofs.fleet.keys import SECRET_BYTES, FleetKeys
from anthrofs.fleet.membership import Scope
from anthrofs.fleet.seal import CHUNK_BYTES
from anthrofs.fleet.shelf import Shelf
from anthrofs.model import FileId
from tests.fleet.memory_objects import MemoryObjects

OLD, NEW = b"o" * SECRET_BYTES, b"n" * SECRET_BYTES
ONE, TWO = FileId("file_1"), FileId("file_2")
BIG = os.urandom(2 * CHUNK_BYTES + 100)


@pytest.fixture
def objects() -> MemoryObjects:
    return MemoryObjects()


def shelf_of(objects: MemoryObjects, *secrets: bytes, workspace: str = "w") -> Shelf:
    return Shelf(objects, FleetKeys(secrets or [NEW]), lambda: Scope("o", workspace))


def put(shelf: Shelf, file_id: FileId, data: bytes, *, create: bool = False) -> None:
    shelf.put(file_id, len(data), lambda offset, size: data[offset:offset + size], create=create)


def content(shelf: Shelf, file_id: FileId) -> bytes:
    first = shelf.chunk(file_id, 0)
    count = max(1, -(-first.size_bytes // CHUNK_BYTES))
    return b"".join([first.data, *(shelf.chunk(file_id, number).data for number in range(1, count))])


def places(objects: MemoryObjects, number: int = 0) -> list[str]:
    return [path for path in objects.bodies if path.endswith(f"/{number}")]


@pytest.mark.parametrize("data", [b"", b"x", BIG[:CHUNK_BYTES], BIG], ids=["empty", "one byte", "one chunk", "three chunks"])
def test_a_member_reads_what_another_has_put(objects: MemoryObjects, data: bytes) -> None:
    put(shelf_of(objects), ONE, data)
    other = shelf_of(objects)
    assert content(other, ONE) == data
    assert other.has(ONE)
    assert not other.has(TWO)
    assert other.known([ONE, TWO]) == {ONE}


def test_a_file_of_n_chunks_is_n_gets(objects: MemoryObjects) -> None:
    put(shelf_of(objects), ONE, BIG)
    objects.asked.clear()
    content(shelf_of(objects), ONE)
    assert objects.asked == {"get": 3}


def test_names_in_the_store_tell_nothing(objects: MemoryObjects) -> None:
    put(shelf_of(objects), ONE, b"abc")
    (path,) = objects.bodies
    assert ONE not in path
    assert path.startswith(f"1/{FleetKeys([NEW]).ids[0]}/")


def test_a_put_that_ends_in_the_middle_leaves_nothing_to_be_found(objects: MemoryObjects) -> None:
    def read_at(offset: int, size: int) -> bytes:
        if offset == 0:
            raise StoreAway("the mount ends here")
        return BIG[offset:offset + size]
    with pytest.raises(StoreAway):
        shelf_of(objects).put(ONE, len(BIG), read_at, create=False)
    assert len(objects.bodies) == 2
    assert not shelf_of(objects).has(ONE)
    assert shelf_of(objects).known([ONE]) == set()
    with pytest.raises(NotStored):
        shelf_of(objects).chunk(ONE, 0)


def test_a_copy_that_is_shorter_than_the_file_isnt_put(objects: MemoryObjects) -> None:
    with pytest.raises(NotReadable):
        shelf_of(objects).put(ONE, 10, lambda _offset, _size: b"short", create=False)
    assert objects.bodies == {}


def test_what_is_there_isnt_put_again_by_a_download(objects: MemoryObjects) -> None:
    put(shelf_of(objects), ONE, BIG, create=True)
    objects.asked.clear()
    put(shelf_of(objects), ONE, BIG, create=True)
    assert objects.asked == {"has": 1}


@pytest.mark.parametrize("create", [True, False])
def test_a_squatted_chunk_is_healed(objects: MemoryObjects, create: bool) -> None:
    put(shelf_of(objects), ONE, BIG)
    squatted = places(objects, 1)[0]
    objects.bodies[squatted] = b"AFS1 not a chunk of anybody's"
    del objects.bodies[places(objects)[0]]         # else a download wouldn't be put at all
    with pytest.raises(Forged):
        shelf_of(objects).chunk(ONE, 1)
    put(shelf_of(objects), ONE, BIG, create=create)
    assert content(shelf_of(objects), ONE) == BIG


def test_a_create_whose_answer_was_lost_is_no_other_members_object(objects: MemoryObjects) -> None:
    put(shelf_of(objects), ONE, b"abc")
    before = dict(objects.bodies)
    objects.asked.clear()
    objects.hides = True        # it was looked for before the put whose answer was lost
    put(shelf_of(objects), ONE, b"abc", create=True)
    assert objects.bodies == before
    assert objects.asked == {"has": 1, "put": 1, "get": 1}


@pytest.mark.parametrize("lie", [b"", b"AFS1", b"x" * 100])
def test_a_lie_is_never_content(objects: MemoryObjects, lie: bytes) -> None:
    put(shelf_of(objects), ONE, BIG)
    objects.bodies[places(objects)[0]] = lie
    with pytest.raises(Forged):
        shelf_of(objects).chunk(ONE, 0)


def test_a_swapped_chunk_is_never_content(objects: MemoryObjects) -> None:
    put(shelf_of(objects), ONE, BIG)
    put(shelf_of(objects), TWO, BIG)
    one, two = places(objects)
    objects.bodies[one] = objects.bodies[two]
    with pytest.raises(Forged):
        shelf_of(objects).chunk(ONE, 0)


def test_two_workspaces_and_two_keys_never_meet(objects: MemoryObjects) -> None:
    put(shelf_of(objects), ONE, b"abc")
    for other in (shelf_of(objects, workspace="v"), shelf_of(objects, OLD)):
        assert other.known([ONE]) == set()
        with pytest.raises(NotStored):
            other.chunk(ONE, 0)


def test_an_older_keys_files_are_read_and_removed_and_new_ones_are_by_the_new_key(objects: MemoryObjects) -> None:
    put(shelf_of(objects, OLD), ONE, b"old")
    both = shelf_of(objects, NEW, OLD)
    put(both, TWO, b"new")
    assert both.known([ONE, TWO]) == {ONE, TWO}
    assert (content(both, ONE), content(both, TWO)) == (b"old", b"new")
    assert content(shelf_of(objects, NEW), TWO) == b"new"
    both.remove(ONE)
    assert shelf_of(objects, OLD).known([ONE]) == set()


def test_a_forged_chunk_of_the_new_key_doesnt_hide_the_older_keys(objects: MemoryObjects) -> None:
    put(shelf_of(objects, OLD), ONE, b"old")
    put(shelf_of(objects, NEW), ONE, b"new")
    objects.bodies[next(path for path in places(objects) if FleetKeys([NEW]).ids[0] in path)] = b"lie"
    assert content(shelf_of(objects, NEW, OLD), ONE) == b"old"


def test_removal_takes_all_chunks_and_the_first_one_first(objects: MemoryObjects) -> None:
    put(shelf_of(objects), ONE, BIG)
    put(shelf_of(objects), TWO, b"stays")
    shelf_of(objects).remove(ONE)
    assert [path[-2:] for path in objects.removed] == ["/0", "/1", "/2"]
    assert shelf_of(objects).known([ONE, TWO]) == {TWO}
    assert len(objects.bodies) == 1


def test_a_listing_that_is_late_leaves_no_first_chunk_behind(objects: MemoryObjects) -> None:
    put(shelf_of(objects), ONE, BIG)
    objects.lists_late = True
    shelf_of(objects).remove(ONE)
    assert not shelf_of(objects).has(ONE)


def test_a_store_that_ignores_create_costs_a_put_and_no_byte(objects: MemoryObjects) -> None:
    objects.ignores_create = True
    put(shelf_of(objects), ONE, BIG)
    put(shelf_of(objects), ONE, BIG, create=True)
    assert content(shelf_of(objects), ONE) == BIG


def test_a_store_that_takes_nothing_still_gives(objects: MemoryObjects) -> None:
    put(shelf_of(objects), ONE, b"abc")
    objects.refuses = "it is full"
    with pytest.raises(StoreRefuses, match="full"):
        put(shelf_of(objects), TWO, b"def")
    assert content(shelf_of(objects), ONE) == b"abc"


def test_nothing_is_asked_before_the_workspace_is_known(objects: MemoryObjects) -> None:
    shelf = Shelf(objects, FleetKeys([NEW]), lambda: None)
    for ask in (lambda: shelf.has(ONE), lambda: shelf.chunk(ONE, 0), lambda: put(shelf, ONE, b"x"), lambda: shelf.known([ONE]), lambda: shelf.remove(ONE)):
        with pytest.raises(StoreAway):
            ask()
    assert objects.asked == {}
