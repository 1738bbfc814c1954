"""Which files of the cache go first is known, though no more than a few names are held."""

import os
import random
from pathlib import Path

import pytest

from anthrofs.store import stock
from anthrofs.store.stock import PAGE_BYTES, Stock

FEW = 4         # names whose order is in memory


def name_of(number: int) -> str:
    return f"{number:032x}"


class Files:
    """A directory with files that are used and written, each some pages big; what a list would know of them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.stock = Stock(root, FEW)
        self.order: list[str] = []          # least recently used first

    def write(self, number: int, pages: int = 1) -> None:
        name, before = name_of(number), 0
        if name in self.order:
            before = (self.root / name).stat().st_size
            self.order.remove(name)
        with (self.root / name).open("ab") as file:
            file.write(os.urandom(pages * PAGE_BYTES))
        self.order.append(name)
        self.stock.note(name, (self.root / name).stat().st_size - before)

    def use(self, number: int) -> None:
        name = name_of(number)
        self.order.remove(name)
        self.order.append(name)
        self.stock.note(name)

    def evict(self, most_pages: int, *keep: int) -> list[str]:
        victims = self.stock.oldest(most_pages * PAGE_BYTES, {name_of(number) for number in keep})
        for name in victims:
            (self.root / name).unlink()
            self.order.remove(name)
        return victims

    def taken_bytes(self) -> int:
        return sum(path.stat().st_blocks * 512 for path in self.root.iterdir())


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_the_least_recently_used_go_first_beyond_what_is_in_memory(files: Files) -> None:
    for number in range(20):
        files.write(number)
    for number in (3, 0):
        files.use(number)
    for number in range(20, 26):        # 3 and 0 fall out of memory, and are younger than the others all the same
        files.write(number)
    assert files.stock.used_bytes == 26 * PAGE_BYTES
    expected = list(files.order)
    assert files.evict(10) == expected[:16]
    assert [name_of(3), name_of(0)] == files.order[-8:-6]
    assert files.evict(2) == expected[16:24]
    assert files.stock.used_bytes == files.taken_bytes() == 2 * PAGE_BYTES


def test_at_random_the_oldest_go_and_the_sum_is_what_the_disk_has(files: Files) -> None:
    chance = random.Random(5)
    for _ in range(400):
        which = chance.random()
        if which < 0.5 or not files.order:
            files.write(chance.randrange(60), chance.randint(1, 3))
        elif which < 0.8:
            files.use(int(chance.choice(files.order), 16))
        elif which < 0.9:
            name = chance.choice(files.order)
            files.stock.forget(name)
            (files.root / name).unlink()
            files.order.remove(name)
        else:
            before = list(files.order)
            assert files.evict(chance.randint(0, 40)) == before[:len(before) - len(files.order)]
        assert files.stock.used_bytes == files.taken_bytes()
        assert len(files.stock._recent) <= FEW


def test_what_is_to_be_kept_stays_although_it_is_the_oldest(files: Files) -> None:
    for number in range(10):
        files.write(number)
    assert name_of(0) not in files.evict(3, 0)
    assert name_of(0) in files.order
    assert files.evict(0, *(int(name, 16) for name in files.order)) == []
    assert files.stock.used_bytes == files.taken_bytes()


def test_a_start_knows_the_order_that_an_earlier_mount_left(files: Files) -> None:
    for number in range(10):
        files.write(number)
    files.use(2)
    for number in range(10, 15):
        files.write(number)
    files.stock = Stock(files.root, FEW)
    files.stock.start()
    assert files.stock.used_bytes == 15 * PAGE_BYTES
    assert files.evict(6) == [name_of(number) for number in (0, 1, 3, 4, 5, 6, 7, 8, 9)]


def test_no_more_names_are_held_than_a_few_of_very_many(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stock, "NEXT", 8)
    for number in range(300):
        files.write(number)
    while files.order:
        before = list(files.order)
        gone = files.evict(max(0, len(files.order) - 7))
        assert gone == before[:len(gone)]
        assert len(files.stock._next) <= 8
        assert len(files.stock._recent) <= FEW


def test_files_of_a_few_bytes_count_as_what_they_take(files: Files) -> None:
    for number in range(200):
        (files.root / name_of(number)).write_bytes(b"few")
        files.stock.note(name_of(number), 3)
        for name in files.stock.oldest(10 * PAGE_BYTES, ()):
            (files.root / name).unlink()
        assert files.taken_bytes() <= 10 * PAGE_BYTES


def test_a_sum_that_is_too_high_is_counted_anew_before_the_cache_gives_up(files: Files) -> None:
    """However it came to that: the files are there to be counted."""
    for number in range(10):
        files.write(number)
    files.stock._used_bytes += 10**9
    files.evict(5)
    assert files.stock.used_bytes == files.taken_bytes() <= 5 * PAGE_BYTES
    files.write(20)
    assert files.evict(6) == []


def test_a_file_that_is_written_to_while_it_goes_is_no_burden(files: Files) -> None:
    files.write(1)
    assert files.evict(0) == [name_of(1)]
    files.stock.note(name_of(1), 50 * PAGE_BYTES)
    files.write(2)
    assert files.stock.oldest(PAGE_BYTES, ()) == [name_of(1)]
    assert files.stock.used_bytes == files.taken_bytes() == PAGE_BYTES


def test_a_directory_that_somebody_removes_is_no_error(files: Files) -> None:
    for number in range(10):
        files.write(number)
    for path in files.root.iterdir():
        path.unlink()
    files.root.rmdir()
    assert len(files.stock.oldest(0, ())) == FEW
