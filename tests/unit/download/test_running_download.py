"""A running download: which readers may wait for it, and that each of them hears of its end."""

import threading

import pytest

from anthrofs.download.bodies import Expected
from anthrofs.download.running_download import NEAR_BYTES, WINDOW_BYTES, RunningDownload, Want
from anthrofs.errors import FsError, NoAnswer
from anthrofs.model import FileId, RemoteFile
from anthrofs.store.blocks import BLOCK_BYTES

LENGTH = 100 * BLOCK_BYTES
NEAR = NEAR_BYTES // BLOCK_BYTES


def running(first: int = 0, last: int | None = None) -> RunningDownload:
    file = RemoteFile(FileId("file_a"), "a.bin", "application/octet-stream", LENGTH, 1, downloadable=True)
    return RunningDownload(threading.Lock(), Expected(file, LENGTH, exact=True), first, last, early=False)


@pytest.mark.parametrize(("number", "brings"), [(2, False), (3, True), (4, True), (3 + NEAR, True), (4 + NEAR, False)])
def test_a_reader_waits_for_what_is_still_to_come_and_near(number: int, brings: bool) -> None:
    """For what has just passed it would wait until the whole file has come by."""
    assert running(3 * BLOCK_BYTES).will_bring(number, ranges=True) == brings


def test_without_ranges_a_reader_waits_for_all_that_is_to_come() -> None:
    assert [running(3 * BLOCK_BYTES).will_bring(number, ranges=False) for number in (2, 3, 99)] == [False, True, True]


def test_nothing_is_expected_beyond_what_was_asked_for_or_of_what_was_left() -> None:
    feed = running(last=5 * BLOCK_BYTES - 1)
    assert [feed.will_bring(number, ranges=True) for number in (4, 5)] == [True, False]
    feed.abandoned = True
    assert not feed.will_bring(4, ranges=True)


@pytest.mark.parametrize(("error", "ended", "data"), [(None, False, None), (None, True, b""), (NoAnswer("cut"), False, None)], ids=str)
def test_whoever_waits_hears_of_the_end_whatever_it_is(error: FsError | None, ended: bool, data: bytes | None) -> None:
    """Neither data nor an error: it was closed before its block came by, and is to be asked anew."""
    feed, want = running(), Want()
    with feed.asked:
        feed.ask(7, want)
        feed.end(error, ended=ended)
    assert want.settled.is_set()
    assert (want.data, want.error) == (data, error)


def test_a_block_is_handed_to_all_who_wait_for_it_and_to_nobody_else() -> None:
    feed, wants = running(), [Want(), Want(), Want()]
    with feed.asked:
        for want, number in zip(wants, (0, 0, 1), strict=True):
            feed.ask(number, want)
        feed.bring([b"x" * BLOCK_BYTES])
        feed.wake()
    assert [want.settled.is_set() for want in wants] == [True, True, False]
    assert feed.position == BLOCK_BYTES


def test_it_runs_ahead_of_its_readers_by_a_window_that_grows_as_they_follow() -> None:
    feed = running()
    with feed.asked:
        feed.ask(0, Want())
        feed.position = BLOCK_BYTES + 2 * WINDOW_BYTES
        assert feed.wanted(ranges=True) is None
        feed.ask(1, Want())
        assert feed.wanted(ranges=True) is True
        assert running().wanted(ranges=False) is True       # what can't be resumed runs to its end
        feed.abandoned = True
        assert feed.wanted(ranges=True) is False
