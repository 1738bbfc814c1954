"""Manual, promises: the right bytes. A file that others replace is read by several programs at once: no read mixes two
versions, is cut short, or shows an old version after an open that came later than the new one's appearance.
"""

import json
import mmap
import os
import random
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from anthrofs.client import control_client
from tests.mounting import Mount, wait_until

WORD = struct.Struct(">Q")
SECONDS = 8.0
READERS = 4


def size_of(version: int) -> int:
    """Each version has its own length, both longer and shorter than the one before."""
    return 8 * (1 + version * 7919 % 90_000)


def content_of(version: int) -> bytes:
    return WORD.pack(version) * (size_of(version) // 8)


def problem_of(data: bytes, offset: int, wanted: int, oldest: int) -> str:
    """What is wrong with `wanted` bytes read at `offset` (a multiple of 8), by somebody who knows that `oldest` was there."""
    if not data:
        return "" if offset else "nothing was read"
    (version,) = WORD.unpack_from(data)
    if version < oldest:
        return f"version {version} after {oldest} had appeared"
    if data != (WORD.pack(version) * (len(data) // 8 + 1))[:len(data)]:
        return f"version {version} is mixed with another"
    if len(data) != max(0, min(wanted, size_of(version) - offset)):
        return f"{len(data)} of {size_of(version)} bytes of version {version} at {offset}, {wanted} asked for"
    return ""


def read_once(path: Path, chance: random.Random, oldest: int) -> str:
    """Open, read in one of four ways, close."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        way = chance.randrange(4)
        if way == 0:
            parts, offset = [], 0
            while piece := os.read(descriptor, chance.choice([4096, 65536, 1 << 20])):
                parts.append(piece)
                offset += len(piece)
            return problem_of(b"".join(parts), 0, 1 << 30, oldest)
        if way == 1:
            try:
                with mmap.mmap(descriptor, 0, prot=mmap.PROT_READ, flags=mmap.MAP_PRIVATE) as mapped:
                    return problem_of(mapped[:], 0, 1 << 30, oldest)
            except ValueError:
                return "mmap found the file empty"
        first = os.pread(descriptor, 8, 0)
        if problem := problem_of(first, 0, 8, oldest):
            return problem
        (version,) = WORD.unpack(first)
        for _ in range(5):      # the content of an open file never changes
            offset = 8 * chance.randrange(size_of(version) // 8)
            wanted = chance.choice([8, 4096, 200_000])
            data = os.pread(descriptor, wanted, offset)
            if problem := problem_of(data, offset, wanted, version):
                return problem
            if WORD.unpack_from(data)[0] != version:
                return f"{version} became {WORD.unpack_from(data)[0]} while it was open"
        return ""
    finally:
        os.close(descriptor)


def reader(path: Path, appeared: Path, seed: int) -> None:
    """A program of its own: reads until the time is over; prints what it saw."""
    chance, reads = random.Random(seed), 0
    problems: list[str] = []
    until_s = time.monotonic() + SECONDS
    while time.monotonic() < until_s and not problems:
        oldest = int(appeared.read_text())
        if problem := read_once(path, chance, oldest):
            problems.append(problem)
        reads += 1
    print(json.dumps({"reads": reads, "problems": problems}))


def test_readers_of_a_file_that_others_replace_see_one_version_each(mount: Mount, tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    appeared = tmp_path / "appeared"
    mount.emulator.generate("data.bin", content_of(1))
    appeared.write_text("1")
    files = mount.mount("--refresh", "1")
    readers = [subprocess.Popen([sys.executable, "-m", "tests.mount.test_versions", files / "data.bin", appeared, str(seed + number)],
                                stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) for number in range(READERS)]
    version = 1
    try:
        while any(each.poll() is None for each in readers):
            version += 1
            mount.emulator.generate("data.bin", content_of(version))
            list(control_client.ask(mount.state_dir, "refresh", timeout_s=20))
            if os.getxattr(files / "data.bin", "user.anthropic.file_id").decode() == mount.emulator.files()[0]["id"]:
                temporary = tmp_path / "next"
                temporary.write_text(str(version))
                temporary.rename(appeared)
            time.sleep(chance.random() * 0.3)
    finally:
        said = [json.loads(each.communicate(timeout=30)[0]) for each in readers]
    assert [each["problems"] for each in said] == [[]] * READERS, (seed, said)
    print(f"{version} versions, {appeared.read_text()} the last that was seen, {sum(each['reads'] for each in said)} reads")
    assert sum(each["reads"] for each in said) > 50
    assert version > 5
    assert int(appeared.read_text()) > 1        # some of them were seen


if __name__ == "__main__":
    reader(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))


@pytest.mark.parametrize("new", ["moved.bin", "folder/moved.bin"])
def test_what_others_have_just_replaced_is_read_whole_under_a_new_name_too(mount: Mount, new: str) -> None:
    """The kernel takes the size that it was told of the old one along."""
    made = mount.emulator.generate("data.bin", b"old")
    files = mount.mount("--refresh", "10")
    (files / "folder").mkdir()
    assert (files / "data.bin").read_bytes() == b"old"
    mount.emulator.vanish(made["id"])
    content = os.urandom(200_000)
    made = mount.emulator.generate("data.bin", content)
    wait_until(lambda: mount.refresh() and os.getxattr(files / "data.bin", "user.anthropic.file_id").decode() == made["id"], "it shows")

    (files / "data.bin").rename(files / new)
    descriptor = os.open(files / new, os.O_RDONLY)      # a look at its attributes would make the kernel ask again
    try:
        found = b"".join(iter(lambda: os.read(descriptor, 100_000), b""))
    finally:
        os.close(descriptor)
    assert len(found) == len(content)
    assert found == content
