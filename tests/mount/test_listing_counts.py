"""Manual, costs: it costs the fewest requests. What listings and looks at many names ask for and transfer;
scripts/bench names has their times.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.bench.wire import Wire
from tests.mounting import Mount, asks, shell

FILES: Final = 3000
REFRESH_BYTES: Final = 10_000
SLASH: Final = "\uff0f"


@pytest.fixture
def wire(mount: Mount) -> Iterator[Wire]:
    """The mount's way to the server."""
    with Wire([mount.emulator.url.removeprefix("http://")], connect_ms=0, answer_ms=0) as wire:
        mount.environment["ANTHROPIC_BASE_URL"] = wire.url(0)
        yield wire
        mount.finish()      # before the wire goes


def test_a_first_mount_costs_a_request_a_page_and_a_remount_one(mount: Mount) -> None:
    mount.emulator.bulk(FILES, size_bytes=3)
    mount.emulator.forget_requests()
    mount.mount("--refresh", "300")
    assert [request["operation"] for request in mount.emulator.requests()] == ["list"] * 3
    mount.umount()
    with asks(mount, list=1):
        mount.mount("--refresh", "300")


def test_a_refresh_costs_less_than_ten_kilobytes(mount: Mount, wire: Wire) -> None:
    mount.emulator.bulk(FILES, size_bytes=3)
    files = mount.mount("--refresh", "300")
    for new in (0, 3):
        for number in range(new):
            mount.emulator.generate(f"new{number}.txt", b"new")
        before = wire.counts(0)
        mount.refresh()
        cost = wire.counts(0) - before
        assert (cost.requests, cost.bytes_up + cost.bytes_down < REFRESH_BYTES) == (1, True), cost
    assert len(os.listdir(files)) == FILES + 3


def test_names_that_dont_exist_cost_one_refresh_at_most_however_often_they_are_asked_for(mount: Mount) -> None:
    mount.emulator.bulk(10)
    files = mount.mount()
    mount.emulator.forget_requests()
    for number in range(1000):
        assert not os.path.lexists(files / f"missing{number % 7}")
    assert len(mount.emulator.requests()) <= 1


def test_find_and_ls_over_folders_cost_nothing(mount: Mount) -> None:
    for number in range(20):
        mount.emulator.bulk(50, f"folder-{number}{SLASH}data-", 3, ".csv")
    files = mount.mount("--refresh", "300")
    with asks(mount):
        assert shell("find . -name '*.csv' | wc -l", files).stdout.strip() == "1000"
        assert shell("ls -lR | grep -c '[.]csv$'", files).stdout.strip() == "1000"
        assert shell("find . -size -1k -o -newer folder-3 | wc -l", files).returncode == 0


@pytest.mark.parametrize("count", [1, 999, 2500])
def test_ls_shows_each_name_once_with_its_type_and_number(mount: Mount, count: int) -> None:
    mount.emulator.bulk(count, size_bytes=3)
    mount.emulator.bulk(1, f"folder{SLASH}")
    files = mount.mount()
    with os.scandir(files) as scan:
        entries = {entry.name: (entry.inode(), entry.is_dir(follow_symlinks=False)) for entry in scan}
    assert sorted(entries) == [*(f"bulk-{number:06}.txt" for number in range(count)), "folder"]
    assert [name for name, (_, directory) in entries.items() if directory] == ["folder"]
    assert {name: number for name, (number, _) in entries.items()} == {path.name: path.stat().st_ino for path in Path(files).iterdir()}
    assert len({number for number, _ in entries.values()}) == count + 1
