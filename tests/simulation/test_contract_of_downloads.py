"""No byte of a download is wrong, whatever happens on the way: those that are handed on and not taken back are the file's, in their place,
and a course that ends has all of them.

Mishaps are drawn, several for each file, and the service knows ranges or lengths or doesn't. What nobody could tell is left out: something
else that is exactly as long, and a clip of which more or less comes than the service sends.
"""

import random
from pathlib import Path
from typing import Any, Final

import pytest

from anthrofs.config import Timeouts
from anthrofs.download.bodies import Expected
from anthrofs.download.course import Course, Ranges
from anthrofs.errors import RemoteError
from anthrofs.remote.api import Download
from tests.simulation.delivery import delivered_of
from tests.simulation.faults import Fault
from tests.simulation.rig import Rig
from tests.simulation.rules import PAGES

CAMPAIGNS: Final = 60
FILES: Final = 6                # of each
SIZES: Final = [0, 1, 100, 100, 5000, 5000, 131_072, 300_000, 1_300_000]
PATIENCE: Final = Timeouts(connect_s=5, read_s=20, write_s=20, first_s=30, answer_s=60)
ACTIONS: Final = ["body_cut", "body_cut", "body_cut", "body_short", "body_short", "body_long", "stall", "stall", "slow", "encoded", "encoded", "page", "page",
                  "status", "nonsense", "json_cut", "lost", "cut", "silent", "dead", "refuse", "late", "redirect", "twice"]


def drawn(chance: random.Random, size: int, *, clip: bool, named: bool) -> Fault:
    """A mishap of a download. `clip`: of which more may come than is listed. `named`: answers say of what kind they are."""
    never = {"body_long", "json_cut", "nonsense"} if clip else set()
    never |= {"page"} if clip and not named else set()
    never |= {"body_short"} if clip and not size else set()
    action = chance.choice([each for each in ACTIONS if each not in never])
    numbers: dict[str, Any] = {"seconds": chance.choice([1.0, 25.0, 45.0]), "after_bytes": chance.choice([0, 1, 50, size // 2, max(0, size - 1), size]),
                               "bytes_per_s": chance.choice([1000.0, 10**6]), "honest": chance.random() < 0.5}
    match action:
        case "body_short" if clip:
            numbers["after_bytes"] = min(numbers["after_bytes"], max(0, size - 1))
        case "body_long":
            numbers["after_bytes"] = max(1, numbers["after_bytes"])
        case "page":
            numbers["status"], numbers["form"] = chance.choice([200, 200, 302, 404, 502, 503]), chance.choice(sorted(PAGES))
            if clip or not size:       # of no kind, or as long as the file: nothing
                numbers["form"] = "html"
        case "status":
            numbers["status"] = chance.choice([404, 408, 416, 429, 500, 503])
        case "redirect":
            numbers["status"], numbers["location"] = 302, chance.choice(["{target}", "http://elsewhere.test{target}", "http://elsewhere.test/login"])
    return Fault("download", action, chance.choice([1, 1, 2]), chance.choice([0, 0, 0, 1, 2]), **numbers)


class Taken:
    """The bytes that are handed on, with their places."""

    def __init__(self) -> None:
        self.pieces: list[tuple[int, bytes]] = []
        self.next = -1

    def take(self, place: int, piece: bytes) -> None:
        self.pieces.append((place, piece))
        self.next = place + len(piece)

    def refused(self) -> None:
        self.pieces.clear()

    def holes(self, first: int, end: int) -> bool:
        """Whether something of that part lacks."""
        covered = first
        for place, piece in sorted(self.pieces, key=lambda each: each[0]):
            if place > covered:
                return True
            covered = max(covered, place + len(piece))
        return covered < end


def campaign(rig: Rig, seed: int) -> tuple[int, int]:
    """Returns how many courses ended, and how many gave up."""
    chance, ended, given_up = random.Random(f"{seed} downloads"), 0, 0
    named = chance.random() < 0.7
    rig.rule(ranges=chance.random() < 0.6, content_length=chance.random() < 0.6, identity_headers=chance.random() < 0.8,
             dropped_headers=chance.choice(["", "request-id"]) if named else "request-id,content-type", delivered_extra_bytes=chance.choice([0, 40]))
    ranges = Ranges()
    for _ in range(FILES):
        rig.faults.clear()
        size, media = chance.choice(SIZES), chance.random() < 0.3
        file_id = rig.generate(chance.randbytes(size), mime_type="image/png" if media else "text/csv")
        truth = delivered_of(rig.service.known[file_id], rig.service.rules)
        file = rig.files.stat(file_id)
        for _ in range(chance.choice([0, 1, 2, 4])):
            rig.faults.add(drawn(chance, size, clip=media, named=named))
        first = 0 if chance.random() < 0.6 else chance.randrange(max(1, size))
        last = None if first == 0 and chance.random() < 0.7 else chance.randrange(first, max(first + 1, size))
        if media:
            last = None
        taken = Taken()
        course = Course(rig.files, ranges, Expected(file, size, not file.may_grow), first, last, wanted=lambda: True, opened=_nothing,
                        refused=taken.refused, pause=rig.clock.advance)
        faults = [str(fault) for fault in rig.faults.left()]
        words = f"{rig.service.rules}, {file}, {first}-{last}, " + "\n".join(faults)
        try:
            for _, place, piece in course.pieces():
                taken.take(place, bytes(piece))
            ended += 1
            assert not taken.holes(first, len(truth) if last is None or course.end is not None else last + 1), f"incomplete: {words}"
            assert course.end in (None, len(truth)), f"the end is said to be {course.end}: {words}"
        except RemoteError:
            given_up += 1
        for place, piece in taken.pieces:
            assert truth[place:place + len(piece)] == piece, f"wrong bytes at {place}: {piece[:60]!r}, {words}"
    return ended, given_up


def _nothing(_: Download) -> None:
    """Nobody wants to know."""


@pytest.mark.parametrize("seed", range(CAMPAIGNS))
def test_no_byte_of_a_download_is_wrong(tmp_path: Path, seed: int) -> None:
    with Rig(tmp_path, shape=["beta", "ga", "agents"][seed % 3], timeouts=PATIENCE, seed=seed) as rig:
        assert sum(campaign(rig, seed)) == FILES
