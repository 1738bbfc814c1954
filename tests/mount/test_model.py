"""Whatever is done in whatever order, the mount shows what a dictionary would, and the server ends up with the same, once."""

import os
import shutil
from pathlib import Path

import pytest

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
        self.mount.kill()
        self.mount.mount(*OPTIONS)

    def others_make(self, path: str, content: bytes) -> None:
        made = self.mount.emulator.generate(path.replace("/", "\uff0f"), content)
        wait_until(lambda: refreshed(self.mount, path) == made["id"], "it shows")

    def others_remove(self, path: str) -> None:
        self.mount.emulator.vanish(os.getxattr(self.files / path, "user.anthropic.file_id").decode())
        wait_until(lambda: refreshed(self.mount, path) is None, "it is gone")

    def server_becomes(self, expected: list[tuple[str, str]]) -> None:
        wait_until(lambda: on_server(self.mount) == expected, f"{on_server(self.mount)} becomes {expected}")


def refreshed(mount: Mount, name: str) -> str | None:
    mount.refresh()
    try:
        return os.getxattr(mount.path / name, "user.anthropic.file_id").decode()
    except FileNotFoundError:
        return None


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
