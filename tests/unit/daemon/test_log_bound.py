"""A line that comes again and again can't bury the rest of the log, nor fill a disk."""

import logging
from collections.abc import Iterator

import pytest

from anthrofs.daemon.log_bound import KIND, MOST, NAMES, SAME, WINDOW_S, Bound, listed


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


class Said:
    """A log with a clock."""

    def __init__(self) -> None:
        self.files = [Lines(), Lines()]
        self.bound = Bound(self.files)
        self.now_s = 1000.0

    def __call__(self, words: str, *arguments: object, level: int = logging.WARNING) -> None:
        record = logging.LogRecord("anthrofs", level, __file__, 1, words, arguments, None)
        record.created = self.now_s
        self.bound.handle(record)

    @property
    def lines(self) -> list[str]:
        assert self.files[0].lines == self.files[1].lines
        return self.files[0].lines


@pytest.fixture
def said() -> Iterator[Said]:
    one = Said()
    yield one
    one.bound.close()


def test_the_same_line_a_thousand_times_is_a_few_lines_and_a_count(said: Said) -> None:
    for _ in range(1000):
        said("%s: the disk is broken", "write")
    assert said.lines == ["write: the disk is broken"] * SAME
    said.now_s += WINDOW_S
    said("%s: the disk is broken", "write")
    assert said.lines[SAME:] == [f"write: the disk is broken ({1000 - SAME} such lines before this one are left out)"]


def test_lines_that_differ_in_their_names_only_are_bounded_too(said: Said) -> None:
    for number in range(10_000):
        said("%r was refused", f"{number}.txt")
    assert len(said.lines) == KIND
    said.now_s += WINDOW_S
    said("%r was refused", "last.txt")
    assert said.lines[-1] == f"'last.txt' was refused ({10_000 - KIND} such lines before this one are left out)"


def test_an_hour_of_floods_is_bounded(said: Said) -> None:
    for _ in range(3600):
        for number in range(20):
            said("%s failed", number)
        said.now_s += 1
    assert len(said.lines) <= 61 * KIND


def test_what_is_new_is_never_left_out(said: Said) -> None:
    for number in range(3 * MOST):
        said("%s: the disk is broken", "write")
        said(f"another thing, number {number}")
    assert [line for line in said.lines if line.startswith("another")] == [f"another thing, number {number}" for number in range(3 * MOST)]
    assert len(said.bound._said) <= MOST


def test_a_count_is_told_once(said: Said) -> None:
    for _ in range(SAME + 3):
        said("again")
    said.now_s += WINDOW_S
    for _ in range(2):
        said("again")
    assert said.lines[SAME:] == ["again (3 such lines before this one are left out)", "again"]


def test_levels_are_kinds_of_their_own(said: Said) -> None:
    for _ in range(SAME + 1):
        said("again")
    said("again", level=logging.ERROR)
    assert len(said.lines) == SAME + 1


def test_of_many_names_the_first_are_said() -> None:
    assert listed(["a", "b"]) == "a, b"
    assert listed([]) == ""
    many = [f"{number}.txt" for number in range(10_000)]
    assert listed(many).endswith(f"{NAMES - 1}.txt and {10_000 - NAMES} more")
