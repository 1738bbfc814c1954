"""Files that are read one after the other come early; nothing else does, and nothing comes twice."""

import errno
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from anthrofs.download.readahead import AHEAD_FILES, SURE
from tests.mounting import Mount, asks, shell, wait_until

COUNT: Final = 40


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
