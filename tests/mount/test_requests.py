"""Manual, costs: it costs the fewest requests. Counts, on real mounts; the server's log is the witness."""

import os
from pathlib import Path

import pytest

from anthrofs.store.blocks import BLOCK_BYTES
from tests.mounting import Mount, asks, shell


@pytest.mark.parametrize(("count", "pages"), [(1, 1), (1000, 1), (1001, 2), (2500, 3)])
def test_the_first_listing_costs_a_request_per_thousand_files_and_later_looks_none(mount: Mount, count: int, pages: int) -> None:
    mount.emulator.bulk(count, size_bytes=3)
    mount.emulator.forget_requests()
    files = mount.mount()

    assert len(os.listdir(files)) == count
    assert shell("ls -l | wc -l; find . -name '*.txt' | wc -l; stat bulk-000000.txt; df .; ls nothing*", files).returncode != 0
    assert [request["operation"] for request in mount.emulator.requests()] == ["list"] * pages


def test_a_known_workspace_is_mounted_and_unmounted_for_one_request(mount: Mount) -> None:
    mount.emulator.bulk(2500, size_bytes=3)
    files = mount.mount()
    mount.umount()
    mount.emulator.forget_requests()

    mount.mount()
    assert len(os.listdir(files)) == 2500
    mount.umount()

    assert [request["operation"] for request in mount.emulator.requests()] == ["list"]


def test_cat_costs_one_request_then_none_also_after_a_remount(mount: Mount) -> None:
    content = os.urandom(700_000)
    mount.emulator.generate("data.bin", content)
    files = mount.mount()

    with asks(mount, download=1):
        assert (files / "data.bin").read_bytes() == content
    with asks(mount):
        assert (files / "data.bin").read_bytes() == content
    mount.remount()
    with asks(mount):
        assert (files / "data.bin").read_bytes() == content


def test_a_big_file_read_from_end_to_end_costs_one_request(mount: Mount) -> None:
    content = os.urandom(2**20) * 40
    mount.emulator.generate("big.bin", content)
    files = mount.mount()
    with asks(mount, download=1):
        assert shell("cat big.bin | cmp - big.bin", files).returncode == 0
    with asks(mount):
        assert (files / "big.bin").read_bytes() == content


@pytest.mark.parametrize("cache_size", ["0", "8M"])
@pytest.mark.parametrize("mib", [7, 40])
def test_a_file_that_the_cache_has_no_room_for_is_read_for_one_request_all_the_same(mount: Mount, cache_size: str, mib: int) -> None:
    content = os.urandom(2**20) * mib
    mount.emulator.generate("big.bin", content)
    files = mount.mount("--cache-size", cache_size)
    with asks(mount, download=1):
        assert (files / "big.bin").read_bytes() == content
    used = sum(path.stat().st_blocks * 512 for path in (mount.state_dir / "cache").iterdir())
    assert used <= 9_000_000
    assert mount.status()["cached_bytes"] <= 8_000_000


@pytest.mark.parametrize(("size", "said"), [("10 G", 0), ("1.5m", 0), ("-1", 2), ("much", 2), ("1e9", 2)])
def test_a_cache_size_that_cant_be_understood_is_refused(mount: Mount, size: str, said: int) -> None:
    done = mount.run("mount", "--state-dir", mount.state_dir, f"--cache-size={size}", mount.path)
    assert done.returncode == said
    assert not said or f"--cache-size {size!r}: it takes a size, like 10G" in done.stderr


@pytest.mark.parametrize("ranges", [True, False])
def test_a_jump_costs_at_most_one_request_and_what_came_is_kept(mount: Mount, ranges: bool) -> None:
    content = os.urandom(2**20) * 24
    mount.emulator.switch(ranges=ranges)
    mount.emulator.generate("big.bin", content)
    files = mount.mount()
    place = 20 * 2**20

    with asks(mount, download=1), (files / "big.bin").open("rb", buffering=0) as big:
        assert os.pread(big.fileno(), 1000, place) == content[place:place + 1000]
        assert os.pread(big.fileno(), 1000, place + 3) == content[place + 3:place + 1003]
    with asks(mount), (files / "big.bin").open("rb", buffering=0) as big:
        assert os.pread(big.fileno(), BLOCK_BYTES, place) == content[place:place + BLOCK_BYTES]


def test_many_readers_of_one_file_share_one_download(mount: Mount) -> None:
    content = os.urandom(5_000_000)
    mount.emulator.generate("data.bin", content)
    files = mount.mount()
    mount.emulator.switch(latency_ms=300)
    with asks(mount, download=1):
        done = shell("for i in 1 2 3 4 5 6 7 8; do md5sum data.bin & done | sort -u | wc -l; wait", files)
        assert done.stdout.strip() == "1"


def test_cp_in_costs_one_request(mount: Mount, tmp_path: Path) -> None:
    files = mount.mount()
    (tmp_path / "paper.pdf").write_bytes(os.urandom(3_000_000))
    with asks(mount, upload=1):
        assert shell(f"cp {tmp_path}/paper.pdf .", files).returncode == 0
    with asks(mount):
        assert shell(f"cmp {tmp_path}/paper.pdf paper.pdf", files).returncode == 0


def test_rm_costs_one_request(mount: Mount) -> None:
    mount.emulator.generate("a.txt", b"a")
    files = mount.mount()
    with asks(mount, delete=1):
        (files / "a.txt").unlink()


def test_an_empty_file_costs_one_request(mount: Mount) -> None:
    files = mount.mount()
    with asks(mount, upload=1):
        (files / "empty").touch()


def test_nothing_is_asked_for_what_never_leaves_the_machine(mount: Mount) -> None:
    files = mount.mount()
    with asks(mount):
        assert shell("echo x > .a.swp; cat .a.swp; rm .a.swp; ls -la", files).returncode == 0


def test_looks_within_the_refresh_window_cost_nothing_and_the_first_one_after_it_one_listing(mount: Mount) -> None:
    mount.emulator.generate("a.txt", b"a")
    files = mount.mount("--refresh", "1.5")
    mount.emulator.forget_requests()
    for _ in range(20):
        os.listdir(files)
    assert mount.emulator.requests("list") == []

    mount.emulator.generate("b.txt", b"b")
    mount.emulator.wait_for_requests(1, "list")     # somebody looked a moment ago, so the next refresh comes by itself
    names: list[str] = []
    while "b.txt" not in names:
        names = os.listdir(files)
    assert sorted(names) == ["a.txt", "b.txt"]


def test_a_refresh_of_a_big_workspace_costs_one_request_with_nothing_new_and_with_three_new(mount: Mount) -> None:
    mount.emulator.bulk(3000, size_bytes=3)
    files = mount.mount()
    with asks(mount, list=1):
        mount.ok("refresh", files)
    for number in range(3):
        mount.emulator.generate(f"new{number}.txt", b"new")
    with asks(mount, list=1):
        mount.ok("refresh", files)
    assert len(os.listdir(files)) == 3003
