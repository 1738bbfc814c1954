"""README: nothing acknowledged is lost and nothing is there twice, wherever the program is killed."""

import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from anthrofs import mountpoint
from tests.mounting import Mount, wait_until

# Every durable step on the way of a written file, in its order.
LABELS = ["stage:data", "stage:dir", "kept:link", "kept:dir", "staging:remove", "kept:map"]


def write(path: Path, content: bytes) -> bool:
    """Whether it was acknowledged."""
    try:
        path.write_bytes(content)
    except OSError:
        return False
    return True


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("after", ["", "+"])
@pytest.mark.parametrize("label", LABELS)
def test_a_closed_file_survives_a_crash_at(mount: Mount, label: str, after: str, times: int) -> None:
    killed = subprocess.Popen([sys.executable, "-m", "tests.crash_at", label + after, str(times), "mount", "--foreground",
                               "--state-dir", mount.state_dir, mount.path], env=mount.environment, cwd=Path(__file__).parents[1],
                              stderr=subprocess.DEVNULL)
    wait_until(lambda: mountpoint.is_mounted(mount.path), "it is mounted")
    (mount.path / "first.txt").exists()
    acknowledged = {}
    for name in ("first.txt", "second.txt", "third.txt"):
        if write(mount.path / name, name.encode() * 100):
            acknowledged[name] = name.encode() * 100
    assert killed.wait(30) == -9
    subprocess.run(["fusermount", "-u", "-z", str(mount.path)], check=True, timeout=30)
    mount.expects("was being written when")
    mount.leaves("belongs to nothing")

    files = mount.mount()
    mount.sync()
    stored = mount.emulator.files()
    assert max(Counter(file["filename"] for file in stored).values(), default=1) == 1
    found = {file["filename"]: mount.emulator.content(file["id"]) for file in stored}
    assert acknowledged.items() <= found.items()
    assert {path.name: path.read_bytes() for path in files.iterdir()} == found


@pytest.mark.parametrize("after", ["", "+"])
@pytest.mark.parametrize("label", ["rename:link", "rename:dir", "kept:link", "kept:dir", "staging:remove", "kept:map"])
def test_a_renamed_file_survives_a_crash_at(mount: Mount, label: str, after: str) -> None:
    """An own upload: under one of its names, and on the server once."""
    mount.mount()
    contents = {name: name.encode() * 100 for name in ("a.txt", "b.txt", "c.txt")}
    for name, content in contents.items():
        (mount.path / name).write_bytes(content)
    mount.umount()
    killed = subprocess.Popen([sys.executable, "-m", "tests.crash_at", label + after, "2", "mount", "--foreground",
                               "--state-dir", mount.state_dir, mount.path], env=mount.environment, cwd=Path(__file__).parents[1],
                              stderr=subprocess.DEVNULL)
    wait_until(lambda: mountpoint.is_mounted(mount.path), "it is mounted")
    expected = dict(contents)
    for name in contents:
        try:
            (mount.path / name).rename(mount.path / f"new {name}")
        except OSError:
            break
        expected[f"new {name}"] = expected.pop(name)
    assert killed.wait(30) == -9
    subprocess.run(["fusermount", "-u", "-z", str(mount.path)], check=True, timeout=30)

    files = mount.mount()
    mount.sync()
    stored = mount.emulator.files()
    found = {file["filename"]: mount.emulator.content(file["id"]) for file in stored}
    assert len(found) == len(stored) == 3
    assert {path.name: path.read_bytes() for path in files.iterdir()} == found
    assert sorted(found.values()) == sorted(contents.values())
    assert len(found.keys() - expected.keys()) <= 1         # one rename was under way


@pytest.mark.timeout(600)        # a lost answer is looked for during 20 s
def test_acknowledged_changes_survive_kills_at_random_moments(mount: Mount) -> None:
    """A short form; scripts/crash runs it long."""
    campaign(mount, rounds=int(os.environ.get("ANTHROFS_CRASH_ROUNDS", "4")),
             seed=int(os.environ.get("ANTHROFS_CRASH_SEED", random.randrange(10**6))))


def rename(files: Path, old: str, new: str, certain: dict[str, bytes], unsure: dict[str, set[bytes | None]]) -> None:
    """What is certain afterwards, and what isn't."""
    moved, there = (unsure.get(name) or {certain.get(name)} for name in (old, new))
    unsure[old], unsure[new] = {*moved, None}, {*there, *moved, None}
    try:
        os.replace(files / old, files / new)
    except FileNotFoundError:
        unsure[old], unsure[new] = {None}, there
    except OSError:
        pass
    else:
        unsure[old], unsure[new] = {None}, moved - {None}


def campaign(mount: Mount, rounds: int, seed: int) -> None:
    """Write, replace, rename and delete while the daemon is killed; after each remount the server and the mount agree with what
    was acknowledged, and nothing is there twice.
    """
    print(f"seed {seed}")
    chance = random.Random(seed)
    mount.expects(".*")
    mount.leaves("belongs to nothing")
    certain: dict[str, bytes] = {}          # what an acknowledged call said last
    for round_number in range(rounds):
        unsure: dict[str, set[bytes | None]] = {}
        mount.emulator.clear_faults()
        if chance.random() < 0.5:
            mount.emulator.fault("upload", chance.choice([
                {"kind": "cut", "when": "after_commit"}, {"kind": "cut", "when": "before_commit"}, {"kind": "status", "status": 503},
                {"kind": "delay", "seconds": 0.3}]), times=chance.randrange(1, 3))
        mount.mount("--upload", chance.choice(["wait", "queue"]))
        killer = subprocess.Popen(["sh", "-c", f"sleep {chance.random() * 1.5}; kill -9 {mount.pid()}"])
        deadline_s = time.monotonic() + 5
        while killer.poll() is None and time.monotonic() < deadline_s:
            name, other = (f"{number}.txt" for number in chance.sample(range(8), 2))
            if chance.random() < 0.3:
                rename(mount.path, name, other, certain, unsure)
                continue
            content = f"{round_number} {chance.random()} ".encode() * chance.randrange(1, 3000)
            before = unsure.get(name) or {certain.get(name)}
            wanted = None if chance.random() < 0.25 else content
            unsure[name] = {*before, wanted}
            try:
                if wanted is None:
                    (mount.path / name).unlink(missing_ok=True)
                else:
                    (mount.path / name).write_bytes(content)
            except OSError:
                continue
            unsure[name] = {wanted}
        killer.wait(10)
        mount.wait_for_end()
        subprocess.run(["fusermount", "-u", "-z", str(mount.path)], check=False, timeout=30, stderr=subprocess.DEVNULL)
        mount.emulator.clear_faults()
        mount.mount()
        mount.sync()
        stored = mount.emulator.files()
        assert max(Counter(file["filename"] for file in stored).values(), default=1) == 1, (seed, round_number)
        found = {file["filename"]: mount.emulator.content(file["id"]) for file in stored}
        for name in {*certain, *unsure}:
            assert found.get(name) in unsure.get(name, {certain.get(name)}), (seed, round_number, name)
        assert {path.name: path.read_bytes() for path in mount.path.iterdir()} == found, (seed, round_number)
        certain = found
        mount.umount()
