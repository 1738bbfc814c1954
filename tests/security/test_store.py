"""Whoever can write to a fleet's store, but lacks its key: they make things missing, and nothing else.

Manual, security: 'Whoever writes to a store or a board'
"""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from anthrofs.clock import Clock
from anthrofs.fleet.objects import objects_of
from tests.emulator.process import EmulatorProcess
from tests.mounting import Mount, wait_until

CONTENT: Final = {"one.txt": b"one, of A\n" * 50, "two.txt": b"two, of A\n" * 50}      # of one length
BOUND_S: Final = 60.0       # above the patience of a read of what only the store has, and of the mount's retries


class Attacked:
    """A has put two uploads into the store, and B, who hasn't read them, knows of them."""

    def __init__(self, base: Path, emulator: EmulatorProcess) -> None:
        self.a, self.b = Mount(base / "a", emulator), Mount(base / "b", emulator)
        self.store, self.base = base / "store", base
        self.store.mkdir()
        key = base / "key"
        key.write_text(self.a.ok("fleet", "key"))
        key.chmod(0o600)
        for mount in (self.a, self.b):
            mount.expects(".*")
            mount.mount("--store", f"file://{self.store}", "--fleet-key", str(key))
        for name, content in CONTENT.items():
            (self.a.path / name).write_bytes(content)
            self.a.sync()
        wait_until(lambda: self.b.refresh() and all((self.b.path / name).exists() for name in CONTENT), "B lists them")
        wait_until(lambda: all(os.getxattr(self.b.path / name, "user.anthropic.shared") == b"true" for name in CONTENT), "B finds them in the store")

    def chunks(self) -> list[Path]:
        return sorted((path for path in self.store.rglob("*") if path.name == "0"), key=lambda path: path.stat().st_mtime_ns)


@pytest.fixture
def attacked(emulator: EmulatorProcess, tmp_path: Path) -> Iterator[Attacked]:
    one = Attacked(tmp_path, emulator)
    try:
        yield one
    finally:
        try:
            one.a.finish()
        finally:
            one.b.finish()


def read(path: Path) -> bytes | OSError:
    """Within a bound: a read that hangs fails the test, and leaves it."""
    found = list[bytes | OSError]()

    def call() -> None:
        try:
            found.append(path.read_bytes())
        except OSError as exc:
            found.append(exc)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(BOUND_S)
    assert found, f"the read of {path} hangs"
    return found[0]


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def swap(path: Path, other: Path) -> None:
    one, two = path.read_bytes(), other.read_bytes()
    path.write_bytes(two)
    other.write_bytes(one)


def plant_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def plant_link(path: Path, to: Path) -> None:
    path.unlink()
    path.symlink_to(to)


def plant_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


ATTACKS: Final[dict[str, Callable[[Path, Path, Path], object]]] = {
    "one byte is changed": lambda one, _two, _base: flip(one),
    "the end is cut off": lambda one, _two, _base: os.truncate(one, one.stat().st_size - 1),
    "nothing is left": lambda one, _two, _base: os.truncate(one, 0),
    "something is appended": lambda one, _two, _base: one.write_bytes(one.read_bytes() + b"x"),
    "two files are swapped": lambda one, two, _base: swap(one, two),
    "it is gigantic": lambda one, _two, _base: os.truncate(one, 2**40),
    "a pipe stands there": lambda one, _two, _base: plant_pipe(one),
    "a link to a file of this machine stands there": lambda one, _two, base: plant_link(one, base / "machine"),
    "a link to a device without an end stands there": lambda one, _two, _base: plant_link(one, Path("/dev/zero")),
    "a folder stands there": lambda one, _two, _base: plant_folder(one),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_store_that_was_tampered_with_makes_a_file_missing_and_never_wrong(attacked: Attacked, attack: str) -> None:
    """Manual, fleet: 'a wrong byte they can't make'"""
    (attacked.base / "machine").write_bytes(b"of this machine\n")
    one, two = attacked.chunks()
    ATTACKS[attack](one, two, attacked.base)
    found = read(attacked.b.path / "one.txt")
    assert isinstance(found, OSError), found
    # and everything else goes on
    if attack != "two files are swapped":
        assert read(attacked.b.path / "two.txt") == CONTENT["two.txt"]
    (attacked.b.path / "mine.txt").write_text("mine")
    attacked.b.ok("status", attacked.b.path)
    assert (attacked.base / "machine").read_bytes() == b"of this machine\n"


@pytest.mark.parametrize("create", [True, False])
def test_what_is_put_over_a_planted_link_goes_nowhere_else(tmp_path: Path, create: bool) -> None:
    (tmp_path / "machine").write_bytes(b"of this machine\n")
    (tmp_path / "store" / "1").mkdir(parents=True)
    (tmp_path / "store" / "1" / "0").symlink_to(tmp_path / "machine")
    assert objects_of(f"file://{tmp_path / 'store'}", Clock()).put("1/0", b"a chunk", create=create) is not create
    assert (tmp_path / "machine").read_bytes() == b"of this machine\n"
    assert create or (tmp_path / "store" / "1" / "0").read_bytes() == b"a chunk"
