"""Manual, promises: an open never gets a size that others have changed, nor pages of another content."""

import itertools
import weakref
from typing import Final

import pytest

from anthrofs.fs.kernel_cache import PATHS, SETTLE_S, PageCache, Surprises
from anthrofs.model import ROOT, FileId, NodeId
from tests.fakes import FakeClock

ENTRY = (ROOT, "report.txt")
A, B = (FileId("file_a"), 10), (FileId("file_b"), 10)
HANDLES: Final = itertools.count(1)


def test_a_change_is_a_surprise_until_the_kernel_has_asked_again() -> None:
    clock = FakeClock()
    surprises = Surprises(clock, attr_timeout_s=10)
    assert not surprises.recent(ENTRY)
    surprises.note(ENTRY)
    assert surprises.recent(ENTRY)
    assert not surprises.recent((ROOT, "other.txt"))
    clock.advance(1)
    surprises.told(ENTRY, clock.now_s())
    assert not surprises.recent(ENTRY)


def test_it_ends_by_itself_when_the_kernel_has_surely_forgotten() -> None:
    clock = FakeClock()
    surprises = Surprises(clock, attr_timeout_s=10)
    surprises.note(ENTRY)
    clock.advance(19)
    assert surprises.recent(ENTRY)                  # the change itself may have come a while after its note
    clock.advance(2)
    assert not surprises.recent(ENTRY)


def test_a_surprise_goes_along_when_the_file_gets_another_name() -> None:
    surprises, other = Surprises(FakeClock(), attr_timeout_s=10), (NodeId(77), "other.txt")
    surprises.note(ENTRY)
    surprises.moved(ENTRY, other)
    assert (surprises.recent(ENTRY), surprises.recent(other)) == (False, True)
    surprises.moved(ENTRY, (ROOT, "third.txt"))
    assert not surprises.recent((ROOT, "third.txt"))


def test_attributes_asked_for_right_after_a_change_are_not_trusted() -> None:
    """An older answer can be on its way, and then the kernel drops the newer one."""
    clock = FakeClock()
    surprises = Surprises(clock, attr_timeout_s=10)
    surprises.note(ENTRY)
    surprises.told(ENTRY, clock.now_s() - 1)        # looked up before it
    surprises.told(ENTRY, clock.now_s())
    assert surprises.recent(ENTRY)
    surprises.settle(ENTRY)                         # what an open does before it says "ask again"
    assert clock.now_s() >= SETTLE_S
    surprises.told(ENTRY, clock.now_s())
    assert not surprises.recent(ENTRY)


def test_what_is_long_past_is_not_waited_for() -> None:
    clock = FakeClock()
    surprises = Surprises(clock, attr_timeout_s=10)
    surprises.note(ENTRY)
    clock.advance(1)
    surprises.settle(ENTRY)
    surprises.settle((ROOT, "other.txt"))
    assert clock.now_s() == 1


def test_others_changes_wait_while_a_file_is_opened_again() -> None:
    clock = FakeClock()
    surprises = Surprises(clock, attr_timeout_s=10)
    surprises.expect(NodeId(7))
    assert surprises.expects(NodeId(7))
    assert not surprises.expects(NodeId(8))
    clock.advance(1)
    assert not surprises.expects(NodeId(7))


@pytest.mark.parametrize("directory", [False, True])
def test_a_name_of_another_kind_is_told_once(directory: bool) -> None:
    clock = FakeClock()
    surprises = Surprises(clock, attr_timeout_s=10)
    assert not surprises.swapped(ENTRY, directory=not directory)
    surprises.note(ENTRY, directory=directory)
    assert not surprises.swapped(ENTRY, directory=directory)
    assert surprises.swapped(ENTRY, directory=not directory)
    assert not surprises.swapped(ENTRY, directory=not directory)
    surprises.note(ENTRY, directory=directory)
    clock.advance(21)
    assert not surprises.swapped(ENTRY, directory=not directory)       # the kernel has forgotten


