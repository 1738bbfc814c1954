"""No kind of work starves another: deletions, renames and saves each have their share, whatever the load."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from anthrofs.errors import NoAnswer, RemoteError, Unavailable
from anthrofs.tree.fsck import problems
from anthrofs.upload.delete_order import FEW
from tests.fakes import FakeClock, FakeFiles
from tests.unit.upload.house import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    clock = FakeClock()
    one = House(tmp_path, clock, FakeFiles(clock))
    yield one
    one.close()
    assert [line for line in problems(tmp_path) if "noted" in line or "missing" in line] == []


@pytest.mark.parametrize(("seed", "names", "faults"), [(1, 120, 0.05), (2, 12, 0.05), (3, 120, 0.0), (4, 1, 0.0), (5, 40, 0.3)])
def test_the_server_never_has_more_than_twice_what_is_wanted_and_a_hundred_however_fast_saves_come(
        house: House, seed: int, names: int, faults: float) -> None:
    """Two things are done to the files for each piece of work that is done for the server, for 800 pieces."""
    chance = random.Random(seed)
    wanted = 0
    mishaps: list[tuple[RemoteError, bool]] = [
        (NoAnswer("cut"), True), (NoAnswer("cut"), False), (Unavailable("503", maybe_stored=False), False)]
    done: dict[str, int] = {}
    for number in range(800):
        for _ in range(2):
            name, what, there = f"{chance.randrange(names)}", chance.random(), house.nodes()
            if what < 0.6 or name not in there:
                house.save(name, b"%d" % number)
            elif what < 0.85:
                if (new := f"{chance.randrange(names)}") != name:
                    house.rename(name, new)
            else:
                house.remove(name)
        if chance.random() < faults:
            exc, after = chance.choice(mishaps)
            # An upload that is stored without an answer, and whose name goes meanwhile, is left there.
            house.files.fail("delete" if after else chance.choice(["upload", "delete"]), exc, after=after)
        house.clock.advance(chance.choice([0.0, 0.1, 1.5]))
        house.work()
        wanted = max(wanted, len(house.nodes()))
        assert len(house.files.files) <= 2 * wanted + 100, (number, house.owed())
    for operation, _ in house.files.asked:
        done[operation] = done.get(operation, 0) + 1
    assert done["upload"] > 200                     # and saves had their turn
    house.uploader.hurry()
    for _ in range(100):
        while house.work():
            pass
        house.clock.advance(61)
    assert (house.owed(), sorted(file.name for file in house.files.files)) == (0, sorted(house.nodes()))
    assert len(list((house.root / "kept").iterdir())) == 2 * len(house.nodes())        # each with its map: a copy goes with its id
    assert (house.schedule._sends.every(), house.schedule._deletes.every()) == ({}, {})


def test_many_removed_files_are_caught_up_with_while_saves_come(house: House) -> None:
    for number in range(400):
        house.save(f"{number}")
    house.uploader.hurry()
    while house.work():
        pass
    for number in range(400):
        house.remove(f"{number}")
    uploads = len(house.files.asked)
    for number in range(1000):
        house.save(f"new {number % 20}")
        house.clock.advance(2)
        assert house.work()
    assert house.owed() <= 20 + FEW + 1
    assert [operation for operation, _ in house.files.asked[uploads:]].count("upload") > 250


def test_what_was_renamed_is_sent_while_saves_come(house: House) -> None:
    house.save("old")
    house.uploader.hurry()
    assert house.work()
    house.rename("old", "renamed")
    for number in range(100):
        house.save(f"{number}")
        house.save(f"{number + 1}")
        house.clock.advance(2)
        assert house.work()
    assert "renamed" in {name for operation, name in house.files.asked if operation == "upload"}
