"""Files that are read one after the other come early; nothing else does, and nothing comes twice."""

import errno
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from anthrofs.download.readahead import AHEAD_BYTES, AHEAD_FILES, LOOK_FILES, PAUSE_S, SMALL_BYTES, SURE, Walks
from anthrofs.model import ROOT, FileId, Node, NodeId, RemoteFile
from tests.fakes import FakeClock
from tests.mounting import Mount, asks, shell, wait_until

COUNT: Final = 40


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def folder(mount: Mount) -> Iterator[Path]:
    """A mount with COUNT small files that are only on the server."""
    mount.emulator.bulk(COUNT, prefix="part-", size_bytes=3000)
    files = mount.mount()
    yield files
    settle(mount)


def settle(mount: Mount) -> None:
    """Until no download is under way."""
    wait_until(lambda: mount.status()["downloads"] == [], "all downloads end")


def fetched(mount: Mount) -> int:
    settle(mount)
    return len(mount.emulator.requests("download"))


@pytest.mark.parametrize("walk", ["cp -r . $OUT/all", "tar cf $OUT/all.tar .", "grep -rc nothing . > $OUT/counts",
                                  'for f in *; do cat "$f"; done > $OUT/all', "ls | xargs -P 8 -n 1 cat > $OUT/all"])
def test_a_walk_costs_one_request_a_file(mount: Mount, folder: Path, tmp_path: Path, walk: str) -> None:
    with asks(mount, download=COUNT):
        done = shell(f"OUT={tmp_path}; {walk}", folder)
        assert done.stderr == ""
        settle(mount)


def test_the_next_files_are_there_before_they_are_asked_for(mount: Mount, folder: Path) -> None:
    names = sorted(os.listdir(folder))
    for number, name in enumerate(names[:5]):
        assert fetched(mount) == number if number < SURE else fetched(mount) > number
        (folder / name).read_bytes()
    count = fetched(mount)

    assert 5 < count <= 5 + AHEAD_FILES
    for name in names[5:count]:
        (folder / name).read_bytes()
    early = [request["file_id"] for request in mount.emulator.requests("download")]
    assert len(early) == len(set(early))


@pytest.mark.parametrize("look", ["cat part-000007.txt", "cat part-000007.txt part-000008.txt", "ls -l; find . -type f | wc -l; stat *",
                                  "head -qc1 part-000030.txt part-000020.txt part-000010.txt part-000000.txt"])
def test_nothing_comes_early_without_a_walk(mount: Mount, folder: Path, look: str) -> None:
    assert shell(look, folder).returncode == 0
    asked = sum(name in look for name in os.listdir(folder))
    assert fetched(mount) == asked


def test_files_read_in_any_order_cost_a_request_each_at_most_a_few_early(mount: Mount, folder: Path) -> None:
    names = os.listdir(folder)
    random.Random(3).shuffle(names)
    with asks(mount, download=COUNT):
        for name in names:
            (folder / name).read_bytes()
        settle(mount)


def test_a_file_that_fails_is_tried_early_once_and_again_by_its_reader(mount: Mount, folder: Path) -> None:
    names = sorted(os.listdir(folder))
    [file_id] = [file["id"] for file in mount.emulator.files() if file["filename"] == names[6]]
    mount.emulator.fault({"operation": "download", "file_id": file_id}, {"kind": "status", "status": 400}, times=-1)
    mount.expects("read: ")
    for name in names:
        if name != names[6]:
            (folder / name).read_bytes()
    settle(mount)
    asked = [request for request in mount.emulator.requests("download") if request["file_id"] == file_id]

    assert len(asked) == 1
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        (folder / names[6]).read_bytes()


def test_a_killed_walk_leaves_no_more_than_a_few_early_files(mount: Mount, folder: Path) -> None:
    mount.emulator.switch(latency_ms=50)
    with subprocess.Popen(["bash", "-c", "for f in *; do cat $f; done > /dev/null"], cwd=folder) as walk:
        mount.emulator.wait_for_requests(8, "download")
        walk.kill()
    assert fetched(mount) <= COUNT


# ---- when it begins, and how far it goes

class Early:
    """A directory of nodes; says what was fetched early."""

    def __init__(self, sizes: list[int], clock: FakeClock) -> None:
        self.nodes = [self.node(number, size) for number, size in enumerate(sizes)]
        self.fetched: list[int] = []
        self.room = 10**6               # fetches until there is nothing to spare
        self.walks = Walks(clock, self.following, self.early)

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
            self.walks.step(self.nodes[number])


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
