"""Two mounts and a store that both reach: a directory here, as it is with S3. What one uploads, the other reads."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.emulator.process import EmulatorProcess
from tests.mounting import Mount, asks, state_of, stored, wait_until

SHARED = "user.anthropic.shared"


class Pair:
    """Two mounts of one workspace, machines A and B, with one key and one store."""

    def __init__(self, base: Path, emulator: EmulatorProcess) -> None:
        self.emulator = emulator
        self.a, self.b = Mount(base / "a", emulator), Mount(base / "b", emulator)
        self.store = base / "store"
        self.store.mkdir()
        self.key = base / "key"
        self.key.write_text(self.a.ok("fleet", "key"))
        self.key.chmod(0o600)

    def options(self, *more: str) -> list[str]:
        return ["--store", f"file://{self.store}", "--fleet-key", str(self.key), *more]

    def mount(self) -> tuple[Path, Path]:
        return self.a.mount(*self.options()), self.b.mount(*self.options())

    def chunks(self) -> list[Path]:
        """The store's objects, but for what a mount's look leaves."""
        return sorted(path for path in self.store.rglob("*") if path.is_file() and path.name.isdecimal())


@pytest.fixture
def pair(emulator: EmulatorProcess, tmp_path: Path) -> Iterator[Pair]:
    one = Pair(tmp_path, emulator)
    one.b.expects(r"it can't be read \(`anthrofs ls`")
    try:
        yield one
    finally:
        try:
            one.a.finish()
        finally:
            one.b.finish()


def shared(path: Path) -> str:
    return os.getxattr(path, SHARED).decode()


def seen(mount: Mount, path: Path) -> None:
    """The mount knows of the file, and that the store has it."""
    wait_until(lambda: mount.refresh() and path.exists(), f"{path} is listed")
    wait_until(lambda: shared(path) == "true", f"{path} is found in the store")


def test_what_a_uploads_b_reads_and_then_again_without_asking_anybody(pair: Pair) -> None:
    """The manual: what one mount uploads, the others read, once it is in the store and they know."""
    a, b = pair.mount()
    content = os.urandom(5 * 2**20 + 1234)
    (a / "big.bin").write_bytes(content)
    (a / "small.txt").write_text("from A\n")
    (a / "empty.txt").write_text("")
    pair.a.sync()
    assert {name: shared(a / name) for name in ("big.bin", "small.txt")} == {"big.bin": "true", "small.txt": "true"}
    assert len(pair.chunks()) == 4
    seen(pair.b, b / "big.bin")
    seen(pair.b, b / "small.txt")
    assert state_of(b / "small.txt") == "remote, from the fleet's store"
    with asks(pair.b):
        assert (b / "big.bin").read_bytes() == content
        assert (b / "small.txt").read_text() == "from A\n"
        assert (b / "big.bin").read_bytes() == content


def test_nobody_can_read_it_who_has_another_key(pair: Pair, tmp_path: Path) -> None:
    a = pair.a.mount(*pair.options())
    (a / "a.txt").write_text("secret of the fleet\n")
    pair.a.sync()
    assert b"secret of the fleet" not in b"".join(path.read_bytes() for path in pair.chunks())
    assert not any(b"a.txt" in os.fsencode(path) for path in pair.store.rglob("*"))
    pair.key.write_text(pair.a.ok("fleet", "key"))
    pair.b.expects("none of this mount's .* a wrong key, and sees nothing of the others'")
    b = pair.b.mount(*pair.options())
    with pytest.raises(PermissionError):
        (b / "a.txt").read_text()
    assert shared(b / "a.txt") == "no"


def test_an_edit_in_place_of_anothers_upload_costs_one_upload_and_one_deletion(pair: Pair) -> None:
    a, b = pair.mount()
    (a / "notes.txt").write_text("by A\n")
    pair.a.sync()
    seen(pair.b, b / "notes.txt")
    with asks(pair.b, upload=1, delete=1), (b / "notes.txt").open("a") as file:
        file.write("and by B\n")
    assert stored(pair.b) == {"notes.txt": b"by A\nand by B\n"}
    seen(pair.a, a / "notes.txt")
    wait_until(lambda: pair.a.refresh() and (a / "notes.txt").stat().st_size == 14, "A sees B's edit")
    seen(pair.a, a / "notes.txt")
    assert (a / "notes.txt").read_text() == "by A\nand by B\n"


def test_a_rename_of_anothers_upload_is_sent_as_ones_own(pair: Pair) -> None:
    a, b = pair.mount()
    (a / "draft.txt").write_text("by A\n")
    pair.a.sync()
    seen(pair.b, b / "draft.txt")
    with asks(pair.b, upload=1, delete=1):
        (b / "draft.txt").rename(b / "final.txt")
    assert stored(pair.b) == {"final.txt": b"by A\n"}
    assert shared(b / "final.txt") == "true"
    pair.a.refresh()
    seen(pair.a, a / "final.txt")
    assert (a / "final.txt").read_text() == "by A\n"
    wait_until(lambda: pair.a.refresh() and not (a / "draft.txt").exists(), "A sees that the old name has gone")
