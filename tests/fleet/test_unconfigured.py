"""A mount that is in no fleet imports nothing of fleets, and asks of the service what it always did."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.mounting import BOUND_S, COMMAND, Mount, asks, wait_until

LIBRARIES: Final = {"cryptography", "obstore", "valkey"}
OURS: Final = {"anthrofs.fleet", "anthrofs.daemon.build_fleet", "anthrofs.daemon.fleet_requests"}
TOLD: Final = {"PYTHONPROFILEIMPORTTIME": "1"}      # Python says of each import on standard error that it was made


def imported(words: str) -> set[str]:
    """Those modules of libraries and of ours, of all that were imported."""
    names = {line.rpartition("|")[2].strip() for line in words.splitlines() if line.startswith("import time:")}
    assert "anthrofs.cli" in names
    return {name for name in names if name in LIBRARIES or any(name == ours or name.startswith(f"{ours}.") for ours in OURS)}


@contextmanager
def mounted_in_the_foreground(mount: Mount, said: Path, *options: str) -> Iterator[None]:
    with said.open("wb") as words:
        process = subprocess.Popen([*COMMAND, "mount", "-f", "--state-dir", str(mount.state_dir), *options, str(mount.path)], stderr=words,
                                   env={**mount.environment, **TOLD})
        try:
            wait_until(lambda: mount.answers() or process.poll() is not None, "it is mounted, or has ended")
            assert process.poll() is None, said.read_text()[-2000:]
            yield
            process.send_signal(signal.SIGTERM)
            assert process.wait(BOUND_S) == 0
        finally:
            process.kill()
            process.wait(BOUND_S)


def life(mount: Mount) -> None:
    """A download, an upload, a rename, an edit in place, a removal, and the commands that ask."""
    mount.emulator.generate("made.txt", b"made")
    mount.refresh()
    assert (mount.path / "made.txt").read_bytes() == b"made"
    (mount.path / "mine.txt").write_text("mine")
    (mount.path / "mine.txt").rename(mount.path / "renamed.txt")
    with (mount.path / "made.txt").open("r+b") as file:
        file.write(b"M")
    (mount.path / "renamed.txt").unlink()
    mount.sync()


@pytest.mark.parametrize("upload", ["wait", "queue"])
def test_without_options_no_module_of_fleets_is_imported(mount: Mount, tmp_path: Path, upload: str) -> None:
    with mounted_in_the_foreground(mount, tmp_path / "words", "--upload", upload):
        life(mount)
        for arguments in (("status", mount.path), ("ls", mount.path), ("id", mount.path / "made.txt"), ("--help",), ("help", "fleet")):
            done = mount.run(*arguments, environment=TOLD)
            assert done.returncode == 0
            assert imported(done.stderr) == set()
    assert imported((tmp_path / "words").read_text()) == set()


def test_with_a_store_and_a_board_they_are_and_only_then(mount: Mount, tmp_path: Path) -> None:
    """So the test above would see them."""
    (tmp_path / "store").mkdir()
    (tmp_path / "key").write_text(os.urandom(32).hex())
    (tmp_path / "key").chmod(0o600)
    mount.expects("is away")
    with mounted_in_the_foreground(mount, tmp_path / "words", "--store", f"file://{tmp_path / 'store'}", "--board", "redis://127.0.0.1:1",
                                   "--fleet-key", str(tmp_path / "key")):
        assert (mount.path).is_dir()
    found = imported((tmp_path / "words").read_text())
    assert found >= LIBRARIES | {"anthrofs.daemon.build_fleet", "anthrofs.fleet.keys"}


def test_without_options_a_life_costs_what_it_did(mount: Mount) -> None:
    """Each of these costs what the README's table says."""
    with asks(mount, list=1):
        mount.mount("--refresh", "300")
    mount.emulator.generate("made.txt", b"made")
    with asks(mount, list=1):
        mount.refresh()
    with asks(mount, download=1):
        assert (mount.path / "made.txt").read_bytes() == b"made"
    with asks(mount):
        assert (mount.path / "made.txt").read_bytes() == b"made"
    with asks(mount, upload=1):
        (mount.path / "mine.txt").write_text("mine")
    with asks(mount, upload=1, delete=1), (mount.path / "made.txt").open("r+b") as file:
        file.write(b"M")
    with asks(mount, delete=1):
        (mount.path / "mine.txt").unlink()
    with asks(mount):
        mount.ok("status", mount.path)
    with asks(mount, list=1):
        mount.remount("--refresh", "300")
