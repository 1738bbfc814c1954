"""Manual, promises: nothing acknowledged is lost and nothing is there twice, wherever the program is killed."""

import contextlib
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from anthrofs.fuse import mountpoint
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
                               "--state-dir", mount.state_dir, mount.path], env=mount.environment, cwd=Path(__file__).parents[2],
                              stderr=subprocess.DEVNULL)
    wait_until(lambda: mountpoint.is_mounted(mount.path), "it is mounted")
    (mount.path / "first.txt").exists()
    acknowledged = {}
    for name in ("first.txt", "second.txt", "third.txt"):
        if write(mount.path / name, name.encode() * 100):
            acknowledged[name] = name.encode() * 100
    assert killed.wait(30) == -9
    subprocess.run(["fusermount3", "-u", "-z", str(mount.path)], check=True, timeout=30)
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
    subprocess.run(["fusermount3", "-u", "-z", str(mount.path)], check=True, timeout=30)

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
