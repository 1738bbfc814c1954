"""When files come early, and how far ahead: by a clock that a test moves."""

import pytest

from anthrofs.download.readahead import AHEAD_BYTES, AHEAD_FILES, LOOK_FILES, PAUSE_S, SMALL_BYTES, Readahead
from anthrofs.model import ROOT, FileId, Node, NodeId, RemoteFile
from tests.fakes import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


class Early:
    """A directory of nodes; says what was fetched early."""

    def __init__(self, sizes: list[int], clock: FakeClock) -> None:
        self.nodes = [self.node(number, size) for number, size in enumerate(sizes)]
        self.fetched: list[int] = []
        self.room = 10**6               # fetches until there is nothing to spare
        self.readahead = Readahead(clock, self.following, self.early)

    @staticmethod
    def node(number: int, size_bytes: int) -> Node:
        file = RemoteFile(FileId(f"file_{number}"), f"{number:05}", "text/plain", size_bytes, 0, downloadable=True)
        return Node(NodeId(number + 10), ROOT, f"{number:05}", directory=False, mode=0o644, mtime_ns=0, size_bytes=size_bytes, wanted=None,
                    local=False, mime_type=None, expires_s=None, stage=None, sealed=False, resend=False, confirmed=False, remote=file, kept=False)

    def following(self, parent: NodeId, name: str, limit: int) -> list[Node]:
        assert parent == ROOT
        return [node for node in self.nodes if node.name > name][:limit]

    def early(self, node: Node) -> bool:
        if len(self.fetched) >= self.room:
            return False
        self.fetched.append(node.node_id - 10)
        return True

    def read(self, *numbers: int) -> None:
        for number in numbers:
            self.readahead.step(self.nodes[number])


def test_what_comes_early_grows_with_the_walk_and_nothing_is_asked_twice(clock: FakeClock) -> None:
    folder = Early([100] * 200, clock)
    folder.read(0, 1)
    assert folder.fetched == []
    folder.read(2)
    assert folder.fetched == [3, 4]
    folder.read(3)
    assert folder.fetched == [3, 4, 5, 6, 7]
    folder.read(*range(4, 100))
    assert folder.fetched == list(range(3, 100 + AHEAD_FILES))
    folder.read(*range(100, 200))
    assert folder.fetched == list(range(3, 200))


def test_neighbours_that_overtake_each_other_and_patterns_are_still_a_walk(clock: FakeClock) -> None:
    folder = Early([100] * 50, clock)
    folder.read(0, 2, 1, 4, 3, 5, 8, 6, 7, 9)
    assert folder.fetched[-1] > 20
    other = Early([100] * 50, clock)
    other.read(0, 3, 6, 9, 12)          # *.txt among others
    assert other.fetched


@pytest.mark.parametrize("order", [(9, 8, 7, 6, 5, 4), (0, 10, 20, 30, 40), (0, 1, 20, 21, 40, 41), (0, 0, 0, 0, 0)])
def test_other_orders_are_no_walk(clock: FakeClock, order: tuple[int, ...]) -> None:
    folder = Early([100] * 50, clock)
    folder.read(*order)
    assert folder.fetched == []


def test_a_pattern_is_seen_and_what_it_leaves_out_is_no_longer_fetched(clock: FakeClock) -> None:
    folder = Early([100] * 400, clock)
    folder.read(*range(0, 400, 5))
    assert len([number for number in folder.fetched if number % 5]) <= 12


def test_a_pause_ends_a_walk(clock: FakeClock) -> None:
    folder = Early([100] * 50, clock)
    for number in range(10):
        folder.read(number)
        clock.advance(PAUSE_S)
    assert folder.fetched == []


def test_bytes_ahead_are_bounded_and_big_files_are_left_alone(clock: FakeClock) -> None:
    folder = Early([SMALL_BYTES] * 60, clock)
    folder.read(*range(10))
    assert len(folder.fetched) == 7 + AHEAD_BYTES // SMALL_BYTES
    big = Early([100, SMALL_BYTES + 1] * 30, clock)
    big.read(*range(12))
    assert big.fetched
    assert all(number % 2 == 0 for number in big.fetched)


def test_what_could_not_be_spared_comes_when_it_can(clock: FakeClock) -> None:
    folder = Early([100] * 60, clock)
    folder.room = 3
    folder.read(*range(8))
    assert folder.fetched == [3, 4, 5]
    folder.room = 100
    folder.read(8)
    assert folder.fetched[3:] == list(range(9, 9 + AHEAD_FILES))


def test_a_walk_sees_past_any_number_of_files_that_cannot_be_fetched(clock: FakeClock) -> None:
    folder = Early([100] * 4 + [SMALL_BYTES + 1] * 3 * LOOK_FILES + [100] * 4, clock)
    folder.read(0, 1, 2, 3)
    for number in range(4, 4 + 3 * LOOK_FILES):
        folder.read(number)
    assert folder.fetched[:1] == [3]