class Name(str):
    """Counts how often it is looked for or put anywhere: the work that is done for it. Tuples don't remember their
    hashes.
    """

    __slots__ = ("__weakref__",)
    hashed = 0

    def __hash__(self) -> int:
        Name.hashed += 1
        return super().__hash__()


@pytest.mark.parametrize("directory", [False, True])
def test_a_change_of_thousands_at_once_costs_each_of_them_the_same(
        monkeypatch: pytest.MonkeyPatch, directory: bool) -> None:
    clock = FakeClock()
    surprises = Surprises(clock, attr_timeout_s=10)
    monkeypatch.setattr(Name, "hashed", 0)
    for number in range(5000):
        surprises.note((ROOT, Name(number)), directory=directory)
    assert Name.hashed <= 10 * 5000
    assert surprises.swapped((ROOT, "0"), directory=not directory)     # and none was forgotten


def test_what_has_served_is_not_kept_for_ever() -> None:
    clock = FakeClock()
    surprises = Surprises(clock, attr_timeout_s=10)
    names = weakref.WeakSet[Name]()
    for number in range(5000):
        name = Name(number)
        names.add(name)
        surprises.note((ROOT, name))
        clock.advance(0.1)
    assert len(names) <= 1001


# ---- pages

def opened(pages: PageCache, version: tuple[FileId, int] | None, *, writes: bool = False, name: str = "x") -> bool:
    """Open and release."""
    handle = next(HANDLES)
    keep = pages.opened(handle, name, version, writes=writes)
    pages.released(handle, version)
    return keep


def test_pages_are_kept_only_for_the_same_version_after_its_handle_is_gone() -> None:
    pages = PageCache()
    first, became_local = next(HANDLES), next(HANDLES)
    assert not pages.opened(first, "x", A, writes=False)
    assert not opened(pages, B)             # another content, while the first is open
    pages.released(first, A)                # its pages may have come after the other's open
    assert not opened(pages, B)
    assert opened(pages, B)
    assert not opened(pages, None)
    assert not opened(pages, B)             # local content may have come into the kernel
    assert opened(pages, B)
    pages.opened(became_local, "x", B, writes=False)
    pages.released(became_local, None)      # it was keeping them, and then they may have changed through another path
    pages.forget("x")
    assert not opened(pages, B)


def test_nothing_is_believed_while_or_after_somebody_could_write() -> None:
    pages = PageCache()
    reader, writer = next(HANDLES), next(HANDLES)
    assert not opened(pages, A)
    assert pages.opened(reader, "x", A, writes=False)
    pages.opened(writer, "x", None, writes=True)
    pages.released(reader, A)               # opened before the writer came: says nothing any more
    assert not opened(pages, A)
    assert not opened(pages, A)             # the writer is still there
    pages.released(writer, None)
    assert not opened(pages, A)
    assert opened(pages, A)


def test_notes_are_bounded_and_writers_are_not_forgotten() -> None:
    pages = PageCache()
    writer = next(HANDLES)
    pages.opened(writer, "x", None, writes=True)
    for _ in range(PATHS + 10):
        handle = next(HANDLES)
        pages.opened(handle, f"file {handle}", A, writes=False)
        pages.released(handle, A)
    assert len(pages._paths) == PATHS
    assert pages._sights.keys() == {writer}, "nothing is noted of a handle that is gone"
    assert not opened(pages, A)
    pages.released(writer, None)
    assert not opened(pages, A)
    assert opened(pages, A)


def test_nothing_is_believed_of_a_path_that_something_was_moved_from_or_to() -> None:
    """Also of those in a directory that was."""
    pages, names = PageCache(), ["x", "y", "d/x", "e/f/x", "dd/x"]
    kept = [[opened(pages, A, name=name) for name in names] for _ in range(2)]
    assert kept == [[False] * 5, [True] * 5]
    pages.forget("x", "y")
    pages.forget_below("d", "e")
    assert [opened(pages, A, name=name) for name in names] == [False, False, False, False, True]
