"""Manual, promises: nothing acknowledged is lost and nothing is there twice, wherever the program is killed."""

import contextlib
import os
import random
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from anthrofs.fuse import mountpoint
from tests.mounting import Mount, wait_until

NAMES = [f"{number}.txt" for number in range(8)]
ROUNDS = int(os.environ.get("ANTHROFS_CRASH_ROUNDS", "4"))
FOLDERS = ["x", "y"]            # one of the two is there
RECOVERED = " (recovered)"      # a removal a moment before the kill: perhaps half of a replacement

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
                               "--state-dir", mount.state_dir, mount.path], env=mount.environment, cwd=Path(__file__).parents[2],
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
                               "--state-dir", mount.state_dir, mount.path], env=mount.environment, cwd=Path(__file__).parents[2],
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


@pytest.mark.parametrize("kind", ["sent", "waiting", "of others"])
def test_a_removal_a_moment_before_a_crash_is_undone_under_a_name_of_its_own(mount: Mount, kind: str) -> None:
    """Of an open file: libfuse's first step of a replacement looks just the same. Manual, promises: 'named `name (recovered)`'."""
    mount.expects("was being replaced or removed")
    if kind == "of others":
        mount.emulator.generate("report.txt", b"kept")
    files = mount.mount("--upload", "queue")
    if kind == "waiting":
        mount.emulator.fault("upload", {"kind": "status", "status": 503}, times=100)
        mount.expects("uploading report.txt")
    if kind != "of others":
        (files / "report.txt").write_bytes(b"kept")
    if kind == "sent":
        mount.sync()
    descriptor = os.open(files / "report.txt", os.O_RDONLY)
    (files / "report.txt").unlink()
    mount.kill()
    with contextlib.suppress(OSError):
        os.close(descriptor)
    mount.emulator.clear_faults()

    files = mount.mount()
    assert [path.name for path in files.iterdir()] == ["report (recovered).txt"]
    (files / "report.txt").write_bytes(b"another")
    mount.sync()
    assert {path.name: path.read_bytes() for path in files.iterdir()} == {"report (recovered).txt": b"kept", "report.txt": b"another"}
    named = "report.txt" if kind == "of others" else "report (recovered).txt"       # what others made is only named here
    assert sorted((file["filename"], mount.emulator.content(file["id"])) for file in mount.emulator.files()) == sorted(
        [(named, b"kept"), ("report.txt", b"another")])


@pytest.mark.timeout(300 + 60 * ROUNDS)      # a lost answer is looked for during 20 s
def test_acknowledged_changes_survive_kills_at_random_moments(mount: Mount) -> None:
    """A short form; scripts/crash runs it long."""
    campaign(mount, rounds=ROUNDS, seed=int(os.environ.get("ANTHROFS_CRASH_SEED", random.randrange(10**6))))


Certain = dict[str, bytes]                  # what an acknowledged call said last of a path
Unsure = dict[str, set[bytes | None]]       # what a path may show since; None: nothing


def states(path: str, certain: Certain, unsure: Unsure) -> set[bytes | None]:
    return unsure.get(path) or {certain.get(path)}


def rename(files: Path, old: str, new: str, certain: Certain, unsure: Unsure) -> None:
    """What is certain afterwards, and what isn't."""
    moved, there = states(old, certain, unsure), states(new, certain, unsure)
    unsure[old], unsure[new] = {*moved, None}, {*there, *moved, None}
    try:
        os.replace(files / old, files / new)
    except FileNotFoundError:
        unsure[old], unsure[new] = ({None} if os.path.isdir(os.path.dirname(files / new)) else moved), there
    except OSError:
        pass
    else:
        unsure[old], unsure[new] = {None}, moved - {None}


def rename_folder(files: Path, old: str, new: str, certain: Certain, unsure: Unsure) -> None:
    """All that is in it moves, or nothing does. The new name is free."""
    before = {name: states(f"{old}/{name}", certain, unsure) for name in NAMES}
    for name, moved in before.items():
        unsure[f"{new}/{name}"] = {*states(f"{new}/{name}", certain, unsure), *moved}
        unsure[f"{old}/{name}"] = {*moved, None}
    try:
        os.rename(files / old, files / new)
    except OSError:
        return
    for name, moved in before.items():
        unsure[f"{old}/{name}"], unsure[f"{new}/{name}"] = {None}, moved


