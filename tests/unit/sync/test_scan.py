"""A listing is read page by page: each page comes while the one before is merged, a lost cursor begins it again, and it
has an end.
"""

import threading
from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthrofs.errors import BadAnswer, Gone, Refused, Stopping
from anthrofs.model import Cursor, FileId, Page, RemoteFile
from anthrofs.sync.scan import REPEATS, RESTARTS, STALE_PAGES, Ahead, Listing, Scan, page_after, scan_of
from tests.fakes import FakeClock, FakeFiles, law

PAGE: Final = Page((), None)
# As versions before this one have written it: an upgrade goes on with the sweep that it finds.
WRITTEN: Final = (
    '{"number": 7, "began_ns": 1790000000000000000, "following": {"parameter": "after_id", "value": "file_9"}, '
    '"pages": 2, "files": 2000, "skipped": 1, "ordered": true, "first_ns": 1789999999000000000, '
    '"last_ns": 1789999990000000000, "stale_pages": 0, "last_id": "file_9"}')


@pytest.fixture
def files() -> FakeFiles:
    files = FakeFiles(FakeClock())
    for number in range(35):
        files.generate(f"{number}.txt", b"!")
    return files


def file(number: int) -> RemoteFile:
    return RemoteFile(FileId(f"file_{number}"), "name.txt", "text/plain", 1, number, downloadable=True)


class Numbers:
    """Begins listings, as the table meta counts them."""

    def __init__(self) -> None:
        self.last = 1

    def begin(self) -> Scan:
        self.last += 1
        return Scan(self.last)


def listing_of(files: FakeFiles, numbers: Numbers | None = None) -> Listing:
    return Listing(files, Scan(1, began_ns=5), (numbers or Numbers()).begin)


def read(files: FakeFiles, listing: Listing, enough: Callable[[Page], bool] = lambda _: False) -> Generator[Page]:
    """Each page, merged as a new one."""
    for page in listing.pages_ahead(files.list(10), enough):
        listing.scan = listing.scan.after(page, list(page.files))
        yield page


def refused(status: int) -> Refused:
    return Refused("unknown cursor", from_service=True, status=status, maybe_stored=False)


# ---- the page ahead

def test_a_page_is_asked_for_at_once_and_waited_for_when_it_is_wanted() -> None:
    asked, answer = threading.Event(), threading.Event()

    def ask() -> Page:
        asked.set()
        assert answer.wait(10)
        return PAGE

    ahead = Ahead(ask)
    assert asked.wait(10)
    answer.set()
    assert ahead.page() is PAGE


def test_what_asking_has_raised_reaches_who_wants_the_page() -> None:
    def ask() -> Page:
        raise Stopping("the mount ends")

    with pytest.raises(Stopping, match="the mount ends"):
        Ahead(ask).page()


