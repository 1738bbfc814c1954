"""Whoever has a node open is known: what its handles see, what their closes answer for, and when the last has gone."""

import pytest

from anthrofs.errors import BadHandle, DiskFull
from anthrofs.model import FileId, NodeId, RemoteFile, StageId
from anthrofs.tree.open_table import Content, Handle, OpenTable, Shown

NODE, OTHER = NodeId(7), NodeId(8)
FILE = RemoteFile(FileId("file_1"), "a.txt", "text/plain", 3, 0, downloadable=True)


class Stage:
    """A stage in memory."""

    number = StageId(5)
    descriptor = -1

    def __init__(self) -> None:
        self.content = bytearray()
        self.closed = False

    def read(self, size: int, offset: int) -> bytes:
        return bytes(self.content[offset:offset + size])

    def write_some(self, data: bytes, offset: int) -> int:
        self.write(data, offset)
        return len(data)

    def write(self, data: bytes, offset: int) -> None:
        self.content[offset:offset + len(data)] = data

    def truncate(self, size_bytes: int) -> None:
        del self.content[size_bytes:]

    def size_bytes(self) -> int:
        return len(self.content)

    def close(self) -> None:
        self.closed = True


def opened(table: OpenTable, node_id: NodeId = NODE, *, writes: bool = False) -> Handle:
    return table.open(node_id, reads=True, writes=writes, process=1)


def write(handle: Handle, data: bytes, *, mapped: bool = False) -> None:
    """As fs/contents.py does it."""
    content = handle.content
    with content.lock:
        content.stage = content.stage or Stage()
        content.stage.write(data, content.stage.size_bytes())
        content.shown, content.dirty = Shown(content.stage.size_bytes(), 1, 1), True
        if mapped:
            content.maps.wrote()
        else:
            handle.answers.wrote()


# ---- the table

def test_all_handles_of_a_node_see_one_content() -> None:
    table = OpenTable()
    one, two, other = opened(table), opened(table), opened(table, OTHER)
    assert one.content is two.content is table.content_of(NODE)
    assert other.content is not one.content
    assert len({one.number, two.number, other.number}) == 3
    assert table.busy() == {NODE, OTHER}


def test_a_number_is_given_once() -> None:
    table = OpenTable()
    handle = opened(table)
    assert table.get(handle.number) is handle
    table.close(handle)
    with pytest.raises(BadHandle):
        table.get(handle.number)
    assert opened(table).number != handle.number


def test_a_content_goes_with_its_last_release_and_not_before_that_is_finished() -> None:
    table = OpenTable()
    one, two = opened(table), opened(table)
    assert not table.close(one)
    assert table.close(two)
    assert table.closed() == [one.content]
    assert table.content_of(NODE) is one.content
    assert table.forget(one.content)
    assert (table.content_of(NODE), table.closed()) == (None, [])
    assert not table.forget(one.content)


def test_what_is_opened_again_before_its_last_release_is_finished_goes_on() -> None:
    table = OpenTable()
    first = opened(table)
    table.close(first)
    again = opened(table)
    assert again.content is first.content
    assert not table.forget(first.content)
    table.close(again)
    write(again, b"unpromised")
    assert not table.forget(first.content), "its own release has to promise that"
    first.content.dirty = False
    assert table.forget(first.content)


def test_who_writes_alone_is_known() -> None:
    table = OpenTable()
    reader, writer = opened(table), opened(table, writes=True)
    assert table.writes_alone(writer)
    assert not table.is_alone(writer)
    second = opened(table, writes=True)
    assert not table.writes_alone(writer)
    table.close(second)
    table.close(reader)
    assert table.writes_alone(writer)
    assert table.is_alone(writer)


def test_what_is_not_promised_is_told_until_it_is() -> None:
    table = OpenTable()
    handle = opened(table, writes=True)
    assert table.unpromised() == []
    write(handle, b"x")
    assert table.unpromised() == [NODE]
    handle.content.dirty = False
    assert table.unpromised() == []
    table.close(handle)
    assert table.unpromised() == [NODE], "its last release isn't finished"


def test_content_of_the_server_is_held_for_whoever_has_met_it() -> None:
    table = OpenTable()
    handle = opened(table)
    assert table.leans_on(NODE, FILE.file_id), "it may be about to meet it"
    assert not table.leans_on(OTHER, FILE.file_id)
    handle.content.remote = FILE
    assert table.leans_on(None, FILE.file_id)
    assert (table.is_read(FILE.file_id), table.reads_from(FILE.file_id)) == (True, True)
    table.close(handle)
    assert (table.is_read(FILE.file_id), table.reads_from(FILE.file_id)) == (False, True)
    table.forget(handle.content)
    assert (table.is_read(FILE.file_id), table.reads_from(FILE.file_id)) == (False, False)


def test_what_others_did_waits_for_the_last_release() -> None:
    table = OpenTable()
    assert not table.owe(NODE)
    content = opened(table).content
    assert table.owe(NODE)
    assert (content.owed, content.lost()) == (True, None)
    assert table.owe(NODE, gone=True)
    assert content.lost() is None, "nobody has met what is gone"
    content.remote = FILE
    assert content.lost() == FILE.file_id


# ---- a content

def test_a_content_tells_what_was_written() -> None:
    table = OpenTable()
    handle = opened(table, writes=True)
    content = handle.content
    assert (content.written(), content.staged()) == ((False, 0), None)
    write(handle, b"abc")
    assert (content.written(), content.staged()) == ((True, 3), (Stage.number, 3))


def test_a_time_that_a_user_sets_holds_for_local_content_only() -> None:
    content = Content(NODE)
    content.set_mtime(9, 2)
    assert content.shown is None
    content.shown = Shown(3, 1, 1)
    content.set_mtime(9, 2)
    assert content.shown == Shown(3, 9, 2)


# ---- a handle's closes

def test_a_close_that_succeeds_answers_for_what_was_written() -> None:
    handle = opened(OpenTable(), writes=True)
    assert not handle.owes()
    write(handle, b"x")
    assert handle.owes()
    with handle.closing() as stage:
        assert stage == Stage.number
        assert (handle.owes(), handle.is_answering()) == (False, True)
        write(handle, b"y")
    assert (handle.owes(), handle.is_answering()) == (True, False), "what came meanwhile is the next one's"


def test_a_close_that_fails_leaves_all_of_it_to_the_next() -> None:
    handle = opened(OpenTable(), writes=True)
    write(handle, b"x")
    with pytest.raises(DiskFull), handle.closing():
        raise DiskFull("no room")
    assert (handle.owes(), handle.is_answering()) == (True, False)


def test_empty_content_waits_for_the_last_release() -> None:
    handle = opened(OpenTable(), writes=True)
    write(handle, b"")
    assert not handle.owes()


def test_a_write_from_a_map_is_owed_by_each_handle_that_was_open() -> None:
    table = OpenTable()
    one, two = opened(table, writes=True), opened(table, writes=True)
    write(one, b"x", mapped=True)
    later = opened(table, writes=True)
    assert (one.owes(), two.owes(), later.owes()) == (True, True, False)
    with two.closing():
        pass
    assert (one.owes(), two.owes()) == (True, False)