def write_or_remove(path: Path, name: str, content: bytes | None, certain: Certain, unsure: Unsure) -> None:
    before = states(name, certain, unsure)
    unsure[name] = {*before, content}
    try:
        if content is None:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(content)
    except FileNotFoundError:
        unsure[name] = before           # its folder has another name now
    except OSError:
        pass
    else:
        unsure[name] = {content}


class Readers:
    """Some files that are open for a while: removed or replaced meanwhile, they live on until their last close."""

    def __init__(self) -> None:
        self._descriptors: list[int] = []

    def open(self, path: Path) -> None:
        with contextlib.suppress(OSError):
            self._descriptors.append(os.open(path, os.O_RDONLY))
        if len(self._descriptors) > 3:
            self._close(self._descriptors.pop(0))

    def close(self) -> None:
        while self._descriptors:
            self._close(self._descriptors.pop())

    @staticmethod
    def _close(descriptor: int) -> None:
        with contextlib.suppress(OSError):      # the mount may be dead
            os.close(descriptor)


def forget_left(mount: Mount) -> None:
    """What was removed or replaced while nobody knew whether the server has it may be somebody else's there. It is named and left."""
    named = re.findall(r"has such a file \((\S+)\)", mount.log())
    for file_id in {file["id"] for file in mount.emulator.files()}.intersection(named):
        mount.emulator.vanish(file_id)
        mount.refresh()


def content_of(mount: Mount) -> dict[str, bytes]:
    """By path, as the server has it; nothing is there twice."""
    stored = mount.emulator.files()
    found = {file["filename"].replace("\uff0f", "/"): mount.emulator.content(file["id"]) for file in stored}
    assert len(found) == len(stored), Counter(file["filename"] for file in stored)
    return found


def campaign(mount: Mount, rounds: int, seed: int) -> None:
    """Write, replace, rename and delete, files and folders, while the daemon is killed; after each remount the server and the mount
    agree with what was acknowledged, and nothing is there twice.
    """
    print(f"seed {seed}")
    chance = random.Random(seed)
    mount.expects(".*")
    mount.leaves("belongs to nothing")
    mount.hurried = True
    certain: Certain = {}
    written: set[bytes | None] = set()
    for round_number in range(rounds):
        unsure: Unsure = {}
        mount.emulator.clear_faults()
        if chance.random() < 0.5:
            mount.emulator.fault("upload", chance.choice([
                {"kind": "cut", "when": "after_commit"}, {"kind": "cut", "when": "before_commit"}, {"kind": "status", "status": 503},
                {"kind": "delay", "seconds": 0.3}]), times=chance.randrange(1, 3))
        files = mount.mount("--upload", chance.choice(["wait", "queue"]))
        if not any((files / folder).is_dir() for folder in FOLDERS):
            (files / FOLDERS[0]).mkdir()
        killer = subprocess.Popen(["sh", "-c", f"sleep {chance.random() * 1.5}; kill -9 {mount.pid()}"])
        deadline_s, readers = time.monotonic() + 5, Readers()
        while killer.poll() is None and time.monotonic() < deadline_s:
            name, other = (chance.choice(["", "", "x/", "y/"]) + each for each in chance.sample(NAMES, 2))
            deed = chance.random()
            if chance.random() < 0.3:
                readers.open(files / (name if deed >= 0.35 else other))
            if deed < 0.1:
                old, new = FOLDERS if os.path.isdir(files / FOLDERS[0]) else FOLDERS[::-1]
                rename_folder(files, old, new, certain, unsure)
            elif deed < 0.35:
                rename(files, name, other, certain, unsure)
            else:
                content = None if deed < 0.5 else f"{round_number} {chance.random()} ".encode() * chance.randrange(1, 3000)
                written.add(content)
                write_or_remove(files / name, name, content, certain, unsure)
        killer.wait(10)
        readers.close()
        mount.wait_for_end()
        subprocess.run(["fusermount", "-u", "-z", str(mount.path)], check=False, timeout=30, stderr=subprocess.DEVNULL)
        mount.emulator.clear_faults()
        mount.mount()
        mount.sync()
        forget_left(mount)
        found = content_of(mount)
        for name in {*certain, *unsure}:
            assert found.get(name) in states(name, certain, unsure), (seed, round_number, name)
        shown = {str(path.relative_to(mount.path)): path.read_bytes() for path in mount.path.rglob("*") if path.is_file()}
        assert shown == found, (seed, round_number)
        recovered = [name for name in shown if RECOVERED in name]
        for name in recovered:
            assert shown[name] in written, (seed, round_number, name)
            (files / name).unlink()
        mount.umount()
        certain = content_of(mount)
        assert certain == {name: content for name, content in found.items() if name not in recovered}