def test_each_page_comes_while_the_one_before_is_merged(files: FakeFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    came = threading.Semaphore(0)
    listed = files.list

    def list_(limit: int, cursor: Cursor | None = None) -> Page:
        page = listed(limit, cursor)
        if cursor is not None:
            came.release()
        return page

    monkeypatch.setattr(files, "list", list_)
    shown = list[RemoteFile]()
    for page in read(files, listing_of(files)):
        if page.following is not None:
            assert came.acquire(timeout=10)     # before the caller asks for it
        shown.extend(page.files)
    assert shown == files.files
    assert len(files.asked) == 4


def test_nothing_is_asked_behind_the_page_that_is_enough(files: FakeFiles) -> None:
    mark = files.files[12].file_id
    pages = list(read(files, listing_of(files), lambda page: mark in [each.file_id for each in page.files]))
    assert (len(pages), len(files.asked)) == (2, 2)


def test_what_goes_wrong_with_a_page_is_raised_after_the_one_before_was_merged(files: FakeFiles) -> None:
    first = files.list(10)
    files.fail("list", refused(403))
    pages = listing_of(files).pages_ahead(first, lambda _: False)
    assert next(pages) is first
    with pytest.raises(Refused):
        next(pages)


def test_whoever_fails_to_merge_a_page_asks_for_no_more_than_the_one_that_is_on_its_way(files: FakeFiles) -> None:
    pages = read(files, listing_of(files))
    next(pages)
    pages.close()
    assert len(files.asked) <= 2


# ---- a lost cursor

@pytest.mark.parametrize("status", [400, 404])
def test_a_listing_whose_cursor_is_lost_begins_again_with_another_number(files: FakeFiles, status: int) -> None:
    listing = listing_of(files)
    numbers = list[int]()
    shown = list[RemoteFile]()
    for page in read(files, listing):
        numbers.append(listing.scan.number)
        shown.extend(page.files)
        if len(numbers) == 2:
            files.fail("list", refused(status))     # the third page's cursor, or the fourth's, if that one has come
    assert shown[-len(files.files):] == files.files
    assert (listing.scan.number, listing.scan.pages, listing.scan.began_ns) == (2, 4, 5)


def test_a_listing_that_loses_its_cursor_again_and_again_is_given_up(
        files: FakeFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = files.list

    def list_(limit: int, cursor: Cursor | None = None) -> Page:
        page = listed(limit, None)
        if cursor is not None:
            raise refused(404)
        return page

    monkeypatch.setattr(files, "list", list_)
    numbers = Numbers()
    with pytest.raises(BadAnswer, match="deleted meanwhile, again and again"):
        list(read(files, listing_of(files, numbers)))
    assert len(files.asked) == 2 * (RESTARTS + 1)
    assert numbers.last == 1 + RESTARTS


def test_an_empty_page_is_the_end_only_if_the_file_before_it_is_there(
        files: FakeFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some services answer an unknown cursor with an empty page."""
    cursor, last = Cursor("after_id", "gone"), files.files[0].file_id
    monkeypatch.setattr(files, "list", lambda _limit, _cursor=None: PAGE)
    assert page_after(files, cursor, last) is PAGE
    assert page_after(files, cursor, None) is PAGE
    assert page_after(files, None, last) is PAGE
    assert files.asked == [("metadata", last)]
    files.vanish(last)
    assert page_after(files, cursor, last) is None


def test_only_a_cursor_that_is_refused_is_a_lost_one(files: FakeFiles) -> None:
    files.fail("list", refused(403))
    with pytest.raises(Refused):
        page_after(files, Cursor("after_id", files.files[0].file_id), None)
    files.fail("list", Gone("no such list", from_service=True, status=404, maybe_stored=False))
    with pytest.raises(Gone):
        page_after(files, None, None)


# ---- an end

@pytest.mark.parametrize("circle", [1, 2, 3, 10])
def test_a_listing_whose_cursors_repeat_ends(files: FakeFiles, monkeypatch: pytest.MonkeyPatch, circle: int) -> None:
    asked = list[Cursor | None]()

    def list_(_limit: int, cursor: Cursor | None = None) -> Page:
        asked.append(cursor)
        return Page((file(1000 - len(asked)),), Cursor("page", str(len(asked) % circle)))

    monkeypatch.setattr(files, "list", list_)
    with pytest.raises(BadAnswer) as caught:
        list(read(files, listing_of(files)))
    assert str(caught.value) == REPEATS
    assert len(asked) == 1 + circle


@law
@given(fresh=st.lists(st.booleans(), max_size=12))
def test_a_scan_goes_on_as_long_as_pages_bring_something_new(fresh: list[bool]) -> None:
    scan, dull = Scan(1), 0
    for number, new in enumerate(fresh):
        page = Page((file(100 - number),), Cursor("page", str(number)))
        dull = 0 if new else dull + 1
        if dull == STALE_PAGES:
            with pytest.raises(BadAnswer):
                scan.after(page, list(page.files) if new else [])
            return
        scan = scan.after(page, list(page.files) if new else [])
    assert (scan.pages, scan.files, scan.ended) == (len(fresh), len(fresh), False)


def test_the_last_page_may_bring_nothing_new_and_is_the_end() -> None:
    scan = replace(Scan(1), stale_pages=STALE_PAGES - 1).after(PAGE, [])
    assert (scan.ended, scan.pages, scan.last_id) == (True, 1, None)


# ---- the order

@law
@given(times=st.lists(st.lists(st.integers(1, 50), max_size=6), min_size=1, max_size=5))
def test_a_scan_is_ordered_if_all_files_came_newest_first(times: list[list[int]]) -> None:
    scan = Scan(1)
    for number, page_times in enumerate(times):
        found = tuple(file(time_ns) for time_ns in page_times)
        scan = scan.after(Page(found, Cursor("page", str(number)), skipped=number), [*found, file(0)])
    every = [time_ns for page_times in times for time_ns in page_times]
    assert scan.ordered == (every == sorted(every, reverse=True))
    assert (scan.first_ns, scan.last_ns) == (every[0] if every else None, min([2**63 - 1, *every]))
    assert (scan.skipped, scan.understood) == (sum(range(len(times))), len(times) == 1)


def test_files_that_are_pushed_onto_the_next_page_are_no_other_order() -> None:
    scan = Scan(1).after(Page((file(9), file(8)), Cursor("page", "1")), [file(9), file(8)])
    scan = scan.after(Page((file(8), file(7)), None), [file(7)])
    assert scan.ordered


# ---- written down

def numbers(least: int = -2**63) -> st.SearchStrategy[int]:
    """As the database holds them."""
    return st.integers(least, 2**63 - 1)


@law
@given(scan=st.builds(
    Scan, number=numbers(1), began_ns=numbers(0), following=st.none() | st.builds(Cursor, st.text(), st.text()),
    pages=numbers(0), files=numbers(0), skipped=numbers(0), ordered=st.booleans(),
    first_ns=st.none() | numbers(), last_ns=numbers(),
    stale_pages=st.integers(0, STALE_PAGES), last_id=st.none() | st.text().map(FileId)))
def test_a_scan_that_was_written_down_is_read_as_it_was(scan: Scan) -> None:
    assert scan_of(scan.as_text()) == scan


def test_a_scan_that_an_earlier_version_has_written_down_goes_on() -> None:
    scan = Scan(7, 1790000000000000000, Cursor("after_id", "file_9"), 2, 2000, 1, True, 1789999999000000000,
                1789999990000000000, 0, FileId("file_9"))
    assert scan_of(WRITTEN) == scan
    assert scan.as_text() == WRITTEN        # and one can go back to it


@pytest.mark.parametrize("text", [
    None, "", "nonsense", "[]", "7", "{}", '{"number": 1}', '{"following": null}',
    '{"following": null, "number": 1, "new": 2}'])
def test_what_is_no_scan_is_none(text: str | None) -> None:
    assert scan_of(text) is None
