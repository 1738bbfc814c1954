"""Whatever is done in whatever order, the mount shows what a dictionary would, and the server ends up with the same, once."""

import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from anthrofs.tree.upload_queue import IN_FLIGHT
from tests.model_machine import Hands, behaves_as_the_model
from tests.mounting import Mount, wait_until

EXAMPLES = int(os.environ.get("ANTHROFS_MODEL_EXAMPLES", "4"))
OPTIONS = ("--upload", "queue", "--refresh", "1")


class Mounted(Hands):
    """By system calls on a real mount."""

    def __init__(self, mount: Mount) -> None:
        self.mount, self.files = mount, mount.path

    def clear(self) -> None:
        for entry in self.files.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        self.sync()
        wait_until(lambda: self.mount.emulator.files() == [], "the server is empty")

    def write(self, path: str, content: bytes) -> None:
        (self.files / path).write_bytes(content)

    def append(self, path: str, content: bytes) -> None:
        with (self.files / path).open("ab") as file:
            file.write(content)

    def edit(self, path: str, content: bytes, place: int) -> None:
        descriptor = os.open(self.files / path, os.O_RDWR)
        os.pwrite(descriptor, content, place)
        os.close(descriptor)

    def unlink(self, path: str) -> None:
        (self.files / path).unlink()

    def rename(self, old: str, new: str) -> None:
        os.rename(self.files / old, self.files / new)

    def open(self, path: str) -> int:
        return os.open(self.files / path, os.O_RDONLY)

    def read_and_close(self, descriptor: int) -> bytes:
        content = os.pread(descriptor, 1000, 0)
        os.close(descriptor)
        return content

    def mkdir(self, path: str) -> None:
        (self.files / path).mkdir()

    def rmdir(self, path: str) -> None:
        (self.files / path).rmdir()

    def walk(self) -> list[str]:
        return [str(Path(root).relative_to(self.files) / name) for root, directories, names in os.walk(self.files)
                for name in (*directories, *names)]

    def look(self, path: str) -> tuple[int, bytes]:
        return (self.files / path).stat().st_size, (self.files / path).read_bytes()

    def sync(self) -> None:
        self.mount.sync()

    def remount(self) -> None:
        self.mount.remount(*OPTIONS)

    def kill(self) -> None:
        """Not while a removed file is still open (its name comes back then) or sent, and where an upload is under way, what became of it
        is known before anything else happens: else its file stays on the server, for it may be somebody else's.
        """
        wait_until(lambda: not half_removed(self.mount), "what was removed is gone")
        self.mount.kill()
        doubted = in_flight(self.mount)
        self.mount.mount(*OPTIONS)
        if doubted:
            self.sync()

    def others_make(self, path: str, content: bytes) -> None:
        made = self.mount.emulator.generate(path.replace("/", "\uff0f"), content)
        wait_until(lambda: refreshed(self.mount, path) == (made["id"], len(content)), "it shows")

    def others_remove(self, path: str) -> None:
        self.mount.emulator.vanish(os.getxattr(self.files / path, "user.anthropic.file_id").decode())
        wait_until(lambda: refreshed(self.mount, path) is None, "it is gone")

    def server_becomes(self, expected: list[tuple[str, str]]) -> None:
        wait_until(lambda: on_server(self.mount) == expected, f"{on_server(self.mount)} becomes {expected}")


def refreshed(mount: Mount, name: str) -> tuple[str, int] | None:
    """(id, size) after a refresh. The size may be what the kernel was told before, for as long as a refresh is apart from the next."""
    mount.refresh()
    path = mount.path / name
    try:
        return os.getxattr(path, "user.anthropic.file_id").decode(), path.stat().st_size
    except FileNotFoundError:
        return None


def half_removed(mount: Mount) -> bool:
    """The kernel tells of a close a moment after the program had its answer, and what is removed before is renamed until then."""
    status = mount.status()
    return bool(status["open"]) or any(entry["path"].endswith("(removed)") for entry in status["waiting"])


def in_flight(mount: Mount) -> bool:
    """Whether a killed mount was sending. Asked of a copy: a look at its database would take in what is in the journal beside it."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("state.db", "state.db-wal"):
            shutil.copy(mount.state_dir / name, folder)
        with closing(sqlite3.connect(Path(folder, "state.db"))) as db:
            return bool(db.execute("SELECT 1 FROM attempt WHERE state IN (?, ?)", IN_FLIGHT).fetchall())


def on_server(mount: Mount) -> list[tuple[str, str]]:
    """(path, SHA-256 of the content) of everything it has now."""
    return sorted((decoded(file["filename"]), file["sha256"]) for file in mount.emulator.files())


def decoded(filename: str) -> str:
    return filename.replace("\uff1f", "?").replace("\uff0f", "/")


@pytest.fixture
def mounted(mount: Mount) -> Mount:
    mount.expects("was being replaced or removed when anthrofs was ended")
    mount.mount(*OPTIONS)
    return mount


@pytest.mark.timeout(3600)
def test_the_mount_behaves_as_a_dictionary_and_so_does_the_server(mounted: Mount) -> None:
    behaves_as_the_model(Mounted(mounted), examples=EXAMPLES, steps=25)
