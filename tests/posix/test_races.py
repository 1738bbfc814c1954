"""Claims about callers who come at once, each held on a disk and on a mount."""

import errno
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from tests.posix.place import removed
from tests.posix.sides import Sides

THREADS: Final = 4
ROUNDS: Final = 25
BOUND_S: Final = 60.0


@pytest.fixture(params=["disk", "mount"])
def here(sides: Sides, request: pytest.FixtureRequest) -> Iterator[Path]:
    """An empty directory on one of the two sides."""
    found: Path = getattr(sides, request.param) / "races"
    found.mkdir()
    found.chmod(0o777)
    yield found
    removed(found)


def at_once(*calls: Callable[[], object]) -> list[object]:
    """All of them, begun in one moment; what each returned, or the number of its error."""
    begin, answers = threading.Barrier(len(calls)), list[object]([None] * len(calls))

    def run(number: int) -> None:
        begin.wait(BOUND_S)
        try:
            answers[number] = calls[number]()
        except OSError as exc:
            answers[number] = exc.errno

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(BOUND_S)
        assert not thread.is_alive()
    return answers


def closed(path: Path, flags: int) -> None:
    os.close(os.open(path, flags, 0o644))


def test_what_is_appended_is_whole_and_nothing_is_lost(here: Path) -> None:
    def append(letter: str) -> None:
        descriptor = os.open(here / "log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        for size in range(ROUNDS):
            record = letter.encode() * (100 * size + 10) + b"\n"
            assert os.write(descriptor, record) == len(record)
        os.close(descriptor)

    assert at_once(*(partial(append, letter) for letter in "abcd")) == [None] * 4
    lines = (here / "log").read_bytes().split(b"\n")[:-1]
    assert Counter(lines) == Counter(letter.encode() * (100 * size + 10) for letter in "abcd" for size in range(ROUNDS))


def test_what_is_written_to_places_of_one_file_is_all_there(here: Path) -> None:
    def write(number: int) -> None:
        descriptor = os.open(here / "f", os.O_RDWR)
        for turn in range(ROUNDS):
            os.pwrite(descriptor, bytes([65 + number]) * 1000, (turn * THREADS + number) * 1000)
        os.close(descriptor)

    closed(here / "f", os.O_WRONLY | os.O_CREAT)
    assert at_once(*(partial(write, number) for number in range(THREADS))) == [None] * THREADS
    assert (here / "f").read_bytes() == b"".join(bytes([65 + number]) * 1000 for _ in range(ROUNDS) for number in range(THREADS))


@pytest.mark.parametrize(("call", "loses"), [
    (lambda path: closed(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL), errno.EEXIST),
    (os.mkdir, errno.EEXIST),
], ids=["O_EXCL", "mkdir"])
def test_one_of_all_makes_a_name(here: Path, call: Callable[[Path], None], loses: int) -> None:
    for turn in range(ROUNDS):
        answers = at_once(*[partial(call, here / f"{turn}")] * THREADS)
        assert Counter(answers) == {None: 1, loses: THREADS - 1}


def test_one_of_all_takes_a_name_away(here: Path) -> None:
    for turn in range(ROUNDS):
        path = here / f"{turn}"
        closed(path, os.O_WRONLY | os.O_CREAT)
        assert Counter(at_once(*[path.unlink] * THREADS)) == {None: 1, errno.ENOENT: THREADS - 1}
        path.mkdir()
        assert Counter(at_once(*[path.rmdir] * THREADS)) == {None: 1, errno.ENOENT: THREADS - 1}


def test_one_of_all_renames_a_file(here: Path) -> None:
    for turn in range(ROUNDS):
        (here / "f").write_text(f"{turn}")
        answers = at_once(*(partial(os.rename, here / "f", here / f"to {number}") for number in range(THREADS)))
        assert Counter(answers) == {None: 1, errno.ENOENT: THREADS - 1}
        winner = here / f"to {answers.index(None)}"
        assert winner.read_text() == f"{turn}"
        winner.unlink()
    assert os.listdir(here) == []


def test_a_file_that_is_replaced_is_always_the_old_or_the_new_one(here: Path) -> None:
    """On libfuse 2 an open in the moment of a rename may find nothing, and on libfuse 3 one during which the file is replaced twice,
    without a pause, may be told ESTALE; what one gets is whole all the same.
    """
    sizes = [100_000 + turn for turn in range(ROUNDS)]
    (here / "f").write_bytes(b"0" * sizes[0])
    done = threading.Event()

    def replace() -> None:
        try:
            for size in sizes:
                (here / "new").write_bytes(f"{size % 10}".encode() * size)
                os.rename(here / "new", here / "f")
        finally:
            done.set()

    def read() -> set[tuple[int, bytes]]:
        found = set()
        while not done.is_set():
            try:
                content = (here / "f").read_bytes()
            except OSError as exc:
                if exc.errno in {errno.ENOENT, errno.ESTALE}:
                    continue
                raise
            found.add((len(content), bytes(sorted(set(content)))))
        return found

    _, *seen = at_once(replace, read, read)
    assert all(isinstance(each, set) and each <= {(size, f"{size % 10}".encode()) for size in sizes} for each in seen), seen
    assert os.listdir(here) == ["f"]


def test_a_directory_goes_or_keeps_what_is_made_in_it(here: Path) -> None:
    for turn in range(ROUNDS):
        directory = here / f"{turn}"
        directory.mkdir()
        made, gone = at_once(partial(closed, directory / "f", os.O_WRONLY | os.O_CREAT), directory.rmdir)
        assert (made, gone) in {(None, errno.ENOTEMPTY), (errno.ENOENT, None)}
        assert directory.exists() == (gone is not None)
        if directory.exists():
            assert os.listdir(directory) == ["f"]


def test_directories_that_change_places_are_both_there(here: Path) -> None:
    for turn in range(ROUNDS):
        for name in ("a", "b"):
            (here / name).mkdir()
            (here / name / "f").write_text(name)
        at_once(partial(os.rename, here / "a", here / "b" / "a"), partial(os.rename, here / "b", here / "a" / "b"))
        found = sorted(path.read_text() for path in here.rglob("f"))
        assert found == ["a", "b"], turn
        removed(next(path for path in here.iterdir()))
        assert os.listdir(here) == []
